"""Models so small that a notebook needs no download: a CLIP that is trained where it runs, a depth model that is not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from cutlist.media.synthetic import COLOURS, SUBJECTS, plan_pictures, render_picture
from cutlist_featurizers.packages import imported

SIDE = 32
STEPS = 250
SEEN = [(colour, subject) for colour in COLOURS for subject in SUBJECTS]
EACH = 10
"""Pictures of each colour and shape."""

CLIP = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


def save_clip(folder: Path) -> None:
    """Write a CLIP that knows the colours and shapes of the rendered media, and nothing else: some seconds of training.

    A batch has each colour and shape once, so that a text is right for one picture of it alone.
    """
    library = imported("open_clip", "notebook")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for a model of this size, waking others takes longer
    torch.manual_seed(0)
    model = library.CLIP(**CLIP)
    model.token_embedding.weight.requires_grad_(False)  # random ones tell words apart as well
    pixels = _pictures(folder)
    tokenize = library.get_tokenizer("ViT-B-32", context_length=CLIP["text_cfg"]["context_length"])
    texts = [tokenize([form.format(*each) for each in SEEN]) for form in ("a {} {}", "a {} {} on a background")]
    optimizer = torch.optim.AdamW((each for each in model.parameters() if each.requires_grad), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    right = torch.arange(len(SEEN))
    rng = np.random.default_rng(0)
    for step in range(STEPS):
        moved = tuple(int(each) for each in rng.integers(-SIDE // 4, SIDE // 4, 2))
        batch = torch.roll(pixels[rng.integers(EACH, size=len(SEEN)), right], moved, (2, 3))
        images, words, scale = model(batch, texts[step % len(texts)])
        logits = scale * images @ words.T
        loss = torch.nn.functional.cross_entropy(logits, right) + torch.nn.functional.cross_entropy(logits.T, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.set_num_threads(threads)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": PIXELS}))


def _pictures(folder: Path) -> torch.Tensor:
    """Return pictures of each colour and shape, float32 (EACH, 48, 3, SIDE, SIDE), in [-1, 1]."""
    file = folder / "picture.png"
    found = []
    for number, plan in enumerate(plan_pictures(EACH * len(SEEN), seed=1)):
        colour, subject = SEEN[number % len(SEEN)]
        background = plan.background if plan.background != colour else "grey"
        render_picture(
            dataclasses.replace(
                plan, colour=colour, subject=subject, background=background, width=3 * SIDE, height=3 * SIDE
            ),
            file,
        )
        found.append(np.asarray(Image.open(file).resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    file.unlink()
    pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2) / 127.5 - 1
    return pixels.unflatten(0, (EACH, len(SEEN)))


def save_depth(folder: Path) -> None:
    """Write a model for depth estimation with random weights: its maps are like those of a real one in all but sense."""
    library = imported("transformers", "notebook")
    library.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
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
    with torch.no_grad():
        for each in model.parameters():
            each.normal_(std=0.2)  # those that it begins with give maps of zeros
        list(model.parameters())[-1].fill_(1)
    model.save_pretrained(folder)
    library.DPTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
