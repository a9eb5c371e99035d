"""How fast a query becomes a selection, side by side with DuckDB and Lance alone.

One table, made once in two forms: `videos.lance`, with stable row ids and a Blob v2 column, and `videos.parquet`,
without the blobs. A quarter of the rows match. A tenth of the rows is also in `vectors.lance`, with an embedding of 768
floats. Every contender runs in a fresh process, so that its peak memory is its
own, and the contenders take turns, so that a busy machine slows all of them; a ratio is the median of the ratios of the
rounds. The first run of a process also opens the table and DuckDB, and is reported apart.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import duckdb
import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import cutlist
from cutlist.errors import SettingsError
from cutlist.media.synthetic import COLOURS, MOTIONS, SUBJECTS
from cutlist.selection import Selection
from cutlist.store import SCAN_BATCH_ROWS, blob_field

DATA_VERSION = 2
"""Of what `make_data` makes; a higher one makes it anew."""

CHUNK_ROWS = 1_000_000
VECTORS_ROWS = 100_000
SIZES = ((1920, 1080), (1280, 720), (854, 480), (640, 360))
"""Widths and heights, equally many of each; only the first matches."""

MATCHES = "height * width >= 1080 * 1920"
EMBEDDING_FLOATS = 768
VECTORS_SHARE = 10
"""One row in so many of `videos` is in `vectors`: 20M embeddings would take 61 GB."""

REOPENED_ROWS = 100_000_000


def query(what: str, table: str = "videos") -> str:
    """Return the query that a contender runs."""
    return f"SELECT {what} FROM {table} WHERE {MATCHES}"


app = typer.Typer(add_completion=False, rich_markup_mode="rich")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The table in its two forms: `videos.lance`, and `videos.parquet` without its blobs."""

    folder: Path

    @property
    def lance(self) -> str:
        """Path of the Lance table."""
        return str(self.folder / "videos.lance")

    @property
    def reopened(self) -> Path:
        """Path of the saved selection of 100M rows."""
        return self.folder / f"reopened-{REOPENED_ROWS}.arrow"

    @property
    def parquet(self) -> str:
        """Path of the Parquet file."""
        return str(self.folder / "videos.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process measured: seconds of each of its runs, the first one cold; its peak memory; its answer."""

    seconds: list[float]
    peak_rss_bytes: int
    num_rows: int


# -- the contenders -----------------------------------------------------------------------------------------------


def _cutlist(sql: str) -> Callable[[Data], Iterator[int]]:
    """Return a contender that compiles a query to a saved selection; the saved file is deleted before each run."""

    def run(data: Data) -> Iterator[int]:
        with cutlist.connect(data.folder) as session:
            while True:
                shutil.rmtree(data.folder / "_selections", ignore_errors=True)
                selection = session.compile(sql)
                assert selection.path is not None
                yield selection.num_samples

    return run


def _duckdb_parquet(columns: str) -> Callable[[Data], Iterator[int]]:
    """Return a contender that writes rows of the Parquet file to an Arrow file, synced to disk like a selection."""

    def run(data: Data) -> Iterator[int]:
        with duckdb.connect() as connection, tempfile.TemporaryDirectory(dir=data.folder) as folder:
            while True:
                reader = connection.sql(
                    f"SELECT {columns} FROM read_parquet('{data.parquet}', file_row_number = true) WHERE {MATCHES}"
                ).to_arrow_reader(SCAN_BATCH_ROWS)
                num_rows = 0
                with (Path(folder) / "ids.arrow").open("wb") as file:
                    with pa.ipc.new_file(file, reader.schema) as writer:
                        for batch in reader:
                            writer.write_batch(batch)
                            num_rows += batch.num_rows
                    file.flush()
                    os.fsync(file.fileno())
                yield num_rows

    return run


def _duckdb_lance(data: Data) -> Iterator[int]:
    """Query row ids of the Lance table with DuckDB, to an Arrow table."""
    options: Any = {"columns": ["_rowid", "width", "height"], "batch_size": SCAN_BATCH_ROWS}
    with duckdb.connect() as connection:
        while True:
            connection.register("videos", lance.dataset(data.lance, default_scan_options=options))
            yield connection.sql(query("_rowid")).to_arrow_table().num_rows


def _lance(data: Data) -> Iterator[int]:
    """Ask Lance for the row ids, with its own filter, to an Arrow table."""
    while True:
        dataset = lance.dataset(data.lance)
        yield dataset.scanner(columns=["_rowid"], filter=MATCHES, batch_size=SCAN_BATCH_ROWS).to_table().num_rows


def _lancedb(data: Data) -> Iterator[int]:
    """Build lancedb's permutation table of the matching rows, in memory."""
    lancedb = importlib.import_module("lancedb")
    builder = importlib.import_module("lancedb.permutation").permutation_builder
    table = lancedb.connect(str(data.folder)).open_table("videos")
    while True:
        yield builder(table).filter(MATCHES).execute().count_rows()


def _reopen(data: Data) -> Iterator[int]:
    """Open a saved selection of 100M rows in this process, and take 256 samples of it."""
    positions = np.random.default_rng(0).integers(REOPENED_ROWS, size=256)
    while True:
        yield Selection.load(data.reopened).take(positions).num_rows


def make_reopened(data: Data) -> None:
    """Save the selection that is opened, unless it is there."""
    if not data.reopened.is_file():
        rows = pa.table({"_rowid": pa.array(np.arange(REOPENED_ROWS, dtype=np.uint64))})
        Selection.build(rows, rows.schema, {}, [], types=["UBIGINT"], sql="", ordered=False).save(data.reopened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What the table of results calls it, what it does (it yields the number of rows after each run), and the contender
    that it is compared with, which must give as many rows; None where there is none."""

    title: str
    run: Callable[[Data], Iterator[int]]
    baseline: str | None = "parquet"


CONTENDERS: dict[str, Contender] = {
    "parquet": Contender(
        title="DuckDB over Parquet: file_row_number → Arrow file", run=_duckdb_parquet("file_row_number")
    ),
    "duckdb-lance": Contender(title="DuckDB over Lance: _rowid → Arrow in memory", run=_duckdb_lance),
    "lance": Contender(title="Lance's own filter: _rowid → Arrow in memory", run=_lance),
    "lancedb": Contender(title="lancedb: permutation_builder().filter() → in memory", run=_lancedb),
    "rowid": Contender(title="cutlist: SELECT _rowid → saved selection", run=_cutlist(query("_rowid"))),
    "media": Contender(title="cutlist: SELECT video → saved selection", run=_cutlist(query("video"))),
    "clips": Contender(
        title="cutlist: clip(video, 0, 2).resize(256, 256) → saved selection",
        run=_cutlist(query("clip(video, 0, 2).resize(256, 256) AS frames")),
    ),
    "scenes": Contender(
        title="cutlist: clip(video, s, s + 2).resize(256, 256) → saved selection",
        run=_cutlist(query("clip(video, start_seconds, start_seconds + 2).resize(256, 256) AS frames")),
    ),
    "parquet-text": Contender(
        title="DuckDB over Parquet: …, caption → Arrow file", run=_duckdb_parquet("file_row_number, caption")
    ),
    "text": Contender(title="cutlist: SELECT video, caption → saved selection", run=_cutlist(query("video, caption"))),
    "vectors": Contender(
        title="cutlist: SELECT video of a tenth of the rows", run=_cutlist(query("video", "vectors")), baseline=None
    ),
    "embedding": Contender(
        title="cutlist: SELECT video, embedding of those",
        run=_cutlist(query("video, embedding", "vectors")),
        baseline="vectors",
    ),
    "reopen": Contender(title="cutlist: open a selection of 100M rows, take 256", run=_reopen, baseline=None),
}
"""Key → contender."""

EXTRA = frozenset({"lancedb"} if importlib.util.find_spec("lancedb") is None else ())
"""Contenders that are left out because they are not installed."""


def measure(key: str, data: Data, *, num_runs: int) -> Measured:
    """Return what some runs of one contender took, in this process."""
    runs = CONTENDERS[key].run(data)
    seconds, num_rows = [], 0
    for _ in range(num_runs):
        began = time.perf_counter()
        num_rows = next(runs)
        seconds.append(time.perf_counter() - began)
    return Measured(seconds=seconds, peak_rss_bytes=peak_rss_bytes(), num_rows=num_rows)


def peak_rss_bytes() -> int:
    """Return the most memory that this process had resident; 0 where the system does not say.

    `ru_maxrss` will not do: across a spawn it starts at the peak of the parent.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


# -- the data -----------------------------------------------------------------------------------------------------


def make_data(folder: Path, num_rows: int) -> Data:
    """Return the table, made in `folder` unless it is there; the same rows always."""
    data = Data(folder=folder / f"compile-v{DATA_VERSION}-{num_rows}")
    if data.folder.is_dir():
        return data
    unfinished = Data(folder=folder / f"{data.folder.name}.unfinished")
    shutil.rmtree(unfinished.folder, ignore_errors=True)
    unfinished.folder.mkdir(parents=True)
    console.print(f"making {num_rows:,} rows once in {data.folder}: about {num_rows * 460 / 1e9:.1f} GB")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("videos", total=num_rows)

        def tables() -> Iterator[pa.Table]:
            for start in range(0, num_rows, CHUNK_ROWS):
                yield _rows(start, min(start + CHUNK_ROWS, num_rows))
                bar.update(task, completed=start)

        for table in tables():
            mode = "append" if Path(unfinished.lance).exists() else "create"
            lance.write_dataset(table, unfinished.lance, mode=mode, enable_stable_row_ids=True)
        bar.reset(task, description="the same in Parquet")
        with pq.ParquetWriter(unfinished.parquet, _rows(0, 1).drop_columns(["video"]).schema) as writer:
            for table in tables():
                writer.write_table(table.drop_columns(["video"]), row_group_size=122_880)
        bar.update(task, completed=num_rows)
        bar.reset(task, description="vectors", total=num_rows // VECTORS_SHARE)
        for start in range(0, num_rows // VECTORS_SHARE, VECTORS_ROWS):
            table = _vectors(start, min(start + VECTORS_ROWS, num_rows // VECTORS_SHARE))
            path = str(unfinished.folder / "vectors.lance")
            lance.write_dataset(
                table, path, mode="append" if Path(path).exists() else "create", enable_stable_row_ids=True
            )
            bar.update(task, completed=start)
    unfinished.folder.rename(data.folder)
    return data


def _vectors(start: int, stop: int) -> pa.Table:
    """Return rows [start, stop) with an embedding in each."""
    values = np.random.default_rng(start).random((stop - start) * EMBEDDING_FLOATS, dtype=np.float32)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(values), EMBEDDING_FLOATS)
    return _rows(start, stop).append_column("embedding", embedding)


def _rows(start: int, stop: int) -> pa.Table:
    """Return rows [start, stop): id, width, height (int64), start_seconds, a caption of some 40 bytes, and a video of
    one byte."""
    rng = np.random.default_rng([DATA_VERSION, start])
    size = np.array(SIZES, dtype=np.int64)[rng.integers(len(SIZES), size=stop - start)]
    ids = np.arange(start, stop, dtype=np.int64)
    phrases = pa.array([f"a {c} {s} {m}, number " for c in COLOURS for s in SUBJECTS for m in MOTIONS])
    phrase = phrases.take(pa.array(rng.integers(len(phrases), size=stop - start)))
    columns = [
        pa.array(ids),
        pa.array(size[:, 0]),
        pa.array(size[:, 1]),
        pa.array(rng.integers(0, 240, size=stop - start) / 4),
        pc.binary_join_element_wise(phrase, pc.cast(pa.array(ids), pa.string()), ""),
        one_byte_blobs(stop - start),
    ]
    fields = [pa.field(name, pa.int64()) for name in ("id", "width", "height")]
    fields += [pa.field("start_seconds", pa.float64()), pa.field("caption", pa.string())]
    schema = pa.schema([*fields, blob_field("video", "video")])
    return pa.Table.from_arrays(columns, schema=schema)


def one_byte_blobs(count: int) -> pa.Array:
    """Return an array of one-byte blobs for a Blob v2 field, ten times as fast as from Python bytes."""
    kind = blob_field("video", "video").type
    offsets: NDArray[np.int64] = np.arange(count + 1, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"v" * count)]
    data = pa.LargeBinaryArray.from_buffers(pa.large_binary(), count, buffers)
    parts = [data if field.name == "data" else pa.nulls(count, field.type) for field in kind.storage_type]
    return pa.ExtensionArray.from_storage(kind, pa.StructArray.from_arrays(parts, fields=list(kind.storage_type)))


# -- the program --------------------------------------------------------------------------------------------------


@app.command()
def main(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the table.")] = 20_000_000,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep the table in; default `cutlist-benchmarks` in the temp folder.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes for each contender, taking turns.")] = 5,
    runs: Annotated[int, typer.Option(min=1, help="Runs in each process; the first is the cold one.")] = 4,
    only: Annotated[list[str] | None, typer.Option(help=f"Contenders to measure: {', '.join(CONTENDERS)}.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to a file, too.")] = None,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure compiling a query to a saved selection, next to DuckDB and Lance alone.

    Makes a table of 20M rows (3 GB), with a video of one byte in each row, in Lance and in Parquet, one of 2M rows with
    embeddings (6 GB), and a selection of 100M rows (0.8 GB). Where lancedb is installed, it takes part.

    [bold]Examples[/bold]

    python benchmarks/compile.py

    python benchmarks/compile.py --rows 1000000 --rounds 3 --json compile.json

    python benchmarks/compile.py --only parquet --only media --data /fast/disk
    """
    keys = only or [key for key in CONTENDERS if key not in EXTRA]
    unknown = [key for key in keys if key not in CONTENDERS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(CONTENDERS)}", param_hint="--only")
    folder = data or Path(tempfile.gettempdir()) / "cutlist-benchmarks"
    made = make_data(folder, rows)
    if "reopen" in keys and not child:
        make_reopened(made)
    if child:
        print(json.dumps(asdict(measure(child, made, num_runs=runs))))
        return
    measured: dict[str, list[Measured]] = {key: [] for key in keys}
    with Progress(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=rounds * len(keys))
        for number in range(rounds):
            for key in keys if number % 2 == 0 else reversed(keys):
                bar.update(task, advance=1, description=f"round {number + 1}: {key}")
                options = ["--rows", str(rows), "--data", str(folder), "--runs", str(runs), "--child", key]
                done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True)
                measured[key].append(Measured(**json.loads(done.stdout)))
    for key in keys:
        answers = {each.num_rows for other in (key, CONTENDERS[key].baseline) for each in measured.get(other or "", [])}
        if len(answers) != 1:
            raise SettingsError(f"{key} and what it is compared with disagree on the rows: {sorted(answers)}")
    results = [_result(key, measured[key], measured.get(CONTENDERS[key].baseline or "")) for key in keys]
    _show(rows, results)
    if json_file:
        about = {"benchmark": "compile", "num_rows": rows, "rounds": rounds, "runs": runs, "machine": machine()}
        json_file.write_text(json.dumps({**about, "results": results}, indent=2) + "\n", encoding="utf-8")


def _result(key: str, measured: list[Measured], baseline: list[Measured] | None) -> dict[str, Any]:
    """Return the medians of one contender: of its warm runs, of its first runs, and of the rounds' ratios."""
    warm = [statistics.median(each.seconds[1:] or each.seconds) for each in measured]
    ratio = None
    if baseline:
        base = [statistics.median(each.seconds[1:] or each.seconds) for each in baseline]
        ratio = statistics.median(mine / other for mine, other in zip(warm, base, strict=True))
    return {
        "contender": key,
        "title": CONTENDERS[key].title,
        "num_rows": measured[0].num_rows,
        "seconds": statistics.median(warm),
        "first_seconds": statistics.median(each.seconds[0] for each in measured),
        "ratio_to_baseline": ratio,
        "peak_rss_bytes": max(each.peak_rss_bytes for each in measured),
        "all_seconds": [each.seconds for each in measured],
    }


def _show(num_rows: int, results: list[dict[str, Any]]) -> None:
    table = Table(title=f"{num_rows:,} rows, of which a quarter match", title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("warm, s", "ratio", "first, s", "peak RSS, GB"):
        table.add_column(heading, justify="right")
    for each in results:
        ratio = "" if each["ratio_to_baseline"] is None else f"{each['ratio_to_baseline']:.2f}"
        seconds, first, rss = each["seconds"], each["first_seconds"], each["peak_rss_bytes"] / 1e9
        table.add_row(each["title"], f"{seconds:.3f}", ratio, f"{first:.3f}", f"{rss:.2f}")
    console.print(table)


def machine() -> dict[str, Any]:
    """Return what the results depend on besides the code."""
    names = ("cutlist", "duckdb", "pylance", "pyarrow", "numpy")
    about = {"cpu_count": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
    return {**about, "versions": {name: version(name) for name in names}}


if __name__ == "__main__":
    app()
