"""What is in sight where a part of a query stands, and what the parts are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal, TypeVar

from hypothesis import strategies as st

Kind = Literal["number", "real", "text", "flag", "time", "medium", "edited", "texts", "scenes", "rowid", "other"]
"""What a value is good for; `edited` is a medium that has operations already, `other` can only be compared."""

T = TypeVar("T")

SIMPLE: tuple[Kind, ...] = ("number", "text", "medium", "real", "time", "flag")
KEYS = {"videos": "id", "images": "id", "types": "k", "order": "id", "nothing": "id"}


@dataclass(frozen=True, slots=True)
class Column:
    """What an expression can name: its text, with a qualifier and quotes where they are due."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What can stand in FROM.

    `key` tells its rows apart, or as many columns as all there are do; `star` is what `*` gives, by bare names, or
    None where names are not known or not unique. After a `comma`, nothing can be joined to the whole.
    """

    text: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    star: tuple[Column, ...] | None = None
    has_rowid: bool = False
    comma: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A query. `keys`: None without an ORDER BY, () for a total one, else the output columns that it orders by."""

    text: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...] | None = None


Wanted = tuple[Column, ...]
"""The columns that a SELECT is to have, where others decide on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The strategies that a part of a query has inside it though they stand further up: what keeps files apart."""

    selects: Callable[[Scope, Wanted | None], st.SearchStrategy[Made]]
    relations: Callable[[Scope], st.SearchStrategy[Relation]]
    queries: Callable[[Scope], st.SearchStrategy[Made]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is in sight: the columns of this SELECT, those of the queries around it, CTEs, and room for subqueries."""

    grammar: Grammar
    fresh: Iterator[int] = field(default_factory=count)
    columns: tuple[Column, ...] = ()
    outer: tuple[Column, ...] = ()
    ctes: tuple[tuple[str, tuple[Column, ...]], ...] = ()
    room: int = 2
    depth: int = 0

    def of(self, *kinds: Kind) -> list[str]:
        """Return the texts of the columns in sight of some kinds; of a row id, the number that it is in DuckDB."""
        seen = (*self.columns, *self.outer)
        numbers = [f"({each.text}::BIGINT)" for each in seen if each.kind == "rowid"] if "number" in kinds else []
        return [*(each.text for each in seen if each.kind in kinds), *numbers]

    def sees(self, *names: str) -> bool:
        """Return whether these names are tables here, and not CTEs."""
        return not dict(self.ctes).keys() & set(names)

    def name(self, letter: str) -> str:
        """Return a name that the query does not have yet."""
        return f"{letter}{next(self.fresh)}"

    def over(self, columns: tuple[Column, ...]) -> Scope:
        """Return the scope with these columns instead."""
        return replace(self, columns=columns)

    @property
    def flat(self) -> Scope:
        """The scope without room for subqueries: that of what may stand in a lambda.

        From two queries further out there is nothing in it: on that, DuckDB 2.0 can crash (1 of 11,000 queries did).
        """
        return replace(self, room=0, outer=self.outer if self.depth < 2 else ())

    @property
    def alone(self) -> Scope:
        """The scope of an aggregate's argument: no subqueries and nothing from outside."""
        return replace(self, room=0, outer=())

    @property
    def inside(self) -> Scope:
        """The scope in which a subquery starts."""
        outer = (*self.columns, *self.outer)
        return replace(self, room=self.room - 1, depth=self.depth + 1, columns=(), outer=outer)

    @property
    def apart(self) -> Scope:
        """The scope in which a derived table starts: it sees nothing of its neighbours."""
        return replace(self, room=self.room - 1, columns=())


def pick(draw: st.DrawFn, *options: T) -> T:
    return draw(st.sampled_from(options))


def maybe(draw: st.DrawFn, one_in: int = 3) -> bool:
    return draw(st.integers(0, one_in - 1)) == one_in - 1
