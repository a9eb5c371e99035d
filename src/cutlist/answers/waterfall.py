"""Which condition of a query drops how many rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cutlist.engine import count_conditions
from cutlist.shown import Shown

if TYPE_CHECKING:
    from cutlist.compiler import Plan
    from cutlist.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What one condition drops. Counts of rows.

    Attributes:
        place: `file:line:column`.
        num_kept: For which it is true.
        num_left: For which it and all conditions before it are true.
        num_only: That it drops and every other condition keeps: so many more there would be without it.
        num_null: For which it is NULL, so that they are dropped: a feature that was not computed, say.
    """

    place: str
    condition: str
    num_kept: int
    num_left: int
    num_only: int
    num_null: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall(Shown):
    """The conditions of a query, in the order in which rows meet them: those of the innermost view first.

    Attributes:
        num_rows: Of FROM, before any condition.
        notes: What was not looked into, and other things that the counts alone do not say; each with its place.
    """

    sql: str
    num_rows: int
    drops: tuple[Drop, ...]
    notes: tuple[str, ...]

    @property
    def num_left(self) -> int:
        """Rows that every condition keeps."""
        return self.drops[-1].num_left if self.drops else self.num_rows

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        return asdict(self) | {"num_left": self.num_left}


def waterfall(engine: Engine, plan: Plan) -> Waterfall:
    """Return what each condition of a query drops. All counts are of one scan, which reads just the columns in them.

    Args:
        plan: Of one SELECT, strict.

    Raises:
        QueryError: if it is not one SELECT with a FROM, or cannot be compiled.
    """
    funnel, num_rows, counts = count_conditions(engine, plan)
    drops = [
        Drop(place=each.place, condition=each.text, num_kept=alone, num_left=left, num_only=only, num_null=null)
        for each, (alone, left, only, null) in zip(funnel.conditions, counts, strict=True)
    ]
    notes = funnel.notes if drops else (*funnel.notes, f"{plan.query.place}: no WHERE, so every row is kept")
    return Waterfall(sql=plan.query.text, num_rows=num_rows, drops=tuple(drops), notes=notes)
