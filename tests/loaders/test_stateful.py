"""torchdata's StatefulDataLoader over a loader: taken up after any batch, by its own rules, the rest is the same.

131 pictures in batches of 12 are ten steps an epoch, a mixture has eleven, which two workers do not share equally.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.loaders.runs import Seen, make_loader, seen, take, write_root
from torchdata.stateful_dataloader import StatefulDataLoader  # type: ignore[import-untyped]

from cutlist.errors import StateError

if TYPE_CHECKING:
    from cutlist_torch import Loader

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata 0.11 calls it

NUM_EPOCHS = 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("stateful"))


def stateful(loader: Loader, num_workers: int, *, method: str = "forkserver", persistent: bool = True) -> Any:
    workers: dict[str, Any] = {"multiprocessing_context": method, "persistent_workers": persistent}
    return StatefulDataLoader(loader, batch_size=None, num_workers=num_workers, **(workers if num_workers else {}))


def whole_run(root: Path, order: str) -> list[Seen]:
    """Return the batches of a loader without a DataLoader."""
    loader = make_loader(root, order)
    return [each for _ in range(NUM_EPOCHS) for each in take(loader)]


def go_on(under: Any, last: Seen) -> list[Seen]:
    """Return the batches up to the last, over as many passes as that takes."""
    made: list[Seen] = []
    for _ in range(NUM_EPOCHS + 1):
        for batch in under:
            made.append(seen(batch))
            if (batch.epoch, batch.step) == (last.epoch, last.step):
                return made
    raise AssertionError(f"{len(made)} batches, and never the last")


@pytest.mark.parametrize(
    ("order", "done"),
    [
        ("plain", 1),
        ("plain", 4),
        ("plain", 10),
        ("plain", 13),
        ("plain", 20),
        ("curriculum", 6),
        ("curriculum", 11),
        ("curriculum", 23),
        ("buckets and weights", 12),
    ],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_rest_is_the_same_after_any_batch(root: Path, num_workers: int, order: str, done: int) -> None:
    """After the last batch of an epoch the state is that of a pass that has none left, and does not know it yet."""
    whole = whole_run(root, order)
    first = stateful(make_loader(root, order), num_workers)
    assert go_on(first, whole[done - 1]) == whole[:done]
    second = stateful(make_loader(root, order), num_workers)
    second.load_state_dict(first.state_dict())
    assert go_on(second, whole[-1]) == whole[done:]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_state_after_a_pass_is_that_before_the_next(root: Path, num_workers: int) -> None:
    first = stateful(make_loader(root, "curriculum"), num_workers)
    one, two, three = take(first), take(first), take(first)
    for passes, rest in ((1, [two, three]), (2, [three])):
        loader = stateful(make_loader(root, "curriculum"), num_workers)
        for _ in range(passes):
            take(loader)
        second = stateful(make_loader(root, "curriculum"), num_workers)
        second.load_state_dict(loader.state_dict())
        assert [take(second) for _ in rest] == rest
    assert [*one, *two, *three] == whole_run(root, "curriculum")


def test_spawned_workers_that_are_made_anew_for_each_pass_are_told_the_epoch(root: Path) -> None:
    whole = whole_run(root, "plain")
    loader = make_loader(root, "plain")
    loader.set_epoch(1)
    first = stateful(loader, 1, method="spawn", persistent=False)
    assert take(first, 7) == whole[10:17]
    again = make_loader(root, "plain")
    second = stateful(again, 1, method="spawn", persistent=False)
    second.load_state_dict(first.state_dict())
    rest = []
    for epoch in (1, 2):
        again.set_epoch(epoch)
        rest += take(second)
    assert rest == whole[17:]


def test_a_state_of_as_many_workers_is_wanted(root: Path) -> None:
    first = stateful(make_loader(root, "plain"), 1)
    take(first, 3)
    second = stateful(make_loader(root, "plain"), 2)
    second.load_state_dict(first.state_dict())
    with pytest.raises(StateError, match=r"the state is of worker 0 of 1, and this is worker 0 of 2; a StatefulDataLo"):
        take(second)


def test_a_worker_refuses_the_state_of_something_else(root: Path) -> None:
    first = stateful(make_loader(root, "plain"), 1)
    take(first, 3)
    second = stateful(make_loader(root, "plain", seed=6), 1)
    second.load_state_dict(first.state_dict())
    with pytest.raises(StateError, match="the state is of another seed: 5 there, 6 here"):
        take(second)


def test_the_state_of_a_worker_is_none_of_a_whole_loader(root: Path) -> None:
    under = stateful(make_loader(root, "plain"), 1)
    take(under, 3)
    (of_worker,) = under.state_dict()["_snapshot"]["_worker_snapshots"].values()
    state = json.loads(json.dumps(of_worker["dataset_state"]))
    with pytest.raises(
        StateError, match="the state is of worker 0 of 1, and this is a whole loader; a StatefulDataLoa"
    ):
        make_loader(root, "plain").load_state_dict(state)
