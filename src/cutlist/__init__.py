"""cutlist: your training set is a SQL query."""

from cutlist.errors import CutlistError
from cutlist.selection import Selection
from cutlist.session import Session, connect
from cutlist.settings import Settings

__all__ = ["CutlistError", "Selection", "Session", "Settings", "connect"]
__version__ = "0.1.0"
