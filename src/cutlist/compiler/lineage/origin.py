"""The values that a lineage is made of: columns with what they are made of, clauses, and relations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What made a column of a table: the featurizer's name and version, its inputs as SQL, and their columns."""

    by: str
    inputs: str
    columns: tuple[str, ...]


FindMade = Callable[[str, int, str], Made | None]
"""Table, version and column → what made it, or None for a column that no featurizer made."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origin:
    """A column, and what it is made of. Several may share one input: together they are a graph without circles.

    Attributes:
        name: Of the column; empty where the text does not tell.
        of: The table, view, CTE, subquery alias or function that has it.
        kind: `table`, `selection` (a saved one), `view`, `query`, `cte`, `subquery`, `values`, `function`, `unknown`.
        version: Of a table.
        text: The expression as it is written, in one line.
        place: Where it stands, `file:line:column`.
        inputs: The columns that the expression names.
        made_by: Of a feature column, the featurizer and its version.
        problem: Why it is not known what it is made of; empty where it is.
    """

    name: str
    of: str
    kind: str
    version: int | None = None
    text: str = ""
    place: str = ""
    inputs: tuple[Origin, ...] = ()
    made_by: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clause:
    """What decides which rows there are, or their order: the clause, in what it stands, its text, and its columns."""

    clause: str
    of: str
    text: str
    place: str
    inputs: tuple[Origin, ...]


def walk(roots: Iterable[Origin], *, features: bool = True) -> Iterator[Origin]:
    """Yield columns and what they are made of, each once, in order.

    Args:
        features: Whether to go on from a feature column to what a featurizer made it of.
    """
    seen: set[Origin] = set()
    waiting = list(roots)[::-1]
    while waiting:
        origin = waiting.pop()
        if origin not in seen:
            seen.add(origin)
            yield origin
            if features or not origin.made_by:
                waiting += origin.inputs[::-1]


Named = tuple[str, Origin]


@dataclass(kw_only=True)
class Relation:
    """The columns of something in FROM, in order. With a `problem`, it may have others that are not known.

    Attributes:
        hidden: Columns that `*` leaves out, by lower-case name.
        maybe: Columns that are among those not known if a query that DuckDB accepts names them.
        rest: What every column that is not known is made of, if that is known.
        gap: Where in `columns` those that are not known come.
    """

    columns: list[Named] = field(default_factory=list)
    hidden: dict[str, Origin] = field(default_factory=dict)
    maybe: dict[str, Origin] = field(default_factory=dict)
    rest: Origin | None = None
    gap: int | None = None
    problem: str = ""

    def find(self, name: str) -> Origin | None:
        """Return the column of a name in lower case, or None."""
        found = next((origin for each, origin in self.columns if each.lower() == name), None)
        found = found or self.hidden.get(name) or self.maybe.get(name)
        return found or (self.rest if self.problem else None)

    def told_apart(self) -> Relation:
        """Return the columns as something in FROM has them: the second `id` is `id_1`."""
        counts: dict[str, int] = {}
        columns = []
        for name, origin in self.columns:
            count = counts.get(name.lower(), 0)
            counts[name.lower()] = count + 1
            columns.append((f"{name}_{count}" if count and name else name, origin))
        self.columns = columns
        return self

    def renamed(self, names: Sequence[str]) -> Relation:
        """Return a copy with the names that an alias such as `t(a, b)` gives to the first columns."""
        if not names:
            return replace(self, columns=list(self.columns), hidden=dict(self.hidden))
        if self.problem:
            known = [(name, self.rest) for name in names] if self.rest is not None else []
            return Relation(columns=known, rest=self.rest, problem=self.problem)
        columns = [(new, origin) for new, (_, origin) in zip(names, self.columns, strict=False)]
        return Relation(columns=[*columns, *self.columns[len(columns) :]], hidden=dict(self.hidden))

    def fitted(self, names: Sequence[str], of: str, place: str) -> Relation:
        """Return the columns under the names that DuckDB has; unknown ones where these are not what the text told."""
        columns = list(self.columns)
        missing = len(names) - len(columns)
        if self.problem and self.gap is not None and missing >= 0:
            new = names[self.gap : self.gap + missing]
            unknown = [Origin(name=each, of=of, kind="unknown", place=place, problem=self.problem) for each in new]
            fill = [self.maybe.get(each.name.lower()) or self.rest or each for each in unknown]
            columns[self.gap : self.gap] = list(zip(new, fill, strict=True))
        told = [name.lower() for name, _ in columns]
        twice = [told.index(name) < at for at, name in enumerate(told)]
        if len(told) != len(names) or not all(map(_agree, told, names, twice)):
            problem = "DuckDB has other columns here than the text told"
            unknown = [Origin(name=each, of=of, kind="unknown", place=place, problem=problem) for each in names]
            return Relation(columns=[(each.name, each) for each in unknown])
        return Relation(columns=[(name, origin) for name, (_, origin) in zip(names, columns, strict=True)])


def _agree(told: str, name: str, twice: bool) -> bool:
    """Return whether a name can be the one that the text tells: a second one may have a number behind it."""
    return not told or told == name.lower() or (twice and name.lower().startswith(told))
