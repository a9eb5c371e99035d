"""What a backfill did, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cutlist.shown import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport(Shown):
    """What a backfill did. Counts of rows.

    Attributes:
        num_computed: That have a value now.
        num_failed: That failed; they are in `_failures`.
        num_restored: Of both, how many an earlier run, that was stopped, had computed.
        num_skipped: Without a value, as an input of theirs is NULL.
        num_changed: Whose inputs changed while they were computed, or which were deleted; the next run takes them.
        num_before: That had a value already.
        num_failed_before: That failed in an earlier run, and were left alone.
    """

    table: str
    featurizer: str
    columns: tuple[str, ...]
    version: int
    num_computed: int = 0
    num_failed: int = 0
    num_restored: int = 0
    num_skipped: int = 0
    num_changed: int = 0
    num_before: int = 0
    num_failed_before: int = 0
    seconds: float = 0.0

    def row(self) -> dict[str, Any]:
        """Return the report as a row of a result of SQL."""
        counts = ("computed", "failed", "skipped", "changed", "before", "failed_before")
        numbers = {f"num_{each}": getattr(self, f"num_{each}") for each in counts}
        return {"table": self.table, "featurizer": self.featurizer, "version": self.version, **numbers}

    def __str__(self) -> str:
        rate = f" ({self.num_computed / self.seconds:,.0f} rows/s)" if self.seconds >= 1 and self.num_computed else ""
        parts = [f"{self.table}.{', '.join(self.columns)} by {self.featurizer}: {self.num_computed:,} computed{rate}"]
        if self.num_restored:
            parts.append(f"{self.num_restored:,} of them by a run that was stopped")
        if self.num_failed:
            parts.append(f"{self.num_failed:,} failed (SELECT row_id, message FROM _failures)")
        if self.num_before:
            parts.append(f"{self.num_before:,} were there")
        if self.num_failed_before:
            parts.append(f"{self.num_failed_before:,} failed before (errors_only tries them again)")
        if self.num_skipped:
            parts.append(f"{self.num_skipped:,} have no input")
        if self.num_changed:
            parts.append(f"{self.num_changed:,} changed meanwhile (run it again)")
        return "; ".join(parts)
