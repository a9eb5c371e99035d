"""The conditions of a query, counted over the rows of its FROM in one scan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import duckdb

from cutlist.compiler import Funnel, apply, check_query, funnel_of, kept, quoted
from cutlist.errors import QueryError

if TYPE_CHECKING:
    from cutlist.compiler import Plan
    from cutlist.engine.engine import Binding, Engine

T = TypeVar("T")


def count_conditions(engine: Engine, plan: Plan) -> tuple[Funnel, int, list[tuple[int, int, int, int]]]:
    """Return the conditions of a query, the rows of its FROM, and for each condition how many of them it keeps alone,
    how many it and all before it keep, how many it alone drops, and of how many it is NULL.

    Args:
        plan: Of one SELECT, strict.

    Raises:
        QueryError: if it is not one SELECT with a FROM, or cannot be compiled.
    """
    funnel, found = run_funnel(engine, plan, lambda binding, funnel, tried: _counted(binding, funnel, tried=tried))
    rows, *counts = found
    return funnel, rows, list(zip(*[iter(counts)] * 4, strict=True))


def run_funnel(engine: Engine, plan: Plan, run: Callable[[Binding, Funnel, bool], T]) -> tuple[Funnel, T]:
    """Return what `run` returns for the most of a query's conditions that can be evaluated on every row, and those.

    Where a condition raises an error on a row that another one drops, it is NULL there. Where what a view computes
    raises one, only the conditions above that view are looked at.

    Args:
        plan: Of one SELECT, strict. Filters are not pushed to Lance, and no column is late.
        run: Binding, funnel, and whether a condition that raises is NULL → anything.
    """
    plan = apply((check_query,), plan, engine.facts)
    for remark in plan.remarks:
        if remark.error:
            raise QueryError(str(remark))
    funnel = funnel_of(plan)
    binding = engine.bind(plan)
    with contextlib.closing(binding.cursor) as cursor, engine.placed(plan.query, binding):
        cursor.sql(binding.text)  # an unknown column is told in the user's own text
        first: duckdb.Error | None = None
        for each, tried in _attempts(funnel):
            try:
                found = run(binding, each, tried)
                return (_noted(each, first) if tried and first is not None else each), found
            except duckdb.InterruptException:
                raise
            except duckdb.Error as error:
                first = first or error
        assert first is not None
        raise first


def _attempts(funnel: Funnel) -> Iterator[tuple[Funnel, bool]]:
    """Yield what to try, best first."""
    yield funnel, False
    yield funnel, True
    for count in range(len(funnel.levels) - 1, 0, -1):
        name = funnel.levels[count].name
        place = funnel.plan.statements[name].place
        less = funnel.only(count, f"{place}: the conditions of {name} cannot be evaluated on the rows that it drops")
        yield less, False
        yield less, True


def _noted(funnel: Funnel, error: duckdb.Error) -> Funnel:
    """Return a funnel with a note that errors were NULL."""
    said = str(error).splitlines()[0]
    place = funnel.plan.query.place
    return funnel.only(
        len(funnel.levels),
        f"{place}: a condition fails on rows that another one drops, and counts as NULL there: {said}",
    )


def _counted(binding: Binding, funnel: Funnel, *, tried: bool) -> list[int]:
    """Return the number of rows, and then four counts for each condition."""
    names = [quoted(kept(i)) for i in range(len(funnel.conditions))]
    counts = ["count(*)"]
    for i, name in enumerate(names):
        counts += [
            f"count(*) FILTER ({name})",
            f"count(*) FILTER ({' AND '.join(names[: i + 1])})",
            f"count(*) FILTER (dropped = 1 AND {name} IS NOT TRUE)",
            f"count(*) FILTER ({name} IS NULL)",
        ]
    dropped = " + ".join(f"({name} IS NOT TRUE)::INTEGER" for name in names) or "0"
    text = f"SELECT {', '.join(counts)} FROM (SELECT *, {dropped} AS dropped FROM (\n{funnel.text(tried=tried)}\n))"
    return [int(each) for each in binding.cursor.execute(text).fetchall()[0]]
