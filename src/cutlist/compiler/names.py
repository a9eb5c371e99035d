"""The tables and views that a statement names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from cutlist.compiler.text import Statement, span


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """A name in a FROM clause that is not a CTE, and its offset in the text."""

    name: str
    offset: int


def table_names(statement: Statement) -> tuple[TableName, ...]:
    """Return the tables and views that a statement names, in order of the text, each once; names ignore case.

    CTEs, table functions, file names and qualified names (`information_schema.tables`) are left out.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> [each.name for each in table_names(parse("WITH b AS (FROM a) SELECT * FROM b JOIN c USING (id)"))]
        ['a', 'c']
    """
    found: dict[str, TableName] = {}
    for table in base_tables(statement.tree):
        place = span(table.this)
        if place is not None and statement.text[place[0]] != "'":
            found.setdefault(table.name.lower(), TableName(name=table.name, offset=place[0]))
    return tuple(sorted(found.values(), key=lambda each: each.offset))


def base_tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """Yield the table nodes that name neither a CTE nor a function nor an object of another schema."""
    for table in tree.find_all(exp.Table):
        plain = isinstance(table.this, exp.Identifier) and not table.args.get("db")
        if plain and table.name.lower() not in _visible_ctes(table):
            yield table


def _visible_ctes(node: exp.Expr) -> set[str]:
    """Return the lower-case names of the CTEs that a FROM clause at `node` can name.

    A CTE sees those before it in its WITH, and itself only under RECURSIVE.
    """
    names: set[str] = set()
    below: exp.Expr | None = None
    inside: exp.Expr = node
    above = node.parent
    while above is not None:
        if isinstance(above, exp.With):
            for each in above.expressions:
                if each is inside:
                    if above.args.get("recursive"):
                        names.add(each.alias.lower())
                    break
                names.add(each.alias.lower())
            below = above
        else:
            clause = above.args.get("with_")
            if clause is not None and clause is not below:
                names.update(each.alias.lower() for each in clause.expressions)
        inside, above = above, above.parent
    return names
