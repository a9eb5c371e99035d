"""Train a small text-to-video model on a mixture of pictures and clips, from two SQL views to the worst samples.

A transformer over patches learns rectified flow: from x_t = (1 - t) data + t noise, the velocity noise - data
(Liu et al., arXiv 2209.03003, eq. 1). What it is trained on are `examples/sql/pictures.sql` and `clips.sql`: buckets of
one shape each, mixed by steps. The losses of all samples are logged, and the worst are drawn at the end.

    make demo                                             # or tables my_videos and my_images of your own, with captions
    python examples/text_to_video.py --root demo-data
    torchrun --nproc-per-node 2 examples/text_to_video.py --root demo-data    # goes on where it was, with two processes

Noise and times are drawn for the global batch, so a run is the same one for any number of processes: stop it at any
step (Ctrl-C saves), and resume it with another.
"""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import torch.distributed as dist
import typer
from rich.console import Console
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import cutlist
from cutlist.errors import CutlistError
from cutlist.media import contact_sheet
from cutlist.order import Component
from cutlist_torch import Loader

if TYPE_CHECKING:
    from cutlist_torch import Batch

VIEWS = Path(__file__).parent / "sql"
WORDS, PATCH, WIDTH, DEPTH = 4096, 8, 128, 4
NUM_WORDS = 16
"""Of a caption, at most."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)


# -- the model --------------------------------------------------------------------------------------------------------


class Flow(nn.Module):
    """The velocity of noisy clips: a transformer over patches of 8 x 8 pixels, and one token of time and caption."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(WORDS, WIDTH, mode="mean", padding_idx=0)
        self.time = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.patches = nn.Linear(3 * PATCH * PATCH, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, nhead=4, dim_feedforward=4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * PATCH * PATCH))

    def forward(self, clips: torch.Tensor, times: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Return velocities, float32 (B, T, 3, H, W), as the clips; times (B,) in [0, 1]; words int64 (B, n)."""
        count, length, _, height, width = clips.shape
        rows, columns = height // PATCH, width // PATCH
        tokens = clips.reshape(count, length, 3, rows, PATCH, columns, PATCH).permute(0, 1, 3, 5, 2, 4, 6)
        tokens = self.patches(tokens.reshape(count, length * rows * columns, -1))
        place = torch.cartesian_prod(*(torch.linspace(0, 1, size) for size in (length, rows, columns))).to(clips.device)
        tokens = tokens + sum(waves(place[:, axis], WIDTH) for axis in range(3))
        about = self.time(waves(times, WIDTH)) + self.words(words)
        tokens = self.out(self.layers(torch.cat([about[:, None], tokens], dim=1))[:, 1:])
        shaped = tokens.reshape(count, length, rows, columns, 3, PATCH, PATCH).permute(0, 1, 4, 2, 5, 3, 6)
        return torch.reshape(shaped, clips.shape)


def waves(numbers: torch.Tensor, width: int) -> torch.Tensor:
    """Return sines and cosines of numbers in [0, 1] at frequencies from 1 to 1000: float32 (n, width)."""
    angles = numbers[:, None] * torch.logspace(0, 3, width // 2, device=numbers.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def words_of(captions: Sequence[str]) -> torch.Tensor:
    """Return the words of captions as numbers in [1, WORDS), by a hash; 0 where there are no more: int64 (n, 16)."""
    numbers = [[zlib.crc32(word.encode()) % (WORDS - 1) + 1 for word in each.lower().split()] for each in captions]
    return torch.tensor([(each + [0] * NUM_WORDS)[:NUM_WORDS] for each in numbers])


def clips_of(batch: Batch) -> torch.Tensor:
    """Return the clips of a batch, a picture as one frame: float32 (B, T, 3, H, W) in [-1, 1]."""
    frames: torch.Tensor = batch["frames"]
    return (frames if frames.ndim == 5 else frames[:, None]).float() / 127.5 - 1


@torch.no_grad()
def generate(model: nn.Module, captions: Sequence[str], *, num_frames: int, device: str) -> torch.Tensor:
    """Return clips for captions, by 20 steps of Euler from noise: uint8 (B, T, 3, 48, 72)."""
    noise = torch.randn(len(captions), num_frames, 3, 48, 72, generator=torch.Generator().manual_seed(0))
    clips, words = noise.to(device), words_of(captions).to(device)
    for step in range(20):
        times = torch.full((len(captions),), 1 - step / 20, device=device)
        clips = clips - model(clips, times, words) / 20
    pixels: torch.Tensor = ((clips.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.cpu()


# -- the run ----------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Run:
    """What is trained, and where its checkpoint is."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loader: Loader
    file: Path
    device: str
    step: int = 0

    def restore(self) -> None:
        """Go to where the checkpoint is, if there is one."""
        if self.file.is_file():
            saved = torch.load(self.file, map_location=self.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.loader.load_state_dict(saved["loader"])
            self.step = saved["step"]

    def save(self, batch: Batch) -> None:
        """Write the checkpoint after a batch: as a whole, or not at all."""
        if self.loader.rank == 0:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            state: dict[str, Any] = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
            state |= {"loader": self.loader.state_dict(after=batch), "step": self.step}
            torch.save(state, self.file.with_suffix(".tmp"))
            self.file.with_suffix(".tmp").replace(self.file)


def losses_of(model: nn.Module, batch: Batch, loader: Loader, device: str) -> torch.Tensor:
    """Return the loss of each sample, float32 (B,).

    The draws are those of the global batch, of which rank r has the samples r, r + world size, …
    """
    clips, words = clips_of(batch).to(device), words_of(batch["caption"]).to(device)
    shape = (len(clips) * loader.world_size, *clips.shape[1:])
    drawn = torch.Generator().manual_seed(batch.epoch << 32 | batch.step)
    times, noise = torch.rand(shape[0], generator=drawn), torch.randn(shape, generator=drawn)
    mine = slice(loader.rank, None, loader.world_size)
    times, noise = times[mine].to(device), noise[mine].to(device)
    part = times[:, None, None, None, None]
    velocity: torch.Tensor = model((1 - part) * clips + part * noise, times, words)
    return ((velocity - (noise - clips)) ** 2).mean(dim=(1, 2, 3, 4))


def train(run: Run, *, name: str, save_every: int) -> None:
    """Train to the end of the loader's steps, or until it is told to stop."""
    parallel: nn.Module = DistributedDataParallel(run.model) if dist.is_initialized() else run.model
    loader, shown = run.loader, torch.zeros(2)
    with asked_to_stop() as stop:
        for batch in loader:
            losses = losses_of(parallel, batch, loader, run.device)
            run.optimizer.zero_grad()
            losses.mean().backward()  # type: ignore[no-untyped-call]
            run.optimizer.step()
            run.step += 1
            loader.log(batch, run=name, loss=losses.detach())
            shown += torch.tensor([losses.sum().item(), len(losses)])
            if run.step % 20 == 0 or run.step == len(loader):
                total = together(shown)
                if loader.rank == 0:
                    waiting = f"waited {loader.stats.wait_seconds:.1f} s for data"
                    console.print(f"step {run.step:5}  loss {total[0] / total[1]:.4f}  {batch.bucket:6}  {waiting}")
                shown.zero_()
            ended = bool(together(torch.tensor(float(stop[0]))) > 0)  # all ranks end at the same step
            if run.step % save_every == 0 or run.step == len(loader) or ended:
                run.save(batch)
            if ended:
                loader.flush_log()  # here, as a launcher may say SIGTERM again, which then ends the process
                raise SystemExit(f"stopped at step {run.step}; the same command goes on from there")


def together(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of values over all ranks."""
    values = values.clone()
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


@contextmanager
def asked_to_stop() -> Iterator[list[bool]]:
    """Return a context with a list of one: whether Ctrl-C, or the scheduler's SIGTERM, came."""
    stop = [False]

    def note(number: int, frame: object) -> None:
        stop[0] = True

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def draw_worst(session: cutlist.Session, name: str, folder: Path) -> None:
    """Draw the samples with the worst mean loss of a run, and of each table print its worst."""
    for table, medium in (("my_images", "image"), ("my_videos", "clip(video, 0, 1)")):
        query = f"""
            SELECT {medium} AS medium, caption, worst.loss
            FROM (
                SELECT row_id, median(loss) AS loss FROM _log
                WHERE run = '{name}' AND "table" = '{table}' GROUP BY row_id ORDER BY loss DESC, row_id LIMIT 12
            ) AS worst JOIN {table} ON {table}._rowid = worst.row_id ORDER BY worst.loss DESC, worst.row_id"""
        sheet = folder / f"worst-{table}.png"
        session.sheet(query, sheet)
        [(caption, loss)] = session.sql(f"SELECT caption, loss FROM ({query}) LIMIT 1").fetchall()
        console.print(f"{sheet}: the worst is “{caption}”, loss {loss:.3f}")


@app.command()
def main(
    root: Annotated[str, typer.Option(help="The tables: a folder, or an s3:// URI.")] = "demo-data",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the whole run.")] = 400,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a step, over all processes.")] = 16,
    runs: Annotated[Path, typer.Option(help="Where the run's folder is.")] = Path("runs"),
    name: Annotated[str, typer.Option(help="Of the run.")] = "text-to-video",
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 100,
) -> None:
    """Train on the views of examples/sql; resume where the checkpoint is; draw samples and the worst of the data."""
    if "RANK" in os.environ:  # torchrun, or a launcher that sets the same
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    folder = runs / name
    torch.manual_seed(0)
    views = ("pictures", "clips")  # as many steps of the one as of the other
    loader = Loader(
        dict.fromkeys(views, 1.0),
        components={each: Component(each, global_batch_size=batch, bucket_by="bucket") for each in views},
        num_steps=steps,
        root=root,
        views=VIEWS,
        pin_memory=device != "cpu",
    )
    model = Flow().to(device)
    run = Run(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3),
        loader=loader,
        file=folder / "checkpoint.pt",
        device=device,
    )
    run.restore()
    if loader.rank == 0:
        console.print(f"{loader}\n{'resumed at' if run.step else 'from'} step {run.step} of {steps}")
    if run.step < steps:
        train(run, name=name, save_every=save_every)
    loader.flush_log()
    together(torch.zeros(1))  # what all ranks logged is written
    if loader.rank == 0:
        captions = ["a red circle", "a blue square", "a green triangle", "a yellow star"]
        clips = generate(model, captions, num_frames=4, device=device)
        contact_sheet([each.numpy() for each in clips], captions).save(folder / "samples.png")
        console.print(f"{folder / 'samples.png'}: what it makes of {', '.join(captions)}")
        with cutlist.connect(root, views=VIEWS) as session:
            draw_worst(session, name, folder)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        app()
    except CutlistError as error:
        raise SystemExit(f"error: {error}") from error
