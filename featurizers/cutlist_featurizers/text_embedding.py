"""Text embeddings: a vector for each caption, by any model of sentence-transformers; to search by meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.compiler import quoted
from cutlist.errors import FeaturizerError
from cutlist_featurizers.models import Dtype, ModelFeaturizer, length_in, torch_dtype
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import absolute, files_of, model_folder

if TYPE_CHECKING:
    from cutlist.backfill import Batch


class TextEmbedding(ModelFeaturizer):
    """A vector of length 1 for each text, float32.

    What is longer than the model takes (256 tokens for the default) is cut by it. Models that embed queries and
    documents by different prompts get the column as documents, and `encode_text` as queries.
    """

    name = "text_embedding"
    batch_size = 256

    def __init__(
        self,
        model: str = "sentence-transformers/all-MiniLM-L6-v2",
        column: str = "caption",
        name: str = "text_embedding",
        dtype: Dtype = "float32",
    ):
        """Make one; the model is loaded by `setup`.

        Args:
            model: A repository of the hub, or a folder that `SentenceTransformer.save` wrote.
            column: Of texts.
            name: Of the column that it makes.
            dtype: What the model computes in.
        """
        self.name = name
        self.model = model = absolute(model)
        self.dtype = dtype
        self.is_local = Path(model).is_dir()
        self.arguments = {"model": model, "column": column, "name": name, "dtype": dtype}
        self.inputs = f"{quoted(column)} AS text"

    @property
    def outputs(self) -> tuple[pa.Field]:  # type: ignore[override]
        """One column, of vectors whose length the model's configuration says."""
        return (pa.field(self.name, pa.list_(pa.float32(), int(self.facts["length"]))),)

    def files(self) -> list[Path]:
        """Return the weights, configurations and vocabularies."""
        return files_of(model_folder(self.model, self.name))

    def length(self) -> int:
        """Return the length that the last module that has one says."""
        folder = model_folder(self.model, self.name)
        listed = folder / "modules.json"
        paths = [each["path"] for each in json.loads(listed.read_text())] if listed.is_file() else [""]
        for path in reversed(paths):
            config = folder / path / "config.json"
            names = ("out_features", "embedding_dimension", "word_embedding_dimension", "hidden_size")
            if config.is_file() and (found := length_in(json.loads(config.read_text()), *names)):
                return found
        raise FeaturizerError(
            f"featurizer {self.name}: model={self.model}: no configuration there says how long vectors are; expected a "
            f"folder that SentenceTransformer.save wrote"
        )

    def load(self, device: str) -> None:
        """Load the model from its folder."""
        dtype = torch_dtype(self.dtype, device, self.name)
        library = imported("sentence_transformers", self.name)
        imported("transformers", self.name).utils.logging.disable_progress_bar()
        self._model = library.SentenceTransformer(
            str(model_folder(self.model, self.name)),
            device=device,
            local_files_only=True,
            model_kwargs={"dtype": dtype},
        )

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of texts as queries."""
        return self._encoded(self._model.encode_query, texts)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vectors of texts, shape (n, length)."""
        return self._encoded(self._model.encode_document, batch["text"])

    def _encoded(self, encode: Any, texts: list[str]) -> NDArray[np.float32]:
        found = encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)
