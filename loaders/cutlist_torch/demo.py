"""The demo: media → tables → a query → a training loop. `python -m cutlist_torch.demo`, or `make demo`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from torch import nn

import cutlist
from cutlist.errors import CutlistError
from cutlist.media import contact_sheet
from cutlist.media.synthetic import render_media
from cutlist_torch.loader import Loader

if TYPE_CHECKING:
    from cutlist_torch.batch import Batch

SEED_QUERY = "SELECT COUNT(1) AS num_hd FROM my_videos WHERE height * width >= 1080 * 1920"
NUM_STEPS = 100
BATCH_SIZE = 8

console = Console(highlight=False, soft_wrap=True)


class NextFrame(nn.Module):
    """A small network that predicts each frame of a clip from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, padding=2), nn.GELU(), nn.Conv2d(16, 16, 5, padding=2), nn.GELU(), nn.Conv2d(16, 3, 1)
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error over a batch of clips, uint8 (B, T, 3, H, W)."""
        pixels = frames.float() / 255
        before, after = pixels[:, :-1].flatten(0, 1), pixels[:, 1:].flatten(0, 1)
        return nn.functional.mse_loss(self.layers(before), after)


def step_title(text: str) -> None:
    """Print the title of a step of the demo."""
    console.print(f"\n[bold cyan]── {text}[/bold cyan]")


def render(folder: Path, num_videos: int, num_images: int) -> Path:
    """Render the demo's media, with a progress bar; return the captions' file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not Console(stderr=True).is_terminal) as bar:
        task = bar.add_task("render", total=num_videos + num_images)
        return render_media(
            folder,
            num_videos=num_videos,
            num_images=num_images,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def train(loader: Loader, *, num_steps: int) -> Batch:
    """Train for some steps, over as many epochs as that takes; print what a trainer watches; return the last batch."""
    torch.manual_seed(0)
    model = NextFrame()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses: list[float] = []
    samples = waited = 0.0
    batch: Batch | None = None
    began = time.perf_counter()
    while len(losses) < num_steps:
        for batch in loader:
            loss = model(batch["frames"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            samples += len(batch["frames"])
            if len(losses) % 20 == 0:
                seconds = time.perf_counter() - began
                waiting = (waited + loader.stats.wait_seconds) / seconds
                console.print(
                    f"epoch {batch.epoch:2}  step {len(losses):3}  loss {np.mean(losses[-20:]):.4f}  "
                    f"{samples / seconds:6.1f} samples/s  waiting {waiting:4.0%} of the time"
                )
            if len(losses) == num_steps:
                break
        waited += loader.stats.wait_seconds
    assert batch is not None
    return batch


def main(
    media: Annotated[Path | None, typer.Option(help="Your own folder of videos and pictures.")] = None,
    root: Annotated[Path, typer.Option(help="Where the demo's tables go.")] = Path("demo-data"),
    views: Annotated[Path, typer.Option(help="The views.")] = Path("sql"),
    num_videos: Annotated[int, typer.Option(help="Videos to render.")] = 240,
    num_images: Annotated[int, typer.Option(help="Pictures to render.")] = 120,
    num_steps: Annotated[int, typer.Option(help="Training steps.")] = NUM_STEPS,
) -> None:
    """Make tables and a training set from media, and train on it."""
    captions: Path | None = None
    if media is None:
        step_title(f"render {num_videos} videos and {num_images} pictures (H.264, VP9, AV1, MJPEG; JPEG, PNG)")
        media = root / "media"
        captions = (
            media / "captions.csv" if (media / "captions.csv").is_file() else render(media, num_videos, num_images)
        )
        console.print(f"in {media}")

    step_title("ingest: files → Lance tables, the media inside")
    with cutlist.connect(root, views=views, create=True) as session:
        for table, kind in (("my_videos", "video"), ("my_images", "image")):
            console.print(str(session.ingest(media, table=table, metadata=captions, kinds=(kind,))))

        step_title("ask: SQL over tables and views")
        console.print(f"[green]{SEED_QUERY}[/green]")
        console.print(session.sql(SEED_QUERY))

        step_title("compile: each view of sql/ → row ids, pinned to table versions; no media byte is read")
        described = session.describe_views()
        for view in described:
            if view.problem is not None:
                continue
            try:
                console.print(f"[green]{view.name}[/green]: {view.description}\n  {session.compile(view.name)}")
            except CutlistError as error:  # one's own media may have none that a view asks for
                console.print(f"[green]{view.name}[/green]: {view.description}\n  [yellow]{error}[/yellow]")
        more = [view.name for view in described if view.problem is not None]
        console.print(f"[dim]of columns that featurizers add: {', '.join(more)}[/dim]")

        step_title(f"train: {num_steps} steps of batches of {BATCH_SIZE} from the view clips")
        loader = Loader("clips", root=root, views=views, batch_size=min(BATCH_SIZE, len(session.compile("clips"))))
    console.print(loader)
    batch = train(loader, num_steps=num_steps)

    sheet = root / "batch.png"
    contact_sheet([clip.numpy() for clip in batch["frames"]], batch["path"]).save(sheet)
    step_title("look")
    console.print(f"the last batch is drawn in {sheet}")
    command = Path(sys.executable).parent / "cutlist"
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else "cutlist"
    console.print(f'next: {shown} sql "SELECT path, width, height, fps FROM hd LIMIT 5" --root {root}')


def run() -> None:
    """Run the demo; an error is one message."""
    try:
        typer.run(main)
    except CutlistError as error:
        console.print(f"[bold red]error:[/bold red] {error}", markup=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    run()
