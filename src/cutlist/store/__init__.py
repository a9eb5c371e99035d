"""Lance tables: opened at a version, scanned by DuckDB, read by row id, appended to. The only home of `lance`."""

from cutlist.store.blobs import BlobFile, Blobs
from cutlist.store.cache import RangeCache
from cutlist.store.features import FEATURIZER, STAMP_OF, Feature, feature_fields, features_of
from cutlist.store.indexes import INDEXES, make_index
from cutlist.store.pointers import Pointer
from cutlist.store.retries import LANCE_ERRORS, Retry, place_of
from cutlist.store.root import FAILURES, FAILURES_SCHEMA, Store
from cutlist.store.scan import SCAN_BATCH_ROWS, ScanTable
from cutlist.store.table import Table, blob_array, blob_field, is_blob, packets_field
from cutlist.store.vectors import VectorIndex, count_rows, nearest_rows, vector_index
from cutlist.store.words import rows_with_words

__all__ = [
    "FAILURES",
    "FAILURES_SCHEMA",
    "FEATURIZER",
    "INDEXES",
    "LANCE_ERRORS",
    "SCAN_BATCH_ROWS",
    "STAMP_OF",
    "BlobFile",
    "Blobs",
    "Feature",
    "Pointer",
    "RangeCache",
    "Retry",
    "ScanTable",
    "Store",
    "Table",
    "VectorIndex",
    "blob_array",
    "blob_field",
    "count_rows",
    "feature_fields",
    "features_of",
    "is_blob",
    "make_index",
    "nearest_rows",
    "packets_field",
    "place_of",
    "rows_with_words",
    "vector_index",
]
