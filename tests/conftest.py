"""What every test shares: a clean environment, and the real media beside the repository where they are there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

import cutlist
from cutlist.media.synthetic import render_media

# No wall-clock bound, and the same examples in every run: a failure in CI is a failure here.
settings.register_profile("cutlist", deadline=None, derandomize=True)
settings.load_profile("cutlist")

LONG = (
    *("tests/loaders/", "tests/backfill/test_kills", "tests/backfill/test_ray", "tests/examples/", "tests/shell/"),
    *("tests/test_benchmarks", "tests/test_notebooks", "tests/test_s3", "tests/media/test_exact"),
)
"""Files with few tests that take long: they go first, so that no process is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of `LONG` first, and leave the rest in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A root with ingested tables `my_videos` (24 rows) and `my_images` (12), the media's folder, and the views."""

    root: Path
    media: Path
    views: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Rendered media in tables, made once for each test process. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("made")
    captions = render_media(folder / "media", num_videos=24, num_images=12, seed=1)
    views = Path(__file__).parents[1] / "sql"
    with cutlist.connect(folder / "data", views=views, create=True) as session:
        session.ingest(folder / "media", table="my_videos", metadata=captions, kinds=("video",))
        session.ingest(folder / "media", table="my_images", metadata=captions, kinds=("image",))
    return Made(root=folder / "data", media=folder / "media", views=views)
