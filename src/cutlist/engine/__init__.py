"""DuckDB over a snapshot of tables. The only home of `duckdb`."""

from cutlist.engine.compiling import Compiled, compile_plan
from cutlist.engine.databases import DUCKDB_VERSION, Databases
from cutlist.engine.engine import Engine
from cutlist.engine.excluding import Failed, digest
from cutlist.engine.naming import aggregates, column_names

__all__ = [
    "DUCKDB_VERSION",
    "Compiled",
    "Databases",
    "Engine",
    "Failed",
    "aggregates",
    "column_names",
    "compile_plan",
    "digest",
]
