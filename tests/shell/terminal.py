"""A terminal for tests: a process behind a pty, and the screen that it draws."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyte

PATIENCE = 60.0
"""Seconds to wait for what must come."""


WHERE = b"\x1b[6n"
"""The question of a program where the cursor is."""

START = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C is for this process
from cutlist.cli import main
main()
"""


class Terminal:
    """A process at a terminal of some size."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 30):
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        ours, theirs = pty.openpty()
        self._held = b""
        self._pty = ours
        self.resize(columns, rows)
        kept = {**os.environ, "TERM": "xterm-256color", **environment}
        for name in ("COLUMNS", "LINES"):  # the terminal says how large it is
            kept.pop(name, None)
        self.process: Any = subprocess.Popen(
            [sys.executable, "-c", START, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept,
            start_new_session=True,
        )
        os.close(theirs)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._pty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)
        if hasattr(self, "process"):
            os.killpg(self.process.pid, signal.SIGWINCH)

    def type(self, text: str) -> None:
        """Type a text; `\\r` is Enter, `\\x03` Ctrl-C, `\\t` Tab."""
        os.write(self._pty, text.encode())

    def paste(self, text: str) -> None:
        """Paste a text, as terminals do: marked as such, its lines ended by returns."""
        self.type("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def read(self, seconds: float) -> None:
        """Take what the process writes, until it is silent for so long."""
        while select.select([self._pty], [], [], seconds)[0]:
            try:
                data = os.read(self._pty, 65536)
            except OSError:  # it has ended
                return
            if not data:
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Draw what was written; where it asks for the cursor, answer with where that is by then."""
        *parts, rest = (self._held + data).split(WHERE)
        for each in parts:
            self._stream.feed(each)
            self.type(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")
        half = next((size for size in range(len(WHERE) - 1, 0, -1) if rest.endswith(WHERE[:size])), 0)
        self._held = rest[len(rest) - half :]
        self._stream.feed(rest[: len(rest) - half])

    @property
    def lines(self) -> list[str]:
        """The screen, without what is empty at its end."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait_for(self, text: str) -> list[str]:
        """Return the screen when it has a text.

        Raises:
            AssertionError: if it does not come; has the screen.
        """
        return self.wait_until(lambda lines: text in "\n".join(lines), repr(text))

    def wait_until(self, is_there: Callable[[list[str]], bool], what: str = "what is waited for") -> list[str]:
        """Return the screen when it is as it should be, and nothing more comes.

        Raises:
            AssertionError: if it does not come to that; has the screen.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.1)
            if self.lines and is_there(self.lines):
                self.read(0.1)
                if is_there(self.lines):
                    return self.lines
        raise AssertionError(f"{what} is not on the screen:\n" + "\n".join(self.lines))

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._pty)
