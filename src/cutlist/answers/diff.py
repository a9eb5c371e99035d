"""What differs between two training sets: the samples that only one has, why, and the values that changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.engine import codes_of, find_missing, key_columns, match_samples
from cutlist.errors import QueryError
from cutlist.packing import has_media, with_refs
from cutlist.shown import Shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.compiler import Plan
    from cutlist.engine import Codes, Engine, Match, Missing, Shared
    from cutlist.media.reference import MediaRef
    from cutlist.selection import Selection

TELLING = ("id", "path", "caption", "text", "url", "key")
"""Columns of a sample that an example shows, where they are there; else its first two that are no media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A condition of the other side, and how many samples it drops there: in all, alone, and because it is NULL."""

    place: str
    condition: str
    num_dropped: int
    num_only: int
    num_null: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A sample that only one side has: its position there, media and columns, as text.

    `dropped_by` has the conditions of the other side that drop it, `values` the columns that those conditions name.
    """

    position: int
    sample: Mapping[str, str]
    dropped_by: tuple[str, ...] = ()
    values: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two training sets, and the samples that the other has not.

    Attributes:
        tables: That it reads, as `name@version`.
        num_only: Samples that the other has not.
        reasons: Conditions of the other side that drop them.
        num_absent: Of `num_only`, those that are no row of the other's FROM; None where that is not known.
        num_passed: Those that every condition of the other keeps: its LIMIT or DISTINCT leaves them out, or it has them
            less often.
        positions: Of those samples, int64, ascending.
    """

    sql: str
    tables: tuple[str, ...]
    num_samples: int
    num_only: int
    reasons: tuple[Reason, ...]
    num_absent: int | None
    num_passed: int | None
    examples: tuple[Example, ...]
    positions: NDArray[np.int64] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff(Shown):
    """Two training sets, sample by sample.

    Attributes:
        keys: What tells samples apart: columns, of media what they refer to and how they are decoded.
        changed: Column of both → samples in both in which it differs; NULL is a value.
        notes: What the counts alone do not say.
    """

    a: Side
    b: Side
    num_both: int
    keys: tuple[str, ...]
    changed: Mapping[str, int]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON can hold it, without the positions."""
        found = asdict(self)
        for side in ("a", "b"):
            found[side].pop("positions")
        return found


def diff(
    engine: Engine,
    plans: tuple[Plan, Plan],
    selections: tuple[Selection, Selection],
    *,
    on: Sequence[str] | None,
    num_examples: int,
) -> Diff:
    """Return what differs between two compiled queries. No media byte is read.

    Args:
        plans: Of the two queries, strict.
        selections: What they compile to.
        on: Columns that tell samples apart; default: the media that both have, with how they are decoded.
        num_examples: Samples to show of each side.

    Raises:
        SelectionError: if nothing tells samples apart.
    """
    a, b = selections
    codes = codes_of(a, b)
    keys = key_columns(a, b, on, codes)
    with contextlib.closing(engine.databases.cursor(compiling=True)) as cursor:
        match = match_samples(cursor, a, b, keys, codes)
    turned = [each.turned for each in keys]
    side_a, notes_a = _side(engine, a, plans[1], keys, codes, match, 0, num_examples)
    side_b, notes_b = _side(engine, b, plans[0], turned, codes, match, 1, num_examples)
    return Diff(
        a=side_a,
        b=side_b,
        num_both=match.num_both,
        keys=tuple(each.a.name for each in keys),
        changed=match.changed,
        notes=(*_notes(a, b, keys, match), *dict.fromkeys((*notes_a, *notes_b))),
    )


def _notes(a: Selection, b: Selection, keys: Sequence[Shared], match: Match) -> list[str]:
    """Return what there is to say of how samples were told apart."""
    versions = [{each.name: each.version for each in selection.tables} for selection in (a, b)]
    notes = [
        f"{name}: version {version} in the first, {versions[1][name]} in the second"
        for name, version in versions[0].items()
        if versions[1].get(name, version) != version
    ]
    for each in keys:
        mine, others = each.a.ops, each.b.ops
        if each.fields and mine is not None and others is not None and list(map(str, mine)) != list(map(str, others)):
            written = [".".join(map(str, ops)).replace("nan", "…") or "as stored" for ops in (mine, others)]
            notes.append(
                f"{each.a.name} is decoded as {written[0]} in one and {written[1]} in the other, which makes other "
                f"samples; to compare rows, name columns that tell them apart: on=…"
            )
    late = [
        x.name
        for x in a.columns
        for y in b.columns
        if x.name.lower() == y.name.lower() and (x.late, y.late) != (None, None)
    ]
    if late and match.num_both:
        notes.append(f"not compared, as their values are read late: {', '.join(late)}")
    return notes


def _side(
    engine: Engine,
    selection: Selection,
    other: Plan,
    keys: Sequence[Shared],
    codes: Codes,
    match: Match,
    number: int,
    num_examples: int,
) -> tuple[Side, tuple[str, ...]]:
    """Return one side, and what there is to say of its reasons."""
    positions = (match.only_a, match.only_b)[number]
    shown = positions[np.arange(min(num_examples, len(positions))) * len(positions) // max(num_examples, 1)]
    if len(positions) <= num_examples:
        shown = positions
    missing: Missing | None = None
    notes: tuple[str, ...] = ()
    nested = any(has_media(selection.schema.field(each.a.name).type) and not each.fields for each in keys)
    if len(positions) and not nested:
        missing, notes = _missing(engine, other, keys, codes, match, number, shown)
    conditions = [] if missing is None else [(each.place, each.text) for each in missing.funnel.conditions]
    reasons = []
    for i, (place, text) in enumerate(conditions):
        counted = {masks: count for masks, count in missing.counts.items() if masks[0] >> i & 1} if missing else {}
        reason = Reason(
            place=place,
            condition=text,
            num_dropped=sum(counted.values()),
            num_only=sum(count for (dropped, _), count in counted.items() if dropped == 1 << i),
            num_null=sum(count for (_, nulls), count in counted.items() if nulls >> i & 1),
        )
        reasons += [reason] if reason.num_dropped else []
    side = Side(
        sql=selection.sql,
        tables=tuple(map(str, selection.tables)),
        num_samples=selection.num_samples,
        num_only=len(positions),
        reasons=tuple(reasons),
        num_absent=missing.num_absent if missing is not None else None,
        num_passed=sum(count for (dropped, _), count in missing.counts.items() if not dropped) if missing else None,
        examples=tuple(_examples(selection, shown, missing, [text for _, text in conditions])),
        positions=positions,
    )
    return side, notes


def _missing(
    engine: Engine,
    other: Plan,
    keys: Sequence[Shared],
    codes: Codes,
    match: Match,
    number: int,
    shown: NDArray[np.int64],
) -> tuple[Missing | None, tuple[str, ...]]:
    """Return why the other side has not the samples of one, or None and a note where that cannot be told."""
    try:
        found = find_missing(engine, other, keys, codes, match.keys[number], shown.tolist())
    except QueryError as error:
        return None, (f"why samples are in one alone is not told: {error}",)
    return found, tuple(each for each in found.funnel.notes if "counted are" not in each)


def _examples(
    selection: Selection, shown: NDArray[np.int64], missing: Missing | None, conditions: Sequence[str]
) -> Any:
    """Yield samples at positions as text."""
    taken = selection.take(shown)
    media = [each.name for each in selection.columns if has_media(taken.schema.field(each.name).type)]
    plain = [each.name for each in selection.columns if each.name not in media and each.late is None]
    names = [*media, *([each for each in plain if each.lower() in TELLING] or plain[:2])]
    columns = {name: taken.column(name).to_pylist() for name in names}
    for row, position in enumerate(shown.tolist()):
        sample = {}
        for name in names:
            value = with_refs(columns[name][row], taken.schema.field(name).type, lambda ref: _written(selection, ref))
            sample[name] = "NULL" if value is None else str(value)
        dropped, _, values = missing.examples.get(position, (0, 0, {})) if missing is not None else (0, 0, {})
        by = tuple(text for i, text in enumerate(conditions) if dropped >> i & 1)
        yield Example(position=position, sample=sample, dropped_by=by, values=values)


def _written(selection: Selection, ref: MediaRef) -> str:
    """Return a reference as `videos.video[12].clip(0, 2)`."""
    source = selection.sources[ref.source]
    return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])
