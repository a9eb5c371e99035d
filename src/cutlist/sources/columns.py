"""Columns out of shards: `.json`, `.txt` and `.cls` members, named and typed over all shards of a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.errors import IngestError, MediaError

if TYPE_CHECKING:
    from cutlist.sources.files import Sample

MOST_KEYS = 500
"""With more keys than this, JSON stays text, in one column `json`: keys that many are values themselves."""

_DEPTH = 16
_TEXT = pa.string()
_INT64 = 2**63


class Columns:
    """What columns the members of shards become.

    A `.txt` member is the column `txt`, text; a `.cls` member the column `cls`, a whole number; each top-level key of a
    `.json` member is a column of its name. A name that is not free has `json_` before it. The type of a key is the
    narrowest that holds all its values: BOOLEAN, BIGINT, DOUBLE, VARCHAR, a LIST, or a STRUCT with the fields of all;
    values that have no type in common become text, JSON where they are no strings. A key that is null everywhere is no
    column.
    """

    def __init__(self, made: Collection[str]):
        """Begin with nothing seen.

        Args:
            made: Lower-case names that are not free.
        """
        self._made = frozenset(made)
        self._kinds: dict[str, pa.DataType] = {}
        self._names: dict[str, str] = {}
        self._whole = False
        self.fields: tuple[pa.Field, ...] = ()

    def observe(self, data: bytes) -> None:
        """Learn keys and types from a `.json` member; one that is broken is left to `values` to refuse."""
        try:
            parsed = _parsed("json", data)
        except MediaError:
            return
        for key, value in parsed.items():
            if len(self._kinds) <= MOST_KEYS:
                self._kinds[key] = _joined(self._kinds.get(key, pa.null()), _kind(value))

    def settle(self, suffixes: Collection[str], schema: pa.Schema | None, joined: Collection[str]) -> None:
        """Fix names and types: what was seen, as it fits the columns that the table has.

        Args:
            suffixes: Which of `json`, `txt` and `cls` there are.
            schema: Of the table, or None if it is new.
            joined: Names of the columns that come from metadata.

        Raises:
            IngestError: if a key has another type in the table, or a name that something else has.
        """
        found = {key: (self._name(key), kind) for key, kind in self._kinds.items()}
        self._whole = len(found) > MOST_KEYS
        if self._whole:
            found = {"json": ("json", _TEXT)}
        for suffix, kind in (("txt", _TEXT), ("cls", pa.int64())):
            if suffix in suffixes:
                found[f".{suffix}"] = (suffix, kind)
        has = {} if schema is None else {each.name: each.type for each in schema}
        cased = {name.lower(): name for name in (*has, *joined)}
        fields: dict[str, pa.Field] = {}
        for key, (name, kind) in found.items():
            if name in joined:
                raise IngestError(
                    f'"{key}" of the shards and a column of the metadata are both named {name}; rename it'
                )
            other = cased.setdefault(name.lower(), name)
            if other != name or name in fields:
                raise IngestError(f'"{key}" of the shards would be the column {name}, and there is {other} already')
            kind = self._fitted(key, name, kind, has.get(name))
            if not pa.types.is_null(kind):
                fields[name] = pa.field(name, kind)
                self._names[key] = name
        self.fields = tuple(fields.values())

    def _name(self, key: str) -> str:
        name = key.replace(".", "_").replace("`", "_") or "json_"
        taken = name.lower() in self._made or name.lower() in ("txt", "cls") or name.lower().startswith("_row")
        return f"json_{name}" if taken else name

    @staticmethod
    def _fitted(key: str, name: str, kind: pa.DataType, there: pa.DataType | None) -> pa.DataType:
        if there is None:
            return _settled(kind)
        if there == _TEXT or _joined(there, kind) == there:
            return there
        raise IngestError(
            f'"{key}" of the shards is {_settled(kind)}, and column {name} of the table has the type {there}; '
            f"ingest them into another table"
        )

    def values(self, sample: Sample) -> dict[str, Any]:
        """Return column → value for a sample, read from its members.

        Raises:
            MediaError: if a member does not hold what its suffix says.
            OSError: if it cannot be read.
        """
        values: dict[str, Any] = {}
        for suffix, span in sample.fields:
            data = span.read()
            parsed = _parsed(suffix, data)
            if suffix == "json" and self._whole:
                parsed = {"json": data.decode()}
            for key, value in parsed.items():
                key = key if suffix == "json" else f".{suffix}"
                if key in self._names:
                    values[self._names[key]] = value
        return values

    def arrays(self, rows: Collection[Mapping[str, Any]]) -> dict[str, pa.Array]:
        """Return column → array for what `values` gave of several samples."""
        return {
            each.name: pa.array([_converted(row.get(each.name), each.type) for row in rows], type=each.type)
            for each in self.fields
        }


def _parsed(suffix: str, data: bytes) -> dict[str, Any]:
    """Return what a member says: of JSON by key, of the others under their suffix."""
    try:
        text = data.decode()
        if suffix == "txt":
            return {"txt": text}
        value = int(text) if suffix == "cls" else json.loads(text)
        if suffix == "json" and "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise MediaError(f"the .{suffix} member is not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        what = "JSON" if suffix == "json" else "a whole number"
        raise MediaError(f"the .{suffix} member is not {what}: {error}") from error
    if suffix == "cls" and not -_INT64 <= value < _INT64:
        raise MediaError(f"the .cls member is not a whole number of 64 bits: {value}")
    return value if isinstance(value, dict) else {suffix: value}


class _MixedError(Exception):
    """Values that no type of DuckDB holds side by side."""


def _kind(value: Any) -> pa.DataType:
    """Return the narrowest type of a JSON value, text for one that only text can hold."""
    try:
        return _narrowest(value, 0)
    except _MixedError:
        return _TEXT


def _narrowest(value: Any, depth: int) -> pa.DataType:
    if depth > _DEPTH:
        raise _MixedError
    if isinstance(value, list):
        kind = pa.null()
        for each in value:
            kind = _merged(kind, _narrowest(each, depth + 1))
        return pa.list_(kind)
    if isinstance(value, dict):
        return _struct({name: _narrowest(each, depth + 1) for name, each in value.items()})
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        raise _MixedError
    return _SCALARS[type(value)]


def _joined(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds the values of both, text if there is no other."""
    try:
        return _merged(left, right)
    except _MixedError:
        return _TEXT


def _merged(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if left == right or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if {left, right} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(left) and pa.types.is_list(right):
        return pa.list_(_merged(left.value_type, right.value_type))
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        kinds = {each.name: each.type for each in left}
        for each in right:
            kinds[each.name] = _merged(kinds.get(each.name, pa.null()), each.type)
        return _struct(kinds)
    raise _MixedError


def _struct(kinds: Mapping[str, pa.DataType]) -> pa.DataType:
    if "" in kinds or len({name.lower() for name in kinds}) < len(kinds) or len(kinds) > MOST_KEYS:
        raise _MixedError  # DuckDB does not tell the names of fields apart by case
    return pa.struct(list(kinds.items()))


def _settled(kind: pa.DataType) -> pa.DataType:
    """Return a type with text for what was null everywhere inside it; text for an object that was always empty."""

    def inside(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_null(kind):
            return _TEXT
        if pa.types.is_list(kind):
            return pa.list_(inside(kind.value_type))
        if pa.types.is_struct(kind):
            if kind.num_fields == 0:
                raise _MixedError
            return pa.struct([(each.name, inside(each.type)) for each in kind])
        return kind

    try:
        return kind if pa.types.is_null(kind) else inside(kind)
    except _MixedError:
        return _TEXT


def _converted(value: Any, kind: pa.DataType) -> Any:
    """Return a JSON value as `pyarrow.array` takes it for a type that holds it."""
    if value is None:
        return None
    if kind == _TEXT:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_list(kind):
        return [_converted(each, kind.value_type) for each in value]
    if pa.types.is_struct(kind):
        return {each.name: _converted(value.get(each.name), each.type) for each in kind}
    return value


_SCALARS = {type(None): pa.null(), bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: _TEXT}
