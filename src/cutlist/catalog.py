"""The catalog: table names bound to tables at pinned versions."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cutlist.errors import CatalogError, listing, suggest

if TYPE_CHECKING:
    from cutlist.store import Store, Table


V = TypeVar("V")


def fold_case(named: Mapping[str, V], name: str) -> V | None:
    """Return what has a name, or else what has it but for case, as SQL finds names; None if nothing has.

    Examples:
        >>> fold_case({"videos": 1, "Films": 2}, "films")
        2
    """
    return named.get(name) or next((value for each, value in named.items() if each.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The tables of a root, each at the version it had when the snapshot was taken. Names ignore case, as in SQL."""

    store: Store
    tables: Mapping[str, Table]
    _others: dict[tuple[str, int | str], Table] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def take(cls, store: Store, versions: Mapping[str, int | str] | None = None) -> Snapshot:
        """Return the tables of a root at their latest versions.

        Args:
            versions: Name of a table → the version to take instead, a number or a tag.

        Raises:
            CatalogError: if the root, or such a table or version, is not there. A table that cannot be opened is left
                out, with a warning.
        """
        store.check()
        names = store.table_names()
        versions = dict(_version(names, name, version) for name, version in (versions or {}).items())
        tables: dict[str, Table] = {}
        for name in names:
            try:
                table = store.open(name, versions[name]) if name in versions else store.find(name)
            except CatalogError as error:
                if name in versions:
                    raise
                warnings.warn(f"{error}; left out", stacklevel=4)
                continue
            if table is None:
                warnings.warn(f"{store.uri(name)}: no version was ever written to its end; left out", stacklevel=4)
            elif fold_case(tables, name) is not None:
                warnings.warn(
                    f"{store.uri(name)}: its name differs only in case from another's; left out", stacklevel=4
                )
            else:
                tables[name] = table
        return cls(store=store, tables=tables)

    def find(self, name: str) -> Table | None:
        """Return the table of that name, or None."""
        return fold_case(self.tables, name)

    def at(self, name: str, version: int | str) -> Table | None:
        """Return the table of that name at another version, by number or tag, or None if there is no such table.

        Raises:
            CatalogError: if there is no such version.
        """
        table = self.find(name)
        if table is None or version == table.version:
            return table
        if (table.name, version) not in self._others:
            self._others[table.name, version] = self.store.open(table.name, version)
        return self._others[table.name, version]


def _version(names: Sequence[str], name: str, version: Any) -> tuple[str, int | str]:
    """Return the table that a name is of, and its version: a tag, or a number of Python."""
    table = fold_case({each: each for each in names}, name)
    if table is None:
        raise CatalogError(f'versions: no table "{name}"{suggest(name, names)} There are: {listing(names)}.')
    if isinstance(version, str):
        return table, version
    try:
        number = operator.index(version)
    except TypeError:
        number = 0
    if number < 1:
        raise CatalogError(
            f"versions: version {version} of table {table}; expected a whole number of at least 1, or a tag"
        )
    return table, number
