"""What every test shares: a clean environment, and the real media beside the repository where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No wall-clock bound, and the same examples in every run: a failure in CI is a failure here.
settings.register_profile("cutlist", deadline=None, derandomize=True)
settings.load_profile("cutlist")

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that cutlist or its loader would read, so that no test depends on who started it."""
    for name in list(os.environ):
        if name.startswith(("CUTLIST_", "SLURM_", "TORCHELASTIC_")) or name in TORCHRUN:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Return the folder of real media, `../shared/media` from the repository; skip the test where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"no real media: {folder.name} is not beside the repository")
    return folder
