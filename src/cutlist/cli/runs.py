"""Plans of epochs and traces of steps for a terminal, and the options that they have."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from cutlist.answers.trace import Trace
from cutlist.cli.rows import escaped
from cutlist.errors import OrderError, StateError
from cutlist.order import BatchSize, BucketPlan
from cutlist.values import counted


def batch_size(given: Sequence[str]) -> BatchSize | None:
    """Return the batch size that options stand for: `8`, or `720p=4` for each bucket; None without any.

    Raises:
        OrderError: if one is neither, or both are mixed.
    """
    if not given:
        return None
    pairs = [each.rpartition("=") for each in given]
    if len(given) == 1 and given[0].isdecimal():
        return int(given[0])
    for each, (name, _, size) in zip(given, pairs, strict=True):
        if not name or not size.isdecimal():
            raise OrderError(f"--batch-size {each}: expected a number, or BUCKET=NUMBER for each bucket")
    return {name: int(size) for name, _, size in pairs}


def budget(given: str | None) -> tuple[str, float] | None:
    """Return the column and the budget of `tokens=65536`.

    Raises:
        OrderError: if it is not of that form.
    """
    if given is None:
        return None
    column, _, amount = given.rpartition("=")
    with contextlib.suppress(ValueError):
        if column and math.isfinite(float(amount)):
            return column, float(amount)
    raise OrderError(f"--batch-budget {given}: expected COLUMN=NUMBER, e.g. tokens=65536")


def show_plan(plans: Sequence[BucketPlan], world_size: int) -> None:
    """Print what an epoch has, bucket by bucket."""
    console = Console(highlight=False)
    shapes = sorted({each.shape.partition(" ")[0] for each in plans if each.shape})
    one = len(shapes) == 1 and not any("," in each.shape for each in plans)
    table = Table(title="An epoch", title_justify="left")
    table.add_column("bucket", overflow="fold")
    for name in ("samples", "batch", "steps", "left out"):
        table.add_column(name, justify="right", no_wrap=True)
    if shapes:
        table.add_column(f"a sample's {shapes[0]}" if one else "shapes of a sample", overflow="fold")
    for each in plans:
        few = "yellow" if not each.num_batches else "default"
        row = [escaped(each.bucket if each.bucket is not None else "all"), f"{each.num_samples:,}"]
        row += [f"{each.global_batch_size:,}", f"[{few}]{each.num_batches:,}[/{few}]", f"{each.num_dropped:,}"]
        shape = each.shape.partition(" ")[2] if one else each.shape
        table.add_row(*row, *([escaped(shape)] if shapes else []))
    console.print(table)
    samples, dropped = (sum(getattr(each, name) for each in plans) for name in ("num_samples", "num_dropped"))
    share = f" ({dropped / samples:.2%})" if samples else ""
    ranks = f" of {world_size} ranks together" if world_size > 1 else ""
    left_out = f"{dropped:,}{share} are left out of each epoch" if dropped else "none is left out"
    steps = counted(sum(each.num_batches for each in plans), "step")
    console.print(f"{counted(samples, 'sample')} in {steps}{ranks}; {left_out}", soft_wrap=True)


def load_state(path: Path) -> dict[str, Any]:
    """Return the loader's state in a JSON file: the whole file, or its entry `loader`, `dataloader` or `data`.

    Raises:
        StateError: if there is no such file, or no state in it.
    """
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise StateError(f"{path}: no such file; save json.dumps(loader.state_dict()) there") from error
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: not JSON: {error}; save json.dumps(loader.state_dict()) there") from error
    for each in (state, *(state.get(name) for name in ("loader", "dataloader", "data") if isinstance(state, dict))):
        if isinstance(each, dict) and "order_version" in each:
            return each
    raise StateError(f"{path}: no state in it; expected what Loader.state_dict returned, as JSON")


def show_trace(found: Trace) -> None:
    """Print the samples of a step."""
    console = Console(highlight=False)
    ranks = len({row.rank for draw in found.draws for row in draw.rows}) > 1
    names = ["sample", *(["rank"] if ranks else []), "component", "bucket", "column", "table", "row id", "bytes"]
    hidden = {name for name in ("component", "bucket") if all(getattr(each, name) is None for each in found.draws)}
    shown = [name for name in names if name not in hidden]
    table = Table(title=f"Epoch {found.epoch}, step {found.step} of {found.num_steps:,}", title_justify="left")
    for name in shown:
        number = name in ("sample", "rank", "row id", "bytes")
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    total = 0
    for draw in found.draws:
        for row in draw.rows:
            total += row.size_bytes or 0
            values = {
                "sample": row.sample,
                "rank": row.rank,
                "component": draw.component,
                "bucket": draw.bucket,
                "column": ".".join(each for each in (row.column, row.decode) if each is not None),
                "table": None if row.table is None else f"{row.table}@{row.version}",
                "row id": row.row_id,
                "bytes": None if row.size_bytes is None else decimal(row.size_bytes),
            }
            table.add_row(*("" if values[name] is None else escaped(str(values[name])) for name in shown))
    console.print(table)
    epochs = ", ".join(
        f"{draw.component or 'selection'} {draw.selection[:12]} in its epoch {draw.epoch}" for draw in found.draws
    )
    console.print(
        f"{counted(found.num_samples, 'sample')}, media of {decimal(total)}; {escaped(epochs)}", soft_wrap=True
    )
