"""Backfill: only the rows that lack a feature or have it out of date, nothing twice, and no medium written."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from tests.backfill.tables import Red, append, media_files, picture, reds, row_ids, validate, write_root
from typer.testing import CliRunner

import cutlist
from cutlist import cli
from cutlist.backfill import Batch, Featurizer, featurizer
from cutlist.errors import CatalogError, FeaturizerError, QueryError
from cutlist.store import blob_array, blob_field

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


def expected(ids: range = range(30), version: int = 1) -> dict[int, float]:
    return {i: version * (i % 251) for i in ids}


def test_columns_are_added_and_nothing_else_changes(root: Path, session: Session) -> None:
    before, ids = media_files(root), row_ids(session)
    selection = session.compile("SELECT id, image FROM t WHERE id < 5")
    report = session.backfill("t", red := Red())
    assert str(report) == "t.red, red_squared by red@1: 30 computed"
    assert reds(session) == expected()
    assert reds(session, "red_squared") == {i: i * i for i in range(30)}
    assert set(red.calls.values()) == {1}
    assert media_files(root) == before
    assert row_ids(session) == ids
    validate(root)
    assert session.compile("SELECT id, image FROM t WHERE id < 5").num_samples == selection.num_samples
    assert [each.version for each in selection.tables] < [session.tables["t"].version]
    assert [*session.tables["t"].features] == ["red"]
    columns = [row[0] for row in session.sql("DESCRIBE t").fetchall()]
    assert columns == ["id", "caption", "other", "image", "red", "red_squared"]  # stamps are not seen


def test_a_second_run_computes_nothing(session: Session) -> None:
    session.backfill("t", Red())
    version = session.tables["t"].version
    report = session.backfill("t", red := Red())
    assert not red.calls
    assert str(report) == "t.red, red_squared by red@1: 0 computed; 30 were there"
    assert session.tables["t"].version == version  # and writes nothing


def test_only_new_rows_are_computed(root: Path, session: Session) -> None:
    session.backfill("t", Red())
    append(root, range(30, 37))
    assert session.backfill("t", red := Red()).num_computed == 7
    assert set(red.calls) == set(range(30, 37))
    assert reds(session) == expected(range(37))


def test_a_newer_version_computes_all_again(session: Session) -> None:
    session.backfill("t", Red())
    assert session.backfill("t", Red(version=2), where="id < 10").num_computed == 10
    (status,) = session.status("t")
    assert (status.featurizer, status.num_filled, status.num_stale) == ("red@2", 10, 20)
    assert reds(session) == expected() | expected(range(10), version=2)
    assert session.backfill("t", Red(version=2)).num_computed == 20
    assert reds(session) == expected(version=2)


def test_where_and_view_say_which_rows(root: Path, session: Session) -> None:
    (root / "late.sql").write_text("SELECT resize(image, 4, 4) AS picture FROM t WHERE id >= 8")
    with cutlist.connect(root, views=root) as other:
        assert other.backfill("t", Red(), where="id < 20", view="late").num_computed == 12
        assert {i for i, value in reds(other).items() if value is not None} == set(range(8, 20))
        (status,) = other.status("t")
        assert (status.num_filled, status.num_never) == (12, 18)
        with pytest.raises(QueryError, match=r"SELECT id FROM t: has no medium of table t.*select a media column of t"):
            other.backfill("t", Red(), view="SELECT id FROM t")
        with pytest.raises(QueryError, match=r"no column .*nope"):
            other.backfill("t", Red(), where="nope > 1")
        with pytest.raises(QueryError, match="where"):
            other.backfill("t", Red(), where="1 = 1) --")


def test_rows_whose_inputs_changed_are_computed_again(root: Path, session: Session) -> None:
    session.backfill("t", Red())
    dataset = lance.dataset(str(root / "t.lance"))
    dataset.update({"other": "5"}, where="id < 12")  # moves the rows and copies their media
    assert session.backfill("t", red := Red()).num_before == 30
    assert not red.calls
    assert session.status("t")[0].num_filled == 30
    changed = pa.table({"id": [3, 25], "caption": ["", ""], "other": [0, 0]})
    changed = changed.append_column(blob_field("image", "image"), blob_array([picture(103), picture(125)]))
    dataset = lance.dataset(str(root / "t.lance"))
    dataset.merge_insert("id").when_matched_update_all().execute(changed)
    assert session.refresh().status("t")[0].num_stale == 2
    report = session.backfill("t", red := Red())
    assert (report.num_computed, set(red.calls)) == (2, {3, 25})
    assert reds(session) == expected() | {3: 103, 25: 125}


def test_an_update_of_a_column_that_is_an_input(root: Path, session: Session) -> None:
    @featurizer(inputs="caption", outputs=pa.field("length", pa.int32()))
    def length(batch: Batch) -> list[int]:
        return [len(each) for each in batch["caption"]]

    session.backfill("t", length)
    lance.dataset(str(root / "t.lance")).update({"caption": "'long caption of ' || caption"}, where="id >= 28")
    report = session.backfill("t", length)
    assert (report.num_computed, report.num_before) == (2, 28)
    assert reds(session, "length")[29] == len("long caption of caption 29")


def test_where_the_version_that_was_read_is_gone_rows_that_were_written_since_are_stale(
    root: Path, session: Session
) -> None:
    session.backfill("t", Red())
    dataset = lance.dataset(str(root / "t.lance"))
    dataset.update({"other": "5"}, where="id = 4")
    dataset.optimize.compact_files()
    dataset.cleanup_old_versions(older_than=datetime.timedelta(0))
    assert session.backfill("t", red := Red()).num_computed == 1
    assert set(red.calls) == {4}
    assert reds(session) == expected()


def test_a_feature_of_a_feature_is_stale_when_that_is_made_anew(session: Session) -> None:
    @featurizer(inputs="red", outputs=pa.field("double_red", pa.float64()))
    def double_red(batch: Batch) -> list[float]:
        return [2 * each for each in batch["red"]]

    session.backfill("t", Red())
    assert session.backfill("t", double_red).num_computed == 30
    assert session.backfill("t", double_red).num_computed == 0
    session.backfill("t", Red(version=3), where="id < 6")
    assert [each.num_stale for each in session.status("t")] == [24, 6]
    assert session.backfill("t", double_red).num_computed == 6
    assert reds(session, "double_red") == {i: 2 * red for i, red in (expected() | expected(range(6), 3)).items()}


def test_media_that_cannot_be_decoded_are_failures_of_their_rows(tmp_path: Path) -> None:
    root = write_root(tmp_path / "data", broken=[3, 17], without=[5, 6])
    with cutlist.connect(root, views=root) as session:
        report = session.backfill("t", Red())
        assert str(report) == (
            "t.red, red_squared by red@1: 26 computed; 2 failed (SELECT row_id, message FROM _failures); "
            "2 have no input"
        )
        rows = session.sql('SELECT row_id, "column", stage FROM _failures ORDER BY 1').fetchall()
        assert rows == [(3, "image", "decode"), (17, "image", "decode")]
        again = session.backfill("t", red := Red())
        assert (again.num_computed, again.num_failed, again.num_failed_before, again.num_skipped) == (0, 0, 2, 2)
        assert not red.calls
        (status,) = session.status("t")
        assert (status.num_filled, status.num_failed, status.num_never) == (26, 2, 2)
        session.backfill("t", Red(version=2))
        assert session.status("t")[0].num_failed == 2


def test_a_featurizer_that_raises_fails_on_those_rows_alone_until_they_are_tried_again(session: Session) -> None:
    report = session.backfill("t", red := Red(fails=[2, 11]))
    assert (report.num_computed, report.num_failed) == (28, 2)
    assert reds(session) == expected() | {2: None, 11: None}
    rows = session.sql('SELECT row_id, "column", stage, error_type, message FROM _failures ORDER BY 1').fetchall()
    assert rows[0] == (2, "red", "featurizer", "ValueError", "no red in 2")
    assert len(rows) == 2
    report = session.backfill("t", red := Red(), errors_only=True)
    assert (report.num_computed, set(red.calls)) == (2, {2, 11})
    assert reds(session) == expected()
    assert session.backfill("t", Red(), errors_only=True).num_computed == 0


def test_a_failure_takes_the_old_value_with_it(session: Session) -> None:
    session.backfill("t", Red())
    session.backfill("t", Red(version=2, fails=[4]))
    assert reds(session) == expected(version=2) | {4: None}
    assert session.status("t")[0].num_failed == 1


def test_again_computes_what_is_there(session: Session) -> None:
    session.backfill("t", Red())
    report = session.backfill("t", red := Red(), again=True, where="id % 2 = 0")
    assert (report.num_computed, len(red.calls)) == (15, 15)


def test_a_featurizer_that_fails_on_everything_writes_nothing(tmp_path: Path) -> None:
    root = write_root(tmp_path / "data", fragments=2, rows=40)
    with cutlist.connect(root, views=root) as session:
        text = r"red@1 failed on 32 rows of t in a row, which are left as they were; the last: ValueError: no red in 31"
        with pytest.raises(FeaturizerError, match=text):
            session.backfill("t", Red(fails=range(80)))
        assert "_failures" not in session.tables
        assert session.backfill("t", Red()).num_computed == 80


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (lambda n: [1.0] * (n - 1), "values for a batch of"),
        (lambda n: ["x"] * n, "output wrong: 'x' for t@., row id 0, column wrong; expected float"),
        (lambda n: np.zeros((n, 2)), r"float64 \(2,\) for t@., row id 0"),
    ],
)
def test_a_wrong_result_ends_the_run_and_leaves_the_table_whole(
    root: Path, session: Session, result: Any, text: str
) -> None:
    @featurizer(inputs="id", outputs=pa.field("wrong", pa.float32()))
    def wrong(batch: Batch) -> Any:
        return result(len(batch["id"]))

    with pytest.raises(FeaturizerError, match=text):
        session.backfill("t", wrong)
    validate(root)
    assert set(reds(session, "wrong").values()) == {None}


def test_nan_is_a_failure_of_its_row(session: Session) -> None:
    @featurizer(inputs="id", outputs=pa.field("x", pa.float32()))
    def some(batch: Batch) -> Any:
        return np.where(np.array(batch["id"]) == 7, np.nan, 1.0)

    report = session.backfill("t", some)
    assert (report.num_computed, report.num_failed) == (29, 1)
    assert session.sql("SELECT message FROM _failures").fetchall() == [("NaN in x",)]


def test_vectors_lists_and_structs_are_columns(session: Session) -> None:
    class Many(Featurizer):
        name = "many"
        inputs = "id"
        parallel = True
        outputs = (
            pa.field("vector", pa.list_(pa.float32(), 3)),
            pa.field("spans", pa.list_(pa.struct({"start_seconds": pa.float64(), "stop_seconds": pa.float64()}))),
            pa.field("big", pa.uint64()),
        )

        def __call__(self, batch: Batch) -> dict[str, Any]:
            ids = np.array(batch["id"])
            spans = [[{"start_seconds": 0.0, "stop_seconds": float(i)}] * (i % 3) for i in batch["id"]]
            return {
                "vector": np.stack([ids, ids, ids], axis=1),
                "spans": spans,
                "big": [2**64 - 1 - i for i in batch["id"]],
            }

    session.backfill("t", Many())
    rows = session.sql("SELECT id, vector, len(spans), big FROM t ORDER BY id").fetchall()
    assert rows[5] == (5, (5.0, 5.0, 5.0), 2, 2**64 - 6)
    text = "SELECT count(*), max(s.stop_seconds) FROM t, UNNEST(spans) AS u(s)"
    assert session.sql(text).fetchall() == [(30, 29.0)]


def test_what_ingest_made_can_be_an_input(made: Any, tmp_path: Path) -> None:
    @featurizer(inputs="width, height", outputs=pa.field("num_pixels", pa.int64()))
    def num_pixels(batch: Batch) -> Any:
        return [width * height for width, height in zip(batch["width"], batch["height"], strict=True)]

    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as session:
        session.ingest(made.media / "images", table="t")
        assert session.tables["t"].version == 1
        assert session.backfill("t", num_pixels).num_computed == 12
        assert session.backfill("t", num_pixels).num_before == 12
        session.ingest(made.media, table="t", kinds=("image", "video"))
        assert session.backfill("t", num_pixels).num_computed == 24
        assert [each.num_stale for each in session.status("t")] == [0, 0, 0]


def test_alternatives_serve_tables_of_mixed_media(made: Any, tmp_path: Path) -> None:
    class Side(Featurizer):
        name = "side"
        inputs = ("frames(video, 2) AS frames", "image AS frames")
        outputs = (pa.field("num_dimensions", pa.int8()),)

        def __call__(self, batch: Batch) -> list[int]:
            return [each.ndim for each in batch["frames"]]

    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as session:
        session.ingest(made.media, table="t", kinds=("video", "image"))
        assert session.backfill("t", Side()).num_computed == 36
        found = session.sql("SELECT DISTINCT kind, num_dimensions FROM t ORDER BY 1").fetchall()
        assert found == [("image", 3), ("video", 4)]


def test_a_column_of_another_hand_is_not_touched(session: Session) -> None:
    @featurizer(inputs="id", outputs=pa.field("caption", pa.string()))
    def caption(batch: Batch) -> list[str]:
        return [str(each) for each in batch["id"]]

    with pytest.raises(FeaturizerError, match="makes a column caption, and table t has one by another hand"):
        session.backfill("t", caption)
    session.backfill("t", Red())

    @featurizer(inputs="id", outputs=pa.field("red", pa.float32()))
    def scarlet(batch: Batch) -> list[float]:
        return [0.0 for _ in batch["id"]]

    with pytest.raises(FeaturizerError, match="table t has one by the featurizer red; give the output another name"):
        session.backfill("t", scarlet)

    @featurizer(name="red", inputs="id", outputs=pa.field("red", pa.float64()), version=2)
    def wider(batch: Batch) -> list[float]:
        return [0.0 for _ in batch["id"]]

    with pytest.raises(FeaturizerError, match="makes red as double, and table t has it as float"):
        session.backfill("t", wider)
    assert reds(session) == expected()


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ("nope", QueryError, r'inputs of some@1:2:1: no column "nope"'),
        ("UNNEST([1, 2]) AS x", FeaturizerError, r"there are 60 samples of 30 rows of t; expected one for each row"),
        ("random() AS x", QueryError, r"inputs of some@1:2:1"),
        ("id AS x, id + 1 AS x", QueryError, r"inputs of some@1"),
    ],
)
def test_inputs_that_do_not_compile(session: Session, inputs: str, error: type[Exception], text: str) -> None:
    @featurizer(inputs=inputs, outputs=pa.field("some", pa.int32()))
    def some(batch: Batch) -> list[int]:
        return [0 for _ in batch["x"]]

    with pytest.raises(error, match=text):
        session.backfill("t", some)
    assert "some" not in session.tables["t"].schema.names  # no column was added


def test_unknown_names(session: Session) -> None:
    with pytest.raises(CatalogError, match='no table "tt"'):
        session.backfill("tt", Red())
    with pytest.raises(FeaturizerError, match='no featurizer "reed"'):
        session.backfill("t", "reed")


def test_refresh_column_is_a_statement(session: Session) -> None:
    with pytest.raises(FeaturizerError, match='no featurizer "brightness"'):
        session.sql("REFRESH COLUMN brightness ON t")
    row = session.sql("-- now\nREFRESH COLUMN sharpness ON t WHERE id < 7;").pl().to_dicts()
    assert [(each["featurizer"], each["num_computed"]) for each in row] == [("sharpness@1", 7)]
    assert session.sql("refresh column SHARPNESS_per_frame on T").pl()["num_computed"].to_list() == [23]
    with pytest.raises(QueryError, match=r"expected REFRESH COLUMN column ON table \[WHERE predicate\]"):
        session.sql("REFRESH sharpness")
    with pytest.raises(CatalogError, match='no table "nope"'):
        session.sql("REFRESH COLUMN sharpness ON nope")


def test_one_that_can_be_imported_is_refreshed(session: Session) -> None:
    session.backfill("t", shade, where="id < 2")
    assert session.sql("REFRESH COLUMN shade ON t").pl()["num_computed"].to_list() == [28]


@featurizer(inputs="image", outputs=pa.field("shade", pa.float32()))
def shade(batch: Batch) -> list[float]:
    return [float(each.mean()) for each in batch["image"]]


def test_the_commands(root: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(cli.app, [*words, "--root", str(root), "--views", str(root)])

    done = run("backfill", "t", "sharpness", "--where", "id < 3")
    assert (done.exit_code, done.stdout) == (0, "t.sharpness, sharpness_per_frame by sharpness@1: 3 computed\n")
    done = run("backfill", "t", "sharpness", "--json")
    assert json.loads(done.stdout)["num_computed"] == 27
    done = run("status", "t", "--json")
    (found,) = json.loads(done.stdout)
    assert {"featurizer": "sharpness@1", "num_filled": 30, "num_stale": 0}.items() <= found.items()
    assert "sharpness@1" in run("status").stdout
    done = run("sql", "REFRESH COLUMN sharpness ON t", "--json")
    assert json.loads(done.stdout)[0]["num_before"] == 30


def test_a_root_without_features(root: Path) -> None:
    done = CliRunner().invoke(cli.app, ["status", "--root", str(root), "--views", str(root)])
    assert done.stdout.startswith("no feature columns; `cutlist backfill TABLE FEATURIZER` makes some")


def test_setup_is_called_once_with_the_device_and_not_if_there_is_nothing_to_do(session: Session) -> None:
    devices: list[str] = []

    class Model(Red):
        def setup(self, device: str) -> None:
            devices.append(device)

    session.backfill("t", Model(), device="cuda:1")
    session.backfill("t", Model())
    assert devices == ["cuda:1"]


class Rank(Featurizer):
    """The place of each row by its caption, and how many there are; counts the rows of each call."""

    name = "place"
    inputs = "caption, id"
    outputs = (pa.field("place", pa.int64()), pa.field("of", pa.int64()))
    whole = True

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        assert isinstance(batch["id"], np.ndarray)
        self.calls.append(len(batch["id"]))
        places = np.argsort(np.argsort(batch["caption"]))
        return {"place": places, "of": np.full(len(places), len(places))}


def test_a_featurizer_of_the_whole_table_gets_all_rows_or_none(root: Path, session: Session) -> None:
    rank = Rank()

    def run(**scope: Any) -> tuple[int, list[int]]:
        rank.calls.clear()
        return session.backfill("t", rank, **scope).num_computed, list(rank.calls)

    assert run() == (30, [30])
    assert run() == (0, [])
    append(root, [30, 31])
    assert run() == (32, [32])
    assert set(reds(session, "of").values()) == {32}
    lance.dataset(str(root / "t.lance")).delete("id < 3")
    assert run() == (29, [29])
    assert run() == (0, [])
    assert sorted(reds(session, "place").values()) == list(range(29))
    assert run(where="id >= 20") == (12, [12])
    assert run(where="id >= 20") == (0, [])
    assert session.status("t")[0].num_never == 0


def test_a_featurizer_of_the_whole_table_takes_no_media(session: Session) -> None:
    class Wrong(Rank):
        inputs = "image"

    with pytest.raises(FeaturizerError, match="input image is a medium; a featurizer of whole tables takes columns"):
        session.backfill("t", Wrong())
