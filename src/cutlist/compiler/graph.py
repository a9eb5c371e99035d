"""Views in the order in which they must be defined."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cutlist.errors import QueryError


def view_order(roots: Iterable[str], uses: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """Return the views that `roots` need, each after those that it uses.

    Args:
        roots: Names of views.
        uses: View → the views that its text names.

    Raises:
        QueryError: if views use each other in a circle; the message has the chain of names.

    Examples:
        >>> graph = {"clips": ["hd"], "hd": [], "other": []}
        >>> view_order(["clips"], graph.__getitem__)
        ('hd', 'clips')
    """
    done: dict[str, None] = {}

    def visit(name: str, chain: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in chain:
            circle = (*chain[chain.index(name) :], name)
            raise QueryError(f"views use each other in a circle: {' → '.join(circle)}")
        for used in uses(name):
            visit(used, (*chain, name))
        done[name] = None

    for root in roots:
        visit(root, ())
    return tuple(done)
