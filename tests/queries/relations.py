"""Relations: what can stand in FROM."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
from hypothesis import strategies as st
from tests.queries.expressions import conditions, keeping, lists, numbers
from tests.queries.scope import SIMPLE, Column, Kind, Relation, Scope, maybe, pick
from tests.tables import TABLES, Plain


def _kind(plain: Plain, column: pa.Field) -> Kind:
    kind = column.type
    if column.name in plain.media:
        return "medium"
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return "number"
    if kind == pa.list_(pa.string()):
        return "texts"
    tests: dict[Kind, Callable[[pa.DataType], bool]] = {
        "real": pa.types.is_floating,
        "text": lambda each: pa.types.is_string(each) or pa.types.is_large_string(each),
        "flag": pa.types.is_boolean,
        "time": lambda each: each == pa.timestamp("us"),
        "scenes": lambda _: column.name == "scenes",
    }
    return next((name for name, test in tests.items() if test(kind)), "other")


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z]\w*", name) and name != "order" else '"' + name.replace('"', '""') + '"'


_KEYS = {"videos": "id", "images": "id", "types": "k", "order": "id", "nothing": "id"}
BASE: dict[str, tuple[Column, ...]] = {
    plain.name: tuple(
        Column(_quoted(each.name), _kind(plain, each)) for each in plain.parts[0].schema if each.name in plain.columns
    )
    for plain in TABLES
}
_BY_NAME = {column.text: column for column in (*BASE["captions"], *BASE["videos"])}
_HD = tuple(_BY_NAME[name] for name in ("id", "video", "width", "height", "motion", "category"))
_SHORT = (_BY_NAME["id"], Column("clip", "edited"), _BY_NAME["motion"])
VIEWS: dict[str, tuple[Column, ...]] = {
    "hd": _HD,
    "clips/short": _SHORT,
    "again": (*_SHORT, *BASE["captions"]),
    "with_ids": (Column("row_id", "rowid"), *BASE["videos"]),
}
FIELDS = {
    "videos": (
        Column("info.codec", "text"),
        Column("info.fps", "number"),
        Column("video.row", "rowid"),
        Column("tags[1]", "text"),
        Column("scenes[1].stop_seconds", "real"),
    ),
    "types": (Column("place.x", "number"), Column("place.y.z", "text"), Column("code::VARCHAR", "text")),
}
"""What of a table's columns can be named further in."""


def under(alias: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(Column(f"{alias}.{each.text}", each.kind) for each in columns)


def _named(draw: st.DrawFn, scope: Scope, name: str, star: tuple[Column, ...]) -> tuple[str, str]:
    """Return what stands in FROM for a name, and the alias."""
    alias = scope.name("t")
    if name.isidentifier() and name != "order":
        name = pick(draw, name, name.capitalize(), name.upper(), f'"{name}"')
    else:
        name = f'"{name}"'
    return pick(draw, f"{name} {alias}", f"{name} AS {alias}", f"{alias}: {name}"), alias


@st.composite
def tables(draw: st.DrawFn, scope: Scope, *names: str) -> Relation:
    """Return a table, with its row ids in sight or not."""
    name = pick(draw, *([each for each in names or BASE if scope.sees(each)] or ["types"]))
    text, alias = _named(draw, scope, name, BASE[name])
    columns = under(alias, (*BASE[name], *FIELDS.get(name, ())))
    rowid = Column(f"{alias}._rowid", "rowid")
    if maybe(draw):
        return Relation(text=text, columns=(rowid, *columns), key=(rowid.text,), star=BASE[name], has_rowid=True)
    key = (f"{alias}.{_KEYS[name]}",) if name in _KEYS else tuple(f"{alias}.{each.text}" for each in BASE[name])
    return Relation(text=text, columns=columns, key=key, star=BASE[name])


@st.composite
def named(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return a CTE or a view."""
    known = [*scope.ctes, *((name, star) for name, star in VIEWS.items() if scope.sees(name))]
    name, star = pick(draw, *known)
    text, alias = _named(draw, scope, name, star)
    columns = under(alias, star)
    return Relation(text=text, columns=columns, key=tuple(each.text for each in columns), star=star)


@st.composite
def derived(draw: st.DrawFn, scope: Scope, *, lateral: bool = False) -> Relation:
    """Return a subquery in FROM."""
    made = draw(scope.grammar.queries(scope.inside if lateral else scope.apart))
    alias, star, names = scope.name("d"), made.columns, ""
    if maybe(draw, 4):
        star = tuple(Column(scope.name("n"), each.kind) for each in star)
        names = f"({', '.join(each.text for each in star)})"
    columns = under(alias, star)
    text = f"{'LATERAL ' if lateral else ''}({made.text}) AS {alias}{names}"
    return Relation(text=text, columns=columns, key=tuple(each.text for each in columns), star=star)


@st.composite
def values(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return a few rows that no table has."""
    alias = scope.name("t")
    text, star = pick(
        draw,
        (
            f"(VALUES (1, 'film'), (2, NULL), (2, NULL), (NULL, '')) AS {alias}(x, y)",
            (Column("x", "number"), Column("y", "text")),
        ),
        (f"range({pick(draw, '4', '12')}) AS {alias}(x)", (Column("x", "number"),)),
        (f"UNNEST(['a', 'b', NULL, 'film']) AS {alias}(y)", (Column("y", "text"),)),
        (f"generate_series(1, 9, 3) AS {alias}(x)", (Column("x", "number"),)),
    )
    columns = under(alias, star)
    return Relation(text=text, columns=columns, key=tuple(each.text for each in columns), star=star)


def pivot(draw: st.DrawFn, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    """Return a PIVOT statement, or one of the standard's, and its columns."""
    condition = draw(keeping(scope.over(BASE["captions"]).alone, 1))
    rows = f"(SELECT video_id, lang, seconds, text, _rowid::BIGINT AS r FROM captions WHERE {condition})"
    uses = [("count(*)", "number"), ("max(text)", "text"), ("min(seconds)", "real"), ("max(r)", "number")]
    using = [pick(draw, *uses) for _ in range(draw(st.integers(1, 2)))]
    if maybe(draw):
        where = draw(keeping(scope.over(BASE["images"]).alone, 1))
        picture = f"(SELECT width, height, image, id FROM images WHERE {where})"
        made = (Column("width", "number"), *(Column(f'"{height}"', "medium") for height in (48, 96)))
        if maybe(draw, 2):
            return f"PIVOT {picture} ON height IN (48, 96) USING arg_max(image, id) GROUP BY width", made
        return (
            f"SELECT * FROM (SELECT width, height, image FROM {picture}) PIVOT (max(image) FOR height IN (48, 96))",
            made,
        )
    kinds = [(f"u{n}", kind) for n, (_, kind) in enumerate(using)]
    text = ", ".join(f"{function} AS u{n}" for n, (function, _) in enumerate(using))
    columns = tuple(Column(f"{lang}_{name}", kind) for lang in ("en", "fr") for name, kind in kinds)  # type: ignore[arg-type]
    return f"PIVOT {rows} ON lang IN ('en', 'fr') USING {text} GROUP BY video_id", (
        Column("video_id", "number"),
        *columns,
    )


def unpivot(draw: st.DrawFn, scope: Scope) -> tuple[str, tuple[Column, ...]]:
    """Return an UNPIVOT statement, or one of the standard's, and its columns."""
    one, other, kind = pick(draw, ("width", "height", "number"), ("image", "thumbnail", "medium"))
    condition = draw(keeping(scope.over(BASE["images"]).alone, 1))
    rows = f"(SELECT id, {one}, {other} FROM images WHERE {condition})"
    made = (Column("id", "number"), Column("what", "text"), Column("pixels", kind))  # type: ignore[arg-type]
    if maybe(draw, 2):
        return f"UNPIVOT {rows} ON {one}, {other} INTO NAME what VALUE pixels", made
    return f"SELECT * FROM {rows} UNPIVOT {pick(draw, '', 'INCLUDE NULLS ')}(pixels FOR what IN ({one}, {other}))", made


@st.composite
def pivots(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return a PIVOT or UNPIVOT in FROM."""
    text, star = pick(draw, pivot, unpivot)(draw, scope)
    alias = scope.name("p")
    columns = under(alias, star)
    return Relation(text=f"({text}) AS {alias}", columns=columns, key=tuple(c.text for c in columns), star=star)


@st.composite
def unnested(draw: st.DrawFn, scope: Scope, left: Relation) -> Relation:
    """Return a relation with a list of each of its rows unnested beside it."""
    kind: Kind = pick(draw, "texts", "scenes", "number")
    seen = scope.over(left.columns)
    alias = scope.name("u")
    more: tuple[Column, ...]
    if kind == "scenes" and (names := seen.of("scenes")):
        what, more = pick(draw, *names), (Column(f"{alias}.e.start_seconds", "real"), Column(f"{alias}.e", "other"))
    elif kind == "texts":
        what, more = draw(lists(seen.flat)), (Column(f"{alias}.e", "text"),)
    else:
        what, more = f"[{draw(numbers(seen.flat, 1))}, 2, NULL]", (Column(f"{alias}.e", "number"),)
    form = pick(
        draw, ", UNNEST({}) AS {}(e)", " CROSS JOIN UNNEST({}) AS {}(e)", " LEFT JOIN UNNEST({}) AS {}(e) ON true"
    )
    if maybe(draw, 4):
        form, more = ", UNNEST({}) WITH ORDINALITY AS {}(e, o)", (*more, Column(f"{alias}.o", "number"))
    return replace(
        left,
        text=left.text + form.format(what, alias),
        columns=(*left.columns, *more),
        key=(*left.key, f"{alias}.e"),
        star=None,
        comma=form.startswith(","),
    )


def _both(left: Relation, right: Relation, text: str) -> Relation:
    """Return the relation of two that a text joins."""
    names = [each.text.strip('"').lower() for each in (*(left.star or ()), *(right.star or ()))]
    unique = left.star is not None and right.star is not None and len(set(names)) == len(names)
    return Relation(
        text=text,
        columns=(*left.columns, *right.columns),
        key=(*left.key, *right.key),
        star=(*(left.star or ()), *(right.star or ())) if unique else None,
        has_rowid=left.has_rowid or right.has_rowid,
        comma=text.startswith(f"{left.text}, "),
    )


@st.composite
def joins(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return two relations, joined in any way but by position."""
    form = pick(
        draw, "on", "on", "on", "semi", "using", "natural", "asof", "lateral", "cross", "unnest", "self", "nested"
    )
    left = draw(sources(scope))
    if maybe(draw, 5):
        left = draw(joins(replace(scope, room=0)).filter(lambda each: not each.comma))
    if form == "unnest":
        return draw(unnested(scope, left))
    if form == "lateral" and scope.room:
        right = draw(derived(scope.over(left.columns), lateral=True))
        how = pick(draw, ", {}", " CROSS JOIN {}", " LEFT JOIN {} ON true", " JOIN {} ON true")
        return _both(left, right, left.text + how.format(right.text))
    if form == "cross":
        right = draw(st.one_of(values(scope), tables(scope, "order", "nothing")))
        return _both(left, right, left.text + pick(draw, " CROSS JOIN ", ", ") + right.text)
    whole = scope.sees("captions", "images")
    if form == "asof" and whole:
        return draw(asof_joins(scope))
    if form == "natural" and whole:
        return draw(natural_joins(scope))
    if form == "using" and whole:
        left, right = draw(tables(scope, "captions")), draw(tables(scope, "images"))
        kind = pick(draw, "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN")
        if kind == "SEMI JOIN":
            return replace(left, text=f"{left.text} {kind} {right.text} USING (video_id)")
        both = _both(left, right, f"{left.text} {kind} {right.text} USING (video_id)")
        star = (*BASE["captions"], *(each for each in BASE["images"] if each.text != "video_id"))
        return replace(both, columns=(Column("video_id", "number"), *both.columns), star=star)
    if form == "self":
        name = pick(draw, *BASE)
        left, right = draw(tables(scope, name)), draw(tables(scope, name))
    else:
        right = draw(sources(scope))
    text = right.text
    if form == "nested":  # not with UNNEST first, which sqlglot cannot parse
        inner = joins(replace(scope, room=0))
        right = draw(inner.filter(lambda each: not each.comma and not each.text.startswith("UNNEST")))
        text = f"({right.text})"
    kind = pick(draw, "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL OUTER JOIN", "INNER JOIN")
    on = draw(pairs(scope, left, right))
    if form == "semi":
        return replace(left, text=f"{left.text} {pick(draw, 'SEMI', 'ANTI')} JOIN {text} ON {on}")
    return _both(left, right, f"{left.text} {kind} {text} ON {on}")


@st.composite
def pairs(draw: st.DrawFn, scope: Scope, left: Relation, right: Relation) -> str:
    """Return a condition that joins two relations, by an equality where they have columns of one kind."""
    kinds = [k for k in SIMPLE if k != "flag" and all(scope.over(r.columns).alone.of(k) for r in (left, right))]
    if not kinds:
        return "true"
    kind = pick(draw, *kinds)
    kinds = [kind, "rowid"] if kind == "number" else [kind]
    sides = []
    for each in (left, right):
        names = scope.over(each.columns).alone.of(*kinds)
        ids = [name for name in names if name.endswith("id")]
        sides.append(pick(draw, *(ids if ids and not maybe(draw, 4) else names)))
    on = f"{sides[0]} {pick(draw, '=', '=', '=', 'IS NOT DISTINCT FROM')} {sides[1]}"
    if maybe(draw):
        on += f" AND {draw(conditions(scope.over((*left.columns, *right.columns)).alone, 1))}"
    return on


@st.composite
def asof_joins(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return an ASOF join: its right side has each value of the inequality once."""
    left = draw(tables(scope, "videos", "images"))
    alias, b = left.columns[-1].text.split(".")[0], scope.name("d")
    time, star = "created" if left.star is BASE["videos"] else "ts", BASE["images"]
    where = draw(keeping(scope.over(star).alone, 1))
    text = f"(SELECT DISTINCT ON (ts) * FROM images WHERE {where} ORDER BY ts, id) AS {b}"
    right = Relation(text=text, columns=under(b, star), key=(f"{b}.id",), star=star)
    on = f"{alias}.{time} {pick(draw, '>=', '>', '<=', '<')} {b}.ts"
    return _both(left, right, f"{left.text} ASOF {pick(draw, '', 'LEFT ')}JOIN {text} ON {on}")


@st.composite
def natural_joins(draw: st.DrawFn, scope: Scope) -> Relation:
    """Return a NATURAL join by `id`."""
    a, b = scope.name("d"), scope.name("d")
    captions = "SELECT video_id AS id, text, score FROM captions"
    other, more = pick(
        draw,
        (f"(SELECT id, image FROM images) AS {b}", (Column("image", "medium"),)),
        (f"({captions}) AS {b}", (Column("text", "text"), Column("score", "real"))),
        (f'"order" AS {b}', (Column('"Where"', "text"),)),
    )
    kind = pick(draw, "JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN")
    star = (Column("id", "number"), Column("video", "medium"), Column("category", "text"), *more)
    text = f"(SELECT id, video, category FROM {pick(draw, 'videos', 'nothing')}) AS {a} NATURAL {kind} {other}"
    return Relation(text=text, columns=star, key=tuple(each.text for each in star), star=star)


def sources(scope: Scope) -> st.SearchStrategy[Relation]:
    """Return the strategy for a relation that is no join."""
    most = tables(scope, "videos", "images", "captions")
    some = [most, most, tables(scope), named(scope), st.one_of(most, values(scope))]
    more = [derived(scope), *([pivots(scope)] if scope.sees("captions", "images") else [])] if scope.room else []
    return st.one_of(*some, *more)


def relations(scope: Scope) -> st.SearchStrategy[Relation]:
    """Return the strategy for what stands behind FROM."""
    return st.one_of(sources(scope), joins(scope))
