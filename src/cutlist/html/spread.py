"""How the values of a column are spread: a small histogram, as SVG, with its ends and its categories in words."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.answers.plotting import nice_step, time_step
from cutlist.html.page import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_VALUES = 12
"""Different texts that have a bar each; of a column with more it is only said how many there are."""

WIDTH, HEIGHT = 120, 28
"""Of the picture, in pixels."""

Kind = Literal["number", "time", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Bars from left to right, each with what it stands for and its count; and what is said below them."""

    bars: Sequence[tuple[str, int]]
    said: str

    def svg(self) -> str:
        """Return the bars as SVG in the colour of the text around it; nothing where there are none."""
        most = max((count for _, count in self.bars), default=0)
        if not most:
            return ""
        width = WIDTH / max(len(self.bars), 6)
        drawn = []
        for place, (label, count) in enumerate(self.bars):
            height = max(HEIGHT * count / most, 1) if count else 0
            drawn.append(
                f'<rect x="{place * width:.4g}" y="{HEIGHT - height:.4g}" width="{max(width - 1, 1):.4g}" '
                f'height="{height:.4g}"><title>{text(label)}: {count:,}</title></rect>'
            )
        box = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        return f'<svg {box} role="img" fill="currentColor" fill-opacity="0.5">{"".join(drawn)}</svg>'


def share_svg(share: float) -> str:
    """Return a bar that is so much of its width filled, as SVG."""
    box = f'width="{WIDTH}" height="12" viewBox="0 0 {WIDTH} 12"'
    outer = f'<rect width="{WIDTH}" height="12" fill-opacity="0.12"></rect>'
    inner = f'<rect width="{WIDTH * share:.4g}" height="12" fill-opacity="0.5"></rect>'
    return f'<svg {box} role="img" fill="currentColor">{outer}{inner}</svg>'


def kind_of(kind: pa.DataType) -> Kind | None:
    """Return as what the values of a type are spread; None for media, lists and the like."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "time"
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_boolean)
    return "text" if any(each(plain) for each in texts) else None


def spread_of(values: pa.ChunkedArray | pa.Array) -> Spread | None:
    """Return how values are spread; None for a type that has no order and no names, and where all are NULL.

    Examples:
        >>> spread_of(pa.array([1, 1, 3, None])).bars
        [('1', 2), ('2', 0), ('3', 1)]
        >>> spread_of(pa.array(["b", "a", "b"])).said
        '2 values'
    """
    kind = kind_of(values.type)
    there = values.drop_null()
    if kind is None or not len(there):
        return None
    if kind == "text":
        return _of_texts(there)
    if kind == "time":
        seconds = pc.cast(pc.cast(there, pa.timestamp("s"), safe=False), pa.int64()).to_numpy()
        return _of_times(seconds.astype(np.float64))
    numbers = np.asarray(pc.cast(there, pa.float64(), safe=False))
    return _of_numbers(numbers, whole=pa.types.is_integer(values.type))


def _of_texts(there: pa.ChunkedArray | pa.Array) -> Spread:
    plain = there.cast(pa.string()) if not pa.types.is_boolean(there.type) else there
    counts = pc.value_counts(plain)
    if len(counts) > MOST_VALUES:
        return Spread(bars=(), said=f"{len(counts):,} values")
    found = Counter({str(each["values"].as_py()): each["counts"].as_py() for each in counts})
    ordered = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    if pa.types.is_boolean(there.type):
        share = found["True"] / found.total()
        bars = [(name.lower(), found[name]) for name in ("False", "True")]
        return Spread(bars=bars, said=f"{share:.0%} true")
    if len(ordered) == 1:
        return Spread(bars=(), said=f"all {ordered[0][0][:40]}")
    if ordered[0][1] == 1:
        return Spread(bars=(), said=f"{len(ordered)} values")
    return Spread(bars=[(label[:60], count) for label, count in ordered], said=f"{len(ordered)} values")


def _of_times(seconds: NDArray[np.float64]) -> Spread:
    step = time_step(seconds.max() - seconds.min())
    form = "%Y-%m-%d" if step >= 86_400 else "%Y-%m-%d %H:%M:%S"

    def said(value: float) -> str:
        return datetime.fromtimestamp(value, UTC).strftime(form)

    starts, counts = _binned(seconds, step)
    try:
        ends = said(seconds.min()), said(seconds.max())
        bars = [(said(start), count) for start, count in zip(starts, counts, strict=True)]
    except (ValueError, OverflowError):  # a year that Python's calendar has not
        return Spread(bars=(), said="")
    return Spread(bars=bars, said=ends[0] if ends[0] == ends[1] else " … ".join(ends))


def _of_numbers(values: NDArray[np.float64], *, whole: bool) -> Spread | None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Spread(bars=(), said="not finite")
    low, high = float(finite.min()), float(finite.max())
    ends = [f"{each:,.0f}" if whole and abs(each) < 1e9 else f"{each:.4g}" for each in (low, high)]
    if low == high:
        return Spread(bars=(), said=ends[0])
    said = " … ".join(ends)
    step = nice_step(high - low, whole=whole) if math.isfinite(high - low) else 0.0
    if step <= 0 or max(abs(low), abs(high)) / step > 2**52:  # its bins have no numbers
        return Spread(bars=(), said=said)
    starts, counts = _binned(finite, step)
    one = whole and step == 1
    bars = [
        (f"{start:.6g}" if one else f"{start:.6g} to {start + step:.6g}", count)
        for start, count in zip(starts, counts, strict=True)
    ]
    return Spread(bars=bars, said=said)


def _binned(values: NDArray[np.float64], step: float) -> tuple[list[float], list[int]]:
    """Return the start of each bin from the first that has a value to the last, and its count."""
    bins = np.floor(values / step).astype(np.int64)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    return [(first + place) * step for place in range(len(counts))], counts.tolist()
