"""Sidecars of a selection: its samples by bucket, their weights, and what is the same in all samples of a bucket.

A sidecar is a folder beside the selection's file, with arrays that are memory-mapped: `positions.npy`, `weights.npy`,
`blocks.npy`, and `sidecar.json`. It depends on the selection alone, so it can be deleted and made again; making it
reads the selection twice, batch by batch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.errors import OrderError, listing, suggest
from cutlist.locks import alone
from cutlist.sampler import Buckets
from cutlist.watch import watched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.selection import Column, Selection, Source

FORMAT = 1
"""Version of the files; another is made anew."""

MAX_BUCKETS = 10_000
"""Most buckets that a column may make: beyond it, the column is not one of buckets."""

SHAPE_FIELDS = (
    "num_frames",
    "width",
    "height",
    "side",
    "crop_width",
    "crop_height",
    "center_width",
    "center_height",
    "random_width",
    "random_height",
)
"""Fields of a media reference that decide the shape of what is decoded."""

FragmentsOf = Callable[["Source", "NDArray[np.uint64]"], "NDArray[np.int64]"]
"""Source and row ids → the number of the fragment that each row is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a sidecar is made of: columns of the selection, and whether by fragments of the first media column too."""

    bucket_by: str | None = None
    weight_by: str | None = None
    cost_by: str | None = None
    fragments: bool = False

    def __bool__(self) -> bool:
        return bool(self.bucket_by or self.weight_by or self.cost_by or self.fragments)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sidecar:
    """The samples of a selection by bucket.

    Args:
        buckets: Positions, weights and blocks.
        costs: Largest cost of a sample of each bucket; None without a column of costs.
        shapes: Media column → field of its references that is the same in all samples of each bucket → its value there.
        path: The folder that the arrays are mapped from, or None.
    """

    buckets: Buckets
    costs: tuple[float, ...] | None = None
    shapes: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    path: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            return _load, (self.path,)
        buckets = {name: getattr(self.buckets, name) for name in Buckets.__slots__}
        return _restore, (buckets, self.costs, self.shapes)


def sidecar_of(selection: Selection, keys: Keys, *, fragments_of: FragmentsOf | None = None) -> Sidecar:
    """Return a selection's sidecar: that which is there, else one that is made, and saved beside a saved selection.

    Args:
        selection: The training set.
        keys: Which columns have buckets, weights and costs. Buckets are text, whole numbers or BOOLEAN.
        fragments_of: Needed for `keys.fragments`.

    Raises:
        OrderError: if a column is not there, or has values that are no buckets, weights or costs.

    Warns:
        UserWarning: if the folder cannot be written; the sidecar is then in memory.
    """
    if not keys:
        return Sidecar(buckets=Buckets.whole(selection.num_samples))
    if selection.path is None:
        return _build(selection, keys, fragments_of, None)
    found = _find(selection.path, selection.fingerprint, keys)
    if found is not None:
        return found
    name = hashlib.sha256(json.dumps([FORMAT, selection.fingerprint, asdict(keys)]).encode()).hexdigest()[:12]
    path = selection.path.with_suffix(f".{name}.buckets")
    with alone(path.with_suffix(".lock")):  # the other ranks of a machine wait, and find what the first one made
        found = _find(selection.path, selection.fingerprint, keys)
        return found or _make(selection, keys, fragments_of, path)


def _make(selection: Selection, keys: Keys, fragments_of: FragmentsOf | None, path: Path) -> Sidecar:
    """Make a sidecar in a folder, whole or not at all."""
    try:
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp"))
    except OSError as error:
        warnings.warn(f"{path}: cannot be written, so the buckets are made in memory: {error}", stacklevel=3)
        return _build(selection, keys, fragments_of, None)
    try:
        _build(selection, keys, fragments_of, temporary)
        shutil.rmtree(path, ignore_errors=True)  # a damaged one
        with contextlib.suppress(OSError):  # where nothing can be locked, another process may have been faster
            temporary.rename(path)
        return _load(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _find(selection: Path, fingerprint: str, keys: Keys) -> Sidecar | None:
    """Return the sidecar that a saved selection has for these keys; one that has costs too will do."""
    wanted = asdict(keys)
    for path in sorted(selection.parent.glob(f"{selection.stem}.*.buckets")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            header = json.loads((path / "sidecar.json").read_text())
            if keys.cost_by is None:
                header["keys"]["cost_by"] = None
            if header["format"] == FORMAT and header["fingerprint"] == fingerprint and header["keys"] == wanted:
                return _load(path)
    return None


def drop_sidecars(selection: Path) -> None:
    """Delete the sidecars of a saved selection."""
    for each in selection.parent.glob(f"{selection.stem}.*.buckets*"):
        shutil.rmtree(each, ignore_errors=True)


def _load(path: Path) -> Sidecar:
    header = json.loads((path / "sidecar.json").read_text())

    def mapped(name: str) -> Any:
        file = path / f"{name}.npy"
        return np.load(file, mmap_mode="r") if file.exists() else None

    names, starts = tuple(header["names"]), np.array(header["starts"], dtype=np.int64)
    buckets = Buckets(
        names=names,
        starts=starts,
        positions=mapped("positions"),
        weights_until=mapped("weights"),
        blocks=mapped("blocks"),
    )
    costs = header["costs"]
    return Sidecar(buckets=buckets, costs=None if costs is None else tuple(costs), shapes=header["shapes"], path=path)


def _restore(buckets: Mapping[str, Any], costs: tuple[float, ...] | None, shapes: Mapping[str, Any]) -> Sidecar:
    return Sidecar(buckets=Buckets(**buckets), costs=costs, shapes=shapes)


# -- making one -------------------------------------------------------------------------------------------------------


class _Passes:
    """Batches of a selection, pass after pass, which count what they gave and stop when they are told to."""

    def __init__(self, selection: Selection):
        self._batches = selection.batches
        self._rows = 0
        self._all = max(2 * selection.num_samples, 1)
        self._stopped = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            if self._stopped:
                raise KeyboardInterrupt
            yield batch
            self._rows += batch.num_rows

    def stop(self) -> None:
        self._stopped = True

    def fraction(self) -> float:
        return self._rows / self._all


def _build(selection: Selection, keys: Keys, fragments_of: FragmentsOf | None, folder: Path | None) -> Sidecar:
    """Make a sidecar, in a folder or in memory; shows its progress."""
    passes = _Passes(selection)
    return watched(
        lambda: _sort(selection, keys, fragments_of, folder, passes),
        interrupt=passes.stop,
        fraction=passes.fraction,
        title="buckets" if keys.bucket_by is not None else "weights",
    )


def _sort(
    selection: Selection,
    keys: Keys,
    fragments_of: FragmentsOf | None,
    folder: Path | None,
    batches: Iterable[pa.RecordBatch],
) -> Sidecar:
    """Make a sidecar in two passes: a counting sort by (bucket, fragment)."""
    survey = _Survey(selection, keys, fragments_of)
    for batch in batches:
        survey.add(batch)
    names, groups, starts = survey.groups()
    num_samples = selection.num_samples
    kind = np.uint32 if num_samples <= 2**32 else np.int64
    positions = _array(folder, "positions", num_samples, kind) if len(groups) > 1 else None
    weights = _array(folder, "weights", num_samples, np.float64) if keys.weight_by is not None else None
    following, first = starts[:-1].copy(), 0
    small = np.uint16 if len(groups) <= 2**16 else np.int64  # numpy sorts the former by radix, four times as fast
    for batch in batches:
        group = np.searchsorted(groups, survey.codes(batch)).astype(small)
        order = np.argsort(group, kind="stable")
        counts = np.bincount(group, minlength=len(groups))
        places = np.repeat(following - (np.cumsum(counts) - counts), counts) + np.arange(len(group))
        if positions is not None:
            positions[places] = first + order
        if weights is not None:
            weights[places] = survey.numbers(batch, keys.weight_by)[order]
        following += counts
        first += len(group)
    if weights is not None:
        _add_up(weights, str(keys.weight_by))
    buckets = Buckets(
        names=tuple(names),
        starts=starts[[*np.searchsorted(groups, np.arange(len(names)) * _FRAGMENTS), len(groups)]],
        positions=positions,
        weights_until=weights,
        blocks=starts if keys.fragments else None,
    )
    made = Sidecar(buckets=buckets, costs=survey.costs(), shapes=survey.shapes())
    if folder is not None:
        _save(made, folder, {"fingerprint": selection.fingerprint, "keys": asdict(keys)})
    return made


def _array(folder: Path | None, name: str, length: int, kind: type[np.generic]) -> NDArray[Any]:
    if folder is None:
        return np.empty(length, dtype=kind)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=(length,))


def _add_up(weights: NDArray[np.float64], column: str) -> None:
    """Replace weights by the sums of all up to and with each."""
    total = 0.0
    for start in range(0, len(weights), 2**20):
        part = weights[start : start + 2**20]
        part[0] += total
        np.cumsum(part, out=part)
        total = float(part[-1])
    if not 0 < total < float("inf"):
        raise OrderError(f'weight_by="{column}": the weights add up to {total}; expected a sum above 0')


def _save(made: Sidecar, folder: Path, about: Mapping[str, Any]) -> None:
    buckets = made.buckets
    for array in (buckets.positions, buckets.weights_until):
        if isinstance(array, np.memmap):
            array.flush()
    if buckets.blocks is not None:
        np.save(folder / "blocks.npy", buckets.blocks)
    header = {"format": FORMAT, **about, "names": buckets.names, "starts": buckets.starts.tolist()}
    header |= {"costs": made.costs, "shapes": made.shapes}
    (folder / "sidecar.json").write_text(json.dumps(header))


_FRAGMENTS = 2**32
"""A row's code is the number of its bucket times this, and the number of its fragment."""


class _Survey:
    """What the batches of a selection have: how many rows of each code, and by bucket the largest costs and shapes."""

    def __init__(self, selection: Selection, keys: Keys, fragments_of: FragmentsOf | None):
        self._selection = selection
        self._keys = keys
        self._fragments_of = fragments_of
        for argument in ("bucket_by", "weight_by", "cost_by"):
            self._check(argument, getattr(keys, argument))
        self._labels: dict[str, int] = {} if keys.bucket_by is not None else {"": 0}
        self._counts: dict[int, int] = {}
        self._costs: dict[int, float] = {}
        self._shapes: dict[tuple[str, str], dict[int, int | None]] = {}
        self._first = 0

    def _check(self, argument: str, name: str | None) -> None:
        columns = {each.name: each for each in self._selection.columns}
        if name is None:
            return
        if name not in columns:
            raise OrderError(
                f'{argument}="{name}": the query has no such column{suggest(name, columns)} It has: {listing(columns)}.'
            )
        if columns[name].media or columns[name].late is not None:
            raise OrderError(f'{argument}="{name}": a column of type {columns[name].type} cannot be used for that')

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch."""
        codes = self.codes(batch)
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            self._counts[int(code)] = self._counts.get(int(code), 0) + int(count)
        buckets = codes // _FRAGMENTS
        present = np.unique(buckets)
        if self._keys.cost_by is not None:
            costs = self.numbers(batch, self._keys.cost_by)
            for bucket in present.tolist():
                self._costs[bucket] = max(self._costs.get(bucket, 0.0), float(costs[buckets == bucket].max()))
        for column, name, values in self._varying(batch):
            known = self._shapes.setdefault((column, name), {})
            for bucket in present.tolist():
                here = np.unique(values[buckets == bucket])
                value = int(here[0]) if len(here) == 1 else None
                known[bucket] = value if known.get(bucket, value) == value else None
        self._first += batch.num_rows

    def _varying(self, batch: pa.RecordBatch) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
        """Yield (media column, field, values) for fields that decide shapes, of references that are never NULL."""
        if self._keys.bucket_by is None:
            return
        for index, column in enumerate(self._selection.columns):
            if not column.media or column.null_count or "ops" not in column.constants:
                continue
            stored = batch.column(index)
            for name in SHAPE_FIELDS:
                if stored.type.get_field_index(name) >= 0:
                    field = stored.field(name)
                    if not field.null_count:
                        yield column.name, name, field.to_numpy().astype(np.int64)

    def codes(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the code of each row; buckets are numbered as they are met."""
        codes = np.zeros(batch.num_rows, dtype=np.int64)
        if self._keys.bucket_by is not None:
            codes += self._bucket_numbers(batch, self._keys.bucket_by) * _FRAGMENTS
        if self._keys.fragments:
            codes += self._fragments(batch)
        return codes

    def _bucket_numbers(self, batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
        column = batch.column(name)
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_label(kind)):
            raise OrderError(
                f'bucket_by="{name}": its type makes no buckets: {kind}; expected text, whole numbers or BOOLEAN, '
                f"so write e.g. CAST(… AS VARCHAR) AS {name} in the query"
            )
        if column.null_count:
            raise OrderError(
                f'bucket_by="{name}": {self._nulls(name)} of {self._selection.num_samples:,} samples have NULL for a '
                f"bucket; add WHERE {name} IS NOT NULL to the query, or COALESCE"
            )
        encoded = pc.dictionary_encode(column)
        names = [str(each).lower() if isinstance(each, bool) else str(each) for each in encoded.dictionary.to_pylist()]
        numbers = np.array([self._labels.setdefault(each, len(self._labels)) for each in names], dtype=np.int64)
        if len(self._labels) > MAX_BUCKETS:
            raise OrderError(
                f'bucket_by="{name}" has more than {MAX_BUCKETS:,} different values; expected a column of buckets, '
                f"such as one made by aspect_bucket(width, height)"
            )
        return np.asarray(numbers[encoded.indices.to_numpy()])

    def _fragments(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the number of the fragment of each row's first medium, over all sources; 0 for none."""
        assert self._fragments_of is not None
        column, values = self._first_stored(batch)
        fragments = np.zeros(batch.num_rows, dtype=np.int64)
        there = ~values.is_null().to_numpy(zero_copy_only=False)
        if column.media:
            rows, sources = (_field(values, column, name) for name in ("row", "source"))
        else:
            rows, sources = values.fill_null(0).to_numpy(), np.full(len(values), column.late)
        for number in np.unique(sources[there]).tolist():
            here = np.flatnonzero(there & (sources == number))
            source = self._selection.sources[number]
            fragments[here] = 1 + self._fragments_of(source, rows[here].astype(np.uint64)) + number * 2**24
        return fragments

    def _first_stored(self, batch: pa.RecordBatch) -> tuple[Column, pa.Array]:
        for index, column in enumerate(self._selection.columns):
            if column.media or column.late is not None:
                return column, batch.column(index)
        raise OrderError(
            'Block(rows="fragment"): the query has no media column, so nothing is read from fragments; give a number'
        )

    def numbers(self, batch: pa.RecordBatch, name: str | None) -> NDArray[np.float64]:
        """Return the values of a column of weights or costs."""
        argument = "weight_by" if name == self._keys.weight_by else "cost_by"
        column = batch.column(name)
        if not (_is_label(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
            raise OrderError(f'{argument}="{name}": expected numbers, not {column.type}')
        if column.null_count:
            raise OrderError(
                f'{argument}="{name}": {self._nulls(name)} of {self._selection.num_samples:,} samples have NULL; '
                f"write COALESCE({name}, 0) AS {name} in the query, or leave them out with WHERE"
            )
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(bad):
            raise OrderError(f'{argument}="{name}": a sample has {values[bad[0]]}; expected numbers of at least 0')
        return np.asarray(values)

    def _nulls(self, name: str | None) -> str:
        return f"{next(each.null_count for each in self._selection.columns if each.name == name):,}"

    def groups(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """Return the buckets by name, the codes in their order, and the first place of each code, and of none.

        From now on buckets are numbered in the order of their names.
        """
        names = sorted(self._labels)
        new = {self._labels[name]: number for number, name in enumerate(names)}
        self._labels = {name: number for number, name in enumerate(names)}
        counts = {new[code // _FRAGMENTS] * _FRAGMENTS + code % _FRAGMENTS: n for code, n in self._counts.items()}
        self._costs = {new[number]: cost for number, cost in self._costs.items()}
        self._shapes = {key: {new[n]: value for n, value in each.items()} for key, each in self._shapes.items()}
        groups = np.array(sorted(counts), dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum([counts[code] for code in groups.tolist()])]).astype(np.int64)
        return names, groups, starts

    def costs(self) -> tuple[float, ...] | None:
        """Return the largest cost of each bucket, by name, or None."""
        return tuple(self._costs[number] for number in sorted(self._costs)) if self._keys.cost_by is not None else None

    def shapes(self) -> dict[str, dict[str, list[int]]]:
        """Return column → field → its value in each bucket, for fields with one value in each."""
        found: dict[str, dict[str, list[int]]] = {}
        for (column, name), by_bucket in self._shapes.items():
            values = [by_bucket.get(number) for number in range(len(self._labels))]
            if None not in values:
                found.setdefault(column, {})[name] = [value for value in values if value is not None]
        return found


def _is_label(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _field(values: pa.StructArray, column: Column, name: str) -> NDArray[Any]:
    """Return a field of packed references, 0 where there is none."""
    if values.type.get_field_index(name) < 0:
        return np.full(len(values), column.constants[name])
    return np.asarray(values.field(name).fill_null(0).to_numpy(zero_copy_only=False))
