"""Sidecars: the samples of a selection by bucket.

- They are what a stable sort by the bucket's name gives; weights add up in that order, costs are the largest of each
  bucket, fragments of one table lie together within a bucket: for labels of every type, batches of any length, NULL
  media, several sources, deleted and rewritten rows.
- A field of the media is fixed where all samples of each bucket have one value, and none of the media is NULL.
- Saved, mapped, pickled and in memory they are the same, and a pickle has no array.
- What is there is found, and not made again; what is damaged, of another format or of another selection is made again.
- Two processes make one; a folder that cannot be written warns; dropping a selection drops them.
- NULL, NaN, negative numbers and what makes no buckets are refused, with what to write.

`BATCH_ROWS` is set to 5 where batches should not matter, so that a few samples make several.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.selections import media, reference, selection_of
from typer.testing import CliRunner

import cutlist
from cutlist import Selection, Session, cli
from cutlist.errors import OrderError
from cutlist.order import ONLY, Batching, Member, Rules, make_order
from cutlist.sampler import Block
from cutlist.selection import BATCH_ROWS, Source
from cutlist.sidecar import MAX_BUCKETS, FragmentsOf, Keys, Sidecar, drop_sidecars, sidecar_of
from cutlist.store import blob_array, blob_field


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with cutlist.connect(tmp_path) as session:
        yield session


def arrays(sidecar: Sidecar) -> dict[str, Any]:
    """Return everything that a sidecar has, as plain values."""
    buckets = sidecar.buckets
    return {
        "names": buckets.names,
        "starts": buckets.starts.tolist(),
        "positions": None if buckets.positions is None else buckets.positions.tolist(),
        "weights": None if buckets.weights_until is None else buckets.weights_until.tolist(),
        "blocks": None if buckets.blocks is None else buckets.blocks.tolist(),
        "costs": sidecar.costs,
        "shapes": sidecar.shapes,
    }


def expected(
    labels: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    costs: Sequence[float] | None = None,
    fragments: Sequence[tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Return what a sidecar should have, by numpy's stable sort of whole columns."""
    names = sorted(set(labels))
    bucket = np.array([names.index(each) for each in labels])
    order = np.argsort(bucket, kind="stable")
    blocks = None
    if fragments is not None:
        ranks = {each: number for number, each in enumerate(sorted(set(fragments)))}
        within = np.array([ranks[each] for each in fragments])
        order = np.lexsort((np.arange(len(labels)), within, bucket))
        pairs = list(zip(bucket[order].tolist(), within[order].tolist(), strict=True))
        blocks = [i for i, pair in enumerate(pairs) if i == 0 or pair != pairs[i - 1]] + [len(labels)]
    groups = len(names) if fragments is None else len(blocks or ()) - 1
    return {
        "names": tuple(names),
        "starts": [*np.searchsorted(bucket[order], np.arange(len(names))).tolist(), len(labels)],
        "positions": order.tolist() if groups > 1 else None,
        "weights": None if weights is None else np.cumsum(np.array(weights, dtype=np.float64)[order]).tolist(),
        "blocks": blocks,
        "costs": None
        if costs is None
        else tuple(float(max(c for c, each in zip(costs, labels, strict=True) if each == name)) for name in names),
        "shapes": {},
    }


def label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# What it has

WORDS = (
    "",
    " ",
    "a",
    "A",
    "ab",
    "ä",
    "a\u0308",
    "東京",
    "720p-16x9",
    "true",
    "1",
    "01",
    "\U0001f600",
    "a\nb",
    '"',
    "%",
)
LABELS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.sampled_from(WORDS) | st.text(max_size=3),
    pa.large_string(): st.sampled_from(WORDS),
    pa.bool_(): st.booleans(),
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.sampled_from([0, 1, 2, 10, -1, -10, 2**63 - 1, -(2**63)]),
    pa.uint64(): st.sampled_from([0, 9, 10, 2**64 - 1]),
}
AMOUNTS = st.floats(0, 1e300, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 0.1, 1.0, 5e-324])


@given(kind=st.sampled_from(list(LABELS)), data=st.data())
def test_it_is_a_stable_sort_by_the_buckets_name(kind: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(LABELS[kind], min_size=1, max_size=40))
    count = len(values)
    weights = data.draw(st.none() | st.lists(AMOUNTS, min_size=count, max_size=count).filter(any))
    costs = data.draw(st.none() | st.lists(AMOUNTS, min_size=count, max_size=count))
    columns = {
        "b": pa.array(values, kind),
        "w": pa.array(weights or [1.0] * count),
        "c": pa.array(costs or [0.0] * count),
    }
    keys = Keys(bucket_by="b", weight_by="w" if weights else None, cost_by="c" if costs else None)
    whole = selection_of(columns)
    with mock.patch("cutlist.selection.BATCH_ROWS", 5):
        in_batches = selection_of(columns)
    assert len(in_batches.batches) == -(-count // 5)
    wanted = expected([label(each) for each in values], weights=weights, costs=costs)
    for selection in (whole, in_batches):
        sidecar = sidecar_of(selection, keys)
        assert arrays(sidecar) == wanted
        assert sidecar.path is None
    if wanted["positions"] is not None:
        assert sorted(wanted["positions"]) == list(range(count))


@given(
    fragments=st.lists(st.none() | st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=50),
    data=st.data(),
)
def test_samples_of_one_fragment_lie_together(fragments: list[tuple[int, int] | None], data: st.DataObject) -> None:
    """A fragment is (source, number); samples without a medium come first, in a block of their own."""
    labels = data.draw(st.none() | st.lists(st.sampled_from("bac"), min_size=len(fragments), max_size=len(fragments)))
    references = [
        None if each is None else reference(100 * each[1] + i, source=each[0]) for i, each in enumerate(fragments)
    ]
    columns = {"m": media(references), "b": pa.array(labels or ["x"] * len(fragments))}
    sources = [Source(table=f"t{i}", version=1, column="m", kind="image") for i in range(4)]

    def fragments_of(source: Source, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        assert row_ids.dtype == np.uint64
        return (row_ids // 100).astype(np.int64) + (1000 if source.table == "t2" else 0)

    with mock.patch("cutlist.selection.BATCH_ROWS", 5):
        selection = selection_of(columns, sources=sources)
    keys = Keys(bucket_by="b" if labels else None, fragments=True)
    found = arrays(sidecar_of(selection, keys, fragments_of=fragments_of))
    codes = [(-1, 0) if each is None else (each[0], each[1]) for each in fragments]
    assert found == expected(labels or [""] * len(fragments), fragments=codes)


def test_it_is_the_same_over_several_batches_saved_and_in_memory(session: Session, tmp_path: Path) -> None:
    """More than 65,536 samples, so that the file has several batches; on both sides of each boundary."""
    query = """SELECT i, 'b' || (hash(i) % 7)::VARCHAR AS b, (i % 11) / 7 AS w, 1 + hash(i) % 1000 AS c
               FROM range(150_000) t(i) ORDER BY i"""
    saved = session.compile(query)
    assert saved.num_samples > 2 * BATCH_ROWS
    assert len(saved.batches) == 3
    in_memory = Selection({**saved._header}, None, saved.packed())
    values = saved.to_arrow()
    wanted = expected(
        values["b"].to_pylist(), weights=values["w"].to_numpy().tolist(), costs=values["c"].to_numpy().tolist()
    )
    keys = Keys(bucket_by="b", weight_by="w", cost_by="c")
    for selection in (in_memory, saved, saved):
        sidecar = sidecar_of(selection, keys)
        assert arrays(sidecar) == wanted
        assert (sidecar.path is not None) == (selection.path is not None)
        assert sidecar.buckets.positions is not None
        assert sidecar.buckets.positions.dtype == np.uint32
        assert isinstance(sidecar.buckets.positions, np.memmap) == (selection.path is not None)


def test_sums_of_weights_go_on_from_one_part_to_the_next(session: Session) -> None:
    """They are added up 2^20 at a time."""
    selection = session.compile("SELECT i, (i % 5) + 0.1 AS w FROM range(1_100_000) t(i) ORDER BY i")
    until = sidecar_of(selection, Keys(weight_by="w")).buckets.weights_until
    assert until is not None
    weights = selection.to_arrow()["w"].cast(pa.float64()).to_numpy()
    assert np.array_equal(until, np.cumsum(weights))


def test_no_keys_are_one_bucket_and_no_file(session: Session) -> None:
    selection = session.compile("SELECT i FROM range(10) t(i)")
    sidecar = sidecar_of(selection, Keys())
    assert not Keys()
    assert arrays(sidecar) == {**expected([""] * 10), "costs": None}
    assert selection.path is not None
    assert [each.name for each in selection.path.parent.iterdir()] == [selection.path.name]


@pytest.mark.parametrize("value", ["", "only"])
def test_one_bucket_needs_no_positions(session: Session, value: str) -> None:
    selection = session.compile(f"SELECT i, '{value}' AS b, i AS w FROM range(10) t(i)")
    sidecar = sidecar_of(selection, Keys(bucket_by="b", weight_by="w"))
    assert arrays(sidecar) == expected([value] * 10, weights=list(range(10)))


LABELS_OF_SQL = {
    "text": ("('a' || i % 3)", ["a0", "a1", "a2"]),
    "ENUM": ("(CASE WHEN i % 2 = 0 THEN 'x' ELSE 'y' END)::ENUM('y', 'x', 'z')", ["x", "y"]),
    "BOOLEAN": ("(i % 2 = 0)", ["false", "true"]),
    "TINYINT": ("(i % 3 - 1)::TINYINT", ["-1", "0", "1"]),
    "UBIGINT": ("(i % 2 + 18446744073709551614)::UBIGINT", ["18446744073709551614", "18446744073709551615"]),
    "case": ("(['a', 'A', 'á'])[1 + i % 3]", ["A", "a", "á"]),
    "numbers as text": ("(9 + i % 3)", ["10", "11", "9"]),
    "macros": (
        "(resolution_bucket(1280, 720) || '-' || aspect_bucket([4, 9, 16][1 + i % 3], [3, 16, 16][1 + i % 3]))",
        ["720p-1x1", "720p-4x3", "720p-9x16"],
    ),
    "CAST, as the message says": ("CAST(i % 2 / 2 AS VARCHAR)", ["0.0", "0.5"]),
}


@pytest.mark.parametrize("name", LABELS_OF_SQL)
def test_labels_of_each_type_of_sql(session: Session, name: str) -> None:
    expression, names = LABELS_OF_SQL[name]
    selection = session.compile(f"SELECT i, {expression} AS b FROM range(60) t(i) ORDER BY i")
    found = arrays(sidecar_of(selection, Keys(bucket_by="b")))
    values = [label(each) for each in selection.to_arrow()["b"].to_pylist()]
    assert found == expected(values)
    assert list(found["names"]) == names


@pytest.mark.parametrize("kind", ["TINYINT", "UBIGINT", "HUGEINT", "DECIMAL(9, 2)", "FLOAT", "DOUBLE", "BOOLEAN"])
def test_weights_and_costs_of_each_type_of_sql(session: Session, kind: str) -> None:
    selection = session.compile(f"SELECT i, (i % 2)::{kind} AS n FROM range(10) t(i) ORDER BY i")
    found = arrays(sidecar_of(selection, Keys(weight_by="n", cost_by="n")))
    assert found == expected([""] * 10, weights=[i % 2 for i in range(10)], costs=[i % 2 for i in range(10)])


@pytest.mark.parametrize("keys", [Keys(weight_by="n"), Keys(cost_by="n")])
def test_whole_numbers_beyond_those_of_double(session: Session, keys: Keys) -> None:
    selection = session.compile("SELECT i, 9007199254740993 + i AS n FROM range(10) t(i) ORDER BY i")
    found = sidecar_of(selection, keys)
    assert found.costs == (9007199254741002.0,) or found.buckets.weights_until is not None


def test_buckets_of_sums(session: Session) -> None:
    selection = session.compile("SELECT i, sum(i % 2) OVER (PARTITION BY i) AS b FROM range(10) t(i)")
    assert sidecar_of(selection, Keys(bucket_by="b")).buckets.names == ("0", "1")


def test_many_buckets_are_bounded(session: Session) -> None:
    most = session.compile(f"SELECT i, i // 2 AS b FROM range({2 * MAX_BUCKETS}) t(i) ORDER BY i")
    sidecar = sidecar_of(most, Keys(bucket_by="b"))
    assert len(sidecar.buckets.names) == MAX_BUCKETS
    assert arrays(sidecar) == expected([str(i // 2) for i in range(2 * MAX_BUCKETS)])
    more = session.compile(f"SELECT i AS b FROM range({MAX_BUCKETS + 1}) t(i)")
    match = (
        r'^bucket_by="b" has more than 10,000 different values; expected a column of buckets, such as one made by asp'
    )
    with pytest.raises(OrderError, match=match):
        sidecar_of(more, Keys(bucket_by="b"))
    over_batches = session.compile("SELECT i // 10 AS b FROM range(101_000) t(i)")
    with pytest.raises(OrderError, match=match):
        sidecar_of(over_batches, Keys(bucket_by="b"))


# Fragments of real tables


def append(session: Session, name: str, ids: Sequence[int]) -> None:
    """Append rows in a fragment of their own; every fifth has no medium."""
    blobs = [None if i % 5 == 4 else f"{name}{i}".encode() for i in ids]
    rows = pa.table({"id": pa.array(ids, pa.int64()), "b": [f"b{i % 2}" for i in ids]})
    session.store.append(name, rows.append_column(blob_field("image", "image"), blob_array(blobs)), message="test")


@pytest.fixture
def tables(session: Session) -> Session:
    """Tables `t` and `u`: fragments of 10 rows, some deleted, and rows of `t` that were rewritten into a new one."""
    for name in ("t", "u"):
        for start in range(0, 40, 10):
            append(session, name, range(start, start + 10))
    lance.dataset(session.store.uri("t")).delete("id % 7 = 2 OR id BETWEEN 20 AND 29")
    lance.dataset(session.store.uri("t")).update({"b": "'b0'"}, where="id IN (1, 15, 37)")
    lance.dataset(session.store.uri("u")).delete("id < 3")
    return session.refresh()


def fragments_by_lance(session: Session, name: str) -> dict[int, int]:
    """Return row id → number of its fragment, by a scan of the whole table."""
    rows = lance.dataset(session.store.uri(name)).to_table(columns=[], with_row_id=True, with_row_address=True)
    return dict(zip(rows["_rowid"].to_pylist(), [a >> 32 for a in rows["_rowaddr"].to_pylist()], strict=True))


@pytest.mark.parametrize("bucket_by", [None, "b"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT image, id, b FROM t",
        "SELECT image, id, b FROM t UNION ALL SELECT image, id, b FROM u ORDER BY hash(id)",
        "SELECT image, id, b, k FROM t, range(3) r(k) ORDER BY hash(id), k",
        "SELECT id, b, CASE WHEN id % 3 = 0 THEN NULL ELSE image END AS image FROM u",
        "SELECT t.image AS first, u.image AS second, t.b, t.id FROM t JOIN u USING (id)",
    ],
)
def test_fragments_of_tables(tables: Session, query: str, bucket_by: str | None) -> None:
    selection = tables.compile(query)
    shuffle = Block(rows="fragment", window=1)
    batching = Batching(batch_size=2, bucket_by=bucket_by)
    order = make_order({ONLY: selection}, {ONLY: batching}, Rules(shuffle=shuffle), store=tables.store)
    found = arrays(order.components[0].sidecar)
    name = next(each.name for each in selection.columns if each.media)
    rows = selection.to_arrow()
    numbers = [fragments_by_lance(tables, each.table) for each in selection.sources]
    codes = [
        (-1, 0) if each is None else (each["source"], numbers[each["source"]][each["row"]])
        for each in rows[name].to_pylist()
    ]
    assert len(set(codes)) > 3
    labels = rows["b"].to_pylist() if bucket_by else [""] * len(codes)
    assert found == expected(labels, fragments=codes)


def test_fragments_of_a_late_column(session: Session) -> None:
    """Without a medium, the first column that is read from fragments is a late one."""
    for start in (0, 50):
        wide = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(50 * 400, dtype=np.float32)), 400)
        rows = pa.table({"id": range(start, start + 50), "wide": wide})
        session.store.append("w", rows, message="test")
    selection = session.refresh().compile("SELECT id, wide FROM w ORDER BY hash(id)")
    assert selection.columns[1].late is not None
    order = make_order(
        {ONLY: selection}, {ONLY: Batching(batch_size=2)}, Rules(shuffle=Block(rows="fragment")), store=session.store
    )
    ids = selection.to_arrow()["id"].to_pylist()
    assert arrays(order.components[0].sidecar) == expected([""] * 100, fragments=[(0, i // 50) for i in ids])


def test_fragments_need_a_medium_and_the_tables(tables: Session) -> None:
    rules = Rules(shuffle=Block(rows="fragment"))
    match = r'^Block\(rows="fragment"\): the query has no media column, so nothing is read from fragments; give a numb'
    for query in ("SELECT id FROM t", "SELECT [image] AS l FROM t"):
        with pytest.raises(OrderError, match=match):
            make_order({ONLY: tables.compile(query)}, {ONLY: Batching(batch_size=2)}, rules, store=tables.store)
    with pytest.raises(OrderError, match=r'^Block\(rows="fragment"\): the tables are needed, to see which fragments'):
        make_order({ONLY: tables.compile("SELECT image FROM t")}, {ONLY: Batching(batch_size=2)}, rules)
    assert not list(Path(tables.store.root, "_selections").glob("*.buckets*"))


# What is fixed in each bucket


def shape_of(selection: Selection, bucket_by: str | None = "b", column: str = "m") -> list[tuple[int, ...] | None]:
    """Return the shape of a column in each bucket."""
    batching = Batching(batch_size=1, bucket_by=bucket_by)
    member: Member = make_order({ONLY: selection}, {ONLY: batching}, Rules()).components[0]
    found = next(each for each in selection.columns if each.name == column)
    return [member.shape(found, number) for number in range(len(member.sidecar.buckets.names))]


VIDEOS = [Source(table="t", version=1, column="video", kind="video")]


def test_sizes_by_bucket_are_fixed_in_it() -> None:
    sizes = {"a": (16, 8), "b": (8, 16), "c": (12, 12)}
    references = [
        reference(i, ("clip", (0.5 * i, 0.5 * i + 2)), ("frames", (4 + "abc".index(b),)), ("resize", sizes[b]))
        for i, b in enumerate("abcabcabcacb")
    ]
    columns = {"m": media(references), "b": pa.array(list("abcabcabcacb"))}
    with mock.patch("cutlist.selection.BATCH_ROWS", 5):
        selection = selection_of(columns, sources=VIDEOS)
    shapes = sidecar_of(selection, Keys(bucket_by="b")).shapes
    assert shapes == {"m": {"width": [16, 8, 12], "height": [8, 16, 12], "num_frames": [4, 5, 6]}}
    assert shape_of(selection) == [(4, 3, 8, 16), (5, 3, 16, 8), (6, 3, 12, 12)]
    assert shape_of(selection, None) == [None]


@pytest.mark.parametrize("odd", [0, 4, 5, 11])
def test_one_sample_of_another_size_is_enough(odd: int) -> None:
    """At either end of a batch of 5, and of the selection."""
    references = [
        reference(i, ("resize", (16 + (i == odd), 8)), ("frames", (4,)), ("crop", (0, 0, 4 + i % 2, 4)))
        for i in range(12)
    ]
    columns = {"m": media(references), "b": pa.array(["xy"[i % 2] for i in range(12)])}
    with mock.patch("cutlist.selection.BATCH_ROWS", 5):
        selection = selection_of(columns, sources=VIDEOS)
    shapes = sidecar_of(selection, Keys(bucket_by="b")).shapes
    assert shapes == {"m": {"crop_width": [4, 5]}}
    assert shape_of(selection) == [(4, 3, 4, 4), (4, 3, 4, 5)], "what is cut off in the end decides"
    without = [{**each, "ops": each["ops"] // 16, "crop_width": None, "crop_height": None} for each in references]
    columns["m"] = media([{**each, "crop_x": None, "crop_y": None} for each in without])
    assert shape_of(selection_of(columns, sources=VIDEOS)) == [None, None]


@pytest.mark.parametrize("null", [0, 7])
def test_null_media_have_no_shape(null: int) -> None:
    references: list[Any] = [reference(i, ("resize", (16 + i % 2, 8)), ("frames", (4,))) for i in range(12)]
    references[null] = None
    columns = {"m": media(references), "b": pa.array([str(i % 2) for i in range(12)])}
    selection = selection_of(columns, sources=VIDEOS)
    assert sidecar_of(selection, Keys(bucket_by="b")).shapes == {}
    assert shape_of(selection) == [None, None]


def test_operations_or_kinds_that_differ_have_no_shape() -> None:
    labels = pa.array([str(i % 2) for i in range(12)])
    ops = [("resize", (16, 8)), ("center_crop", (16, 8))]
    differ = media([reference(i, ops[i % 2], ("frames", (4,))) for i in range(12)])
    assert shape_of(selection_of({"m": differ, "b": labels}, sources=VIDEOS)) == [None, None]
    images = Source(table="t", version=1, column="image", kind="image")
    both = media([reference(i, ("frames", (4,)), ("resize", (16, 8)), source=i % 2) for i in range(12)])
    assert shape_of(selection_of({"m": both, "b": labels}, sources=[*VIDEOS, images])) == [None, None]
    same = [*VIDEOS, Source(table="u", version=1, column="video", kind="video")]
    assert shape_of(selection_of({"m": both, "b": labels}, sources=same)) == [(4, 3, 8, 16)] * 2


def test_two_media_columns_have_shapes_of_their_own() -> None:
    labels = pa.array([str(i % 2) for i in range(12)])
    columns = {
        "one": media([reference(i, ("resize", (16 + i % 2, 8)), ("frames", (4,))) for i in range(12)]),
        "b": labels,
        "two": media([reference(i, ("resize", (8, 16 + i % 3))) for i in range(12)]),
        "three": media([reference(i, ("frames", (2 + i % 2,)), ("resize", (8, 16))) for i in range(12)]),
    }
    selection = selection_of(columns, sources=VIDEOS)
    assert shape_of(selection, column="one") == [(4, 3, 8, 16), (4, 3, 8, 17)]
    assert shape_of(selection, column="two") == [None, None]
    assert shape_of(selection, column="three") == [(2, 3, 16, 8), (3, 3, 16, 8)]


# Saved, found, pickled


def bucketed(session: Session, rows: int = 120) -> Selection:
    return session.compile(
        f"SELECT i, 'b' || i % 3 AS b, (i % 5)::DOUBLE AS w, 1 + i % 7 AS c FROM range({rows}) t(i) ORDER BY i"
    )


def wanted(rows: int = 120, *, weights: bool = True, costs: bool = False) -> dict[str, Any]:
    numbers = range(rows)
    return expected(
        [f"b{i % 3}" for i in numbers],
        weights=[i % 5 for i in numbers] if weights else None,
        costs=[1 + i % 7 for i in numbers] if costs else None,
    )


KEYS = Keys(bucket_by="b", weight_by="w")


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return when each file was made, and which one it is."""
    return {each.name: (each.stat().st_mtime_ns, each.stat().st_ino) for each in sorted(folder.iterdir())}


def test_it_is_found_again_and_not_made_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    selection = bucketed(session)
    made = sidecar_of(selection, KEYS)
    assert made.path is not None
    before = stamps(made.path)
    assert set(before) == {"sidecar.json", "positions.npy", "weights.npy"}
    beside = sorted(each.name for each in made.path.parent.iterdir())
    assert beside == sorted([made.path.name, Path(str(selection.path)).name]), "nothing temporary is left"

    def no_build(*_: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("cutlist.sidecar.files.build", no_build)
    assert selection.path is not None
    for again in (selection, Selection.load(selection.path), pickle.loads(pickle.dumps(selection)), bucketed(session)):
        found = sidecar_of(again, KEYS)
        assert arrays(found) == arrays(made) == wanted()
        assert found.path == made.path
        assert stamps(made.path) == before


def test_other_keys_have_sidecars_of_their_own(session: Session) -> None:
    selection = bucketed(session)
    keys = [KEYS, Keys(bucket_by="b"), Keys(weight_by="w"), Keys(bucket_by="c"), Keys(weight_by="c")]
    paths = [sidecar_of(selection, each).path for each in keys]
    assert len(set(paths)) == len(keys)
    for each, path in zip(keys, paths, strict=True):
        assert sidecar_of(selection, each).path == path


def test_one_with_costs_serves_one_without(session: Session) -> None:
    selection = bucketed(session)
    with_costs = sidecar_of(selection, Keys(bucket_by="b", weight_by="w", cost_by="c"))
    assert arrays(with_costs) == wanted(costs=True)
    without = sidecar_of(selection, KEYS)
    assert without.path == with_costs.path
    assert {**arrays(without), "costs": None} == wanted()
    other = sidecar_of(selection, Keys(bucket_by="b", weight_by="w", cost_by="i"))
    assert other.path != with_costs.path
    assert other.costs == (117.0, 118.0, 119.0)
    only_costs = sidecar_of(selection, Keys(cost_by="c"))
    assert (only_costs.costs, only_costs.buckets.names) == ((7.0,), ("",))


def test_one_without_costs_does_not_serve_one_with(session: Session) -> None:
    selection = bucketed(session)
    assert sidecar_of(selection, KEYS).costs is None
    assert arrays(sidecar_of(selection, Keys(bucket_by="b", weight_by="w", cost_by="c"))) == wanted(costs=True)


def test_a_pickle_has_no_array(session: Session) -> None:
    selection = bucketed(session, 30_000)
    saved = sidecar_of(selection, KEYS)
    data = pickle.dumps(saved)
    assert len(data) < 500
    assert arrays(pickle.loads(data)) == wanted(30_000)
    member = make_order({ONLY: selection}, {ONLY: Batching(batch_size=7, bucket_by="b", weight_by="w")}, Rules())
    assert len(pickle.dumps(member)) < 5_000
    in_memory = sidecar_of(Selection({**selection._header}, None, selection.packed()), KEYS)
    data = pickle.dumps(in_memory)
    assert 12 * 30_000 < len(data) < 13 * 30_000, "its arrays once: 4 and 8 bytes a sample"
    assert arrays(pickle.loads(data)) == wanted(30_000)


def test_a_pickle_after_a_step_has_no_array(session: Session) -> None:
    """What an order has drawn from is kept in it."""
    selection = bucketed(session, 30_000)
    order = make_order({ONLY: selection}, {ONLY: Batching(batch_size=7, bucket_by="b", weight_by="w")}, Rules())
    drawn = [each.positions.tolist() for step in range(20) for each in order.at(3, step)]
    data = pickle.dumps(order)
    assert len(data) < 5_000
    again = pickle.loads(data)
    assert [each.positions.tolist() for step in range(20) for each in again.at(3, step)] == drawn


def json_with(**changes: Any) -> Callable[[Path], None]:
    """Return what writes other values into a sidecar's JSON; None: takes them out."""

    def damage(folder: Path) -> None:
        header = json.loads((folder / "sidecar.json").read_text()) | changes
        kept = {name: value for name, value in header.items() if value is not None}
        (folder / "sidecar.json").write_text(json.dumps(kept))

    return damage


def text(value: str | bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "sidecar.json").write_bytes(value if isinstance(value, bytes) else value.encode())

    return damage


def truncated(name: str, size_bytes: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / f"{name}.npy", size_bytes)


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def emptied(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()


def with_other_bytes(folder: Path) -> None:
    (folder / "weights.npy").write_text("hello " * 100)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "no folder": shutil.rmtree,
    "an empty folder": emptied,
    "no JSON": gone("sidecar.json"),
    "empty JSON": text(""),
    "half of the JSON": lambda folder: os.truncate(folder / "sidecar.json", 40),
    "not UTF-8": text(b"\xff\xfe"),
    "a list": text("[]"),
    "null": text("null"),
    "a number": text("7"),
    "an empty object": text("{}"),
    "no keys": json_with(keys=None),
    "keys of another kind": json_with(keys=[1]),
    "no names": json_with(names=None),
    "names of another kind": json_with(names=3),
    "no starts": json_with(starts=None),
    "no shapes": json_with(shapes=None),
    "another format": json_with(format=0),
    "another selection": json_with(fingerprint="0" * 32),
    "half of the positions": truncated("positions", 200),
    "a header without its end": truncated("positions", 20),
    "four bytes": truncated("weights", 4),
    "other bytes": with_other_bytes,
}

BUGS: dict[str, Callable[[Path], None]] = {
    "no positions": gone("positions.npy"),
    "no weights": gone("weights.npy"),
    "empty positions": truncated("positions", 0),
    "empty weights": truncated("weights", 0),
    "fewer positions": lambda folder: np.save(folder / "positions.npy", np.arange(5, dtype=np.uint32)),
    "fewer weights": lambda folder: np.save(folder / "weights.npy", np.arange(1.0, 6.0)),
}


@pytest.mark.parametrize(
    "damage",
    [
        *(pytest.param(damage, id=name) for name, damage in DAMAGES.items()),
        *(
            pytest.param(
                damage,
                id=name,
            )
            for name, damage in BUGS.items()
        ),
    ],
)
def test_what_is_damaged_is_made_again(session: Session, damage: Callable[[Path], None]) -> None:
    selection = bucketed(session)
    path = sidecar_of(selection, KEYS).path
    assert path is not None
    damage(path)
    again = sidecar_of(selection, KEYS)
    assert arrays(again) == wanted()
    assert again.path == path
    before = stamps(path)
    assert arrays(sidecar_of(selection, KEYS)) == wanted()
    assert stamps(path) == before, "found again"
    assert len(list(path.parent.iterdir())) == 2


def test_it_is_not_that_of_what_was_saved_under_the_name_before(session: Session, tmp_path: Path) -> None:
    one = session.compile("SELECT i, i % 2 AS b FROM range(20) t(i) ORDER BY i").save(tmp_path / "same.arrow")
    first = sidecar_of(one, Keys(bucket_by="b"))
    other = session.compile("SELECT i, i % 5 AS b FROM range(20) t(i) ORDER BY i").save(tmp_path / "same.arrow")
    assert first.path is not None
    assert arrays(sidecar_of(other, Keys(bucket_by="b"))) == expected([str(i % 5) for i in range(20)])
    assert arrays(first) == expected([str(i % 2) for i in range(20)]), "who has it open keeps it"


@pytest.mark.parametrize(
    "name",
    [
        "a b ü.arrow",
        "no-suffix",
        "a.b.arrow",
        pytest.param(
            "run[1].arrow",
        ),
    ],
)
def test_selections_of_any_name(session: Session, tmp_path: Path, name: str) -> None:
    selection = bucketed(session).save(tmp_path / "own" / name)
    made = sidecar_of(selection, KEYS)
    assert arrays(made) == wanted()
    assert made.path is not None
    before = stamps(made.path)
    assert arrays(sidecar_of(selection, KEYS)) == wanted()
    assert stamps(made.path) == before
    drop_sidecars(tmp_path / "own" / name)
    assert [each.name for each in (tmp_path / "own").iterdir()] == [name]


def test_dropping_those_of_one_keeps_those_of_another(session: Session, tmp_path: Path) -> None:
    one, other = (bucketed(session).save(tmp_path / "own" / name) for name in ("a.arrow", "a.b.arrow"))
    paths = [sidecar_of(each, KEYS).path for each in (other, one)]
    assert paths[0] != paths[1]
    assert one.path is not None
    drop_sidecars(one.path)
    assert paths[0] is not None
    assert paths[0].is_dir()


def test_others_may_read_what_they_may_read_of_the_selection(session: Session) -> None:
    selection = bucketed(session)
    path = sidecar_of(selection, KEYS).path
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) & 0o055 == 0o055
    assert all(stat.S_IMODE(each.stat().st_mode) & 0o044 == 0o044 for each in path.iterdir())


def test_a_folder_that_cannot_be_written_warns_and_works(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    selection = bucketed(session)

    def refused(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cutlist.sidecar.files.tempfile.mkdtemp", refused)
    monkeypatch.setattr("cutlist.process.locks.filelock.FileLock", refused)
    match = r"\.buckets: cannot be written, so the buckets are made in memory: .*Permission denied"
    with pytest.warns(UserWarning, match=match):
        sidecar = sidecar_of(selection, KEYS)
    assert sidecar.path is None
    assert arrays(sidecar) == wanted()


def test_one_that_is_there_is_read_where_nothing_can_be_written(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = bucketed(session)
    made = sidecar_of(selection, KEYS)

    def refused(*_: Any, **__: Any) -> str:
        raise AssertionError("writes")

    monkeypatch.setattr("cutlist.sidecar.files.tempfile.mkdtemp", refused)
    monkeypatch.setattr("cutlist.process.locks.filelock.FileLock", refused)
    assert sidecar_of(selection, KEYS).path == made.path


def test_a_refusal_leaves_nothing_behind(session: Session) -> None:
    selection = session.compile("SELECT i, CASE WHEN i > 70_000 THEN -1 ELSE i END AS w FROM range(80_000) t(i)")
    with pytest.raises(OrderError, match=r'^weight_by="w": a sample has -1\.0; expected numbers of at least 0$'):
        sidecar_of(selection, Keys(weight_by="w"))
    assert selection.path is not None
    assert [each.name for each in selection.path.parent.iterdir()] == [selection.path.name]


def test_processes_at_once_make_one(session: Session, tmp_path: Path) -> None:
    selection = bucketed(session, 200_000)
    code = """if True:
        import hashlib, sys, time
        from pathlib import Path
        from cutlist import Selection
        from cutlist.sidecar import Keys, sidecar_of
        selection = Selection.load(sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        sidecar = sidecar_of(selection, Keys(bucket_by="b", weight_by="w"))
        print(hashlib.sha256(sidecar.buckets.positions.tobytes()).hexdigest(), sidecar.path)
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, str(selection.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=120) for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    made = sidecar_of(selection, KEYS)
    assert made.buckets.positions is not None
    digest = hashlib.sha256(made.buckets.positions.tobytes()).hexdigest()
    assert [out for out, _ in said] == [f"{digest} {made.path}\n"] * 2
    assert selection.path is not None
    assert made.path is not None
    there = {each.name for each in selection.path.parent.iterdir()}
    assert there == {selection.path.name, made.path.name}


# Dropped with the selection


def test_dropping_a_selection_drops_its_sidecars(session: Session) -> None:
    """Those of both files that have the same rows; and what a killed process left; no others."""
    one = bucketed(session)
    two = session.compile("SELECT i, 'b' || i % 3 AS b, (i % 5)::DOUBLE AS w, 1 + i % 7 AS c FROM range(0, 120) t(i)")
    other = bucketed(session, 60)
    for each in (one, two, other):
        for keys in (KEYS, Keys(bucket_by="b"), Keys(weight_by="w", cost_by="c")):
            sidecar_of(each, keys)
    assert one.path is not None
    assert other.path is not None
    left = one.path.with_suffix(".0123456789ab.buckets.x1y2.tmp")
    left.mkdir()
    (left / "positions.npy").write_bytes(b"half")
    folder = one.path.parent
    assert len([each for each in folder.iterdir() if each.is_dir()]) == (10 if one.path != two.path else 7)
    result = CliRunner().invoke(cli.app, ["selections", "drop", one.fingerprint, "--root", session.store.root])
    assert result.exit_code == 0, result.output
    rest = [each.name for each in folder.iterdir()]
    assert len(rest) == 4
    assert all(each.startswith(other.path.stem) for each in rest)
    assert arrays(sidecar_of(other, KEYS)) == wanted(60)


# Refusals

REFUSED: dict[str, tuple[str, Keys, str]] = {
    "no such bucket": (
        "SELECT i, i AS word FROM range(9) t(i)",
        Keys(bucket_by="wrod"),
        r'^bucket_by="wrod": the query has no such column; did you mean "word"\? It has: i, word\.$',
    ),
    "no such weight": (
        "SELECT i FROM range(9) t(i)",
        Keys(weight_by="zzz"),
        r'^weight_by="zzz": the query has no such column\. It has: i\.$',
    ),
    "no such cost": (
        "SELECT i FROM range(9) t(i)",
        Keys(cost_by="zzz"),
        r'="zzz": the query has no such column\. It has: i\.$',
    ),
    "NULL bucket": (
        "SELECT i, CASE WHEN i % 3 = 0 THEN 'x' END AS b FROM range(3000) t(i)",
        Keys(bucket_by="b"),
        r'^bucket_by="b": 2,000 of 3,000 samples have NULL for a bucket; add WHERE b IS NOT NULL to the query, or COAL',
    ),
    "NULL weight": (
        "SELECT i, CASE WHEN i > 0 THEN 1.5 END AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": 1 of 9 samples have NULL; write COALESCE\(w, 0\) AS w in the query, or leave them out with W',
    ),
    "NULL cost": (
        "SELECT i, CASE WHEN i > 0 THEN 1.5 END AS c FROM range(9) t(i)",
        Keys(cost_by="c"),
        r'="c": 1 of 9 samples have NULL; write COALESCE\(c, 0\) AS c in the query',
    ),
    "NULL after the first batch": (
        "SELECT i, CASE WHEN i < 70000 THEN 'x' END AS b FROM range(80000) t(i) ORDER BY i",
        Keys(bucket_by="b"),
        r'^bucket_by="b": 10,000 of 80,000 samples have NULL',
    ),
    "only NULL": ("SELECT i, NULL::VARCHAR AS b FROM range(9) t(i)", Keys(bucket_by="b"), r"9 of 9 samples have NULL"),
    "NaN weight": (
        "SELECT i, CASE WHEN i = 5 THEN 'nan'::DOUBLE ELSE 1 END AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": a sample has nan; expected numbers of at least 0$',
    ),
    "infinite weight": (
        "SELECT i, 'inf'::FLOAT AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": a sample has inf; expected numbers of at least 0$',
    ),
    "negative cost": (
        "SELECT i, i - 1 AS c FROM range(9) t(i)",
        Keys(cost_by="c"),
        r'="c": a sample has -1\.0; expected numbers of at least 0$',
    ),
    "all weights 0": (
        "SELECT i, 0 AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": the weights add up to 0\.0; expected a sum above 0$',
    ),
    "text as weight": (
        "SELECT i, 'x' AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": expected numbers, not string$',
    ),
    "list as weight": (
        "SELECT i, [1] AS w FROM range(9) t(i)",
        Keys(weight_by="w"),
        r'^weight_by="w": expected numbers, not list<',
    ),
    "DOUBLE as bucket": (
        "SELECT i, i / 2 AS b FROM range(9) t(i)",
        Keys(bucket_by="b"),
        r'^bucket_by="b": its type makes no buckets: double; expected text, whole numbers or BOOLEAN, so write',
    ),
    "a date as bucket": (
        "SELECT i, DATE '2024-01-01' AS b FROM range(9) t(i)",
        Keys(bucket_by="b"),
        r'^bucket_by="b": its type makes no buckets: date32\[day\]',
    ),
}


@pytest.mark.filterwarnings("ignore:query:cutlist.errors.QueryWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_makes_no_buckets(session: Session, name: str) -> None:
    query, keys, match = REFUSED[name]
    selection = session.compile(query)
    for each in (selection, Selection({**selection._header}, None, selection.packed())):
        with pytest.raises(OrderError, match=match):
            sidecar_of(each, keys)
    assert selection.path is not None
    assert [each.name for each in selection.path.parent.iterdir()] == [selection.path.name]


def test_refuses_weights_beyond_all_numbers(session: Session) -> None:
    selection = session.compile("SELECT i, 1e308::DOUBLE AS w FROM range(9) t(i)")
    with pytest.raises(OrderError, match=r'^weight_by="w": the weights add up to inf; expected a sum above 0$'):
        sidecar_of(selection, Keys(weight_by="w"))


@pytest.mark.parametrize("keys", [Keys(bucket_by="image"), Keys(weight_by="image"), Keys(cost_by="image")])
def test_refuses_media(tables: Session, keys: Keys) -> None:
    selection = tables.compile("SELECT image FROM t")
    with pytest.raises(OrderError, match=r'="image": a column of type media cannot be used for that$'):
        sidecar_of(selection, keys)


def test_refuses_late_columns(session: Session) -> None:
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(50 * 400, dtype=np.float32)), 400)
    session.store.append("w", pa.table({"id": range(50), "wide": wide}), message="test")
    selection = session.refresh().compile("SELECT id, wide FROM w")
    with pytest.raises(OrderError, match=r'^bucket_by="wide": a column of type FLOAT\[400\] cannot be used for that$'):
        sidecar_of(selection, Keys(bucket_by="wide"))


def test_refusals_of_costs_name_the_users_argument(session: Session) -> None:
    selection = bucketed(session)
    with pytest.raises(OrderError, match=r"^batch_budget"):
        make_order({ONLY: selection}, {ONLY: Batching(batch_budget=("tokens", 10))}, Rules())


def test_fragments_of_the_type(session: Session) -> None:
    """`FragmentsOf` is what tells fragments: not asked where there are none to tell."""
    asked: list[Source] = []

    def fragments_of(source: Source, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        asked.append(source)
        return np.zeros(len(row_ids), dtype=np.int64)

    tell: FragmentsOf = fragments_of
    references = media([None] * 6)
    columns = {"m": references, "b": pa.array(list("xyxyxy"))}
    selection = selection_of(columns, sources=VIDEOS)
    found = arrays(sidecar_of(selection, Keys(bucket_by="b", fragments=True), fragments_of=tell))
    assert found == expected(list("xyxyxy"), fragments=[(-1, 0)] * 6)
    assert asked == []
