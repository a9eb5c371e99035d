"""What stands in FROM: tables, views, CTEs, subqueries, VALUES and functions, joined one after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.clauses import named_query
from cutlist.compiler.lineage.expressions import Expressions, Title
from cutlist.compiler.lineage.origin import FindMade, Origin, Relation
from cutlist.compiler.lineage.scope import Scope, Source

if TYPE_CHECKING:
    from cutlist.compiler.plan import Plan, Use

_SINGLE = frozenset({"range", "generate_series", "unnest"})
"""Functions in FROM that make one column, of their own name."""


class Sources(Expressions):
    """Answers what the columns of something in FROM are made of."""

    def __init__(self, plan: Plan, made: FindMade):
        super().__init__(plan)
        self._made = made
        self._uses = {id(use.node): use for use in plan.uses}
        self._tables: dict[tuple[str, int, bool], Relation] = {}

    @abstractmethod
    def of_statement(self, name: str) -> Relation:
        """Return the columns of a view, or of the query, under DuckDB's names."""

    def read_from(self, select: exp.Select, scope: Scope, title: Title) -> None:
        clause = select.args.get("from_")
        joins: list[tuple[exp.Expr, exp.Join | None]] = [(clause.this, None)] if clause is not None else []
        joins += [(join.this, join) for join in select.args.get("joins") or []]
        joins += [(each, None) for each in select.args.get("laterals") or []]
        for item, join in joins:
            for inner, its in _chained(item, join):
                self._add_source(scope, inner, its, title)

    def _add_source(self, scope: Scope, item: exp.Expr, join: exp.Join | None, title: Title) -> None:
        """Add one thing in FROM, with its ON, USING or NATURAL."""
        source = self.of_source(item, scope)
        words = {str(join.args.get(key) or "").upper() for key in ("kind", "method", "side")} if join else set()
        source.semi = not words.isdisjoint({"SEMI", "ANTI"})
        using = [each.name.lower() for each in (join.args.get("using") or [])] if join is not None else []
        if "NATURAL" in words:
            mine = {name.lower() for name, _ in source.relation.columns}
            using = [name.lower() for _, name, _ in scope.visible if name.lower() in mine]
            if scope.problem or source.relation.problem:
                using, source.relation = [], Relation(problem="NATURAL JOIN with columns that are not known")
        merged = scope.add(source, using, words)
        if using and join is not None:
            self.note("JOIN", join, title, merged, text=f"USING ({', '.join(using)})")
        on = join.args.get("on") if join is not None else None
        if on is not None:
            self.note("JOIN", on, title, self.inputs(on))

    def of_source(self, item: exp.Expr, scope: Scope | None = None) -> Source:
        """Return one thing in FROM, its columns under the names that an alias gives them."""
        if item.args.get("pivots"):
            plain = self.plain_source(item)
            title = (plain.alias or "subquery", "subquery")
            self.note("PIVOT", item, title, [origin for _, origin in plain.relation.columns], text="")
            problem = "PIVOT makes columns that the text does not tell"
            return Source(alias=plain.alias, relation=Relation(problem=problem, gap=0))
        return self.plain_source(item)

    def plain_source(self, item: exp.Expr) -> Source:
        alias = item.args.get("alias")
        name = item.alias_or_name
        if isinstance(item, exp.Table):
            relation = self._of_table(item)
        elif isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table | exp.Subquery):
            inner = Scope()  # parentheses around a join, with an alias
            for each, join in _chained(item.this, None):
                self._add_source(inner, each, join, (name or "subquery", "subquery"))
            relation = Relation(columns=[(label, origin) for _, label, origin in inner.visible])
            relation.problem = inner.problem
        elif isinstance(item, exp.Subquery):
            relation = self.of_query(item, (name or "subquery", "subquery"))
        elif isinstance(item, exp.Lateral):
            inner_item = item.this
            relation = (
                self.of_query(inner_item, (name or "subquery", "subquery"))
                if isinstance(inner_item, exp.Subquery)
                else self._of_function(item, inner_item, name)
            )
        elif isinstance(item, exp.Values):
            relation = self.of_values(item, (name or "values", "values"))
        else:
            relation = self._of_function(item, item, name)
        named = [each.name for each in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
        return Source(alias=name.lower(), relation=relation.renamed(named).told_apart())

    def _of_table(self, table: exp.Table) -> Relation:
        """Return the columns of a name, or of a function, in FROM."""
        use = self._uses.get(id(table))
        if use is not None:
            return self._of_use(use)
        cte = named_query(table)
        if cte is not None:
            relation = self.of_query(cte.this, (cte.alias, "cte"))
            named = [each.name for each in cte.args["alias"].args.get("columns") or []]
            return relation.renamed(named).told_apart()
        if isinstance(table.this, exp.Identifier):
            view = next((each for each in self.plan.views if each.lower() == table.name.lower()), None)
            if view is not None:
                relation = self.of_statement(view)
                return Relation(columns=list(relation.columns)).told_apart()
        return self._of_function(table, table.this, table.alias_or_name)

    def _of_use(self, use: Use) -> Relation:
        """Return the columns of a table or of a saved selection."""
        scan, facts = use.scan, use.facts
        key = (scan.table, facts.version, scan.selection)
        if key not in self._tables:
            relation = self._tables[key] = Relation()
            for name in facts.columns:
                relation.columns.append((name, self._column(relation, use, name)))
            if not scan.selection:
                rowid = Origin(name="_rowid", of=scan.table, kind="table", version=facts.version)
                relation.hidden["_rowid"] = rowid
        return Relation(columns=list(self._tables[key].columns), hidden=dict(self._tables[key].hidden))

    def _column(self, relation: Relation, use: Use, name: str, above: tuple[str, ...] = ()) -> Origin:
        """Return a column of a table, with what made it."""
        found = next((origin for each, origin in relation.columns if each == name), None)
        if found is not None:
            return found
        scan, version = use.scan, use.facts.version
        if scan.selection:
            return Origin(name=name, of=scan.table[:12], kind="selection")
        made = None if name in above else self._made(scan.table, version, name)
        if made is None:
            return Origin(name=name, of=scan.table, kind="table", version=version)
        inputs = tuple(self._column(relation, use, each, (*above, name)) for each in made.columns if each != name)
        return Origin(
            name=name, of=scan.table, kind="table", version=version, made_by=made.by, text=made.inputs, inputs=inputs
        )

    def _of_function(self, item: exp.Expr, function: exp.Expr, name: str) -> Relation:
        """Return the columns of a function in FROM: each is made of all its arguments."""
        called = _called(function)
        arguments = [each for each in function.iter_expressions() if each.arg_key not in ("alias", "offset")]
        inputs = dict.fromkeys(origin for each in arguments for origin in self.inputs(each))
        alias = item.args.get("alias")
        columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
        origin = Origin(
            name=columns[0].name if columns else called,
            of=name or called,
            kind="function",
            text=f"{called}({', '.join(map(self.text, arguments))})",
            place=self.place(item),
            inputs=tuple(inputs),
        )
        if called in _SINGLE and not item.args.get("ordinality") and not item.args.get("offset"):
            if called != "unnest" or columns:
                return Relation(columns=[(called, origin)])
            return Relation(rest=origin, problem="unnest makes columns that the text does not tell", gap=0)
        if called in _SINGLE:
            return Relation(rest=origin, problem=f"{called} makes columns that the text does not tell", gap=0)
        return Relation(problem=f"{called}(…) makes columns that the text does not tell", gap=0)

    def of_values(self, values: exp.Values, title: Title) -> Relation:
        rows = [each.expressions if isinstance(each, exp.Tuple) else [each] for each in values.expressions]
        columns = []
        for number in range(len(rows[0]) if rows else 0):
            inputs = dict.fromkeys(origin for row in rows for origin in self.inputs(row[number]))
            name = f"col{number}"
            origin = Origin(
                name=name, of=title[0], kind="values", text="VALUES", place=self.place(values), inputs=tuple(inputs)
            )
            columns.append((name, origin))
        return Relation(columns=columns)


def _chained(item: exp.Expr, join: exp.Join | None) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
    """Yield what stands in FROM, with how it is joined, also what stands in parentheses."""
    plain = isinstance(item, exp.Subquery | exp.Paren) and isinstance(item.this, exp.Table | exp.Subquery)
    if plain and not item.alias and not item.args.get("pivots"):
        first = True
        for each, its in _chained(item.this, None):
            yield each, (join if first else its)
            first = False
    else:
        yield item, join
    for its in item.args.get("joins") or []:
        yield from _chained(its.this, its)


def _called(function: exp.Expr) -> str:
    """Return the lower-case name of a function in FROM."""
    if isinstance(function, exp.GenerateSeries):
        return "range" if function.args.get("is_end_exclusive") else "generate_series"
    if isinstance(function, exp.Unnest | exp.Explode):
        return "unnest"
    return (function.name if isinstance(function, exp.Anonymous) else type(function).__name__).lower()
