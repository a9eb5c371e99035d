"""The line that is edited: several lines of SQL, history, completion, colours, and a toolbar below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import Completer, ThreadedCompleter
from prompt_toolkit.filters import completion_is_selected, is_searching
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.search import accept_search
from prompt_toolkit.styles import Style
from pygments.lexers.sql import PostgresLexer

from cutlist.redacting import has_secret
from cutlist.shell.typed import runs

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import AnyFormattedText
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse #888888",
        "bottom-toolbar.root": "#5f87af",
        "completion-menu.meta.completion": "bg:#303030 #a0a0a0",
        "pygments.keyword": "bold #5f87ff",
        "pygments.literal.string": "#87af5f",
        "pygments.literal.number": "#d7875f",
        "pygments.comment": "italic #808080",
    }
)


class KeptHistory(FileHistory):
    """What was typed, in a file that only its owner reads, without what has credentials in it."""

    def __init__(self, file: Path):
        file.touch(mode=0o600)
        super().__init__(str(file))

    def store_string(self, string: str) -> None:
        """Add what was typed to the file, if it may be kept."""
        if not has_secret(string):
            super().store_string(string)


def confirmed(question: str, *, input: Input | None = None, output: Output | None = None) -> bool:
    """Ask for a yes, and return whether it was given; Enter, Ctrl-C and Ctrl-D are a no."""
    try:
        asked: PromptSession[str] = PromptSession(f"{question} (y/N) ", input=input, output=output)
        return asked.prompt().strip().lower() in ("y", "yes")
    except (KeyboardInterrupt, EOFError):
        return False


def make_prompt(
    completer: Completer,
    history: Path | None,
    toolbar: Callable[[], AnyFormattedText],
    *,
    input: Input | None = None,
    output: Output | None = None,
) -> PromptSession[str]:
    """Return what asks for the next statement.

    Args:
        history: A file, kept from session to session; None: forgotten at the end.
        toolbar: What stands below the text.
    """
    keys = KeyBindings()

    @keys.add("enter", filter=completion_is_selected)
    def choose(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None  # what is selected stays, and the menu closes

    @keys.add("enter", filter=~completion_is_selected & ~is_searching)
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if runs(buffer.text) and not buffer.document.text_after_cursor.strip():
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("enter", filter=is_searching)
    def run_found(event: KeyPressEvent) -> None:
        accept_search()
        event.app.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def run(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return PromptSession(
        message="cutlist> ",
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: "… ".rjust(width),
        lexer=PygmentsLexer(PostgresLexer),
        completer=ThreadedCompleter(completer),
        complete_while_typing=True,
        auto_suggest=AutoSuggestFromHistory(),
        history=InMemoryHistory() if history is None else KeptHistory(history),
        enable_history_search=False,
        bottom_toolbar=toolbar,
        key_bindings=keys,
        style=STYLE,
        include_default_pygments_style=False,
        input=input,
        output=output,
    )
