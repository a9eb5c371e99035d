"""Pictures of walls with embeddings of them: small models that know colours and letters."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from cutlist.backfill import Batch, Featurizer
from cutlist.store import Store, blob_array, blob_field

PALETTE = {
    "red": (255, 0, 0),
    "orange": (255, 128, 0),
    "yellow": (255, 255, 0),
    "green": (0, 255, 0),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "purple": (128, 0, 255),
    "white": (255, 255, 255),
}


def unit(vectors: Any) -> NDArray[np.float32]:
    """Return vectors of length 1; float32, shape (n, length)."""
    found = np.asarray(vectors, np.float32)
    shortened: NDArray[np.float32] = found / np.linalg.norm(found, axis=-1, keepdims=True)
    return shortened


class Colours(Featurizer):
    """The mean colour of a picture as a vector, to a power; a text is the colour that it names."""

    name = "colour"
    inputs: str = "image"
    outputs = (pa.field("colour", pa.list_(pa.float32(), 3)),)
    loaded = 0

    def __init__(self, power: float = 1.0):
        self.power = power

    @property
    def parameters(self) -> dict[str, str]:
        return {"power": str(self.power)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Featurizer:
        return cls(float(parameters["power"]))

    def setup(self, device: str) -> None:
        type(self).loaded += 1

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        return self.encode_image(batch["image"])

    def encode_image(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return unit([np.asarray(each, np.float64).mean(axis=(1, 2)) ** self.power + 1e-3 for each in images])

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        return unit([np.array(PALETTE[each.split()[-1]]) ** self.power + 1e-3 for each in texts])


class Letters(Featurizer):
    """How often each of ten letters is in a caption. It has no encoder of images."""

    name = "letters"
    inputs = "caption"
    outputs = (pa.field("letters", pa.list_(pa.float32(), 10)),)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        return self.encode_text(batch["caption"])

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        return unit([[text.count(letter) + 0.01 for letter in "abcdeorwny"] for text in texts])


def png(colour: Sequence[int]) -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (colour[0], colour[1], colour[2])).save(file, "png")
    return file.getvalue()


def write_walls(root: Path, *, copies: int = 3, table: str = "walls") -> None:
    """Append a picture of each colour to a table, and darker ones; every ninth has no medium."""
    store = Store.at(root, create=True)
    rows = []
    for copy in range(copies):
        for name, colour in PALETTE.items():
            shade = [max(0, part - 20 * copy) for part in colour]
            rows.append((f"a {name} wall", shade, copy))
    number = found.dataset.count_rows() if (found := store.find(table)) is not None else 0
    media = [None if (number + i) % 9 == 8 else png(shade) for i, (_, shade, _) in enumerate(rows)]
    vectors = [None if i % 7 == 6 else [float(part) for part in shade] for i, (_, shade, _) in enumerate(rows)]
    columns = pa.table(
        {
            "id": pa.array(range(number, number + len(rows)), pa.int64()),
            "caption": [caption for caption, _, _ in rows],
            "shade": [shade for _, _, shade in rows],
            "plain": pa.array(vectors, pa.list_(pa.float32(), 3)),
        }
    )
    store.append(table, columns.append_column(blob_field("image", "image"), blob_array(media)), message="test")
