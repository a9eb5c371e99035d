"""Lance tables: opened at a version, scanned by DuckDB, read by row id, appended to. The only home of `lance`."""

from cutlist.store.pointers import Pointer
from cutlist.store.root import FAILURES, FAILURES_SCHEMA, Store
from cutlist.store.scan import SCAN_BATCH_ROWS, ScanTable
from cutlist.store.table import Table, blob_array, blob_field, is_blob, packets_field

__all__ = [
    "FAILURES",
    "FAILURES_SCHEMA",
    "SCAN_BATCH_ROWS",
    "Pointer",
    "ScanTable",
    "Store",
    "Table",
    "blob_array",
    "blob_field",
    "is_blob",
    "packets_field",
]
