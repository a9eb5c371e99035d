"""Two real processes under torch.distributed: together every sample once, disjoint, the batches of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import torch

from cutlist_torch import Loader

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Made

QUERY = "SELECT id, video.frames(2).resize(16, 8) AS frames FROM my_videos"
RANK = """
import sys, torch, torch.distributed as dist
from cutlist_torch import Loader
dist.init_process_group("gloo", init_method=sys.argv[2], rank=int(sys.argv[1]), world_size=2)
loader = Loader(sys.argv[3], root=sys.argv[4], batch_size=5, seed=3)
assert (loader.rank, loader.world_size) == (dist.get_rank(), 2)
batches = [(b.epoch, b.step, b["id"], b["frames"]) for epoch in range(2) for b in loader]
count = torch.tensor(len(batches))
dist.all_reduce(count)
assert count == 2 * len(batches), "ranks disagree on the number of steps"
torch.save(batches, f"rank{sys.argv[1]}.pt")
dist.destroy_process_group()
"""


def test_two_processes_see_every_sample_once_and_the_batches_of_one(made: Made, tmp_path: Path) -> None:
    """24 samples, a global batch of 10: two steps an epoch, and a tail of four that is dropped."""
    meeting = (tmp_path / "meeting").as_uri()
    command = [sys.executable, "-c", RANK]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen([*command, str(rank), meeting, QUERY, str(made.root)], cwd=tmp_path, env=environment)
        for rank in range(2)
    ]
    assert [rank.wait(timeout=240) for rank in ranks] == [0, 0]
    seen = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    one = Loader(QUERY, root=made.root, batch_size=10, seed=3)
    alone = [batch for _ in range(2) for batch in one]
    assert len(alone) == len(seen[0]) == len(seen[1]) == 4
    for batch, first, second in zip(alone, *seen, strict=True):
        assert (batch.epoch, batch.step) == first[:2] == second[:2]
        assert (batch["id"][0::2], batch["id"][1::2]) == (first[2], second[2])
        assert torch.equal(batch["frames"][0::2], first[3])
        assert torch.equal(batch["frames"][1::2], second[3])
    for epoch in range(2):
        got = [each for rank in seen for e, _, ids, _ in rank if e == epoch for each in ids]
        assert len(got) == len(set(got)) == 20
