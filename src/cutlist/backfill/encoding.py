"""The encoders of featurizers that made columns of embeddings: a text, or an image, as a vector of the same space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cutlist.backfill.featurizer import Featurizer, declared_again
from cutlist.errors import CutlistError, FeaturizerError
from cutlist.media import decode

if TYPE_CHECKING:
    from cutlist.store import Feature, Table


class Encoders:
    """Turns texts and images into vectors. A model is loaded when the first one needs it, and stays."""

    def __init__(self, device: str = "cpu"):
        """Make one.

        Args:
            device: Of the models, as torch has it.
        """
        self._device = device
        self._loaded: dict[str, Featurizer] = {}
        self._vectors: dict[tuple[str, str | bytes], NDArray[np.float32]] = {}

    def __call__(self, table: Table, column: str, given: str | bytes) -> NDArray[np.float32]:
        """Return the vector of a text, or of an image's file, in the space of a feature column.

        Returns:
            float32, shape (length,), finite.

        Raises:
            FeaturizerError: if the featurizer that made the column cannot be had again, is of another version, has no
                such encoder, or that makes no such vector.
            MediaError: if the image cannot be decoded.
        """
        feature = next(each for each in table.features.values() if column in each.columns)
        key = (feature.model, given)
        if key not in self._vectors:
            place = f"{table.name}.{column}"
            made: Any
            found = self._loaded_of(feature, place)
            if isinstance(given, str):
                made = _run(place, lambda: found.encode_text([given]))
            else:
                image: Any = decode(given, (), kind="image")
                made = _run(place, lambda: found.encode_image([image]))
            kind = table.schema.field(column).type
            self._vectors[key] = _checked(made, getattr(kind, "list_size", None), f"{place} by {feature.name}")
        return self._vectors[key]

    def _loaded_of(self, feature: Feature, place: str) -> Featurizer:
        if feature.model not in self._loaded:
            found = declared_again(feature.reference or feature.name, feature.parameters)
            if found.version != feature.version:
                raise FeaturizerError(
                    f"{place} was made by {feature.name}@{feature.version}, and {found.title} is here, whose vectors "
                    f"are others; backfill the column anew"
                )
            _run(place, lambda: found.featurizer.setup(self._device))
            self._loaded[feature.model] = found.featurizer
        return self._loaded[feature.model]


def _run(place: str, work: Any) -> Any:
    """Return what a featurizer does; what it raises becomes one line that names the column it is for."""
    try:
        return work()
    except CutlistError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise FeaturizerError(f"the model of {place} cannot be used: {type(error).__name__}: {said}") from error


def _checked(made: Any, length: int | None, place: str) -> NDArray[np.float32]:
    """Return the one vector that an encoder returned."""
    vectors: NDArray[np.float32] = np.asarray(made, dtype=np.float32)
    length = vectors.shape[-1] if length is None and vectors.ndim else length
    if vectors.shape != (1, length) or not np.isfinite(vectors).all():
        raise FeaturizerError(
            f"{place}: its encoder returned an array of shape {vectors.shape} for one input; expected finite "
            f"numbers of shape (1, {length}), as the column has"
        )
    only: NDArray[np.float32] = vectors[0]
    return only
