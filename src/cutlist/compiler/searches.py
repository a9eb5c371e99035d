"""What an index of Lance's finds sooner than DuckDB does: texts with some words, and the vectors nearest to one.

DuckDB runs the user's own text in any case. A search only leaves out rows of a table that cannot be in the result, and
only where that is certain from the text:

- `matches(caption, 'red car')`, where it must be true for every row that the SELECT can use.
- `ORDER BY similarity(embedding, …) DESC LIMIT n` of one table, with or without WHERE: without DISTINCT, GROUP BY,
  HAVING, QUALIFY, windows, UNNEST, joins or functions that differ from call to call, the rows that are kept have the n
  greatest similarities of those that WHERE lets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.calls import calls_of
from cutlist.compiler.checks.volatile import VOLATILE
from cutlist.compiler.lineage.written import clause
from cutlist.compiler.names import base_tables
from cutlist.compiler.push import Scope, pushed_filters
from cutlist.compiler.similarity import SIMILARITY, calls_in
from cutlist.compiler.text import span

if TYPE_CHECKING:
    from cutlist.compiler.plan import Catalog, Plan
    from cutlist.compiler.push import Named
    from cutlist.compiler.text import Statement

MATCHES = "matches"

WORDS_INDEX = frozenset({"INVERTED"})
VECTOR_INDEXES = frozenset({"IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ"})

_LONGEST_WORD = 39
"""Longer words are not in the index."""

_ONE_TABLE = frozenset({"expressions", "from_", "where", "order", "limit", "offset"})

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSearch:
    """Rows of a table with all of some words in a column; the table by the offset of its name in a statement."""

    statement: str
    offset: int
    column: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestSearch:
    """The `count` rows of a table that are most similar to a vector, of those that WHERE is true for.

    Attributes:
        called: What the statement calls the table.
        type: DuckDB's type of the column.
        vector: The span of what the column is compared with.
        where: That of the condition.
        filter: A condition, in Lance's SQL, that every row has which the statement can use.
    """

    statement: str
    offset: int
    called: str
    column: str
    type: str
    vector: Span
    where: Span | None
    count: int
    filter: str | None


Search = WordSearch | NearestSearch


def find_searches(plan: Plan, catalog: Catalog) -> Plan:
    """Find what indexes can be asked for."""
    if not calls_of({MATCHES, SIMILARITY}, plan):
        return plan
    found = [each for name, statement in plan.statements.items() for each in _searches(plan, name, statement)]
    return replace(plan, searches=tuple(dict.fromkeys(found)))


def _searches(plan: Plan, name: str, statement: Statement) -> Iterator[Search]:
    base = {id(table) for table in base_tables(statement.tree)}
    for select in statement.tree.find_all(exp.Select):
        scope = Scope.of(select, lambda table: plan.find(table.name) if id(table) in base else None)
        if scope is not None:
            yield from _of_words(name, statement, scope)
            nearest = _nearest(plan, name, statement, scope)
            if nearest is not None:
                yield nearest


def _offset(statement: Statement, table: exp.Table) -> int | None:
    place = span(table.this)
    return None if place is None or statement.text[place[0]] == "'" else place[0]


def _of_words(name: str, statement: Statement, scope: Scope) -> Iterator[WordSearch]:
    """Yield a search for each `matches(column, 'words')` that every row meets."""
    for condition in scope.conjuncts():
        behind = isinstance(condition, exp.Dot)
        call = condition.expression if behind else condition
        if not isinstance(call, exp.Anonymous) or call.name.lower() != MATCHES:
            continue
        values = [*([condition.this] if behind else []), *call.expressions]
        if len(values) != 2 or not isinstance(values[1], exp.Literal) or not values[1].is_string:
            continue
        column = scope.named(values[0])
        words = indexed_words(str(values[1].this))
        if column is None or not column.has(WORDS_INDEX) or not words:
            continue
        offset = _offset(statement, scope.kept[column.table])
        if offset is not None:
            yield WordSearch(statement=name, offset=offset, column=column.name, words=words)


def indexed_words(text: str) -> tuple[str, ...]:
    """Return the words of a text that an index has if and only if `matches` sees them in a text.

    Examples:
        >>> indexed_words("a Red car, naïve " + "x" * 50)
        ('a', 'red', 'car')
    """
    pieces = re.split(r"[^0-9a-z\x80-\U0010ffff]+", "".join(c.lower() if c.isascii() else c for c in text))
    return tuple(dict.fromkeys(each for each in pieces if each and each.isascii() and len(each) <= _LONGEST_WORD))


def _nearest(plan: Plan, name: str, statement: Statement, scope: Scope) -> NearestSearch | None:
    select = scope.select
    if {key for key, value in select.args.items() if value} - _ONE_TABLE or scope.joins or list(scope.kept) != [0]:
        return None
    if select.find(exp.Window, exp.Unnest, exp.Explode) or calls_of({"unnest"} | VOLATILE, plan):
        return None
    count = _count(select)
    found = _ordered_by(statement, scope)
    if count is None or found is None:
        return None
    column, vector, compared = found
    where = select.args.get("where")
    condition = clause(statement, where.this) if where is not None else None
    if where is not None and condition is None:
        return None
    nested = [each for part in (compared, where) if part is not None for each in part.find_all(exp.Query)]
    if nested and statement.tree.find(exp.With):  # the name of a CTE may be that of a table
        return None
    table = scope.kept[0]
    offset = _offset(statement, table)
    if offset is None:
        return None
    filters = pushed_filters(statement, plan.find, lambda _: True)
    return NearestSearch(
        statement=name,
        offset=offset,
        called=table.alias_or_name,
        column=column.name,
        type=column.facts.type,
        vector=vector,
        where=condition,
        count=count,
        filter=filters.get(offset),
    )


def _count(select: exp.Select) -> int | None:
    """Return how many rows LIMIT and OFFSET look at, where both are plain numbers."""
    limit, offset = select.args.get("limit"), select.args.get("offset")
    if not isinstance(limit, exp.Limit) or limit.args.get("limit_options") is not None:
        return None
    numbers = [limit.expression, *([offset.expression] if offset is not None else [])]
    if not all(isinstance(each, exp.Literal) and each.is_int for each in numbers):
        return None
    return sum(int(each.name) for each in numbers) or None


def _ordered_by(statement: Statement, scope: Scope) -> tuple[Named, Span, exp.Expr] | None:
    """Return the indexed column, and what it is compared with, whose similarity the rows are ordered by."""
    order = scope.select.args.get("order")
    first = order.expressions[0] if isinstance(order, exp.Order) and order.expressions else None
    if not isinstance(first, exp.Ordered) or not first.args.get("desc") or first.args.get("nulls_first"):
        return None
    term = first.this.unnest()
    if isinstance(term, exp.Column) and not term.table:  # an alias goes before a column there
        aliased = [each.this for each in scope.select.expressions if each.alias.lower() == term.name.lower()]
        term = aliased[0] if len(aliased) == 1 else term
    term = term.expression if isinstance(term, exp.Dot) else term
    for call in calls_in(statement):
        if term is not call.node:
            continue
        column = scope.named(call.embedding)
        alone = all(each.find_ancestor(exp.Query) is not scope.select for each in call.other.find_all(exp.Column))
        indexed = column is not None and column.has(VECTOR_INDEXES) and re.fullmatch(r"FLOAT\[\d+\]", column.facts.type)
        if column is not None and indexed and alone:
            return column, call.span, call.other
    return None
