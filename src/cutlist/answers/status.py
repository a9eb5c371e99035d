"""How complete the features of tables are: by column, how many rows have a value, an old one, a failure, or none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.backfill import declared_now, installed, rows_of
from cutlist.errors import FeaturizerError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cutlist.store import Feature, Store, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStatus:
    """The columns of one featurizer in a table, and how complete they are. Counts of rows, which add up to all.

    Attributes:
        featurizer: Name and version, of the one that is installed if it can be made with the parameters of the one that
            was run last; else of that one.
        num_filled: With a value that is up to date (which may be NULL).
        num_stale: With a value, or a failure, of an older version, or of inputs that have changed since.
        num_failed: On which it failed.
        num_never: That it was not run on; also those of which an input is NULL.
        num_bytes: What the columns take on disk.
    """

    table: str
    version: int
    columns: tuple[str, ...]
    featurizer: str
    num_filled: int
    num_stale: int
    num_failed: int
    num_never: int
    num_bytes: int

    @property
    def num_rows(self) -> int:
        """The rows of the table."""
        return self.num_filled + self.num_stale + self.num_failed + self.num_never


def status_of(store: Store, table: Table, names: Collection[str] | None = None) -> Iterator[FeatureStatus]:
    """Yield the status of each feature of a table, or of those named, in the order of its columns."""
    sizes = table.stored_bytes
    for feature in table.features.values():
        if not feature.made or (names is not None and feature.name not in names):
            continue
        title, fingerprint = _current(feature)
        rows = rows_of(store, table, feature, feature.inputs)
        stale = rows.stale(fingerprint)
        yield FeatureStatus(
            table=table.name,
            version=table.version,
            columns=feature.columns,
            featurizer=title,
            num_filled=int((~rows.never & ~stale & ~rows.failed).sum()),
            num_stale=int(stale.sum()),
            num_failed=int((rows.failed & ~stale).sum()),
            num_never=int(rows.never.sum()),
            num_bytes=sum(sizes.get(each, 0) for each in (*feature.columns, feature.made_by, feature.made_at)),
        )


def _current(feature: Feature) -> tuple[str, int]:
    """Return the title and fingerprint that values are up to date with."""
    fingerprint, facts = list(feature.made.items())[-1]
    known = installed()
    of_another_name = feature.reference in known.values()
    if of_another_name or feature.name in known:
        with contextlib.suppress(FeaturizerError):  # it needs what is not installed
            reference = feature.reference if of_another_name and feature.reference else feature.name
            found = declared_now(reference, facts["parameters"])
            return found.title, found.fingerprint
    return f"{feature.name}@{facts['version']}", fingerprint
