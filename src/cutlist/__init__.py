"""cutlist: your training set is a SQL query."""

from cutlist.errors import CutlistError
from cutlist.selection import Selection
from cutlist.session import Session, connect
from cutlist.settings import Settings

__all__ = ["CutlistError", "Selection", "Session", "Settings", "connect", "load_ipython_extension"]
__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """Add `%cutlist ROOT` and `%%cutlist` to an IPython shell; `%load_ext cutlist` calls it."""
    from cutlist.magics import load  # needs IPython, which is there when this is called, and not before

    load(shell)
