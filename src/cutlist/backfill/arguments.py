"""Arguments of featurizers as text, as a command line and the metadata of a column have them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from cutlist.backfill.featurizer import Featurizer, found_as
from cutlist.errors import FeaturizerError, listing, suggest

T = TypeVar("T", bound=Featurizer)


def with_arguments(reference: str, arguments: Mapping[str, str]) -> Featurizer:
    """Return a featurizer made with arguments.

    Args:
        reference: The name of an installed one, or `module:name`.
        arguments: As text; what they are is what the class says of its own.

    Raises:
        FeaturizerError: if there is none, it is no class, or an argument is not one of its own or not of its type.

    Examples:
        >>> with_arguments("duplicates", {"max_distance": "4"}).parameters
        {'max_distance': '4'}
    """
    found = found_as(reference)
    if not (inspect.isclass(found) and issubclass(found, Featurizer)):
        raise FeaturizerError(f"featurizer {reference}: takes no arguments, and was given {listing(arguments)}")
    return made(found, arguments)


def made(kind: type[T], arguments: Mapping[str, str]) -> T:
    """Return an object of a class of featurizers, made with arguments as text.

    Raises:
        FeaturizerError: if an argument is not one of its own or not of its type.

    Examples:
        >>> from cutlist.backfill import PacketIndexes
        >>> made(PacketIndexes, {"column": "clip"}).name
        'clip_packet_index'
    """
    known = inspect.signature(kind, eval_str=True).parameters
    title = f"featurizer {getattr(kind, 'name', kind.__name__)}"
    values = {}
    for name, text in arguments.items():
        if name not in known:
            raise FeaturizerError(f'{title}: no argument "{name}"{suggest(name, known)} It has: {listing(known)}.')
        try:
            values[name] = TypeAdapter(known[name].annotation).validate_python(text)
        except ValidationError as error:
            raise FeaturizerError(f"{title}: {name}={text}: {error.errors()[0]['msg']}") from error
    return kind(**values)
