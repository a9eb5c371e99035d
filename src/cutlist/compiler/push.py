"""Conditions that Lance answers exactly, so that it may leave rows out before DuckDB sees them.

DuckDB still evaluates the whole query; a condition is pushed where it pays: an index of Lance's answers it, or the rows
that it leaves out would have been read with a wide column.

What was tried (Lance 14, DuckDB 2.0, every type of `tests/tables.py`, without and with an index of each kind):

- The same: comparisons, IN, BETWEEN, IS NULL, LIKE, AND, OR, NOT, with NULL, NaN and both zeros, on all scalar types.
- Lance refuses a literal that is not of its column's type, or out of its range: `i8 = 300`, `day = '2024-03-01'`,
  `price = 1.5`. So a literal is written anew for the type of its column, or the condition is left to DuckDB.
- Lance cuts a fraction off that a TIMESTAMP_S or TIMESTAMP_MS cannot hold, takes `\\` in a LIKE pattern as an escape,
  has no ESCAPE, and does not know TIME literals. DuckDB compares a FLOAT with `1e-1` as DOUBLE, with `0.1` as FLOAT.
- Behind `NOT (…)` Lance compares a FLOAT with `0.1` as DOUBLE: see `_filter`. An index on a BOOLEAN loses the NULLs of
  `NOT (flag IS FALSE)`: IS TRUE and IS FALSE are not pushed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.literals import RANGES, literal
from cutlist.compiler.names import base_tables
from cutlist.compiler.text import Statement, span

if TYPE_CHECKING:
    from cutlist.compiler.facts import ColumnFacts, FindTable, TableFacts

_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The operators with their sides changed."""

_NEGATED = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
"""The operators behind NOT; NaN is the greatest number, in DuckDB and in Lance."""

_SORTED = frozenset({"BTREE", "BITMAP", "ZONEMAP"})
_EQUAL = _SORTED | {"BLOOMFILTER"}
_LABELS = frozenset({"LABEL_LIST"})
_NONE: frozenset[str] = frozenset()
_CLAUSES = "with_ distinct expressions from_ joins where group having windows qualify order limit offset"
"""What a SELECT may have; not a sample, which is taken before WHERE."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """A condition as Lance is asked it, on one table, and whether an index answers it."""

    table: int
    text: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A column of a table in the FROM clause at hand: the number of the table, the name as stored, what is known."""

    table: int
    name: str
    facts: ColumnFacts

    def has(self, kinds: frozenset[str]) -> bool:
        """Return whether the column has an index of one of these kinds."""
        return not kinds.isdisjoint(self.facts.indexes)

    def asked(self, condition: str, kinds: frozenset[str]) -> _Filter:
        """Return a condition, in which `{}` is the column, that an index of these kinds answers."""
        return _Filter(self.table, condition.replace("{}", f"`{self.name}`", 1), self.has(kinds))


def pushed_filters(
    statement: Statement, find: FindTable, wide_now: Callable[[str], bool] = lambda table: False
) -> Mapping[int, str]:
    """Return for tables in FROM a condition, in Lance's SQL, that every row has which the statement can use.

    Args:
        find: What is known of the table of a name; None for views.
        wide_now: Whether the statement reads a wide column of a table; then every condition pays.

    Returns:
        Offset in the text of a table's name → condition.

    Examples:
        >>> from cutlist.compiler.facts import ColumnFacts, TableFacts
        >>> from cutlist.compiler.text import parse
        >>> width = ColumnFacts(type="INTEGER", indexes=frozenset({"BTREE"}))
        >>> videos = TableFacts(name="videos", columns={"width": width, "text": ColumnFacts(type="VARCHAR")})
        >>> pushed_filters(parse("SELECT * FROM videos WHERE Width >= 720 AND text LIKE 'a%'"), lambda name: videos)
        {14: '`width` >= 720'}
    """
    base = {id(table) for table in base_tables(statement.tree)}
    pushed = {}
    for select in statement.tree.find_all(exp.Select):
        scope = Scope.of(select, lambda table: find(table.name) if id(table) in base else None)
        if scope is None:
            continue
        filters = [each for conjunct in scope.conjuncts() if (each := _filter(conjunct, scope)) is not None]
        for number, table in scope.kept.items():
            place = span(table.this)
            wide = wide_now(table.name)
            texts = [each.text for each in filters if each.table == number and (wide or each.indexed)]
            if texts and place is not None and statement.text[place[0]] != "'":
                pushed[place[0]] = " AND ".join(dict.fromkeys(texts))
    return pushed


@dataclass(frozen=True, slots=True)
class Scope:
    """The FROM clause of a SELECT: its sources by number, and the tables in it whose rows WHERE alone decides on."""

    select: exp.Select
    joins: list[exp.Join]
    sources: list[exp.Expr]
    facts: Mapping[int, TableFacts]
    kept: Mapping[int, exp.Table]

    @classmethod
    def of(cls, select: exp.Select, find: Callable[[exp.Table], TableFacts | None]) -> Scope | None:
        """Return the scope of a SELECT, or None where something in it is not understood."""
        from_ = select.args.get("from_")
        if from_ is None or any(value and key not in _CLAUSES.split() for key, value in select.args.items()):
            return None
        recursive = select.find_ancestor(exp.With)
        joins = [*(from_.this.args.get("joins") or []), *(select.args.get("joins") or [])]
        if (recursive is not None and recursive.args.get("recursive")) or not all(map(_is_plain_join, joins)):
            return None
        sources = [from_.this, *(join.this for join in joins)]
        tables = {number: each for number, each in enumerate(sources) if isinstance(each, exp.Table)}
        facts = {number: known for number, table in tables.items() if (known := find(table)) is not None}
        kept = {number: tables[number] for number in _kept(joins) if number in facts and _is_plain(tables[number])}
        return cls(select, joins, sources, facts, kept)

    def conjuncts(self) -> Iterator[exp.Expr]:
        """Yield the conditions that every row of the FROM clause meets: those of WHERE, and of ON in inner joins."""
        where = self.select.args.get("where")
        conditions = [where.this] if where is not None else []
        conditions += [join.args["on"] for join in self.joins if join.args.get("on") is not None and _is_inner(join)]
        for condition in conditions:
            yield from _split(condition)

    def named(self, node: exp.Expr | None) -> Named | None:
        """Return the column of a kept table that an expression is, or None."""
        if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier) or node.args.get("db"):
            return None
        if node.table:
            owners = [n for n, each in enumerate(self.sources) if each.alias_or_name.lower() == node.table.lower()]
        else:
            owners = [n for n, facts in self.facts.items() if facts.find(node.name) is not None]
            merged = {each.name.lower() for join in self.joins for each in join.args.get("using") or []}
            if node.name.lower() in merged or any(join.method.upper() == "NATURAL" for join in self.joins):
                return None
        if len(owners) != 1 or owners[0] not in self.kept:
            return None
        columns = self.facts[owners[0]].columns
        name = next((each for each in columns if each.lower() == node.name.lower()), None)
        return None if name is None or not _can_be_quoted(name) else Named(owners[0], name, columns[name])


def _can_be_quoted(name: str) -> bool:
    return "`" not in name and "{" not in name


def _is_plain(table: exp.Table) -> bool:
    """Return whether a table is read as it is: no sample, no version, no other names for its columns."""
    alias = table.args.get("alias")
    return not any(value and key not in ("this", "alias", "db", "joins") for key, value in table.args.items()) and not (
        isinstance(alias, exp.TableAlias) and alias.columns
    )


def _is_plain_join(join: exp.Join) -> bool:
    method = join.method.upper()
    return (
        method in ("", "NATURAL", "ASOF")
        and not (method == "ASOF" and join.side.upper() not in ("", "LEFT"))
        and join.kind.upper() in ("", "INNER", "CROSS", "OUTER", "SEMI", "ANTI")
        and not join.this.args.get("joins")
    )


def _is_inner(join: exp.Join) -> bool:
    return not join.method and not join.side and join.kind.upper() in ("", "INNER")


def _kept(joins: list[exp.Join]) -> list[int]:
    """Return the numbers of the sources that a join neither fills up with NULL nor picks a row of."""
    kept = [0]
    for number, join in enumerate(joins, 1):
        if join.side.upper() in ("RIGHT", "FULL"):
            kept = []
        picked = join.method.upper() == "ASOF" or join.kind.upper() in ("SEMI", "ANTI")
        if join.side.upper() in ("", "RIGHT") and not picked:
            kept.append(number)
    return kept


def _split(condition: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the conditions that AND joins."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _split(condition.left)
        yield from _split(condition.right)
    else:
        yield condition


# Conditions. Each function returns None for what Lance might answer otherwise, or refuse.


def _filter(node: exp.Expr, scope: Scope, negated: bool = False) -> _Filter | None:
    """Return a condition, or its negation, for Lance.

    NOT goes inwards, to the operators: Lance fits literals to their columns there, but not behind `NOT (…)`, where
    `NOT (x <> 0.1)` has no row for a FLOAT of 0.1.
    """
    node = node.unnest()
    if isinstance(node, (exp.And, exp.Or)):
        return _both(node, scope, negated)
    if isinstance(node, exp.Not):
        return _filter(node.this, scope, not negated)
    if isinstance(node, exp.Column):
        flag = scope.named(node)
        return _asked(flag, "{}", negated, _SORTED) if flag is not None and flag.facts.type == "BOOLEAN" else None
    if type(node) in _COMPARISONS:
        return _comparison(node, scope, negated)
    column = scope.named(node.this if not isinstance(node, exp.Anonymous) else next(iter(node.expressions), None))
    if column is None:
        return None
    if isinstance(node, exp.Is):
        known = isinstance(node.expression, exp.Null) and column.facts.type != "media"
        return column.asked(f"{{}} IS {'NOT ' * negated}NULL", _NONE if negated else _EQUAL) if known else None
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        low, high = (literal(node.args[key], column.facts.type) for key in ("low", "high"))
        text = f"{{}} {'NOT ' * negated}BETWEEN {low} AND {high}"
        return column.asked(text, _NONE if negated else _SORTED) if low and high else None
    if isinstance(node, exp.In):
        return _in(node, column, negated)
    about = _about_text if column.facts.type == "VARCHAR" else _about_list
    return about(node, column, negated)


def _asked(column: Named, condition: str, negated: bool, kinds: frozenset[str]) -> _Filter:
    """Return a condition that is no operator, or its negation, which no index is quick for."""
    return column.asked("NOT " * negated + condition, _NONE if negated else kinds)


def _both(node: exp.And | exp.Or, scope: Scope, negated: bool) -> _Filter | None:
    """Return AND or OR of conditions on one table; an index has to answer both sides of OR, one side of AND."""
    left, right = _filter(node.left, scope, negated), _filter(node.right, scope, negated)
    if left is None or right is None or left.table != right.table:
        return None
    word = "AND" if isinstance(node, exp.And) != negated else "OR"
    indexed = left.indexed or right.indexed if word == "AND" else left.indexed and right.indexed
    return _Filter(left.table, f"({left.text} {word} {right.text})", indexed)


def _comparison(node: exp.Expr, scope: Scope, negated: bool) -> _Filter | None:
    word = _COMPARISONS[type(node)]
    column, value = scope.named(node.this.unnest()), node.expression
    if column is None:
        column, value, word = scope.named(node.expression.unnest()), node.this, _TURNED[word]
    text = literal(value, column.facts.type) if column is not None else None
    if column is None or text is None:
        return None
    word = _NEGATED[word] if negated else word
    return column.asked(f"{{}} {word} {text}", {"=": _EQUAL, "<>": _NONE}.get(word, _SORTED))


def _in(node: exp.In, column: Named, negated: bool) -> _Filter | None:
    if not node.expressions or any(node.args.get(key) for key in ("query", "field", "unnest")):
        return None
    literals = [literal(each, column.facts.type) for each in node.expressions]
    texts = [each for each in literals if each is not None]
    if len({type(each.unnest()) is exp.Cast for each in node.expressions}) > 1:
        return None  # `IN [DATE '…', '… 05:00:00']` casts the second to DATE, `IN (…)` does not
    if len(texts) < len(literals):  # NULL too: `NOT 5 IN [1, NULL]` is true, `5 NOT IN (1, NULL)` is not
        return None
    return column.asked(f"{{}} {'NOT ' * negated}IN ({', '.join(texts)})", _NONE if negated else _EQUAL)


def _call(node: exp.Expr) -> tuple[str, exp.Expr | None]:
    """Return what Lance calls a function of DuckDB's of a column and one more argument, and that argument."""
    if isinstance(node, exp.Anonymous):
        names = {"prefix": "starts_with", "suffix": "ends_with", "list_has_all": "array_has_all"}
        return names.get(node.name.lower(), ""), node.expressions[1] if len(node.expressions) == 2 else None
    names_by_type: Mapping[type[exp.Expr], str] = {
        exp.Contains: "contains",
        exp.StartsWith: "starts_with",
        exp.EndsWith: "ends_with",
        exp.ArrayContains: "array_has",
        exp.ArrayOverlaps: "array_has_any",
    }
    return names_by_type.get(type(node), ""), node.args.get("expression")


def _about_text(node: exp.Expr, column: Named, negated: bool) -> _Filter | None:
    """Return LIKE, contains(), starts_with() or ends_with() of a column of text."""
    if isinstance(node, exp.Like) and not (set(_given(node)) - {"this", "expression", "negate"}):
        pattern = node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string or "\\" in pattern.name:
            return None
        longest = max(map(len, re.split("[%_]", pattern.name)))
        kinds = frozenset({"BTREE"} if pattern.name[:1] not in ("%", "_", "") else ()) | _grams(longest)
        negated = negated != bool(node.args.get("negate"))
        word = "NOT LIKE" if negated else "LIKE"
        text = literal(pattern, "VARCHAR")
        return column.asked(f"{{}} {word} {text}", _NONE if negated else kinds) if text else None
    name, value = _call(node)
    text = literal(value, "VARCHAR") if value is not None else None
    if text is None or value is None or name not in ("contains", "starts_with", "ends_with"):
        return None
    kinds = {"contains": _NONE, "starts_with": frozenset({"BTREE"}), "ends_with": _NONE}[name]
    kinds |= _grams(len(value.name)) if name != "ends_with" else _NONE
    return _asked(column, f"{name}({{}}, {text})", negated, kinds)


def _grams(length: int) -> frozenset[str]:
    """Return the kind of index that finds a text of some length within texts: it has runs of three letters."""
    return frozenset({"NGRAM"}) if length >= 3 else _NONE


def _about_list(node: exp.Expr, column: Named, negated: bool) -> _Filter | None:
    """Return list_contains(), list_has_any() or list_has_all() of a column of lists of text or whole numbers."""
    element = column.facts.type.removesuffix("[]")
    if element == column.facts.type or (element != "VARCHAR" and element not in RANGES):
        return None
    name, value = _call(node)
    if value is None:
        return None
    if name in ("array_has", "contains"):
        one = literal(value, element)
        return _asked(column, f"array_has({{}}, {one})", negated, _LABELS) if one else None
    if name in ("array_has_any", "array_has_all") and element == "VARCHAR" and isinstance(value, exp.Array):
        literals = [literal(each, element) for each in value.expressions]
        texts = [each for each in literals if each is not None]
        if texts and len(texts) == len(literals):
            return _asked(column, f"{name}({{}}, [{', '.join(texts)}])", negated, _LABELS)
    return None


def _given(node: exp.Expr) -> Iterator[str]:
    """Yield the names of the arguments that a node has."""
    return (key for key, value in node.args.items() if value)
