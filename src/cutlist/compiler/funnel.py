"""The conditions of a query and of the views below it, as columns of one query that drops nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from cutlist.compiler.conditions import Condition, Parts, parts_of
from cutlist.compiler.names import base_tables
from cutlist.compiler.plan import GAP, QUERY, Plan
from cutlist.compiler.text import Statement, quoted, span
from cutlist.errors import QueryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A SELECT of the chain: the name of its statement, its parts, and the view that its FROM names, with its place."""

    name: str
    parts: Parts
    below: tuple[str, int, int] | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that drop rows; the others say which rows of FROM belong together."""
        return tuple(each for each in self.parts.conditions if not each.joins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """The SELECTs that rows go through, the query first, and what there is to say of it.

    `values` are the columns that the conditions name, as written, each with the number of its level.
    """

    plan: Plan
    levels: tuple[Level, ...]
    notes: tuple[str, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of all levels, in the order in which rows meet them: the innermost view's first."""
        return tuple(each for level in reversed(self.levels) for each in level.conditions)

    @property
    def values(self) -> tuple[tuple[int, str], ...]:
        """The columns that the conditions name, as written, each once with the number of its level."""
        found: dict[str, tuple[int, str]] = {}
        for number, level in reversed(list(enumerate(self.levels))):
            for column in (column for each in level.conditions for column in each.columns):
                found.setdefault(column.lower(), (number, column))
        return tuple(found.values())

    def only(self, count: int, note: str) -> Funnel:
        """Return the funnel of the first levels alone, with a note."""
        return Funnel(plan=self.plan, levels=self.levels[:count], notes=(*self.notes, note))

    def text(self, *, tried: bool, output: bool = False) -> str:
        """Return a query with a row for each row of FROM, and a column for each condition: TRUE, FALSE or NULL.

        Args:
            tried: Whether a condition that raises an error on a row is NULL there. DuckDB cannot do so with subqueries.
            output: Whether it has the query's own columns, and those of `values`, too.
        """
        return _text(self, 0, tried=tried, output=output)


def kept(number: int) -> str:
    """Return the name of the column that says whether a condition keeps a row."""
    return f"kept{GAP}{number}"


def value(number: int) -> str:
    """Return the name of the column with one of a funnel's `values`."""
    return f"value{GAP}{number}"


def funnel_of(plan: Plan) -> Funnel:
    """Return the conditions that a query's rows meet: its own and, while FROM names one view alone, that view's.

    Raises:
        QueryError: if the query is not one SELECT with a FROM, or draws a sample.
    """
    statement = plan.query
    parts = parts_of(statement, plan.find)
    if parts is None or parts.source is None:
        raise QueryError(
            f"{statement.place}: no WHERE to take apart here: expected SELECT … FROM … WHERE …, not a UNION, VALUES, "
            f"PIVOT or USING SAMPLE; put what is combined into views, and ask about each"
        )
    several = _several(statement, parts)
    if several is not None:
        raise QueryError(
            f"{several.place}: COLUMNS in a WHERE is a condition for each column; write those, so that each is counted"
        )
    notes = []
    if parts.after:
        notes.append(f"{_where(plan, QUERY)}: counted are the rows that WHERE leaves, before {', '.join(parts.after)}")
    levels = [Level(name=QUERY, parts=parts, below=_view_below(plan, QUERY))]
    while (below := levels[-1].below) is not None:
        name = below[0]
        inner = parts_of(plan.views[name], plan.find)
        reason = _not_plain(plan.views[name], inner) or _whole_rows(plan.statements[levels[-1].name], name)
        if reason is not None or inner is None:
            notes.append(f"{_where(plan, name)}: the conditions of {name} are not looked into: {reason}")
            levels[-1] = Level(name=levels[-1].name, parts=levels[-1].parts)
            break
        levels.append(Level(name=name, parts=inner, below=_view_below(plan, name)))
    joined = [each for level in levels for each in level.parts.conditions if each.joins]
    notes += [
        f"{each.place}: {each.text} says which rows belong together, so it counts as part of FROM" for each in joined
    ]
    return Funnel(plan=plan, levels=tuple(levels), notes=tuple(notes))


def _where(plan: Plan, name: str) -> str:
    return plan.statements[name].place


def _several(statement: Statement, parts: Parts) -> Condition | None:
    """Return a condition that is several: one with COLUMNS(…)."""
    named = [token.start for token in statement.tokens if token.text.upper() == "COLUMNS"]
    found = (each for each in parts.conditions if any(each.span[0] <= start < each.span[1] for start in named))
    return next(found, None)


def _not_plain(statement: Statement, parts: Parts | None) -> str | None:
    """Return what a view has that makes its rows other than those of its FROM, or None."""
    if parts is None:
        return "it is not one SELECT"
    if parts.source is None:
        return "it has no FROM"
    if _several(statement, parts) is not None:
        return "it has COLUMNS in its WHERE"
    return f"it has {', '.join(parts.after)}" if parts.after else None


def _whole_rows(statement: Statement, view: str) -> str | None:
    """Return that a statement uses the columns of the view below all at once, where one more would change its rows.

    A `*` of its list is none: of two columns with one name, the first is meant.
    """
    tree = statement.tree.unnest()
    names = {view.lower(), tree.args["from_"].this.alias_or_name.lower()}
    rows = (each for each in tree.find_all(exp.Column) if not each.table and each.name.lower() in names)
    stars = (
        each
        for each in tree.find_all(exp.Star)
        if not isinstance(each.parent, exp.Select | exp.Count)
        and not (isinstance(each.parent, exp.Column) and isinstance(each.parent.parent, exp.Select | exp.Count))
    )
    found = tree.find(exp.Columns) or next(rows, None) or next(stars, None)
    return None if found is None else f"{statement.place} uses all of its columns at once"


def _view_below(plan: Plan, name: str) -> tuple[str, int, int] | None:
    """Return the one view that a statement's FROM names, and the span of that name."""
    tree = plan.statements[name].tree.unnest()
    clause = tree.args.get("from_")
    table = clause.this if clause is not None else None
    if not isinstance(table, exp.Table) or tree.args.get("joins") or tree.args.get("laterals"):
        return None
    alias = table.args.get("alias")
    extra = [key for key, value in table.args.items() if value and key not in ("this", "alias")]
    place = span(table.this)
    view = next((each for each in plan.views if each.lower() == table.name.lower()), None)
    if extra or place is None or view is None or (isinstance(alias, exp.TableAlias) and alias.columns):
        return None
    is_base = any(table is each for each in base_tables(plan.statements[name].tree))
    return (view, *place) if is_base else None


def _text(funnel: Funnel, number: int, *, tried: bool, output: bool) -> str:
    """Return the query of one level and those below it."""
    plan, level = funnel.plan, funnel.levels[number]
    parts = level.parts
    assert parts.source is not None
    below = sum(len(each.conditions) for each in funnel.levels[number + 1 :])
    values = list(enumerate(funnel.values)) if output else []
    columns = [quoted(kept(i)) for i in range(below)]  # first, as a `*` has them once more, perhaps changed
    columns += [quoted(value(i)) for i, (owner, _) in values if owner > number]
    columns += [_list(plan, level)] if number or output else _aliased(plan, level)
    for i, condition in enumerate(level.conditions, below):
        columns.append(f"{_condition(plan, level, condition, tried=tried)} AS {quoted(kept(i))}")
    columns += [f"{name} AS {quoted(value(i))}" for i, (owner, name) in values if owner == number]
    if number + 1 < len(funnel.levels):
        assert level.below is not None
        view, start, stop = level.below
        table = f"(\n{_text(funnel, number + 1, tried=tried, output=output)}\n)"
        named = plan.statements[level.name].tree.unnest().args["from_"].this.args.get("alias")
        plan = plan.edited(level.name, (start, stop, table if named else f"{table} AS {quoted(view)}"))
    joins = [plan.part(level.name, *each.span) for each in parts.conditions if each.joins]
    where = "\nWHERE " + " AND ".join(f"({each}\n)" for each in joins) if joins else ""
    return (
        f"{plan.part(level.name, *parts.head)}SELECT {', '.join(columns) or '1'}\n"
        f"FROM {plan.part(level.name, *parts.source)}{where}"
    )


def _condition(plan: Plan, level: Level, condition: Condition, *, tried: bool) -> str:
    text = f"CAST((\n{plan.part(level.name, *condition.span)}\n) AS BOOLEAN)"
    tree = plan.statements[level.name].tree
    start, stop = condition.span
    queries = [each for each in tree.find_all(exp.Query) if each is not tree]
    places = [place for each in queries for node in each.walk() if (place := span(node)) is not None]
    has_query = any(start <= place[0] < stop for place in places)
    return text if has_query or not tried else f"TRY({text})"


def _list(plan: Plan, level: Level) -> str:
    """Return the list of a SELECT; one that has none lists everything."""
    if level.parts.listed is not None:
        return plan.part(level.name, *level.parts.listed)
    stop = level.parts.head[1]
    return plan.part(level.name, stop, stop).removeprefix("SELECT ") or "*"  # the `_rowid` rule inserts a SELECT


def _aliased(plan: Plan, level: Level) -> list[str]:
    """Return the entries of a SELECT's list that have a name of their own, which its WHERE may use."""
    tree = plan.statements[level.name].tree.unnest()
    tokens = plan.statements[level.name].tokens
    spans = [each.span for each in level.conditions]
    names = {token.text.lower() for token in tokens for start, stop in spans if start <= token.start < stop}
    entries: Sequence[exp.Expr] = tree.expressions
    if level.parts.items is None or not any(isinstance(e, exp.Alias) and e.alias.lower() in names for e in entries):
        return []
    return [
        plan.part(level.name, *place)
        for entry, place in zip(entries, level.parts.items, strict=True)
        if isinstance(entry, exp.Alias) and entry.find(exp.AggFunc, exp.Window, exp.Explode, exp.Unnest) is None
    ]
