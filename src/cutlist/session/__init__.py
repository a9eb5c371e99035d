"""A session: what one asks of tables, what one trains on, what one adds to them."""

from cutlist.session.session import Session, connect

__all__ = ["Session", "connect"]
