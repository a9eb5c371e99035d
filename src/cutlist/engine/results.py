"""What a result may not have to be a training set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from cutlist.errors import QueryError
from cutlist.media.reference import FIELD_NAMES
from cutlist.packing import is_media

if TYPE_CHECKING:
    from cutlist.compiler import Statement

_LOST = re.compile(r"\b(BIT|VARIANT|TIME WITH TIME ZONE)\b(?![^']*'(?:[^']*'[^']*')*[^']*$)")
"""Types whose values do not come out of DuckDB's Arrow form as they went in; not inside the quotes of an ENUM."""


def refuse_equal_names(statement: Statement, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryError(
            f'{statement.place}: two columns are named "{twice}"; give one another name, e.g. '
            f"`… AS {re.sub(r'[^A-Za-z0-9_]', '_', twice)}_2`, so that a batch can have both"
        )


def refuse_types(statement: Statement, names: Sequence[str], types: Sequence[str]) -> None:
    """Refuse columns of types that a file of samples cannot hold."""
    for name, kind in zip(names, types, strict=True):
        lost = _LOST.search(kind)
        if lost is not None:
            raise QueryError(
                f"{statement.place}: column {name} has the type {lost[1]}, which a training set cannot hold; "
                f"cast it, e.g. to VARCHAR"
            )
        if "UNION(" in kind and "center_height" in kind:
            raise QueryError(f"{statement.place}: column {name} is a UNION with media in it; use a STRUCT")


def refuse_forged(statement: Statement, schema: pa.Schema) -> None:
    """Refuse columns that look like media references and are not, because the type of a field was changed."""
    for each in schema:
        looks = pa.types.is_struct(each.type) and [inner.name for inner in each.type] == list(FIELD_NAMES)
        if looks and not is_media(each.type):
            raise QueryError(
                f"{statement.place}: column {each.name} is a media reference of which the types were changed; "
                f"change references by clip(), resize() and their like alone"
            )
