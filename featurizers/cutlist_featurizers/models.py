"""What featurizers with a model share: their arguments, the hash of their weights, their device and dtype."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutlist.backfill import Featurizer, made
from cutlist.errors import FeaturizerError
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import sha256_of

Dtype = Literal["float32", "float16", "bfloat16"]
"""What a model computes in; float16 only on accelerators."""

T = TypeVar("T", bound="ModelFeaturizer")


class ModelFeaturizer(Featurizer):
    """Base of featurizers with a model.

    Its `parameters` are the arguments that it was made with, and `facts` of the model, among them the SHA-256 of its
    files: values of another checkpoint are stale, also where it has the same name or path. Of weights from the hub that
    is known from the column, when a featurizer is made again; it is compared when they are loaded.

    Attributes:
        arguments: As text, by name.
        is_local: Whether the weights are in a file or folder that was given.
    """

    arguments: Mapping[str, str]
    is_local: bool
    _facts: Mapping[str, str] | None = None

    def files(self) -> list[Path]:
        """Return the files that say what the model gives, fetched from the hub if they are not on this machine.

        Raises:
            FeaturizerError: if they cannot be had.
        """
        raise NotImplementedError

    def length(self) -> int:
        """Return how many numbers an output has, from the files, without loading the model; 0 for other outputs."""
        return 0

    def load(self, device: str) -> None:
        """Load the model."""
        raise NotImplementedError

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known of the model: `sha256`, and `length` where it makes vectors."""
        if self._facts is None:
            length = self.length()
            self._facts = {"sha256": sha256_of(*self.files()), **({"length": str(length)} if length else {})}
        return self._facts

    @property
    def parameters(self) -> dict[str, str]:
        """The arguments and the facts."""
        return {**self.arguments, **self.facts}

    @classmethod
    def from_parameters(cls: type[T], parameters: Mapping[str, str]) -> T:
        """Return the one with those parameters; nothing is loaded or fetched."""
        known = inspect.signature(cls).parameters
        found = made(cls, {name: each for name, each in parameters.items() if name in known})
        if not found.is_local and "sha256" in parameters:
            found._facts = {name: each for name, each in parameters.items() if name not in known}
        return found

    def setup(self, device: str) -> None:
        """Load the model.

        Raises:
            FeaturizerError: if its files cannot be had, or are others than those that made the column.
        """
        found = sha256_of(*self.files())
        if found != self.facts["sha256"]:
            raise FeaturizerError(
                f"featurizer {self.name}: the model's files have SHA-256 {found[:12]}…, and the column was made by "
                f"{self.facts['sha256'][:12]}…; to compute it anew, give its arguments to backfill"
            )
        self.load(device)


def torch_dtype(dtype: Dtype, device: str, title: str) -> Any:
    """Return torch's dtype of a name.

    Raises:
        FeaturizerError: if it is float16 on a CPU.
    """
    if dtype == "float16" and device.startswith("cpu"):
        raise FeaturizerError(f"featurizer {title}: dtype=float16 on {device}; expected float32 or bfloat16, or cuda")
    return getattr(imported("torch", title), dtype)


def unit(vectors: Any) -> NDArray[np.float32]:
    """Return the rows of a tensor or an array, (n, length), scaled to length 1, as float32; of no direction, NaN."""
    array = vectors if isinstance(vectors, np.ndarray) else vectors.float().cpu().numpy()
    with np.errstate(invalid="ignore"):
        return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), dtype=np.float32)


def length_in(config: Mapping[str, Any], *names: str) -> int | None:
    """Return the first number that a configuration has under one of some names."""
    return next((int(config[each]) for each in names if isinstance(config.get(each), int)), None)
