"""What the columns of a query are made of: names resolved as DuckDB does, down to the columns of tables.

Everything that can stand in FROM becomes a `Relation`; a column of it is an `Origin`, with the columns it is made of.
What cannot be told from the text and the schemas (PIVOT, functions that make columns, names that may be of several
sources) becomes an Origin with a `problem`, and never an edge that might be wrong.

How DuckDB finds a name, which is what is done here: a parameter of a lambda; `alias.column`; a column of what stands in
FROM so far; an alias of the SELECT's list; a whole row by its alias; then the same in the query around it. A bare name
in ORDER BY is an alias first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.lineage.expressions import SHOWN_TEXT, Title
from cutlist.compiler.lineage.origin import FindMade, Named, Origin, Relation
from cutlist.compiler.lineage.scope import Scope
from cutlist.compiler.lineage.sources import Sources
from cutlist.compiler.lineage.written import items as item_spans
from cutlist.compiler.lineage.written import line

if TYPE_CHECKING:
    from cutlist.compiler.plan import Plan
    from cutlist.compiler.text import Statement


class Relations(Sources):
    """Answers what the columns of a plan's statements are made of."""

    def __init__(
        self,
        plan: Plan,
        names: Mapping[str, Sequence[str]],
        aggregates: frozenset[str],
        made: FindMade,
        titles: Mapping[str, Title],
    ):
        """Make one.

        Args:
            plan: A query and its views, named.
            names: Name of a statement → the names of its columns, as DuckDB has them, where that was asked.
            aggregates: Lower-case names of DuckDB's aggregate functions.
            made: What made a column of a table.
            titles: Name of a statement → what its columns are `of`, and their `kind`.
        """
        super().__init__(plan, made)
        self._names, self._aggregates, self._titles = names, aggregates, titles
        self._relations: dict[int, Relation] = {}
        self._statements: dict[str, Relation] = {}
        self._busy: set[int] = set()

    def of_statement(self, name: str) -> Relation:
        """Return the columns of a view, or of the query, under DuckDB's names."""
        if name not in self._statements:
            statement = self.plan.statements[name]
            relation = self.of_query(statement.tree, self._titles[name])
            if name in self._names:
                relation = relation.fitted(self._names[name], self._titles[name][0], statement.place)
            self._statements[name] = relation
        return self._statements[name]

    def of_query(self, query: exp.Expr, title: Title) -> Relation:
        """Return the columns of a query. A recursive CTE, in itself, has those of its first part."""
        if id(query) in self._relations:
            return self._relations[id(query)]
        if id(query) in self._busy:
            first = query.this if isinstance(query, exp.SetOperation) else None
            if first is None or id(first) in self._busy:
                return Relation(problem="it names itself")
            return self.of_query(first, title)
        self._busy.add(id(query))
        relation = self._looked_up(query, title)
        self._busy.discard(id(query))
        self._relations[id(query)] = relation
        return relation

    def _looked_up(self, query: exp.Expr, title: Title) -> Relation:
        if isinstance(query, exp.Subquery) and not query.args.get("pivots"):
            relation = self.of_query(query.this, title)
            self._closing_clauses(query, relation, title)
            return relation
        if isinstance(query, exp.SetOperation):
            return self._of_set(query, title)
        if isinstance(query, exp.Select):
            return self._of_select(query, title)
        if isinstance(query, exp.Values):
            return self.of_values(query, title)
        if isinstance(query, exp.Table) and not query.args.get("pivots"):
            return self.of_source(query).relation
        self._everything(query, type(query).__name__.upper(), title)
        return Relation(problem=f"{type(query).__name__.upper()} makes columns that the text does not tell", gap=0)

    def _everything(self, query: exp.Expr, word: str, title: Title) -> None:
        """Note that a query which is not understood may use every column of what it reads."""
        inner = query.this if isinstance(query.this, exp.Expr) else query.args.get("expression")
        if isinstance(inner, exp.Table):
            relation = self.plain_source(inner).relation
        elif isinstance(inner, exp.Query):
            relation = self.of_query(inner, title)
        else:
            return
        self.note(word, query, title, [origin for _, origin in relation.columns], text="")
        if relation.problem:
            self.note(word, query, title, [self.unknown(query, "*", relation.problem)], text="")

    def _of_set(self, query: exp.SetOperation, title: Title) -> Relation:
        left, right = self.of_query(query.this, title), self.of_query(query.expression, title)
        word = type(query).__name__.upper()
        by_name = bool(query.args.get("by_name"))
        shown = word + ("" if query.args.get("distinct") else " ALL") + (" BY NAME" if by_name else "")
        both = [origin for side in (left, right) for _, origin in side.columns]
        if word != "UNION" or query.args.get("distinct"):
            self.note(shown, query, title, both, text="")
        open_side = next((each for each in (left, right) if each.problem), None)
        place = self.place(query.expression)

        def made(name: str, inputs: Iterable[Origin]) -> Named:
            return name, Origin(
                name=name, of=title[0], kind=title[1], text=shown, place=place, inputs=tuple(dict.fromkeys(inputs))
            )

        if word == "EXCEPT":
            relation = left
        elif open_side is not None or (not by_name and len(left.columns) != len(right.columns)):
            relation = Relation(problem=open_side.problem if open_side else "its sides differ in columns", gap=0)
        elif by_name:
            sides = [{name.lower(): (name, origin) for name, origin in each.columns} for each in (left, right)]
            keys = dict.fromkeys([*sides[0], *sides[1]])
            pairs = [[side[key] for side in sides if key in side] for key in keys]
            relation = Relation(columns=[made(pair[0][0], [origin for _, origin in pair]) for pair in pairs])
        else:
            relation = Relation(
                columns=[made(a, [x, y]) for (a, x), (_, y) in zip(left.columns, right.columns, strict=True)]
            )
        self._closing_clauses(query, relation, title)
        return relation

    def _of_select(self, select: exp.Select, title: Title) -> Relation:
        scope = self.scopes[id(select)] = Scope()
        self.read_from(select, scope, title)
        if select.args.get("pivots"):
            return Relation(problem="PIVOT makes columns that the text does not tell", gap=0)
        relation = Relation()
        spans = item_spans(self.home(select), select)
        for number, item in enumerate(select.expressions):
            self._add_item(relation, scope, item, spans[number] if spans else None, title)
        distinct = select.args.get("distinct")
        if distinct is not None:
            keys = distinct.args.get("on")
            word, inputs = ("DISTINCT ON", self.inputs(keys)) if keys is not None else ("DISTINCT", relation.columns)
            self.note(word, keys or select, title, [each[1] if isinstance(each, tuple) else each for each in inputs])
        for key, word in (("where", "WHERE"), ("having", "HAVING"), ("qualify", "QUALIFY")):
            clause = select.args.get(key)
            if clause is not None:
                self.note(word, clause.this, title, self.inputs(clause.this))
        group = select.args.get("group")
        if group is not None:
            self.note("GROUP BY", group, title, self._group_keys(select, group, relation))
        self._closing_clauses(select, relation, title)
        return relation

    def _add_item(
        self, relation: Relation, scope: Scope, item: exp.Expr, span: tuple[int, int] | None, title: Title
    ) -> None:
        """Add what one item of a SELECT's list gives."""
        home = self.home(item)
        place = home.at(span[0]) if span else self.place(item)
        text = line(home.text[slice(*span)], SHOWN_TEXT) if span else self.text(item)
        bare = item.this if isinstance(item, exp.Alias) else item

        def made(name: str, inputs: Iterable[Origin], text: str = text, problem: str = "") -> Origin:
            return Origin(
                name=name,
                of=title[0],
                kind=title[1],
                text=text,
                place=place,
                inputs=tuple(dict.fromkeys(inputs)),
                problem=problem,
            )

        star = bare if isinstance(bare, exp.Star) else bare.this if isinstance(bare, exp.Column | exp.Columns) else None
        if isinstance(star, exp.Star):
            self._add_star(relation, scope, star, bare, made)
            return
        if bare.find(exp.Columns) or (bare.find(exp.Star) and not _only_counts(bare)):
            whole = isinstance(bare, exp.Columns | exp.Like | exp.ILike | exp.SimilarTo | exp.Glob | exp.Not)
            for _, name, origin in scope.visible if whole else ():
                relation.maybe.setdefault(name.lower(), made(name, [origin]))
            self._open(relation, f"{text}: which columns it stands for is not in the text")
            return
        origin = made(_name_of(item), self.inputs(bare), text=_without_alias(home, item, text))
        if isinstance(bare, exp.Explode | exp.Unnest) and (bare.expressions[1:] or bare.args.get("expressions")):
            relation.rest = origin
            self._open(relation, f"{text}: how many columns it makes is not in the text")
            return
        relation.columns.append((origin.name, origin))
        if isinstance(item, exp.Alias):
            scope.aliases.setdefault(item.alias.lower(), origin)

    def _open(self, relation: Relation, problem: str) -> None:
        """Note that a relation has columns that are not known, here; a second time it is not known where."""
        relation.gap = len(relation.columns) if not relation.problem else None
        relation.rest = relation.rest if not relation.problem else None
        relation.problem = relation.problem or problem

    def _add_star(
        self, relation: Relation, scope: Scope, star: exp.Star, item: exp.Expr, made: Callable[..., Origin]
    ) -> None:
        """Add the columns of a `*`, with its EXCLUDE, REPLACE and RENAME."""
        qualifier = item.table.lower() if isinstance(item, exp.Column) else ""
        sources = [each for each in scope.sources if not each.semi and (not qualifier or each.alias == qualifier)]
        if qualifier and not sources:
            struct = self.resolve([qualifier], item)
            relation.rest = made("", [struct])
            self._open(relation, f"{qualifier}.*: which fields the struct has is not in the text")
            return
        shown = (
            [(name, origin) for _, name, origin in scope.visible]
            if not qualifier
            else [each for source in sources for each in source.relation.columns]
        )
        excluded = {
            (each.table.lower(), each.name.lower()) if isinstance(each, exp.Column) else ("", each.name.lower())
            for each in star.args.get("except_") or []
        }
        owners = {id(origin): source.alias for source, _, origin in scope.visible}
        replaced = {each.alias.lower(): each for each in star.args.get("replace") or []}
        renamed = {each.this.name.lower(): each.alias for each in star.args.get("rename") or []}
        for name, origin in shown:
            key = name.lower()
            if ("", key) in excluded or (owners.get(id(origin), ""), key) in excluded:
                continue
            if key in replaced:
                new = made(name, self.inputs(replaced[key].this), text=self.text(replaced[key]))
            else:
                new = made(renamed.get(key, name), [origin], text="*" if not qualifier else f"{qualifier}.*")
            relation.columns.append((new.name, new))
        for source in sources:
            if source.relation.problem:
                relation.rest = source.relation.rest
                relation.maybe |= {name: made(name, [each]) for name, each in source.relation.maybe.items()}
                self._open(relation, source.relation.problem)
                relation.gap = relation.gap if len(sources) == 1 and source.relation.gap is not None else None
                if relation.gap is not None and source.relation.gap is not None:
                    relation.gap -= len(source.relation.columns) - source.relation.gap

    def _group_keys(self, select: exp.Select, group: exp.Group, relation: Relation) -> list[Origin]:
        """Return what GROUP BY names: columns, aliases, ordinals; for ALL the items without an aggregate."""
        if group.args.get("all"):
            plain = [each for each in select.expressions if not self._is_aggregate(each)]
            return [origin for each in plain for origin in self.inputs(each)]
        found: list[Origin] = []
        for each in [*group.expressions, *(group.args.get("cube") or []), *(group.args.get("rollup") or [])]:
            found += self._keys(each, relation, aliases_first=False)
        for each in group.args.get("grouping_sets") or []:
            found += self.inputs(each)
        return found

    def _is_aggregate(self, item: exp.Expr) -> bool:
        called = {each.name.lower() for each in item.find_all(exp.Anonymous, exp.AnonymousAggFunc)}
        return item.find(exp.AggFunc) is not None or bool(called & self._aggregates)

    def _closing_clauses(self, query: exp.Expr, relation: Relation, title: Title) -> None:
        """Note what ORDER BY, LIMIT and OFFSET of a query name."""
        order = query.args.get("order")
        for ordered in order.expressions if order is not None else ():
            if isinstance(ordered.this, exp.Var) and ordered.this.name.upper() == "ALL":
                self.note("ORDER BY", ordered, title, [each for _, each in relation.columns], text="ALL")
                continue
            keys = self._keys(ordered.this, relation, aliases_first=True, only_output=not isinstance(query, exp.Select))
            self.note("ORDER BY", ordered, title, keys)
        for key in ("limit", "offset"):
            clause = query.args.get(key)
            inputs = self.inputs(clause) if clause is not None and clause.find(exp.Column) else []
            if inputs:
                self.note(key.upper(), query.args[key], title, inputs)

    def _keys(
        self, key: exp.Expr, relation: Relation, *, aliases_first: bool, only_output: bool = False
    ) -> list[Origin]:
        """Return what a key of ORDER BY or GROUP BY names."""
        if isinstance(key, exp.Literal) and key.name.isdigit():
            place = int(key.name) - 1
            known = (
                relation.columns if relation.gap is None and not relation.problem else relation.columns[: relation.gap]
            )
            return [known[place][1]] if place < len(known) else [self.unknown(key, key.name, "an ordinal")]
        if isinstance(key, exp.Column) and not key.table and aliases_first:
            found = relation.find(key.name.lower())
            if found is not None:
                return [found]
        if only_output:
            columns = list(key.find_all(exp.Column))
            return [relation.find(each.name.lower()) or self.unknown(each, each.name, "") for each in columns]
        return self.inputs(key)


def _name_of(item: exp.Expr) -> str:
    """Return the name of an item of a SELECT's list, or nothing where DuckDB makes one of its text."""
    if isinstance(item, exp.Alias):
        return str(item.alias)
    while isinstance(item, exp.Paren):
        item = item.this
    if isinstance(item, exp.Column):
        return str(item.name)
    return (
        str(item.expression.name) if isinstance(item, exp.Dot) and isinstance(item.expression, exp.Identifier) else ""
    )


def _without_alias(home: Statement, item: exp.Expr, text: str) -> str:
    """Return the text of an item without `AS name` behind it."""
    if not isinstance(item, exp.Alias) or "start" not in item.args["alias"].meta:
        return text
    alias = home.text[item.args["alias"].meta["start"] : item.args["alias"].meta["end"] + 1]
    bare = text.removesuffix(alias).rstrip()
    return bare[:-3].rstrip() if bare.upper().endswith(" AS") else bare if bare != text else text


def _only_counts(node: exp.Expr) -> bool:
    """Return whether every star in an expression is that of `count(*)`, or in a query of its own."""
    return all(
        isinstance(each.parent, exp.Count) or each.find_ancestor(exp.Query) is not node.find_ancestor(exp.Query)
        for each in node.find_all(exp.Star)
    )
