"""Long work that shows its progress and that Ctrl-C stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

SHOW_AFTER_SECONDS = 0.5
"""Work that is done sooner shows no bar."""

_POLL_SECONDS = 0.1


def watched(
    work: Callable[[], T],
    *,
    interrupt: Callable[[], None],
    fraction: Callable[[], float],
    title: str,
    show: bool | None = None,
) -> T:
    """Return what `work` returns; it runs in a thread of its own, while this one watches.

    A library that waits in native code does not see Ctrl-C; this thread does, and tells it.

    Args:
        work: Called once.
        interrupt: Called on Ctrl-C; must make `work` end, with any error.
        fraction: How much is done, 0 to 1, or a negative number while that is not known.
        title: What stands before the bar.
        show: Whether to show a bar; default: where standard error is a terminal.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when `work` has ended; otherwise whatever `work` raises.

    Examples:
        >>> watched(lambda: 42, interrupt=lambda: None, fraction=lambda: 0.5, title="think")
        42
    """
    result: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # raised again below, whatever it is
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="cutlist-work", daemon=True)
    thread.start()
    try:
        if not done.wait(SHOW_AFTER_SECONDS):
            _watch(done, fraction, title, show)
    except KeyboardInterrupt:
        interrupt()
        thread.join()
        raise
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where DuckDB, which hears Ctrl-C too while the main thread waits for it, does not."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate, nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text(
            "" if speed is None else f"{speed:,.0f} {self._unit}/s" if speed >= 10 else f"{speed:.1f} {self._unit}/s"
        )


def counting(unit: str, show: bool | None) -> Progress:
    """Return a progress bar that counts done and all.

    Args:
        unit: What is counted, e.g. `"rows"`.
        show: Whether to show it; default: where standard error is a terminal.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        _Rate(unit),
        TimeRemainingColumn(),
        console=console,
        disable=not (console.is_terminal if show is None else show),
    )


def _watch(done: threading.Event, fraction: Callable[[], float], title: str, show: bool | None) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    visible = console.is_terminal if show is None else show
    with Progress(*columns, console=console, transient=True, disable=not visible) as bar:
        task = bar.add_task(title, total=None)
        while not done.wait(_POLL_SECONDS):
            part = fraction()
            if part >= 0:
                bar.update(task, completed=part, total=1)
