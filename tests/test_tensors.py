"""Columns of float16 tensors, which DuckDB cannot hold: SQL carries references, and a training step gets arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import cutlist
from cutlist.errors import MediaError, QueryError
from cutlist.reader import Reader
from cutlist.store import Store
from cutlist_torch import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from cutlist import Session

NUM_ROWS = 12
VALUES = np.arange(NUM_ROWS * 24, dtype=np.float16).reshape(NUM_ROWS, 2, 3, 4)


def fixed(values: NDArray[Any], holes: tuple[int, ...] = ()) -> pa.Array:
    """Return fixed-size lists in fixed-size lists, as deep as the values; the rows in `holes` are NULL."""
    array = pa.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    mask = pa.array([k in holes for k in range(len(values))])
    return pa.FixedSizeListArray.from_arrays(array.values, array.type.list_size, mask=mask) if holes else array


def table() -> pa.Table:
    flat = fixed(VALUES.reshape(NUM_ROWS, 24))
    return pa.table(
        {
            "id": pa.array(range(NUM_ROWS)),
            "latent": pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float16(), (2, 3, 4)), flat),
            "nested": fixed(VALUES.reshape(NUM_ROWS, 4, 6)),
            "holes": fixed(VALUES.reshape(NUM_ROWS, 24), holes=(1, 5)),
            "ragged": pa.array([VALUES[k].reshape(-1)[:k] for k in range(NUM_ROWS)], pa.list_(pa.float16())),
            "half": pa.array(VALUES[:, 0, 0, 0]),
        }
    )


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    store = Store(root=str(tmp_path))
    store.append("t", table().slice(0, 7), message="test")
    store.append("t", table().slice(7), message="test")
    with cutlist.connect(tmp_path) as opened:
        yield opened


def rows(session: Session, query: str) -> list[dict[str, Any]]:
    selection = session.compile(query)
    return [row for rows in Reader([selection], session.store).read([[(0, np.arange(len(selection)))]]) for row in rows]


def test_every_value_comes_with_its_shape(session: Session) -> None:
    for row in rows(session, "SELECT * FROM t ORDER BY id"):
        number = row["id"]
        assert set(row) == {"id", "latent", "nested", "holes", "ragged"}
        for name, shape in (("latent", (2, 3, 4)), ("nested", (4, 6)), ("holes", (24,))):
            if name == "holes" and number in (1, 5):
                assert row[name] is None
                continue
            assert (row[name].dtype, row[name].shape) == (np.float16, shape)
            assert np.array_equal(row[name].reshape(-1), VALUES[number].reshape(-1))
        assert row["ragged"].tolist() == VALUES[number].reshape(-1)[:number].tolist()


def test_any_sql_carries_them(session: Session) -> None:
    query = (
        "SELECT a.id, arg_max(b.latent, b.id) AS last, count(b.holes) AS n, [max(a.nested)] AS l FROM t a "
        "JOIN t b ON b.id < a.id AND b.holes IS NOT NULL GROUP BY a.id HAVING a.id > 5 ORDER BY a.id"
    )
    for row in rows(session, query):
        last = row["id"] - 1 if row["id"] != 6 else 4
        assert np.array_equal(row["last"], VALUES[last])
        assert row["n"] == len([k for k in range(row["id"]) if k not in (1, 5)])
        assert np.array_equal(row["l"][0].reshape(-1), VALUES[row["id"]].reshape(-1))
    ((count,),) = session.sql("SELECT count(*) FROM t WHERE holes IS NULL AND latent IS NOT NULL").fetchall()
    assert count == 2


def test_compiling_scans_no_column_without_null(session: Session) -> None:
    explained = session.explain("SELECT latent, holes FROM t WHERE id > 3")
    (scan,) = explained.scans
    assert "latent" not in scan.columns
    assert [(each.name, each.read) for each in explained.columns] == [("latent", "later"), ("holes", "later")]


def test_no_operation_fits_and_a_number_alone_stays_hidden(session: Session) -> None:
    with pytest.raises(MediaError, match=r"t@2, row id 0, column latent \(as x\): resize\(8, 8\): this is a tensor"):
        rows(session, "SELECT resize(latent, 8, 8) AS x FROM t WHERE id = 0")
    with pytest.raises(QueryError, match="column half has the type halffloat, which SQL cannot hold"):
        session.compile("SELECT half FROM t")


def test_batches_of_them(session: Session, tmp_path: Path) -> None:
    loader = Loader("SELECT latent, id FROM t", root=tmp_path, batch_size=4, shuffle=None)
    for batch in loader:
        assert [each.dtype for each in batch["latent"]] == [torch.float16] * 4
        for number, each in zip(batch["id"].tolist(), batch["latent"], strict=True):
            assert np.array_equal(each.numpy(), VALUES[number])
