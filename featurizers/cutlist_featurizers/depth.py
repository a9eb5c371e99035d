"""Depth maps: how near each part of a picture is, by any depth model of transformers, stored as tensors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import FeaturizerError
from cutlist.store import blob_field
from cutlist_featurizers.frames import as_clip
from cutlist_featurizers.models import Dtype, ModelFeaturizer, torch_dtype
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import absolute, files_of, model_folder

if TYPE_CHECKING:
    from cutlist.backfill import Batch

PICTURES = 16
"""So many go through the model at once."""

LARGEST = float(np.finfo(np.float16).max)


def as_png(depth: NDArray[np.float32]) -> bytes:
    """Return a map as a PNG of 16 bits, 0 its smallest value and 65535 its largest; a flat one is all 0.

    Args:
        depth: Shape (H, W).

    Examples:
        >>> import numpy as np
        >>> from cutlist.media import decode
        >>> decode(as_png(np.array([[1, 2], [3, 5]], np.float32)), [], kind="tensor").tolist()
        [[0, 16384], [32768, 65535]]
    """
    low, high = float(depth.min()), float(depth.max())
    levels = np.rint((depth.astype(np.float64) - low) / ((high - low) or 1) * 65535).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "png")
    return file.getvalue()


class Depth(ModelFeaturizer):
    """`depth`, the map of an image, or the maps of frames of a video; and their extremes, `depth_min`, `depth_max`.

    The values are the model's own: of Depth Anything V2 and DPT (MiDaS) inverse depth up to scale and shift, larger
    where it is nearer; of the metric ones meters, larger where it is farther.

    A map covers the whole picture, at the resolution at which the model works (its sides a multiple of its patches, so
    the aspect ratio is that of the picture to a few percent, and for processors that do not keep it, not at all). Rows
    may have maps of different sizes. To SQL the column is of references of kind `tensor`, and a batch gets, of an image
    or one frame, (H, W), of more frames (T, H, W):

    - `float16`: the values, as `.npy`. What is beyond 65,504 fails.
    - `png16`: each map from its smallest value to its largest, in 65,536 levels, uint16 (H, W), of one frame alone:
      `depth_min + png / 65535 * (depth_max - depth_min)` is the value. About half of the bytes.
    """

    name = "depth"
    batch_size = 8

    def __init__(
        self,
        model: str = "depth-anything/Depth-Anything-V2-Small-hf",
        name: str = "depth",
        num_frames: int = 1,
        store: Literal["float16", "png16"] = "float16",
        dtype: Dtype = "float32",
    ):
        """Make one; the model is loaded by `setup`.

        Args:
            model: A repository of the hub, or a folder that `save_pretrained` wrote: of a model for depth estimation,
                with its image processor.
            name: Of the column of maps that it makes.
            num_frames: Of a video, evenly spaced.
            store: How a map is stored.
            dtype: What the model computes in.

        Raises:
            FeaturizerError: if `num_frames` is less than 1, or more than 1 for PNG.
        """
        if num_frames < 1 or (store == "png16" and num_frames > 1):
            most = "1, as a PNG is one map; or store=float16" if store == "png16" else "at least 1"
            raise FeaturizerError(f"featurizer {name}: num_frames={num_frames}; expected {most}")
        self.name = name
        self.model = model = absolute(model)
        self.store = store
        self.num_frames = num_frames
        self.dtype = dtype
        self.is_local = Path(model).is_dir()
        given = {"model": model, "name": name, "num_frames": num_frames, "store": store, "dtype": dtype}
        self.arguments = {key: str(each) for key, each in given.items()}
        self.inputs = (f"frames(video, {num_frames}) AS frames", "image AS frames")
        self.outputs = (
            blob_field(name, "tensor"),
            pa.field(f"{name}_min", pa.float32()),
            pa.field(f"{name}_max", pa.float32()),
        )

    def files(self) -> list[Path]:
        """Return the weights and configurations."""
        return files_of(model_folder(self.model, self.name))

    def load(self, device: str) -> None:
        """Load the model and its image processor from their folder."""
        self._torch_dtype = torch_dtype(self.dtype, device, self.name)
        self._device = device
        library = imported("transformers", self.name)
        library.utils.logging.disable_progress_bar()
        folder = str(model_folder(self.model, self.name))
        self._processor = library.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model = library.AutoModelForDepthEstimation.from_pretrained(
            folder, local_files_only=True, dtype=self._torch_dtype
        )
        self._model = model.to(device).eval()

    def estimate(self, images: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Return the map of each image, (H, W), H and W those at which the model works; called after `setup`.

        Args:
            images: RGB, each uint8 of shape (3, height, width).
        """
        torch = imported("torch", self.name)
        prepared = [self._processor(each, return_tensors="pt", input_data_format="channels_first") for each in images]
        pixels = [each["pixel_values"] for each in prepared]
        found: list[Any] = [None] * len(images)
        with torch.inference_mode():
            for size in {each.shape for each in pixels}:
                mine = [index for index, each in enumerate(pixels) if each.shape == size]
                for start in range(0, len(mine), PICTURES):
                    part = mine[start : start + PICTURES]
                    batch = torch.cat([pixels[index] for index in part]).to(self._device, self._torch_dtype)
                    maps = self._model(pixel_values=batch).predicted_depth.float().cpu().numpy()
                    for index, each in zip(part, maps, strict=True):
                        found[index] = each
        return found

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """Return the maps, as files, and their extremes."""
        clips = [as_clip(each, self.name) for each in batch["frames"]]
        maps = iter(self.estimate([frame for clip in clips for frame in clip]))
        stored: list[bytes | NDArray[np.float16] | ValueError] = []
        extremes = []
        for clip, given in zip(clips, batch["frames"], strict=True):
            depth = np.stack([next(maps) for _ in clip])
            extremes.append((float(depth.min()), float(depth.max())))
            stored.append(self._stored(depth[0] if given.ndim == 3 or self.num_frames == 1 else depth))
        lows, highs = ([each[index] for each in extremes] for index in (0, 1))
        return {self.name: stored, f"{self.name}_min": lows, f"{self.name}_max": highs}

    def _stored(self, depth: NDArray[np.float32]) -> bytes | NDArray[np.float16] | ValueError:
        if not np.isfinite(depth).all():
            return ValueError("the model gave a NaN or ∞")
        if self.store == "png16":
            return as_png(depth)
        largest = float(np.abs(depth).max())
        if largest > LARGEST:
            return ValueError(f"a depth of {largest:g}, and float16 goes to {LARGEST:g}; png16 has no such bound")
        return depth.astype(np.float16)
