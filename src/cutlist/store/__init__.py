"""Lance tables: opened at a version, scanned by DuckDB, read by row id, appended to. The only home of `lance`."""

from cutlist.store.blobs import Blobs
from cutlist.store.cache import RangeCache
from cutlist.store.pointers import Pointer
from cutlist.store.retries import Retry, place_of
from cutlist.store.root import FAILURES, FAILURES_SCHEMA, Store
from cutlist.store.scan import SCAN_BATCH_ROWS, ScanTable
from cutlist.store.table import Table, blob_array, blob_field, is_blob, packets_field

__all__ = [
    "FAILURES",
    "FAILURES_SCHEMA",
    "SCAN_BATCH_ROWS",
    "Blobs",
    "Pointer",
    "RangeCache",
    "Retry",
    "ScanTable",
    "Store",
    "Table",
    "blob_array",
    "blob_field",
    "is_blob",
    "packets_field",
    "place_of",
]
