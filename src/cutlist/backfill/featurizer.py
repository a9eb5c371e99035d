"""Featurizers: functions from columns to new columns, that say by themselves what they read and what they make.

A whole one, of a number for each video:

    import numpy as np
    import pyarrow as pa
    from cutlist.backfill import Batch, featurizer

    @featurizer(
        version=1,                                   # another one makes what the older ones made stale
        inputs="frames(video, 3).resize(64, 64) AS frames, caption",
        outputs=[pa.field("brightness", pa.float32()), pa.field("num_words", pa.int32())],
    )
    def brightness(batch: Batch) -> dict[str, list[float]]:
        return {
            "brightness": [float(frames.mean()) for frames in batch["frames"]],
            "num_words": [len(caption.split()) for caption in batch["caption"]],
        }

    session.backfill("videos", brightness)

One with a model is a class: `setup(device)` is called once, before the first batch; what it was made with is told by
`parameters`, so that another checkpoint makes the column stale.

    class Aesthetic(Featurizer):
        name, version = "aesthetic", 1
        inputs = "clip_embedding"
        outputs = (pa.field("aesthetic", pa.float32()),)

        def setup(self, device):
            self.head = torch.load(self.path).to(device)

        def __call__(self, batch):
            return self.head(np.stack(batch["clip_embedding"]))

One of embeddings that also has `encode_text` or `encode_image` answers `similarity(column, 'a cat on a sofa')`: it is
imported and made again from the metadata of its column, by `from_parameters`.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from cutlist.errors import FeaturizerError, listing, suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Batch: TypeAlias = dict[str, list[Any]]
"""Name of an input → its values, one for each row, none of them NULL: media decoded to numpy arrays, others as Python
values; a list of numbers is a numpy array."""

ENTRY_POINTS = "cutlist.featurizers"
"""The group of entry points, by name: `sharpness = "cutlist_featurizers.sharpness:sharpness"`."""


class Featurizer:
    """Base of featurizers: what it reads, what it makes, and how.

    Attributes:
        name: A lower-case identifier; that of the column, if it makes one.
        version: A number that grows when the values would be others. Rows of older versions are stale.
        inputs: What a batch has, as the list of a SELECT over one table: `frames(video, 3) AS frames, caption`. A
            tuple has alternatives, of which each row takes the first without a NULL in it, so that one featurizer
            serves videos and images: `("frames(video, 3) AS frames", "image AS frames")`. Rows for which there is none
            are left out; so are alternatives that name columns which the table has not.
        outputs: The columns that it makes, as Arrow fields; a vector's type has its length:
            `pa.field("clip_embedding", pa.list_(pa.float32(), 512))`.
        batch_size: Rows in a batch, at most.
        allows_nan: Whether a value may be NaN; else that row has failed.
        parallel: Whether it may be called in several threads at once: for work that keeps no state and leaves Python's
            lock, as numpy, OpenCV and FFmpeg do.
        whole: Whether it is of the table as a whole, as groups of duplicates are. Then one call gets all rows, by
            ascending row id, and arrays instead of lists, (n,) or (n, length); where any row lacks a value or has it
            out of date, or rows were deleted, all are computed again.
    """

    name: str
    version: int = 1
    inputs: str | tuple[str, ...]
    outputs: Sequence[pa.Field]
    batch_size: int = 32
    allows_nan: bool = False
    parallel: bool = False
    whole: bool = False

    @property
    def parameters(self) -> Mapping[str, str]:
        """What else the values depend on, e.g. the name and hash of a checkpoint; kept in the columns' metadata."""
        return {}

    def setup(self, device: str) -> None:
        """Load what the calls need; called once in each process, before the first of them.

        Args:
            device: As torch has it, e.g. `cpu` or `cuda:0`.
        """

    def __call__(self, batch: Batch) -> Any:
        """Return the outputs of a batch: a value for each row, or, by the name of the output, of several outputs.

        Arrays, lists and torch tensors are taken. An exception as the value of a row says that this row failed; where
        the call raises, the rows are tried one by one.
        """
        raise NotImplementedError

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, in the space of the column that it makes; called after `setup`.

        Returns:
            float32, shape (len(texts), length), each of length 1 as a vector.

        Raises:
            FeaturizerError: if it has no encoder of texts.
        """
        raise FeaturizerError(f"featurizer {self.name}: has no encoder of texts")

    def encode_image(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of images, in the space of the column that it makes; called after `setup`.

        Args:
            images: RGB, each uint8 of shape (3, height, width).

        Returns:
            float32, shape (len(images), length), each of length 1 as a vector.

        Raises:
            FeaturizerError: if it has no encoder of images.
        """
        raise FeaturizerError(f"featurizer {self.name}: has no encoder of images")

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Featurizer:
        """Return the featurizer again whose `parameters` were those, as a column's metadata say them.

        A class that is made with arguments has its own, which reads them from there; then its columns can be refreshed
        and searched by name. This one makes it without arguments.

        Raises:
            FeaturizerError: if it has other parameters then, or cannot be made: naming the file or command it lacks.
        """
        return _checked_parameters(declared(cls), parameters).featurizer


class _Function(Featurizer):
    """A featurizer made of a function."""

    def __init__(self, function: Callable[[Batch], Any], **facts: Any):
        self.__dict__.update(facts, _function=function, __doc__=function.__doc__)
        self.__module__ = function.__module__

    def __call__(self, batch: Batch) -> Any:
        return self.__dict__["_function"](batch)

    def __reduce__(self) -> Any:
        return _named, (self.__module__, self.__dict__["_function"].__qualname__)


def _named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def featurizer(
    *,
    inputs: str | tuple[str, ...],
    outputs: pa.Field | Sequence[pa.Field],
    name: str | None = None,
    version: int = 1,
    batch_size: int = 32,
    allows_nan: bool = False,
    parallel: bool = False,
) -> Callable[[Callable[[Batch], Any]], Featurizer]:
    """Return a decorator that makes a featurizer of a function of one batch; see `Featurizer` for the arguments.

    Args:
        name: Default: that of the function.

    Examples:
        >>> import pyarrow as pa
        >>> @featurizer(inputs="caption", outputs=pa.field("num_words", pa.int32()))
        ... def num_words(batch):
        ...     return [len(each.split()) for each in batch["caption"]]
        >>> num_words({"caption": ["a red car", "rain"]})
        [3, 1]
    """

    def decorate(function: Callable[[Batch], Any]) -> Featurizer:
        return _Function(
            function,
            name=name or function.__name__,
            version=version,
            inputs=inputs,
            outputs=(outputs,) if isinstance(outputs, pa.Field) else tuple(outputs),
            batch_size=batch_size,
            allows_nan=allows_nan,
            parallel=parallel,
        )

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a featurizer declares, checked.

    Attributes:
        inputs: The alternatives.
        reference: Where it can be imported from again, `module:name`, if it can.
    """

    featurizer: Featurizer
    name: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[pa.Field, ...]
    parameters: Mapping[str, str]
    reference: str | None

    @property
    def title(self) -> str:
        """Name and version, `sharpness@1`."""
        return f"{self.name}@{self.version}"

    def facts(self, columns: Collection[str]) -> dict[str, Any]:
        """Return what a table says of it, beside its fingerprint, when it reads those columns."""
        return {
            "version": self.version,
            "inputs": list(self.inputs),
            "parameters": dict(self.parameters),
            "columns": sorted(columns),
            "reference": self.reference,
        }

    @property
    def fingerprint(self) -> int:
        """A number in [1, 2⁶³) of all that the values depend on: rows with another one are stale."""
        outputs = [(each.name, str(each.type)) for each in self.outputs]
        facts = [self.name, self.version, self.inputs, outputs, sorted(self.parameters.items())]
        digest = hashlib.sha256(json.dumps(facts).encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1 or 1


def declared(given: Any) -> Declared:
    """Return what a featurizer declares: an object, a class, `module:name`, or the name of an installed one.

    Raises:
        FeaturizerError: if there is no such featurizer, or it does not declare what it must.
    """
    found = _installed(given) if isinstance(given, str) and ":" not in given else given
    if isinstance(found, str):
        found = _imported(found)
    if inspect.isclass(found):
        try:
            found = found()
        except TypeError as error:
            raise FeaturizerError(f"featurizer {found.__name__}: cannot be made without arguments: {error}") from error
    return _checked(found)


def declared_again(reference: str, parameters: Mapping[str, str]) -> Declared:
    """Return what a featurizer declares that made a column, by what the column's metadata say of it.

    Args:
        reference: `module:name`, or the name of an installed one.
        parameters: Those it had.

    Raises:
        FeaturizerError: if it cannot be imported, or not be made with those parameters.

    Examples:
        >>> declared_again("media_probe", {}).title.partition("@")[0]
        'media_probe'
    """
    found = _imported(reference) if ":" in reference else _installed(reference)
    if inspect.isclass(found) and issubclass(found, Featurizer):
        found = found.from_parameters(parameters)
    return _checked_parameters(declared(found), parameters)


def _checked_parameters(found: Declared, parameters: Mapping[str, str]) -> Declared:
    if dict(found.parameters) != dict(parameters):
        raise FeaturizerError(
            f"featurizer {found.name}: made the column with {dict(parameters)}, and has {dict(found.parameters)} when "
            f"it is made again; give the featurizer itself to session.backfill, or its class a `from_parameters`"
        )
    return found


def installed() -> dict[str, str]:
    """Return the featurizers that are installed: name → `module:name`."""
    return {each.name: each.value for each in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name)}


def _installed(name: str) -> Any:
    for each in entry_points(group=ENTRY_POINTS, name=name):
        try:
            return each.load()
        except Exception as error:
            raise FeaturizerError(f"featurizer {name}, {each.value}, cannot be imported: {error}") from error
    names = installed()
    raise FeaturizerError(
        f'no featurizer "{name}"{suggest(name, names)} Installed: {listing(names, most=40)}. '
        f"One of your own is given as module:name."
    )


def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    here = os.getcwd()  # noqa: PTH109 (sys.path has text)
    if here not in sys.path:
        sys.path.append(here)  # as `python -m` has it: a command that is installed does not
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, ValueError) as error:
        raise FeaturizerError(f'featurizer "{reference}": cannot import {module}: {error}') from error
    except AttributeError as error:
        names = [key for key in vars(sys.modules[module]) if not key.startswith("_")]
        raise FeaturizerError(f'featurizer "{reference}": {module} has no "{name}"{suggest(name, names)}') from error


def _checked(found: Any) -> Declared:
    """Return what an object declares; nothing of it is trusted."""
    title = getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__)

    def refuse(what: str) -> FeaturizerError:
        return FeaturizerError(f"featurizer {title}: {what}")

    if not isinstance(found, Featurizer):
        raise refuse(
            f"{type(found).__name__} is no featurizer; expected a subclass of cutlist.backfill.Featurizer, or a "
            f"function with the decorator @featurizer(inputs=…, outputs=…)"
        )
    for each in ("name", "inputs", "outputs"):
        if not hasattr(found, each):
            raise refuse(f"has no `{each}`")
    name: Any = found.name
    version: Any = found.version
    batch_size: Any = found.batch_size
    if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
        raise refuse(f"name {name!r}: expected a lower-case identifier, like `sharpness`")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise refuse(f"version {version!r}: expected a number, 0 or more, that grows")
    inputs: tuple[Any, ...] = (found.inputs,) if isinstance(found.inputs, str) else tuple(found.inputs)
    if not inputs or not all(isinstance(each, str) and each.strip() for each in inputs):
        raise refuse(f"inputs {found.inputs!r}: expected the list of a SELECT, like `frames(video, 3) AS frames`")
    outputs: tuple[Any, ...] = (found.outputs,) if isinstance(found.outputs, pa.Field) else tuple(found.outputs)
    if not outputs or not all(isinstance(each, pa.Field) for each in outputs):
        raise refuse(f'outputs {found.outputs!r}: expected Arrow fields, like pa.field("sharpness", pa.float32())')
    names = [each.name.lower() for each in outputs]
    if len(set(names)) < len(names) or not all(each.isidentifier() and not each.startswith("_") for each in names):
        raise refuse(f"outputs {', '.join(names)}: expected different names, of letters, digits and _, a letter first")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise refuse(f"batch_size {batch_size!r}: expected a number of rows, at least 1")
    stamps = {f"{name}_made_by", f"{name}_made_at"} & set(names)
    if stamps:
        raise refuse(f"output {', '.join(stamps)}: the table has its own column of that name; choose another")
    parameters: Any = dict(found.parameters)
    if not all(isinstance(each, str) for pair in parameters.items() for each in pair):
        raise refuse(f"parameters {parameters!r}: expected texts by their names")
    return Declared(
        featurizer=found,
        name=name,
        version=version,
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        reference=_reference(found),
    )


def _reference(found: Featurizer) -> str | None:
    """Return where an object is, or its class, if that makes it again: without arguments, or by `from_parameters`."""
    function = found.__dict__.get("_function")
    kind = type(found)
    module, name = (kind.__module__, kind.__qualname__) if function is None else _home(function)
    there: Any = sys.modules.get(module)
    for part in name.split("."):
        there = getattr(there, part, None)
    own, default = (inspect.getattr_static(each, "from_parameters") for each in (kind, Featurizer))
    again = own is not default or not inspect.signature(kind).parameters
    known = there is found or (there is kind and again)
    return f"{module}:{name}" if known and module != "__main__" else None


def _home(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__
