"""Media as they stand in a cell: a picture, a clip that plays, a sound; decoded when they are shown, and only then."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from cutlist.errors import CutlistError, MediaError
from cutlist.html.page import failure, text
from cutlist.media import Op, decode, resolve
from cutlist.media.preview import clip_bytes, picture_bytes, sound_bytes
from cutlist.media.timeline import TEMPORAL
from cutlist.store import Blobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.store import Table

SECONDS = 2.0
"""Of a clip or a sound that is shown, at most."""

FPS = 12.0
"""Frames per second of a clip that is shown, where its query does not say."""

MOST_FRAMES = 24
"""Of a clip that is shown; of more, so many, evenly spaced."""

SHORT_SIDE = 144
"""Pixels of the shorter side of a video that is shown."""

SAMPLE_RATE = 16_000
"""Of sound that is shown, where its query does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A medium of a table and how to decode it, which a cell shows; what is random is that of a sample, in epoch 0."""

    table: Table
    column: str
    kind: str | None
    row: int
    ops: tuple[Op, ...]
    sample: int = 0

    def __str__(self) -> str:
        return ".".join([f"{self.table.name}.{self.column}[{self.row}]", *map(str, self.ops)])

    @property
    def shown_kind(self) -> str:
        """What it is after its operations: `video`, `image`, `audio`, `tensor`, a kind of one's own, or `media`."""
        return "audio" if any(op.name == "audio" for op in self.ops) else self.kind or "media"

    def html(self, *, plays: bool = True) -> str:
        """Return the medium as HTML; if it cannot be decoded, why.

        Args:
            plays: Whether a video can be played, instead of being one frame.
        """
        if any(op.name in ("raw", "as_file") for op in self.ops):
            return text(str(self), 80)
        try:
            if self.shown_kind == "audio":
                return sound(self._decoded(sound_ops(self.ops)), _rate(self.ops), title=str(self))
            if self.shown_kind == "video":
                return self._clip(plays=plays)
            return array_html(self._decoded(self.ops), title=str(self))
        except CutlistError as error:
            return failure(f"{self}: {self.table.dead_pointer(self.column, self.row) or error}")

    def _clip(self, *, plays: bool) -> str:
        ops, fps = clip_ops(self.ops)
        try:
            array = self._decoded(ops if plays else (*ops, Op("frames", (1,))))
        except MediaError:  # the part that is shown may have nothing to show, where the whole has
            array = self._decoded((*self.ops, Op("frames", (1,))))
        return array_html(array, title=str(self), fps=fps, plays=plays)

    def _decoded(self, ops: Sequence[Op]) -> Any:
        file = Blobs(self.table, self.column).open(self.row)
        drawn = resolve(ops, seed=0, epoch=0, sample=self.sample)
        return file.given_to(lambda opened: decode(cast("BinaryIO", opened), drawn, kind=self.kind))


def clip_ops(ops: Sequence[Op]) -> tuple[tuple[Op, ...], float]:
    """Return the operations that show a video, which decode little of it, and the frames per second to play it at.

    The first `SECONDS` of what is asked for, at `FPS` frames a second if it says no other rate; `frames(n)` has its own
    frames of all that it is asked of, however long. What is not resized becomes small.

    Examples:
        >>> ops, fps = clip_ops([Op("clip", (10.0, 60.0))])
        >>> " ".join(map(str, ops)), fps
        ('clip(10, 12) at_fps(12) resize_short(144)', 12.0)
        >>> clip_ops([Op("clip", (0.0, 2.0)), Op("frames", (8,)), Op("resize", (64, 64))])[1]
        4.0
    """
    named = {op.name: op for op in ops}
    shown = list(ops)
    fps = named["at_fps"].args[0] if "at_fps" in named else FPS
    if "frames" in named:
        (count,) = named["frames"].args
        length = _length(named)
        fps = count / length if length else count / SECONDS
    else:
        shown = [_shortened(op) for op in shown]
        if not {"clip", "random_clip"} & set(named):
            shown.insert(0, Op("clip", (0.0, SECONDS)))
        if "at_fps" not in named:
            places = [place for place, op in enumerate(shown) if op.name in TEMPORAL]
            shown.insert(places[-1] + 1, Op("at_fps", (FPS,)))
    if not {"resize", "resize_short"} & set(named):
        shown.append(Op("resize_short", (SHORT_SIDE,)))
    return tuple(shown), fps


def sound_ops(ops: Sequence[Op]) -> tuple[Op, ...]:
    """Return the operations that show a sound: the first `SECONDS` of what is asked for.

    Examples:
        >>> [str(op) for op in sound_ops([Op("audio", (8000,))])]
        ['clip(0, 2)', 'audio(8000)']
    """
    shown = [_shortened(op) for op in ops]
    if not any(op.name in ("clip", "random_clip") for op in ops):
        shown.insert(0, Op("clip", (0.0, SECONDS)))
    return tuple(shown) if any(op.name == "audio" for op in ops) else (*shown, Op("audio", (SAMPLE_RATE,)))


def _shortened(op: Op) -> Op:
    if op.name == "clip":
        start, stop = op.args
        return Op("clip", (start, min(stop, start + SECONDS)))
    return Op(op.name, (min(op.args[0], SECONDS), *op.args[1:])) if op.name == "random_clip" else op


def _length(named: dict[str, Op]) -> float | None:
    """Return how long a clip is in seconds, where its operations say so."""
    if "random_clip" in named:
        return named["random_clip"].args[0]
    start, stop = named["clip"].args if "clip" in named else (0.0, float("inf"))
    return stop - start if 0 < stop - start < float("inf") else None


def _rate(ops: Sequence[Op]) -> int:
    return next((int(op.args[0]) for op in ops if op.name == "audio"), SAMPLE_RATE)


# -- arrays -----------------------------------------------------------------------------------------------------------


def array_html(array: Any, *, title: str = "", fps: float = FPS, plays: bool = True) -> str:
    """Return a decoded medium as HTML: uint8 (3, H, W) a picture, (T, 3, H, W) a clip, numbers (H, W) or (1, H, W) a
    picture in grey; of all else its type and shape.

    Args:
        fps: Frames per second of a clip.
        plays: Whether a clip can be played.
    """
    if not isinstance(array, np.ndarray) or array.size == 0:
        return text(shape_of(array))
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[0] == 3:
        return _image(array, title)
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] == 3:
        return _video(array, title, fps) if plays and len(array) > 1 else _image(array[len(array) // 2], title)
    plane = array[0] if array.ndim == 3 and array.shape[0] == 1 else array
    if plane.ndim == 2 and min(plane.shape) >= 8 and plane.dtype.kind in "fiub":
        return _image(_grey(plane), f"{title} {shape_of(array)}".strip())
    return text(shape_of(array))


def shape_of(array: Any) -> str:
    """Return the type and shape of an array as a cell has it.

    Examples:
        >>> shape_of(np.zeros((4, 64, 64), np.float16))
        'f16[4×64×64]'
    """
    if isinstance(array, np.ndarray):
        return f"{array.dtype.kind}{array.dtype.itemsize * 8}[{'×'.join(map(str, array.shape))}]"
    return type(array).__name__


def sound(array: Any, sample_rate: int, *, title: str = "") -> str:
    """Return sound, float (channels, samples), as HTML that plays it."""
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.size == 0:
        return text(shape_of(array))
    most = int(SECONDS * sample_rate)
    source = _uri(sound_bytes(array[:, :most], sample_rate), "audio/wav")
    return f'<audio controls="" title="{text(title)}" src="{source}"></audio>'


def _image(pixels: NDArray[np.uint8], title: str) -> str:
    return f'<img title="{text(title)}" alt="" src="{_uri(picture_bytes(pixels), "image/jpeg")}"/>'


def _video(frames: NDArray[np.uint8], title: str, fps: float) -> str:
    count = min(len(frames), MOST_FRAMES)
    shown = frames[[(2 * place + 1) * len(frames) // (2 * count) for place in range(count)]]
    poster = _image(shown[count // 2], title)
    clip = clip_bytes(shown, min(max(fps * count / len(frames), 0.5), 60))
    if clip is None:
        return poster
    data, kind = clip
    still = poster.partition('src="')[2].partition('"')[0]
    attributes = f'controls="" loop="" muted="" playsinline="" title="{text(title)}" poster="{still}"'
    return (
        f'<video {attributes} src="{_uri(data, kind)}">{poster}</video>'  # where a page may have no video: its poster
    )


def _grey(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return numbers as a picture, uint8 (3, H, W): the smallest black, the largest white, what is not finite black."""
    values = plane.astype(np.float64)
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    scaled = np.where(finite, (values - low) / (high - low if high > low else 1.0), 0.0)
    return np.repeat((scaled * 255).astype(np.uint8)[np.newaxis], 3, axis=0)


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
