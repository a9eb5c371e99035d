"""Which frames a clip, a frame rate or a number of frames selects: arithmetic on exact times, no decoding."""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from cutlist.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutlist.media.reference import Op

TEMPORAL = ("clip", "at_fps", "frames")
"""Names of the operations on time, in any order."""

MAX_FRAMES = 1_000_000
"""Most frames that one decode may return, so that `at_fps(video, 1e9)` fails at once."""


def interval(clip: Op) -> tuple[Fraction, Fraction | None]:
    """Return [start, stop) of a clip in exact seconds; stop is None where it is infinite.

    Examples:
        >>> from cutlist.media import Op
        >>> interval(Op("clip", (0.5, 2.0)))
        (Fraction(1, 2), Fraction(2, 1))
    """
    start, stop = clip.args
    if math.isnan(start) or math.isnan(stop) or math.isinf(start) or not start < stop:
        raise MediaError(f"{clip}: empty; start must be before stop, in seconds")
    return Fraction(start), None if math.isinf(stop) else Fraction(stop)


class Wanted(NamedTuple):
    """What is asked for; `clip` only where it comes first, since then nothing outside [start, stop) can be shown.

    Operations on time apply in their order, and those on the picture in theirs; neither kind sees the other.
    """

    clip: Op | None
    start: Fraction
    stop: Fraction | None
    temporal: tuple[Op, ...]
    spatial: tuple[Op, ...]


def wanted_of(ops: Sequence[Op]) -> Wanted:
    """Return what `ops`, the first applied first, ask for."""
    temporal = tuple(op for op in ops if op.name in TEMPORAL)
    spatial = tuple(op for op in ops if op.name not in TEMPORAL)
    clip = temporal[0] if temporal and temporal[0].name == "clip" else None
    start, stop = interval(clip) if clip else (Fraction(0), None)
    return Wanted(clip, start, stop, temporal, spatial)


def no_frames(clip: Op, lasts: str) -> MediaError:
    """Return the error for a clip in which no frame starts."""
    start, stop = clip.args
    return MediaError(f"clip({start!r}, {stop!r}): no frame starts in [{start!r}, {stop!r}) s; {lasts}")


def pick(times: Sequence[Fraction], end: Fraction, ops: Sequence[Op]) -> list[int]:
    """Return the indices into `times` of the frames that `ops` select, in order, with repeats.

    - `clip(a, b)`: frames with a ≤ t < b.
    - `at_fps(fps)`: at a + k/fps for k = 0, 1, … before the interval's end, the last frame with t ≤ that time, or the
      first frame if there is none. The chosen frames then have these times.
    - `frames(n)`: the frame at the middle of each of n equal parts, by index: floor((i + 0.5) · len / n).

    Args:
        times: Seconds of each displayed frame since the first one, ascending; at least one.
        end: When the last frame ends, in the same seconds.
        ops: Temporal operations, the first applied first.

    Raises:
        MediaError: if a clip holds no frame, or a parameter is not positive.

    Examples:
        >>> from cutlist.media import Op
        >>> times = [Fraction(k, 8) for k in range(8)]
        >>> pick(times, Fraction(1), [Op("clip", (0.25, 0.75)), Op("frames", (2,))])
        [3, 5]
        >>> pick(times, Fraction(1), [Op("at_fps", (5.0,))])
        [0, 1, 3, 4, 6]
    """
    chosen = list(range(len(times)))
    shown = list(times)
    start, stop = Fraction(0), end
    for op in ops:
        if op.name == "clip":
            low, high = interval(op)
            keep = [i for i, time in enumerate(shown) if low <= time and (high is None or time < high)]
            if not keep:
                raise no_frames(op, f"the video lasts {float(end):g} s")
            start, stop = low, stop if high is None else min(high, stop)
        elif op.name == "at_fps":
            grid = _grid(op, start, stop)
            keep = [max(bisect_right(shown, time) - 1, 0) for time in grid]
            chosen, shown = [chosen[i] for i in keep], grid
            continue
        else:
            count = _count(op)
            keep = [(2 * i + 1) * len(shown) // (2 * count) for i in range(count)]
        chosen, shown = [chosen[i] for i in keep], [shown[i] for i in keep]
    return chosen


def places_of(picks: Sequence[int]) -> dict[int, list[int]]:
    """Return for each picked frame its places in the result.

    Examples:
        >>> places_of([3, 3, 5])
        {3: [0, 1], 5: [2]}
    """
    places: dict[int, list[int]] = {}
    for place, index in enumerate(picks):
        places.setdefault(index, []).append(place)
    return places


def _grid(op: Op, start: Fraction, stop: Fraction) -> list[Fraction]:
    """Return the times start + k/fps in [start, stop)."""
    (fps,) = op.args
    if not (math.isfinite(fps) and fps > 0):
        raise MediaError(f"{op}: frames per second must be a positive number")
    count = max(math.ceil((stop - start) * Fraction(fps)), 1)
    if count > MAX_FRAMES:
        raise MediaError(f"{op}: {count} frames; the limit is {MAX_FRAMES}")
    return [start + k / Fraction(fps) for k in range(count)]


def _count(op: Op) -> int:
    count = int(op.args[0])
    if count != op.args[0] or not 1 <= count <= MAX_FRAMES:
        raise MediaError(f"{op}: the number of frames must be a whole number in [1, {MAX_FRAMES}]")
    return count
