"""The statements of a text; those that are ours: REFRESH COLUMN, and CREATE VIEW and DROP VIEW, which write files.

    REFRESH COLUMN sharpness ON videos WHERE duration_seconds > 2
    CREATE OR REPLACE VIEW hd AS SELECT * FROM videos WHERE height >= 1080
    DROP VIEW IF EXISTS hd CASCADE

Each of ours is told by its first words. One that begins so and does not go on so is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cutlist.errors import QueryError

_NAME = r'"(?:[^"]|"")+"|\w+'
_COMMENTS = re.compile(r"(?:\s*(?:--[^\n]*\n|/\*.*?\*/))*\s*", re.DOTALL)
_PARTS = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|\$([A-Za-z_]\w*|)\$.*?(?:\$\1\$|\Z)|;|[^-/'"$;]+|.""",
    re.DOTALL,
)
"""Comments and quotes as wholes, to their ends if they have one; semicolons; and what is between."""

_REFRESH = re.compile(
    rf"REFRESH\s+COLUMN\s+(?P<column>{_NAME})\s+ON\s+(?P<table>{_NAME})(?:\s+WHERE\s(?P<where>.+?))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CREATE = re.compile(
    rf"CREATE\s+(?P<replace>OR\s+REPLACE\s+)?VIEW\s+(?P<view>{_NAME})\s+AS\b\s*(?P<text>.*?)[\s;]*",
    re.IGNORECASE | re.DOTALL,
)
_DROP = re.compile(
    rf"DROP\s+VIEW\s+(?P<exists>IF\s+EXISTS\s+)?(?P<view>{_NAME})(?:\s+(?P<how>CASCADE|RESTRICT))?\s*;?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A column, or the name of a featurizer, the table, and the predicate of a REFRESH COLUMN statement."""

    column: str
    table: str
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView:
    """A view that is to be written: its name, its query as typed, and the comments above the statement.

    `offset` is where the name starts in the statement, `start` where the query does.
    """

    name: str
    text: str
    comment: str = ""
    replace: bool = False
    offset: int = 0
    start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DropView:
    """A view that is to be removed, and whether it may be missing, and may be needed by others."""

    name: str
    if_exists: bool = False
    cascade: bool = False
    offset: int = 0


def split(text: str) -> list[str]:
    """Return the statements of a text, each with its semicolon, the last maybe without; joined they are the text.

    Examples:
        >>> split("SELECT ';'; -- one\\nFROM a; FROM b")
        ["SELECT ';';", ' -- one\\nFROM a;', ' FROM b']
        >>> split("SELECT 1; -- why")
        ['SELECT 1; -- why']
    """
    found = [""]
    for part in _PARTS.finditer(text):
        found[-1] += part[0]
        if part[0] == ";":
            found.append("")
    last = found.pop()
    if _COMMENTS.fullmatch(f"{last}\n") is None:
        return [*found, last]
    return [*found[:-1], found[-1] + last] if found else []


def split_in_place(text: str) -> list[str]:
    """Return the statements of a text, each with blanks for what is before it: its lines and columns are those of it.

    Examples:
        >>> split_in_place("FROM a;\\nFROM b")
        ['FROM a;', '       \\nFROM b']
    """
    found, before = [], ""
    for each in split(text) or [text]:
        found.append(re.sub(r"[^\n]", " ", before) + each)
        before += each
    return found


def is_complete(text: str) -> bool:
    """Return whether what would be typed next is another statement: after a semicolon outside of quotes and comments.

    Examples:
        >>> [is_complete(each) for each in ("SELECT 1", "SELECT 1;", "SELECT ';", "SELECT 1; -- why", "SELECT $$;")]
        [False, True, False, True, False]
    """
    return len(split(f"{text}\n.")) > max(len(split(text)), 1)


def own_statement(text: str) -> Refresh | CreateView | DropView | None:
    """Return what one of these statements says, or None for any other text.

    Raises:
        QueryError: if it begins as one and does not go on so.

    Examples:
        >>> own_statement("REFRESH COLUMN sharpness ON videos WHERE fps > 10;")
        Refresh(column='sharpness', table='videos', where='fps > 10')
        >>> own_statement("-- Big ones.\\nCREATE VIEW hd AS FROM videos;").text
        'FROM videos'
        >>> own_statement("DROP VIEW hd").name
        'hd'
        >>> own_statement("SELECT 1") is None
        True
    """
    above = _COMMENTS.match(text)
    start = above.end() if above is not None else 0
    plain = text[start:]
    if re.match(r"REFRESH\b", plain, re.IGNORECASE):
        found = _parsed(_REFRESH, plain, "REFRESH COLUMN column ON table [WHERE predicate]")
        return Refresh(column=_bare(found["column"]), table=_bare(found["table"]), where=found["where"])
    if re.match(r"CREATE\s+(OR\s+REPLACE\s+)?VIEW\b", plain, re.IGNORECASE):
        found = _parsed(_CREATE, plain, "CREATE [OR REPLACE] VIEW name AS SELECT …")
        return CreateView(
            name=_bare(found["view"]),
            text=found["text"],
            comment=text[:start].strip(),
            replace=found["replace"] is not None,
            offset=start + found.start("view"),
            start=start + found.start("text"),
        )
    if re.match(r"DROP\s+VIEW\b", plain, re.IGNORECASE):
        found = _parsed(_DROP, plain, "DROP VIEW [IF EXISTS] name [CASCADE]")
        return DropView(
            name=_bare(found["view"]),
            if_exists=found["exists"] is not None,
            cascade=(found["how"] or "").upper() == "CASCADE",
            offset=start + found.start("view"),
        )
    return None


def view_of(name: str, text: str) -> CreateView:
    """Return the statement that writes a query as a view, anew if it is there; the comments above the query stay so.

    Examples:
        >>> view_of("hd", "-- Big ones.\\nFROM videos")
        CreateView(name='hd', text='FROM videos', comment='-- Big ones.', replace=True, offset=0, start=13)
    """
    above = _COMMENTS.match(text)
    start = above.end() if above is not None else 0
    query = re.sub(r"[\s;]*$", "", text[start:])
    return CreateView(name=name, text=query, comment=text[:start].strip(), replace=True, start=start)


def _parsed(pattern: re.Pattern[str], text: str, expected: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise QueryError(f"query: {' '.join(text.split())[:80]}: expected {expected}")
    return found


def _bare(name: str) -> str:
    """Return a name without the quotes around it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
