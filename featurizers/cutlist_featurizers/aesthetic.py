"""Aesthetic scores: how much people like the look of a picture, by a linear head over its CLIP embedding."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.compiler import quoted
from cutlist.errors import FeaturizerError
from cutlist_featurizers.models import ModelFeaturizer, unit
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import absolute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cutlist.backfill import Batch


def one_layer(
    layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> tuple[NDArray[np.float64], float]:
    """Return the weights, (length,), and the bias that linear layers, one after another, come to.

    Args:
        layers: Weights (out, in) and bias (out,) of each, the first first; the last has one output.

    Examples:
        >>> import numpy as np
        >>> first = (np.array([[1, 2], [0, 1]], np.float32), np.array([1, 0], np.float32))
        >>> one_layer([first, (np.array([[2, 3]], np.float32), np.array([5], np.float32))])
        (array([2., 7.]), 7.0)
    """
    weights, bias = (each.astype(np.float64) for each in layers[-1])
    for inner, offset in reversed(layers[:-1]):
        weights, bias = weights @ inner, bias + weights @ offset
    return weights[0], float(bias[0])


class Aesthetic(ModelFeaturizer):
    """`aesthetic`, a score of about 1 to 10, of the embedding that another featurizer made; no medium is read.

    LAION's heads are for the embeddings of OpenAI's ViT-L-14, `ClipEmbedding("ViT-L-14", "openai", name="clip_l14")`:
    one layer (`sa_0_4_vit_l_14_linear.pth`, github.com/LAION-AI/aesthetic-predictor), or five without anything between
    them (`sac+logos+ava1-l14-linearMSE.pth`, github.com/christophschuhmann/improved-aesthetic-predictor), which come to
    one. A head with activations between its layers is not told from one without, and gets other scores here.

    Of a video it is the score of the mean of its frames, which is not quite the mean of their scores.
    """

    name = "aesthetic"
    batch_size = 4096
    is_local = True

    def __init__(self, weights: str = "", column: str = "clip_l14", name: str = "aesthetic"):
        """Make one.

        Args:
            weights: A file, safetensors or `.pth`, with the weights and biases of linear layers.
            column: Of embeddings.
            name: Of the column that it makes.
        """
        self.name = name
        self.weights = weights = absolute(weights)
        self.column = column
        self.arguments = {"weights": weights, "column": column, "name": name}
        self.inputs = f"{quoted(column)} AS embedding"
        self.outputs = (pa.field(name, pa.float32()),)

    def files(self) -> list[Path]:
        """Return the file of the head."""
        file = Path(self.weights)
        if not self.weights or not file.is_file():
            said = f"weights={self.weights}: no such file" if self.weights else "no weights are given"
            raise FeaturizerError(
                f"featurizer {self.name}: {said}; get a head, e.g. "
                f"sac+logos+ava1-l14-linearMSE.pth from github.com/christophschuhmann/improved-aesthetic-predictor, "
                f"and give it: weights=/path/of/it"
            )
        return [file]

    def load(self, device: str) -> None:
        """Read the head. It is computed by numpy, on any device."""
        (file,) = self.files()
        self._weights, self._bias = one_layer(self._layers(self._tensors(file)))

    def _tensors(self, file: Path) -> dict[str, NDArray[np.float32]]:
        try:
            if file.suffix == ".safetensors":
                return dict(imported("safetensors.numpy", self.name).load_file(file))
            found = imported("torch", self.name).load(file, map_location="cpu", weights_only=True)
            return {name: each.float().numpy() for name, each in found.items()}
        except Exception as error:  # of any library that reads it
            raise FeaturizerError(
                f"featurizer {self.name}: weights={self.weights}: cannot be read as tensors: {error}"
            ) from error

    def _layers(self, tensors: Mapping[str, NDArray[Any]]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Return weights and biases of the layers, in the order of their numbers."""
        names = [name.removesuffix("weight") for name in tensors if name.endswith("weight")]
        names.sort(key=lambda name: [int(part) for part in name.split(".") if part.isdecimal()])
        pairs = [(tensors[f"{name}weight"], tensors.get(f"{name}bias")) for name in names]
        layers = [(each, np.zeros(len(each), np.float32) if bias is None else bias) for each, bias in pairs]
        shapes = [each.shape for each, _ in layers]
        fits = all(len(shape) == 2 for shape in shapes) and all(one[0] == other[1] for one, other in pairwise(shapes))
        if not layers or not fits or shapes[-1][0] != 1:
            raise FeaturizerError(
                f"featurizer {self.name}: weights={self.weights}: layers of shapes {shapes}; expected linear ones, the "
                f"inputs of each as many as the outputs of the one before, the last with one output"
            )
        return layers

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return the scores, shape (n,); embeddings are scaled to length 1 first, as LAION's were."""
        vectors = np.stack(batch["embedding"])
        if vectors.shape[1] != len(self._weights):
            raise FeaturizerError(
                f"featurizer {self.name}: the head takes {len(self._weights)} numbers, and {self.column} has "
                f"{vectors.shape[1]}; give the column of the model that it was trained over, column=…"
            )
        return np.asarray(unit(vectors) @ self._weights + self._bias, dtype=np.float32)
