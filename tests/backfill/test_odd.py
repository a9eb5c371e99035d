"""What goes wrong around a backfill: memory that is used again, columns that others touch, odd featurizers."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import filelock
import lance
import numpy as np
import pyarrow as pa
import pytest
from tests.backfill.tables import Red, append, reds, write_root

import cutlist
from cutlist.backfill import Batch, Featurizer, featurizer
from cutlist.errors import CatalogError, FeaturizerError
from cutlist.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cutlist import Session


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "data")


@pytest.fixture
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root) as opened:
        yield opened


def dataset(root: Path) -> Any:
    return lance.dataset(str(root / "t.lance"))


RED = {i: float(i) for i in range(30)}


@pytest.mark.parametrize("kind", ["numpy", "arrow"])
def test_memory_that_a_featurizer_uses_again(session: Session, kind: str) -> None:
    out = np.zeros(4, dtype=np.float32)

    @featurizer(inputs="id", outputs=pa.field("x", pa.float32()), batch_size=4)
    def reused(batch: Batch) -> Any:
        out[: len(batch["id"])] = batch["id"]
        part = out[: len(batch["id"])]
        return part if kind == "numpy" else pa.array(part)

    session.backfill("t", reused)
    assert reds(session, "x") == RED


def test_a_column_that_was_dropped_by_hand_is_computed_again(root: Path, session: Session) -> None:
    session.backfill("t", Red())
    dataset(root).drop_columns(["red"])
    assert session.backfill("t", Red()).num_computed == 30
    assert reds(session) == RED


def test_a_row_without_its_input_loses_its_value(root: Path, session: Session) -> None:
    @featurizer(inputs="caption", outputs=pa.field("length", pa.int32()))
    def length(batch: Batch) -> list[int]:
        return [len(each) for each in batch["caption"]]

    session.backfill("t", length)
    dataset(root).update({"caption": "NULL"}, where="id = 3")
    report = session.backfill("t", length)
    assert (report.num_computed, report.num_before, report.num_skipped) == (0, 29, 1)
    assert reds(session, "length")[3] is None
    assert session.status("t")[0].num_never == 1


def test_what_was_found_equal_does_not_make_later_features_stale(root: Path, session: Session) -> None:
    @featurizer(inputs="red", outputs=pa.field("double_red", pa.float64()))
    def double_red(batch: Batch) -> list[float]:
        return [2 * each for each in batch["red"]]

    session.backfill("t", Red())
    session.backfill("t", double_red)
    dataset(root).update({"other": "5"}, where="id < 12")
    assert session.backfill("t", Red()).num_computed == 0
    assert session.backfill("t", double_red).num_computed == 0


def test_times_keep_their_unit(session: Session) -> None:
    day = np.datetime64("1970-01-02", "ns")

    @featurizer(inputs="id", outputs=pa.field("day", pa.timestamp("us")))
    def days(batch: Batch) -> list[Any]:
        return [day for _ in batch["id"]]

    session.backfill("t", days)
    assert set(reds(session, "day").values()) == {datetime.datetime(1970, 1, 2)}


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.list_(pa.int32()), [1.5, 2.0], "1.5 is no whole number"),
        (pa.struct({"a": pa.int32()}), {"a": 1.5}, "1.5 is no whole number"),
        (pa.struct({"a": pa.int32()}), {"b": 1}, "no field b"),
        (pa.list_(pa.struct({"a": pa.int32()})), [{"a": 1}, {"a": np.float64(0.5)}], "0.5 is no whole number"),
    ],
)
def test_values_inside_of_lists_and_structs_are_checked(
    session: Session, kind: pa.DataType, value: Any, text: str
) -> None:
    @featurizer(inputs="id", outputs=pa.field("x", kind))
    def wrong(batch: Batch) -> list[Any]:
        return [value for _ in batch["id"]]

    with pytest.raises(FeaturizerError, match=text):
        session.backfill("t", wrong)


def test_a_table_without_stable_row_ids_is_refused(tmp_path: Path) -> None:
    lance.write_dataset(pa.table({"id": [1, 2]}), str(tmp_path / "t.lance"))

    @featurizer(inputs="id", outputs=pa.field("x", pa.int32()))
    def x(batch: Batch) -> list[int]:
        return list(batch["id"])

    with (
        cutlist.connect(tmp_path, views=tmp_path) as session,
        pytest.raises(FeaturizerError, match=r"table t has no stable row ids.*enable_stable_row_ids=True"),
    ):
        session.backfill("t", x)


def test_a_column_that_has_the_name_of_a_stamp(root: Path, session: Session) -> None:
    dataset(root).add_columns(pa.field("red_made_by", pa.int64()))
    with pytest.raises(FeaturizerError, match="makes a column red_made_by, and table t has one by another hand"):
        session.backfill("t", Red())
    assert session.status() == []

    @featurizer(inputs="id", outputs=pa.field("x_made_at", pa.int32()), name="x")
    def x(batch: Batch) -> list[int]:
        return list(batch["id"])

    with pytest.raises(FeaturizerError, match="output x_made_at: the table has its own column of that name"):
        session.backfill("t", x)


def test_a_device_that_breaks_in_the_middle_spoils_nothing(tmp_path: Path) -> None:
    root = write_root(tmp_path / "data", fragments=2, rows=60)
    with cutlist.connect(root, views=root) as session:
        with pytest.raises(FeaturizerError, match=r"failed on 35 rows of t in a row, which are left as they were"):
            session.backfill("t", Red(fails=range(41, 120)))
        assert [i for i, value in reds(session).items() if value is not None] == list(range(41))
        report = session.backfill("t", Red())
        assert (report.num_computed, report.num_failed_before) == (79, 0)


def test_an_older_version_is_refused_unless_it_is_wanted(session: Session) -> None:
    session.backfill("t", Red(version=2))
    with pytest.raises(FeaturizerError, match=r"red@1 is older than red@2, which was run over table t.*--again"):
        session.backfill("t", Red())
    assert session.backfill("t", Red(), again=True).num_computed == 30
    assert reds(session) == RED


def test_one_of_the_same_name_with_other_outputs_is_refused(session: Session) -> None:
    class Blue(Featurizer):
        name, version, inputs = "red", 2, "id"
        outputs = (pa.field("blue", pa.float32()),)

        def __call__(self, batch: Batch) -> Any:
            return [0.0 for _ in batch["id"]]

    session.backfill("t", Red())
    with pytest.raises(FeaturizerError, match="red@2 does not make red, red_squared, which red made in table t before"):
        session.backfill("t", Blue())


def test_inputs_of_another_table_are_refused(root: Path, session: Session) -> None:
    Store.at(root).append("k", pa.table({"x": [1]}), message="test")

    @featurizer(inputs="id + (SELECT max(x) FROM k) AS sum", outputs=pa.field("x", pa.int64()))
    def x(batch: Batch) -> list[int]:
        return list(batch["sum"])

    with pytest.raises(FeaturizerError, match="they read k, too; expected columns of t alone"):
        session.backfill("t", x)


def test_the_report_is_about_the_rows_that_were_meant(session: Session) -> None:
    session.backfill("t", Red())
    report = session.backfill("t", Red(), where="id < 0")
    assert (report.num_computed, report.num_before) == (0, 0)
    assert session.backfill("t", Red(), where="id < 7").num_before == 7


class Model(Featurizer):
    """One that keeps its model."""

    name = "model"
    inputs = "id"
    outputs = (pa.field("model_output", pa.int64()),)

    def setup(self, device: str) -> None:
        self.model = device

    def __call__(self, batch: Batch) -> list[int]:
        return [i + 1 for i in batch["id"]]


def test_one_that_keeps_its_model_is_refreshed_and_writes_no_version_for_nothing(root: Path, session: Session) -> None:
    model = Model()
    session.backfill("t", model)
    version = session.tables["t"].version
    session.backfill("t", model)
    assert session.tables["t"].version == version
    append(root, [30])
    assert session.sql("REFRESH COLUMN model_output ON t").pl()["num_computed"].to_list() == [1]


def test_one_that_cannot_be_imported_says_so_when_it_is_refreshed(session: Session) -> None:
    session.backfill("t", Red())

    @featurizer(inputs="id", outputs=pa.field("x", pa.int32()))
    def local(batch: Batch) -> list[int]:
        return list(batch["id"])

    session.backfill("t", local)
    with pytest.raises(FeaturizerError, match="x was made by the featurizer local, which cannot be imported"):
        session.sql("REFRESH COLUMN x ON t")


def test_a_setup_that_fails(session: Session) -> None:
    class Broken(Red):
        def setup(self, device: str) -> None:
            raise OSError("no such checkpoint")

    with pytest.raises(FeaturizerError, match="red@1 cannot be set up on cpu: OSError: no such checkpoint"):
        session.backfill("t", Broken())


def test_rubbish_among_what_was_kept(root: Path, session: Session) -> None:
    folder = root / "_backfills" / "t.red"
    folder.mkdir(parents=True)
    (folder / "a.arrows").write_bytes(b"rubbish")
    (folder / "b.arrows").mkdir()
    table = pa.table({"x": [1]})
    with pa.OSFile(str(folder / "c.arrows"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert session.backfill("t", Red()).num_computed == 30


def test_no_room_for_what_is_kept(root: Path, session: Session) -> None:
    (root / "_backfills").write_text("not a folder")
    with pytest.raises(CatalogError, match="cannot keep what is computed in "):
        session.backfill("t", Red())


def test_one_that_is_run_by_another_process(root: Path, session: Session) -> None:
    (root / "_backfills").mkdir()
    held = filelock.FileLock(root / "_backfills" / "t.red.lock")
    with held, pytest.raises(FeaturizerError, match="red is being run over table t by another process; wait until"):
        session.backfill("t", Red())
    assert session.backfill("t", Red()).num_computed == 30
