"""What is random in decoding depends on seed, epoch and sample alone: not on batches, ranks, workers or threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.data import DataLoader

from cutlist_torch import Loader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import Made

QUERY = (
    "SELECT id, video.random_clip(0.5).frames(2).resize(40, 30).random_crop(32, 24).random_flip() AS frames, "
    "video.resize(40, 30).random_clip(0.5).frames(2).random_crop(32, 24).random_flip() AS pair FROM my_videos"
)


def loader(made: Made, **options: Any) -> Loader:
    return Loader(QUERY, root=made.root, views=made.views, **{"batch_size": 4, "seed": 5, **options})


def pictures(batches: Iterable[Any]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for batch in batches:
        assert torch.equal(batch["frames"], batch["pair"])
        found |= dict(zip(batch["id"], batch["frames"], strict=True))
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> int:
    """Return for how many ids the pictures are equal."""
    assert one.keys() == other.keys()
    return sum(torch.equal(each, other[name]) for name, each in one.items())


@pytest.fixture(scope="module")
def expected(made: Made) -> dict[str, torch.Tensor]:
    return pictures(loader(made))


@pytest.mark.parametrize("options", [{"batch_size": 2, "num_threads": 1}, {"shuffle": None}, {"num_threads": 3}])
def test_neither_batches_nor_threads_matter(
    made: Made, expected: dict[str, torch.Tensor], options: dict[str, Any]
) -> None:
    assert same(expected, pictures(loader(made, **options))) == 24


def test_nor_ranks(made: Made, expected: dict[str, torch.Tensor]) -> None:
    of_ranks = [pictures(loader(made, batch_size=2, rank=rank, world_size=2)) for rank in range(2)]
    assert same(expected, of_ranks[0] | of_ranks[1]) == 24


def test_nor_workers(made: Made, expected: dict[str, torch.Tensor]) -> None:
    under = DataLoader(loader(made), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert same(expected, pictures(under)) == 24


def test_another_epoch_or_seed_is_another_draw(made: Made, expected: dict[str, torch.Tensor]) -> None:
    other = loader(made)
    assert same(expected, pictures(other)) == 24
    second = pictures(other)
    assert same(expected, second) < 6
    assert same(expected, pictures(loader(made, seed=6))) < 6
    other.set_epoch(1)
    assert same(second, pictures(other)) == 24
    other.set_epoch(0)
    assert same(expected, pictures(other)) == 24
