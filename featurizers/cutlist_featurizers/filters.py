"""FFmpeg's filters over the displayed frames of a video, and spans of time between these frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TypedDict

import pyarrow as pa
from av.filter import Graph

from cutlist.media.frames import Frames, Shown


class Span(TypedDict):
    """Seconds [start, stop) since the first displayed frame, as `clip` takes them."""

    start_seconds: float
    stop_seconds: float


SPANS = pa.list_(pa.struct([pa.field("start_seconds", pa.float64()), pa.field("stop_seconds", pa.float64())]))
"""The column type of a list of spans, for `UNNEST`."""


def filtered(frames: Frames, name: str, arguments: str | None = None) -> Iterator[Shown]:
    """Yield the displayed frames, each as a filter that gives one frame for each has left it, with its metadata.

    A frame of another size or pixel format than the first is converted to the first's: filters such as vmafmotion keep
    buffers of the first size, and read past them.

    Args:
        frames: An open video; can be walked once.
        name: A filter of FFmpeg, e.g. `scdet`.
        arguments: As on FFmpeg's command line, e.g. `threshold=10`.
    """
    first = frames.first
    graph = Graph()
    graph.threads = 1  # callers run many side by side
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or frames.time_base
    )
    graph.link_nodes(source, graph.add(name, arguments), graph.add("buffersink")).configure()
    for start, end, frame in frames.shown():
        if (frame.width, frame.height, frame.format.name) != (first.width, first.height, first.format.name):
            frame = frame.reformat(first.width, first.height, first.format.name)
        graph.vpush(frame)
        yield Shown(start, end, graph.vpull())


def at_most(time: Fraction) -> float:
    """Return the greatest double that is not after an exact time, so that a clip from it has the frame at that time.

    Examples:
        >>> third = at_most(Fraction(2, 30))
        >>> Fraction(third) <= Fraction(2, 30) < Fraction(math.nextafter(third, 1))
        True
    """
    nearest = float(time)
    return nearest if Fraction(nearest) <= time else math.nextafter(nearest, -math.inf)


def end_after(last_start: Fraction, end: Fraction) -> float:
    """Return when a video ends as a double after the start of its last frame, so that a clip up to it has that frame.

    Examples:
        >>> end_after(Fraction(2), Fraction(5, 2)), end_after(Fraction(2), Fraction(2)) > 2
        (2.5, True)
    """
    stop = float(end)
    return stop if Fraction(stop) > last_start else math.nextafter(float(last_start), math.inf)
