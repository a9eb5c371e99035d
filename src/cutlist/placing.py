"""DuckDB's error texts, told with the place in the user's own text."""

from __future__ import annotations

import re

_UNKNOWN_COLUMN = (
    re.compile(r'(?:Referenced column|column named) "([^"]+)"'),
    re.compile(r'does not have a column named "([^"]+)"'),
)
_UNKNOWN_TABLE = re.compile(r"Table with name (\S+) does not exist")


def unknown_column(error: Exception) -> str | None:
    """Return the name of the column that DuckDB does not know, if that is what an error says.

    Examples:
        >>> unknown_column(Exception('Binder Error: Referenced column "captoin" not found in FROM clause!'))
        'captoin'
    """
    return next((found[1] for each in _UNKNOWN_COLUMN if (found := each.search(str(error)))), None)


def unknown_table(error: Exception) -> str | None:
    """Return the name of the table that DuckDB does not know, if that is what an error says.

    Examples:
        >>> unknown_table(Exception("Catalog Error: Table with name vidoes does not exist!"))
        'vidoes'
    """
    found = _UNKNOWN_TABLE.search(str(error))
    return found[1] if found else None


def message(place: str, text: str, error: Exception) -> str:
    """Return DuckDB's message in one paragraph, its LINE and caret replaced by `place:line:column`.

    Args:
        place: The file, or `query`.
        text: What DuckDB was given.
        error: What it raised.

    Examples:
        >>> message("query", "FROM t x y", Exception("Parser Error: no\\n\\nLINE 1: FROM t x y\\n                 ^"))
        'query:1:10: no'
    """
    said = re.sub(r"\n\nLINE \d+:.*", "", str(error), flags=re.DOTALL)
    said = re.sub(r'STRUCT\("source" USMALLINT, "row" UBIGINT[^)]*\)', "media", said)
    if "array_cosine_similarity" in said and "NULL values" in said:
        said = (
            "similarity compares vectors, and one of them has a NULL among its numbers; leave it out: "
            "WHERE len(list_filter(embedding::FLOAT[], lambda x: x IS NULL)) = 0"
        )
    elif "array_cosine_similarity" in said and "size" not in said:  # what similarity() is made of
        said = (
            "similarity takes an embedding, FLOAT[n], and another one, similarity(embedding, [0.1, …]::FLOAT[n]), or a "
            "text or image that is written out in a SELECT or a view: similarity(embedding, 'a cat')"
        )
    if "in lambda expressions" in said:  # the bodies of the macros are lambdas
        said = (
            "a parameter of clip(), resize() and their like cannot be a subquery or UNNEST; compute it in FROM, e.g. "
            "SELECT clip(video, s, s + 2) FROM (SELECT video, unnest(starts) AS s FROM videos)"
        )
    kind, _, rest = said.partition(": ")
    if not kind.endswith("Error"):
        rest = said
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    at = re.search(r"\n\nLINE (\d+): (.*)\n( *)\^", str(error))
    if at is not None:
        line, shown, caret = int(at[1]), at[2], len(at[3]) - len(f"LINE {at[1]}: ")
        lines_of_text = text.splitlines()
        if line <= len(lines_of_text):
            core = shown.removeprefix("...").removesuffix("...")
            column = lines_of_text[line - 1].find(core) + caret - (3 if shown.startswith("...") else 0) + 1
            place = f"{place}:{line}:{max(column, 1)}"
    return f"{place}: {' '.join(line if line[-1] in '.:;!?' else line + ';' for line in lines).rstrip(';')}"
