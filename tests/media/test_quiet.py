"""Odd files are decoded, or refused, in silence: nothing is written to stderr, by Python or from C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from cutlist.errors import MediaError
from cutlist.media import examine
for path in Path(sys.argv[1]).rglob("*"):
    if path.suffix.lower() in (".tif", ".tiff", ".heic", ".avif", ".jp2", ".mkv", ".ts"):
        try:
            examine(path.read_bytes())
        except MediaError:
            pass
"""


def test_nothing_is_written_to_stderr_of_odd_files(shared_media: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(shared_media / "robustness")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert result.stderr == ""
