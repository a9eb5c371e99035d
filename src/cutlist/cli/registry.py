"""The registry of commands: the same function serves `cutlist status videos` and `.status videos` in the shell.

A command is a function whose first parameter is an open session; what else it takes are options and arguments of typer.
All get the same options besides: where the tables are, how long the command may take, whether an error comes with its
traceback. One that takes a `query` reads it from a file, too, or from standard input, and in the shell it is the last
one if no other is given.
"""

from __future__ import annotations

import functools
import inspect
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import cutlist
from cutlist import Session
from cutlist.catalog import fold_case
from cutlist.cli.options import AllowFiles, Root, Views
from cutlist.errors import NotFoundError, SettingsError, reason
from cutlist.process.watch import interruptible

Timeout = Annotated[float | None, typer.Option(help="Stop after so many seconds, with exit status 1.", min=0.001)]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]
QueryFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="Read the query from a file; - is standard input.", allow_dash=True),
]

_COMMON: dict[str, tuple[Any, Any]] = {
    "root": (Root, None),
    "views": (Views, None),
    "timeout": (Timeout, None),
    "debug": (Debug, False),
}

_OF_QUERIES: dict[str, tuple[Any, Any]] = {"file": (QueryFile, None), "allow_files": (AllowFiles, False)}

OPEN: ContextVar[Session | None] = ContextVar("OPEN", default=None)
"""The session that commands run on, if one is open: that of the shell."""

LAST: ContextVar[str] = ContextVar("LAST", default="")
"""The last query of the shell, which commands take that are given none."""

COMMANDS: dict[str, Callable[..., None]] = {}
"""Every command by its name."""


class State:
    """What `main` asks when a command has ended."""

    debug = False
    timed_out: float | None = None


class Command(TyperCommand):
    """A command whose query may come from elsewhere, and of whose words those that begin with a comment are no options.

    The query is the first of its words. With `--file`, or the last query of the shell, the others move up by one.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the words that are left when options and arguments are taken, as typer does."""
        args = self._plain(args)
        names = [each.name for each in self.params if each.param_type_name == "argument" and each.name is not None]
        if names[:1] == ["query"]:
            values, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
            given = [each for name in names if isinstance(each := values.get(name), str)] + rest
            if values.get("file") is not None:
                if len(given) >= len(names):
                    raise typer.BadParameter("give the query or --file, not both", ctx)
                args = [_IN_FILE, *args]
            elif LAST.get() and self._lacks_query(given, len(names)):
                args = self._plain([LAST.get()]) + args
        return super().parse_args(ctx, args)

    def _lacks_query(self, given: Sequence[str], most: int) -> bool:
        """Return whether the words that are given are those after a query: too few, or the first names nothing."""
        function, session = COMMANDS[self.name or ""], OPEN.get()
        own = list(inspect.signature(function, eval_str=True).parameters.values())
        if not _is_required(own) or len(given) >= most:
            return False
        required = 1 + sum(each.required for each in self.params if each.param_type_name == "argument")
        if len(given) < required or session is None:
            return True
        is_name = any(fold_case(names, given[0]) is not None for names in (session.tables, session.views))
        return not is_name and re.search(r"[\s(]|^-$", given[0]) is None

    def _plain(self, args: Sequence[str]) -> list[str]:
        """Return words of which none that begins with a comment of SQL reads like an option: it gets a space before."""
        options = {name for each in self.params for name in each.opts}
        return [
            f" {each}" if re.match(r"--.*\s", each, re.DOTALL) and each.partition("=")[0] not in options else each
            for each in args
        ]


_IN_FILE = "the query is in --file"


def command(
    app: typer.Typer, name: str | None = None, *, create: bool = False, files: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that registers a command.

    Args:
        name: Default: that of the function.
        create: Whether a root that is not there is made when something is written.
        files: Whether it has `--allow-files`, as those have that take a query.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        called = name or function.__name__.strip("_")
        own = list(inspect.signature(function, eval_str=True).parameters.values())
        takes_query = any(each.name == "query" for each in own)

        @functools.wraps(function)
        def run(**given: Any) -> None:
            where = {key: given.pop(key) for key in _COMMON}
            where["allow_files"] = given.pop("allow_files", False)
            State.debug, State.timed_out = where["debug"], None
            if takes_query:
                given["query"] = _query(given.get("query"), given.pop("file"), required=_is_required(own))
            with _limited(where["timeout"]), interruptible(), _opened(where, create=create) as session:
                function(session, **given)

        more = {name: each for name, each in _OF_QUERIES.items() if takes_query or (files and name == "allow_files")}
        run.__signature__ = _signature(own[1:], more)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in run.__signature__.parameters.values()}  # type: ignore[attr-defined]
        app.command(called, cls=Command)(run)
        COMMANDS[called] = function
        return function

    return register


def _is_required(parameters: list[inspect.Parameter]) -> bool:
    return any(each.name == "query" and each.default is inspect.Parameter.empty for each in parameters)


def _signature(own: list[inspect.Parameter], more: Mapping[str, tuple[Any, Any]]) -> inspect.Signature:
    """Return the parameters of a command: its own, its query optional, and those of commands of its kind and of all."""
    kept = [each.replace(default=None) if each.name == "query" else each for each in own]
    common = {**more, **_COMMON}
    kept += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in common.items()
    ]
    return inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept])


def _query(given: str | None, file: Path | None, *, required: bool) -> str | None:
    """Return the text of a query that is given as an argument, in a file, or on standard input."""
    if given == "-" or (file is not None and str(file) == "-"):
        text = sys.stdin.read()
    elif file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFoundError(f"{file}: no such file; -f takes one of SQL, or - for standard input") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read {file}: {reason(error)}") from error
    elif given is None and not required:
        return None
    else:
        text = given or ""
    if required and not text.strip():
        raise typer.BadParameter("no query: give one, or --file, or - for standard input")
    return text


@contextmanager
def _opened(where: Mapping[str, Any], *, create: bool) -> Iterator[Session]:
    """Return the session that the shell has open, unless another root is asked for; or a new one."""
    session, root, views, allow_files = OPEN.get(), where["root"], where["views"], where["allow_files"]
    if session is not None and root is None and views is None:
        if allow_files and not session.allow_files:
            raise SettingsError("--allow-files: this shell is without; start it anew, `cutlist shell --allow-files`")
        yield session
        return
    with cutlist.connect(root, views=views, create=create, allow_files=allow_files) as opened:
        yield opened


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Interrupt this thread after some seconds, as Ctrl-C does."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        State.timed_out = seconds
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
