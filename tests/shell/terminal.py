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
from collections.abc import Mapping, Sequence
from typing import Any

import pyte

PATIENCE = 60.0
"""Seconds to wait for what must come."""


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

    def read(self, seconds: float) -> None:
        """Take what the process writes, until it is silent for so long."""
        while select.select([self._pty], [], [], seconds)[0]:
            try:
                data = os.read(self._pty, 65536)
            except OSError:  # it has ended
                return
            if not data:
                return
            self._stream.feed(data)
            if b"\x1b[6n" in data:  # it asks where the cursor is
                self.type(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")

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
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.3)
            if text in "\n".join(self.lines):
                self.read(0.3)
                return self.lines
        raise AssertionError(f"{text!r} is not on the screen:\n" + "\n".join(self.lines))

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._pty)
