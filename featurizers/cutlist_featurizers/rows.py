"""A featurizer's batch, row by row, where a row that cannot be measured fails alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def each_row(
    measure: Callable[[Any], Mapping[str, Any]], values: Sequence[Any], outputs: Sequence[pa.Field]
) -> dict[str, list[Any]]:
    """Return, by the name of an output, the values that `measure` gives of each row.

    A row for which it raises has the exception as the value of every output, which is how a featurizer says that the
    row failed.

    Examples:
        >>> import pyarrow as pa
        >>> def root(value):
        ...     return {"root": value**0.5 if value >= 0 else int("negative")}
        >>> each_row(root, [4.0, -1.0], [pa.field("root", pa.float32())])
        {'root': [2.0, ValueError("invalid literal for int() with base 10: 'negative'")]}
    """
    columns: dict[str, list[Any]] = {field.name: [] for field in outputs}
    for value in values:
        try:
            results = measure(value)
        except Exception as error:
            results = dict.fromkeys(columns, error)
        for name, column in columns.items():
            column.append(results[name])
    return columns
