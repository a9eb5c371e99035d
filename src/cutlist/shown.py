"""What a notebook shows of an object is drawn by a layer above it, which knows HTML and how to decode media."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Draw = TypeVar("Draw", bound=Callable[[Any], str])

DRAWN_BY: dict[type, Callable[[Any], str]] = {}
"""Class → what draws its objects as HTML. `cutlist.html` fills it."""


class Shown:
    """An object that a notebook shows as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        """Return the object as HTML; None, so that its text is shown, where nothing draws it."""
        draw = DRAWN_BY.get(type(self))
        return None if draw is None else draw(self)


def draws(*kinds: type) -> Callable[[Draw], Draw]:
    """Return a decorator of the function that draws the objects of classes."""

    def register(draw: Draw) -> Draw:
        DRAWN_BY.update(dict.fromkeys(kinds, draw))
        return draw

    return register
