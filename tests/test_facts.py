"""What the metadata of a table say of its columns, against its values.

- A column that is said to have no NULL has none, whatever was done to the table, in whatever order; where nothing but
  appends of whole rows was done and there is no NULL, it is said.
- Sizes are about right, and kinds of indexes are those that were made.
- `take` gives the value of each row id in order, repeated as asked for, and NULL for NULL; a row that is gone is named.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import cutlist
from cutlist.errors import CatalogError, MediaError
from cutlist.store import Blobs, Store, Table, blob_array, blob_field, is_blob, make_index

KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "i": (pa.int64(), [0, -1, 2**40]),
    "u8": (pa.uint8(), [0, 255]),
    "same": (pa.int32(), [7]),
    "f": (pa.float32(), [0.5, float("nan"), -0.0]),
    "flag": (pa.bool_(), [True, False]),
    "word": (pa.string(), ["", "a", "long " * 50]),
    "large": (pa.large_string(), ["b", ""]),
    "data": (pa.binary(), [b"", b"\x00"]),
    "code": (pa.dictionary(pa.int32(), pa.string()), ["x", "y"]),
    "day": (pa.timestamp("us", tz="UTC"), [0, 10**15]),
    "price": (pa.decimal128(9, 2), [1, 2]),
    "l": (pa.list_(pa.int32()), [[], [1], [None], [1, None, 3]]),
    "ll": (pa.list_(pa.list_(pa.string())), [[], [[]], [None], [["a"], []]]),
    "vector": (pa.list_(pa.float32(), 4), [[1, 2, 3, 4], [0, 0, 0, 0]]),
    "holed": (pa.list_(pa.float32(), 2), [[1, None], [None, None], [1, 2]]),
    "s": (pa.struct([("x", pa.int32()), ("y", pa.string())]), [{"x": 1, "y": "a"}, {"x": None, "y": None}]),
    "sl": (pa.list_(pa.struct([("x", pa.float64())])), [[], [{"x": 1.0}], [{"x": None}]]),
    "half": (pa.float16(), [np.float16(1)]),
    "fixed": (pa.binary(3), [b"abc"]),
}
"""Types of columns, and values of them that are no NULLs."""

UNSURE = {"l", "ll", "sl", "s"}
"""Kinds of which the files may not say that there is no NULL, though there is none: NULLs inside look like them."""

NULLS = st.sampled_from(["none", "none", "some", "all"])


def column(draw: st.DrawFn, name: str, count: int) -> tuple[pa.Field, pa.Array]:
    """Return a column of a kind, or of blobs, with NULLs nowhere, anywhere or everywhere."""
    nulls = draw(NULLS)

    def values(some: list[Any]) -> list[Any]:
        if nulls == "all":
            return [None] * count
        choice = st.sampled_from([*some, None] if nulls == "some" else some)
        return draw(st.lists(choice, min_size=count, max_size=count))

    if name == "image":
        return blob_field("image", "image"), blob_array(values([b"", b"x", b"y" * 5_000]))
    kind, some = KINDS[name]
    found = values(some)
    if pa.types.is_dictionary(kind):
        return pa.field(name, kind), pa.array(found, pa.string()).dictionary_encode()
    return pa.field(name, kind), pa.array(found, kind)


@st.composite
def rows(draw: st.DrawFn, names: list[str]) -> pa.Table:
    count = draw(st.integers(1, 6))
    fields, arrays = zip(*(column(draw, name, count) for name in names), strict=True)
    keys = pa.array(draw(st.lists(st.integers(0, 9), min_size=count, max_size=count, unique=True)), pa.int64())
    return pa.table([keys, *arrays], schema=pa.schema([pa.field("k", pa.int64()), *fields]))


def null_counts(table: Table) -> dict[str, int]:
    """Return how many rows of each column are NULL, from the values themselves."""
    found = {}
    for name in table.schema.names:
        if is_blob(table.schema.field(name)):
            ids = table.dataset.scanner(columns=["k"], with_row_id=True).to_table()["_rowid"].to_numpy()
            found[name] = sum(each is None for each in Blobs(table, name).read(ids.tolist()))
        else:
            found[name] = table.dataset.to_table(columns=[name])[name].null_count
    return found


def changes(draw: st.DrawFn, dataset: lance.LanceDataset, names: list[str], step: int) -> str:
    """Change a table in one of the ways that Lance has; return which."""
    kind = draw(
        st.sampled_from(
            ["append", "delete", "update", "merge", "add null", "add sql", "add some", "compact", "partial"]
        )
    )
    plain = [name for name in names if name != "image"]
    if kind == "append":
        lance.write_dataset(draw(rows(names)), dataset.uri, mode="append")
    elif kind == "delete":
        dataset.delete(f"k % 3 = {draw(st.integers(0, 2))}")
    elif kind == "update":
        dataset.update({"k": draw(st.sampled_from(["NULL", "k + 1"]))}, where=f"k > {draw(st.integers(0, 9))}")
    elif kind == "merge" and "image" not in names:
        merge = dataset.merge_insert("k").when_matched_update_all()
        (merge.when_not_matched_insert_all() if draw(st.booleans()) else merge).execute(draw(rows(names)))
    elif kind == "partial" and plain:
        name = draw(st.sampled_from(plain))
        dataset.merge_insert("k").when_matched_update_all().execute(draw(rows([name])))
    elif kind == "add null":
        dataset.add_columns(pa.field(f"new{step}", draw(st.sampled_from([pa.int64(), pa.list_(pa.float32(), 4)]))))
    elif kind == "add sql":
        dataset.add_columns({f"new{step}": draw(st.sampled_from(["k", "1", "CAST(NULL AS BIGINT)", "nullif(k, 3)"]))})
    elif kind == "add some":
        (field, values) = column(draw, draw(st.sampled_from(list(KINDS))), dataset.count_rows())
        schema = pa.schema([field.with_name(f"new{step}")])
        if dataset.count_rows():
            dataset.add_columns(pa.table([values], schema=schema).to_reader())
    elif kind == "compact":
        dataset.optimize.compact_files()
    return kind


def test_what_never_has_a_null_has_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("facts")
    numbers = iter(range(10**9))

    @settings(max_examples=60)
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from([*KINDS, "image", "image"]), min_size=1, max_size=4, unique=True))
        store = Store(root=str(folder / str(next(numbers))))
        fragments = [data.draw(rows(names)) for _ in range(data.draw(st.integers(1, 3)))]
        for each in fragments:
            table = store.append("t", each, message="test")
        counts = null_counts(table)
        has_none = {name for name, count in counts.items() if count == 0}
        assert table.never_null <= has_none
        sure = {name for name in has_none if name not in UNSURE}
        assert sure <= table.never_null

        done = []
        for step in range(data.draw(st.integers(0, 4))):

            @st.composite
            def change(draw: st.DrawFn, step: int = step) -> str:
                return changes(draw, lance.dataset(store.uri("t")), names, step)

            try:
                done.append(data.draw(change()))
            except (OSError, ValueError, NotImplementedError, RuntimeError) as error:
                event(f"refused by Lance: {str(error)[:60]}")  # of no concern here
            table = store.open("t")
            counts = null_counts(table)
            wrong = {name for name in table.never_null if counts[name]}
            assert not wrong, (wrong, done)
        event(f"says so of {len(table.never_null)} columns")

    agree()


@pytest.mark.parametrize("name", [*KINDS, "image"])
def test_a_column_without_nulls_is_known(tmp_path: Path, name: str) -> None:
    store = Store(root=str(tmp_path))
    for _ in range(2):
        if name == "image":
            part = pa.table([blob_array([b"x", b""])], schema=pa.schema([blob_field("image", "image")]))
        else:
            kind, some = KINDS[name]
            values = pa.array(some, pa.string()).dictionary_encode() if name == "code" else pa.array(some, kind)
            part = pa.table({name: values})
        table = store.append("t", part, message="test")
    assert table.never_null == {name} - UNSURE
    with_null = pa.table([part[name].combine_chunks().take(pa.array([0, None]))], schema=part.schema)
    assert store.append("t", with_null, message="test").never_null == frozenset()


def test_many_pages_of_which_one_has_a_null(tmp_path: Path) -> None:
    """The NULL is the last of a million values."""
    store = Store(root=str(tmp_path))
    count = 1_000_000
    values = pa.array(np.arange(count))
    holed = pa.concat_arrays([values.slice(0, count - 1), pa.array([None], pa.int64())])
    table = store.append("t", pa.table({"full": values, "holed": holed}), message="test")
    assert table.never_null == {"full"}


def test_an_empty_table_and_one_without_rows_left(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.append("t", pa.table({"a": pa.array([], pa.int64())}), message="test")
    with cutlist.connect(tmp_path) as session:
        assert session.sql("SELECT a FROM t WHERE a IS NULL").fetchall() == []
    store.append("t", pa.table({"a": [None, 1]}), message="test")
    lance.dataset(store.uri("t")).delete("true")
    table = store.open("t")
    assert table.mean_bytes["a"] == 8
    assert null_counts_are_zero(table)


def null_counts_are_zero(table: Table) -> bool:
    return all(table.dataset.to_table()[name].null_count == 0 for name in table.never_null)


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_sizes_are_about_right(tmp_path: Path) -> None:
    """Text that cannot be compressed; of fixed widths the sizes are exact."""
    count = 400
    texts = [random.Random(i).randbytes(1500) for i in range(count)]
    rows = pa.table(
        {
            "i": pa.array(range(count), pa.int32()),
            "flag": [True] * count,
            "vector": pa.array([[1.0] * 300] * count, pa.list_(pa.float32(), 300)),
            "matrix": pa.array([[[1.0] * 4] * 3] * count, pa.list_(pa.list_(pa.float64(), 4), 3)),
            "data": texts,
            "hex": [each.hex() for each in texts],
            "half": [each if i % 2 else None for i, each in enumerate(texts)],
            "list": pa.array([list(np.frombuffer(each[:1200], np.int32)) for each in texts], pa.list_(pa.int32())),
            "s": [{"x": i, "data": each} for i, each in enumerate(texts)],
            "short": [f"{i}" for i in range(count)],
        }
    )
    table = Store(root=str(tmp_path)).append("t", rows, message="test")
    sizes = dict(table.mean_bytes)
    assert {name: sizes[name] for name in ("i", "vector", "matrix", "flag")} == {
        "i": 4,
        "vector": 1200,
        "matrix": 96,
        "flag": 1 / 8,
    }
    for name, size in {"data": 1500, "half": 750, "list": 1200, "s": 1508}.items():
        assert 0.8 * size < sizes[name] < 1.3 * size, name
    assert 1400 < sizes["hex"] < 3200
    assert sizes["short"] < 40
    assert set(sizes) == set(table.schema.names)


def test_sizes_after_columns_are_dropped_and_rows_deleted(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    rows = pa.table({"a": range(100), "b": [random.Random(i).randbytes(2000) for i in range(100)], "c": ["x"] * 100})
    store.append("t", rows, message="test")
    dataset = lance.dataset(store.uri("t"))
    dataset.drop_columns(["a"])
    dataset.delete("c = 'y'")
    dataset.add_columns({"d": "c"})
    sizes = store.open("t").mean_bytes
    assert set(sizes) == {"b", "c", "d"}
    assert 1600 < sizes["b"] < 2600


# -- indexes ----------------------------------------------------------------------------------------------------------


def test_indexes_are_those_that_were_made(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    rows = pa.table(
        {"id": range(300), "word": [f"w{i % 9}" for i in range(300)], "flag": [True] * 300, "tags": [["a"]] * 300}
    )
    table = store.append("t", rows, message="test")
    assert table.indexes == {}
    made = {"id": None, "word": "bitmap", "flag": None, "tags": None}
    kinds = {"id": "BTREE", "word": "BITMAP", "flag": "BITMAP", "tags": "LABEL_LIST"}
    assert {name: make_index(table, name, kind) for name, kind in made.items()} == kinds
    assert table.indexes == {}  # its version has none
    assert {name: found for name, found in store.open("t").indexes.items() if name != "tags"} == {
        name: {kind} for name, kind in kinds.items() if name != "tags"
    }
    assert make_index(store.open("t"), "word", "NGRAM") == "NGRAM"
    assert store.open("t").indexes["word"] >= {"NGRAM"}
    with pytest.raises(
        CatalogError, match=r'table t has no column "wrod"; did you mean "word"\? It has: flag, id, tags'
    ):
        make_index(table, "wrod")
    with pytest.raises(CatalogError, match=r'no index of kind "IVF".* There are BTREE, BITMAP, LABEL_LIST'):
        make_index(table, "id", "IVF")


def test_an_index_of_lists_is_found(tmp_path: Path) -> None:
    rows = pa.table({"id": range(300), "tags": [["a" if i % 100 == 0 else "b"] for i in range(300)]})
    Store(root=str(tmp_path)).append("t", rows, message="test")
    with cutlist.connect(tmp_path) as session:
        assert session.index("t", "tags") == "LABEL_LIST"
        assert session.tables["t"].indexes == {"tags": {"LABEL_LIST"}}
        (scan,) = session.explain("SELECT id FROM t WHERE list_contains(tags, 'a')").scans
        assert any("tags" in each for each in scan.filters)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: pa.array([[1.0, 2.0]] * 50, pa.list_(pa.float32(), 2)), "BTREE"),
        (lambda: pa.array([{"x": 1}] * 50), "BTREE"),
        (lambda: pa.array(range(50)), "NGRAM"),
        (lambda: pa.array(range(50)), "LABEL_LIST"),
    ],
)
def test_an_index_that_lance_does_not_have(tmp_path: Path, make: Callable[[], pa.Array], kind: str) -> None:
    table = Store(root=str(tmp_path)).append("t", pa.table({"a": make()}), message="test")
    with pytest.raises(CatalogError, match=rf"cannot index t\.a \(.*\) by {kind}: .*; there are BTREE, BITMAP"):
        make_index(table, "a", kind)


# -- take -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Ten rows in three fragments; those with `k` 4 and 5 are deleted, and row ids are not `k`."""
    store = Store(root=str(tmp_path_factory.mktemp("take")))
    for ks in ([9, 8, 7], [6, 5, 4, 3], [2, 1, 0]):
        store.append(
            "t",
            pa.table(
                {
                    "k": ks,
                    "v": pa.array([None if k == 8 else [float(k)] * 3 for k in ks], pa.list_(pa.float32(), 3)),
                    "word": [None if k == 2 else f"w{k}" for k in ks],
                    "s": [None if k == 1 else {"x": k} for k in ks],
                    "l": pa.array([None if k == 7 else [k] * (k % 3) for k in ks], pa.list_(pa.int64())),
                    "code": pa.array([f"c{k % 2}" for k in ks]).dictionary_encode(),
                }
            ),
            message="test",
        )
    lance.dataset(store.uri("t")).delete("k IN (4, 5)")
    return store.open("t")


THERE = (0, 1, 2, 3, 6, 7, 8, 9)


@given(wanted=st.lists(st.none() | st.sampled_from(THERE), max_size=12))
@pytest.mark.parametrize("name", ["k", "v", "word", "s", "l", "code"])
def test_take_gives_each_in_order(taken: Table, name: str, wanted: list[int | None]) -> None:
    rows = taken.dataset.scanner(columns=[name], with_row_id=True).to_table().to_pylist()
    values = {row["_rowid"]: row[name] for row in rows}
    found = taken.take(name, pa.array(wanted, pa.uint64()))
    assert found.to_pylist() == [None if row is None else values[row] for row in wanted]
    assert found.type == taken.schema.field(name).type


@pytest.mark.parametrize("wanted", [[4], [0, 5, None], [100], [2**40]])
def test_take_names_a_row_that_is_gone(taken: Table, wanted: list[int | None]) -> None:
    gone = next(each for each in wanted if each not in (None, 0))
    with pytest.raises(MediaError, match=rf"t@4.*{gone}"):
        taken.take("k", pa.array(wanted, pa.uint64()))
