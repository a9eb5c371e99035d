"""What is typed: statements of SQL, and lines that are commands, which begin with a dot."""

from __future__ import annotations

from cutlist.statements import is_complete, split


def statements(text: str) -> list[str]:
    """Return the statements of a text, and lines between them that are commands.

    Examples:
        >>> statements("SELECT ';'; FROM s;\\n.tables\\nFROM t")
        ["SELECT ';';", 'FROM s;', '.tables', 'FROM t']
    """
    found: list[str] = []
    for each in split(text):
        sql = each.strip()
        while sql.startswith("."):
            line, _, sql = sql.partition("\n")
            found.append(line.strip())
            sql = sql.strip()
        found += [sql] if sql else []
    return found


def runs(text: str) -> bool:
    """Return whether Enter runs a text: nothing, or what ends with a command or a complete statement.

    Examples:
        >>> [runs(each) for each in ("", ".tables", "SELECT 1", "SELECT 1;", "SELECT 1;\\n.tables")]
        [True, True, False, True, True]
    """
    found = statements(text)
    return not found or found[-1].startswith(".") or is_complete(text)
