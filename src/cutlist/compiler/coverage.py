"""The rows that a condition drops because a column is NULL, so that they can be counted and told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.checks.clauses import conjuncts, from_items
from cutlist.compiler.checks.kinds import Kinds
from cutlist.compiler.checks.source import arguments, call_of, offset_of, tokens_of

if TYPE_CHECKING:
    from cutlist.compiler.facts import FindTable, TableFacts
    from cutlist.compiler.text import Statement

STRICT = frozenset(
    {
        *("abs", "sign", "round", "floor", "ceil", "ceiling", "trunc", "sqrt", "ln", "log", "log2", "log10", "exp"),
        *("power", "pow", "sin", "cos", "tan", "isnan", "isinf", "isfinite"),
        *("lower", "upper", "trim", "ltrim", "rtrim", "reverse", "length", "len", "strlen", "substring", "substr"),
        *("left", "right", "replace", "instr", "contains", "starts_with", "ends_with", "prefix", "suffix"),
        *("regexp_matches", "regexp_full_match", "levenshtein", "md5"),
        *("list_contains", "array_contains", "list_has", "array_has", "array_length", "cardinality"),
        *("array_cosine_similarity", "array_cosine_distance", "array_distance", "array_inner_product"),
        *("list_cosine_similarity", "list_cosine_distance", "list_distance", "list_inner_product"),
        *("year", "month", "day", "hour", "minute", "second", "date_part"),
        *("date_trunc", "extract", "epoch", "strftime"),
    }
)
"""Functions that give NULL where any argument is NULL; tested against DuckDB."""

_OPERATORS = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.SimilarTo, exp.Glob, exp.RegexpLike),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow),
)
"""Operators that give NULL where either side is NULL. `||` is none: a list goes on without a NULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A column whose NULLs a condition drops: the table's name, the column's, where it is named, and the condition."""

    table: str
    column: str
    place: str
    conjunct: str


Names = frozenset[tuple[str, ...]]
"""Dotted names of columns, in lower case."""


def dropped_nulls(statement: Statement, find: FindTable) -> tuple[Dropped, ...]:
    """Return the nullable columns of tables whose NULLs a WHERE or the ON of an inner join certainly drops.

    Each column of a SELECT is told once. `a IS NOT NULL` is meant so: it tells nothing, and silences what else drops
    the same NULLs. Left out are media columns, and what stands under OR, CASE, COALESCE or a function that is not known
    to give NULL for NULL.

    Args:
        find: Name → what is known of a table.

    Examples:
        >>> from cutlist.compiler.facts import ColumnFacts, TableFacts
        >>> from cutlist.compiler.text import parse
        >>> videos = TableFacts(name="videos", columns={"motion": ColumnFacts(type="DOUBLE")})
        >>> for each in dropped_nulls(parse("SELECT * FROM videos v WHERE v.motion / 2 > 1"), lambda name: videos):
        ...     print(each.place, each.table, each.column, "|", each.conjunct)
        query:1:30 videos motion | v.motion / 2 > 1
    """
    kinds = Kinds(find)
    selects = statement.tree.find_all(exp.Select)
    found = [each for select in selects for each in _of_select(statement, kinds, select)]
    return tuple(dropped for _, dropped in sorted(found, key=lambda each: each[0]))


def _of_select(statement: Statement, kinds: Kinds, select: exp.Select) -> list[tuple[int, Dropped]]:
    """Return what one SELECT drops, each with its offset."""
    found: dict[tuple[str, str], tuple[int, Dropped]] = {}
    meant: set[tuple[str, str]] = set()
    for conjunct in _conditions(select):
        tested = _is_not_null(conjunct)
        if tested is not None:
            owner = _owner(kinds, select, _name_of(tested))
            meant |= {(owner[0], owner[2])} if owner is not None else set()
            continue
        for name in _rejected(statement, conjunct):
            owner = _owner(kinds, select, name)
            if owner is None:
                continue
            alias, table, column = owner
            facts = table.find(column)
            if facts is not None and facts.nullable and facts.type.lower() != "media":
                offset = _offset(conjunct, name)
                dropped = Dropped(
                    table=table.name,
                    column=next(each for each in table.columns if each.lower() == column),
                    place=statement.at(offset),
                    conjunct=_written(statement, conjunct),
                )
                key = (alias, column)
                found[key] = min(found.get(key, (offset, dropped)), (offset, dropped), key=lambda each: each[0])
    return [each for key, each in found.items() if key not in meant]


def _conditions(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield what must be true for a row to stay: the parts of WHERE and of the ON of inner joins."""
    yield from conjuncts(select.args.get("where"))
    joins = list(select.args.get("joins") or [])
    for item in from_items(select):
        joins += item.args.get("joins") or []
    for join in joins:
        outer = join.args.get("side") or join.args.get("method")
        if not outer and (join.args.get("kind") or "INNER").upper() == "INNER":
            yield from conjuncts(join.args.get("on"))


def _is_not_null(conjunct: exp.Expr) -> exp.Expr | None:
    """Return the column of `column IS NOT NULL`, or None."""
    inner = conjunct.this if isinstance(conjunct, exp.Not) else None
    while isinstance(inner, exp.Paren):
        inner = inner.this
    tests = isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null)
    return inner.this if tests and inner is not None and _name_of(inner.this) else None


def _rejected(statement: Statement, node: exp.Expr) -> Names:
    """Return the columns without whose values a condition is never true."""
    if isinstance(node, exp.Paren):
        return _rejected(statement, node.this)
    if isinstance(node, exp.And):
        return _rejected(statement, node.this) | _rejected(statement, node.expression)
    if isinstance(node, exp.Or):
        return _rejected(statement, node.this) & _rejected(statement, node.expression)
    if isinstance(node, exp.Not):
        return _rejected_not(statement, node.this)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
        return _strict(statement, node.this)
    if isinstance(node, exp.Between):
        ends = _strict(statement, node.args["low"]) | _strict(statement, node.args["high"])
        return _strict(statement, node.this) | ends
    return _strict(statement, node)


def _rejected_not(statement: Statement, node: exp.Expr) -> Names:
    """Return the columns without whose values NOT of an expression is never true."""
    if isinstance(node, exp.Paren):
        return _rejected_not(statement, node.this)
    if isinstance(node, exp.Or):
        return _rejected_not(statement, node.this) | _rejected_not(statement, node.expression)
    return _strict(statement, node)


def _strict(statement: Statement, node: exp.Expr) -> Names:
    """Return the columns without whose values an expression is NULL."""
    name = _name_of(node)
    if name:
        return frozenset({name})
    if isinstance(node, exp.Paren | exp.Neg | exp.Cast | exp.Bracket | exp.Between):
        return _strict(statement, node.this)
    if isinstance(node, exp.Not):
        return _strict(statement, node.this)
    if isinstance(node, exp.And | exp.Or):
        return _strict(statement, node.this) & _strict(statement, node.expression)
    if isinstance(node, exp.In):
        return _strict(statement, node.this) if node.expressions and not node.args.get("query") else frozenset()
    if isinstance(node, _OPERATORS):
        if isinstance(node.expression, exp.Any | exp.All):
            return frozenset()
        return _strict(statement, node.this) | _strict(statement, node.expression)
    call = call_of(statement, node) if isinstance(node, exp.Func) else None
    if call is not None and call[0] in STRICT:
        return frozenset(name for each in arguments(node) for name in _strict(statement, each))
    return frozenset()


def _name_of(node: exp.Expr) -> tuple[str, ...]:
    """Return the dotted name of a column, in lower case; empty where a node is none."""
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
        return tuple(part.name.lower() for part in node.parts)
    return ()


def _owner(kinds: Kinds, select: exp.Select, name: tuple[str, ...]) -> tuple[str, TableFacts, str] | None:
    """Return the alias, the table and the column that a name means, if it is a table in the FROM of this SELECT."""
    sources = kinds.sources(select)
    named = [each for each in sources if len(name) > 1 and each.alias == name[0]]
    column = name[1] if named else name[0]
    owners = named or [each for each in sources if column in each.columns.kinds]
    if len(owners) != 1 or owners[0].table is None or column not in owners[0].columns.kinds:
        return None
    return owners[0].alias, owners[0].table, column


def _offset(conjunct: exp.Expr, name: tuple[str, ...]) -> int:
    columns = (each for each in conjunct.find_all(exp.Column) if _name_of(each) == name)
    return min((offset_of(each) or 0 for each in columns), default=0)


_ENDS = frozenset(
    {
        *(TokenType.AND, TokenType.OR, TokenType.WHERE, TokenType.ON, TokenType.USING, TokenType.COMMA),
        *(TokenType.SELECT, TokenType.FROM, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY, TokenType.WINDOW),
        *(TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH, TokenType.TABLE_SAMPLE),
        *(TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT, TokenType.JOIN, TokenType.LEFT, TokenType.RIGHT),
        *(TokenType.FULL, TokenType.INNER, TokenType.CROSS, TokenType.SEMI, TokenType.ANTI, TokenType.NATURAL),
        *(TokenType.ASOF, TokenType.POSITIONAL, TokenType.L_PAREN, TokenType.R_PAREN),
    }
)
"""What a condition does not go beyond, on its own level."""


def _written(statement: Statement, conjunct: exp.Expr) -> str:
    """Return what the user wrote for a condition, with the words at its ends, such as NOT and IS TRUE."""
    tokens = statement.tokens
    first, last = tokens_of(statement, conjunct)
    while True:
        before = tokens[first - 1].token_type if first > 0 else TokenType.WHERE
        after = tokens[last + 1].token_type if last + 1 < len(tokens) else TokenType.R_PAREN
        if after == TokenType.L_PAREN:  # of a type, as in ::DECIMAL(18, 6)
            last = next(i for i in range(last, len(tokens)) if tokens[i].token_type == TokenType.R_PAREN)
        elif after not in _ENDS:
            last += 1
        elif before == TokenType.L_PAREN and after == TokenType.R_PAREN and last + 1 < len(tokens):
            first, last = first - 1, last + 1
        elif before not in _ENDS:
            first -= 1
        else:
            return " ".join(statement.text[tokens[first].start : tokens[last].end + 1].split())
