"""SELECTs: rows, groups, windows, stars, and the first row of each."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import strategies as st
from tests.queries.expressions import conditions, edits, expressions, keeping, lists, media, numbers, texts
from tests.queries.relations import BASE, relations, tables
from tests.queries.scope import Column, Kind, Made, Relation, Scope, Wanted, maybe, pick


def _where(draw: st.DrawFn, scope: Scope) -> str:
    return "" if maybe(draw, 2) else f" WHERE {draw(keeping(scope))}"


def _items(draw: st.DrawFn, made: list[tuple[str, str]]) -> str:
    form = pick(draw, "{0} AS {1}", "{0} AS {1}", "{1}: {0}")
    return ", ".join(form.format(*each) for each in made)


def _framed(draw: st.DrawFn, items: str, relation: Relation, rest: str, word: str = "") -> str:
    """Return a SELECT, with FROM first or last."""
    if maybe(draw, 6) and not re.search(r"\(VALUES|UNNEST", relation.text):  # bug: traps.sql, FROM first
        return f"FROM {relation.text} SELECT {word}{items}{rest}"
    return f"SELECT {word}{items} FROM {relation.text}{rest}"


def any_columns(draw: st.DrawFn, scope: Scope, *more: Kind) -> Wanted:
    kinds: list[Kind] = ["number", "medium", "text", "edited", "real", "time", "texts", "flag", *more]
    return tuple(Column(scope.name("c"), pick(draw, *kinds)) for _ in range(draw(st.integers(1, 3))))


@st.composite
def plain_selects(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return rows, DISTINCT or not, with a window in them or not."""
    relation = draw(relations(scope))
    inner = scope.over(relation.columns)
    items = []
    window = ""
    for each in wanted:
        text = draw(expressions(inner, each.kind))
        if each.kind != "flag" and maybe(draw, 8):
            text, window = draw(windows(inner, relation, each.kind)), window or ""
        items.append((text, each.text))
    rest = _where(draw, inner)
    word = pick(draw, "", "", "DISTINCT ")
    if not word and maybe(draw, 8):
        function = pick(draw, "row_number()", "rank()", f"count(*) FILTER (WHERE {draw(conditions(inner.alone, 1))})")
        rest += f" QUALIFY {function} OVER ({draw(partitions(inner))}ORDER BY {draw(orders(inner, relation.key))}) <= 2"
    return Made(text=_framed(draw, _items(draw, items), relation, rest, word), columns=wanted)


@st.composite
def partitions(draw: st.DrawFn, scope: Scope) -> str:
    """Return a PARTITION BY, or nothing."""
    if maybe(draw):
        return ""
    return f"PARTITION BY {draw(expressions(scope.alone, pick(draw, 'text', 'number', 'medium'), 1))} "


@st.composite
def orders(draw: st.DrawFn, scope: Scope, key: tuple[str, ...]) -> str:
    """Return the keys of an ORDER BY without ties."""
    names = scope.alone.of("number", "text", "real", "time", "medium")
    first = [pick(draw, *names)] if names and maybe(draw, 2) else []
    return ", ".join(each + pick(draw, "", " DESC", " NULLS FIRST", " DESC NULLS LAST") for each in [*first, *key])


FRAMES = (
    "",
    " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES",
)


@st.composite
def windows(draw: st.DrawFn, scope: Scope, relation: Relation, kind: Kind) -> str:
    """Return a window function that gives a kind of value."""
    value = draw(expressions(scope.alone, kind, 1))
    over = f"OVER ({draw(partitions(scope))}ORDER BY {draw(orders(scope, relation.key))}"
    if kind == "number" and maybe(draw, 2):
        ranks = ("row_number()", "rank()", "dense_rank()", "ntile(3)")
        framed = (
            f"sum(({value})::BIGINT)",
            "count(*)",
            f"count({value})",
            f"count(*) FILTER (WHERE {draw(conditions(scope.alone, 0))})",
        )
        if maybe(draw, 2):
            return f"{pick(draw, *ranks)} {over})"
        return f"{pick(draw, *framed)} {over}{pick(draw, *FRAMES)})"
    nulls = pick(draw, "", " IGNORE NULLS")
    function = pick(
        draw, f"lag({value}{nulls})", f"lead({value}, 2{nulls})", f"first_value({value}{nulls})", f"max({value})"
    )
    last = f"nth_value({value}, 2{nulls})"
    return f"{pick(draw, function, last)} {over}{pick(draw, *FRAMES)})"


@st.composite
def named_windows(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return a SELECT with a WINDOW clause that two columns use."""
    relation = draw(relations(scope))
    inner = scope.over(relation.columns)
    name = scope.name("w")
    value = draw(expressions(inner.alone, "number", 1))
    more = [
        (f"count(*) OVER {name}", Column(scope.name("c"), "number")),
        (f"sum(({value})::BIGINT) OVER ({name} ROWS 2 PRECEDING)", Column(scope.name("c"), "number")),
        (f"rank() OVER {name}", Column(scope.name("c"), "number")),
    ]
    made = [pick(draw, *more)] if maybe(draw, 2) else more[:2]
    items = [(draw(expressions(inner, each.kind)), each.text) for each in wanted] + [(t, c.text) for t, c in made]
    clause = f" WINDOW {name} AS ({draw(partitions(inner))}ORDER BY {draw(orders(inner, relation.key))})"
    qualify = pick(draw, "", f" QUALIFY row_number() OVER {name} < 4")
    text = _framed(draw, _items(draw, items), relation, _where(draw, inner) + clause + qualify)
    return Made(text=text, columns=(*wanted, *(column for _, column in made)))


@st.composite
def aggregates(draw: st.DrawFn, scope: Scope, kind: Kind) -> str:
    """Return an aggregate that gives a kind of value; where it sees an order, one without ties."""
    inner = scope.alone
    value = draw(expressions(inner, kind, 1))
    number, by = draw(numbers(inner, 1)), pick(draw, *(inner.of("number") or [value]))
    keep = f" FILTER (WHERE {draw(conditions(inner, 1))})" if maybe(draw) else ""
    if kind == "number" and maybe(draw, 2):
        one = draw(expressions(inner, pick(draw, "medium", "text", "real", "number", "texts"), 1))
        sums = (
            f"sum(({number})::BIGINT)",
            f"count({one})",
            f"count(DISTINCT {one})",
            f"sum(DISTINCT ({number})::BIGINT)",
        )
        return pick(draw, "count(*)", *sums) + keep
    if kind == "flag" and maybe(draw, 2):
        return f"{pick(draw, 'bool_and', 'bool_or')}({value}){keep}"
    if kind == "real" and maybe(draw, 3):
        return f"{pick(draw, 'avg', 'median')}({number}){keep}"
    if kind == "text" and maybe(draw, 2):
        return f"string_agg({value}, '|' ORDER BY {by} DESC, {value}){keep}"
    if kind == "texts":
        text = draw(texts(inner))
        return f"list({text} ORDER BY {by} NULLS FIRST, {text}){keep}"
    if kind == "other":
        medium = draw(st.one_of(media(inner), edits(inner)))
        made = (
            f"list({medium} ORDER BY {by}, {medium})",
            f"list(DISTINCT {number} ORDER BY {number})",
            f"max({medium}, 2)",
        )
        return pick(draw, *made, f"arg_min({medium}, row({number}, {medium}), 2)", f"histogram({number})") + keep
    picked = f"{pick(draw, 'arg_max', 'arg_min')}({value}, row({number}, {value}))"
    first = f"{pick(draw, 'first', 'last', 'any_value')}({value} ORDER BY {by}, {value})"
    return pick(draw, f"max({value})", f"min({value})", picked, first) + keep


@st.composite
def groups(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return groups: keys first, then aggregates, by position, by alias or by ALL."""
    relation = draw(relations(scope))
    inner = scope.over(relation.columns)
    num_keys = draw(st.integers(0, len(wanted)))
    items = [
        (draw(expressions(inner.flat, each.kind, 1) if n < num_keys else aggregates(inner, each.kind)), each.text)
        for n, each in enumerate(wanted)
    ]
    by = pick(draw, "all", "position", "alias")
    clause = ""
    if num_keys:
        names = [str(n + 1) if by == "position" else wanted[n].text for n in range(num_keys)]
        clause = f" GROUP BY {'ALL' if by == 'all' and num_keys < len(wanted) else ', '.join(names)}"
    if maybe(draw):
        number = draw(aggregates(inner, "number"))
        clause += f" HAVING {number} {pick(draw, '>', '<>', 'IS DISTINCT FROM')} {pick(draw, '1', '0', '2')}"
    return Made(text=_framed(draw, _items(draw, items), relation, _where(draw, inner) + clause), columns=wanted)


@st.composite
def grouping_sets(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return GROUPING SETS, ROLLUP or CUBE, with grouping() and a rank of the groups."""
    relation = draw(relations(scope).filter(lambda each: len(each.columns) > 1))
    inner = scope.over(relation.columns)
    one, other = (pick(draw, *relation.columns) for _ in range(2))
    a, b = one.text, other.text
    sets = pick(draw, f"GROUPING SETS (({a}, {b}), ({a}), ())", f"ROLLUP ({a}, {b})", f"CUBE ({a}, {b})")
    more = [
        (a, Column(scope.name("c"), one.kind)),
        (f"grouping({a}, {b})", Column(scope.name("c"), "number")),
        ("rank() OVER (ORDER BY count(*) DESC)", Column(scope.name("c"), "number")),
    ][: draw(st.integers(1, 3))]
    items = [(draw(aggregates(inner, each.kind)), each.text) for each in wanted] + [(t, c.text) for t, c in more]
    text = _framed(draw, _items(draw, items), relation, f"{_where(draw, inner)} GROUP BY {sets}")
    return Made(text=text, columns=(*wanted, *(column for _, column in more)))


@st.composite
def first_of_each(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return DISTINCT ON under a total order, in a subquery that keeps the order to itself."""
    made = draw(by_hidden_keys(scope, wanted, distinct=True))
    return Made(text=f"SELECT * FROM ({made.text})", columns=wanted)


@st.composite
def by_hidden_keys(draw: st.DrawFn, scope: Scope, wanted: Wanted, *, distinct: bool | None = None) -> Made:
    """Return rows in a total order that the output need not show, with DISTINCT ON or not."""
    relation = draw(relations(scope))
    inner = scope.over(relation.columns)
    items = _items(draw, [(draw(expressions(inner.flat, each.kind)), each.text) for each in wanted])
    keys, where, limit, word = draw(orders(inner, relation.key)), _where(draw, inner), "", ""
    if distinct or (distinct is None and maybe(draw)):
        on = ", ".join(pick(draw, *relation.columns).text for _ in range(draw(st.integers(1, 2))))
        keys, word = f"{on}, {keys}", f"DISTINCT ON ({on}) "
    else:
        limit = pick(draw, "", " LIMIT 7", " LIMIT 9 OFFSET 2", " OFFSET 3")
    return Made(text=_framed(draw, items, relation, f"{where} ORDER BY {keys}{limit}", word), columns=wanted, keys=())


@st.composite
def unnesting(draw: st.DrawFn, scope: Scope, wanted: Wanted) -> Made:
    """Return a SELECT with UNNEST in its list, of a list or of a struct."""
    relation = draw(st.one_of(tables(scope, "videos"), relations(scope)))
    inner = scope.over(relation.columns)
    items = [(draw(expressions(inner.flat, each.kind)), each.text) for each in wanted]
    more: tuple[Column, ...] = (Column(scope.name("c"), "text"),)
    made = f"unnest({draw(lists(inner.flat))}) AS {more[0].text}"
    if relation.star is BASE["videos"] and maybe(draw, 2):
        alias = relation.key[0].split(".")[0]
        made, more = pick(
            draw,
            (f"unnest({alias}.info)", (Column("codec", "text"), Column("fps", "number"))),
            (
                f"unnest({alias}.scenes, recursive := true)",
                (Column("start_seconds", "real"), Column("stop_seconds", "real")),
            ),
            (f"unnest({alias}.scenes) AS {more[0].text}", (replace(more[0], kind="other"),)),
        )
    return Made(
        text=_framed(draw, f"{_items(draw, items)}, {made}", relation, _where(draw, inner)), columns=(*wanted, *more)
    )


@st.composite
def stars(draw: st.DrawFn, scope: Scope, *, top: bool = False) -> Made:
    """Return a SELECT with a star or COLUMNS(…)."""
    relation = draw(relations(scope).filter(lambda each: each.star is not None))
    inner = scope.over(relation.columns)
    assert relation.star is not None
    star, one = relation.star, pick(draw, *relation.star)
    where, new = _where(draw, inner), scope.name("c")
    form = pick(
        draw, "star", "first", "exclude", "replace", "rename", "pattern", "lambda", "like", "minimum", "list", "row"
    )
    if (len(star) < 2 and form == "exclude") or (form == "minimum" and not top):
        form = "star"
    if form == "first":
        return Made(text=f"FROM {relation.text}{where}", columns=star)
    if form == "exclude":
        bare = one.text if maybe(draw, 2) else f"({one.text})"
        return Made(
            text=_framed(draw, f"* EXCLUDE {bare}", relation, where),
            columns=tuple(each for each in star if each is not one),
        )
    if form == "replace":
        kind: Kind = pick(draw, "medium", "edited", "number", "other")
        text = draw(expressions(inner.flat, kind))
        made = tuple(replace(each, kind=kind) if each is one else each for each in star)
        return Made(text=_framed(draw, f"* REPLACE ({text} AS {one.text})", relation, where), columns=made)
    if form == "rename":
        made = tuple(replace(each, text=new) if each is one else each for each in star)
        return Made(text=_framed(draw, f"* RENAME ({one.text} AS {new})", relation, where), columns=made)
    whole = any(star is BASE[each] for each in ("videos", "images", "order"))  # Python has no nanoseconds of `types`
    if (
        form == "row"
        and whole
        and not relation.has_rowid
        and (alias := re.fullmatch(r"\S+ (?:AS )?([td]\d+)", relation.text))
    ):
        return Made(text=f"SELECT {alias[1]} AS {new} FROM {relation.text}{where}", columns=(Column(new, "other"),))
    if form in ("pattern", "lambda", "like", "minimum", "list"):
        part = one.text.strip('"')[0]
        matched = tuple(each for each in star if part in each.text.strip('"'))
        names = ", ".join("'" + each.text.strip('"') + "'" for each in matched)
        if part == '"' or part == "_" or '"' in names.strip('"'):
            matched, names = star, ""
        columns = {
            "pattern": f"COLUMNS('.*{part}.*')",
            "lambda": f"COLUMNS(lambda name: name LIKE '%{part}%')",
            "like": f"* LIKE '%{part}%'",
            "minimum": f"{pick(draw, 'min', 'max', 'count')}(COLUMNS('.*{part}.*'))",
            "list": f"COLUMNS([{names}])",
        }[form]
        if form == "minimum":  # its columns are named by the function
            return Made(text=_framed(draw, columns, relation, where), columns=())
        return Made(text=_framed(draw, columns, relation, where), columns=matched)
    return Made(text=_framed(draw, "*", relation, where), columns=star)


@st.composite
def selects(draw: st.DrawFn, scope: Scope, wanted: Wanted | None = None) -> Made:
    """Return one SELECT: of the columns `wanted`, or of any."""
    columns = any_columns(draw, scope, "other") if wanted is None else wanted
    kinds = [plain_selects, plain_selects, groups, first_of_each]
    if wanted is None:
        kinds += [named_windows, grouping_sets, unnesting, by_hidden_keys]
        if maybe(draw, 5):
            return draw(stars(scope))
    return draw(pick(draw, *kinds)(scope, columns))
