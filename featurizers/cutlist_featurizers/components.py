"""Connected components: sets of nodes that grow together, as pairs of them are found to belong together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Nodes = NDArray[np.int64]
Near = Callable[[Nodes, Nodes], NDArray[np.bool_]]
"""Which of some nodes (r,) are near which others (c,): bool, shape (r, c)."""

ROWS, COLUMNS = 1024, 4096
"""Most pairs that `Near` is asked about at once."""


class Components:
    """The nodes 0 … n - 1, each a set of its own to begin with. A set is called by its smallest node.

    A forest in an array, each node under a smaller one of its set: union-find, over arrays of pairs instead of one pair
    at a time.

    Examples:
        >>> import numpy as np
        >>> sets = Components(5)
        >>> sets.join(np.array([4, 2]), np.array([2, 1]))
        >>> sets.labels().tolist()
        [0, 1, 1, 3, 1]
    """

    def __init__(self, num_nodes: int):
        self._parents = np.arange(num_nodes)

    def of(self, nodes: Nodes) -> Nodes:
        """Return the set that each node is in, int64, of the shape of `nodes`."""
        parents = self._parents
        above = parents[nodes]
        while True:
            higher = parents[above]
            if np.array_equal(higher, above):
                return above
            parents[nodes] = above = higher  # chains get half as long each time

    def join(self, ones: Nodes, others: Nodes) -> None:
        """Make one set of those that the two nodes of each pair are in; both int64, shape (p,)."""
        while True:
            ones, others = np.split(self.of(np.concatenate([ones, others])), 2)
            apart = ones != others
            if not apart.any():
                return
            ones, others = ones[apart], others[apart]
            np.minimum.at(self._parents, np.maximum(ones, others), np.minimum(ones, others))

    def labels(self) -> Nodes:
        """Return the set that every node is in, int64, shape (n,)."""
        return self.of(np.arange(len(self._parents)))


def join_all(components: Components, nodes: Nodes, near: Near) -> None:
    """Join all pairs of nodes that are near, and ask about no pair that is known to be in one set if it can be helped.

    It is quadratic in the number of nodes that are in many sets, and linear in those that turn out to be in one: what a
    block of rows joins is left out of the blocks after it.

    Args:
        nodes: int64, shape (m,), no node twice.
    """
    rest = nodes
    while len(rest) > 1:
        sets = components.of(rest)
        order = np.argsort(sets, kind="stable")
        rest, sets = rest[order], sets[order]
        if sets[0] == sets[-1]:
            return
        rows, columns = rest[:ROWS], rest
        if sets[0] == sets[len(rows) - 1]:
            columns = rest[np.searchsorted(sets, sets[0], "right") :]
        join_across(components, rows, columns, near)
        rest = rest[ROWS:]


def join_across(components: Components, rows: Nodes, columns: Nodes, near: Near) -> None:
    """Join the pairs of a node of `rows` (r,) and one of `columns` (c,) that are near; both int64."""
    for top in range(0, len(rows), ROWS):
        some = rows[top : top + ROWS]
        for left in range(0, len(columns), COLUMNS):
            others = columns[left : left + COLUMNS]
            row, column = np.divmod(np.flatnonzero(near(some, others)), len(others))
            components.join(some[row], others[column])
