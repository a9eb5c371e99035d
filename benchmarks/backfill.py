"""What a backfill costs beside the bare function, and a new column beside Lance's own ways of making one; and ingest.

Four tables. *Overhead*: a featurizer of images with the matrix products of a CLIP ViT-B/32, beside the same function
over batches that were decoded before. *Engines*: that backfill in this process, and by workers of a Ray cluster on this
machine, one to a core; of both, the time that more rows take, so that starting is counted apart. *Columns*: a vector
for each row of a table with media, written by a backfill, by `add_columns` with a UDF, by `merge_insert` and, a number
only, by `update`; the bytes that are new on disk afterwards, those among them that are media, and the time; values are
made beforehand, so that only the writing is measured. What a backfill keeps until it commits is counted apart.
*Ingest*: files into a table, beside `cp` and beside a probe of each header by PyAV. Contenders take turns, and a ratio
is the median of the ratios of the rounds.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from unittest import mock

import av
import lance
import numpy as np
import pyarrow as pa
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import cutlist
from cutlist.backfill import Batch, Featurizer, Ray
from cutlist.media import Op, decode
from cutlist.settings import num_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for what the other benchmarks have
images = importlib.import_module("benchmarks.loader")
checkpoint: Any = importlib.import_module("cutlist.backfill.checkpoint")

SIDE = 224
BATCH = 16
LAYERS, WIDTH, TOKENS = 12, 768, 50
"""Of ViT-B/32: its layers, their width, and the tokens of a picture of 224 x 224."""

DIMENSIONS = 512
"""Of a CLIP embedding."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


class Vectors(Featurizer):
    """Products of matrices as large as those of CLIP's image encoder."""

    name = "vectors"
    inputs = f"image.resize_short({SIDE}).center_crop({SIDE}, {SIDE}) AS image"
    outputs = (pa.field("vector", pa.list_(pa.float32(), DIMENSIONS)),)
    batch_size = BATCH

    def __init__(self, layers: int):
        rng = np.random.default_rng(0)
        self.layers = layers
        shapes = ((WIDTH, 3 * WIDTH), (3 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))
        self.weights = [rng.standard_normal(shape, dtype=np.float32) * 0.01 for shape in shapes]

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return a vector for each picture."""
        pixels = np.stack(batch["image"]).reshape(len(batch["image"]), -1)[:, : TOKENS * WIDTH]
        state = (pixels.astype(np.float32) / 255).reshape(-1, WIDTH)
        for _ in range(self.layers):
            for weight in self.weights:
                state = np.tanh(state @ weight)
        return np.asarray(state.reshape(len(pixels), TOKENS, WIDTH).mean(axis=1)[:, :DIMENSIONS])


class Known(Featurizer):
    """Vectors that are there already, by the place of the row."""

    name = "known"
    inputs = "place"
    outputs = (pa.field("vector", pa.list_(pa.float32(), DIMENSIONS)),)
    batch_size = 1024

    def __init__(self, vectors: NDArray[np.float32]):
        self.vectors = vectors

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vector of each place."""
        return self.vectors[batch["place"]]


# -- overhead ---------------------------------------------------------------------------------------------------------


def copied(source: Path, folder: Path) -> Path:
    """Return a copy of a root."""
    target = folder / "root"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def backfilled(data: Any, folder: Path, function: Featurizer, num: int, engine: str | Ray = "local") -> float:
    """Return the seconds of a backfill of so many images."""
    with cutlist.connect(copied(data.folder / "root", folder), views=folder) as session:
        rows = session.sql(f"SELECT max(_rowid) FROM (SELECT _rowid FROM images ORDER BY 1 LIMIT {num})")
        last = rows.fetchall()[0][0]
        began = time.perf_counter()
        session.backfill("images", function, where=f"_rowid <= {last}", engine=engine, progress=False)
        return time.perf_counter() - began


def measure_overhead(data: Any, folder: Path, *, num: int, layers: int, rounds: int) -> list[dict[str, Any]]:
    """Return seconds and rows a second of the function alone and of a backfill, and the ratio."""
    function = Vectors(layers)
    ops = (Op("resize_short", (SIDE,)), Op("center_crop", (SIDE, SIDE)))
    decoded = [decode(path.read_bytes(), ops) for path in data.paths[:num]]
    batches = [{"image": decoded[start : start + BATCH]} for start in range(0, num, BATCH)]
    function(batches[0])
    seconds: dict[str, list[float]] = {"function": [], "backfill": []}
    for number in range(rounds):
        for key in seconds if number % 2 == 0 else reversed(seconds):
            if key == "function":
                began = time.perf_counter()
                for batch in batches:
                    function(batch)
                seconds[key].append(time.perf_counter() - began)
            else:
                seconds[key].append(backfilled(data, folder, function, num))
    ratios = [one / other for one, other in zip(seconds["backfill"], seconds["function"], strict=True)]
    titles = {"function": "the function, over decoded batches", "backfill": "session.backfill"}
    return [
        {
            "contender": key,
            "title": titles[key],
            "seconds": statistics.median(each),
            "rows_per_second": num / statistics.median(each),
            "ratio": 1.0 if key == "function" else statistics.median(ratios),
        }
        for key, each in seconds.items()
    ]


# -- engines ----------------------------------------------------------------------------------------------------------


def num_first() -> int:
    """Return the rows of a batch for each core."""
    return BATCH * num_cores()


def measure_engines(data: Any, folder: Path, *, num: int, layers: int, rounds: int) -> list[dict[str, Any]]:
    """Return for this process and for Ray the seconds that a batch for each core takes, starting included, those that
    so many more rows take, and the ratio of these."""
    from cutlist.backfill.ray_cluster import local_cluster  # not every installation has it

    cores, few = num_cores(), num_first()
    function = Vectors(layers)
    engines = {"local": "session.backfill, in this process", "ray": f"on Ray, {cores} workers"}
    found: dict[str, list[tuple[float, float]]] = {key: [] for key in engines}
    with local_cluster(cores) as address, mock.patch.dict(os.environ, RAY_ADDRESS=address):
        for number in range(rounds):
            for key in engines if number % 2 == 0 else reversed(engines):
                first = backfilled(data, folder, function, few, key)
                found[key].append((first, backfilled(data, folder, function, few + num, key) - first))
    ratios = [one[1] / other[1] for one, other in zip(found["ray"], found["local"], strict=True)]
    return [
        {
            "contender": key,
            "title": engines[key],
            "first_seconds": statistics.median(first for first, _ in each),
            "seconds": statistics.median(others for _, others in each),
            "rows_per_second": num / statistics.median(others for _, others in each),
            "ratio": 1.0 if key == "local" else statistics.median(ratios),
        }
        for key, each in found.items()
    ]


# -- columns ----------------------------------------------------------------------------------------------------------


def files(root: Path) -> dict[Path, int]:
    """Return the files of a folder and their sizes."""
    return {each: each.stat().st_size for each in root.rglob("*") if each.is_file()}


@contextmanager
def counted_checkpoints(count: dict[str, int]) -> Iterator[None]:
    """Count the bytes that backfills keep until they commit."""
    clear = checkpoint.Checkpoint.clear

    def counting(self: Any) -> None:
        if self._file is not None:
            count["kept"] = count.get("kept", 0) + self._file.stat().st_size
        clear(self)

    with mock.patch.object(checkpoint.Checkpoint, "clear", counting):
        yield


def by_backfill(root: Path, vectors: NDArray[np.float32]) -> None:
    """Write the column by cutlist."""
    with cutlist.connect(root, views=root) as session:
        session.backfill("t", Known(vectors), progress=False)


def by_add_columns(root: Path, vectors: NDArray[np.float32]) -> None:
    """Write the column by a UDF."""
    dataset: Any = lance.dataset(str(root / "t.lance"))
    schema = pa.schema([pa.field("vector", pa.list_(pa.float32(), DIMENSIONS))])

    @lance.batch_udf(output_schema=schema)
    def udf(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.record_batch([_lists(vectors[batch["place"].to_numpy()])], schema=schema)

    dataset.add_columns(udf, read_columns=["place"])


def by_merge_insert(root: Path, vectors: NDArray[np.float32]) -> None:
    """Write the column by a join on a key."""
    dataset: Any = lance.dataset(str(root / "t.lance"))
    dataset.add_columns(pa.field("vector", pa.list_(pa.float32(), DIMENSIONS)))
    values = pa.table({"place": np.arange(len(vectors)), "vector": _lists(vectors)})
    lance.dataset(str(root / "t.lance")).merge_insert("place").when_matched_update_all().execute(values)


def by_update(root: Path, vectors: NDArray[np.float32]) -> None:
    """Write a number, as an update takes expressions only."""
    dataset: Any = lance.dataset(str(root / "t.lance"))
    dataset.add_columns(pa.field("number", pa.float32()))
    lance.dataset(str(root / "t.lance")).update({"number": "CAST(place AS FLOAT)"})


def _lists(vectors: NDArray[np.float32]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSIONS)


WAYS: dict[str, tuple[str, Callable[[Path, NDArray[np.float32]], None], int]] = {
    "backfill": ("session.backfill", by_backfill, DIMENSIONS),
    "add_columns": ("add_columns with a UDF", by_add_columns, DIMENSIONS),
    "merge_insert": ("merge_insert on a key", by_merge_insert, DIMENSIONS),
    "update": ("update, of one number", by_update, 1),
}
"""Title, function, numbers in each row."""


def write_table(folder: Path, num: int, size_bytes: int) -> Path:
    """Write a table with a place and so many bytes of a medium in each row, in fragments of 1,024; return the root."""
    from cutlist.store import Store, blob_array, blob_field

    store, rng = Store.at(folder, create=True), np.random.default_rng(0)
    for start in range(0, num, 1024):
        places = range(start, min(start + 1024, num))
        media = blob_array([rng.bytes(size_bytes) for _ in places])
        rows = pa.table({"place": list(places)}).append_column(blob_field("image", "image"), media)
        store.append("t", rows, message="benchmark")
    return folder


def measure_columns(folder: Path, *, num: int, size_bytes: int, rounds: int) -> list[dict[str, Any]]:
    """Return for each way of writing a column its seconds and bytes."""
    source = write_table(folder / "source", num, size_bytes)
    vectors = np.random.default_rng(1).standard_normal((num, DIMENSIONS), dtype=np.float32)
    found: dict[str, list[dict[str, float]]] = {key: [] for key in WAYS}
    for number in range(rounds):
        for key in WAYS if number % 2 == 0 else reversed(WAYS):
            _, way, width = WAYS[key]
            root = copied(source, folder)
            before, kept = files(root), dict[str, int]()
            with counted_checkpoints(kept):
                began = time.perf_counter()
                way(root, vectors)
                seconds = time.perf_counter() - began
            new = {path: size for path, size in files(root).items() if before.get(path) != size}
            media = sum(size for path, size in new.items() if path.suffix == ".blob")
            column = num * width * 4
            found[key].append(
                {
                    "seconds": seconds,
                    "written_ratio": sum(new.values()) / column,
                    "kept_ratio": kept.get("kept", 0) / column,
                    "media_bytes": media,
                }
            )
    return [
        {"contender": key, "title": WAYS[key][0]}
        | {name: statistics.median(each[name] for each in several) for name in several[0]}
        for key, several in found.items()
    ]


# -- ingest -----------------------------------------------------------------------------------------------------------


def measure_ingest(sources: Sequence[Path], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return files and megabytes a second of an ingest, of cp, and of a probe of each file by PyAV."""
    paths = [path for source in sources for path in sorted(source.rglob("*")) if path.is_file()]
    size = sum(path.stat().st_size for path in paths)

    def ingest() -> None:
        with cutlist.connect(folder / "made", views=folder, create=True) as session:
            session.ingest(list(sources), table="t", progress=False)

    def copy() -> None:
        (folder / "made").mkdir()
        for number, path in enumerate(paths):
            shutil.copyfile(path, folder / "made" / str(number))

    def probe() -> None:
        for path in paths:
            with av.open(str(path)) as container:
                _ = [(stream.type, stream.codec_context.name) for stream in container.streams]

    ways = {
        "ingest": ("session.ingest", ingest),
        "cp": ("a copy of each file", copy),
        "probe": ("PyAV, headers", probe),
    }
    seconds: dict[str, list[float]] = {key: [] for key in ways}
    for number in range(rounds):
        for key in ways if number % 2 == 0 else reversed(ways):
            shutil.rmtree(folder / "made", ignore_errors=True)
            began = time.perf_counter()
            ways[key][1]()
            seconds[key].append(time.perf_counter() - began)
    return [
        {
            "contender": key,
            "title": title,
            "seconds": statistics.median(seconds[key]),
            "files_per_second": len(paths) / statistics.median(seconds[key]),
            "mb_per_second": size / 1e6 / statistics.median(seconds[key]),
        }
        for key, (title, _) in ways.items()
    ]


# -- the program ------------------------------------------------------------------------------------------------------

HEADINGS = {
    "overhead": ("seconds", "rows/s", "ratio to the function"),
    "engines": ("first seconds", "seconds", "rows/s", "ratio to local"),
    "columns": ("seconds", "new bytes ÷ column", "kept ÷ column", "media bytes rewritten"),
    "ingest": ("seconds", "files/s", "MB/s"),
}


@app.command()
def main(
    rows: Annotated[int, typer.Option(min=BATCH, help="Images that the function is run on.")] = 256,
    layers: Annotated[int, typer.Option(min=1, help="Layers of products; CLIP ViT-B/32 has 12.")] = LAYERS,
    table_rows: Annotated[int, typer.Option(min=1, help="Rows of the table that gets a column.")] = 8192,
    media_bytes: Annotated[int, typer.Option(min=1, help="Bytes of a medium in each of them.")] = 100_000,
    ray: Annotated[bool, typer.Option(help="Start a Ray cluster, and compare it with this process.")] = True,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the media in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender, taking turns.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to a file, too.")] = None,
) -> None:
    """Measure backfill and ingest beside the bare work.

    Example: `python benchmarks/backfill.py --rows 64 --rounds 5`
    """
    folder = data or Path(tempfile.gettempdir()) / "cutlist-benchmarks"
    made = images.make_data(folder, "images", rows + num_first() if ray else rows)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        results["overhead"] = measure_overhead(made, work, num=rows, layers=layers, rounds=rounds)
        show("overhead", f"{rows} images, {layers} layers", results["overhead"])
        if ray:
            results["engines"] = measure_engines(made, work, num=rows, layers=layers, rounds=rounds)
            show("engines", f"{rows} images more, {layers} layers", results["engines"])
        results["columns"] = measure_columns(work, num=table_rows, size_bytes=media_bytes, rounds=rounds)
        show("columns", f"{table_rows:,} rows with {media_bytes:,} bytes of media", results["columns"])
        results["ingest"] = measure_ingest([made.folder / "files"], work, rounds)
        show("ingest", f"{len(made.paths):,} images", results["ingest"])
    if json_file:
        machine = {"cpu_count": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        names = ("cutlist", "pylance", "av", "numpy", *(["ray"] if ray else []))
        about = {"benchmark": "backfill", "rounds": rounds, "rows": rows, "layers": layers, "machine": machine}
        versions = {name: version(name) for name in names}
        json_file.write_text(json.dumps({**about, "versions": versions, "results": results}, indent=2) + "\n")


def show(key: str, title: str, results: Sequence[dict[str, Any]]) -> None:
    """Print results: of each its title, then its numbers."""
    table = Table(title=f"{key}: {title}", title_justify="left")
    table.add_column("")
    for heading in HEADINGS[key]:
        table.add_column(heading, justify="right")
    for each in results:
        numbers = [value for value in each.values() if not isinstance(value, str)]
        table.add_row(each["title"], *(f"{number:,.3f}" if number < 1e5 else f"{number:,.0f}" for number in numbers))
    console.print(table)


if __name__ == "__main__":
    app()
