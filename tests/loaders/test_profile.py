"""`loader.profile`: where the time goes, and the loader stays where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cutlist.errors import OrderError
from cutlist_torch import Loader
from cutlist_torch.profile import Profile

if TYPE_CHECKING:
    from tests.conftest import Made

QUERY = "SELECT id, video.frames(2).resize(16, 8) AS frames FROM my_videos"


def test_a_profile_adds_up_and_moves_nothing(made: Made) -> None:
    loader = Loader(QUERY, root=made.root, batch_size=4, seed=3)
    batches = iter(loader)
    first = next(batches)
    found = loader.profile(3)
    assert (found.num_steps, found.num_samples, found.num_planned) == (3, 12, 12)
    assert found.decoded_bytes == 12 * (2 * 3 * 16 * 8)
    assert 0 < found.decode_seconds <= found.seconds * found.num_threads
    assert found.hit_rate is None
    assert loader.state_dict() == loader.state_dict(after=first)
    assert next(batches).step == 1
    assert len(str(found).splitlines()) == 7
    assert loader.profile(100).num_steps == len(loader) - 2


def test_steps_are_counted(made: Made) -> None:
    with pytest.raises(OrderError, match=r"^steps=0: expected a whole number of at least 1$"):
        Loader(QUERY, root=made.root, batch_size=4).profile(0)


PROFILE = Profile(
    num_steps=10,
    num_samples=80,
    num_threads=2,
    seconds=10.0,
    read_seconds=1.0,
    decode_seconds=19.0,
    process_seconds=0.0,
    collate_seconds=0.5,
    wait_seconds=9.0,
    num_bytes=10**8,
    num_reads=20,
    num_planned=80,
    decoded_bytes=80 * 2 * 10**7,
)


def test_advice() -> None:
    assert PROFILE.advice == (
        "bound by decoding (1.9 of 2 threads busy); a sample is 20.0 MB decoded: resize() or frames() in SQL would "
        "make it less"
    )
    assert replace(PROFILE, decoded_bytes=80).advice.endswith("more cores or machines would share it out")
    reading = replace(PROFILE, decode_seconds=2.0, read_seconds=9.5)
    assert reading.advice == (
        "bound by reading (10.0 MB/s in 20 calls, 0.2 of 2 threads busy); cache_bytes=… keeps remote media on this "
        "machine"
    )
    assert "cache_bytes" not in replace(reading, hit_rate=0.5).advice
    assert replace(PROFILE, process_seconds=30.0).advice.startswith("bound by row processors (61% of the work")
    assert replace(PROFILE, collate_seconds=6.0).advice.startswith("bound by collating (60% of the time)")
