"""DuckDB over a snapshot of tables. The only home of `duckdb`."""

from cutlist.engine.compiling import Compiled, compile_plan
from cutlist.engine.counting import count_conditions
from cutlist.engine.databases import DUCKDB_VERSION, Databases
from cutlist.engine.engine import Engine
from cutlist.engine.excluding import Failed, digest
from cutlist.engine.matching import Codes, Match, Shared, codes_of, key_columns, match_samples
from cutlist.engine.missing import Missing, find_missing
from cutlist.engine.naming import aggregates, column_names

__all__ = [
    "DUCKDB_VERSION",
    "Codes",
    "Compiled",
    "Databases",
    "Engine",
    "Failed",
    "Match",
    "Missing",
    "Shared",
    "aggregates",
    "codes_of",
    "column_names",
    "compile_plan",
    "count_conditions",
    "digest",
    "find_missing",
    "key_columns",
    "match_samples",
]
