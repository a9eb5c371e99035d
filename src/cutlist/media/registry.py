"""Which function decodes a medium: by its column's kind, where the kind is registered, else by its bytes.

A kind of one's own is one line. `kind` is what the column's field says, `blob_field("scan", "points")`:

    cutlist.media.register("points", lambda source, ops: np.frombuffer(source, np.float32).reshape(-1, 3))

DataLoader workers that are spawned import the main script again, so a `register` at its top level is enough there; so
is one in the module of a row processor. An installed package says it once for every process, as an entry point:

    [project.entry-points."cutlist.decoders"]
    points = "my_package.points:decode"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.reference import Op
from cutlist.media.source import Source

Decoder: TypeAlias = Callable[[Source, Sequence[Op]], NDArray[Any] | bytes]
"""A function from the bytes, or a seekable binary file for large ones, and the operations to an array (or bytes)."""

ENTRY_POINTS = "cutlist.decoders"
"""The group of entry points, by kind."""

_DECODERS: dict[str, Decoder] = {}


def register(kind: str, decoder: Decoder) -> None:
    """Decode media of a kind with a function, in this process; the last one registered counts.

    The function is called from many threads. `raw` needs none: the bytes are given as they are. What it raises is
    raised as `MediaError`; operations come resolved, and it is to refuse those that it has no meaning for.

    Args:
        kind: The kind of a media column, e.g. `points`; `image`, `video`, `audio` and `tensor` can be replaced.
        decoder: Called with (bytes or a seekable binary file, operations).

    Raises:
        MediaError: if the kind is empty or the decoder cannot be called.

    Examples:
        >>> import numpy as np
        >>> from cutlist.media import decode, register
        >>> register("xyz", lambda source, ops: np.frombuffer(source, np.float32).reshape(-1, 3))
        >>> decode(bytes(24), [], kind="xyz").shape
        (2, 3)
    """
    if not kind or not callable(decoder):
        raise MediaError(f"register({kind!r}, {decoder!r}): expected the name of a kind and a function (source, ops)")
    _DECODERS[kind] = decoder


def decoder_of(kind: str) -> Decoder | None:
    """Return the function that decodes a kind: registered, or an entry point, or None.

    Raises:
        MediaError: if the entry point cannot be loaded.
    """
    return _DECODERS.get(kind) or _installed(kind)


@cache
def _installed(kind: str) -> Decoder | None:
    for each in entry_points(group=ENTRY_POINTS, name=kind):
        try:
            decoder: Decoder = each.load()
        except Exception as error:
            raise MediaError(f"the decoder of kind {kind!r}, {each.value}, cannot be imported: {error}") from error
        return decoder
    return None
