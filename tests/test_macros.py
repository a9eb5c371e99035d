"""The decode macros as Python sees them: what `to_ref` makes of a reference is what the SQL says, in its order.

What they refuse is in `tests/sql/refused/media.sql`; that NULL stays NULL, in `tests/sql/equal/macros.sql`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from cutlist import Session, connect
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
