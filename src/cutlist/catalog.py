"""The catalog: table names bound to tables at pinned versions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.errors import CatalogError, listing, suggest

if TYPE_CHECKING:
    from cutlist.store import Store, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The tables of a root, each at the version it had when the snapshot was taken. Names ignore case, as in SQL."""

    store: Store
    tables: Mapping[str, Table]

    @classmethod
    def take(cls, store: Store) -> Snapshot:
        """Return the tables of a root at their latest versions.

        Raises:
            CatalogError: if the root is not there. A table that cannot be opened is left out, with a warning.
        """
        store.check()
        tables = {}
        for name in store.table_names():
            try:
                table = store.find(name)
            except CatalogError as error:
                warnings.warn(f"{error}; left out", stacklevel=4)
                continue
            if table is None:
                warnings.warn(f"{store.uri(name)}: no version was ever written to its end; left out", stacklevel=4)
            else:
                tables[name] = table
        return cls(store=store, tables=tables)

    def find(self, name: str) -> Table | None:
        """Return the table of that name, or None."""
        exact = self.tables.get(name)
        if exact is not None:
            return exact
        return next((table for each, table in self.tables.items() if each.lower() == name.lower()), None)

    def table(self, name: str) -> Table:
        """Return the table of that name.

        Raises:
            CatalogError: if there is none; names the nearest.
        """
        table = self.find(name)
        if table is None:
            raise CatalogError(
                f'no table "{name}" in {self.store.root}{suggest(name, self.tables)} It has: {listing(self.tables)}.'
            )
        return table
