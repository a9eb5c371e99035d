"""Late columns from the table to the batch.

- `Loader("SELECT id, embedding, doc …")` gives, in whatever order batches come and with any number of workers, exactly
  the values that are in the table at the pinned version, NULL where a join finds no row.
- The container of a column is that of the design (§8) for the whole run: a list with None where there is any NULL, else
  a tensor for numbers and ARRAYs of them.
- What happens to the table later changes nothing; bytes that are read are counted.
"""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from tests.tables import fixed_lists
from torch.utils.data import DataLoader

import cutlist
from cutlist.errors import MediaError
from cutlist.store import Store, blob_array, blob_field
from cutlist_torch import Batch, Loader

NUM_ROWS = 48
WIDTH = 300


def floats(values: NDArray[np.float64]) -> list[float]:
    """Return numbers as a FLOAT column gives them back."""
    return [float(each) for each in values.astype(np.float32)]


def vector(i: int) -> list[float] | None:
    """Return an embedding; NULL in every seventh row."""
    return None if i % 7 == 3 else floats(np.sin(np.arange(WIDTH) + i))


def full(i: int) -> list[float]:
    return floats(np.cos(np.arange(WIDTH) * (i + 1)))


def document(i: int) -> str | None:
    """Return text of 1,000 to 5,000 characters in Lance, some of two bytes; NULL in every fifth row."""
    return None if i % 5 == 4 else f"É {i} " + random.Random(i).randbytes(500 + 40 * i).hex()


def many(i: int) -> list[float]:
    """Return numbers that cannot be compressed, as sizes are those on disk."""
    return [random.Random(1000 * i + k).random() for k in range(300 + i)]


def write(root: Path) -> Store:
    """Write `t` in four fragments."""
    store = Store(root=str(root))
    for part in range(4):
        ids = list(range(part * 12, part * 12 + 12))
        rows = pa.table(
            {
                "id": ids,
                "embedding": fixed_lists([vector(i) for i in ids], WIDTH),
                "dense": fixed_lists([full(i) for i in ids], WIDTH),
                "doc": [document(i) for i in ids],
                "data": [random.Random(i).randbytes(2000) for i in ids],
                "many": pa.array([many(i) for i in ids], pa.list_(pa.float64())),
                "pair": [{"x": i, "text": random.Random(i).randbytes(1000).hex()} for i in ids],
            }
        ).append_column(blob_field("image", "image"), blob_array([f"image {i}".encode() for i in ids]))
        store.append("t", rows, message="test")
    return store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write(folder)
    return folder


def late(loader: Loader) -> set[str]:
    return {column.name for column in loader.selection.columns if column.late is not None}


def check(batches: list[Batch], num_samples: int = NUM_ROWS) -> None:
    """Assert that every sample is there once, with the values of its row."""
    seen = []
    for batch in batches:
        seen += batch["id"].tolist()
        for place, i in enumerate(batch["id"].tolist()):
            expected = vector(i)
            got = batch["embedding"][place]
            assert (got is None) == (expected is None)
            assert expected is None or list(got) == expected
            assert batch["doc"][place] == document(i)
            assert batch["dense"][place].tolist() == full(i)
            assert batch["m"][place] == f"image {i}".encode()
    assert sorted(seen) == list(range(num_samples))


QUERY = "SELECT id, embedding, doc, dense, raw(image) AS m FROM t"


@pytest.mark.parametrize("batch_size", [1, 8, 48])
def test_values_are_those_of_the_rows(root: Path, batch_size: int) -> None:
    loader = Loader(QUERY, root=root, batch_size=batch_size, seed=3)
    assert late(loader) == {"embedding", "doc", "dense"}
    first, second = list(loader), list(loader)
    check(first)
    check(second)
    order = [[batch["id"].tolist() for batch in batches] for batches in (first, second)]
    assert order[0] != order[1]


def test_values_are_the_same_when_they_are_read_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no column wide, the selection has the values."""
    query = QUERY.replace("id,", "id, data, many, pair,")
    loader = Loader(query, root=root, batch_size=8)
    assert late(loader) == {"embedding", "doc", "dense", "data", "many", "pair"}
    monkeypatch.setattr("cutlist.compiler.rules.WIDE_BYTES", float("inf"))
    now = Loader(f"{query} WHERE true", root=root, batch_size=8)
    assert late(now) == set()
    for one, other in zip(loader, now, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert type(one[name]) is type(other[name]), name
            if isinstance(one[name], torch.Tensor):
                assert one[name].dtype == other[name].dtype
                assert torch.equal(one[name], other[name])
            else:
                assert repr(one[name]) == repr(other[name])


def test_containers_are_those_of_the_design(root: Path) -> None:
    loader = Loader("SELECT id, embedding, dense, doc, data, many, pair FROM t", root=root, batch_size=4)
    for batch in loader:
        assert batch["dense"].dtype == torch.float32
        assert batch["dense"].shape == (4, WIDTH)
        for name in ("embedding", "doc", "data", "many", "pair"):
            assert isinstance(batch[name], list), name
        assert all(each is None or len(each) == WIDTH for each in batch["embedding"])
        assert batch["data"] == [random.Random(i).randbytes(2000) for i in batch["id"].tolist()]
        assert batch["many"] == [many(i) for i in batch["id"].tolist()]
        assert [each["x"] for each in batch["pair"]] == batch["id"].tolist()


def test_without_nulls_it_is_a_tensor(root: Path) -> None:
    """The table's column has NULLs, the query's rows have none."""
    loader = Loader("SELECT id, embedding AS e FROM t WHERE id % 7 <> 3 AND id < 28", root=root, batch_size=6)
    assert late(loader) == {"e"}
    for batch in loader:
        assert batch["e"].shape == (6, WIDTH)
        assert batch["e"].tolist() == [vector(i) for i in batch["id"].tolist()]


def test_where_a_join_finds_no_row_it_is_none(root: Path) -> None:
    """The last batches of the selection's order have nothing but NULL."""
    query = "SELECT i, t.dense, t.doc FROM range(80) AS r(i) LEFT JOIN t ON t.id = r.i ORDER BY i"
    for shuffle in (None, "full"):
        loader = Loader(query, root=root, batch_size=8, shuffle=shuffle)
        assert late(loader) == {"dense", "doc"}
        seen = 0
        for batch in loader:
            assert isinstance(batch["dense"], list)
            for i, dense, doc in zip(batch["i"].tolist(), batch["dense"], batch["doc"], strict=True):
                assert dense is None if i >= NUM_ROWS else list(dense) == full(i)
                assert doc == (None if i >= NUM_ROWS else document(i))
                seen += 1
        assert seen == 80


def test_rows_that_repeat_and_two_sources_of_one_column(root: Path) -> None:
    query = """SELECT a.id, a.dense AS mine, b.dense AS other FROM t AS a JOIN t AS b ON b.id = a.id // 8"""
    loader = Loader(query, root=root, batch_size=16)
    assert late(loader) == {"mine", "other"}
    for batch in loader:
        assert batch["mine"].tolist() == [full(i) for i in batch["id"].tolist()]
        assert batch["other"].tolist() == [full(i // 8) for i in batch["id"].tolist()]


@pytest.mark.parametrize("num_workers", [2])
def test_workers_have_the_same_batches(root: Path, num_workers: int) -> None:
    loader = Loader(QUERY, root=root, batch_size=8)
    expected = list(loader)
    loader.set_epoch(0)
    got: list[Batch] = list(
        DataLoader(loader, batch_size=None, num_workers=num_workers, multiprocessing_context="spawn")
    )
    check(got)
    assert [(each.epoch, each.step, each["id"].tolist()) for each in got] == [
        (each.epoch, each.step, each["id"].tolist()) for each in expected
    ]


def test_later_versions_change_nothing(tmp_path: Path) -> None:
    """Deletes, updates, compaction, a column that is dropped, and clean-up: the pinned version is still read."""
    store = write(tmp_path)
    loader = Loader(QUERY, root=tmp_path, batch_size=8)
    assert loader.selection.path is not None
    dataset = lance.dataset(store.uri("t"))
    dataset.delete("id % 4 = 1")
    dataset.update({"doc": "'another text'"}, where="id < 20")
    dataset.optimize.compact_files()
    dataset.drop_columns(["embedding"])
    dataset.cleanup_old_versions(older_than=dt.timedelta(0), error_if_tagged_old_versions=False)
    check(list(loader))
    check(list(Loader(loader.selection, root=tmp_path, batch_size=6)))
    check(list(Loader(loader.selection.path, batch_size=12)))


def test_after_deletes_and_compaction_the_rows_are_right(tmp_path: Path) -> None:
    """Row ids that are stable are places no more."""
    store = write(tmp_path)
    dataset = lance.dataset(store.uri("t"))
    dataset.delete("id % 4 = 1")
    dataset.update({"doc": "doc || '!'"}, where="id >= 40")
    dataset.optimize.compact_files()
    loader = Loader("SELECT id, dense, doc FROM t", root=tmp_path, batch_size=6)
    assert late(loader) == {"dense", "doc"}
    seen = []
    for batch in loader:
        ids = batch["id"].tolist()
        seen += ids
        assert batch["dense"].tolist() == [full(i) for i in ids]
        texts = [document(i) for i in ids]
        assert batch["doc"] == [
            None if text is None else text + "!" * (i >= 40) for i, text in zip(ids, texts, strict=True)
        ]
    assert sorted(seen) == [i for i in range(NUM_ROWS) if i % 4 != 1]


def test_bytes_are_counted(root: Path) -> None:
    loader = Loader("SELECT id, dense FROM t", root=root, batch_size=8)
    list(loader)
    assert 1 <= loader.stats.num_bytes / (NUM_ROWS * WIDTH * 4) < 1.01  # and a few for where NULLs are
    assert loader.stats.num_reads == 6
    assert loader.stats.num_samples == NUM_ROWS
    assert loader.stats.read_seconds > 0


def test_resumed_in_the_middle(root: Path) -> None:
    loader = Loader(QUERY, root=root, batch_size=8)
    batches = iter(loader)
    first = [next(batches) for _ in range(2)]
    other = Loader(QUERY, root=root, batch_size=8)
    other.load_state_dict(loader.state_dict())
    check([*first, *other])


def test_processors_have_the_values(root: Path) -> None:
    def norm(row: dict[str, Any]) -> dict[str, Any]:
        return {"id": row["id"], "sum": float(row["dense"].sum()), "length": len(row["doc"] or "")}

    for batch in Loader("SELECT id, dense, doc FROM t", root=root, batch_size=8, processors=[norm]):
        assert batch["length"].tolist() == [len(document(i) or "") for i in batch["id"].tolist()]
        sums = [float(np.array(full(i), np.float32).sum()) for i in batch["id"].tolist()]
        assert batch["sum"].tolist() == pytest.approx(sums)


def test_a_version_that_is_gone_says_so(tmp_path: Path) -> None:
    store = write(tmp_path)
    loader = Loader("SELECT id, dense FROM t", root=tmp_path, batch_size=8)
    dataset = lance.dataset(store.uri("t"))
    dataset.tags.delete(f"cutlist-v{dataset.version}")
    dataset.delete("id = 0")
    dataset.cleanup_old_versions(older_than=dt.timedelta(0))
    with pytest.raises((MediaError, cutlist.CutlistError), match=r"version 4 of table t no longer exists .*compile"):
        list(loader)


def test_a_null_inside_an_array(tmp_path: Path) -> None:
    """One number of one embedding is NULL: that counts as a NULL of the column (§8)."""
    values = [full(i) for i in range(8)]
    values[5][7] = None  # type: ignore[call-overload]
    rows = pa.table({"id": range(8), "v": pa.array(values, pa.list_(pa.float32(), WIDTH))})
    Store(root=str(tmp_path)).append("t", rows, message="test")
    with cutlist.connect(tmp_path) as session:
        assert session.sql("SELECT count(*) FROM t WHERE v[8] IS NULL").fetchall() == [(1,)]
    for query in ("SELECT id, v FROM t", "SELECT id, v FROM t WHERE v IS NOT NULL"):
        loader = Loader(query, root=tmp_path, batch_size=2)
        for batch in loader:
            assert isinstance(batch["v"], list)
            assert [list(each) for each in batch["v"]] == [values[i] for i in batch["id"].tolist()]


@pytest.mark.parametrize("shape", [(20, 20), (2, 3, 100)])
def test_tensors_of_a_fixed_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """`arrow.fixed_shape_tensor` is an ARRAY to SQL; late or not, a batch of it is one tensor."""
    size = int(np.prod(shape))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6 * size, dtype=np.float32)), size)
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), shape), storage)
    Store(root=str(tmp_path)).append("t", pa.table({"id": range(6), "v": tensors}), message="test")
    containers = []
    for query in ("SELECT id, v FROM t", "SELECT id, v FROM t WHERE v[1] >= 0"):
        for batch in Loader(query, root=tmp_path, batch_size=3):
            containers.append(type(batch["v"]))
            for place, i in enumerate(batch["id"].tolist()):
                assert np.asarray(batch["v"][place]).reshape(-1).tolist() == list(range(i * size, (i + 1) * size))
    assert set(containers) == {torch.Tensor}


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.large_binary(), pa.list_(pa.string()), pa.dictionary(pa.int32(), pa.string())]
)
def test_other_wide_types(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [random.Random(i).randbytes(1500).hex() for i in range(8)]
    values: list[Any] = list(texts)
    if kind == pa.large_binary():
        values = [each.encode() for each in texts]
    if pa.types.is_list(kind):
        values = [[each, None] for each in texts]
    column = pa.array(texts).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(values, kind)
    Store(root=str(tmp_path)).append("t", pa.table({"id": range(8), "v": column}), message="test")
    loader = Loader("SELECT id, v FROM t", root=tmp_path, batch_size=4)
    for batch in loader:
        assert batch["v"] == [values[i] for i in batch["id"].tolist()]
