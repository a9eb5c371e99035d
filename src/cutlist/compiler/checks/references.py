"""Expressions over the bytes of media, where SQL has only a reference; and references made or changed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.checks.kinds import DECODE, Kind, Kinds
from cutlist.compiler.checks.source import arguments, call_of, key_of, snippet, start_of
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.text import Statement

HASHES = frozenset({"md5", "md5_number", "sha1", "sha256", "hash"})
LENGTHS = frozenset({"length", "len", "strlen", "octet_length", "bit_length", "char_length", "character_length"})
TEXTS = frozenset(
    {
        *("concat", "concat_ws", "format", "printf"),
        *("to_json", "row_to_json", "json_object", "json_array", "json_quote"),
        *("string_agg", "group_concat", "listagg", "array_to_string", "lower", "upper", "substring", "substr", "left"),
        *("right", "replace", "contains", "starts_with", "regexp_matches", "regexp_extract", "encode", "decode"),
        *("hex", "to_hex", "base64", "to_base64", "write_blob"),
    }
)
APART = frozenset({"unnest", "struct_keys", "struct_values", "struct_concat"})
CHANGES = frozenset({"struct_update", "struct_insert", "remap_struct"})

_DEEP = frozenset({"to_json", "row_to_json", "json_object", "json_array", "hash", "format", "printf", "concat_ws"})
"""Functions that also turn lists and structs with media in them into text or bytes."""

_TEXT_TYPES = frozenset(
    {*("VARCHAR", "TEXT", "CHAR", "STRING", "BPCHAR", "BLOB", "BYTEA", "VARBINARY", "BINARY", "BIT", "JSON", "VARIANT")}
)


def check_references(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield errors for casts and functions that take a media reference for text or bytes, change it or take it apart.

    Examples:
        >>> from cutlist.compiler.facts import ColumnFacts, TableFacts
        >>> from cutlist.compiler.text import parse
        >>> videos = TableFacts(name="videos", columns={"video": ColumnFacts(type="media")})
        >>> for each in check_references(parse("SELECT md5(video) FROM videos"), Kinds(lambda name: videos)):
        ...     print(each)
        query:1:8: md5(video) is not a hash of the bytes: SQL has a reference to the medium, not its bytes;
        hash a key of the row, e.g. md5(_rowid::VARCHAR)
    """
    for node in statement.tree.walk():
        problem = _problem(statement, kinds, node)
        if problem is not None:
            place, text = problem
            yield Remark(place=statement.at(place), text=text, error=True)


def _problem(statement: Statement, kinds: Kinds, node: exp.Expr) -> tuple[int, str] | None:
    """Return the place and the text of what is wrong with a node, or None."""
    if isinstance(node, exp.Cast):
        return _cast(statement, kinds, node)
    if isinstance(node, exp.DPipe | exp.Like | exp.ILike | exp.SimilarTo | exp.Glob | exp.RegexpLike):
        return _operator(statement, kinds, node)
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star) and node.table:
        return _star(statement, kinds, node)
    return _call(statement, kinds, node)


def _cast(statement: Statement, kinds: Kinds, node: exp.Cast) -> tuple[int, str] | None:
    name = node.to.sql("duckdb").replace("TEXT", "VARCHAR")
    place = start_of(statement, node.this)
    held = kinds.of(node.this)
    if name.upper() in ("MEDIA", "MEDIA[]"):
        made = isinstance(node.this, exp.Struct) or any(isinstance(each, exp.Struct) for each in node.this.expressions)
        row = isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "row"
        if made or row or (held in (Kind.FLOAT, Kind.OTHER) and not isinstance(node.this, exp.Array)):
            written = snippet(statement, node.this, limit=24)
            return place, f"{written} cast to media: a media reference cannot be made by hand; select a media column"
        return None
    if held is Kind.MEDIA or (held is Kind.HOLDS_MEDIA and name.upper().split("(")[0] in _TEXT_TYPES):
        return (
            place,
            f"{snippet(statement, node.this)} cast to {name}: {_REFERENCE}; {_raw(statement, kinds, node.this)}",
        )
    return None


def _operator(statement: Statement, kinds: Kinds, node: exp.Expr) -> tuple[int, str] | None:
    for side in (node.this, node.args.get("expression")):
        if side is not None and kinds.of(side) is Kind.MEDIA:
            text = f"{snippet(statement, node)} takes {snippet(statement, side)} for text: {_REFERENCE}"
            return start_of(statement, side), f"{text}; {_raw(statement, kinds, side)}"
    return None


def _star(statement: Statement, kinds: Kinds, node: exp.Column) -> tuple[int, str] | None:
    select = node.find_ancestor(exp.Select)
    sources = kinds.sources(select) if select is not None else ()
    if any(each.alias == node.table.lower() for each in sources):
        return None
    name = exp.column(node.args["table"].copy())
    name.parent = node.parent
    if kinds.of(name) is not Kind.MEDIA:
        return None
    text = f"{node.table}.* would show what a media reference is made of; select {node.table} itself"
    return start_of(statement, node), text


def _call(statement: Statement, kinds: Kinds, node: exp.Expr) -> tuple[int, str] | None:
    call = call_of(statement, node) if isinstance(node, exp.Func) else None
    if call is None or call[0] in DECODE or call[0] not in HASHES | LENGTHS | TEXTS | APART | CHANGES:
        return None
    name, place = call
    chained = isinstance(node.parent, exp.Dot) and node.parent.expression is node
    values = [node.parent.this] if chained and node.parent is not None else []
    values += [each.expression if isinstance(each, exp.JSONKeyValue) else each for each in arguments(node)]
    if name == "contains" or name in CHANGES:  # what is looked for, or put in as a field, may be a medium
        values = values[:1]
    deep = name in _DEEP
    bad = next((each for each in values if _is_media(kinds, each, deep=deep)), None)
    if bad is None:
        return None
    written, media = snippet(statement, node.parent if chained and node.parent else node), snippet(statement, bad)
    if name in HASHES:
        key = key_of(kinds, node)
        stable = f"hash a key of the row, e.g. md5({key}::VARCHAR)"
        return place, f"{written} is not a hash of the bytes: {_REFERENCE}; {stable}"
    if name in LENGTHS:
        return place, f"{written} is not the number of bytes: {_REFERENCE}; use a column of sizes, e.g. size_bytes"
    if name in CHANGES:
        return (
            place,
            f"{written} changes a media reference by hand; write clip({media}, …), resize({media}, …) and so on",
        )
    if name in APART:
        return place, f"{written} takes a media reference apart, whose fields are no columns; select {media} itself"
    return place, f"{written} takes {media} for text: {_REFERENCE}; {_raw(statement, kinds, bad)}"


def _is_media(kinds: Kinds, node: exp.Expr, *, deep: bool) -> bool:
    held = kinds.of(node)
    return held is Kind.MEDIA or (deep and held is Kind.HOLDS_MEDIA)


_REFERENCE = "SQL has a reference to the medium, not its bytes"


def _raw(statement: Statement, kinds: Kinds, node: exp.Expr) -> str:
    if isinstance(node, exp.Column) and kinds.of(node) is Kind.MEDIA:
        return f"raw({snippet(statement, node)}) in the SELECT list gives the training step the bytes"
    return "raw(…) of the media column in the SELECT list gives the training step the bytes"
