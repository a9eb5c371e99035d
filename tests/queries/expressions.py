"""Expressions: a strategy for each kind of value, over the columns in sight."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import strategies as st
from tests.queries.scope import SIMPLE, Column, Kind, Scope, maybe, pick


def _column_or(draw: st.DrawFn, scope: Scope, kind: Kind, *constants: str) -> str:
    names = scope.of(kind)
    return pick(draw, *names) if names and not maybe(draw, 5) else pick(draw, *constants)


@st.composite
def numbers(draw: st.DrawFn, scope: Scope, depth: int = 2) -> str:
    """Return a whole number or NULL."""
    form = (
        pick(draw, "column", "column", "add", "modulo", "case", "length", "fields", "subquery") if depth else "column"
    )
    if form == "column" or (form == "subquery" and not scope.room):
        return _column_or(draw, scope, "number", "1", "0", "2", "7", "-3", "1080", "(NULL::INTEGER)")
    one = draw(numbers(scope, depth - 1))
    if form == "subquery":
        return draw(scalars(scope, "number"))
    if form == "add":
        return f"(({one})::BIGINT {pick(draw, '+', '-')} ({draw(numbers(scope, depth - 1))})::BIGINT)"
    if form == "modulo":
        return f"(({one})::BIGINT {pick(draw, '%', '//', '*')} {pick(draw, '2', '3', '7')})"
    if form == "case":
        return f"CASE WHEN {draw(conditions(scope, 0))} THEN {one} {pick(draw, '', 'ELSE 5 ')}END"
    if form == "length":
        text, texts = draw(expressions(scope, "text", 0)), draw(lists(scope))
        return pick(draw, f"length({text})", f"len({texts})", f"if({texts} IS NULL, 1, {one})")
    return pick(draw, f"COALESCE({one}, 4)", f"NULLIF({one}, 2)", f"greatest({one}, 3)", f"TRY_CAST({one} AS INTEGER)")


@st.composite
def reals(draw: st.DrawFn, scope: Scope) -> str:
    """Return a float, with NaN and infinity among them."""
    one = _column_or(
        draw, scope, "real", "0.5", "('nan'::DOUBLE)", "(-0.0::DOUBLE)", "('inf'::DOUBLE)", "(NULL::DOUBLE)"
    )
    number = draw(numbers(scope.flat, 0))
    return pick(draw, one, one, f"({one} / 2)", f"abs({one})", f"COALESCE({one}, {number} / 4)", f"greatest({one}, 1)")


@st.composite
def texts(draw: st.DrawFn, scope: Scope) -> str:
    """Return a text or NULL."""
    one = _column_or(draw, scope, "text", "'film'", "''", "'it''s'", "'b_c'", "(NULL::VARCHAR)", "'h264'")
    forms = (
        one,
        one,
        f"upper({one})",
        f"({one} || '-')",
        f"{one}[1:2]",
        f"COALESCE({one}, 'none')",
        f"trim({one}, 'a')",
    )
    more = f"concat_ws('/', {one}, {draw(numbers(scope.flat, 1))})", f"regexp_replace({one}, '[aeiou]', '', 'g')"
    return pick(draw, *forms, *more, f"format('{{}}', {draw(numbers(scope.flat, 1))})")


@st.composite
def times(draw: st.DrawFn, scope: Scope) -> str:
    """Return a timestamp or NULL."""
    one = _column_or(draw, scope, "time", "TIMESTAMP '2024-01-12'", "(NULL::TIMESTAMP)")
    return pick(
        draw, one, one, f"({one} + INTERVAL 2 DAY)", f"date_trunc('month', {one})", f"COALESCE({one}, '2024-02-01')"
    )


@st.composite
def media(draw: st.DrawFn, scope: Scope) -> str:
    """Return a medium without operations, or NULL."""
    one = _column_or(draw, scope, "medium", "(NULL::media)")
    if maybe(draw):
        other = _column_or(draw, scope, "medium", "(NULL::media)")
        return pick(
            draw,
            f"COALESCE({one}, {other})",
            f"CASE WHEN {draw(conditions(scope.flat, 0))} THEN {one} ELSE {other} END",
            f"NULLIF({one}, {other})",
            f"greatest({one}, {other})",
            f"[{one}, {other}][{draw(numbers(scope.flat, 0))}::BIGINT]",
        )
    return draw(scalars(scope, "medium")) if scope.room and maybe(draw, 6) else one


@st.composite
def edits(draw: st.DrawFn, scope: Scope) -> str:
    """Return a medium to which macros are applied, each at most once but for clip."""
    medium = draw(media(scope.flat))
    number = f"(1 + abs({draw(numbers(scope.flat, 1))}) % 9)"
    start = pick(draw, "0", "0.5", f"({number} - 1)", "NULL")
    size = pick(draw, "8", number, "NULL")
    one_of_each = [
        [f"clip({start}, {start} + {number})", "clip(0, 1.5)", f"clip(start_seconds := {start}, stop_seconds := 99)"],
        [f"at_fps({number} / 2)", "at_fps(8)", f"frames({number})", "frames(num_frames := 3)"],
        [f"resize({size}, 8)", f"resize({number}, {size})", f"resize_short({size})"],
        ["crop(0, 0, 4, 4)", f"crop({number}, 2, {size}, 3)", f"center_crop({size}, {size})"],
        [f"random_crop({number}, {size})", "random_crop(width := 4, height := 4)"],
        ["random_flip()", f"random_flip({number} / 9)", "random_flip(probability := NULL)"],
    ]
    calls = [pick(draw, *each) for each in one_of_each if maybe(draw, 2)] or ["raw()"]
    if calls[0].startswith("clip("):
        calls[:0] = ["clip(0, 1000)"] * draw(st.integers(0, 2))  # a clip of a clip
    if len(calls) > 1 and not calls[0].startswith("clip(") and maybe(draw, 2):
        calls.reverse()
    dotted = re.fullmatch(r"\w+\.\w+", medium) is not None and maybe(draw, 2)
    for call in calls:
        name, arguments = call.split("(", 1)
        between = "" if arguments == ")" else ", "
        medium = f"{medium}.{call}" if dotted else f"{name}({medium}{between}{arguments}"
    return medium


@st.composite
def lists(draw: st.DrawFn, scope: Scope) -> str:
    """Return a list of texts, or NULL."""
    one = _column_or(draw, scope, "texts", "['a', 'b', NULL]", "([]::VARCHAR[])", "(NULL::VARCHAR[])")
    number, text = draw(numbers(scope.flat, 0)), draw(texts(scope.flat))
    return pick(
        draw,
        one,
        one,
        f"list_transform({one}, lambda e: concat(e, {number}))",
        f"list_transform({one}, lambda e, i: upper(e) || i)",
        f"list_filter({one}, lambda e: e > 'a' AND {number} IS NOT NULL)",
        f"[e || '!' for e in {one} if e IS NOT NULL]",
        f"list_append({one}, {text})",
        f"{one}[2:]",
        f"list_reverse({one})",
    )


@st.composite
def nested(draw: st.DrawFn, scope: Scope) -> str:
    """Return a struct, list or map, with media in it."""
    inner = scope.flat
    medium, number = draw(st.one_of(media(inner), edits(inner))), draw(numbers(inner, 1))
    text, scenes = (
        draw(texts(inner)),
        _column_or(draw, scope, "scenes", "[{'start_seconds': 1.0, 'stop_seconds': 2.5}]"),
    )
    return pick(
        draw,
        f"{{'m': {medium}, 'n': {number}}}",
        f"[{medium}, NULL]",
        f"row({number}, {medium})",
        f"struct_pack(a := {text}, b := {{'c': [{medium}]}})",
        f"MAP {{'k': {number}}}",
        f"MAP(['k', 'l'], [{medium}, {medium}])",
        f"list_transform({scenes}, lambda s: clip({draw(media(inner))}, s.start_seconds, s.stop_seconds))",
        f"list_filter({scenes}, lambda s: s.start_seconds > 0)",
        f"list_transform([{medium}], lambda m: {{'m': m, 'n': {number}}})",
        f"list_reduce([1, 2, {number}::BIGINT], lambda a, b: COALESCE(a, 0) + COALESCE(b, 0), 5)",
        f"[{{'at': s.stop_seconds, 'm': {draw(media(inner))}}} for s in {scenes}]",
        f"list_sort([{medium}, {draw(media(inner))}])",
        f"ARRAY({draw(one_column(scope, 'medium', ordered=True))})" if scope.room else f"[{text}]",
        f"list_distinct([{number}, {number}, 5])",
        f"struct_update({{'a': {number}}}, b := {medium})",
    )


def expressions(scope: Scope, kind: Kind, depth: int = 2) -> st.SearchStrategy[str]:
    """Return the strategy for a value of a kind."""
    makers: dict[Kind, Callable[[], st.SearchStrategy[str]]] = {
        "number": lambda: numbers(scope, depth),
        "real": lambda: reals(scope),
        "text": lambda: texts(scope),
        "time": lambda: times(scope),
        "flag": lambda: conditions(scope, min(depth, 1)),
        "medium": lambda: media(scope),
        "edited": lambda: edits(scope),
        "texts": lambda: lists(scope),
        "other": lambda: others(scope),
    }
    return makers.get(kind, makers["other"])()


@st.composite
def others(draw: st.DrawFn, scope: Scope) -> str:
    """Return a value that can only be compared, stored and given back."""
    names = scope.of("other", "scenes", "rowid")
    return pick(draw, *names) if names and maybe(draw, 2) else draw(nested(scope))


COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")


def conditions(scope: Scope, depth: int = 2) -> st.SearchStrategy[str]:
    """Return the strategy for a condition, in parentheses."""
    return _conditions(scope, depth).map("({})".format)


@st.composite
def keeping(draw: st.DrawFn, scope: Scope, depth: int = 2) -> str:
    """Return a condition for WHERE, which most rows pass more often than not."""
    condition = draw(conditions(scope, depth))
    column = pick(draw, *(each.text for each in scope.columns))
    kept = f"({condition} OR {column} IS NOT NULL)"
    return pick(draw, condition, kept, f"{condition} IS NOT TRUE", f"COALESCE({condition}, true)", kept)


@st.composite
def _conditions(draw: st.DrawFn, scope: Scope, depth: int) -> str:
    forms = ["compare", "null", "in", "between", "text", "list", "flag", "row"]
    forms += ["and", "or", "not"] if depth else []
    forms += ["exists", "in subquery", "any", "scalar"] if depth and scope.room else []
    form = pick(draw, *forms)
    if form in ("and", "or"):
        return f"{draw(conditions(scope, depth - 1))} {form.upper()} {draw(conditions(scope, depth - 1))}"
    if form == "not":
        return f"NOT {draw(conditions(scope, depth - 1))}"
    if form == "exists":
        return f"{pick(draw, '', 'NOT ')}EXISTS ({draw(scope.grammar.selects(scope.inside, None)).text})"
    if form == "text":
        one = draw(texts(scope.flat))
        return f"{one} " + pick(
            draw, "LIKE 'f%'", "ILIKE '%A%'", "> 'b'", "SIMILAR TO '[a-f].*'", "NOT LIKE '%\\_%' ESCAPE '\\'"
        )
    if form == "list":
        return pick(draw, f"list_contains({draw(lists(scope.flat))}, 'b')", f"len({draw(lists(scope.flat))}) > 1")
    if form == "flag":
        one = _column_or(draw, scope, "flag", "true", "false", "(NULL::BOOLEAN)")
        return pick(draw, one, f"{one} IS NOT TRUE", f"{one} IS UNKNOWN")
    if form == "row":
        pair = f"({draw(numbers(scope.flat, 0))}, {draw(texts(scope.flat))})"
        return f"{pair} {pick(draw, 'IN', 'NOT IN')} ((1, 'film'), (7, 'b'))"
    kind = pick(draw, *SIMPLE)
    one = draw(expressions(scope if form == "scalar" else scope.flat, kind, 1))
    if form == "null":
        return f"{one} IS {pick(draw, '', 'NOT ')}NULL"
    if form == "in subquery":
        return f"{one} {pick(draw, 'IN', 'NOT IN')} ({draw(one_column(scope, kind))})"
    if form == "any":
        return f"{one} {pick(draw, *COMPARISONS[:6])} {pick(draw, 'ANY', 'ALL')} ({draw(one_column(scope, kind))})"
    if form == "scalar":
        return f"{one} {pick(draw, *COMPARISONS)} {draw(scalars(scope, kind))}"
    other = draw(expressions(scope.flat, kind, 1))
    if form == "in":
        return f"{one} {pick(draw, 'IN', 'NOT IN')} ({other}, {draw(expressions(scope.flat, kind, 0))})"
    if form == "between":
        return f"{one} {pick(draw, '', 'NOT ')}BETWEEN {other} AND {draw(expressions(scope.flat, kind, 0))}"
    return f"{one} {pick(draw, *COMPARISONS)} {other}"


@st.composite
def scalars(draw: st.DrawFn, scope: Scope, kind: Kind) -> str:
    """Return a subquery of one row and column: an aggregate, or the first row of a total order."""
    if kind in ("number", "text", "medium") and maybe(draw, 2):
        return f"({draw(one_column(scope, kind, ordered=True))} LIMIT 1{pick(draw, '', ' OFFSET 1')})"
    relation = draw(scope.grammar.relations(scope.inside))
    inner = scope.inside.over(relation.columns)
    value = draw(expressions(inner.alone, kind, 1))
    function = "count(*)" if kind == "number" and maybe(draw) else f"{pick(draw, 'max', 'min')}({value})"
    return f"(SELECT {function} FROM {relation.text} WHERE {draw(conditions(inner, 1))})"


@st.composite
def one_column(draw: st.DrawFn, scope: Scope, kind: Kind, *, ordered: bool = False) -> str:
    """Return a subquery of one column."""
    text = draw(scope.grammar.selects(scope.inside, (Column(scope.name("c"), kind),))).text
    return f"{text} ORDER BY {pick(draw, '1', '1 DESC', '1 NULLS FIRST')}" if ordered else text
