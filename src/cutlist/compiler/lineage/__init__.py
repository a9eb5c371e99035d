"""Where the columns of a query come from: through which expressions and views, down to the columns of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.compiler.lineage.origin import Clause, FindMade, Made, Origin, walk
from cutlist.compiler.lineage.relations import Relations
from cutlist.compiler.plan import QUERY

if TYPE_CHECKING:
    from cutlist.compiler.plan import Plan

__all__ = ["Clause", "FindMade", "Lineage", "Made", "Origin", "column_lineage", "walk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The columns of a query, each with what it is made of, and the clauses that decide which rows there are.

    Attributes:
        name: The view's, or `query`.
        columns: In order, under the names that DuckDB gives them.
        clauses: WHERE, JOIN, GROUP BY, ORDER BY and their like, of the query and of every view and subquery in it.
    """

    name: str
    columns: tuple[tuple[str, Origin], ...]
    clauses: tuple[Clause, ...]

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Every column that the query, its views and subqueries name, each once, what it is made of after it."""
        roots = [origin for _, origin in self.columns] + [each for clause in self.clauses for each in clause.inputs]
        return tuple(walk(roots))

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be resolved; without any, the lineage is whole."""
        found = (f"{each.place}: {each.text or each.name}: {each.problem}" for each in self.origins if each.problem)
        return tuple(dict.fromkeys(found))

    @property
    def base(self) -> frozenset[tuple[str, str]]:
        """The (table, column) that the query reads, for its columns or clauses; not the inputs of features."""
        roots = [origin for _, origin in self.columns] + [each for clause in self.clauses for each in clause.inputs]
        return frozenset((each.of, each.name) for each in walk(roots, features=False) if each.kind == "table")


def column_lineage(
    plan: Plan,
    names: Mapping[str, Sequence[str]],
    *,
    name: str = "query",
    aggregates: frozenset[str] = frozenset(),
    made: FindMade = lambda table, version, column: None,
) -> Lineage:
    """Return where the columns of a planned query come from. Pure: what DuckDB calls the columns is given.

    Args:
        plan: A query and its views, named (`rules.NAMING`).
        names: Name of each statement of the plan → the names of its columns, by DuckDB. Where the text tells others,
            its columns are unknown: no edge is a guess.
        name: The name of the view that the query is, or `query`.
        aggregates: Lower-case names of DuckDB's aggregate functions, which GROUP BY ALL leaves out.
        made: What made a column of a table.
    """
    titles = {view: (view, "view") for view in plan.views}
    titles[QUERY] = (name, "view" if name != "query" else "query")
    relations = Relations(plan, names, aggregates, made, titles)
    columns = relations.of_statement(QUERY).columns
    order = {each: number for number, each in enumerate([QUERY, *reversed(list(plan.views))])}
    places = {title[0]: order[statement] for statement, title in titles.items()}
    clauses = sorted(relations.clauses, key=lambda each: places.get(each.of, -1) if each.of in places else 0)
    return Lineage(name=name, columns=tuple(columns), clauses=tuple(each for each in clauses if each.inputs))
