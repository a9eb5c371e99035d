"""The training example, run as its page says: over an object store, with a cache, stopped, and resumed with another
number of processes. The losses of all samples are those of a run in peace.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import s3

import cutlist

if TYPE_CHECKING:
    from tests.conftest import Made

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "examples" / "text_to_video.py"
SETTINGS = ["--steps", "8", "--batch", "4", "--save-every", "1"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@contextmanager
def started(folder: Path, arguments: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Return a context with Python running in a folder, with the packages of this checkout."""
    paths = os.pathsep.join(str(REPOSITORY / each) for each in ("src", "loaders", "featurizers"))
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def ended(folder: Path, arguments: list[str], environment: dict[str, str]) -> str:
    """Return what a process that must succeed has said."""
    with started(folder, arguments, environment) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def losses(session: cutlist.Session, run: str) -> dict[tuple[int, int], float]:
    """Return the loss of each (step, sample) of a run; the last one where a step was made twice."""
    found = session.sql(f"SELECT step, sample, loss FROM _log WHERE run = '{run}'").fetchall()
    return {(step, sample): loss for step, sample, loss in found}


@pytest.mark.skipif(s3.RCLONE is None, reason="rclone is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_over_an_object_store_goes_on_with_another_number_of_processes(made: Made, tmp_path: Path) -> None:
    with s3.serve_s3(tmp_path / "served") as store:
        shutil.copytree(made.root, store.folder / "data")
        options: dict[str, Any] = store.storage_options
        environment = {
            "AWS_ENDPOINT_URL": options["aws_endpoint"],
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": s3.KEY,
            "AWS_SECRET_ACCESS_KEY": s3.SECRET,
            "AWS_REGION": "us-east-1",
            "CUTLIST_CACHE_DIR": str(tmp_path / "cache"),
            "CUTLIST_CACHE_BYTES": str(2**28),
        }
        on_store = [str(PROGRAM), "--root", f"s3://{s3.BUCKET}/data", *SETTINGS]
        assert "from step 0 of 8" in ended(tmp_path, [*on_store, "--name", "alone"], environment)
        checkpoint = tmp_path / "runs" / "stopped" / "checkpoint.pt"
        with started(tmp_path, [*TORCHRUN, *on_store, "--name", "stopped"], environment) as stopped:
            while stopped.poll() is None and not checkpoint.exists():
                time.sleep(0.02)
            stopped.send_signal(signal.SIGTERM)  # torchrun tells its workers
            stopped.communicate(timeout=120)
        said = ended(tmp_path, [*on_store, "--name", "stopped"], environment)
        assert "resumed at step" in said
        assert "the worst is" in said
        assert (tmp_path / "runs" / "stopped" / "worst-my_videos.png").stat().st_size > 10_000
        assert any((tmp_path / "cache").rglob("*")), "nothing was cached"

        with cutlist.connect(f"s3://{s3.BUCKET}/data", storage_options=options) as session:
            wanted, found = losses(session, "alone"), losses(session, "stopped")
    assert len(wanted) == 8 * 4
    assert found == pytest.approx(wanted, abs=1e-3)
