"""Queries for the property test: a grammar of DuckDB's SELECT over the tables of `tests/tables.py`, as strategies.

What every query of it is, on purpose:

- It has one answer. LIMIT, DISTINCT ON, windows and aggregates that see an order see one without ties; nothing is
  volatile; floats are never added, nor is their sign of zero looked at.
- It binds: an expression is made for a kind of value, from the columns in sight of that kind.
- Its output columns have different names, and no integer overflows: arithmetic is that of small BIGINTs.

The strategies stand from the small to the large: expressions, then relations (what can stand in FROM), then SELECTs,
then `queries`, which any relation may hold again.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from tests.queries.expressions import conditions, keeping
from tests.queries.relations import BASE, pivot, relations, under, unpivot
from tests.queries.scope import Column, Grammar, Made, Scope, maybe, pick
from tests.queries.selects import any_columns, selects, stars

__all__ = ["Made", "queries"]


@st.composite
def set_operations(draw: st.DrawFn, scope: Scope) -> Made:
    """Return two SELECTs, or a SELECT and a set operation, put together."""
    wanted = any_columns(draw, scope)
    word = pick(draw, "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL", "UNION BY NAME")
    if word == "UNION BY NAME":
        more = (*wanted[1:], Column(scope.name("c"), "medium"))
        sides, made = (wanted, more), (*wanted, more[-1])
        word = pick(draw, word, "UNION ALL BY NAME")
    else:
        sides, made = (wanted, wanted), wanted
    parts = [draw(selects(scope, each)).text for each in sides]
    if word[:3] in ("INT", "EXC") and maybe(draw, 2):  # with a part of itself, so that something is left
        parts[1] = f"SELECT * FROM ({parts[0]}) WHERE {draw(keeping(scope.over(wanted).flat, 1))}"
    if maybe(draw):
        parts[0] = f"({parts[0]} ORDER BY {', '.join(str(n + 1) for n in range(len(wanted)))} LIMIT 9)"
    if maybe(draw):
        parts[1] = f"({parts[1]})"
    return Made(text=f" {word} ".join(parts), columns=made)


@st.composite
def recursions(draw: st.DrawFn, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    """Return the text and the columns of a CTE for WITH RECURSIVE."""
    name, word = scope.name("r"), pick(draw, "UNION ALL", "UNION")
    columns: tuple[Column, ...] = (Column("n", "number"), Column("m", "medium"))
    condition = draw(conditions(scope.over(under("v", BASE["videos"])).alone, 1))
    text, columns = pick(
        draw,
        (
            f"{name}(n, m) AS (SELECT id, video FROM videos WHERE id <= {pick(draw, '1', '4')} {word} "
            f"SELECT v.id, v.video FROM {name} JOIN videos v ON v.id = {name}.n * 2 AND {condition})",
            columns,
        ),
        (f"{name}(n) AS (SELECT 1 {word} SELECT n + 1 FROM {name} WHERE n < 9)", columns[:1]),
        (
            f"{name}(n, k) USING KEY (n) AS (SELECT id, 3 FROM images WHERE id < 5 UNION SELECT n, k - 1 FROM {name} "
            f"WHERE k > 0)",
            (columns[0], Column("k", "number")),
        ),
    )
    return text, (Column(name, "other"), *columns)


@st.composite
def queries(draw: st.DrawFn, scope: Scope | None = None) -> Made:
    """Return a query: CTEs, a SELECT or a set operation, an order and a limit."""
    top = scope is None
    seen = Scope(grammar=Grammar(selects=selects, relations=relations, queries=queries)) if scope is None else scope
    clauses, recursive = [], ""
    if seen.room and maybe(draw, 3):
        for _ in range(draw(st.integers(1, 2))):
            if seen.sees("images") and maybe(draw, 4):
                text, (name, *made_columns) = draw(recursions(seen))
                recursive = "RECURSIVE "
                seen = replace(seen, ctes=((name.text, tuple(made_columns)), *seen.ctes))
                clauses.append(text)
                continue
            made = draw(queries(seen.apart))
            hides = [each for each in ("captions", "hd", "images") if seen.sees(each)]
            label = pick(draw, *hides) if hides and maybe(draw, 3) else seen.name("e")
            clauses.append(f"{label} AS {pick(draw, '', 'MATERIALIZED ', 'NOT MATERIALIZED ')}({made.text})")
            seen = replace(seen, ctes=((label, made.columns), *seen.ctes))
    if top and not clauses and maybe(draw, 12):
        text, columns = pick(draw, pivot, unpivot)(draw, seen)
        return Made(text=text, columns=columns)
    operation = maybe(draw, 4)
    made = draw(set_operations(seen) if operation else stars(seen, top=top) if maybe(draw, 8) else selects(seen))
    prefix = f"WITH {recursive}{', '.join(clauses)} " if clauses else ""
    made = replace(made, text=prefix + made.text)
    return (
        draw(ordered(made, top=top, operation=operation))
        if made.columns and made.keys is None and maybe(draw, 2)
        else made
    )


@st.composite
def ordered(draw: st.DrawFn, made: Made, *, top: bool, operation: bool) -> Made:
    """Return a query with an ORDER BY, and a LIMIT where that is total."""
    directions = ("", " DESC", " NULLS FIRST", " DESC NULLS FIRST", " NULLS LAST")
    names = [each.text for each in made.columns]
    if top and maybe(draw, 4):
        some = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        keys = ", ".join(each + pick(draw, *directions) for each in some)
        return replace(made, text=f"{made.text} ORDER BY {keys}", keys=tuple(each.strip('"') for each in some))
    order = draw(st.permutations([names[n] if maybe(draw, 2) else str(n + 1) for n in range(len(names))]))
    keys = ", ".join(each + pick(draw, *directions) for each in order)
    if maybe(draw, 6):
        keys = pick(draw, "ALL", "ALL DESC NULLS LAST")
    number = draw(st.integers(1, 12))
    limits = ["", f" LIMIT {number}", f" LIMIT {number} OFFSET 2", f" OFFSET {number}"]
    if top and not operation:
        limits += [f" LIMIT {number * 5}%", f" LIMIT (SELECT count(*) // 4 FROM videos WHERE id > {number})"]
    return replace(made, text=f"{made.text} ORDER BY {keys}{pick(draw, *limits)}", keys=())
