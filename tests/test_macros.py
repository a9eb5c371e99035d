"""The macros as Python sees them.

- Decode macros: what `to_ref` makes of a reference is what the SQL says, in its order. What they refuse is in
  `tests/sql/refused/media.sql`; that NULL stays NULL, in `tests/sql/equal/macros.sql`.
- `split` and `sample` depend on key, name and fraction alone, as Python's hashlib computes it; a larger fraction has
  the keys of a smaller one, 0 has none and 1 has all, and NULL is neither in nor out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

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
}


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


@pytest.mark.parametrize("first", [name for name in CALLS if name != "raw"])
@pytest.mark.parametrize("second", [name for name in CALLS if name != "raw"])
def test_two_operations_in_their_order(session: Session, first: str, second: str) -> None:
    if first == second:
        pytest.skip("applied twice: refused, but for clip")
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


def test_nine_operations_fit(session: Session) -> None:
    chain = ".".join(CALLS[name][0] for name in CALLS if name != "raw")
    assert [op.name for op in ops(session, f"video.{chain}")] == [name for name in CALLS if name != "raw"]


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
