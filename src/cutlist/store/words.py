"""Full-text indexes: which rows have some words in a column of text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from lance.query import FullTextOperator, MatchQuery
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cutlist.store.table import Table

PLAIN_WORDS: Mapping[str, Any] = {
    "base_tokenizer": "simple",  # words end where a character is no letter and no digit
    "lower_case": True,
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": 40,
    "with_position": False,
}
"""How an index has to take texts apart, so that it finds every row that `matches` is true for."""


def has_plain_words(details: Mapping[str, Any]) -> bool:
    """Return whether an index takes texts apart as `matches` does, by what Lance tells of it."""
    told = {key: details.get(key) for key in PLAIN_WORDS if key != "with_position"}
    return told.items() <= PLAIN_WORDS.items()


def rows_with_words(table: Table, column: str, words: Sequence[str], most: int) -> NDArray[np.uint64] | None:
    """Return the rows that have all of some words in a column that has an index; None if they are more than `most`.

    Rows that were appended after the index was made are looked through.

    Returns:
        Row ids, uint64, ascending; rows that `matches` is not true for may be among them, and none is left out.
    """
    query = MatchQuery(" ".join(words), column=column, operator=FullTextOperator.AND)
    found = table.dataset.scanner(
        columns=["_rowid"], full_text_query=query, limit=most + 1, disable_scoring_autoprojection=True
    ).to_table()
    return None if found.num_rows > most else np.sort(found["_rowid"].to_numpy())


def details_of(index: Any) -> dict[str, Any]:
    """Return what Lance tells of an index, beside its kind."""
    details = index.details
    return dict(json.loads(details) if isinstance(details, str) else details or {})
