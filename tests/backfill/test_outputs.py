"""What a featurizer returns is taken only if it is what it declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cutlist.backfill import Batch, Declared, declared, featurizer
from cutlist.backfill.outputs import checked_outputs
from cutlist.errors import FeaturizerError, StorageError

VECTOR = pa.list_(pa.float32(), 3)


def of(*kinds: pa.DataType, **options: Any) -> Declared:
    outputs = [pa.field(name, kind) for name, kind in zip("abc", kinds, strict=False)]

    @featurizer(inputs="x", outputs=outputs, **options)
    def made(batch: Batch) -> Any:
        return batch

    return declared(made)


def check(to: Declared, result: Any, count: int = 3) -> tuple[list[list[Any]], dict[int, Exception]]:
    arrays, failures = checked_outputs(to, result, [f"row {i}" for i in range(count)])
    assert [each.type for each in arrays] == [each.type for each in to.outputs]
    return [each.to_pylist() for each in arrays], failures


@pytest.mark.parametrize(
    ("kind", "result", "values"),
    [
        (pa.float32(), [1, 2.5, None], [1.0, 2.5, None]),
        (pa.float32(), np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
        (pa.float32(), np.array([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]),
        (pa.float32(), torch.tensor([1.0, 2.0, 3.0], requires_grad=True), [1.0, 2.0, 3.0]),
        (pa.float32(), [np.float64(1), torch.tensor(2.0), 3], [1.0, 2.0, 3.0]),
        (pa.int32(), (each for each in (1, 2, 3)), [1, 2, 3]),
        (pa.uint64(), [2**64 - 1, 0, None], [2**64 - 1, 0, None]),
        (pa.string(), pa.array(["a", None, "c"]), ["a", None, "c"]),
        (pa.int64(), pa.chunked_array([[1], [2, 3]]), [1, 2, 3]),
        (VECTOR, np.arange(9.0).reshape(3, 3), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]),
        (VECTOR, torch.arange(9).reshape(3, 3), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]),
        (VECTOR, [np.zeros(3), None, [1, 2, 3]], [[0.0] * 3, None, [1.0, 2.0, 3.0]]),
        (pa.list_(pa.float32()), [np.zeros(2), [], None], [[0.0, 0.0], [], None]),
        (pa.list_(pa.struct({"a": pa.int32()})), [[{"a": 1}], [], None], [[{"a": 1}], [], None]),
        (pa.bool_(), np.array([True, False, True]), [True, False, True]),
    ],
)
def test_values_of_many_kinds_are_taken(kind: pa.DataType, result: Any, values: list[Any]) -> None:
    assert check(of(kind), result) == ([values], {})


def test_several_outputs_come_by_name() -> None:
    assert check(of(pa.int8(), pa.string()), {"b": ["x", "y", "z"], "a": [1, 2, 3]})[0] == [[1, 2, 3], ["x", "y", "z"]]


@pytest.mark.parametrize(
    ("kinds", "result", "text"),
    [
        ([pa.int8()], [1, 2], r"made@1, output a: 2 values for a batch of 3 rows; expected one for each"),
        ([pa.int8()], np.zeros((4,)), r"4 values for a batch of 3 rows"),
        ([pa.int8()], np.array(5), r"0 values for a batch of 3 rows"),
        ([pa.int8()], 5, r"output a: a int; expected a value for each of 3 rows"),
        ([pa.string()], "abc", r"output a: a str; expected a value for each of 3 rows"),
        ([pa.int8()], None, r"output a: a NoneType; expected a value for each of 3 rows"),
        ([pa.int8()], [1, "x", 3], r"output a: 'x' for row 1; expected int8"),
        ([pa.int8()], [1, 2, 300], r"output a: 300 for row 2; expected int8"),
        ([pa.int8()], [1, 2.5, 3], r"output a: 2.5 for row 1; expected int8"),
        ([pa.int8()], np.array([1, 2.5, 3]), r"output a: .*2.5.* for row 1; expected int8"),
        (
            [VECTOR],
            np.zeros((3, 4)),
            r"output a: float64 \(4,\) for row 0; expected fixed_size_list.*expected 3 but got",
        ),
        ([VECTOR], [[1, 2, 3], [1, 2], None], r"output a: .* for row 1; expected fixed_size_list"),
        ([VECTOR], np.zeros((3, 3, 3)), r"output a: float64 \(3, 3\) for row 0; expected fixed_size_list"),
        ([pa.int8(), pa.int8()], [1, 2, 3], r"returned a list; expected a dict with the outputs a, b"),
        ([pa.int8(), pa.int8()], {"a": [1, 2, 3]}, r"returned the outputs a; expected a, b"),
        ([pa.int8()], {"z": [1, 2, 3]}, r"returned the outputs z; expected a"),
        ([pa.int8()], {}, r"returned the outputs none; expected a"),
    ],
)
def test_other_values_are_errors(kinds: list[pa.DataType], result: Any, text: str) -> None:
    with pytest.raises(FeaturizerError, match=text):
        check(of(*kinds), result)


def test_a_row_fails_by_an_exception_in_its_place_and_all_of_its_outputs_are_null() -> None:
    error = ValueError("no")
    values, failures = check(of(pa.int8(), pa.int8()), {"a": [1, error, 3], "b": [4, 5, 6]})
    assert values == [[1, None, 3], [4, None, 6]]
    assert failures == {1: error}
    with pytest.raises(StorageError, match="gone"):
        check(of(pa.int8()), [1, StorageError("gone"), 3])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.float32(), [1.0, float("nan"), None]),
        (pa.list_(pa.float32()), [[1.0], [2.0, float("nan")], []]),
        (VECTOR, np.array([[1, 2, 3], [np.nan, 1, 1], [1, 2, 3]])),
        (VECTOR, [None, [1, 2, float("nan")], [1, 2, 3]]),
        (pa.list_(pa.list_(pa.float64())), [[], [[1.0], [float("nan")]], [None, []]]),
        (pa.struct({"x": pa.float32()}), [None, {"x": float("nan")}, {"x": None}]),
        (pa.list_(pa.struct({"x": pa.float16()})), [[], [{"x": np.float16("nan")}], None]),
    ],
)
def test_a_nan_at_any_depth_is_a_failure_of_its_row_unless_it_is_allowed(kind: pa.DataType, values: Any) -> None:
    (found,), failures = check(of(kind), values)
    assert {number: str(error) for number, error in failures.items()} == {1: "NaN in a"}
    assert found[1] is None
    assert check(of(kind, allows_nan=True), values)[1] == {}


def test_null_is_a_failure_where_the_field_is_not_nullable() -> None:
    @featurizer(inputs="x", outputs=pa.field("a", pa.int8(), nullable=False))
    def made(batch: Batch) -> Any:
        return batch

    _, failures = check(declared(made), [1, None, 3])
    assert {number: str(error) for number, error in failures.items()} == {1: "NULL in a, which is not nullable"}


@given(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=3)), max_size=12))
def test_rows_with_nan_are_those_that_have_one(values: list[Any]) -> None:
    _, failures = check(of(pa.list_(pa.float32())), values, len(values))
    assert set(failures) == {i for i, each in enumerate(values) if each and any(x is not None and x != x for x in each)}
