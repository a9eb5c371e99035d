"""Which wide columns are only carried to the output, so that the loader may read them later.

Where a table is scanned, such a column is a reference, and the value is read when a sample needs it. That is right
only if nothing looks at the value. The proof goes by names, over the query and all its views at once:

- A reference starts in a column of a name. What carries it on is a bare item of a SELECT's list, perhaps with an
  alias, or a star, perhaps with a RENAME. So whatever can hold it, anywhere, has one of a set of names, found by
  following the aliases to a fixed point. (DuckDB calls a second column of a name `name_1`: such endings are ignored.)
- Every identifier of those names is such an item, such an alias, or in EXCLUDE or RENAME: no other use has a name.
- What reads columns without their names is not there at all (COLUMNS, PIVOT, NATURAL JOIN, a row as a value, DESCRIBE,
  functions that hide a query …), or only where no reference can be: under DISTINCT, GROUP BY, ordinals, ORDER BY ALL;
  in set operations and subqueries that are expressions; where a list of aliases gives other names.

All clauses are known ones; a clause or a star that is new here means that every column is read now. A name that
stands for something else costs time, never a wrong sample.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.names import base_tables

if TYPE_CHECKING:
    from cutlist.compiler.text import Statement

_CLAUSES: Mapping[type[exp.Expr], str] = {
    exp.Select: "with_ distinct expressions from_ joins where group having windows qualify order limit offset sample",
    exp.Subquery: "this alias with_ joins order limit offset sample",
    exp.Table: "this alias db joins sample when",
    exp.Join: "this on using side kind method",
    exp.Lateral: "this alias",
    exp.CTE: "this alias materialized",
    exp.With: "expressions recursive",
    exp.Star: "except_ rename replace",
}
"""The parts of a query that are understood; with any other, every column is read now."""

_STRANGE = (exp.Columns, exp.PositionalColumn, exp.Pivot, exp.Describe, exp.Summarize, exp.Command)
"""What can read columns, or the types of columns, without naming them."""

_JOINS = frozenset({"", "ASOF", "POSITIONAL"})
"""Ways to join that compare only what ON and USING name."""

_FROM = (exp.Table, exp.Subquery, exp.Lateral, exp.Unnest, exp.Values)
_ROWS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Table, exp.Values)
_FUNCTIONS = (exp.GenerateSeries, exp.Unnest, exp.Explode)


def late_columns(
    query: Statement, views: Mapping[str, Statement], candidates: Mapping[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """Return the columns that nothing but the output of a query uses, by table; tables without any are left out.

    Columns of one name are decided together, whichever tables they are in.

    Args:
        query: The query.
        views: Name → statement of every view that the query uses, directly or through others.
        candidates: Table → names of its wide columns.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> wide = {"videos": frozenset({"embedding"})}
        >>> late_columns(parse("SELECT id, embedding AS e FROM videos ORDER BY id"), {}, wide)
        {'videos': frozenset({'embedding'})}
        >>> late_columns(parse("SELECT id, embedding AS e FROM videos ORDER BY e"), {}, wide)
        {}
    """
    wide = {table.lower(): frozenset(map(str.lower, columns)) for table, columns in candidates.items()}
    hidden = frozenset(view.lower() for view in views)
    readings = [_Reading(statement, wide, hidden) for statement in (query, *views.values())]
    if not all(each.understood for each in readings):
        return {}
    late = {name: _is_late(name, readings) for name in {_fold(name) for names in wide.values() for name in names}}
    found = {table: frozenset(name for name in names if late[_fold(name)]) for table, names in candidates.items()}
    return {table: names for table, names in found.items() if names}


def _fold(name: str) -> str:
    """Return a name without case and without what DuckDB appends to the second column of a name."""
    return re.sub(r"(_\d+)+$", "", name.lower())


def _is_late(name: str, readings: Iterable[_Reading]) -> bool:
    """Return whether nothing looks at what starts in the columns of a (folded) name."""
    names = {name}
    before = 0
    while before < len(names):
        before = len(names)
        for reading in readings:
            names.update(new for old, new in reading.renamings if old in names)
    # how DuckDB folds the case of other letters was not tried
    return all(each.isascii() for each in names) and all(reading.carries_only(names) for reading in readings)


@dataclass(frozen=True)
class _Reading:
    """What the proof needs of one statement. `wide` and `views` have names in lower case."""

    statement: Statement
    wide: Mapping[str, frozenset[str]]
    views: frozenset[str]

    @property
    def tree(self) -> exp.Expr:
        return self.statement.tree

    @cached_property
    def understood(self) -> bool:
        """Whether there is nothing that could read columns without naming them and that `carries_only` does not see."""
        rows = {name for source in self.tree.find_all(*_FROM, exp.CTE) for name in self._row_names(source)}
        return (
            isinstance(self.tree, (exp.Select, exp.SetOperation, exp.Subquery))
            and all(map(self._is_known, self.tree.walk()))
            and not any(name in rows for name, role in self.identifiers if role in ("column", "use"))
        )

    def carries_only(self, names: set[str]) -> bool:
        """Return whether columns of these names are carried to the output, and nothing looks at them."""
        words = Counter(
            _fold(token.text)
            for token in self.statement.tokens
            if token.token_type not in (TokenType.STRING, TokenType.NUMBER)
        )
        parsed = Counter(name for name, _ in self.identifiers)
        return (
            all(role in ("column", "alias") for name, role in self.identifiers if name in names)
            and all(words[name] <= parsed[name] for name in names)  # else the parser took one for something else
            and all(
                _is_open(select) and _orders_by_others(select, names)
                for select in self.tree.find_all(exp.Select)
                if any(self._gives(item, names) for item in select.expressions)
            )
        )

    @cached_property
    def identifiers(self) -> list[tuple[str, str]]:
        """Every identifier, folded, and what it does: see `_role`."""
        return [(_fold(each.name), _role(each)) for each in self.tree.find_all(exp.Identifier)]

    @cached_property
    def renamings(self) -> list[tuple[str, str]]:
        """The aliases of bare columns: (column, alias), folded."""
        return [
            (_fold(alias.this.name), _fold(alias.alias))
            for alias in self.tree.find_all(exp.Alias)
            if isinstance(alias.this, exp.Column) and _role(alias.this.this) == "column"
        ]

    @cached_property
    def _base(self) -> frozenset[int]:
        """The table nodes that name a table itself, not a view or a CTE."""
        return frozenset(id(table) for table in base_tables(self.tree) if table.name.lower() not in self.views)

    def _can_hold(self, source: exp.Expr) -> bool:
        """Return whether rows of something in FROM can hold a reference."""
        if isinstance(source, exp.Table):
            plain = id(source) in self._base and source.name.lower() not in self.wide
            return not plain and not isinstance(source.this, _FUNCTIONS)
        if isinstance(source, exp.Lateral):
            return isinstance(source.this, exp.Subquery)
        return not isinstance(source, (exp.Unnest, exp.Values))

    def _row_names(self, source: exp.Expr) -> Iterator[str]:
        """Yield the names by which whole rows of a source can be used as values, if they can hold a reference."""
        if self._can_hold(source):
            yield from (_fold(source.name), _fold(source.alias_or_name), "unnamed_subquery")

    def _is_known(self, node: exp.Expr) -> bool:
        """Return whether a node is one of those that the proof is about, or an expression in which names say all."""
        clauses = _CLAUSES.get(type(node))
        if clauses is not None and any(value and key not in clauses.split() for key, value in node.args.items()):
            return False
        if isinstance(node, exp.From):
            return isinstance(node.this, _FROM)
        if isinstance(node, exp.Join):
            return isinstance(node.this, _FROM) and node.method.upper() in _JOINS
        if isinstance(node, exp.Subquery):
            return isinstance(node.this, _ROWS)
        if isinstance(node, exp.Lateral):
            return isinstance(node.this, (exp.Subquery, exp.Unnest, exp.Explode))
        if isinstance(node, exp.Table):
            saved = isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "selection"
            named = saved or (isinstance(node.this, exp.Identifier) and node.name.lower() != "show")
            return (named or isinstance(node.this, _FUNCTIONS)) and not (_has_aliases(node) and self._can_hold(node))
        if isinstance(node, exp.Star):
            return _is_item(node.parent if isinstance(node.parent, exp.Column) else node) or (
                isinstance(node.parent, exp.Count) and not any(node.args.values())
            )
        if isinstance(node, exp.Ordered):
            owner = node.find_ancestor(exp.Order)
            above = owner.parent if owner is not None else None
            return isinstance(above, (exp.Select, exp.SetOperation)) or _is_value(
                node.this, ordinals=not isinstance(above, exp.Subquery)
            )
        return not isinstance(node, _STRANGE)

    def _gives(self, item: exp.Expr, names: set[str]) -> bool:
        """Return whether an item of a SELECT's list can hold a reference."""
        column = item.this if isinstance(item, exp.Alias) else item
        if not isinstance(column, exp.Column):
            return isinstance(column, exp.Star) and self._star_gives(column, "", names)
        if isinstance(column.this, exp.Star):
            return self._star_gives(column.this, column.table.lower(), names)
        return _fold(column.name) in names

    def _star_gives(self, star: exp.Star, qualifier: str, names: set[str]) -> bool:
        select = star.find_ancestor(exp.Select)
        sources = list(_sources(select)) if select is not None else []
        if qualifier:
            sources = [each for each in sources if each.alias_or_name.lower() == qualifier]
            if not sources:  # a row of a query around this one, or a struct
                return True
        holding = [each for each in sources if self._can_hold(each)]
        left_out = {
            each.name.lower()
            for each in star.args.get("except_") or []
            if isinstance(each, exp.Column) and not each.table
        }
        wide = {name for each in holding for name in self.wide.get(each.name.lower(), ()) if _fold(name) in names}
        return any(id(each) not in self._base for each in holding) or not wide <= left_out


def _role(identifier: exp.Identifier) -> str:
    """Return what an identifier does.

    `column`: a bare item of a SELECT's list, or in its star; `alias`: the name of an item; `qualifier`: of a column;
    `relation`: the name of something in FROM; anything else is `use`.
    """
    node, key = identifier.parent, identifier.arg_key
    if isinstance(node, exp.Column):
        inner = node.parent if isinstance(node.parent, exp.Alias) and node.arg_key == "this" else node
        bare = _is_item(inner) or (isinstance(inner.parent, exp.Star) and inner.arg_key in ("except_", "rename"))
        return "qualifier" if key != "this" else "column" if bare else "use"
    if isinstance(node, exp.Alias) and key == "alias":
        return "alias" if _is_item(node) or isinstance(node.parent, exp.Star) else "use"
    if isinstance(node, (exp.Table, exp.TableAlias)) and key in ("this", "db"):
        return "relation"
    return "use"


def _is_item(node: exp.Expr | None) -> bool:
    """Return whether a node is an item of a SELECT's list."""
    return node is not None and isinstance(node.parent, exp.Select) and node.arg_key == "expressions"


def _has_aliases(node: exp.Expr) -> bool:
    """Return whether something in FROM or WITH has a list of aliases for its columns."""
    alias = node.args.get("alias")
    return isinstance(alias, exp.TableAlias) and bool(alias.columns)


def _is_open(select: exp.Select) -> bool:
    """Return whether a SELECT only hands its rows on, by the names of its list: to FROM, WITH, EXISTS or the output."""
    if select.args.get("distinct") is not None or select.args.get("group") is not None:
        return False
    node: exp.Expr = select
    while isinstance(node.parent, (exp.Subquery, exp.Lateral)):
        node = node.parent
        if _has_aliases(node):
            return False
    above = node.parent
    if above is None or isinstance(above, exp.From):
        return True
    if isinstance(above, exp.CTE):
        return not _has_aliases(above)
    return isinstance(above, exp.Join | exp.Exists) and node.arg_key == "this" and not above.args.get("expression")


def _orders_by_others(select: exp.Select, names: set[str]) -> bool:
    """Return whether each ORDER BY item of a SELECT is a value of other names, or the ordinal of one."""
    order = select.args.get("order")
    for ordered in order.expressions if order is not None else ():
        item = ordered.this.unnest()
        if not isinstance(item, exp.Literal):
            if not _is_value(item, ordinals=False):
                return False
        elif item.is_string or not item.name.isdigit() or not 0 < int(item.name) <= len(select.expressions):
            return False
        else:
            before = select.expressions[: int(item.name)]
            if any(each.is_star for each in before) or _fold(_bare(before[-1])) in names:
                return False
    return True


def _bare(item: exp.Expr) -> str:
    """Return the name of the column that an item of a SELECT's list is, or nothing."""
    column = item.this if isinstance(item, exp.Alias) else item
    return str(column.name) if isinstance(column, exp.Column) else ""


def _is_value(item: exp.Expr, *, ordinals: bool) -> bool:
    """Return whether an ORDER BY item is a value, not ALL or a star; a number is one only where it is no ordinal."""
    if isinstance(item.unnest(), exp.Literal):
        return ordinals
    return item.find(exp.Column, exp.Dot, exp.Rand, exp.Anonymous) is not None


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield what stands in the FROM clause of a SELECT, joined or in parentheses."""
    from_ = select.args.get("from_")
    waiting = [each.this for each in ([from_] if from_ is not None else []) + (select.args.get("joins") or [])]
    while waiting:
        source = waiting.pop()
        waiting += [join.this for join in source.args.get("joins") or []]
        if isinstance(source, exp.Subquery) and isinstance(source.this, (exp.Table, exp.Subquery)):
            waiting.append(source.this)
        yield source
