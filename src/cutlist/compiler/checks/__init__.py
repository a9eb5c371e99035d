"""The checks: what a query can say that would not give the same training set again, or that SQL cannot do with media.

Each check is a function of a statement and of what its expressions hold. It yields remarks, each with the place in the
user's own text, what is wrong there, and what to write instead. DuckDB is asked nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from cutlist.compiler.checks.aggregates import check_aggregates
from cutlist.compiler.checks.floats import check_floats
from cutlist.compiler.checks.joins import check_joins
from cutlist.compiler.checks.kinds import Kinds
from cutlist.compiler.checks.limits import check_limits
from cutlist.compiler.checks.references import check_references
from cutlist.compiler.checks.sampling import check_sampling
from cutlist.compiler.checks.volatile import check_volatile
from cutlist.compiler.checks.windows import check_windows
from cutlist.compiler.facts import FindTable, Remark
from cutlist.compiler.text import Statement

Check = Callable[[Statement, Kinds], Iterator[Remark]]

CHECKS: tuple[Check, ...] = (
    check_aggregates,
    check_floats,
    check_joins,
    check_limits,
    check_references,
    check_sampling,
    check_volatile,
    check_windows,
)

__all__ = ["CHECKS", "Check", "check"]


def check(statements: Iterable[Statement], find: FindTable) -> tuple[Remark, ...]:
    """Return what all checks have to say about a query and its views, in order of place within each statement.

    Args:
        statements: The query and each view that it needs, in any order. A view `clips/short` is the statement whose
            place ends with `clips/short.sql`, so that what comes out of it is known.
        find: Name → what is known of a table, or None.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> [remark.place for remark in check([parse("SELECT random() AS r FROM t LIMIT 3")], lambda name: None)]
        ['query:1:8', 'query:1:29']
    """
    every = list(statements)
    kinds = Kinds(find, lambda name: _view(name, every))
    return tuple(remark for each in every for remark in _in_order(each, kinds))


def _in_order(statement: Statement, kinds: Kinds) -> list[Remark]:
    """Return the remarks on one statement by line and column, the same one once."""
    remarks = dict.fromkeys(remark for each in CHECKS for remark in each(statement, kinds))
    return sorted(remarks, key=lambda remark: [int(n) for n in re.findall(r":(\d+)(?=:|$)", remark.place)[-2:]])


def _view(name: str, statements: list[Statement]) -> Statement | None:
    """Return the statement of a view, told by the file that it stands in: of several, that nearest to the top."""
    end = f"/{name}.sql".lower()
    files = [each for each in statements if f"/{each.place}".replace("\\", "/").lower().endswith(end)]
    return min(files, key=lambda each: len(each.place), default=None)
