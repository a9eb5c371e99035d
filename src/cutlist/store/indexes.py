"""Making the indexes of a table's columns: of numbers and lists, of the words of texts, of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from cutlist.errors import CatalogError, NotFoundError, listing, suggest
from cutlist.store.retries import first_line
from cutlist.store.table import open_dataset
from cutlist.store.vectors import VECTOR_INDEXES, make_vector_index
from cutlist.store.words import PLAIN_WORDS

if TYPE_CHECKING:
    from cutlist.store.table import Table

SCALAR_INDEXES = ("BTREE", "BITMAP", "LABEL_LIST", "NGRAM", "ZONEMAP", "BLOOMFILTER")
INDEXES = (*SCALAR_INDEXES, "INVERTED", *VECTOR_INDEXES)
"""Kinds of indexes: of values, of the words of texts, of vectors."""


def make_index(
    table: Table, column: str, kind: str | None = None, *, recall: float | None = None, partitions: int | None = None
) -> str:
    """Make an index of a column, or make it anew; return what was made, its kind first.

    Args:
        kind: One of `INDEXES`, in any case; default `BITMAP` for BOOLEAN, `LABEL_LIST` for lists, `IVF_FLAT` for
            vectors, else `BTREE`.
        recall: Of a vector index, the share of the nearest rows to find; default 0.99.
        partitions: Of a vector index; default the square root of the number of rows.

    Raises:
        CatalogError: if there is no such column, or Lance has no such index for its type.
    """
    names = [each.name for each in table.schema]
    if column not in names:
        raise NotFoundError(
            f'table {table.name} has no column "{column}"{suggest(column, names)} It has: {listing(names, most=40)}.'
        )
    if column in table.media_columns:
        raise CatalogError(f"{table.name}.{column} is a media column, which has no index; index its embeddings")
    of = table.schema.field(column).type
    wanted = (kind or _default(of)).upper()
    if wanted not in INDEXES:
        raise CatalogError(f'no index of kind "{kind}"{suggest(wanted, INDEXES)} There are {", ".join(INDEXES)}.')
    if wanted not in VECTOR_INDEXES and (recall is not None or partitions is not None):
        raise CatalogError(f"recall and partitions are of vector indexes, {', '.join(VECTOR_INDEXES)}; not of {wanted}")
    latest: Any = open_dataset(table.name, table.uri, None, table.storage_options)
    if wanted in VECTOR_INDEXES:
        found = make_vector_index(
            latest, table.name, column, wanted, recall=0.99 if recall is None else recall, partitions=partitions
        )
        return str(found)
    try:
        latest.create_scalar_index(column, cast("Any", wanted), replace=True, **_options(wanted))
    except (ValueError, OSError, TypeError, NotImplementedError) as error:
        raise CatalogError(
            f"cannot index {table.name}.{column} ({of}) by {wanted}: {first_line(error)}; "
            f"there are {', '.join(INDEXES)}"
        ) from error
    return wanted


def _default(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return "IVF_FLAT"
    return "LABEL_LIST" if pa.types.is_list(kind) else "BITMAP" if pa.types.is_boolean(kind) else "BTREE"


def _options(kind: str) -> dict[str, Any]:
    return dict(PLAIN_WORDS) if kind == "INVERTED" else {}
