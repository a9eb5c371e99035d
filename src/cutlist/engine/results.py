"""What a result may not have to be a training set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from cutlist.errors import QueryError
from cutlist.media.reference import FIELD_NAMES
from cutlist.packing import is_media

if TYPE_CHECKING:
    import duckdb

    from cutlist.compiler import Statement

_LOST = frozenset({"bit", "variant", "time with time zone"})
"""Types whose values do not come out of DuckDB's Arrow form as they went in."""

_NESTED = frozenset({"list", "array", "struct", "tuple", "map", "union"})


def refuse_columns(statement: Statement, bound: duckdb.DuckDBPyRelation) -> None:
    """Refuse columns with one name, and columns of types that a file of samples cannot hold."""
    _refuse_equal_names(statement, bound.columns)
    _refuse_types(statement, bound.columns, bound.types)


def _refuse_equal_names(statement: Statement, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryError(
            f'{statement.place}: two columns are named "{twice}"; give one another name, e.g. '
            f"`… AS {re.sub(r'[^A-Za-z0-9_]', '_', twice)}_2`, so that a batch can have both"
        )


def _refuse_types(statement: Statement, names: Sequence[str], types: Sequence[DuckDBPyType]) -> None:
    for name, kind in zip(names, types, strict=True):
        for each in _types_in(kind):
            if each.id in _LOST:
                raise QueryError(
                    f"{statement.place}: column {name} has the type {each}, which a training set cannot hold; "
                    f"cast it, e.g. to VARCHAR"
                )
            if each.id == "union" and any(map(_is_reference, _types_in(each))):
                raise QueryError(f"{statement.place}: column {name} is a UNION with media in it; use a STRUCT")


def _types_in(kind: DuckDBPyType) -> Iterator[DuckDBPyType]:
    """Yield a type and those inside it, at any depth."""
    yield kind
    if kind.id in _NESTED:
        for _, child in kind.children:
            if isinstance(child, DuckDBPyType):  # not the length of an ARRAY
                yield from _types_in(child)


def _is_reference(kind: DuckDBPyType) -> bool:
    return kind.id == "struct" and tuple(name for name, _ in kind.children) == FIELD_NAMES


def refuse_forged(statement: Statement, schema: pa.Schema) -> None:
    """Refuse columns that look like media references and are not, because the type of a field was changed."""
    for each in schema:
        looks = pa.types.is_struct(each.type) and [inner.name for inner in each.type] == list(FIELD_NAMES)
        if looks and not is_media(each.type):
            raise QueryError(
                f"{statement.place}: column {each.name} is a media reference of which the types were changed; "
                f"change references by clip(), resize() and their like alone"
            )
