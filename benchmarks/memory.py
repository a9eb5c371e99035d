"""The memory of a long run: thousands of small samples, images and clips, from one reader.

Resident memory of a process that does nothing else, at the start and after each quarter of the run.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

import cutlist
from cutlist.media.synthetic import plan_clips, render_clip
from cutlist.reader import Part, Reader

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for what the other benchmarks have

from benchmarks.loader import texture

DATA_VERSION = 1
"""Of what `make_small` makes; a higher one makes it anew."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def measure_memory(made: Path, num_samples: int, num_threads: int) -> dict[str, Any]:
    """Return the resident memory of this process, in MB, over a long run of small images and clips."""
    with cutlist.connect(made / "root") as session:
        selections = [
            session.compile("SELECT image.resize(32, 32) AS media FROM images"),
            session.compile("SELECT video.clip(0.3, 0.5).resize(32, 32) AS media FROM videos"),
        ]
        num_steps, rng = max(num_samples // 64, 4), np.random.default_rng(0)
        sizes = [(0, len(selections[0]), 48), (1, len(selections[1]), 16)]
        steps = ([Part(i, rng.integers(num, size=size)) for i, num, size in sizes] for _ in range(num_steps))
        reader = Reader(selections, session.store, num_threads=num_threads)
        resident = [_resident()]
        for number, _ in enumerate(reader.read(steps), start=1):
            if number % (num_steps // 4) == 0:
                resident.append(_resident())
    counts = {"samples": reader.stats.num_samples, "planned": reader.stats.num_planned}
    return {**counts, **{f"mb_{i}_of_4": mb for i, mb in enumerate(resident[:5])}}


def make_small(folder: Path) -> Path:
    """Return a folder whose `root` has tables of 200 small images and 20 small videos."""

    made = folder / f"small-v{DATA_VERSION}"
    if made.is_dir():
        return made
    unfinished = folder / f"{made.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "files").mkdir(parents=True)
    for number in range(200):
        pixels = texture(np.random.default_rng([3, number]), 64, 64)
        Image.fromarray(pixels).save(unfinished / "files" / f"{number:03}.jpg")
    for number, clip in enumerate(plan_clips(20, seed=0)):
        picture = replace(clip.picture, width=160, height=120)
        clip = replace(clip, picture=picture, codec="h264", suffix=".mp4", fps=30, num_frames=30, gop_frames=12)
        render_clip(replace(clip, tone_hertz=None), unfinished / "files" / f"{number:03}.mp4")
    with cutlist.connect(unfinished / "root", create=True) as session:
        for kind in ("image", "video"):
            session.ingest(unfinished / "files", table=f"{kind}s", kinds=(kind,), progress=False)
    return unfinished.rename(made)


def _resident() -> float:
    counts = Path("/proc/self/statm")
    return int(counts.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if counts.exists() else 0


@app.command()
def main(
    samples: Annotated[int, typer.Option(min=64, help="Samples in the run, three images to each clip.")] = 20_000,
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = os.cpu_count() or 1,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the media in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
) -> None:
    """Measure the resident memory of a long run of small samples.

    [bold]Example[/bold]

    python benchmarks/memory.py --samples 50000
    """
    made = make_small(data or Path(tempfile.gettempdir()) / "cutlist-benchmarks")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        measured = pool.submit(measure_memory, made, samples, threads).result()
    table = Table(title="Resident memory of a long run of small samples, MB", title_justify="left")
    for heading in ("samples", "clips by packet index", "at the start", "after 1/4", "2/4", "3/4", "at the end"):
        table.add_column(heading, justify="right")
    table.add_row(*(f"{value:.0f}" for value in measured.values()))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    app()
