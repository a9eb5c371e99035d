"""Vector indexes: which rows of a table are nearest to a vector, and how many of them an index finds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.errors import CatalogError
from cutlist.store.retries import LANCE_ERRORS, first_line

if TYPE_CHECKING:
    from cutlist.store.table import Table

VECTOR_INDEXES = ("IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ")
"""Kinds of vector indexes, from exact and large to coarse and small; those of HNSW are slower to make and to load."""

_EXACT = frozenset({"IVF_FLAT"})
_REFINE = 10
"""Of an index that keeps vectors roughly, so many times the wanted rows are compared exactly."""

_QUERIES = 64
_NEIGHBOURS = 10
_EVERYWHERE = 1 << 20
"""So many partitions are all there are, also of an index that was made anew since its partitions were noted."""
_PARTITION_ROWS = 256
"""With fewer rows to a partition, Lance cannot tell the partitions apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndex:
    """An index, and how it is asked.

    Attributes:
        kind: One of `VECTOR_INDEXES`.
        probes: How many of its partitions are looked at.
        partitions: How many it has.
        recall: The share of the ten nearest neighbours of 64 rows that it found when it was made, 0 to 1; None where
            that was not measured.
    """

    kind: str
    probes: int
    partitions: int
    recall: float | None = None

    def wider(self, factor: int) -> VectorIndex:
        """Return the index as it is asked where so many times the partitions have to be looked at."""
        return replace(self, probes=min(self.probes * factor, self.partitions))

    @property
    def is_exact(self) -> bool:
        """Whether it finds what comparing with every row finds."""
        return self.kind in _EXACT and self.probes >= self.partitions

    def __str__(self) -> str:
        if self.is_exact:
            return f"{self.kind} index (exact)"
        recall = "" if self.recall is None else f", recall {self.recall:.3f} when it was made"
        return f"{self.kind} index ({self.probes} of {self.partitions} partitions{recall})"


def vector_index(table: Table, column: str) -> VectorIndex | None:
    """Return the index of a column by the cosine, or None; one that others made is looked through as a whole."""
    kinds = table.indexes.get(column, frozenset()) & set(VECTOR_INDEXES)
    if not kinds:
        return None
    kind = min(kinds)
    noted = json.loads(table.dataset.config().get(_key(column), "{}"))
    if noted.get("kind") == kind:
        return VectorIndex(**noted)
    return VectorIndex(kind=kind, probes=_EVERYWHERE, partitions=_EVERYWHERE)


def count_rows(table: Table, filter: str | None = None) -> int:
    """Return how many rows a Lance filter is true for, of a table's version."""
    return int(table.dataset.count_rows(filter))


def _key(column: str) -> str:
    return f"cutlist.vector_index.{column}"


def nearest_rows(
    table: Table, column: str, vector: NDArray[np.float32], count: int, index: VectorIndex, filter: str | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return the `count` rows nearest to a vector that an index finds, nearest first, and their distances.

    Rows that were appended after the index was made are compared one by one. Rows without a vector, or with one that
    has no direction, are never found.

    Args:
        filter: A Lance filter; rows for which it is not true do not count.

    Returns:
        Row ids, uint64, and 1 - cosine, float32, exact; both of shape (n,), n ≤ count: fewer where there are no more.
    """
    return _nearest(table.dataset, column, vector, count, index, filter)


def _nearest(
    dataset: Any, column: str, vector: NDArray[np.float32], count: int, index: VectorIndex, filter: str | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    found = dataset.scanner(
        columns=["_rowid", "_distance"],
        nearest={
            "column": column,
            "q": vector,
            "k": count,
            "metric": "cosine",
            "minimum_nprobes": _EVERYWHERE if index.probes >= index.partitions else index.probes,
            "refine_factor": 1 if index.kind.endswith("FLAT") else _REFINE,
        },
        filter=filter,
        prefilter=filter is not None,
    ).to_table()
    return found["_rowid"].to_numpy(), found["_distance"].to_numpy()


def make_vector_index(
    dataset: Any, name: str, column: str, kind: str, *, recall: float, partitions: int | None
) -> VectorIndex:
    """Make an index of a column of vectors by the cosine, or make it anew; return it, with the recall that it has.

    Of its partitions as many will be looked at as it takes to find the ten nearest neighbours of 64 rows, which are
    known from comparing them with all. Queries unlike any row, as texts over embeddings of images are, can be harder.

    Args:
        dataset: The table's latest version.
        recall: The share to find, in (0, 1]; 1 looks at all partitions.
        partitions: Default: the square root of the number of rows, but not fewer than 256 rows in each.

    Raises:
        CatalogError: if the column has no vectors, or too few for such an index.
    """
    field = dataset.schema.field(column)
    length = field.type.list_size if pa.types.is_fixed_size_list(field.type) else None
    if length is None or not pa.types.is_float32(field.type.value_type):
        raise CatalogError(f"{name}.{column} is of {field.type}; a vector index needs float32 vectors of one length")
    if not 0 < recall <= 1:
        raise CatalogError(f"recall {recall}: expected a share in (0, 1], like 0.99; 1 looks at everything")
    rows = dataset.count_rows(f"`{column}` IS NOT NULL")
    if rows == 0:
        raise CatalogError(f"{name}.{column} has no vector in any row; index it when it has, `cutlist backfill {name}`")
    number = partitions or max(1, min(isqrt(rows), rows // _PARTITION_ROWS))
    if not 1 <= number <= rows:
        raise CatalogError(f"{number} partitions for {rows:,} rows with a {column}; expected 1 to {rows:,}")
    options = {"num_sub_vectors": _sub_vectors(length)} if kind.endswith("PQ") else {}
    try:
        dataset.create_index(column, kind, metric="cosine", num_partitions=number, replace=True, **options)
    except (*LANCE_ERRORS, TypeError, NotImplementedError) as error:
        raise CatalogError(f"cannot index {name}.{column} by {kind}: {first_line(error)}") from error
    index = VectorIndex(kind=kind, probes=number, partitions=number)
    index = _tuned(dataset, column, index, recall)
    dataset.update_config({_key(column): json.dumps(asdict(index))})
    return index


def _sub_vectors(length: int) -> int:
    """Return in how many parts a vector is quantized: of 8 numbers, or 4, 2, 1 where these do not divide it."""
    return next(length // size for size in (8, 4, 2, 1) if length % size == 0)


def _tuned(dataset: Any, column: str, index: VectorIndex, recall: float) -> VectorIndex:
    """Return the index with as few probes as reach a recall, and that recall."""
    queries = _some_vectors(dataset, column)
    bounds = _nearest_distances(dataset, column, queries)
    probes = index.partitions if recall == 1 else 1
    while True:
        probes = min(probes, index.partitions)
        tried = VectorIndex(kind=index.kind, probes=probes, partitions=index.partitions)
        shares = []
        for query, bound in zip(queries, bounds, strict=True):
            distances = _nearest(dataset, column, query, len(bound), tried)[1]
            shares.append(np.count_nonzero(distances <= bound[-1] + 1e-5) / len(bound) if len(bound) else 1.0)
        reached = min(float(np.mean(shares)) if shares else 1.0, 1.0)
        if reached >= recall or probes == index.partitions:
            return VectorIndex(kind=index.kind, probes=probes, partitions=index.partitions, recall=round(reached, 4))
        probes *= 2


def _some_vectors(dataset: Any, column: str) -> NDArray[np.float32]:
    """Return the vectors of some rows, the same each time; float32, shape (n, length)."""
    rows = np.random.default_rng(0).permutation(dataset.count_rows())[: 4 * _QUERIES]
    taken = dataset.take(np.sort(rows).tolist(), columns=[column])[column].combine_chunks()
    return _usable(taken)[:_QUERIES]


def _usable(values: pa.Array) -> NDArray[np.float32]:
    """Return the vectors that have a direction, of length 1."""
    values = values.drop_null()
    vectors = values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), values.type.list_size)
    lengths = np.linalg.norm(vectors, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.ascontiguousarray(vectors[usable] / lengths[usable, None], dtype=np.float32)


def _nearest_distances(dataset: Any, column: str, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distances of the nearest rows to each query, by comparing with every row; ascending, shape (n, k)."""
    best = np.empty((len(queries), 0), np.float32)
    for batch in dataset.scanner(columns=[column], batch_size=16_384).to_batches():
        distances = 1 - queries @ _usable(batch.column(column)).T
        best = np.sort(np.concatenate([best, distances], axis=1), axis=1)[:, :_NEIGHBOURS]
    return best
