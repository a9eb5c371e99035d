"""The vectors of the texts and images that a query compares with embeddings: encoded once, defined as macros."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cutlist.compiler import Remark, quoted
from cutlist.engine.databases import CONFINED
from cutlist.errors import CutlistError, QueryError
from cutlist.selection import SearchVector
from cutlist.store import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from cutlist.compiler import Plan, QueryVector
    from cutlist.engine.engine import Engine
    from cutlist.store import Feature, Table


class Encode(Protocol):
    """Turns a text, or the content of an image's file, into a vector of the space of a feature column."""

    def __call__(self, table: Table, column: str, given: str | bytes) -> NDArray[np.float32]:
        """Return float32, shape (length,)."""


def define_vectors(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, plan: Plan, known: Sequence[SearchVector] = ()
) -> tuple[SearchVector, ...]:
    """Define on a cursor the vectors that a plan names, and return them.

    Args:
        known: Those of a selection that was compiled by the same plan; then no model is loaded.

    Raises:
        QueryError: if one cannot be made; has the place of the text or image.
    """
    found = tuple(known) or tuple(_encoded(engine, each) for each in plan.vectors)
    for each, made in zip(plan.vectors, found, strict=True):
        cursor.execute(f"CREATE TEMP MACRO {quoted(each.name)}() AS '{list(made.vector)}'::{each.type}")
    return found


def _encoded(engine: Engine, wanted: QueryVector) -> SearchVector:
    """Return the vector of a text or an image."""
    table = engine.table_at(wanted.table, wanted.version)
    feature = _feature(table, wanted)
    content = _image(engine, wanted) if wanted.is_image else wanted.given
    try:
        vector = engine.encode(table, wanted.column, content)
    except CutlistError as error:
        what = f"{wanted.shown}: " if wanted.is_image else ""
        raise QueryError(f"{wanted.place}: {what}{error}") from error
    return SearchVector(
        given=wanted.given,
        column=f"{wanted.table}.{wanted.column}",
        featurizer=f"{feature.name}@{feature.version}",
        parameters=feature.parameters,
        vector=tuple(vector.tolist()),
    )


def define_stand_ins(cursor: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[SearchVector, ...]:
    """Define NULL in the place of each vector, for a query that is bound and not run; return none."""
    for each in plan.vectors:
        cursor.execute(f"CREATE TEMP MACRO {quoted(each.name)}() AS NULL::{each.type}")
    return ()


def of_other_models(engine: Engine, plan: Plan) -> Iterator[Remark]:
    """Yield a warning for each text or image that is compared with vectors of another model than encoded it.

    Such vectors stand in a column of which only a part was computed anew, by another model or with other parameters.
    """
    for each in plan.vectors:
        table = engine.table_at(each.table, each.version)
        feature = _feature(table, each)
        other = f"{feature.made_at} >= 0 AND {feature.made_by} <> {list(feature.made)[-1]}"
        number = count_rows(table, other)
        if number:
            text = (
                f"{number:,} rows of {each.table} have a {each.column} that was not made as {feature.name} is now, and "
                f"are compared with {each.shown} all the same; `REFRESH COLUMN {each.column} ON {each.table}` makes "
                f"them anew"
            )
            yield Remark(place=each.place, text=text, error=False)


def _feature(table: Table, vector: QueryVector) -> Feature:
    return next(each for each in table.features.values() if vector.column in each.columns)


def images_of(engine: Engine, plan: Plan) -> list[str]:
    """Return what tells the images of a plan from others under their paths.

    Raises:
        QueryError: if one cannot be read, or SQL is confined and may not; has its place.
    """
    images = [each for each in plan.vectors if each.is_image]
    return [f"{each.given} {hashlib.sha256(_image(engine, each)).hexdigest()}" for each in images]


def _image(engine: Engine, vector: QueryVector) -> bytes:
    file = Path(vector.given)
    what = f"{vector.place}: {vector.shown}"
    try:
        if not engine.databases.is_open(file):
            raise QueryError(f"{what} may not be read: {CONFINED}")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: what no path can have
        why = getattr(error, "strerror", None) or error
        raise QueryError(f"{what} cannot be read: {why}; paths start in the folder {Path.cwd()}") from error
