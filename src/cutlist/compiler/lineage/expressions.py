"""What an expression names: each of its columns looked up in the SELECT that it stands in, and in those around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.source import offset_of, snippet
from cutlist.compiler.lineage.origin import Clause, Origin, Relation
from cutlist.compiler.lineage.written import clause as clause_span
from cutlist.compiler.lineage.written import line

if TYPE_CHECKING:
    from cutlist.compiler.lineage.scope import Scope
    from cutlist.compiler.plan import Plan
    from cutlist.compiler.text import Statement

SHOWN_TEXT = 120
"""Characters of an expression that an Origin keeps."""

NO_COLUMN = "no such column is known here"
"""The problem of a name that nothing in FROM has."""

Title = tuple[str, str]
"""What the columns of a query are `of`, and their `kind`."""


class Expressions(ABC):
    """Answers what expressions name, and collects the clauses that name something."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.clauses: list[Clause] = []
        self.scopes: dict[int, Scope] = {}
        self._homes = {id(statement.tree): name for name, statement in plan.statements.items()}

    @abstractmethod
    def of_query(self, query: exp.Expr, title: Title) -> Relation:
        """Return the columns of a query."""

    def inputs(self, node: exp.Expr) -> list[Origin]:
        """Return what an expression names, in order, each once. Of a subquery in it, the columns that this returns."""
        return list(dict.fromkeys(self._walk(node)))

    def _walk(self, node: exp.Expr) -> Iterator[Origin]:
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            names = [part.name.lower() for part in node.parts]
            if names[0] not in _parameters(node):
                yield self.resolve(names, node)
            return
        if isinstance(node, exp.Identifier) and _is_name(node):
            yield self.resolve([node.name.lower()], node)
            return
        if isinstance(node, exp.Exists):
            if isinstance(node.this, exp.Expr):
                self.of_query(node.this, ("EXISTS", "subquery"))
            return
        if isinstance(node, exp.Query) and not isinstance(node, exp.Table):
            relation = self.of_query(node, ("subquery", "subquery"))
            yield from (origin for _, origin in relation.columns)
            if relation.problem:
                yield relation.rest or self.unknown(node, "*", relation.problem)
            return
        if isinstance(node, exp.Columns | exp.Star | exp.PositionalColumn):
            yield from self._several(node)
            return
        if isinstance(node, exp.Column):
            yield self.unknown(node, f"{node.table}.*", "a star in an expression")
            return
        if isinstance(node, exp.Window) and node.args.get("alias") is not None:
            yield from self._window(node, node.args["alias"].name.lower())
        for each in node.iter_expressions():
            yield from self._walk(each)

    def _several(self, node: exp.Expr) -> Iterator[Origin]:
        """Yield what `*`, COLUMNS(…) and `#1` in an expression stand for: `count(*)` has no column."""
        if isinstance(node, exp.Star) and isinstance(node.parent, exp.Count):
            return
        scope = self._scope_of(node)
        if isinstance(node, exp.PositionalColumn) and scope is not None:
            at = int(node.this.name) - 1
            if 0 <= at < len(scope.visible) and not scope.problem:
                yield scope.visible[at][2]
                return
        yield self.unknown(node, self.text(node), "which columns it stands for is not in the text")

    def _window(self, node: exp.Expr, name: str) -> Iterator[Origin]:
        """Yield what a named window of the SELECT names."""
        select = node.find_ancestor(exp.Select)
        for each in (select.args.get("windows") or []) if select is not None else []:
            if each is not node and each.name.lower() == name:
                yield from (origin for inner in each.iter_expressions() for origin in self._walk(inner))
                if each.args.get("alias") is not None and each.args["alias"].name.lower() != name:
                    yield from self._window(each, each.args["alias"].name.lower())

    def resolve(self, names: list[str], node: exp.Expr) -> Origin:
        """Return what a dotted name in lower case means where a node stands."""
        if len(names) > 2 and names[0] in ("main", "temp", "memory"):
            names = names[1:]
        select = _owner(node)
        while select is not None:
            scope = self.scopes.get(id(select))
            if scope is not None:
                found = scope.find(names)
                if found is not None:
                    return self.unknown(node, ".".join(names), found) if isinstance(found, str) else found
            select = _owner(select)
        return self.unknown(node, ".".join(names), NO_COLUMN)

    def _scope_of(self, node: exp.Expr) -> Scope | None:
        select = _owner(node)
        return self.scopes.get(id(select)) if select is not None else None

    def note(
        self, word: str, node: exp.Expr, title: Title, inputs: Iterable[Origin], *, text: str | None = None
    ) -> None:
        """Collect a clause."""
        home = self.home(node)
        span = clause_span(home, node) if text is None else None
        shown = line(home.text[slice(*span)], SHOWN_TEXT) if span else (text or "")
        place = home.at(span[0]) if span else self.place(node)
        self.clauses.append(
            Clause(clause=word, of=title[0], text=shown, place=place, inputs=tuple(dict.fromkeys(inputs)))
        )

    def unknown(self, node: exp.Expr, name: str, problem: str) -> Origin:
        return Origin(name=name, of="", kind="unknown", text=self.text(node), place=self.place(node), problem=problem)

    def home(self, node: exp.Expr) -> Statement:
        return self.plan.statements[self._homes[id(node.root())]]

    def text(self, node: exp.Expr) -> str:
        text = snippet(self.home(node), node, SHOWN_TEXT)
        return text if text != "…" else line(node.sql("duckdb"), SHOWN_TEXT)

    def place(self, node: exp.Expr) -> str:
        home, offset = self.home(node), offset_of(node)
        return home.at(offset) if offset is not None else home.place


def _owner(node: exp.Expr) -> exp.Select | None:
    """Return the SELECT in which the names of a node are looked up; a CTE sees none of the FROM behind it."""
    above = node.parent
    while above is not None:
        if isinstance(above, exp.With):
            above = above.parent.parent if above.parent is not None else None
            continue
        if isinstance(above, exp.Select):
            return above
        above = above.parent
    return None


def _parameters(node: exp.Expr) -> set[str]:
    """Return the lower-case names of the parameters of the lambdas and comprehensions around a node."""
    names: set[str] = set()
    above = node.parent
    while above is not None and not isinstance(above, exp.Query):
        if isinstance(above, exp.Lambda):
            names.update(each.name.lower() for each in above.expressions)
        elif isinstance(above, exp.Comprehension):
            names.add(above.expression.name.lower())
        above = above.parent
    return names


def _is_name(identifier: exp.Identifier) -> bool:
    """Return whether an identifier names a column: sqlglot makes one of `a` in `clip(a, 0, 1).raw()`."""
    above, key = identifier.parent, identifier.arg_key
    if isinstance(above, exp.Lambda | exp.Comprehension):
        return key == "this" and identifier.name.lower() not in _parameters(identifier)
    names_others = isinstance(above, exp.Dot | exp.Alias | exp.PropertyEQ | exp.Window | exp.TableAlias | exp.Star)
    return not names_others and identifier.name.lower() not in _parameters(identifier)
