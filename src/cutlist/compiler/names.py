"""The tables, views and saved selections that a statement names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from cutlist.compiler.plan import GAP, QUERY, Catalog, Plan, Scan, Use
from cutlist.compiler.text import Statement, span
from cutlist.errors import CatalogError, QueryError

HIDING = frozenset({"query", "query_table", "json_execute_serialized_sql", "histogram", "histogram_values"})
"""Functions in a FROM clause that take the name of a table, or a query, as text."""

TELLING = frozenset(
    {
        *("information_schema", "pg_catalog", "system", "pg_timezone_names", "which_secret"),
        *("checkpoint", "force_checkpoint", "enable_logging", "disable_logging", "truncate_duckdb_logs"),
        *("enable_profiling", "disable_profiling", "create_external_resource", "destroy_external_resource"),
        *("register_external_resource", "deregister_external_resource", "register_external_resource_type"),
    }
)
"""Catalogs, schemas and functions in a FROM clause that tell of the session or change it, beside `TELLING_STARTS`."""

TELLING_STARTS = ("duckdb_", "pragma_")

_SCHEMAS = frozenset({"main", "temp"})
"""Schemas under which DuckDB itself would find a table of no other schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """A name in a FROM clause that is not a CTE, and its offset in the text."""

    name: str
    offset: int


def table_names(statement: Statement) -> tuple[TableName, ...]:
    """Return the tables and views that a statement names, in order of the text, each once; names ignore case.

    CTEs, table functions, file names and names in other schemas (`information_schema.tables`) are left out.

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


def name_tables(plan: Plan, catalog: Catalog) -> Plan:
    """Find every place that names a table or a saved selection; take off a schema that is DuckDB's own (`main.videos`).

    Raises:
        QueryError: for a name that is neither table nor view (in the query itself only if the plan is strict, because
            a session can have tables of its own); for a function that hides names.
    """
    uses = []
    for name, statement in plan.statements.items():
        for node in base_tables(statement.tree):
            place = span(node.this)
            if place is None or statement.text[place[0]] == "'":
                continue
            if GAP in node.name:
                raise QueryError(f'{statement.at(place[0])}: "{node.name}" has a no-break space in it; rename it')
            start = (span(node.args["db"]) or place)[0] if node.args.get("db") else place[0]
            facts = catalog.table(node.name)
            if facts is not None:
                scan = Scan(table=facts.name)
                uses.append(Use(statement=name, node=node, start=start, stop=place[1], scan=scan, facts=facts))
            elif catalog.is_view(node.name):
                plan = plan.edited(name, (start, place[0], "")) if start < place[0] else plan
            elif plan.strict or name != QUERY:
                raise QueryError(catalog.no_table(statement.at(place[0]), node.name))
        uses += _selections(name, statement, catalog)
        if plan.strict or name != QUERY:
            _refuse_hidden(statement)
    return replace(plan, uses=tuple(uses))


def _selections(name: str, statement: Statement, catalog: Catalog) -> Iterator[Use]:
    """Yield the places of `selection('ab12…')`."""
    for node in statement.tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Anonymous) or node.this.name.lower() != "selection":
            continue
        place = span(node.this)
        assert place is not None
        literals = [each for each in node.this.expressions if isinstance(each, exp.Literal) and each.is_string]
        if len(literals) != 1 or len(node.this.expressions) != 1:
            raise QueryError(
                f"{statement.at(place[0])}: selection(…) takes the start of a saved selection's fingerprint, as text: "
                f"selection('ab12cd34'); `cutlist selections list` shows them"
            )
        try:
            facts = catalog.selection(literals[0].this)
        except CatalogError as error:
            raise QueryError(f"{statement.at(place[0])}: {error}") from error
        close = next(token for token in statement.tokens if token.start > place[0] and token.text == ")")
        scan = Scan(table=facts.name, selection=True)
        yield Use(statement=name, node=node, start=place[0], stop=close.end + 1, scan=scan, facts=facts)


def _refuse_hidden(statement: Statement) -> None:
    """Refuse what reads tables that the query does not name, or the state of the session."""
    for each in statement.tree.find_all(exp.Table, exp.Lateral):
        function = each.this.name.lower() if isinstance(each.this, exp.Anonymous) else ""
        names = [function, *(part.name.lower() for key in ("db", "catalog") if (part := each.args.get(key)))]
        session = next((name for name in names if name in TELLING or name.startswith(TELLING_STARTS)), "")
        if not (session or function in HIDING):
            continue
        problem = (
            f"{session} tells of the session, so that its rows differ from run to run; session.sql can read it"
            if session
            else f"{function}() hides which tables are read, so that their versions cannot be pinned; "
            f"write FROM and the name of the table, or the query itself"
        )
        raise QueryError(f"{statement.at((span(each.this) or (0, 0))[0])}: {problem}")


def base_tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """Yield the table nodes that name neither a CTE nor a function nor an object of another schema."""
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.args.get("catalog"):
            continue
        schema = table.args.get("db")
        plain = schema is None and table.name.lower() not in _visible_ctes(table)
        if plain or (schema is not None and schema.name.lower() in _SCHEMAS):
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
