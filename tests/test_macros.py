"""The macros as Python sees them.

- Decode macros: what `to_ref` makes of a reference is what the SQL says, in its order. What they refuse is in
  `tests/sql/refused/media.sql`; that NULL stays NULL, in `tests/sql/equal/macros.sql`.
- `split` and `sample` depend on key, name and fraction alone, as Python's hashlib computes it; a larger fraction has
  the keys of a smaller one, 0 has none and 1 has all, and NULL is neither in nor out.
- Reductions of lists are those of numpy, for any lists and times; NULL stays NULL; no name of theirs is DuckDB's.
- Buckets are those of a plain Python oracle in exact fractions, for numbers of every type and size; that of a portrait
  mirrors that of its landscape, and what is NULL, not positive or not finite has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import isqrt, nextafter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cutlist import Session, connect
from cutlist.errors import QueryError
from cutlist.media.reference import FIELD_NAMES, OPS, Op, op_codes, to_ref
from cutlist.store import Store, blob_array, blob_field

CALLS = {
    "clip": ("clip(0.5, 2)", Op("clip", (0.5, 2.0))),
    "at_fps": ("at_fps(8)", Op("at_fps", (8.0,))),
    "resize": ("resize(64, 48)", Op("resize", (64, 48))),
    "resize_short": ("resize_short(32)", Op("resize_short", (32,))),
    "crop": ("crop(1, 2, 3, 4)", Op("crop", (1, 2, 3, 4))),
    "center_crop": ("center_crop(5, 6)", Op("center_crop", (5, 6))),
    "frames": ("frames(7)", Op("frames", (7,))),
    "raw": ("raw()", Op("raw")),
    "as_file": ("as_file()", Op("as_file")),
    "random_clip": ("random_clip(1.5)", Op("random_clip", (1.5,))),
    "random_crop": ("random_crop(5, 6)", Op("random_crop", (5, 6))),
    "random_flip": ("random_flip()", Op("random_flip", (0.5,))),
    "audio": ("audio(16000)", Op("audio", (16000,))),
}
DECODED = [name for name in CALLS if name not in ("raw", "as_file")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    root = tmp_path_factory.mktemp("root")
    rows = pa.table([blob_array([b"x", None])], schema=pa.schema([blob_field("video", "video")]))
    Store(root=str(root)).append("t", rows, message="test")
    with connect(root) as opened:
        yield opened


def ops(session: Session, expression: str) -> tuple[Op, ...]:
    rows = session.compile(f"SELECT {expression} AS m FROM t WHERE _rowid = 0").to_arrow().to_pylist()
    ref = to_ref(rows[0]["m"])
    assert ref is not None
    assert (ref.source, ref.row) == (0, 0)
    return ref.ops


def test_every_operation_has_a_macro() -> None:
    assert set(CALLS) == {name for name, _ in OPS.values()}
    assert {field for _, fields in OPS.values() for field in fields} == set(FIELD_NAMES[3:])


@pytest.mark.parametrize("name", CALLS)
def test_one_operation(session: Session, name: str) -> None:
    call, op = CALLS[name]
    assert ops(session, f"video.{call}") == (op,)
    assert session.compile(f"SELECT video.{call} AS m FROM t WHERE _rowid = 0").columns[0].ops == (op,)


def refused(first: str, second: str) -> bool:
    """Return whether an operation cannot come after another."""
    if first == "audio":
        return second not in ("clip", "random_clip")
    return (first, second) in [("random_clip", "clip"), ("at_fps", "random_clip"), ("frames", "random_clip")]


@pytest.mark.parametrize("first", DECODED)
@pytest.mark.parametrize("second", DECODED)
def test_two_operations_in_their_order(session: Session, first: str, second: str) -> None:
    if first == second:
        pytest.skip("applied twice: refused, but for clip")
    if refused(first, second):
        with pytest.raises(QueryError, match=rf"{second}\(\) after "):
            ops(session, f"video.{CALLS[first][0]}.{CALLS[second][0]}")
        return
    assert ops(session, f"video.{CALLS[first][0]}.{CALLS[second][0]}") == (CALLS[first][1], CALLS[second][1])


@pytest.mark.parametrize("name", CALLS)
def test_null_stays_null(session: Session, name: str) -> None:
    relation = session.sql(f"SELECT video.{CALLS[name][0]} IS NULL FROM t WHERE _rowid = 1")
    assert relation.fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("chain", "start", "stop"),
    [
        ("clip(1, 5).clip(1, 2)", 2.0, 3.0),
        ("clip(1, 5).clip(1, 9)", 2.0, 5.0),
        ("clip(1, 5).clip(0, 4)", 1.0, 5.0),
        ("clip(1, 9).clip(1, 8).clip(2, 3)", 4.0, 5.0),
        ("clip(0, 'inf'::DOUBLE).clip(3, 4)", 3.0, 4.0),
    ],
)
def test_a_clip_of_a_clip_lies_inside_it(session: Session, chain: str, start: float, stop: float) -> None:
    last = ops(session, f"video.{chain}")[-1]
    assert last == Op("clip", (start, stop))


def test_a_clip_of_a_clip_is_one_operation(session: Session) -> None:
    assert ops(session, "video.clip(1, 5).resize(8, 8).clip(1, 2)") == (Op("clip", (2.0, 3.0)), Op("resize", (8, 8)))


def test_all_operations_fit(session: Session) -> None:
    names = sorted(DECODED, key=lambda name: name not in ("clip", "random_clip"))
    chain = ".".join(CALLS[name][0] for name in names)
    assert [op.name for op in ops(session, f"video.{chain}")] == names


def test_a_random_clip_of_a_clip_keeps_both(session: Session) -> None:
    expected = (Op("clip", (1.0, 9.0)), Op("random_clip", (2.0,)), Op("audio", (8000,)))
    assert ops(session, "video.clip(1, 9).random_clip(seconds := 2).audio(sample_rate := 8000)") == expected
    assert ops(session, "random_flip(video, probability := 0.25)") == (Op("random_flip", (0.25,)),)


def test_codes_are_four_bits_each() -> None:
    assert op_codes(0) == ()
    assert op_codes(0x1234567) == (1, 2, 3, 4, 5, 6, 7)


def test_no_reference_is_none() -> None:
    assert to_ref(None) is None


# -- split and sample -------------------------------------------------------------------------------------------------


def share(key: object, name: str) -> float:
    """Return where a key is in [0, 1) for a name: in a split, if below its fraction."""
    return (int.from_bytes(hashlib.md5(f"{name}:{key}".encode()).digest()[:8], "little") >> 11) / 2**53


def one(session: Session, expression: str) -> Any:
    """Return the value of an expression, the same in a compiled query and in ad-hoc SQL."""
    ((value,),) = session.sql(f"SELECT {expression} AS x").fetchall()
    assert session.compile(f"SELECT {expression} AS x").to_arrow()["x"].to_pylist() == [value]
    return value


@pytest.mark.parametrize(
    ("key", "name", "below", "above"),
    [
        ("1", "val", 0.308670, 0.308671),
        ("12345678901234", "val", 0.028185, 0.028186),
        ("-7", "test", 0.100373, 0.100374),
        ("'a/b.mp4'", "val", 0.152702, 0.152703),
        ("''", "val", 0.301690, 0.301691),
        ("'É 🎬'", "träin", 0.080548, 0.080549),
    ],
)
def test_golden_shares(session: Session, key: str, name: str, below: float, above: float) -> None:
    """Changing these moves rows between the splits of everybody: never."""
    assert below < share(key.strip("'"), name) < above
    assert one(session, f"split({key}, '{name}', {below})") is False
    assert one(session, f"split({key}, '{name}', {above})") is True


def test_splits_are_those_of_hashlib(session: Session) -> None:
    """Shares within 1e-12 of the fraction do not occur here."""
    for name, fraction in (("val", 0.1), ("test", 0.013), ("sample", 0.5), ("a:b", 0.9)):
        rows = session.sql(
            f"SELECT i, split(i, '{name}', {fraction}), split('k' || i, '{name}', {fraction}) FROM range(500) AS t(i)"
        ).fetchall()
        assert [(i, share(i, name) < fraction, share(f"k{i}", name) < fraction) for i, _, _ in rows] == rows
    rows = session.sql("SELECT i, sample(i, 0.25) FROM range(500) AS t(i)").fetchall()
    assert [(i, share(i, "sample") < 0.25) for i, _ in rows] == rows


def test_types_of_a_key_are_their_text(session: Session) -> None:
    for key, text in {
        "7::TINYINT": "7",
        "7::HUGEINT": "7",
        "'7'": "7",
        "1.50::DECIMAL(9, 2)": "1.50",
        "true": "true",
        "DATE '2024-02-28'": "2024-02-28",
        "'00000000-0000-0000-0000-000000000001'::UUID": "00000000-0000-0000-0000-000000000001",
        "'x'::ENUM('x', 'y')": "x",
    }.items():
        for fraction in (0.2, 0.4, 0.6, 0.8):
            assert one(session, f"split({key}, 'val', {fraction})") is (share(text, "val") < fraction), key


def test_fractions_of_zero_and_one_and_nested_ones(session: Session) -> None:
    row = session.sql(
        """SELECT count_if(split(i, 'v', 0)), count_if(NOT split(i, 'v', 1)), count_if(sample(i, 0.0)),
                  count_if(NOT sample(i, 1.0)), count_if(split(i, 'v', 0.1) AND NOT split(i, 'v', 0.2)),
                  count_if(sample(i, 0.3) AND NOT sample(i, 0.9)), count_if(split(i, 'v', 0.1) IS NULL)
           FROM range(20000) AS t(i)"""
    ).fetchall()
    assert row == [(0,) * 7]


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("call", ["split({}, 'val', {})", "split({}, 'test', {})", "sample({}, {})"])
def test_the_share_is_about_right(session: Session, call: str, fraction: float) -> None:
    """20,000 keys: five standard deviations are at most 354."""
    for key in ("i", "'videos/' || i || '.mp4'", "i * 1000000007"):
        ((count,),) = session.sql(f"SELECT count_if({call.format(key, fraction)}) FROM range(20000) AS t(i)").fetchall()
        assert abs(count - 20_000 * fraction) < 5 * (20_000 * fraction * (1 - fraction)) ** 0.5


def test_splits_of_two_names_are_independent(session: Session) -> None:
    ((both,),) = session.sql(
        "SELECT count_if(split(i, 'a', 0.5) AND split(i, 'b', 0.5)) FROM range(20000) AS t(i)"
    ).fetchall()
    assert abs(both - 5_000) < 5 * (20_000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize(
    "expression",
    [
        "split(NULL, 'val', 0.5)",
        "split(NULL::BIGINT, 'val', 0.5)",
        "split(1, NULL, 0.5)",
        "split(1, 'val', NULL)",
        "sample(NULL::VARCHAR, 0.5)",
        "sample(1, NULL)",
    ],
)
def test_null_is_neither_in_nor_out(session: Session, expression: str) -> None:
    assert one(session, expression) is None


@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("split(i, 'val', 1.5)", r"split\(…, val, 1\.5\): expected a fraction from 0 to 1"),
        ("split(i, 'val', -0.1)", r"split\(…, val, -0\.1\): expected a fraction from 0 to 1"),
        ("split(i, 'val', 10)", r"split\(…, val, 10\): expected a fraction from 0 to 1"),
        ("split(i, 'val', 'nan'::DOUBLE)", r"split\(…, val, nan\): expected a fraction from 0 to 1"),
        ("sample(i, 2)", r"sample\(…, 2\): expected a fraction from 0 to 1"),
        ("sample(i, i)", r"sample\(…, 2\): expected a fraction from 0 to 1"),
    ],
)
def test_a_fraction_that_is_none(session: Session, expression: str, match: str) -> None:
    query = f"SELECT {expression} AS x FROM range(5) AS t(i)"
    with pytest.raises(QueryError, match=match):
        session.compile(query)
    with pytest.raises(QueryError, match=match), session.reading(query):
        session.sql(query).fetchall()


def test_split_with_two_arguments_is_that_of_duckdb(session: Session) -> None:
    assert one(session, "split('a,b', ',')") == ["a", "b"]
    assert one(session, "'a-b-'.split('-')") == ["a", "b", ""]
    assert one(session, "split(NULL, ',')") is None
    assert one(session, "string_split('a b', ' ')") == ["a", "b"]


def test_disjoint_splits_in_a_view_stay_as_rows_come(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    (tmp_path / "parts.sql").write_text(
        "SELECT id, CASE WHEN split(id, 'test', 0.1) THEN 'test' WHEN split(id, 'val', 0.1) THEN 'val' "
        "ELSE 'train' END AS part FROM t WHERE sample(id, 0.9)"
    )
    store.append("t", pa.table({"id": [f"k{i}" for i in range(200)]}), message="test")
    found = []
    with connect(tmp_path, views=tmp_path) as session:
        for _ in range(2):
            found.append({row["id"]: row["part"] for row in session.compile("parts").to_arrow().to_pylist()})
            assert dict(session.sql("FROM parts").fetchall()) == found[-1]
            store.append("t", pa.table({"id": [f"new{i}" for i in range(200)]}), message="test")
            session.refresh()
    assert found[0].items() <= found[1].items()
    assert set(found[0].values()) == {"test", "val", "train"}
    for key, part in found[1].items():
        expected = "test" if share(key, "test") < 0.1 else "val" if share(key, "val") < 0.1 else "train"
        assert part == expected


def test_split_beside_media_of_many_calls(session: Session) -> None:
    """Beyond three decode calls, other forms of the macros are used."""
    chain = "video.clip(0, 9).resize(8, 8).crop(0, 0, 4, 4).clip(0, 1)"
    query = f"SELECT {chain} AS v, split('a', 'v', 0.5) AS s, split('a,b', ',') AS l FROM t WHERE sample(_rowid, 1)"
    (row, empty) = session.compile(query).to_arrow().to_pylist()
    assert (row["s"], row["l"], empty["v"]) == (share("a", "v") < 0.5, ["a", "b"], None)


# -- lists of frames, and spans ---------------------------------------------------------------------------------------

PER_FRAME = st.lists(st.none() | st.integers(-9, 9).map(float), max_size=12)


def test_reductions_do_not_shadow_functions_of_duckdb() -> None:
    with duckdb.connect() as bare:
        own = "function_name IN ('share_at_least', 'frames_between', 'split_spans')"
        assert bare.sql(f"SELECT function_name FROM duckdb_functions() WHERE {own}").fetchall() == []


@given(PER_FRAME, st.integers(-9, 9))
@example([], 0)
@example([None], 0)
@example([3.0, 3.0, 1.0], 3)
def test_the_share_of_frames_is_that_of_numpy(session: Session, per_frame: list[float | None], threshold: int) -> None:
    voting = np.array([each for each in per_frame if each is not None])
    expected = float(np.mean(voting >= threshold)) if len(voting) else None
    got = one(session, f"share_at_least({per_frame}::FLOAT[], {threshold})".replace("None", "NULL"))
    assert got == (None if expected is None else pytest.approx(expected))


@given(st.integers(0, 40), st.sampled_from([(10, 1), (24, 1), (30000, 1001), (60000, 1001)]), st.data())
def test_frames_between_are_those_whose_time_is(session: Session, count: int, fps: tuple[int, int], data: Any) -> None:
    """Times are those of frames, rounded as scenes have them, or in the middle between two."""
    rate = Fraction(*fps)
    first: int = data.draw(st.integers(0, 90))
    last: int = data.draw(st.integers(first + 1, 91))
    start, stop = Fraction(first, 2) / rate, Fraction(last, 2) / rate
    expected = [float(i) for i in range(count) if start <= i / rate < stop]
    begun, ended = nextafter(float(start), 0) if first else 0.0, nextafter(float(stop), 0)
    call = f"frames_between(range({count})::FLOAT[], {float(rate)!r}, {begun!r}::DOUBLE, {ended!r}::DOUBLE)"
    assert one(session, call) == expected


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 80)), max_size=4), st.integers(1, 40))
def test_split_spans_are_pieces_that_follow_each_other(
    session: Session, spans: list[tuple[int, int]], quarters: int
) -> None:
    given_spans = [{"start_seconds": a / 4, "stop_seconds": (a + length) / 4} for a, length in spans]
    expected = [
        {"start_seconds": begun / 4, "stop_seconds": min(begun + quarters, a + length) / 4}
        for a, length in spans
        for begun in range(a, a + length, quarters)
    ]
    kind = "STRUCT(start_seconds DOUBLE, stop_seconds DOUBLE)[]"
    assert one(session, f"split_spans({given_spans}::{kind}, {quarters / 4})") == expected


@pytest.mark.parametrize(
    "call",
    [
        *("share_at_least(NULL, 1)", "share_at_least([1], NULL)", "split_spans(NULL, 8)"),
        *("frames_between(NULL, 30, 0, 1)", "frames_between([1], NULL, 0, 1)", "frames_between([1], 30, NULL, 1)"),
        "frames_between([1], 30, 0, NULL)",
    ],
)
def test_of_null_comes_null(session: Session, call: str) -> None:
    assert one(session, call) is None


def test_frames_between_takes_all_that_follow(session: Session) -> None:
    assert one(session, "frames_between([1, 2, 3], 10, 0.1, 'infinity'::DOUBLE)") == [2, 3]
    assert one(session, "frames_between([1, 2, 3], 10, 7, 9)") == []


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            "frames_between([i], 0, 0, 1)",
            r"frames_between\(…, 0.0, 0.0, 1.0\): expected fps > 0 and 0 <= start_seconds < ",
        ),
        ("frames_between([i], 30, 1, 1)", r"frames_between\(…, 30.0, 1.0, 1.0\): expected fps > 0 and 0 <= start_sec"),
        ("frames_between([i], 30, -1, 1)", r"frames_between\(…, 30.0, -1.0, 1.0\): expected"),
        ("split_spans([{'start_seconds': 0, 'stop_seconds': i}], 0)", r"split_spans\(…, 0.0\): expected seconds > 0"),
        ("split_spans([{'start_seconds': 0, 'stop_seconds': i}], 'nan'::DOUBLE)", r"split_spans\(…, nan\): expected"),
    ],
)
def test_reductions_that_are_refused(session: Session, call: str, match: str) -> None:
    query = f"SELECT {call} AS x FROM range(5) AS t(i)"
    with pytest.raises(QueryError, match=match):
        session.compile(query)


# -- buckets ----------------------------------------------------------------------------------------------------------

LINES = (2160, 1440, 1080, 720, 480, 360, 240, 144)
LANDSCAPES = ((21, 9), (16, 9), (3, 2), (4, 3), (1, 1))
ASPECTS = {f"{w}x{h}": Fraction(w, h) for a, b in LANDSCAPES for w, h in ((a, b), (b, a))}
BOUNDS = [(f"{a}x{b}", f"{c}x{d}", Fraction(a, b) * Fraction(c, d)) for (a, b), (c, d) in pairwise(LANDSCAPES)]
"""(wider, narrower, the square of the ratio between them)."""

FAR = 8_000_000
"""Sides up to which a bound between two aspects is exact."""

Number = int | float | None


def frame_bucket(num_frames: Number) -> int | None:
    if num_frames is None:
        return None
    return max((rung for rung in range(1, 130, 4) if rung <= num_frames), default=None)


def resolution_bucket(width: Number, height: Number) -> str | None:
    if width is None or height is None or min(width, height) <= 0:
        return None
    area = Fraction(width) * Fraction(height)
    return next((f"{n}p" for n in LINES if area >= Fraction(8, 10) * n * n * Fraction(16, 9)), None)


def aspect_bucket(width: Number, height: Number) -> str | None:
    """Return the nearest by the factor between the ratios, whose logarithm is the difference of their logarithms."""
    if width is None or height is None or min(width, height) <= 0:
        return None
    ratio = Fraction(width) / Fraction(height)
    return min(ASPECTS, key=lambda name: max(ratio / ASPECTS[name], ASPECTS[name] / ratio))


def mirrored(aspect: str | None) -> str | None:
    return aspect and "x".join(reversed(aspect.split("x")))


def values(rows: list[tuple[Number, ...]], kind: str) -> str:
    """Return SQL for a table `t(a, b)` of numbers of one type."""
    text = ", ".join(f"({', '.join('NULL' if each is None else repr(each) for each in row)})" for row in rows)
    return f"(SELECT a::{kind} AS a, b::{kind} AS b FROM (VALUES {text}) AS v(a, b)) AS t"


SIDES = {
    "SMALLINT": st.integers(-5, 2**15 - 1),
    "USMALLINT": st.integers(0, 2**16 - 1),
    "INTEGER": st.integers(-5, FAR) | st.integers(1, 5000),
    "UBIGINT": st.integers(0, FAR) | st.integers(1, 5000),
    "HUGEINT": st.integers(-5, FAR) | st.integers(1, 5000),
    "FLOAT": st.floats(-5, 10_000, width=32),
    "DOUBLE": st.floats(-5, 10_000, width=32),  # so that a product of two is exact
}


@st.composite
def sizes(draw: st.DrawFn) -> tuple[str, list[tuple[Number, ...]]]:
    kind = draw(st.sampled_from(sorted(SIDES)))
    side = st.none() | SIDES[kind]
    return kind, draw(st.lists(st.tuples(side, side), min_size=1, max_size=40))


@given(sizes())
@example(("INTEGER", [(320, 256), (256, 320), (319, 256), (512, 360), (1024, 720), (1023, 720), (768, 38), (769, 39)]))
@example(("DOUBLE", [(0.0, 1.0), (-0.0, 1.0), (1e-30, 1e-30), (-3.0, -2.0)]))
def test_buckets_are_those_of_the_oracle(session: Session, drawn: tuple[str, list[tuple[Number, ...]]]) -> None:
    kind, rows = drawn
    found = session.sql(
        f"SELECT frame_bucket(a), resolution_bucket(a, b), aspect_bucket(a, b), aspect_bucket(b, a) "
        f"FROM {values(rows, kind)}"
    ).fetchall()
    assert found == [
        (frame_bucket(a), resolution_bucket(a, b), aspect_bucket(a, b), mirrored(aspect_bucket(a, b))) for a, b in rows
    ]


def test_frame_buckets_of_every_length(session: Session) -> None:
    rows = session.sql("SELECT i, frame_bucket(i), frame_bucket(i + 0.99) FROM range(-3, 300) AS t(i)").fetchall()
    assert rows == [(i, frame_bucket(i), frame_bucket(i)) for i in range(-3, 300)]
    assert sorted({row[1] for row in rows} - {None}) == list(range(1, 130, 4))


@pytest.mark.parametrize("lines", LINES)
def test_a_resolution_starts_at_eight_tenths_of_its_area(session: Session, lines: int) -> None:
    least = -(-(lines * lines * 64) // 45)  # pixels, rounded up
    below = resolution_bucket(least - 1, 1)
    assert below == (f"{LINES[LINES.index(lines) + 1]}p" if lines > 144 else None)
    for width, height in ((least, 1), (1, least), (least / 8, 8)):
        assert one(session, f"resolution_bucket({width}, {height})") == f"{lines}p"
    for width, height in ((least - 1, 1), (1, least - 1), ((least - 1) / 8, 8)):
        assert one(session, f"resolution_bucket({width}, {height})") == below


@pytest.mark.parametrize(("wider", "narrower", "square"), BOUNDS)
def test_aspects_change_at_the_geometric_mean(session: Session, wider: str, narrower: str, square: Fraction) -> None:
    """Also where whole pixels come nearest to it: its best approximations."""
    root = Fraction(isqrt(square.numerator * 10**60 // square.denominator), 10**30)
    near = {root.limit_denominator(limit) for limit in (2**power for power in range(1, 23))}
    heights = [*range(1, 1500), *(each.denominator for each in near)]
    rows = []
    for height in heights:
        below = isqrt(square.numerator * height * height // square.denominator)
        assert below**2 < square * height**2 < (below + 1) ** 2  # never equal: there are no ties
        rows += [(below + 1, height), (below, height)]
    found = session.sql(f"SELECT aspect_bucket(a, b), aspect_bucket(b, a) FROM {values(list(rows), 'INTEGER')}")
    expected = [aspect_bucket(*row) for row in rows]
    assert found.fetchall() == [(each, mirrored(each)) for each in expected]
    assert {wider, narrower} <= set(expected)


@pytest.mark.parametrize(
    ("width", "height", "num_frames", "bucket"),
    [
        (1280, 720, 33, "720p-16x9-33f"),
        (720, 1280, 36, "720p-9x16-33f"),
        (1920, 1080, 1000, "1080p-16x9-129f"),
        (1920, 1040, 128, "1080p-16x9-125f"),
        (1920, 804, 5, "720p-21x9-5f"),
        (804, 1920, 4, "720p-9x21-1f"),
        (3840, 2160, 1, "2160p-16x9-1f"),
        (4096, 2160, 129, "2160p-16x9-129f"),
        (2560, 1440, 60, "1440p-16x9-57f"),
        (6000, 4000, 1, "2160p-3x2-1f"),
        (960, 960, 17, "720p-1x1-17f"),
        (1024, 1024, 1, "720p-1x1-1f"),
        (960, 720, 49, "480p-4x3-49f"),
        (854, 480, 81, "480p-16x9-81f"),
        (832, 480, 81, "480p-16x9-81f"),
        (640, 480, 120, "360p-4x3-117f"),
        (480, 640, 24, "360p-3x4-21f"),
        (720, 480, 30, "480p-3x2-29f"),
        (480, 720, 30, "480p-2x3-29f"),
        (512, 512, 97, "360p-1x1-97f"),
        (256, 256, 45, "144p-1x1-45f"),
        (426, 240, 9, "240p-16x9-9f"),
        (256, 144, 8, "144p-16x9-5f"),
        (10000, 100, 2, "720p-21x9-1f"),
        (160, 120, 99, None),
        (1280, 720, 0, None),
    ],
)
def test_golden_buckets(session: Session, width: int, height: int, num_frames: int, bucket: str | None) -> None:
    """Changing these changes the batches of everybody: never."""
    name = "resolution_bucket({0}, {1}) || '-' || aspect_bucket({0}, {1}) || '-' || frame_bucket({2}) || 'f'"
    assert one(session, name.format(width, height, num_frames)) == bucket
    assert one(session, name.format(f"{width}::DOUBLE", f"{height}::HUGEINT", f"{num_frames}.75")) == bucket


@pytest.mark.parametrize(
    ("number", "frames", "resolution", "aspect"),
    [
        ("127::TINYINT", 125, None, "1x1"),
        ("2147483647::INTEGER", 129, "2160p", "1x1"),
        ("9223372036854775807::BIGINT", 129, "2160p", "1x1"),
        ("18446744073709551615::UBIGINT", 129, "2160p", "1x1"),
        ("170141183460469231731687303715884105727::HUGEINT", 129, "2160p", "1x1"),
        ("340282366920938463463374607431768211455::UHUGEINT", 129, "2160p", "1x1"),
        ("99999.99::DECIMAL(7, 2)", 129, "2160p", "1x1"),
        ("1e300", 129, "2160p", "1x1"),
        ("1e-300", None, None, "1x1"),
        ("0", None, None, None),
        ("-720", None, None, None),
        ("(-9223372036854775807 - 1)::BIGINT", None, None, None),
        ("NULL", None, None, None),
        ("NULL::INTEGER", None, None, None),
        ("'nan'::DOUBLE", None, None, None),
        ("'inf'::DOUBLE", None, None, None),
        ("'-inf'::FLOAT", None, None, None),
    ],
)
def test_buckets_of_extremes(
    session: Session, number: str, frames: int | None, resolution: str | None, aspect: str | None
) -> None:
    assert one(session, f"frame_bucket({number})") == frames
    assert one(session, f"resolution_bucket({number}, {number})") == resolution
    assert one(session, f"aspect_bucket({number}, {number})") == aspect
    if aspect is None:
        for other in ("1080", "1080.5::DOUBLE", "1e200"):
            for sides in (f"{number}, {other}", f"{other}, {number}"):
                assert one(session, f"resolution_bucket({sides})") is None
                assert one(session, f"aspect_bucket({sides})") is None


def test_types_of_buckets(session: Session) -> None:
    kinds = "typeof(frame_bucket(9)), typeof(resolution_bucket(NULL, 9)), typeof(aspect_bucket(9, 9))"
    assert session.sql(f"SELECT {kinds}").fetchall() == [("INTEGER", "VARCHAR", "VARCHAR")]


def test_what_is_no_number_has_no_bucket(session: Session) -> None:
    for call in ("frame_bucket(x)", "resolution_bucket(x, 720)", "aspect_bucket(1280, x)"):
        query = f"SELECT {call} AS b FROM (SELECT 'wide' AS x)"
        with pytest.raises(QueryError, match=r"_bucket\(\) does not support the supplied arguments"):
            session.compile(query)


def test_buckets_of_a_table(tmp_path: Path) -> None:
    rows = {"w": [1280, 720, None, 100, 1280], "h": [720, 1280, 720, 100, 720], "n": [40, 40, 40, 40, None]}
    table = pa.table(rows, schema=pa.schema([("w", pa.int32()), ("h", pa.int32()), ("n", pa.int64())]))
    Store(root=str(tmp_path)).append("t", table, message="test")
    name = "resolution_bucket(width := w, height := h) || '-' || aspect_bucket(w, h)"
    query = f"SELECT {name} AS shape, frame_bucket(num_frames := n) AS length FROM t ORDER BY _rowid"
    with connect(tmp_path) as session:
        selection = session.compile(query)
        assert not selection.warnings
        assert selection.to_arrow().to_pylist() == [
            {"shape": "720p-16x9", "length": 37},
            {"shape": "720p-9x16", "length": 37},
            {"shape": None, "length": 37},
            {"shape": None, "length": 37},
            {"shape": "720p-16x9", "length": None},
        ]
        grouped = session.sql("SELECT aspect_bucket(w, h) AS a, count(*) FROM t GROUP BY a ORDER BY a NULLS LAST")
        assert grouped.fetchall() == [("16x9", 2), ("1x1", 1), ("9x16", 1), (None, 1)]
