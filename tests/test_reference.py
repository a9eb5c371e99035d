"""Every command is in the README as its help says it, and the help says how a program calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.test_cli import run

from cutlist import cli
from cutlist.cli.reference import BEGIN, END, helps, reference, written

README = Path(__file__).parents[1] / "README.md"


def test_the_list_of_the_readme_is_that_of_the_help() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == written(text), "type: python -m cutlist.cli.reference README.md"


def test_every_command_has_one_line() -> None:
    lines = reference().splitlines()
    assert (lines[0], lines[-1]) == (BEGIN, END)
    assert max(map(len, lines)) <= 120
    names = [name for name, _ in helps(cli.app)]
    assert {name.split()[-1] for name in names} == {*cli.COMMANDS, "version"}
    for name in names:
        assert sum(f"{each} ".startswith(f"cutlist {name} ") for each in lines) == 1, name


def test_it_writes_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    subprocess.run([sys.executable, "-m", "cutlist.cli.reference", str(file)], check=True)
    assert file.read_text() == f"before\n{reference()}\nafter\n"
    with pytest.raises(ValueError, match="substring not found"):
        written("no marks")


def test_the_help_says_what_a_program_may_rely_on() -> None:
    text = " ".join(run("--help").split())
    for each in ("Exit status: 0; 1 an error", "--json", "--timeout", "-f FILE", "--allow-files", "standard error"):
        assert each in text
