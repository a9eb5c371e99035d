"""The loop of the shell: what is typed is a statement of SQL, or a command with a dot."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

import cutlist
from cutlist.errors import CutlistError, SettingsError, reason, suggest
from cutlist.process.watch import interruptible, watched
from cutlist.redacting import redacted
from cutlist.shell.answers import Answer, as_records, as_table, read
from cutlist.shell.completion import Names, SqlCompleter
from cutlist.shell.prompt import confirmed, make_prompt
from cutlist.shell.toolbar import Toolbar
from cutlist.shell.typed import statements
from cutlist.statements import CreateView, DropView, Refresh, own_statement
from cutlist.values import counted

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import FormattedText
    from rich.console import RenderableType

    from cutlist import Session

MOST_ROWS = 1000
"""Rows of a result that are read; `.save` has them all."""

Dispatch = Callable[["Session", Sequence[str], str], None]
"""Runs a command by its words, on a session, with the query that it takes if it is given none."""

OWN = {
    "help": "what there is: commands, keys",
    "open": "another root: .open ROOT [VIEWS]",
    "edit": "the last statement in $EDITOR",
    "read": "run the statements of a file: .read FILE",
    "timer": "time and bytes after each statement: .timer on|off",
    "expanded": "each row on lines of its own: .expanded on|off",
    "pictures": "media as pictures: .pictures on|off",
    "pager": "page what is longer than the screen: .pager on|off",
    "refresh": "move on to the latest versions of the tables",
    "quit": "leave; Ctrl-D does, too",
}
"""The commands that only the shell has."""


class Shell:
    """A session at a terminal."""

    def __init__(
        self,
        session: Session,
        commands: Mapping[str, str],
        dispatch: Dispatch,
        *,
        history: Path | None = None,
        console: Console | None = None,
        **prompt: Any,
    ):
        """Make one.

        Args:
            commands: The registry: name → what it does.
            dispatch: Runs one of them.
            history: The file of what was typed.
            console: Where answers go.
            prompt: For tests: `input` and `output` of prompt_toolkit.
        """
        self.session = session
        self.console = console or Console(highlight=False)
        self._commands = dict(commands)
        self._dispatch = dispatch
        self._history = history
        self._prompt_options = prompt
        self._options = {"timer": True, "expanded": False, "pictures": False, "pager": True}
        self._last = ""
        self._typed = ""
        self._toolbar = Toolbar(self._redraw)
        self._prompt: PromptSession[str] | None = None
        self.num_failed = 0

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Ask and answer, until it is left. What comes in through a pipe is run as it is."""
        if not self._is_asking:
            self._pipe()
            return
        names = Names(self.session)
        completer = SqlCompleter(names, {**self._commands, **OWN})
        self._prompt = make_prompt(completer, self._history, self._below, **self._prompt_options)
        self.console.print(
            f"[bold]cutlist[/bold] {cutlist.__version__}: {counted(len(self.session.tables), 'table')}, "
            f"{counted(len(self.session.views), 'view')}. End a statement with ; and Enter. [dim].help[/dim] says more."
        )
        with self._warnings():
            while True:
                try:
                    text = self._prompt.prompt()
                except KeyboardInterrupt:  # what was typed is dropped
                    continue
                except EOFError:
                    return
                if completer.names is names and names._session is not self.session:
                    names = Names(self.session)
                    completer.names = names
                if not all(map(self.answer, statements(text))):
                    return

    def close(self) -> None:
        """Stop what runs, and close the session."""
        self._toolbar.stop(self.session, wait=True)
        self.session.close()

    @property
    def _is_asking(self) -> bool:
        """Whether somebody types, who can be asked."""
        return bool(self._prompt_options) or sys.stdin.isatty()

    def _pipe(self) -> None:
        with self._warnings():
            all(map(self.answer, statements(sys.stdin.read())))

    def _below(self) -> FormattedText:
        width = 80 if self._prompt is None else self._prompt.app.output.get_size().columns
        return self._toolbar.text(self.session, width)

    def _redraw(self) -> None:
        if self._prompt is not None:
            self._prompt.app.invalidate()

    def answer(self, text: str) -> bool:
        """Run one statement or command; return whether to go on.

        An error is told, and does no harm; Ctrl-C stops the statement alone.
        """
        text = text.strip()
        if not text:
            return True
        self._toolbar.stop(self.session)
        last = self._last
        try:
            with interruptible():
                if text.startswith("."):
                    return self._command(text)
                self._statement(text)
        except KeyboardInterrupt:
            self.console.print("[yellow]cancelled[/yellow]")
        except CutlistError as error:
            self._last = last  # what failed is not what a command would take
            self._complain(error, text)
        except BrokenPipeError:
            pass
        return True

    @contextmanager
    def _warnings(self) -> Iterator[None]:
        def warn(message: Warning | str, *_: Any, **__: Any) -> None:
            self.console.print(Text.assemble(("warning: ", "bold yellow"), redacted(str(message))))

        before, warnings.showwarning = warnings.showwarning, warn
        try:
            yield
        finally:
            warnings.showwarning = before

    def _complain(self, error: CutlistError, text: str) -> None:
        """Tell an error; where it names a place in what was typed, show the line with the place underlined."""
        self.num_failed += 1
        self.console.print(Text.assemble(("error: ", "bold red"), redacted(str(error))), soft_wrap=True)
        place = re.match(r"query:(\d+):(\d+):", str(error))
        if place is not None:
            lines = text.splitlines()
            row, column = int(place[1]), int(place[2])
            if row <= len(lines):
                line = lines[row - 1]
                word = re.match(r"\w+", line[column - 1 :])
                self.console.print(Text(f"  {redacted(line)}"), soft_wrap=True)
                self.console.print(Text(" " * (column + 1) + "^" * (len(word[0]) if word else 1), style="bold red"))

    # -- SQL ----------------------------------------------------------------------------------------------------------

    def _statement(self, text: str) -> None:
        query = text.rstrip().removesuffix(";")
        own = own_statement(query)
        if isinstance(own, DropView) and not self._may_drop(own):
            return
        self._typed = query
        if own is None:
            self._last = query
        began, before = time.perf_counter(), bytes_read()
        relation = self.session.sql(query)
        if relation is None:
            self._after("done", began, before)
            return
        with self.session.reading(query):
            answer = watched(
                lambda: read(relation, MOST_ROWS),
                interrupt=self.session.interrupt,
                fraction=self.session.progress,
                title="query",
                show=self.console.is_terminal,
            )
        self._show(answer)
        count = counted(len(answer.rows), "row")
        if isinstance(own, CreateView):
            self._last = own.name
        if self._is_asking and not isinstance(own, DropView | Refresh):
            is_known = own is None and answer.is_whole
            self._toolbar.look(self.session, self._last, len(answer.rows) if is_known else None)
        more = "" if answer.is_whole else "the first "
        self._after(f"{more}{count}", began, before)

    def _may_drop(self, statement: DropView) -> bool:
        """Ask before a view's file is removed.

        Raises:
            SettingsError: if nobody can be asked.
        """
        if not self._is_asking:
            name = statement.name
            raise SettingsError(f"DROP VIEW {name}: nobody can be asked here; `cutlist sql --yes` drops it")
        if confirmed(f"Drop the view {statement.name}, and remove its file?", **self._prompt_options):
            return True
        self.console.print("nothing is dropped")
        return False

    def _show(self, answer: Answer) -> None:
        if not answer.rows and not answer.names:
            return
        if self._options["expanded"]:
            shown = as_records(self.session, answer)
        else:
            pictures = self._drawing() if self._options["pictures"] else None
            shown = as_table(self.session, answer, self.console.width, pictures)
        if self._options["pager"] and self.console.is_terminal and self._is_long(shown):
            os.environ.setdefault("LESS", "-FRSX")
            with self.console.pager(styles=True):
                self.console.print(shown)
        else:
            self.console.print(shown)

    def _is_long(self, shown: RenderableType) -> bool:
        """Return whether an answer is longer than the screen; with pictures it is not paged, as pagers know none."""
        return not self._options["pictures"] and len(self.console.render_lines(shown)) > self.console.height - 4

    def _drawing(self) -> Any:
        try:
            from cutlist.shell.pictures import drawing  # it needs a library that is not always there

            return drawing(self.session)
        except ImportError:
            self.console.print("[yellow]pictures need textual-image: pip install 'cutlist[shell]'[/yellow]")
            self._options["pictures"] = False
            return None

    def _after(self, said: str, began: float, before: int | None) -> None:
        if not self._options["timer"]:
            return
        now = bytes_read()
        read_bytes = "" if before is None or now is None else f", {decimal(max(now - before, 0))} read"
        self.console.print(f"[dim]{said} in {time.perf_counter() - began:.3f} s{read_bytes}[/dim]")

    # -- commands -----------------------------------------------------------------------------------------------------

    def _command(self, text: str) -> bool:
        try:
            name, *words = shlex.split(text[1:])
        except ValueError as error:
            raise CutlistError(f"{text}: {error}") from error
        if name in ("quit", "exit", "q"):
            return False
        own = getattr(self, f"_do_{name}", None) if name in OWN else None
        if own is not None:
            own(words)
        elif name in self._options:
            self._switch(name, words)
        elif name in self._commands or name == "selections":
            self._dispatch(self.session, [name, *words], self._last)
        else:
            known = [*self._commands, *OWN]
            raise CutlistError(f'no command "{name}"{suggest(name, known)} .help lists them')
        return True

    def _switch(self, name: str, words: Sequence[str]) -> None:
        if words not in ([], ["on"], ["off"]):
            raise CutlistError(f".{name} {' '.join(words)}: expected on or off")
        self._options[name] = words == ["on"] if words else not self._options[name]
        self.console.print(f"{name} {'on' if self._options[name] else 'off'}")

    def _do_help(self, words: Sequence[str]) -> None:
        if words:
            self._dispatch(self.session, [*words, "--help"], "")
            return
        table = Table("command", "", header_style="bold", box=None, padding=(0, 2, 0, 0))
        for name, what in sorted({**self._commands, **OWN}.items()):
            table.add_row(f".{name}", what)
        self.console.print(table)
        self.console.print(
            "SQL ends with ; and Enter. Tab completes, Ctrl-R searches what was typed, Ctrl-C stops a query, Ctrl-D "
            "leaves. A command without its query takes the last one: .explain, .compile, .sheet out.png."
        )

    def _do_open(self, words: Sequence[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise CutlistError(".open ROOT [VIEWS]: expected the root, and the folder of the views if it is another")
        opened = cutlist.connect(
            words[0], views=words[1] if len(words) == 2 else None, allow_files=self.session.allow_files
        )
        self.close()
        self.session = opened
        self.console.print(repr(opened))

    def _do_edit(self, words: Sequence[str]) -> None:
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        with tempfile.NamedTemporaryFile("w+", suffix=".sql", encoding="utf-8") as file:
            file.write(self._typed)
            file.flush()
            try:
                subprocess.run([*shlex.split(editor), file.name], check=True)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                raise CutlistError(f".edit: {editor}: {reason(error)}; set EDITOR to another") from error
            text = Path(file.name).read_text(encoding="utf-8")
        if text.strip() and text.strip() != self._typed.strip():
            self._run_all(text)

    def _do_read(self, words: Sequence[str]) -> None:
        if len(words) != 1:
            raise CutlistError(".read FILE: expected one file of statements")
        try:
            text = Path(words[0]).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CutlistError(f"cannot read {words[0]}: {reason(error)}") from error
        self._run_all(text)

    def _run_all(self, text: str) -> None:
        """Show and run each statement and command of a text."""
        for each in statements(text):
            self.console.print(Text(each, style="dim"))
            self.answer(each)

    def _do_refresh(self, words: Sequence[str]) -> None:
        self.session.refresh()
        self.console.print(repr(self.session))


def bytes_read() -> int | None:
    """Return how many bytes this process has read, by the operating system's count; None where it does not say."""
    try:
        return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text(encoding="ascii"))[1])  # type: ignore[index]
    except (OSError, TypeError):
        return None
