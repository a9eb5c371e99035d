"""Ranks that make their loaders together: who compiles, what all of them are told, and how a rank knows which it is.

Ranks are processes of their own, in a process group over gloo. Those of different machines differ in the name of their
host and in the folder where their selections are kept, over a root that all of them see.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest import mock

import pytest
import torch.distributed as dist
from tests.loaders.runs import (
    ENVIRONMENT,
    PARTS,
    PICTURES,
    Failure,
    Seen,
    add_pictures,
    finish,
    make_loader,
    start,
    take,
    together,
    write_root,
)

import cutlist
from cutlist import errors
from cutlist.engine import compile_plan
from cutlist.errors import CatalogError, OrderError, QueryError, SelectionError
from cutlist_torch import Block
from cutlist_torch.opening import open_run
from cutlist_torch.ranks import resolve_rank

SECONDS = 60
"""After which ranks that wait for one another are killed."""

CACHE = "cache of "
"""Begins the name of the folder where a machine keeps its selections."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path)


# -- in a rank --------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a rank tells of its loader."""

    place: tuple[int, int]
    num_compiled: int
    batches: list[Seen]


def make(root: str | Path, options: dict[str, Any]) -> Told:
    """Make a loader, and see some batches."""
    with mock.patch("cutlist.session.opened.compile_plan", wraps=compile_plan) as compiled:
        made = make_loader(root, **{"order": "plain", **options})
    return Told((made.rank, made.world_size), compiled.call_count, take(made, 3))


def make_after(happens: Callable[[], None], root: str | Path, options: dict[str, Any]) -> Told:
    """Make a loader; what happens, happens when it is this rank's turn to open the training set."""

    def opened(*arguments: Any, **named: Any) -> Any:
        happens()
        return open_run(*arguments, **named)

    with mock.patch("cutlist_torch.loader.open_run", opened):
        return make(root, options)


def in_group(folder: Path, world_size: int, rank: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process group."""
    meeting = (folder / "meeting").as_uri()
    timeout = timedelta(seconds=SECONDS)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size, timeout=timeout)
    try:
        return function(*arguments)
    finally:
        dist.destroy_process_group()


def on_machine(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on a machine of that name, which does not see the selections of others."""
    is_file = Path.is_file

    def is_file_here(path: Path) -> bool:
        return is_file(path) and (CACHE not in str(path) or f"{CACHE}{name}" in path.parts)

    with (
        mock.patch.object(socket, "gethostname", return_value=name),
        mock.patch.object(Path, "is_file", is_file_here),
    ):
        return function(*arguments)


# -- around ranks -----------------------------------------------------------------------------------------------------


def group(folder: Path, *calls: tuple[Any, ...]) -> list[Any]:
    """Return what ranks of one process group return, or their failures."""
    ranks = [start(folder, in_group, folder, len(calls), rank, *call) for rank, call in enumerate(calls)]
    return finish(ranks, seconds=2 * SECONDS)


def machines(folder: Path, names: str, *calls: tuple[Any, ...]) -> list[Any]:
    """Return what ranks of one process group return, each on the machine of that name."""
    ranks = [
        start(
            folder,
            in_group,
            folder,
            len(calls),
            rank,
            on_machine,
            name,
            *call,
            CUTLIST_CACHE_DIR=str(folder / f"{CACHE}{name}"),
        )
        for rank, (name, call) in enumerate(zip(names, calls, strict=True))
    ]
    return finish(ranks, seconds=2 * SECONDS)


def reraise(result: Any) -> NoReturn:
    """Raise the error that a rank ended with."""
    assert isinstance(result, Failure), result
    raise getattr(errors, result.kind, RuntimeError)(result.text or result.kind)


def files(folder: Path) -> list[str]:
    """Return the suffixes of what is in a folder."""
    return sorted(each.suffix for each in folder.iterdir())


def alone(root: Path, order: str = "plain") -> list[Seen]:
    return take(make_loader(root, order), 3)


# -- who compiles -----------------------------------------------------------------------------------------------------


def test_rank_0_compiles_and_the_others_map_its_file(root: Path, tmp_path: Path) -> None:
    ranks = group(tmp_path, *[(make, root, {"order": "buckets"})] * 3)
    assert [each.place for each in ranks] == [(0, 3), (1, 3), (2, 3)]
    assert [each.num_compiled for each in ranks] == [1, 0, 0]
    assert files(root / "_selections") == [".arrow", ".buckets"]
    assert together([each.batches for each in ranks]) == alone(root, "buckets")


def test_the_first_rank_of_each_other_machine_compiles_over_the_versions_of_rank_0(root: Path, tmp_path: Path) -> None:
    """The table grows when rank 2, of machine b, is about to open it."""
    before = alone(root)
    calls: list[tuple[Any, ...]] = [(make, root.as_uri(), {})] * 4
    calls[2] = (make_after, partial(add_pictures, root, range(200, 260)), root.as_uri(), {})
    ranks = machines(tmp_path, "aabb", *calls)
    assert [each.num_compiled for each in ranks] == [1, 0, 1, 0]
    assert together([each.batches for each in ranks]) == before
    with cutlist.connect(root) as now:
        assert now.sql("SELECT count(*) FROM stills").fetchall() == [(131 + 60,)]
    for name in "ab":
        (folder,) = (tmp_path / f"{CACHE}{name}" / "selections").iterdir()
        assert files(folder) == [".arrow"]


def test_processes_without_a_group_that_begin_at_once_compile_once(root: Path, tmp_path: Path) -> None:
    options = {"order": "buckets", "world_size": 3}
    ranks = [start(tmp_path, make_at, tmp_path / "go", root, {**options, "rank": rank}) for rank in range(3)]
    while len(list(tmp_path.glob("*.ready"))) < 3 and all(each.process.is_alive() for each in ranks):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    told = finish(ranks, seconds=SECONDS)
    assert sum(each.num_compiled for each in told) == 1
    assert files(root / "_selections") == [".arrow", ".buckets"]
    assert together([each.batches for each in told]) == alone(root, "buckets")


def make_at(go: Path, root: Path, options: dict[str, Any]) -> Told:
    """Make a loader once a file is there."""
    (go.parent / f"{options['rank']}.ready").touch()
    while not go.exists():
        time.sleep(0.001)
    return make(root, options)


# -- errors -----------------------------------------------------------------------------------------------------------


def test_an_error_of_rank_0_is_raised_by_every_rank(root: Path, tmp_path: Path) -> None:
    ranks = group(tmp_path, *[(make, root, {"query": "SELECT shap FROM stills"})] * 3)
    with pytest.raises(QueryError, match=r'^query:1:8: no column "shap" in stills; did you mean "shape"\?'):
        reraise(ranks[0])
    for each in ranks[1:]:
        with pytest.raises(OrderError, match=r"rank 0 could not make the training set: query:1:8: no column \"shap\""):
            reraise(each)


def test_an_error_of_another_rank_is_raised_by_every_rank(root: Path, tmp_path: Path) -> None:
    roots = (root, tmp_path / "elsewhere", root)
    ranks = group(tmp_path, *[(make, each, {}) for each in roots])
    with pytest.raises(CatalogError, match=r'no folder ".*elsewhere"'):
        reraise(ranks[1])
    for each in (ranks[0], ranks[2]):
        with pytest.raises(OrderError, match=r'rank 1 could not make the training set: no folder ".*elsewhere"'):
            reraise(each)


def test_an_error_that_is_not_of_cutlist_is_told_with_its_type(root: Path, tmp_path: Path) -> None:
    ranks = group(tmp_path, (make, root, {}), (make_after, fail, root, {}))
    assert ranks[1][:2] == ("ZeroDivisionError", "no idea")
    with pytest.raises(OrderError, match="rank 1 could not make the training set: ZeroDivisionError: no idea"):
        reraise(ranks[0])


def fail() -> None:
    raise ZeroDivisionError("no idea")


def test_a_root_with_other_rows_on_another_machine_is_told(root: Path, tmp_path: Path) -> None:
    other = write_root(tmp_path / "other", first=1)
    ranks = machines(tmp_path, "ab", (make, root.as_uri(), {}), (make, other.as_uri(), {}))
    told = r"the query 'SELECT .*' has other rows here than in rank 0: \w{12}, not \w{12}; is .*other/data one root for"
    with pytest.raises(SelectionError, match=rf"^{told}"):
        reraise(ranks[1])
    with pytest.raises(OrderError, match=f"rank 1 could not make the training set: {told}"):
        reraise(ranks[0])


# -- disagreements ----------------------------------------------------------------------------------------------------

HALVES = {"query": {"even": 1, "odd": 1}, "order": "mixture of samples"}
DISAGREEMENTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "query": (
        {},
        {"query": f"{PICTURES} WHERE id < 90"},
        "samples.query is 'SELECT .* in rank 0 and 'SELECT .* < 90' in rank 1",
    ),
    "bucket_by": ({}, {"bucket_by": "shape"}, "samples.bucket_by is None in rank 0 and 'shape' in rank 1"),
    "weight_by": ({"weight_by": "weight"}, {}, "samples.weight_by is 'weight' in rank 0 and None in rank 1"),
    "batch_budget": (
        {"batch_budget": ("cost", 8)},
        {"batch_budget": ("cost", 9)},
        r"samples.batch_budget is \('cost', 8\) in rank 0 and \('cost', 9\) in rank 1",
    ),
    "seed": ({"seed": 5}, {"seed": 6}, "seed is 5 in rank 0 and 6 in rank 1"),
    "shuffle": ({}, {"shuffle": None}, "shuffle is 'full' in rank 0 and None in rank 1"),
    "block": (
        {"shuffle": Block(rows=7, window=2)},
        {"shuffle": Block(rows=7, window=3)},
        "shuffle.window is 2 in rank 0 and 3 in rank 1",
    ),
    "batch_size": (
        {"batch_size": 4},
        {"batch_size": 6},
        "components.samples.global_batch_size is 12 in rank 0 and 18 in rank 1",
    ),
    "size of a bucket": (
        {"bucket_by": "shape", "global_batch_size": {"wide": 12, "tall": 12, "square": 12, "few": 12}},
        {"bucket_by": "shape", "global_batch_size": {"wide": 12, "tall": 12, "square": 24, "few": 12}},
        "components.samples.global_batch_size.square is 12 in rank 0 and 24 in rank 1",
    ),
    "weights of a mixture": (HALVES, {**HALVES, "query": {"even": 1, "odd": 2}}, "mixture is .* in rank 0 and .*2.0"),
    "components": (
        HALVES,
        {**HALVES, "query": {"even": 1}, "components": {"even": PARTS["even"]}},
        "odd.query is 'SELECT .* in rank 0 and None in rank 1",
    ),
    "mix": (HALVES, {**HALVES, "mix": "steps"}, "mix is 'samples' in rank 0 and 'steps' in rank 1"),
    "num_steps": (HALVES, {**HALVES, "num_steps": 12}, "num_steps is 11 in rank 0 and 12 in rank 1"),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_ranks_that_disagree_are_all_told_in_what(root: Path, tmp_path: Path, name: str) -> None:
    wanted, other, message = DISAGREEMENTS[name]
    ranks = group(tmp_path, (make, root, wanted), (make, root, other), (make, root, wanted))
    for each in ranks:
        with pytest.raises(OrderError, match=f"the ranks disagree: {message}"):
            reraise(each)
        assert "give every rank the same arguments" in each.text


@pytest.mark.parametrize("options", [{"drop_last": False}, {"seed": None}, {"mix": "both"}])
def test_an_argument_that_one_rank_cannot_use_is_told_to_all(
    root: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    ranks = group(tmp_path, (make, root, {}), (make, root, options))
    (name,) = options
    with pytest.raises(OrderError, match=name):
        reraise(ranks[1])
    with pytest.raises(OrderError, match=f"rank 1.*{name}"):
        reraise(ranks[0])


def test_a_rank_that_has_another_saved_selection_is_told(root: Path, tmp_path: Path) -> None:
    with cutlist.connect(root) as now:
        saved = [now.compile(query).path for query in (PICTURES, f"{PICTURES} ORDER BY id LIMIT 90")]
    ranks = group(tmp_path, *[(make, root, {"query": path}) for path in saved])
    for each in ranks:
        with pytest.raises(OrderError, match=r"the ranks disagree: .*selection is '.*' in rank 0 and '.*' in rank 1"):
            reraise(each)


def test_a_kind_of_shuffle_that_one_rank_has_is_told(root: Path, tmp_path: Path) -> None:
    ranks = group(tmp_path, (make, root, {}), (make, root, {"shuffle": Block(rows=7, window=2)}))
    with pytest.raises(OrderError, match=r"the ranks disagree: shuffle is 'full' in rank 0 and .*7.* in rank 1"):
        reraise(ranks[0])


def test_a_rank_that_has_another_root_is_told_at_the_start(root: Path, tmp_path: Path) -> None:
    other = write_root(tmp_path / "other", first=1)
    ranks = group(tmp_path, (make, root, {}), (make, other, {}))
    for each in ranks:
        with pytest.raises(errors.CutlistError, match=r"table stills in .*other.* was made anew"):
            reraise(each)


# -- which rank this is -----------------------------------------------------------------------------------------------


def test_torchrun_tells_the_ranks(root: Path, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command = [*run, "tests.loaders.test_groups", str(root), str(tmp_path)]
    subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=True, capture_output=True, timeout=240)
    ranks = [Told(*pickle.loads((tmp_path / f"{rank}.pickle").read_bytes())) for rank in range(2)]
    assert [each.place for each in ranks] == [(0, 2), (1, 2)]
    assert together([each.batches for each in ranks]) == alone(root)


def under_torchrun(root: str, folder: str) -> None:
    """Make a loader without a process group, and another in one."""
    without = make(root, {})
    dist.init_process_group("gloo")
    told = make(root, {})
    assert (told.place, told.batches) == (without.place, without.batches)
    Path(folder, f"{dist.get_rank()}.pickle").write_bytes(pickle.dumps(tuple(told)))
    dist.destroy_process_group()


def test_a_rank_that_is_told_to_be_alone_does_not_wait_for_the_others(root: Path, tmp_path: Path) -> None:
    ranks = group(tmp_path, (make, root, {"rank": 0, "world_size": 1}), (int,))
    assert ranks[0].place == (0, 1)
    assert ranks[0].batches == alone(root)


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "3"}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        (TORCHRUN, (1, 3)),
        (SRUN, (2, 3)),
        ({**SRUN, **TORCHRUN}, (1, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3"}, (0, 1)),
        ({}, (0, 1)),
    ],
    ids=["torchrun", "srun", "torchrun under srun", "a batch script of SLURM", "none"],
)
def test_the_environment_tells_which_rank_a_process_is(
    root: Path, tmp_path: Path, variables: dict[str, str], place: tuple[int, int]
) -> None:
    (told,) = finish([start(tmp_path, make, root, {}, **variables)], seconds=SECONDS)
    assert told.place == place
    rank, world_size = place
    assert [each.ids for each in told.batches] == [each.ids[rank::world_size] for each in alone(root)]


def test_a_process_group_goes_before_the_environment(root: Path, tmp_path: Path) -> None:
    ranks = [start(tmp_path, in_group, tmp_path, 2, rank, make, root, {}, **TORCHRUN) for rank in range(2)]
    assert [each.place for each in finish(ranks, seconds=SECONDS)] == [(0, 2), (1, 2)]


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"])
def test_a_variable_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "two")
    with pytest.raises(OrderError, match=f"environment variable {name}=two: expected a whole number"):
        resolve_rank(None, None)


if __name__ == "__main__":
    under_torchrun(*sys.argv[1:])
