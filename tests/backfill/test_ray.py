"""Backfills on Ray: the same columns, failures and checkpoints as in this process, whatever dies.

One cluster, of two CPUs and a GPU that nobody has, serves all tests but that which kills its own.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.backfill.kills import Slow, asked
from tests.backfill.ray_kills import is_right, try_kills
from tests.backfill.tables import Red, reds, write_root
from typer.testing import CliRunner

import cutlist
from cutlist import Session, cli
from cutlist.backfill import Batch, Featurizer, Ray, featurizer
from cutlist.errors import FeaturizerError, SettingsError

ray = pytest.importorskip("ray")
from cutlist.backfill.ray_cluster import local_cluster  # noqa: E402 (where there is one)
from cutlist.backfill.ray_engine import _Worker  # noqa: E402


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with local_cluster(2, 1) as address:
        yield address


@pytest.fixture
def address(cluster: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    return cluster


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Return what writes a root, and opens it."""
    opened: list[Session] = []

    def make(name: str = "data", **options: Any) -> Session:
        root = write_root(tmp_path / name, **options)
        opened.append(cutlist.connect(root, views=root))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


class Cropped(Featurizer):
    """What is random in its input, and the first red of what it gets where that is."""

    name = "cropped"
    inputs = ("image.random_crop(2, 2) AS image, caption", "caption AS words")
    outputs = (pa.field("cropped", pa.string()),)
    batch_size = 3
    parallel = True

    def __call__(self, batch: Batch) -> list[str]:
        return [str(np.sum(each)) for each in batch["image"]] if "image" in batch else batch["words"]


def failures(session: Session) -> list[Any]:
    query = 'SELECT row_id, "column", stage, error_type, message FROM _failures ORDER BY ALL'
    return list(session.refresh().sql(query).fetchall())


@pytest.mark.usefixtures("address")
def test_columns_and_failures_are_those_of_this_process(
    connect: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = [connect(name, broken=[3, 11], without=[5]) for name in ("local", "ray")]
    engines: list[tuple[str | Ray, str | Ray]] = [("local", "local"), (Ray(workers=2), Ray(cpus_per_worker=2))]
    said = []
    for session, (one, other) in zip(sessions, engines, strict=True):
        said.append([session.backfill("t", Red(fails=[7]), engine=one, progress=True).row()])
        said[-1].append(session.backfill("t", Cropped(), engine=other, progress=False).row())
    assert said[0] == said[1]
    assert [reds(each) for each in sessions] == [reds(sessions[0])] * 2
    assert [reds(each, "cropped") for each in sessions] == [reds(sessions[0], "cropped")] * 2
    assert failures(sessions[0]) == failures(sessions[1])
    assert {row[0] for row in failures(sessions[1])} == {3, 7, 11}
    assert not ray.is_initialized()
    told = capsys.readouterr()
    assert "of 2 workers, 3 failed)" in told.err
    assert told.out == ""


class Stopped(Slow):
    """Is interrupted where it comes to an id."""

    def __call__(self, batch: Batch) -> list[int]:
        if 21 in batch["id"]:
            raise KeyboardInterrupt
        return super().__call__(batch)


@pytest.mark.usefixtures("address")
def test_what_one_engine_began_the_other_ends(connect: Callable[..., Session], tmp_path: Path) -> None:
    session, log = connect(), tmp_path / "asked"
    with pytest.raises(KeyboardInterrupt):
        session.backfill("t", Stopped(log), progress=False)
    assert len(asked(log)) == 16
    report = session.backfill("t", Slow(log), engine=Ray(workers=1), progress=False)
    assert (report.num_computed, report.num_before) == (14, 16)
    assert reds(session, "twice") == {i: 2 * i for i in range(30)}
    assert set(asked(log).values()) == {1}  # nothing was computed twice


class Deadly(Red):
    """Kills its process at some ids: once, or always."""

    def __init__(self, marks: Path, always: int = -1):
        super().__init__()
        self.marks, self.always = marks, always

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        mark = self.marks / "killed"
        if self.always in batch["id"] or (5 in batch["id"] and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


@pytest.mark.usefixtures("address")
def test_workers_that_die_are_replaced_and_rows_that_kill_each_are_named(
    connect: Callable[..., Session], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = connect()
    with pytest.raises(
        FeaturizerError, match=r"red@1: 3 workers died over the same rows, t@\d+, row ids 8, 9, 10 and 5 more, column"
    ):
        session.backfill("t", Deadly(tmp_path, always=13), engine=Ray(workers=1), progress=True)
    done = {i: value for i, value in reds(session).items() if value is not None}
    assert done == {i: i for i in range(30) if not 8 <= i < 16}  # those over which one died once, too
    told = capsys.readouterr()
    assert "workers, 1 died)" in told.err or "workers, 2 died)" in told.err
    assert told.out == ""  # what Ray prints of it is no data


class Placed(Featurizer):
    """Where it was set up."""

    name = "placed"
    inputs = "id"
    outputs = (pa.field("placed", pa.string()),)

    def setup(self, device: str) -> None:
        self.place = f"{device} of {os.environ['CUDA_VISIBLE_DEVICES']}"

    def __call__(self, batch: Batch) -> list[str]:
        return [self.place] * len(batch["id"])


class Homeless(Placed):
    """Cannot be set up."""

    def setup(self, device: str) -> None:
        raise OSError("no checkpoint")


@pytest.mark.usefixtures("address")
def test_workers_share_gpus(connect: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    session = connect()
    half = Ray(workers=2, cpus_per_worker=0.5, gpus_per_worker=0.5)
    session.backfill("t", Placed(), engine=half, device="cuda", progress=False)
    assert set(reds(session, "placed").values()) == {"cuda of 0"}
    with pytest.raises(SettingsError, match=r"gpus_per_worker=0.5: the device is cpu; say device=cuda, too"):
        session.backfill("t", Placed(), engine=half, again=True)
    with pytest.raises(SettingsError, match="a worker takes 1 CPUs and 3 GPUs, and the cluster has 2 and 1; take less"):
        session.backfill("t", Placed(), engine=Ray(gpus_per_worker=3), device="cuda", again=True)
    with pytest.raises(FeaturizerError, match="placed@1 cannot be set up on cuda: OSError: no checkpoint"):
        session.backfill("t", Homeless(), engine=Ray(workers=1), device="cuda", again=True)


MINE = """
import pyarrow as pa
from cutlist.backfill import featurizer

def louder(text):
    return text.upper()

@featurizer(inputs="caption", outputs=pa.field("shout", pa.string()))
def shout(batch):
    return [louder(each) for each in batch["caption"]]
"""


@pytest.mark.usefixtures("address")
def test_workers_get_modules_that_they_lack(
    connect: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = connect()
    (tmp_path / "module_of_mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    root = ["--root", session.store.root, "--views", session.store.root]
    words = ["backfill", "t", "module_of_mine:shout", "--engine", "ray", "--workers", "1", "--json", *root]
    done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert json.loads(done.stdout)["num_computed"] == 30
    assert reds(session, "shout") == {i: f"CAPTION {i}" for i in range(30)}


def test_what_is_connected_is_used(
    connect: Callable[..., Session], cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, before = connect(), signal.getsignal(signal.SIGTERM)
    ray.init(cluster, log_to_driver=False)
    try:

        @featurizer(inputs="caption", outputs=pa.field("length", pa.int64()))
        def length(batch: Batch) -> list[int]:  # which no other process can import
            return [len(each) for each in batch["caption"]]

        assert session.backfill("t", length, engine=Ray(workers=1), progress=False).num_computed == 30
        assert ray.is_initialized()
        with pytest.raises(SettingsError, match="address=auto: this process is connected to a Ray cluster already"):
            session.backfill("t", length, engine=Ray(address="auto"), again=True)
        held = Slow(Path("asked"))
        held.lock = threading.Lock()  # type: ignore[attr-defined]
        with pytest.raises(
            FeaturizerError, match=r"twice@1 cannot be sent to workers: TypeError: cannot pickle .*lock"
        ):
            session.backfill("t", held, engine="ray")
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


class Unknown(Featurizer):
    """Is made of what workers lack."""

    name = "unknown"
    inputs = "caption"
    outputs = (pa.field("unknown", pa.string()),)

    def __reduce__(self) -> Any:
        return __import__, ("module_that_is_nowhere",)


def test_what_a_worker_cannot_make_is_told() -> None:
    with pytest.raises(FeaturizerError, match=r"a worker of Ray cannot make the featurizer: ModuleNotFoundError"):
        _Worker().setup(pickle.dumps(Unknown()))


def test_a_featurizer_of_whole_tables_stays_here(
    connect: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ranked(Featurizer):
        name, inputs, whole = "ranked", "id", True
        outputs = (pa.field("ranked", pa.int64()),)

        def __call__(self, batch: Any) -> Any:
            return batch["id"] + os.getpid()

    monkeypatch.setenv("RAY_ADDRESS", "no.such.host:1")
    session = connect()
    session.backfill("t", Ranked(), engine="ray", progress=False)
    assert reds(session, "ranked")[7] == 7 + os.getpid()


def test_no_such_cluster(connect: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = connect()
    with pytest.raises(SettingsError, match=r"address=ray://127.0.0.1:1: .*; leave it out to start one here"):
        session.backfill("t", Red(), engine=Ray(address="ray://127.0.0.1:1"))
    assert "red" not in session.refresh().sql("SELECT * FROM t").columns or not any(reds(session).values())
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(
        SettingsError,
        match=r"no cluster can be started on this machine, with its files in .*, which TMPDIR says: .*107 bytes",
    ):
        session.backfill("t", Red(), engine="ray")
    assert not [*long.iterdir()]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"workers": 0}, "workers=0: expected a number of processes, at least 1"),
        ({"cpus_per_worker": 0}, "cpus_per_worker=0: expected a number above 0"),
        ({"gpus_per_worker": -1}, "gpus_per_worker=-1: expected a number, 0 or more"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        Ray(**options)


def test_no_such_engine(connect: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    session = connect()
    with pytest.raises(SettingsError, match='no engine "rya"; did you mean "ray"\\? There are: local, ray'):
        session.backfill("t", Red(), engine="rya")
    words = ["backfill", "t", "media_probe", "--workers", "2", "--root", session.store.root]
    with pytest.raises(SettingsError, match="engine local: it has no workers; say engine ray, too"):
        CliRunner().invoke(cli.app, words, catch_exceptions=False)
    for name in ("cutlist.backfill.ray_engine", "cutlist.backfill.ray_cluster"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"engine ray needs ray: pip install 'cutlist\[ray\]'"):
        session.backfill("t", Red(), engine="ray")


def test_an_excerpt_keeps_positions(connect: Callable[..., Session]) -> None:
    selection = connect().compile("SELECT image, caption FROM t")
    some = np.array([17, 4, 4, 29])
    excerpt = pickle.loads(pickle.dumps(selection.excerpt(some)))
    assert excerpt.take(some).equals(selection.take(some))
    assert excerpt.fingerprint == selection.fingerprint
    assert len(pickle.dumps(excerpt)) < 10_000


@pytest.mark.timeout(600)
def test_a_driver_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    seen = try_kills(tmp_path, num=1, seed=1)
    assert is_right(seen), seen
    assert (seen["killed"], seen["workers_killed"]) == (1, 1)
