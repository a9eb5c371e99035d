"""How long it takes to be there: the command line, and the prompt of the shell, next to DuckDB alone. Informational.

Each contender runs in fresh processes, which take turns. The shell is timed at a terminal of its own, until its prompt
is drawn. Over tables that are there (`--root`), or a table of one image.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import cutlist

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

MAIN = [sys.executable, "-c", "from cutlist.cli import main; main()"]
DUCKDB = [sys.executable, "-c", "import duckdb; print(duckdb.sql('SELECT 1'))"]


def seconds_of(command: list[str]) -> float:
    """Return how long a command takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def seconds_to_prompt(command: list[str]) -> float:
    """Return how long a shell takes from its start until its prompt is on the terminal."""
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    try:
        os.close(theirs)
        seen = b""
        while b"cutlist>" not in seen:
            if not select.select([ours], [], [], 60)[0]:
                raise TimeoutError("no prompt after 60 s")
            seen += os.read(ours, 65536)
        return time.perf_counter() - began
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


@app.command()
def run(
    root: Annotated[Path | None, typer.Option(help="Tables that are there. [default: one is made]")] = None,
    rounds: Annotated[int, typer.Option(help="Processes of each contender.", min=1)] = 5,
) -> None:
    """Time the start of the command line and of the shell.

    Example: `python benchmarks/startup.py --root demo-data --rounds 5`
    """
    with tempfile.TemporaryDirectory() as folder:
        if root is None:
            root = Path(folder) / "data"
            (Path(folder) / "dot.ppm").write_bytes(b"P6 2 1 255 RGBrgb")
            with cutlist.connect(root, create=True) as session:
                session.ingest(Path(folder) / "dot.ppm", table="dots", progress=False)
        where = ["--root", str(root)]
        contenders: dict[str, Callable[[], float]] = {
            "python -c 'import duckdb; …SELECT 1'": lambda: seconds_of(DUCKDB),
            "cutlist --help": lambda: seconds_of([*MAIN, "--help"]),
            "cutlist sql 'SELECT 1'": lambda: seconds_of([*MAIN, "sql", "SELECT 1", *where]),
            "cutlist shell, to its prompt": lambda: seconds_to_prompt([*MAIN, "shell", *where]),
        }
        harlequin = shutil.which("harlequin")
        if harlequin is not None:
            contenders["harlequin --help"] = lambda: seconds_of([str(harlequin), "--help"])
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, timed in contenders.items():
                times[name].append(timed())
    table = Table("", "best, s", "median, s", "of DuckDB's median")
    first = statistics.median(next(iter(times.values())))
    for name, found in times.items():
        median = statistics.median(found)
        table.add_row(name, f"{min(found):.2f}", f"{median:.2f}", f"{median / first:.1f} ×")
    Console().print(table)
    if harlequin is None:
        print("harlequin is not installed: skipped")


if __name__ == "__main__":
    app()
