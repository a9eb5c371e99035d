"""Errors of the loader that no other file here has: what stands for a query, mixtures, and columns that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutlist.errors import OrderError, SelectionError
from cutlist_torch import Component, Loader

NUMBERS = "SELECT i FROM range(8) AS t(i)"


def loader(root: Path, query: Any = NUMBERS, **options: Any) -> Loader:
    return Loader(query, root=root, batch_size=4, **options)


@pytest.mark.parametrize("query", [7, None, {"a", "b"}])
def test_what_is_no_query_is_refused(tmp_path: Path, query: Any) -> None:
    with pytest.raises(OrderError, match=rf"a query of type {type(query).__name__}; expected a SELECT, a view's name"):
        loader(tmp_path, query)


def test_components_without_a_mixture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OrderError, match=r"components= is for mixtures: Loader\(\{name: weight, …\}, components="):
        loader(tmp_path, components={"one": Component(NUMBERS)})


def test_a_component_that_the_mixture_has_not_is_named(tmp_path: Path) -> None:
    components = {"numbers": Component(NUMBERS), "letters": Component("SELECT 'a' AS i")}
    message = r'components has "letters", and the mixture has not; did you mean "letter"\? It has: letter, numbers\.'
    with pytest.raises(OrderError, match=message):
        loader(tmp_path, {"numbers": 1, "letter": 1}, components=components, num_steps=2)


def test_a_mixture_has_no_selection_of_its_own(tmp_path: Path) -> None:
    mixture = loader(tmp_path, {NUMBERS: 1, f"{NUMBERS} WHERE i > 3": 1}, num_steps=2)
    assert [each.selection.num_samples for each in mixture.order.components] == [8, 4]
    with pytest.raises(OrderError, match=r"a mixture has several selections: \[each\.selection for each in loader\."):
        _ = mixture.selection


def with_odd(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "odd": True} if row["i"] % 2 else row


def test_rows_of_one_batch_have_the_same_columns(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="a processor gave some rows of a batch columns that others lack: odd"):
        list(loader(tmp_path, processors=[with_odd]))


def as_unsigned(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "i": np.array([row["i"], 2**63 + row["i"]], np.uint64)}


def test_an_unsigned_array_of_a_processor_is_named_where_it_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"column i: 922337203685477581\d does not fit in a signed 64-bit integer"):
        list(loader(tmp_path, processors=[as_unsigned]))


def test_an_array_with_an_integer_over_64_bits_is_refused(tmp_path: Path) -> None:
    query = "SELECT [i, 18446744073709551615]::UBIGINT[2] AS big FROM range(8) AS t(i)"
    with pytest.raises(SelectionError, match=r"column big: .* does not fit in a signed 64-bit integer; cast it in the"):
        list(loader(tmp_path, query))


def test_of_arrays_the_one_with_an_integer_over_64_bits_is_named(tmp_path: Path) -> None:
    query = "SELECT [i, CASE i WHEN 3 THEN 9223372036854775808 ELSE 0 END]::HUGEINT[2] AS big FROM range(8) AS t(i)"
    with pytest.raises(SelectionError, match=r"column big: .*9223372036854775808.* does not fit in a signed 64-bit"):
        list(loader(tmp_path, f"{query} ORDER BY i", shuffle=None))
