"""Where a loader is: under persistent workers, moved while it runs, iterated twice, left early.

Batches of 4 of 24 samples are 6 steps; of 20 samples 5, which two workers do not divide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from cutlist.errors import OrderError, StateError
from cutlist_torch import Batch, Loader

if TYPE_CHECKING:
    from tests.conftest import Made

QUERY = "SELECT id FROM my_videos"


def places(batches: list[Batch]) -> list[tuple[int, int]]:
    return [(batch.epoch, batch.step) for batch in batches]


def epoch(number: int, *, steps: int = 5) -> list[tuple[int, int]]:
    return [(number, step) for step in range(steps)]


def loader(made: Made, **options: Any) -> Loader:
    return Loader(QUERY, root=made.root, **{"batch_size": 4, **options})


def test_persistent_workers_go_through_whole_epochs(made: Made) -> None:
    """Five steps of two workers: one has three, the other two; none is lost in any pass, however it ends."""
    each = Loader("SELECT id FROM my_videos ORDER BY id LIMIT 20", root=made.root, batch_size=4)
    under = DataLoader(
        each, batch_size=None, num_workers=2, multiprocessing_context="forkserver", persistent_workers=True
    )
    assert places(list(under)) == epoch(0)
    assert places(list(under)) == epoch(1)
    for batch in under:  # left early
        assert batch.epoch == 2
        break
    assert places(list(under)) == epoch(3)
    each.set_epoch(7)
    assert places(list(under)) == epoch(7)
    each.load_state_dict({**each.state_dict(after=Batch({}, epoch=1, step=2))})
    assert places(list(under)) == [(1, 3), (1, 4)]
    assert places(list(under)) == epoch(2)


def test_an_iterator_is_out_of_date_when_another_begins_or_the_loader_is_moved(made: Made) -> None:
    each = loader(made)
    first = iter(each)
    next(first)
    second = iter(each)
    with pytest.raises(StateError, match="this iterator is out of date: the loader was iterated anew, or moved"):
        next(first)
    assert next(second).step == 1
    each.set_epoch(5)
    with pytest.raises(StateError, match="this iterator is out of date"):
        next(second)
    assert next(iter(each)).epoch == 5
    before = iter(each)
    each.set_epoch(3)
    with pytest.raises(StateError, match="this iterator is out of date"):
        next(before)


def test_a_loop_that_is_left_early_goes_on(made: Made) -> None:
    each = loader(made)
    for batch in each:
        if batch.step == 2:
            break
    assert places(list(each)) == [(0, 3), (0, 4), (0, 5)]
    assert places(list(each)) == epoch(1, steps=6)


def test_numbers_of_numpy_are_numbers(made: Made) -> None:
    each = loader(made, batch_size=np.int64(4), seed=np.int64(3))
    each.set_epoch(np.int64(2))  # type: ignore[arg-type]
    assert next(iter(each))["id"] == next(iter(at_epoch(loader(made, seed=3), 2)))["id"]


def at_epoch(each: Loader, number: int) -> Loader:
    each.set_epoch(number)
    return each


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": None}, r"seed=None: expected a whole number"),
        ({"seed": 1.5}, r"seed=1\.5: expected a whole number"),
        ({"batch_size": True}, r"batch_size=True: expected a whole number of at least 1"),
    ],
)
def test_what_is_no_number_is_refused(made: Made, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        loader(made, **options)
    with pytest.raises(OrderError, match=r"epoch=-1: expected a whole number of at least 0"):
        loader(made).set_epoch(-1)


def test_a_state_without_its_position_is_refused(made: Made) -> None:
    state = loader(made).state_dict()
    with pytest.raises(StateError, match='the state has no "epoch"'):
        loader(made).load_state_dict({key: value for key, value in state.items() if key != "epoch"})
    with pytest.raises(StateError, match="the state is at epoch 'x', step 0"):
        loader(made).load_state_dict({**state, "epoch": "x"})


def test_the_setting_num_threads_is_the_default(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTLIST_NUM_THREADS", "5")
    assert loader(made)._num_threads == 5
    assert loader(made, num_threads=2)._num_threads == 2
