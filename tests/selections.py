"""Selections of Arrow arrays, packed as those of queries are, without a table or a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist import Selection
from cutlist.media.reference import FIELD_NAMES, OPS
from cutlist.packing import MEDIA_TYPE, Packer

if TYPE_CHECKING:
    from cutlist.selection import Source, TableVersion

CODES = {name: code for code, (name, _) in OPS.items()}


def reference(row: int, *ops: tuple[str, tuple[float, ...]], source: int = 0) -> dict[str, Any]:
    """Return a media reference as DuckDB has it: `reference(7, ("resize", (64, 48)))`."""
    value: dict[str, Any] = {**dict.fromkeys(FIELD_NAMES), "source": source, "row": row, "ops": 0}
    for name, args in ops:
        value["ops"] = value["ops"] * 16 + CODES[name]
        value |= dict(zip(OPS[CODES[name]][1], args, strict=True))
    return value


def media(references: Sequence[Mapping[str, Any] | None]) -> pa.Array:
    """Return media references, or NULL, as a column."""
    return pa.array(references, MEDIA_TYPE)


def selection_of(
    columns: Mapping[str, pa.Array],
    *,
    sources: Sequence[Source] = (),
    tables: Sequence[TableVersion] = (),
    fingerprint: str | None = None,
) -> Selection:
    """Return a selection in memory.

    Args:
        columns: Name → values.
        sources: What the references' `source` numbers.
        tables: That the sources are of.
        fingerprint: In place of its own, which depends on the bytes that this version of Arrow writes.
    """
    table = pa.table(dict(columns))
    packer = Packer(table.schema)
    for batch in table.to_batches():
        packer.add(batch)
    packed, constants = packer.finish()
    types = [str(each.type).upper() for each in table.schema]
    made = Selection.build(
        packed, table.schema, constants, sources, types=types, sql="SELECT", ordered=True, tables=tables
    )
    if fingerprint is None:
        return made
    return Selection({**made._header, "fingerprint": fingerprint}, None, made.packed())
