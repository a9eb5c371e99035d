"""Aggregates whose result depends on the order in which rows come, where no ORDER BY in the call fixes it.

Measured with DuckDB 2.0.0, 300,000 rows of an Arrow source, on 1, 2 and 4 threads: each of these gave several results
in six runs, and one result with `ORDER BY id` in its parentheses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.clauses import is_one_row
from cutlist.compiler.checks.source import KEYS, arguments, call_of, in_order, is_ordered, key_of, snippet, start_of
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

ANY = frozenset({"first", "last", "any_value", "arbitrary"})
LISTS = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg"})
LISTS_OF_JSON = frozenset({"json_group_array", "json_group_object"})  # macros, which take no ORDER BY
BEST = frozenset(
    {
        *("arg_max", "argmax", "max_by", "arg_max_null", "arg_max_nulls_last"),
        *("arg_min", "argmin", "min_by", "arg_min_null", "arg_min_nulls_last"),
    }
)
OTHERS = frozenset({"mode", "approx_quantile", "reservoir_quantile", "approx_top_k", "lttb"})
EVERY = ANY | LISTS | LISTS_OF_JSON | BEST | OTHERS

_ORDERLESS = frozenset(
    {
        *("len", "length", "array_length", "list_unique", "array_unique", "list_min", "list_max", "unnest"),
        *("list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort"),
        *("list_contains", "array_contains", "list_has", "array_has", "list_has_any", "list_has_all"),
    }
)
"""Functions for which the order of a list does not matter."""


def check_aggregates(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield warnings for aggregates that depend on the order of rows.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> [str(each) for each in check_aggregates(parse("SELECT mode(a) FROM t"), Kinds(lambda name: None))]
        ['query:1:8: of equally frequent values, mode(a) takes that which comes first, which can differ between runs;
        write mode(a ORDER BY a)']
    """
    for node in statement.tree.find_all(exp.Func):
        call = call_of(statement, node)
        if isinstance(node, exp.Array):
            yield from _array(statement, kinds, node)
        elif call is None or call[0] not in EVERY or is_ordered(node) or _is_same_for_all(node):
            continue
        elif not _order_is_ignored(statement, node, call[0]) and not _has_no_ties(node, call[0]):
            text = _text(statement, kinds, node, call[0])
            yield Remark(place=statement.at(call[1]), text=text, error=False)


def _text(statement: Statement, kinds: Kinds, node: exp.Expr, name: str) -> str:
    written, key = snippet(statement, node), key_of(kinds, node)
    first = snippet(statement, arguments(node)[0]) if arguments(node) else "…"
    fixed = in_order(statement, node, key)
    if name in ANY:
        also = f", or max({first})" if name not in ("first", "last") else ""
        return f"{written} takes the row that comes first, {_VARIES} {fixed}{also}"
    if name in LISTS:
        fixed = in_order(statement, node, first) if node.find(exp.Distinct) else fixed
        return f"the order of {written} can differ between runs; write {fixed}"
    if name in LISTS_OF_JSON:
        return f"the order of {written} can differ between runs; write to_json(list({first} ORDER BY {key}))"
    if name in BEST:
        return f"of rows that tie, {written} takes that which comes first, {_VARIES} {fixed}"
    if name == "mode":
        fixed = in_order(statement, node, first)
        return f"of equally frequent values, {written} takes that which comes first, {_VARIES} {fixed}"
    exact = f"quantile_cont({first}, …), which is exact, or " if name.endswith("quantile") else ""
    return f"{written} depends on the order of rows, {_VARIES} {exact}{fixed}"


_VARIES = "which can differ between runs; write"


def _array(statement: Statement, kinds: Kinds, array: exp.Array) -> Iterator[Remark]:
    """Yield a warning for `ARRAY(SELECT …)` without an ORDER BY."""
    query = array.expressions[0] if len(array.expressions) == 1 else None
    if not isinstance(query, exp.Select | exp.SetOperation) or query.args.get("order") is not None:
        return
    inner = next(iter(query.find_all(exp.Select)), None)
    place = start_of(statement, query)
    starts = [token.start for token in statement.tokens if token.text.upper() == "ARRAY" and token.start <= place]
    if starts and inner is not None and inner.args.get("from_") is not None and not is_one_row(query):
        text = f"the order of ARRAY(SELECT …) can differ between runs; write ORDER BY {key_of(kinds, inner)} in it"
        yield Remark(place=statement.at(starts[-1]), text=text, error=False)


def _is_same_for_all(node: exp.Expr) -> bool:
    """Return whether an aggregate sees one value only in its group: a key of the GROUP BY, or a constant."""
    values = arguments(node)[:1]
    columns = [column for each in values for column in each.find_all(exp.Column)]
    if values and not columns and not values[0].find(exp.Star, exp.Columns, exp.Identifier):
        return True
    select = node.find_ancestor(exp.Select)
    group = select.args.get("group") if select is not None else None
    if not isinstance(group, exp.Group) or not values:
        return False
    keys = {each.sql("duckdb").lower() for each in group.expressions}
    if group.args.get("all") and select is not None:
        keys |= {each.unalias().sql("duckdb").lower() for each in select.expressions}
    return values[0].sql("duckdb").lower() in keys


def _order_is_ignored(statement: Statement, node: exp.Expr, name: str) -> bool:
    """Return whether a list goes straight into a function that does not mind its order."""
    outer = node.parent
    while isinstance(outer, exp.Filter | exp.Paren):
        outer = outer.parent
    if name not in LISTS or not isinstance(outer, exp.Func):
        return False
    call = call_of(statement, outer)
    return call is not None and call[0] in _ORDERLESS


def _has_no_ties(node: exp.Expr, name: str) -> bool:
    """Return whether the second argument of `arg_max` tells rows apart: a key, or several values."""
    values = arguments(node)
    if name not in BEST or len(values) < 2:
        return False
    by = values[1]
    several = isinstance(by, exp.Tuple | exp.Struct) or (isinstance(by, exp.Anonymous) and by.name.lower() == "row")
    key = isinstance(by, exp.Column) and by.name.lower() in KEYS
    return several or key or by == values[0]
