"""What a query reads: from which tables, which columns now and which later, and how many bytes an epoch takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.compiler import clauses_of
from cutlist.media import resolve
from cutlist.packing import has_media, is_media, with_refs
from cutlist.reader.fetching import CLIPS, sizes_of
from cutlist.shown import Shown
from cutlist.store import Blobs

if TYPE_CHECKING:
    from cutlist.engine import Compiled
    from cutlist.media.reference import MediaRef
    from cutlist.selection import Column, Selection, Source
    from cutlist.store import ScanTable, Table

PLANNED_SAMPLES = 10_000
"""Samples whose clips are planned to say what an epoch reads, which takes about a second; of more, so many."""

CHUNK_SAMPLES = 2048
"""Samples that are looked at together."""

Bound = Literal["exact", "at most", "about"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """One scan of a table: its columns that are read when compiling, each with the clauses that ask for it, the filters
    that Lance answers (the compiler's, and DuckDB's own) and the rows that the table has."""

    table: str
    version: int
    num_rows: int
    columns: Mapping[str, str]
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A column of a sample: whether it is stored in the selection (`now`) or read by the loader (`later`), and why.

    Attributes:
        epoch_bytes: What an epoch reads for it: of media that are read by packet those packets, of others all.
        num_planned: Media that are read by packet, of those looked at.
        bound: Whether `epoch_bytes` is exact, or `"at most"` (clips that are read through their containers read less),
            or `"about"` (`PLANNED_SAMPLES` of more were looked at).
    """

    name: str
    type: str
    read: str
    why: str
    epoch_bytes: int
    num_planned: int = 0
    bound: Bound = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Shown):
    """The plan of a query. Sizes are in bytes; `selection_bytes` is the size of the compiled rows."""

    sql: str
    num_samples: int
    scans: tuple[Scanned, ...]
    columns: tuple[Output, ...]
    epoch_bytes: int
    bound: Bound
    selection_bytes: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON can hold it."""
        return asdict(self)


def explain(compiled: Compiled, tables: Mapping[tuple[str, int], Table], *, exact: bool = False) -> Explanation:
    """Return what compiling a query read, and what its training set will read. No media byte is read for it.

    Args:
        tables: (name, version) → the table, for each that the selection needs.
        exact: Whether to plan the clips of all samples, not of `PLANNED_SAMPLES` of them.
    """
    selection = compiled.selection
    columns = tuple(_output(each, selection, tables, exact=exact) for each in selection.columns)
    return Explanation(
        sql=selection.sql,
        num_samples=selection.num_samples,
        scans=tuple(_scanned(compiled, scan) for scan in compiled.scanned.values()),
        columns=columns,
        epoch_bytes=sum(each.epoch_bytes for each in columns),
        bound=_bound(each.bound for each in columns),
        selection_bytes=selection.packed().nbytes,
        warnings=selection.warnings,
    )


def _scanned(compiled: Compiled, scan: ScanTable) -> Scanned:
    """Return one scan as DuckDB made it: it may have left columns out, and made it more than once."""
    columns = dict.fromkeys(name for names, _ in scan.asked for name in names)
    filters = dict.fromkeys([scan.found or scan.filter, *(asked for _, asked in scan.asked)])
    clauses = clauses_of(compiled.plan)
    references = any(each.media or each.late is not None for each in compiled.selection.columns)
    refers = references or "_rowid" in clauses or len(columns) > 1
    return Scanned(
        table=scan.table,
        version=scan.version,
        num_rows=scan.count_rows(),
        columns={name: _why_now(name, clauses.get(name.lower(), ()), refers=refers) for name in columns},
        filters=tuple(each for each in filters if each is not None),
    )


def _why_now(name: str, clauses: Sequence[str], *, refers: bool) -> str:
    if name == "_rowid":
        return "refers to rows" if refers else "counts rows"
    return ", ".join(clauses) or "output (*)"


def _output(column: Column, selection: Selection, tables: Mapping[tuple[str, int], Table], *, exact: bool) -> Output:
    kind = selection.schema.field(column.name).type
    if column.late is not None:
        source = selection.sources[column.late]
        table = tables[source.table, source.version]
        mean = table.mean_bytes[source.column]
        count = selection.num_samples - int(selection.packed()[column.name].null_count)
        why = f"{source.table}.{source.column}: {mean:,.0f} bytes a value, and only the output uses it"
        return Output(name=column.name, type=column.type, read="later", why=why, epoch_bytes=round(mean * count))
    if not has_media(kind):
        return Output(name=column.name, type=column.type, read="now", why=_why_value(column), epoch_bytes=0)
    references = media_rows(selection, column)
    sources = {number: selection.sources[number] for number in references}
    where = sorted({f"{each.table}.{each.column}" for each in sources.values()})
    planned = 0
    bound: Bound = "exact"
    if any(each.column in tables[each.table, each.version].packet_columns for each in sources.values()):
        size, planned, bound = planned_bytes(selection, column, tables, exact=exact)
    else:
        size = sum(_blob_bytes(sources[number], rows, tables) for number, rows in references.items())
        bound = "at most" if any(op.name in CLIPS for op in column.ops or ()) else "exact"
    ops = "" if not column.ops else " → " + ".".join(map(str, column.ops)).replace("nan", "…")
    inside = "" if is_media(kind) else ", inside a list or struct"
    why = f"media of {', '.join(where) or 'no row'}{ops}{inside}"
    if planned:
        why += f", {planned:,} read by packet"
    return Output(
        name=column.name,
        type=column.type,
        read="later",
        why=why,
        epoch_bytes=size,
        num_planned=planned,
        bound=bound,
    )


def planned_bytes(
    selection: Selection, column: Column, tables: Mapping[tuple[str, int], Table], *, exact: bool
) -> tuple[int, int, Bound]:
    """Return the bytes that an epoch reads of a media column, how many media are read by packet, and how sure that is.

    Random clips count as those of seed 0 in epoch 0.
    """
    num_samples = selection.num_samples
    count = num_samples if exact else min(num_samples, PLANNED_SAMPLES)
    positions = np.arange(count, dtype=np.int64) * num_samples // count
    index = [each.name for each in selection.columns].index(column.name)
    total = planned = 0
    is_exact = True
    for part in np.array_split(positions, -(-count // CHUNK_SAMPLES)):
        taken = selection.take(part).column(index)
        refs: list[MediaRef] = []
        for position, value in zip(part.tolist(), taken.to_pylist(), strict=True):
            drawn: list[MediaRef] = []
            with_refs(value, taken.type, drawn.append)
            refs += [each._replace(ops=resolve(each.ops, seed=0, epoch=0, sample=position)) for each in drawn]
        for number in {each.source for each in refs}:
            source = selection.sources[number]
            mine = [each for each in refs if each.source == number]
            for size, way in sizes_of(tables[source.table, source.version], source.column, mine):
                total += size
                planned += way == "planned"
                is_exact &= way != "file"
    bound: Bound = "about" if count < num_samples else "exact" if is_exact else "at most"
    return total * num_samples // count, planned, bound


def _bound(bounds: Iterable[Bound]) -> Bound:
    there = set(bounds)
    return "about" if "about" in there else "at most" if "at most" in there else "exact"


def _why_value(column: Column) -> str:
    return "stored in the selection" + (f", {column.null_count:,} NULL" if column.null_count else "")


def _blob_bytes(source: Source, row_ids: pa.Array, tables: Mapping[tuple[str, int], Table]) -> int:
    """Return the bytes of the media that row ids stand for, each as often as it is there."""
    distinct, counts = np.unique(row_ids.to_numpy(), return_counts=True)
    sizes = Blobs(tables[source.table, source.version], source.column).sizes(distinct)
    return int(np.dot(sizes, counts))


def media_rows(selection: Selection, column: Column) -> dict[int, pa.Array]:
    """Return the row ids that the media references of a column have, at any depth: source → row ids, with repeats."""
    found: dict[int, list[pa.Array]] = {}
    for chunk in selection.packed()[column.name].chunks:
        for references in _references(chunk) if not column.media else [chunk]:
            fields = dict(zip((each.name for each in references.type), references.flatten(), strict=True))
            valid = references.is_valid()
            row = fields["row"].filter(valid)
            if "source" not in fields:
                found.setdefault(column.constants["source"], []).append(row)
                continue
            source = fields["source"].filter(valid)
            for number in source.unique().to_pylist():
                found.setdefault(number, []).append(row.filter(pc.equal(source, number)))
    return {number: pa.concat_arrays(arrays) for number, arrays in sorted(found.items())}


def _references(array: pa.Array) -> list[pa.StructArray]:
    if is_media(array.type):
        return [array]
    if pa.types.is_struct(array.type):
        return [each for child in array.flatten() for each in _references(child)]
    if pa.types.is_map(array.type):
        return [*_references(array.keys), *_references(array.items)]
    if has_media(array.type):
        return _references(array.flatten())
    return []
