"""DuckDB over a snapshot of tables. The only home of `duckdb`."""

from cutlist.engine.databases import DUCKDB_VERSION, Databases
from cutlist.engine.engine import Compiled, Engine

__all__ = ["DUCKDB_VERSION", "Compiled", "Databases", "Engine"]
