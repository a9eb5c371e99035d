"""Two selections, sample by sample: which are in both, in one alone, and what differs in those that are in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cutlist.compiler import quoted
from cutlist.errors import SelectionError, listing, suggest
from cutlist.media.reference import FIELD_NAMES
from cutlist.packing import has_media, renumbered

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from cutlist.selection import Column, Selection

Codes = Mapping[tuple[str, str], int]
"""Table and column → a number that both sides have for it, whatever the versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A column of each side that is held against the other; of media also the fields of references that can differ."""

    a: Column
    b: Column
    fields: tuple[str, ...] = ()

    @property
    def as_text(self) -> bool:
        """Whether the values are compared as text, because DuckDB may not cast the one to the other."""
        return not self.fields and _family(self.a.type) != _family(self.b.type)

    @property
    def turned(self) -> Shared:
        """The same with its sides changed."""
        return Shared(a=self.b, b=self.a, fields=self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which samples of two selections are the same.

    Attributes:
        only_a: Positions of the samples that the other has not, int64, ascending.
        only_b: The same of the other.
        changed: Shared column → samples in both whose values differ; NULL is a value.
        keys: `only_a` and `only_b` with what tells samples apart, columns `position` and `key 0`, `key 1` …
    """

    only_a: NDArray[np.int64]
    only_b: NDArray[np.int64]
    num_both: int
    changed: Mapping[str, int]
    keys: tuple[pa.Table, pa.Table]


def codes_of(*selections: Selection) -> dict[tuple[str, str], int]:
    """Return a number for each column of a table that selections have media of."""
    found = dict.fromkeys((each.table, each.column) for selection in selections for each in selection.sources)
    return {source: number for number, source in enumerate(found)}


def key_columns(a: Selection, b: Selection, on: Sequence[str] | None, codes: Codes) -> list[Shared]:
    """Return the columns that tell samples apart: those of `on`, else the media columns that both have.

    Where no name is shared, the one media column of each.

    Raises:
        SelectionError: if there are none, or a name of `on` is not in both.
    """
    if on is not None:
        named = [(_named(a, name, "the first"), _named(b, name, "the second")) for name in on]
        for x, y in named:
            if not _comparable(x, y, a, b):
                raise SelectionError(f"on: column {x.name} is {x.type} in the first and {y.type} in the second")
        return [_shared(x, y, a, b, codes) for x, y in named]
    mine, others = _media(a), _media(b)
    pairs = [(x, others[name]) for name, x in mine.items() if name in others]
    if not pairs and len(mine) == len(others) == 1:
        pairs = list(zip(mine.values(), others.values(), strict=True))
    pairs = [(x, y) for x, y in pairs if _comparable(x, y, a, b)]
    if not pairs:
        raise SelectionError(
            f"no media column is in both, so nothing tells which samples are the same; name columns, on=[…]. They "
            f"have: {listing(each.name for each in a.columns)}; and {listing(each.name for each in b.columns)}"
        )
    return [_shared(x, y, a, b, codes) for x, y in pairs]


def _media(selection: Selection) -> dict[str, Column]:
    """Return the columns that have media, at any depth, by name in lower case."""
    kinds = selection.schema
    return {each.name.lower(): each for each in selection.columns if has_media(kinds.field(each.name).type)}


def _comparable(x: Column, y: Column, a: Selection, b: Selection) -> bool:
    """Return whether two columns can be compared: neither is late, and where one has media, both are alike."""
    kinds = a.schema.field(x.name).type, b.schema.field(y.name).type
    return x.late is None and y.late is None and (kinds[0] == kinds[1] or not any(map(has_media, kinds)))


def _named(selection: Selection, name: str, which: str) -> Column:
    found = next((each for each in selection.columns if each.name.lower() == name.lower()), None)
    names = [each.name for each in selection.columns]
    if found is None:
        raise SelectionError(
            f'on: {which} has no column "{name}"{suggest(name, names)} It has: {listing(names)}.',
        )
    if found.late is not None:
        raise SelectionError(f'on: column "{name}" is read late, so that only row ids of it are there; name another')
    return found


def _shared(x: Column, y: Column, a: Selection, b: Selection, codes: Codes) -> Shared:
    """Return a pair of columns, with the fields of references that are not one constant on both sides."""
    if not (x.media and y.media):
        return Shared(a=x, b=y)
    fields = []
    for name in FIELD_NAMES:
        ones = [_constant(each, column, name, codes) for each, column in ((a, x), (b, y))]
        if ones[0] is _STORED or ones[1] is _STORED or ones[0] != ones[1]:
            fields.append(name)
    return Shared(a=x, b=y, fields=tuple(fields))


_STORED = object()


def _constant(selection: Selection, column: Column, field: str, codes: Codes) -> Any:
    """Return the value that a field of references has in every sample, or `_STORED`."""
    kind = selection.packed().schema.field(column.name).type
    if kind.get_field_index(field) >= 0:
        return _STORED
    one = column.constants.get(field)
    if field != "source" or one is None:
        return one
    source = selection.sources[one]
    return codes[source.table, source.column]


def match_samples(
    cursor: duckdb.DuckDBPyConnection, a: Selection, b: Selection, keys: Sequence[Shared], codes: Codes
) -> Match:
    """Return which samples of two selections are the same, and which of their values differ.

    Samples that several have in common with themselves count as often as they are there: of three and two, two are in
    both, in order.
    """
    used = {each.a.name for each in keys}
    others = {each.name.lower(): each for each in b.columns}
    pairs = [(each, others[each.name.lower()]) for each in a.columns if each.name.lower() in others]
    values = [_shared(x, y, a, b, codes) for x, y in pairs if x.name not in used and _comparable(x, y, a, b)]
    _define(cursor, "a", a, keys, values, codes)
    _define(cursor, "b", b, [each.turned for each in keys], [each.turned for each in values], codes)
    names = [row[0] for row in cursor.execute("DESCRIBE a").fetchall() if row[0].startswith("key ")]
    if any(_repeats(cursor, side, names) for side in "ab"):
        parts = ", ".join(map(quoted, names))
        for side in "ab":
            nth = f"row_number() OVER (PARTITION BY {parts} ORDER BY position) AS nth"
            cursor.execute(f"CREATE TEMP TABLE {side}_numbered AS SELECT *, {nth} FROM {side}")
        sides, by = ("a_numbered", "b_numbered"), [*names, "nth"]
    else:
        sides, by = ("a", "b"), names
    on = " AND ".join(f"x.{quoted(each)} IS NOT DISTINCT FROM y.{quoted(each)}" for each in by)
    only = []
    for mine, other in (sides, sides[::-1]):
        columns = ", ".join(f"x.{each}" for each in ("position", *map(quoted, names)))
        found = cursor.sql(f"SELECT {columns} FROM {mine} AS x ANTI JOIN {other} AS y ON {on} ORDER BY position")
        only.append(found.to_arrow_table())
    counts = [f"count(*) FILTER ({_differs(each, number)})" for number, each in enumerate(values)]
    changed = [0] * len(values)
    if counts:
        text = f"SELECT {', '.join(counts)} FROM {sides[0]} AS x JOIN {sides[1]} AS y ON {on}"
        changed = list(cursor.execute(text).fetchall()[0])
    positions: list[NDArray[np.int64]] = [each.column("position").to_numpy() for each in only]
    return Match(
        only_a=positions[0],
        only_b=positions[1],
        num_both=a.num_samples - len(positions[0]),
        changed={each.a.name: count for each, count in zip(values, changed, strict=True)},
        keys=(only[0], only[1]),
    )


def _repeats(cursor: duckdb.DuckDBPyConnection, side: str, names: Sequence[str]) -> bool:
    """Return whether two samples of a side have the same keys."""
    distinct = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(map(quoted, names))} FROM {side})"
    return bool(cursor.execute(f"SELECT ({distinct}) < count(*) FROM {side}").fetchall()[0][0])


def _differs(shared: Shared, number: int) -> str:
    """Return a condition that is true where the values of a shared column differ."""
    parts = len(shared.fields) if shared.a.media and shared.b.media else 1
    return (
        " OR ".join(f'x."value {number} {i}" IS DISTINCT FROM y."value {number} {i}"' for i in range(parts)) or "false"
    )


def _define(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    selection: Selection,
    keys: Sequence[Shared],
    values: Sequence[Shared],
    codes: Codes,
) -> None:
    """Define a selection, the `a` of what is shared, as a view: its positions, keys and values."""
    packed = selection.packed()
    numbers = [codes.get((each.table, each.column), 0) for each in selection.sources]
    columns = [packed.column(i) for i in range(packed.num_columns)]
    for index, each in enumerate(selection.columns):
        if not each.media and has_media(columns[index].type):
            columns[index] = renumbered(columns[index], numbers)
    columns.append(pa.chunked_array([pa.array(np.arange(packed.num_rows, dtype=np.int64))]))
    names = [f"c{index}" for index in range(packed.num_columns)]  # names that differ only in case are one to DuckDB
    cursor.register(f"{name} packed", pa.table(columns, names=[*names, "position"]))
    place = {each.name: index for index, each in enumerate(selection.columns)}
    found = ["position"]
    key = 0
    for shared in keys:
        for text in _expressions(selection, shared, place, numbers, packed.schema):
            found.append(f'{text} AS "key {key}"')
            key += 1
    for number, shared in enumerate(values):
        texts = _expressions(selection, shared, place, numbers, packed.schema)
        found += [f'{text} AS "value {number} {i}"' for i, text in enumerate(texts)]
    cursor.execute(f'CREATE TEMP VIEW {name} AS SELECT {", ".join(found)} FROM "{name} packed"')


def _family(kind: str) -> str:
    """Return what a type is compared as: all numbers are one."""
    word = kind.partition("(")[0] if not kind.endswith("]") else kind
    numbers = (
        "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL"
    )
    return "number" if word in numbers.split() else word


def _expressions(
    selection: Selection,
    shared: Shared,
    place: Mapping[str, int],
    numbers: Sequence[int],
    schema: pa.Schema,
) -> list[str]:
    """Return what a column, `a` of `shared`, is compared by: of references each field that can differ, of others it."""
    column = shared.a
    stored = f"c{place[column.name]}"
    if not (shared.a.media and shared.b.media):
        return [f"{stored}::VARCHAR" if shared.as_text else stored]
    kind = schema.field(column.name).type
    found = []
    for field in shared.fields:
        one = column.constants.get(field)
        if kind.get_field_index(field) >= 0:
            text = f"{stored}.{quoted(field)}"
            found.append(coded(text, numbers) if field == "source" else text)
        elif one is None:
            found.append("NULL")
        else:
            literal = (
                str(numbers[one]) if field == "source" else f"'{one!r}'::DOUBLE" if type(one) is float else str(one)
            )
            found.append(f"CASE WHEN {stored} IS NOT NULL THEN {literal} END")
    return found


def coded(text: str, numbers: Sequence[int]) -> str:
    """Return an expression for the number of a source on both sides, by its own."""
    cases = " ".join(f"WHEN {old} THEN {new}" for old, new in enumerate(numbers))
    return f"CASE {text} {cases} END" if cases else text
