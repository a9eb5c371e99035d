"""A Ray cluster on this machine that lives as long as the process that asks for it: a program that `ray_cluster` runs.

A process of its own, for two reasons. Starting Ray forks, which no process may that has used Lance. And it sees the end
of its standard input when the other process is gone, also by `kill -9`, of which Ray leaves processes for a minute and
files for ever; it ends the cluster, and removes its files.

It imports nothing of cutlist, and so nothing of Lance.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ray


def main(arguments: Sequence[str]) -> int:
    """Hold a cluster until standard input ends: of a folder for its files, its CPUs, and its GPUs, if not as found."""
    folder, (num_cpus, *num_gpus) = Path(arguments[0]), map(int, arguments[1:])
    try:
        try:
            told = {"address": started(folder, num_cpus, *num_gpus)}
        except Exception as error:
            told = {"error": str(error) or repr(error)}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        ray.shutdown()
        for _ in range(100):  # processes that are ending may write a last line
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.05)
    return 0


def started(folder: Path, num_cpus: int, num_gpus: int | None = None) -> str:
    """Start a cluster whose files are in a folder; return its address."""
    context = ray.init(
        address="local",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        _temp_dir=str(folder),
    )
    return str(context.address_info["address"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
