"""What stands below the prompt, and that finding it out is in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

import cutlist
from cutlist.backfill import Batch, featurizer
from cutlist.shell.toolbar import Toolbar
from cutlist.store import Store

if TYPE_CHECKING:
    from cutlist import Session


@featurizer(inputs="a", outputs=[pa.field("twice", pa.int64())], version=1)
def twice(batch: Batch) -> list[int]:
    return [2 * each for each in batch["a"]]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    table = pa.table({"a": np.arange(2000), "g": np.arange(2000) % 3})
    Store(root=str(tmp_path / "data"), create=True).append("t", table, message="rows")
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "few.sql").write_text("SELECT a, twice FROM t WHERE twice < 100")
    (tmp_path / "sql" / "groups.sql").write_text("SELECT g, sum(a) AS s FROM t GROUP BY g")
    with cutlist.connect(tmp_path / "data", views=tmp_path / "sql") as opened:
        opened.backfill("t", twice, where="a < 500", progress=False)
        yield opened


def told(session: Session, query: str, num_rows: int | None = None) -> str:
    toolbar = Toolbar()
    toolbar.look(session, query, num_rows)
    toolbar.wait()
    return "".join(text for _, text, *_ in toolbar.text(session))


@pytest.mark.parametrize(
    ("query", "num_rows", "said"),
    [
        ("SELECT a FROM t WHERE a < 500", None, "500 rows  of 2,000 t (25%)"),
        ("SELECT a FROM t WHERE a < 500", 500, "500 rows  of 2,000 t (25%)"),
        ("few", None, "50 rows  of 2,000 t (2%)  twice 25%"),
        ("SELECT a FROM few", 50, "50 rows  of 2,000 t (2%)  twice 25%"),
        ("SELECT count(*) AS n, max(a) FROM t", 1, "1 row"),
        ("SELECT sum(twice) FROM t", 1, "1 row  twice 25%"),
        ("groups", None, "3 rows"),
        ("SELECT DISTINCT g FROM t", None, "3 rows"),
        ("SELECT one.a FROM t AS one JOIN t AS other USING (g)", None, "1,333,334 rows"),
        ("SHOW TABLES", 3, "3 rows"),
        ("FROM range(7)", None, "7 rows"),
        ("SELECT nope", None, ""),
    ],
)
def test_rows_their_share_and_the_coverage_of_features(
    session: Session, query: str, num_rows: int | None, said: str
) -> None:
    version = session.tables["t"].version
    ending = f"  │ {said}" if said else ""
    assert told(session, query, num_rows).endswith(f"data  t@{version}{ending}")


def test_what_is_typed_next_stops_it(session: Session) -> None:
    began = threading.Event()
    toolbar = Toolbar(began.set)
    toolbar.look(session, "SELECT sum(x.range * y.range) FROM range(10000000) AS x, range(100000) AS y", 1)
    assert began.wait(60)
    toolbar.look(
        session, "SELECT * FROM range(10000000) AS x, range(100000) AS y WHERE sin(x.range * y.range) > 2", None
    )
    toolbar.stop(session, wait=True)
    assert toolbar.said == ()
    assert session.sql("SELECT 1").fetchall() == [(1,)]


def test_many_tables_are_counted(tmp_path: Path) -> None:
    for number in range(8):
        Store(root=str(tmp_path / "data"), create=True).append(f"t{number}", pa.table({"a": [1]}), message="rows")
    with cutlist.connect(tmp_path / "data") as session:
        text = "".join(text for _, text, *_ in Toolbar().text(session))
    assert text.endswith("t5@1  … 8 tables")
