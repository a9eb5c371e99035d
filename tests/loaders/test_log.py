"""`Loader.log`: values of the samples of a run in the table `_log`.

- What is logged of a sample has the row ids of what the batch had of it: under any number of ranks and workers, in
  mixtures, for spares, samples of several tables, and samples of none.
- New columns are NULL before; values that are not finite are NULL; what cannot be logged is an error that says why.
- Ranks append at once and lose nothing; what a process logged is there when it ends, by Ctrl-C too; when it is killed,
  all but the last seconds.
- The rows with the worst loss are a training set.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa
import pytest
import torch
from tests.loaders.runs import GLOBAL_BATCH, finish, make_loader, start, write_root
from torch.utils.data import DataLoader, get_worker_info

import cutlist
from cutlist import log as log_module
from cutlist.errors import CatalogError, SettingsError
from cutlist.log import references
from cutlist_torch import Batch, Loader

if TYPE_CHECKING:
    from pathlib import Path

WORST = """
SELECT stills.id, stills.image.resize(8, 8) AS media, worst.loss
FROM (
    SELECT row_id, max(loss) AS loss FROM _log WHERE run = 'a' AND "table" = 'stills' GROUP BY row_id
    ORDER BY loss DESC, row_id LIMIT 20
) AS worst JOIN stills ON stills._rowid = worst.row_id
ORDER BY worst.loss DESC, stills.id
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path)


def loss_of(batch: Batch) -> torch.Tensor:
    """Return a loss for each sample, which says its id."""
    return torch.as_tensor(batch["id"], dtype=torch.float32) + 0.5


def logged(root: Path, query: str = "SELECT * FROM _log") -> list[dict[str, Any]]:
    with cutlist.connect(root) as session:
        found: list[dict[str, Any]] = session.sql(query).to_arrow_table().to_pylist()
    return found


LOGGED = """
SELECT epoch, step, sample, loss, id FROM _log LEFT JOIN stills ON stills._rowid = row_id ORDER BY epoch, step, sample
"""


def train(root: Path, order: str, rank: int, world_size: int, **options: Any) -> int:
    """Log an epoch as one rank; return how many samples it had."""
    loader = make_loader(root, order, rank=rank, world_size=world_size, **options)
    count = 0
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch))
        count += len(batch["id"])
    loader.flush_log()
    return count


# -- what is in the table ---------------------------------------------------------------------------------------------


def test_a_row_for_each_sample(root: Path) -> None:
    loader = make_loader(root, "plain")
    expected = []
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch), Grad=[None, *range(1, GLOBAL_BATCH)])
        expected += [
            {"epoch": 0, "step": batch.step, "sample": sample, "loss": id + 0.5, "id": id}
            for sample, id in enumerate(batch["id"].tolist())
        ]
    loader.flush_log()
    assert logged(root, LOGGED) == expected
    rows = logged(root)
    selection = loader.selection
    assert {(row["run"], row["selection"], row["table"], row["version"]) for row in rows} == {
        ("a", selection.fingerprint, "stills", selection.tables[0].version)
    }
    ids = selection.to_arrow()["id"].to_pylist()
    assert [ids[row["position"]] + 0.5 for row in rows] == [row["loss"] for row in rows]
    assert [row["grad"] for row in rows[: GLOBAL_BATCH + 1]] == [None, *range(1, GLOBAL_BATCH), None]
    assert all(row["logged"] is not None for row in rows)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_append_at_once(root: Path, tmp_path: Path, world_size: int) -> None:
    running = [start(tmp_path, train, root, "plain", rank, world_size) for rank in range(world_size)]
    counts = finish(running, seconds=60)
    assert counts == [10 * GLOBAL_BATCH // world_size] * world_size
    alone = [batch["id"].tolist() for batch in make_loader(root, "plain")]
    rows = logged(root, LOGGED)
    assert [row["id"] for row in rows] == [id for ids in alone for id in ids]
    assert [row["loss"] for row in rows] == [row["id"] + 0.5 for row in rows]
    assert [row["sample"] for row in rows] == list(range(GLOBAL_BATCH)) * 10


def many(root: Path, rank: int) -> str:
    """Log and write often, columns of one's own too."""
    loader = make_loader(root, "plain", rank=rank, world_size=2)
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch), **{f"of_{rank}_{batch.step}": loss_of(batch)})
        loader.flush_log()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader.flush_log()
    return "done"


@pytest.mark.filterwarnings("default")
def test_columns_and_rows_are_added_at_once(root: Path, tmp_path: Path) -> None:
    assert finish([start(tmp_path, many, root, rank) for rank in range(2)], seconds=90) == ["done", "done"]
    rows = logged(root)
    assert len(rows) == 10 * GLOBAL_BATCH
    for rank in range(2):
        for step in range(10):
            values = [row[f"of_{rank}_{step}"] for row in rows if row[f"of_{rank}_{step}"] is not None]
            assert len(values) == GLOBAL_BATCH // 2


def test_workers(root: Path) -> None:
    loader = make_loader(root, "plain")
    workers = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="forkserver")
    for batch in workers:
        loader.log(batch, run="a", loss=loss_of(batch))
    loader.flush_log()
    rows = logged(root, LOGGED)
    assert len(rows) == 10 * GLOBAL_BATCH
    assert [row["loss"] for row in rows] == [row["id"] + 0.5 for row in rows]


def test_mixtures(root: Path) -> None:
    loader = make_loader(root, "mixture of samples")
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch))
    loader.flush_log()
    rows = logged(root, LOGGED)
    assert len(rows) == 11 * GLOBAL_BATCH
    assert [row["loss"] % 1000 for row in rows] == [row["id"] + 0.5 for row in rows]
    assert [row["sample"] for row in rows] == list(range(GLOBAL_BATCH)) * 11
    selections = {each.selection.fingerprint for each in loader.order.components}
    assert {row["selection"] for row in logged(root)} == selections


def test_spares_are_logged_as_themselves(root: Path) -> None:
    loader = make_loader(root, "failures")
    for batch in loader:
        loader.log(batch, loss=loss_of(batch))
    assert loader.stats.num_spares > 0
    loader.flush_log()
    rows = logged(root, LOGGED.replace("stills", "damaged"))
    assert [row["loss"] for row in rows] == [row["id"] + 0.5 for row in rows]
    assert not {17, 90} & {row["id"] for row in rows}


def test_samples_of_several_rows_and_of_none(root: Path) -> None:
    query = """SELECT a.id AS id, a.image.resize(8, 8) AS media, [b.image.resize(4, 4), a.image.resize(4, 4)] AS both,
    c.image.resize(4, 4) AS other FROM stills a JOIN stills b ON b.id = a.id + 1 LEFT JOIN damaged c ON c.id = a.id + 3
    WHERE a.id < 6 ORDER BY a.id"""
    loader = Loader(query, root=root, batch_size=3, shuffle=None)
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch))
    plain = Loader("SELECT i AS id FROM range(4) AS t(i)", root=root, batch_size=4)
    for batch in plain:
        plain.log(batch, run="b", loss=loss_of(batch))
    loader.flush_log()
    plain.flush_log()
    rows = logged(root, 'SELECT loss, "table", row_id FROM _log WHERE run = \'a\' ORDER BY loss, "table", row_id')
    assert [tuple(row.values()) for row in rows] == [
        each
        for id in range(6)
        for each in ((id + 0.5, "damaged", id + 3), (id + 0.5, "stills", id), (id + 0.5, "stills", id + 1))
    ]
    rows = logged(root, "SELECT loss, \"table\", version, row_id FROM _log WHERE run = 'b' ORDER BY loss")
    assert [tuple(row.values()) for row in rows] == [(id + 0.5, None, None, None) for id in range(4)]


def test_references_of_late_columns_count(root: Path) -> None:
    with cutlist.connect(root) as session:
        session.store.append("wide", pa.table({"id": [0, 1], "text": ["x" * 5000, "y" * 5000]}), message="test")
        session.refresh()
        selection = session.compile("SELECT id, text FROM wide ORDER BY id DESC")
    assert selection.columns[1].late is not None
    number, table, row_ids = references(selection, np.array([1, 0, 1]))
    assert (number.tolist(), table.tolist(), row_ids.tolist()) == ([0, 1, 2], [0, 0, 0], [0, 1, 0])


def test_new_columns_are_null_before_and_what_is_not_finite_is_null(root: Path) -> None:
    loader = make_loader(root, "plain")
    batches = iter(loader)
    loader.log(next(batches), loss=[float("nan"), float("inf"), *range(10)])
    loader.flush_log()
    loader.log(next(batches), loss=np.arange(12), accuracy=torch.arange(12) % 2 == 0)
    loader.flush_log()
    rows = logged(root, "SELECT loss, accuracy FROM _log ORDER BY step, sample")
    assert [row["loss"] for row in rows] == [None, None, *range(10), *range(12)]
    assert [row["accuracy"] for row in rows] == [None] * 12 + [1, 0] * 6


def test_what_is_logged_is_what_it_was(root: Path) -> None:
    """Values that are changed in place afterwards, and the graph of a loss, are not kept."""
    loader = make_loader(root, "plain")
    batch = next(iter(loader))
    loss, array = torch.ones(12, requires_grad=True) * 3, np.ones(12)
    loader.log(batch, loss=loss, other=array, low=loss.to(torch.bfloat16), each=list(loss))
    with torch.no_grad():
        loss.zero_()
    array[:] = 0
    loader.flush_log()
    rows = logged(root, "SELECT DISTINCT loss, other, low, each FROM _log")
    assert rows == [{"loss": 3.0, "other": 1.0, "low": 3.0, "each": 3.0}]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_values_on_a_device(root: Path) -> None:
    loader = make_loader(root, "plain")
    for batch in loader:
        loss = loss_of(batch).cuda()
        loader.log(batch, loss=loss)
        loss.zero_()
    loader.flush_log()
    rows = logged(root, LOGGED)
    assert [row["loss"] for row in rows] == [row["id"] + 0.5 for row in rows]


def test_a_run_without_a_name_has_one_for_all_ranks(root: Path) -> None:
    for rank in range(2):
        loader = make_loader(root, "plain", rank=rank, world_size=2)
        loader.log(next(iter(loader)), loss=[1.0] * 6)
        loader.flush_log()
    other = make_loader(root, "plain", seed=6)
    other.log(next(iter(other)), loss=[1.0] * 12)
    other.flush_log()
    names = [row["run"] for row in logged(root)]
    assert len(set(names[:12])) == 1
    assert len(set(names)) == 2


def test_batches_moved_to_a_device_and_back(root: Path) -> None:
    loader = make_loader(root, "plain")
    batch = next(iter(loader)).to("cpu")
    loader.log(batch, loss=loss_of(batch))
    loader.flush_log()
    assert len(logged(root, LOGGED)) == 12


# -- as a training set ------------------------------------------------------------------------------------------------


def test_the_worst_are_a_training_set(root: Path) -> None:
    train(root, "plain", 0, 1)
    train(root, "plain", 0, 1, seed=6)
    seen = {row["id"] for row in logged(root, LOGGED)}
    worst = sorted(seen)[-20:]
    with cutlist.connect(root) as session:
        assert session.lint(WORST) == []
        selection = session.compile(WORST)
    assert selection.to_arrow()["id"].to_pylist() == worst[::-1]
    batch = next(iter(Loader(WORST, root=root, batch_size=20, shuffle=None)))
    assert batch["id"].tolist() == worst[::-1]
    assert batch["media"].shape == (20, 3, 8, 8)


# -- session.log ------------------------------------------------------------------------------------------------------


def test_session_log(root: Path) -> None:
    with cutlist.connect(root) as session:
        version = session.tables["stills"].version
        session.log("mine", 3, {"row_id": [7, 3], "Loss": [0.5, None]}, table="STILLS", epoch=1)
        session.log("mine", 4, {"row_id": np.array([5]), "score": np.array([2], np.float32)}, table="stills")
    rows = logged(root, "SELECT * EXCLUDE (logged) FROM _log ORDER BY step, sample")
    same = {"run": "mine", "selection": None, "position": None, "table": "stills", "version": version}
    assert rows == [
        {**same, "epoch": 1, "step": 3, "sample": 0, "row_id": 7, "loss": 0.5, "score": None},
        {**same, "epoch": 1, "step": 3, "sample": 1, "row_id": 3, "loss": None, "score": None},
        {**same, "epoch": 0, "step": 4, "sample": 0, "row_id": 5, "loss": None, "score": 2.0},
    ]
    with cutlist.connect(root) as session:
        with pytest.raises(SettingsError, match=r"^log: columns need a row_id, the _rowid of each row: "):
            session.log("mine", 3, {"loss": [1]}, table="stills")
        with pytest.raises(CatalogError, match=r'^no table "still"; did you mean "stills"\?'):
            session.log("mine", 3, {"row_id": [1], "loss": [1]}, table="still")


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"^log: no values; give columns with a number for each sample, such as loss=…$"),
        (
            {"step": [1.0] * 12},
            r'^log: "step" is no name for a column of values; expected ASCII letters, digits and _, ',
        ),
        ({"a b": [1.0] * 12}, r'^log: "a b" is no name for a column of values; '),
        ({"loss": [1.0] * 12, "Loss": [1.0] * 12}, r"^log: Loss is given twice; names in SQL ignore case$"),
        ({"loss": [1.0] * 11}, r"^log: loss has the shape \(11,\); expected \(12,\), a number for each sample$"),
        ({"loss": 1.0}, r"^log: loss has the shape \(\); expected \(12,\), a number for each sample$"),
        ({"loss": np.ones((12, 2))}, r"^log: loss has the shape \(12, 2\); expected \(12,\)"),
        ({"loss": ["x"] * 12}, r"^log: loss has values of type <U1; expected numbers, or None$"),
        ({"loss": [[1], [1, 2]] * 6}, r"^log: loss: expected 12 numbers, one for each sample; "),
        (
            {"loss": torch.tensor(1.0)},
            r"^log: loss is float32 of shape \(\); expected numbers of shape \(12,\), one for ",
        ),
        ({"loss": torch.ones(12, 3)}, r"reduce a loss over all but its first dimension$"),
        (
            {"loss": torch.ones(12, dtype=torch.complex64)},
            r"^log: loss is complex64 of shape \(12,\); expected numbers",
        ),
    ],
)
def test_values_that_are_refused(root: Path, values: dict[str, Any], message: str) -> None:
    loader = make_loader(root, "plain")
    batch = next(iter(loader))
    with pytest.raises(SettingsError, match=message):
        loader.log(batch, **values)


def test_batches_that_are_refused(root: Path) -> None:
    loader = make_loader(root, "plain")
    with pytest.raises(
        SettingsError, match=r"^log: a dict that is not of this loader; expected one of its batches, as it gave it$"
    ):
        loader.log({"id": [1]}, loss=[1.0])  # type: ignore[arg-type]
    other = next(iter(make_loader(root, "in order")))
    for batch in (Batch({"id": [1]}, epoch=0, step=0), other):
        with pytest.raises(SettingsError, match=r"^log: a Batch that is not of this loader; expected one "):
            loader.log(batch, loss=[1.0] * 12)


class Logging(torch.utils.data.IterableDataset[str]):
    """Logs in a worker."""

    def __init__(self, loader: Loader):
        super().__init__()
        self.loader = loader

    def __iter__(self) -> Any:
        assert get_worker_info() is not None
        batch = next(iter(self.loader))
        try:
            self.loader.log(batch, loss=loss_of(batch))
        except SettingsError as error:
            yield str(error)


def test_not_in_a_worker(root: Path) -> None:
    dataset = Logging(make_loader(root, "plain"))
    (said,) = DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context="forkserver")
    assert said == "log: called in a DataLoader worker; call it in the training loop, on each batch"


# -- when it is written -----------------------------------------------------------------------------------------------


def test_it_is_written_in_a_while(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FLUSH_SECONDS", 0.01)
    loader = make_loader(root, "plain")
    loader.log(next(iter(loader)), loss=[1.0] * 12)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (root / "_log.lance").exists():
        time.sleep(0.01)
    loader.flush_log()  # waits for the write that is under way
    assert len(logged(root)) == 12
    assert not [each for each in threading.enumerate() if each.name == "cutlist-log"]


def test_what_cannot_be_written_is_told_and_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = make_loader(root, "plain")
    batches = iter(loader)
    monkeypatch.setattr(log_module, "MAX_ROWS", 30)
    with monkeypatch.context() as broken:
        broken.setattr(log_module, "log_rows", lambda records: (_ for _ in ()).throw(OSError("disk full")))
        for lost in ("", "", "; the oldest 1 steps are lost"):
            loader.log(next(batches), loss=[1.0] * 12)
            with pytest.warns(
                UserWarning, match=rf"samples are not in _log, which cannot be written: disk full{lost}$"
            ):
                loader.flush_log()
        loader._log._in_a_while()  # as the timer does, in another thread
        with pytest.warns(UserWarning, match=r"^24 logged samples are not in _log, "):
            loader.log(next(batches), loss=[1.0] * 12)
    loader.flush_log()
    assert [row["step"] for row in logged(root)] == [1] * 12 + [2] * 12 + [3] * 12


def test_fragments_are_merged_now_and_then(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MERGE_WRITES", 4)
    loader = make_loader(root, "plain")
    for batch in loader:
        loader.log(batch, run="a", loss=loss_of(batch))
        loader.flush_log()
    assert len(lance.dataset(str(root / "_log.lance")).get_fragments()) == 3
    rows = logged(root, LOGGED)
    assert [row["loss"] for row in rows] == [row["id"] + 0.5 for row in rows]
    assert len(rows) == 10 * GLOBAL_BATCH


PROGRAM = """
import sys, time
from cutlist import log
from tests.loaders.runs import make_loader
log.FLUSH_SECONDS = float(sys.argv[3])
loader = make_loader(sys.argv[1], "plain")
while True:
    for batch in loader:
        loader.log(batch, run="a", loss=[1.0] * 12)
        print(batch.epoch * 10 + batch.step, flush=True)
        if sys.argv[2] == "exit":
            sys.exit()
        time.sleep(0.05)
"""


@pytest.mark.parametrize(("how", "seconds"), [("exit", 60), ("interrupt", 60), ("kill", 0.2)])
def test_a_process_that_ends(root: Path, how: str, seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), how, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    if how == "interrupt":
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
    if how == "kill":
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (root / "_log.lance" / "_versions").exists():
            process.stdout.readline()
        for _ in range(20):
            process.stdout.readline()
        process.kill()
    process.communicate(timeout=60)
    steps = [row["step"] for row in logged(root, "SELECT epoch * 10 + step AS step FROM _log ORDER BY step, sample")]
    assert len(steps) % 12 == 0
    assert steps[::12] == list(range(len(steps) // 12))  # whole steps, and none is missing before the last
    assert len(steps) // 12 >= {"exit": 1, "interrupt": 3, "kill": 1}[how]
