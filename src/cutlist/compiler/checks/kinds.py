"""What an expression holds, as far as its text and the schemas tell: a media reference, a float, something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.clauses import from_items, named_query

if TYPE_CHECKING:
    from cutlist.compiler.facts import FindTable, TableFacts
    from cutlist.compiler.text import Statement

DECODE = frozenset(
    {
        *("clip", "at_fps", "frames", "resize", "resize_short", "crop", "center_crop", "raw", "as_file"),
        *("audio", "random_clip", "random_crop", "random_flip"),
    }
)
"""The macros that take a media reference first and return one."""


class Kind(Enum):
    """What a value is, as far as the checks care."""

    MEDIA = auto()
    HOLDS_MEDIA = auto()  # a list or struct with media references in it
    FLOAT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a source by lower-case name, in order; `open` where it may have others that are not known."""

    kinds: Mapping[str, Kind | None] = field(default_factory=dict)
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What stands in a FROM clause: its lower-case alias, its columns, its node, and the table if it is one."""

    alias: str
    columns: Columns
    node: exp.Expr
    table: TableFacts | None = None


class Kinds:
    """Answers what expressions hold. One object serves a query and its views, and remembers what it found."""

    def __init__(self, find: FindTable, view: Callable[[str], Statement | None] = lambda name: None) -> None:
        """Make one.

        Args:
            find: Name → what is known of a table.
            view: Name → the statement of a view, or None.
        """
        self.find = find
        self._view = view
        self._kinds: dict[int, Kind | None] = {}
        self._columns: dict[int, Columns] = {}
        self._sources: dict[int, tuple[Source, ...]] = {}

    def of(self, node: exp.Expr) -> Kind | None:
        """Return what an expression holds, or None where that is not known.

        Examples:
            >>> from cutlist.compiler.facts import ColumnFacts, TableFacts
            >>> from cutlist.compiler.text import parse
            >>> videos = TableFacts(name="videos", columns={"video": ColumnFacts(type="media")})
            >>> tree = parse("SELECT v.video.clip(0, 2) FROM videos v").tree
            >>> Kinds(lambda name: videos).of(tree.expressions[0]).name
            'MEDIA'
        """
        if id(node) not in self._kinds:
            self._kinds[id(node)] = None  # an alias may name itself
            self._kinds[id(node)] = self._of(node)
        return self._kinds[id(node)]

    def sources(self, select: exp.Select) -> tuple[Source, ...]:
        """Return what stands in the FROM clause of one SELECT, in order."""
        if id(select) not in self._sources:
            self._sources[id(select)] = tuple(self._source(each) for each in from_items(select))
        return self._sources[id(select)]

    def columns(self, query: exp.Expr) -> Columns:
        """Return the columns that a query has."""
        if id(query) not in self._columns:
            self._columns[id(query)] = Columns(open=True)  # a recursive CTE names itself
            self._columns[id(query)] = self._columns_of(query)
        return self._columns[id(query)]

    def _of(self, node: exp.Expr) -> Kind | None:
        if isinstance(node, exp.Column | exp.Identifier):
            return self._of_name(node)
        if isinstance(node, exp.Cast):
            return _kind_of_type(node.to.sql("duckdb"))
        if isinstance(node, exp.Subquery):
            return next(iter(self.columns(node.this).kinds.values()), None)
        if isinstance(node, exp.Literal):
            return Kind.FLOAT if not node.is_string and "e" in node.name.lower() else Kind.OTHER
        if isinstance(node, exp.Dot):
            return self._of_dot(node)
        if isinstance(node, exp.Anonymous) and node.name.lower() in DECODE:
            return Kind.MEDIA
        if isinstance(node, exp.Anonymous) and node.name.lower() == "similarity":
            return Kind.FLOAT
        if isinstance(node, exp.Case):
            branches = [each.args["true"] for each in node.args["ifs"]] + [node.args.get("default")]
            return self._any_of(branches)
        if isinstance(node, exp.If):
            return self._any_of([node.args.get("true"), node.args.get("false")])
        if isinstance(node, exp.Coalesce):
            return self._any_of([node.this, *node.expressions])
        if isinstance(node, _CONTAINERS):
            return self._of_container(node)
        if isinstance(node, exp.Div):
            return Kind.FLOAT  # `/` is never the division of integers
        if isinstance(node, exp.Binary) and isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Mod | exp.Pow):
            return self._float_if([node.this, node.expression])
        if isinstance(node, _ALWAYS_FLOAT):
            return Kind.FLOAT
        if isinstance(node, _FLOAT_OF_FLOAT):
            return self._float_if([each for each in [node.this, *node.expressions] if isinstance(each, exp.Expr)])
        if isinstance(node, exp.ArgMax | exp.ArgMin | exp.Max | exp.Min) and node.args.get("count"):
            return Kind.HOLDS_MEDIA if self.of(node.this) is Kind.MEDIA else None
        if isinstance(node, _SAME):
            return self.of(node.this)
        return None

    def _of_name(self, node: exp.Column | exp.Identifier) -> Kind | None:
        if isinstance(node.this, exp.Star):
            return None
        parts = node.parts if isinstance(node, exp.Column) else [node]
        kind, rest = self._resolve([part.name.lower() for part in parts], node)
        return None if rest else kind

    def _of_dot(self, node: exp.Dot) -> Kind | None:
        if isinstance(node.expression, exp.Anonymous):
            return Kind.MEDIA if node.expression.name.lower() in DECODE else self.of(node.expression)
        if isinstance(node.this, exp.Identifier) and isinstance(node.expression, exp.Identifier):
            kind, rest = self._resolve([node.this.name.lower(), node.expression.name.lower()], node)
            return None if rest else kind
        return None

    def _of_container(self, node: exp.Expr) -> Kind | None:
        inner = [each for each in node.iter_expressions() if not isinstance(each, exp.Query)]
        values = [each.expression if isinstance(each, exp.PropertyEQ) else each for each in inner]
        held = {self.of(each) for each in values}
        return Kind.HOLDS_MEDIA if held & {Kind.MEDIA, Kind.HOLDS_MEDIA} else Kind.OTHER

    def _any_of(self, nodes: list[exp.Expr | None]) -> Kind | None:
        kinds = [self.of(node) for node in nodes if node is not None]
        return next((each for each in (Kind.MEDIA, Kind.FLOAT) if each in kinds), kinds[0] if kinds else None)

    def _float_if(self, nodes: list[exp.Expr]) -> Kind | None:
        kinds = [self.of(node) for node in nodes]
        return Kind.FLOAT if Kind.FLOAT in kinds else None if None in kinds else Kind.OTHER

    def _resolve(self, names: list[str], node: exp.Expr) -> tuple[Kind | None, list[str]]:
        """Return what the column that a dotted name starts with holds, and the names after it."""
        if names[0] in _parameters(node):
            return None, []
        inside: exp.Expr = node
        select = node.find_ancestor(exp.Select)
        while isinstance(select, exp.Select):
            sources = self.sources(select)
            owners = [each for each in sources if each.alias == names[0]] if len(names) > 1 else []
            if owners:
                return owners[0].columns.kinds.get(names[1]), names[2:]
            found = {each.columns.kinds[names[0]] for each in sources if names[0] in each.columns.kinds}
            if found:
                return (found.pop() if len(found) == 1 else None), names[1:]
            if any(each.columns.open for each in sources):
                return None, []
            for each in select.expressions:
                if isinstance(each, exp.Alias) and each.alias.lower() == names[0] and not _is_in(inside, each):
                    return self.of(each.this), names[1:]
            inside, select = select, select.find_ancestor(exp.Select)
        return None, []

    def _source(self, item: exp.Expr) -> Source:
        alias = item.args.get("alias")
        table = None
        columns = Columns(open=True)
        if item.args.get("pivots"):
            pass
        elif isinstance(item, exp.Table):
            query = named_query(item)
            if query is not None:
                columns = _renamed(self.columns(query.this), query.args.get("alias"))
            elif isinstance(item.this, exp.Identifier) and not item.args.get("db"):
                table = self.find(item.name)
                columns = self._columns_of_table(item.name, table)
        elif isinstance(item, exp.Subquery):
            columns = self.columns(item.this)
        elif isinstance(item, exp.Lateral) and isinstance(item.this, exp.Subquery):
            columns = self.columns(item.this.this)
        return Source(alias=item.alias_or_name.lower(), columns=_renamed(columns, alias), node=item, table=table)

    def _columns_of_table(self, name: str, table: TableFacts | None) -> Columns:
        if table is not None:
            return Columns(kinds={key.lower(): _kind_of_type(each.type) for key, each in table.columns.items()})
        view = self._view(name)
        return Columns(open=True) if view is None else self.columns(view.tree)

    def _columns_of(self, query: exp.Expr) -> Columns:
        if isinstance(query, exp.Subquery):
            return self.columns(query.this)
        if isinstance(query, exp.SetOperation):
            return self._union(query)
        if not isinstance(query, exp.Select) or query.args.get("pivots"):
            return Columns(open=True)
        kinds: dict[str, Kind | None] = {}
        is_open = False
        for each in query.expressions:
            star = each if isinstance(each, exp.Star) else each.this if isinstance(each, exp.Column) else None
            if isinstance(star, exp.Star):
                inner = self._star(query, star, each.args.get("table"))
                kinds.update(inner.kinds)
                is_open |= inner.open
            elif each.find(exp.Columns, exp.Star, exp.Explode) and not isinstance(each, exp.Alias):
                is_open = True
            else:
                kinds[each.alias_or_name.lower()] = self.of(each)
        return Columns(kinds=kinds, open=is_open)

    def _star(self, select: exp.Select, star: exp.Star, of: exp.Identifier | None) -> Columns:
        sources = [each for each in self.sources(select) if of is None or each.alias == of.name.lower()]
        if not sources:
            return Columns(open=True)
        kinds: dict[str, Kind | None] = {}
        for source in sources:
            for name, kind in source.columns.kinds.items():
                kinds.setdefault(name, kind)
        for each in star.args.get("except_") or []:
            kinds.pop(each.name.lower(), None)
        for each in star.args.get("replace") or []:
            kinds[each.alias.lower()] = self.of(each.this)
        for each in star.args.get("rename") or []:
            kinds[each.alias.lower()] = kinds.pop(each.this.name.lower(), None)
        return Columns(kinds=kinds, open=any(each.columns.open for each in sources))

    def _union(self, query: exp.SetOperation) -> Columns:
        left, right = self.columns(query.this), self.columns(query.expression)
        if left.open or right.open:
            return Columns(open=True)
        if query.args.get("by_name"):
            names = {name: (left.kinds.get(name), right.kinds.get(name)) for name in [*left.kinds, *right.kinds]}
        else:
            names = {
                name: (kind, other)
                for (name, kind), other in zip(left.kinds.items(), right.kinds.values(), strict=False)
            }
        return Columns(
            kinds={name: a if b is None or a is b else b if a is None else None for name, (a, b) in names.items()}
        )


_CONTAINERS = (exp.Array, exp.Struct, exp.Tuple, exp.ArrayAgg)
_ALWAYS_FLOAT = (exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Avg)
_FLOAT_OF_FLOAT = (exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Greatest, exp.Least, exp.Sum)
_SAME = (
    *(exp.Paren, exp.Alias, exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.Order, exp.Nullif),
    *(exp.Max, exp.Min, exp.First, exp.Last, exp.AnyValue, exp.ArgMax, exp.ArgMin, exp.Mode),
    *(exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead),
)
"""What holds the same as its first argument."""


def _kind_of_type(name: str) -> Kind | None:
    """Return what a value of a type is: the type's name is DuckDB's."""
    upper = name.upper()
    if upper == "MEDIA":
        return Kind.MEDIA
    if upper in ("FLOAT", "DOUBLE", "REAL", "FLOAT4", "FLOAT8"):
        return Kind.FLOAT
    return Kind.HOLDS_MEDIA if re.search(r"\bMEDIA\b", upper) else Kind.OTHER


def _renamed(columns: Columns, alias: exp.Expr | None) -> Columns:
    """Return columns under the names that an alias such as `t(a, b)` gives to the first of them."""
    names = [each.name.lower() for each in alias.args.get("columns") or []] if alias is not None else []
    if not names:
        return columns
    if columns.open:
        return Columns(kinds=dict.fromkeys(names), open=True)
    old = list(columns.kinds.items())
    return Columns(kinds={**dict(zip(names, (kind for _, kind in old), strict=False)), **dict(old[len(names) :])})


def _parameters(node: exp.Expr) -> set[str]:
    """Return the lower-case names of the parameters of the lambdas and comprehensions around a node."""
    names: set[str] = set()
    above = node.parent
    while above is not None:
        if isinstance(above, exp.Lambda):
            names.update(each.name.lower() for each in above.expressions)
        elif isinstance(above, exp.Comprehension):
            names.add(above.expression.name.lower())
        above = above.parent
    return names


def _is_in(node: exp.Expr, outer: exp.Expr) -> bool:
    """Return whether a node is inside of another."""
    above: exp.Expr | None = node
    while above is not None and above is not outer:
        above = above.parent
    return above is outer
