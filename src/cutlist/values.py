"""Values as text: whole in JSON and CSV, short in the cell of a table; media as `videos.video[12].clip(0, 2)`.

What a medium is called in a cell is told by who shows it: the command line says which row it is, the shell what is
known of it.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from rich.filesize import decimal

from cutlist.media.reference import FIELD_NAMES, MediaRef, to_ref

if TYPE_CHECKING:
    from cutlist.selection import Source

VECTOR_LENGTH = 8
"""A list of so many numbers or more is shown as its length and norm."""

LISTED = 40
"""A list of structs whose JSON is longer is shown as their number, and the names of their fields."""

LONGEST = 2000
"""Characters of a value that a cell shows at most."""

_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\([\d, ]+\)|BIGNUM")

_SHORT = {"float": "f32", "double": "f64", "tinyint": "i8", "utinyint": "u8", "smallint": "i16", "integer": "i32"}


def rows(relation: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a relation as Python values, a batch in memory at a time."""
    for batch in relation.to_arrow_reader():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def is_reference(value: Any) -> bool:
    """Return whether a value is a media reference."""
    return isinstance(value, dict) and tuple(value) == FIELD_NAMES


def text(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as text; a media reference as `videos.video[12].clip(0, 2)`."""
    if value is None:
        return ""
    if is_reference(value):
        ref = to_ref(value)
        assert ref is not None
        return ref_text(ref, sources)
    if isinstance(value, list | dict):
        return json.dumps(json_value(value, sources), ensure_ascii=False)
    return value.hex() if isinstance(value, bytes) else str(value)


def ref_text(ref: MediaRef, sources: Sequence[Source]) -> str:
    """Return a media reference as text."""
    source = sources[ref.source]
    return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])


def json_value(value: Any, sources: Sequence[Source]) -> Any:
    """Return a value as JSON can hold it; a media reference is its text, bytes are hexadecimal, NaN is null."""
    if is_reference(value):
        return text(value, sources)
    if isinstance(value, dict):
        return {str(key): json_value(each, sources) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each, sources) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return (
        value.isoformat()
        if isinstance(value, date | datetime | time)
        else (str(value) if isinstance(value, timedelta) else value)
    )


def write_json(
    stream: TextIO, names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]
) -> None:
    """Write rows as a JSON array of objects, a row to a line."""
    separator = "[\n "
    for row in rows:
        values = {name: json_value(value, sources) for name, value in zip(names, row, strict=True)}
        stream.write(separator + json.dumps(values, ensure_ascii=False))
        separator = ",\n "
    stream.write("[]\n" if separator == "[\n " else "\n]\n")


def write_csv(stream: TextIO, names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    """Write rows as CSV; NULL is empty."""
    writer = csv.writer(stream)
    writer.writerow(names)
    writer.writerows([text(value, sources) for value in row] for row in rows)


def counted(number: int, noun: str) -> str:
    """Return how many there are of something.

    Examples:
        >>> counted(1, "row"), counted(1200, "sample")
        ('1 row', '1,200 samples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_number(kind: str) -> bool:
    """Return whether the values of a type of DuckDB are numbers, which stand to the right in a table.

    Examples:
        >>> is_number("DECIMAL(18,3)"), is_number("INTEGER[]"), is_number("INTERVAL")
        (True, False, False)
    """
    return _NUMBER.fullmatch(kind) is not None


def type_name(kind: str) -> str:
    """Return a type as the header of a table has it: short, lower case.

    Examples:
        >>> type_name("VARCHAR"), type_name("STRUCT(start_seconds DOUBLE, stop_seconds DOUBLE)[]"), type_name('"NULL"')
        ('varchar', 'struct(start_seconds, stop_seconds)[]', 'null')
    """
    if kind.startswith('STRUCT("source" USMALLINT'):
        return "media" + kind[kind.rindex(")") + 1 :]
    if kind.startswith("STRUCT("):
        inside, end = kind[len("STRUCT(") : kind.rindex(")")], kind[kind.rindex(")") + 1 :]
        depth, names, word = 0, [], ""
        for letter in inside + ",":
            depth += (letter in "([" and 1) or -(letter in ")]")
            if letter == "," and depth == 0:
                names.append(word.strip().split(" ")[0].strip('"'))
                word = ""
            else:
                word += letter
        return f"struct({', '.join(names)}){end}"
    return kind.lower().replace('"null"', "null")


def cell_text(value: Any, kind: str, medium: Callable[[MediaRef], str], *, whole: bool = False) -> str:
    """Return a value as the short text of a cell.

    Args:
        kind: DuckDB's type of its column.
        medium: What a media reference is called, at any depth of the value.
        whole: Whether a list of structs is shown as it is, however long.

    Examples:
        >>> cell_text([0.6, 0.8] + [0.0] * 6, "FLOAT[8]", str)
        'f32[8] ‖x‖=1.00'
        >>> cell_text(None, "INTEGER", str), cell_text(0.1 + 0.2, "DOUBLE", str), cell_text(True, "BOOLEAN", str)
        ('NULL', '0.3', 'true')
        >>> cell_text([{"start_seconds": i, "stop_seconds": i + 1} for i in range(5)], "STRUCT(…)[]", str)
        '5 × {start_seconds, stop_seconds}'
    """
    if value is None:
        return "NULL"
    if is_reference(value):
        ref = to_ref(value)
        assert ref is not None
        return medium(ref)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return f"{decimal(len(value))} {value[:8].hex(' ')}{' …' if len(value) > 8 else ''}"
    if isinstance(value, list | tuple) and kind.endswith("]") and _is_vector(value):
        norm = math.sqrt(sum(float(each) ** 2 for each in value))
        base = kind.rsplit("[", 1)[0].lower()
        return f"{_SHORT.get(base, base)}[{len(value)}] ‖x‖={norm:.2f}"
    if isinstance(value, list | tuple | dict):
        said = json.dumps(_told(value, medium), ensure_ascii=False)
        if len(said) > LISTED and not whole and _is_structs(value):
            return f"{len(value)} × {{{', '.join(map(str, next(each for each in value if each is not None)))}}}"
        return said[:LONGEST]
    return str(value)[:LONGEST]


def _is_vector(value: Sequence[Any]) -> bool:
    return len(value) >= VECTOR_LENGTH and all(isinstance(each, int | float) for each in value)


def _is_structs(value: Any) -> bool:
    """Return whether a value is a list of structs, and not of media."""
    return (
        isinstance(value, list | tuple)
        and any(isinstance(each, dict) for each in value)
        and all(each is None or (isinstance(each, dict) and not is_reference(each)) for each in value)
    )


def _told(value: Any, medium: Callable[[MediaRef], str]) -> Any:
    """Return a value as JSON can hold it."""
    if is_reference(value):
        return cell_text(value, "", medium)
    if isinstance(value, dict):
        return {str(key): _told(each, medium) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_told(each, medium) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str) or value is None else str(value)
