"""CLIP embeddings: pictures and words in one space, by any model of open_clip; to search, compare and filter by."""

from __future__ import annotations

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import FeaturizerError, listing, suggest
from cutlist_featurizers.frames import as_clip
from cutlist_featurizers.models import Dtype, ModelFeaturizer, length_in, torch_dtype, unit
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import TEXTS, absolute, files_of, hub_file, model_folder

if TYPE_CHECKING:
    from cutlist.backfill import Batch

PRETRAINED = "laion2b_s34b_b79k"
"""Of the default model, ViT-B-32."""

PICTURES = 64
"""So many are encoded in one pass."""

_HUB = "hf-hub:"
_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZERS = ("tokenizer_config.json", "tokenizer.json")
_PRECISIONS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


class ClipEmbedding(ModelFeaturizer):
    """A vector of length 1 for each image or video, float32; of a video the mean over frames, scaled to length 1 again.

    Pictures are scaled, cropped and normalized by open_clip's own transforms, from their full resolution, so that the
    vectors are those of open_clip. Models are those of `open_clip.list_pretrained()`, a repository of the hub
    (`hf-hub:owner/name`), or files: `pretrained=/path/weights.safetensors` beside the name of an architecture, or a
    folder as `model`, with an `open_clip_config.json`. Several models stand side by side under different names:

        session.backfill("videos", ClipEmbedding("ViT-L-14", "openai", name="clip_l14"))

    `encode_text` and `encode_image` give vectors in the same space.
    """

    name = "clip_embedding"
    batch_size = 16

    def __init__(
        self,
        model: str = "ViT-B-32",
        pretrained: str | None = None,
        name: str = "clip_embedding",
        num_frames: int = 4,
        dtype: Dtype = "float32",
    ):
        """Make one; the model is loaded by `setup`.

        Args:
            model: An architecture of open_clip, `hf-hub:owner/name`, or a folder.
            pretrained: A tag of open_clip's, or a file of weights; None for the default model's, and for models that
                come with their weights.
            name: Of the column that it makes.
            num_frames: Of a video, evenly spaced.
            dtype: What the model computes in.

        Raises:
            FeaturizerError: if `num_frames` is less than 1.
        """
        if num_frames < 1:
            raise FeaturizerError(
                f"featurizer {name}: num_frames={num_frames}; expected a number of frames, at least 1"
            )
        if pretrained is None and model == "ViT-B-32":
            pretrained = PRETRAINED
        model, pretrained = absolute(model), pretrained and absolute(pretrained)
        self.name = name
        self.model = model
        self.pretrained = pretrained
        self.dtype = dtype
        self.is_local = Path(model).is_dir() or bool(pretrained and Path(pretrained).is_file())
        given = {"model": model, "pretrained": pretrained, "name": name, "num_frames": num_frames, "dtype": dtype}
        self.arguments = {key: str(each) for key, each in given.items() if each is not None}
        self.inputs = (f"frames(video, {num_frames}) AS frames", "image AS frames")

    @property
    def outputs(self) -> tuple[pa.Field]:  # type: ignore[override]
        """One column, of vectors whose length the model's configuration says."""
        return (pa.field(self.name, pa.list_(pa.float32(), int(self.facts["length"]))),)

    # -- its files ----------------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path | None:
        """The folder of a model that comes with its weights."""
        if self.model.startswith(_HUB):
            return model_folder(self.model.removeprefix(_HUB), self.name)
        return model_folder(self.model, self.name) if Path(self.model).is_dir() else None

    def files(self) -> list[Path]:
        """Return the weights, and with them the configuration where they come with one."""
        folder = self._folder
        return files_of(folder) if folder is not None else [self._weights()]

    def _weights(self) -> Path:
        """Return the file of weights of an architecture of open_clip."""
        self._architecture()
        if self.pretrained is not None and (file := Path(self.pretrained)).is_file():
            return file
        about = self._about_tag()
        repository, _, name = about.get("hf_hub", "").rpartition("/")
        if not repository:
            raise FeaturizerError(
                f"featurizer {self.name}: the hub does not have the weights {self.pretrained} of {self.model}; get "
                f"{about.get('url')} and give the file: pretrained=/path/of/it"
            )
        safe = (f"{name.rpartition('.')[0]}.safetensors",) if name else ()
        return hub_file(repository, [*safe, name] if name else _NAMES, self.name)

    def _about_tag(self) -> dict[str, Any]:
        """Return what open_clip says of the tag: where the weights are, and how pictures are to be normalized."""
        library = imported("open_clip", self.name)
        tags = library.list_pretrained_tags_by_model(self.model)
        found: dict[str, Any] = library.get_pretrained_cfg(self.model, self.pretrained or "")
        if not found:
            said = (
                f"pretrained={self.pretrained}: no such file, nor a tag" if self.pretrained else "no weights are named"
            )
            raise FeaturizerError(
                f"featurizer {self.name}: {said}{suggest(self.pretrained or '', tags)} Tags of {self.model}: "
                f"{listing(tags, most=40)}. A file is given as pretrained=/path/weights.safetensors."
            )
        return found

    def _architecture(self) -> dict[str, Any]:
        """Return open_clip's configuration of an architecture, from its files where it is there: importing takes long.

        `open_clip.add_model_config` adds others.
        """
        name = self.model.replace("/", "-")
        spec = importlib.util.find_spec("open_clip")
        if spec is not None and spec.origin is not None:
            file = Path(spec.origin).parent / "model_configs" / f"{name}.json"
            if file.is_file():
                return dict(json.loads(file.read_text(encoding="utf-8")))
        library = imported("open_clip", self.name)
        found = library.get_model_config(name)
        if found is None:
            raise FeaturizerError(
                f"featurizer {self.name}: open_clip has no model {self.model}, and no folder is there"
                f"{suggest(name, library.list_models())} A repository of the hub is given as model=hf-hub:owner/name."
            )
        return dict(found)

    def length(self) -> int:
        """Return the length that the configuration says."""
        folder = self._folder
        if folder is None:
            config = self._architecture()
        else:
            file = folder / "open_clip_config.json"
            if not file.is_file():
                raise FeaturizerError(f"featurizer {self.name}: model={self.model}: has no {file.name}")
            config = json.loads(file.read_text(encoding="utf-8")).get("model_cfg", {})
        found = length_in(config, "embed_dim")
        if found is None:
            raise FeaturizerError(f"featurizer {self.name}: model={self.model}: its configuration has no embed_dim")
        return found

    # -- the model ----------------------------------------------------------------------------------------------------

    def load(self, device: str) -> None:
        """Load the model and its transform of pictures."""
        self._torch_dtype = torch_dtype(self.dtype, device, self.name)
        library = imported("open_clip", self.name)
        folder = self._folder
        about = {} if folder is not None or self.is_local else self._about_tag()
        self._device = device
        self._model, _, self._preprocess = library.create_model_and_transforms(
            self.model if folder is None else f"local-dir:{folder}",
            None if folder is not None else str(self._weights()),
            precision=_PRECISIONS[self.dtype],
            device=device,
            force_quick_gelu=bool(about.get("quick_gelu")),  # OpenAI's weights, whichever name the architecture has
            image_mean=about.get("mean"),
            image_std=about.get("std"),
            image_interpolation=about.get("interpolation"),
            image_resize_mode=about.get("resize_mode"),
        )
        self._model.eval()

    @cached_property
    def _tokenize(self) -> Any:
        """The tokenizer, which texts alone need.

        Of a third of open_clip's architectures it is in a repository of the hub, which open_clip asks each time: it is
        made here as in `open_clip.get_tokenizer`, of the files in the cache.
        """
        library = imported("open_clip", self.name)
        if self._folder is not None:
            return library.get_tokenizer(f"local-dir:{self._folder}")
        text = self._architecture().get("text_cfg", {})
        repository = text.get("hf_tokenizer_name")
        if not repository:
            return library.get_tokenizer(self.model)
        folder = hub_file(repository, _TOKENIZERS, self.name, beside=TEXTS).parent
        given = {key: text[key] for key in ("context_length", "tokenizer_mode") if key in text}
        return library.tokenizer.HFTokenizer(str(folder), **given, **text.get("tokenizer_kwargs", {}))

    def encode_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of texts; what is longer than the model takes, 77 tokens for most, is cut."""
        torch = imported("torch", self.name)
        with torch.inference_mode():
            tokens = self._tokenize(texts).to(self._device)
            return unit(self._model.encode_text(tokens))

    def encode_image(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of images."""
        torch = imported("torch", self.name)
        with ThreadPoolExecutor(thread_name_prefix="cutlist-clip") as pool, torch.inference_mode():
            found = [np.zeros((0, int(self.facts["length"])), np.float32)]
            for start in range(0, len(images), PICTURES):
                pictures = torch.stack(list(pool.map(self._prepared, images[start : start + PICTURES])))
                pictures = pictures.to(self._device, self._torch_dtype)
                found.append(unit(self._model.encode_image(pictures)))
            return np.concatenate(found)

    def _prepared(self, image: NDArray[np.uint8]) -> Any:
        return self._preprocess(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))))

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Return the vectors of images and clips, shape (n, length)."""
        clips = [as_clip(each, self.name) for each in batch["frames"]]
        vectors = self.encode_image([frame for clip in clips for frame in clip])
        ends = np.cumsum([0, *map(len, clips)])
        means = np.add.reduceat(vectors, ends[:-1], axis=0)
        return unit(means)
