"""Why samples that one query has are not in another: by which of its conditions they are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.compiler import kept, quoted, value
from cutlist.engine.counting import run_funnel
from cutlist.engine.matching import coded
from cutlist.errors import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

    from cutlist.compiler import Funnel, Plan
    from cutlist.engine.engine import Binding, Engine
    from cutlist.engine.matching import Codes, Shared

_UNSPLIT = frozenset({"GROUP BY", "HAVING", "an aggregate"})
"""What makes other rows of those that WHERE leaves, so that a sample is not one of them."""

MOST_CONDITIONS = 120
"""As many as a HUGEINT has bits for; the others are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why samples are not in a query.

    Attributes:
        counts: (dropped by, NULL for) → samples; bit i is condition i of `funnel`. (0, 0): kept by every condition.
        num_absent: Samples that are no row of its FROM at all.
        examples: Position → what `counts` has of a sample, and the columns that the conditions name, as text.
    """

    funnel: Funnel
    counts: Mapping[tuple[int, int], int]
    num_absent: int
    examples: Mapping[int, tuple[int, int, Mapping[str, str | None]]]


def find_missing(
    engine: Engine, plan: Plan, keys: Sequence[Shared], codes: Codes, only: pa.Table, shown: Sequence[int]
) -> Missing:
    """Return why the samples of `only` are not in a query.

    A sample that is several rows of FROM is told by the one that the fewest conditions drop.

    Args:
        plan: Of the query, strict.
        keys: What tells samples apart; the query is the second of each.
        only: Columns `position` and `key 0`, `key 1` …
        shown: The positions to give examples of.

    Raises:
        QueryError: if its conditions cannot be evaluated on rows that it drops.
    """

    def run(binding: Binding, funnel: Funnel, tried: bool) -> Missing:
        changed = _UNSPLIT.intersection(funnel.levels[0].parts.after)
        if changed:
            place = plan.query.place
            raise QueryError(f"{place}: {', '.join(sorted(changed))} makes its samples of several rows")
        cursor = binding.cursor
        cursor.register("samples only there", only)
        rows = f"(\n{funnel.text(tried=tried, output=True)}\n)"
        numbers = [codes.get((each.table, each.column), len(codes)) for each in binding.sources]
        live = [text for each in keys for text in _live(each, numbers)]
        on = " AND ".join(f'o."key {i}" IS NOT DISTINCT FROM ({text})' for i, text in enumerate(live))
        names = [f"r.{quoted(kept(i))}" for i in range(min(len(funnel.conditions), MOST_CONDITIONS))]
        masks = ", ".join(
            " + ".join(f"CASE WHEN {name} {test} THEN {1 << i}::HUGEINT ELSE 0 END" for i, name in enumerate(names))
            or "0::HUGEINT"
            for test in ("IS NOT TRUE", "IS NULL")
        )
        struct = f"row({masks})"
        best = "arg_min(m, (bit_count(m[1]), m))"
        # Each key once, before it meets the samples: where keys repeat on both sides, their product may be large.
        columns = ", ".join(f'{text} AS "key {i}"' for i, text in enumerate(live))
        semi = f'SELECT {columns}, {struct} AS m FROM {rows} AS r SEMI JOIN "samples only there" AS o ON {on}'
        grouped = f"SELECT * EXCLUDE (m), {best} AS m FROM ({semi}) GROUP BY ALL"
        same = " AND ".join(f'o."key {i}" IS NOT DISTINCT FROM g."key {i}"' for i in range(len(live)))
        counted = f'SELECT g.m[1], g.m[2], count(*) FROM "samples only there" AS o JOIN ({grouped}) AS g ON {same}'
        found = cursor.execute(f"{counted} GROUP BY ALL").fetchall()
        counts = {(int(dropped), int(nulls)): int(count) for dropped, nulls, count in found}
        kinds = dict(zip((each := cursor.sql(f"FROM {rows}")).columns, map(str, each.types), strict=True))
        named = {
            name: f"r.{quoted(value(i))}::VARCHAR"
            for i, (_, name) in enumerate(funnel.values)
            if not kinds[value(i)].startswith("STRUCT")
        }
        chosen = f"o.position IN ({', '.join(map(str, shown)) or 'NULL'})"
        texts = ", ".join(["o.position", f"{struct} AS m", *named.values()])
        ordered = f'SELECT {texts} FROM "samples only there" AS o JOIN {rows} AS r ON {on} AND {chosen}'
        examples: dict[int, tuple[int, int, Mapping[str, str | None]]] = {}
        for position, mask, *values in cursor.execute(f"FROM ({ordered}) ORDER BY bit_count(m[1]), m").fetchall():
            examples.setdefault(position, (int(mask[0]), int(mask[1]), dict(zip(named, values, strict=True))))
        return Missing(funnel=funnel, counts=counts, num_absent=only.num_rows - sum(counts.values()), examples=examples)

    funnel, found = run_funnel(engine, plan, run)
    return Missing(funnel=funnel, counts=found.counts, num_absent=found.num_absent, examples=found.examples)


def _live(shared: Shared, numbers: Sequence[int]) -> list[str]:
    """Return what a column of a running query is compared by, as `matching` has it of a selection's."""
    name = f"r.{quoted(shared.b.name)}"
    if not shared.fields:
        return [f"{name}::VARCHAR" if shared.as_text else name]
    return [
        coded(f"{name}.{quoted(field)}", numbers) if field == "source" else f"{name}.{quoted(field)}"
        for field in shared.fields
    ]
