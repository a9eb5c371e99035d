"""Cross joins that nobody wrote: tables with a comma between them that nothing relates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.clauses import conjuncts, from_items, is_one_row, items_of, named_query
from cutlist.compiler.checks.source import snippet, start_of
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement


def check_joins(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield warnings for tables after a comma that no condition relates to those before it.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> [str(each) for each in check_joins(parse("SELECT * FROM a, b"), Kinds(lambda name: None))]
        ['query:1:18: nothing relates b to a, so each row of one meets each row of the other;
        write JOIN b ON …, or CROSS JOIN b if that is meant']
    """
    for select in statement.tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        if any(_is_comma(join) for join in joins):
            yield from _unrelated(statement, kinds, select)


def _unrelated(statement: Statement, kinds: Kinds, select: exp.Select) -> Iterator[Remark]:
    """Yield a remark for each table after a comma that is in no group with one before it."""
    aliases = [each.alias_or_name.lower() for each in from_items(select) if not _is_free(each)]
    groups: dict[str, str] = {each: each for each in aliases}

    def relate(names: set[str]) -> None:
        roots = {groups[name] for name in names & set(groups)}
        for name, root in groups.items():
            if root in roots:
                groups[name] = min(roots)

    before = {each.alias_or_name.lower() for each in items_of(select.args["from_"].this)}
    for join in select.args.get("joins") or []:
        inner = {each.alias_or_name.lower() for each in items_of(join.this)}
        relate(inner)
        if not _is_comma(join):
            relate(before | inner)
        before |= inner
    conditions = [select.args.get("where"), *(join.args.get("on") for join in select.args.get("joins") or [])]
    for condition in conditions:
        for each in conjuncts(condition):
            relate(_mentioned(kinds, select, each, set(groups)))
    for item in from_items(select):
        if isinstance(item, exp.Subquery):  # it may look at those before it
            relate({item.alias_or_name.lower()} | _seen_from(kinds, item, set(groups)))
    seen = {each.alias_or_name.lower() for each in items_of(select.args["from_"].this)} & set(groups)
    for join in select.args.get("joins") or []:
        names = {each.alias_or_name.lower() for each in items_of(join.this)} & set(groups)
        if (
            _is_comma(join)
            and names
            and seen
            and not {groups[name] for name in names} & {groups[name] for name in seen}
        ):
            yield _remark(statement, join.this, sorted(seen, key=aliases.index))
        seen |= names


def _remark(statement: Statement, item: exp.Expr, before: list[str]) -> Remark:
    name = item.alias_or_name or "the subquery"
    written = f"(…) {item.alias}".rstrip() if isinstance(item, exp.Subquery) else snippet(statement, item, limit=64)
    text = (
        f"nothing relates {name} to {' or '.join(before)}, so each row of one meets each row of the other; "
        f"write JOIN {written} ON …, or CROSS JOIN {written} if that is meant"
    )
    return Remark(place=statement.at(start_of(statement, item)), text=text, error=False)


def _is_comma(join: exp.Join) -> bool:
    explicit = ("kind", "side", "method", "on", "using", "match_condition")
    return not any(join.args.get(each) for each in explicit)


def _is_free(item: exp.Expr) -> bool:
    """Return whether meeting each row of an item is what anyone means: functions, lists, and what has one row."""
    if isinstance(item, exp.Table):
        query = named_query(item)
        function = not isinstance(item.this, exp.Identifier)
        return function or (query is not None and is_one_row(query.this))
    if not isinstance(item, exp.Subquery):  # LATERAL, UNNEST and VALUES
        return True
    return is_one_row(item) or item.find(exp.Table) is None


def _mentioned(kinds: Kinds, select: exp.Select, condition: exp.Expr, aliases: set[str]) -> set[str]:
    """Return the aliases that a condition mentions: all of them where an unqualified column may be of any."""
    names = _mentioned_inside(condition, aliases)
    for column in condition.find_all(exp.Column):
        if not column.table:
            owners = {each.alias for each in kinds.sources(select) if column.name.lower() in each.columns.kinds}
            if len(owners) != 1 or any(each.columns.open for each in kinds.sources(select)):
                return aliases
            names |= owners & aliases
    return names


def _seen_from(kinds: Kinds, item: exp.Subquery, aliases: set[str]) -> set[str]:
    """Return the aliases outside of a subquery that it mentions: all where a column is of none of its own tables."""
    for column in item.find_all(exp.Column):
        inner = column.find_ancestor(exp.Select)
        own = kinds.sources(inner) if inner is not None else ()
        known = [each for each in own if column.name.lower() in each.columns.kinds or each.columns.open]
        if not column.table and not known and not isinstance(column.this, exp.Star):
            return aliases
    return _mentioned_inside(item, aliases)


def _mentioned_inside(node: exp.Expr, aliases: set[str]) -> set[str]:
    """Return the aliases that qualify a column inside of a node."""
    names = {part.name.lower() for column in node.find_all(exp.Column) for part in column.parts[:-1]}
    names |= {dot.this.name.lower() for dot in node.find_all(exp.Dot) if isinstance(dot.this, exp.Identifier)}
    return names & aliases
