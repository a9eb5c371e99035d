"""Featurizers with a model: tiny ones with random weights, and a real one of texts, loaded as users load theirs.

- Vectors and maps are those that the libraries give by themselves of the same pictures and texts.
- Weights come from a folder, a file, a tag, or the hub's cache, and then nothing asks the network.
- Another checkpoint makes a column stale; two models stand side by side; a row that is broken fails alone.
- What is missing is named, with what to type.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.featurizers import tiny

import cutlist
from cutlist.backfill import declared, declared_again
from cutlist.errors import FeaturizerError
from cutlist.store import Store, blob_array, blob_field
from cutlist_featurizers import Aesthetic, ClipEmbedding, Depth, TextEmbedding
from cutlist_featurizers.packages import imported
from cutlist_featurizers.weights import sha256_of
from cutlist_torch import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cutlist import Session
    from cutlist.backfill import Featurizer

CAPTIONS = ["a cat on a sofa", "a kitten on the couch", "a red car", "two dogs in the snow"]
SHAPES = [(40, 64), (64, 40), (33, 33), (90, 32)]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    asked: list[str] = []

    def refuse(*about: Any, **more: Any) -> Any:
        asked.append(str(about))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield asked
    assert asked == []


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: for models of this size, waking others takes longer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny.save_clip(folder / "clip")
    tiny.save_clip(folder / "other_clip", seed=1)
    tiny.save_depth(folder / "depth_anything")
    tiny.save_depth(folder / "metric", metric=True)
    tiny.save_depth(folder / "dpt", "dpt")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    library = imported("huggingface_hub", "test")
    monkeypatch.setattr(library.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(library.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def png(image: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A table of four pictures, a broken one, and one that is NULL, with captions."""
    media = [png(each) for each in tiny.pictures(*SHAPES)]
    rows = pa.table({"id": range(6), "caption": [*CAPTIONS, "broken", None]})
    rows = rows.append_column(blob_field("image", "image"), blob_array([*media, media[0][:60], None]))
    Store.at(tmp_path / "data").append("t", rows, message="test")
    with cutlist.connect(tmp_path / "data", views=tmp_path) as opened:
        yield opened


def ready(featurizer: Featurizer) -> Any:
    featurizer.setup("cpu")
    return featurizer


def column(session: Session, name: str) -> dict[int, Any]:
    return dict(session.sql(f"SELECT id, {name} FROM t").fetchall())


# -- CLIP -------------------------------------------------------------------------------------------------------------


def test_vectors_are_those_of_open_clip(models: Path) -> None:
    library = imported("open_clip", "test")
    source = f"local-dir:{models / 'clip'}"
    model, _, preprocess = library.create_model_and_transforms(source)
    model.eval()
    images = tiny.pictures(*SHAPES, (32, 32), (200, 120))
    embedding = ready(ClipEmbedding(str(models / "clip")))
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.open(io.BytesIO(png(each)))) for each in images])
        expected = model.encode_image(batch, normalize=True).numpy()
        texts = model.encode_text(library.get_tokenizer(source)(CAPTIONS), normalize=True).numpy()
    assert batch.mean() != 0
    found = embedding.encode_image(images)
    assert (found.dtype, found.shape) == (np.float32, (6, tiny.LENGTH))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(embedding.encode_text(CAPTIONS), texts, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 0.01  # they tell pictures apart
    assert embedding.encode_image([]).shape == (0, tiny.LENGTH)


def test_of_a_video_it_is_the_mean_direction(models: Path) -> None:
    embedding = ready(ClipEmbedding(str(models / "clip")))
    clip = np.stack(tiny.pictures((32, 48), (32, 48), (32, 48)))
    image = tiny.pictures((50, 40), seed=3)[0]
    mean = embedding.encode_image(list(clip)).mean(axis=0)
    found = embedding({"frames": [image, clip]})
    np.testing.assert_allclose(found[1], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(found[0], embedding.encode_image([image])[0], atol=1e-6)
    assert declared(ClipEmbedding(str(models / "clip"), num_frames=3)).inputs[0] == "frames(video, 3) AS frames"


def test_bfloat16_is_near(models: Path) -> None:
    images = tiny.pictures(*SHAPES)
    full, half = (ready(ClipEmbedding(str(models / "clip"), dtype=each)) for each in ("float32", "bfloat16"))
    cosines = (full.encode_image(images) * half.encode_image(images)).sum(axis=1)
    assert half.encode_image(images).dtype == np.float32
    assert (cosines > 0.99).all()
    with pytest.raises(FeaturizerError, match="dtype=float16 on cpu; expected float32 or bfloat16, or cuda"):
        ready(ClipEmbedding(str(models / "clip"), dtype="float16"))


def test_clip_over_a_table(models: Path, session: Session) -> None:
    report = session.backfill("t", ClipEmbedding(str(models / "clip")))
    assert (report.num_computed, report.num_failed, report.num_skipped) == (4, 1, 1)
    found = column(session, "clip_embedding")
    assert [len(found[i]) if found[i] else None for i in range(6)] == [16, 16, 16, 16, None, None]
    expected = ready(ClipEmbedding(str(models / "clip"))).encode_image(tiny.pictures(*SHAPES))
    np.testing.assert_allclose([found[i] for i in range(4)], expected, atol=1e-6)
    assert session.sql("SELECT count(*) FROM _failures WHERE stage = 'decode'").fetchall() == [(1,)]
    parameters = session.tables["t"].features["clip_embedding"].parameters
    assert parameters["model"] == str(models / "clip")
    assert len(parameters["sha256"]) == 64


def test_another_checkpoint_is_stale(models: Path, session: Session, tmp_path: Path) -> None:
    weights = tmp_path / "mine"
    shutil.copytree(models / "clip", weights)
    session.backfill("t", ClipEmbedding(str(weights), name="mine"))
    before = column(session, "mine")
    (status,) = session.status("t")
    assert (status.num_filled, status.num_stale, status.num_failed) == (4, 0, 1)
    shutil.copy(models / "other_clip" / "open_clip_model.safetensors", weights)
    (status,) = session.status("t")
    assert (status.num_filled, status.num_stale, status.num_failed) == (0, 5, 0)
    made = session.tables["t"].features["mine"]
    with pytest.raises(FeaturizerError, match=r"made the column with .* and has .* when it is made again"):
        declared_again(str(made.reference), made.parameters)
    assert session.backfill("t", ClipEmbedding(str(weights), name="mine")).num_computed == 4
    (status,) = session.status("t")
    assert (status.num_filled, status.num_stale) == (4, 0)
    after = column(session, "mine")
    weights.rename(tmp_path / "elsewhere")  # then the last run counts
    (status,) = session.status("t")
    assert (status.num_filled, status.num_stale) == (4, 0)
    assert all(np.abs(np.subtract(before[i], after[i])).max() > 0.01 for i in range(4))


def test_two_models_side_by_side_and_made_again(models: Path, session: Session) -> None:
    for name in ("clip", "other_clip"):
        session.backfill("t", ClipEmbedding(str(models / name), name=f"{name}_embedding"))
    one, other = column(session, "clip_embedding"), column(session, "other_clip_embedding")
    assert np.abs(np.subtract(one[0], other[0])).max() > 0.01
    feature = session.tables["t"].features["other_clip_embedding"]
    again = declared_again(str(feature.reference), feature.parameters)
    np.testing.assert_allclose(ready(again.featurizer).encode_image(tiny.pictures(*SHAPES))[0], other[0], atol=1e-6)


def test_an_architecture_with_a_file_or_a_tag(
    models: Path, tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = imported("open_clip", "test")
    (tmp_path / "tiny-test.json").write_text(json.dumps(tiny.ARCHITECTURE))
    monkeypatch.setattr(library.factory, "_MODEL_CONFIG_PATHS", [*library.factory._MODEL_CONFIG_PATHS])
    monkeypatch.setattr(library.factory, "_MODEL_CONFIGS", {**library.factory._MODEL_CONFIGS})
    library.add_model_config(tmp_path / "tiny-test.json")
    images = tiny.pictures(*SHAPES)
    file = models / "clip" / "open_clip_model.safetensors"
    of_file = ready(ClipEmbedding("tiny-test", str(file)))
    assert of_file.parameters["sha256"] == sha256_of(file)
    tag = {"hf_hub": "someone/tiny/", "mean": tiny.MEAN, "std": tiny.STD, "quick_gelu": True}
    monkeypatch.setitem(library.pretrained._PRETRAINED, "tiny-test", {"mine": tag})
    named = ClipEmbedding("tiny-test", "mine")
    with pytest.raises(FeaturizerError, match=r"type: hf download someone/tiny open_clip_model.safetensors; or give a"):
        declared(named)
    tiny.save_as_hub(hub, "someone/tiny", models / "clip")
    of_tag = ready(named)
    assert of_tag.parameters["sha256"] == "1" * 64  # as the cache names it
    assert (
        np.abs(of_tag.encode_image(images) - of_file.encode_image(images)).max() > 1e-3
    )  # mean, deviation, activation
    again = ClipEmbedding.from_parameters({**of_tag.parameters, "sha256": "2" * 64})
    with pytest.raises(FeaturizerError, match=r"SHA-256 111111111111…, and the column was made by 222222222222…"):
        again.setup("cpu")


def test_a_tokenizer_of_the_hub_is_for_texts_alone(
    models: Path, tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = imported("open_clip", "test")
    text: dict[str, Any] = {**tiny.ARCHITECTURE["text_cfg"], "hf_tokenizer_name": "someone/words"}
    (tmp_path / "words-test.json").write_text(json.dumps({**tiny.ARCHITECTURE, "text_cfg": text}))
    monkeypatch.setattr(library.factory, "_MODEL_CONFIG_PATHS", [*library.factory._MODEL_CONFIG_PATHS])
    monkeypatch.setattr(library.factory, "_MODEL_CONFIGS", {**library.factory._MODEL_CONFIGS})
    library.add_model_config(tmp_path / "words-test.json")
    embedding = ready(ClipEmbedding("words-test", str(models / "clip" / "open_clip_model.safetensors")))
    assert embedding.encode_image(tiny.pictures((40, 64))).shape == (1, tiny.LENGTH)
    with pytest.raises(FeaturizerError, match="type: hf download someone/words; or give a folder"):
        embedding.encode_text(["a cat"])
    tiny.save_as_hub(hub, "someone/words", tiny.save_words(tmp_path / "words"))
    monkeypatch.setattr(imported("huggingface_hub", "test").constants, "HF_HUB_OFFLINE", False)
    one, other, again = embedding.encode_text(["a cat", "a dog", "a cat"])
    assert np.abs(one - other).max() > 1e-3
    assert one.tolist() == again.tolist()


def test_a_repository_of_the_hub(models: Path, hub: Path) -> None:
    tiny.save_as_hub(hub, "someone/clip", models / "clip")
    tiny.save_as_hub(hub, "someone/depth", models / "depth_anything")
    images = tiny.pictures(*SHAPES)
    for there, here in (
        (ClipEmbedding("hf-hub:someone/clip"), ClipEmbedding(str(models / "clip"))),
        (Depth("someone/depth"), Depth(str(models / "depth_anything"))),
    ):
        outputs = [ready(each)({"frames": images[:1]}) for each in (there, here)]
        np.testing.assert_equal(*outputs)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda m: ClipEmbedding("ViT-B-23"), 'no model ViT-B-23, and no folder is there; did you mean "ViT-B-32"'),
        (lambda m: ClipEmbedding("ViT-B-32", "lion2b"), "pretrained=lion2b: no such file, nor a tag"),
        (lambda m: ClipEmbedding("ViT-L-14"), "no weights are named. Tags of ViT-L-14: .*openai"),
        (
            lambda m: ClipEmbedding(),
            "type: hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K open.*file: pretrained=/path/open",
        ),
        (lambda m: ClipEmbedding("RN50", "yfcc15m"), "hf download|get https"),
        (lambda m: ClipEmbedding(num_frames=0), "num_frames=0; expected a number of frames"),
        (lambda m: ClipEmbedding(str(m / "dpt")), "has no open_clip_config.json"),
        (lambda m: ClipEmbedding("hf-hub:a/b"), r"type: hf download a/b; or give a folder: model=/path/of/it"),
        (lambda m: TextEmbedding("nowhere"), "model=nowhere: no such folder; a repository of the hub is owner/name"),
        (lambda m: TextEmbedding(), "type: hf download sentence-transformers/all-MiniLM-L6-v2; or"),
        (lambda m: TextEmbedding(str(m / "clip")), "no configuration there says how long vectors are"),
        (lambda m: Depth(), "hf download depth-anything/Depth-Anything-V2-Small-hf; or give a folder"),
        (lambda m: Depth(str(m)), None),
        (lambda m: Depth(str(m / "dpt"), num_frames=4, store="png16"), "num_frames=4; expected 1, as a PNG is one map"),
        (lambda m: Depth(str(m / "dpt"), num_frames=0), "num_frames=0; expected at least 1"),
        (lambda m: Aesthetic(), r"no weights are given; get a head, e.g. sac\+logos"),
        (lambda m: Aesthetic(str(m / "nothing.pth")), "nothing.pth: no such file"),
    ],
)
def test_what_is_missing_is_named(made: Any, said: str | None, models: Path, hub: Path, tmp_path: Path) -> None:
    if said is None:
        (tmp_path / "empty").mkdir()
        said, made = "has no weights; expected", lambda m: Depth(str(tmp_path / "empty"))
    with pytest.raises(FeaturizerError, match=said):
        declared(made(models))


def test_paths_are_kept_absolute(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)
    assert ClipEmbedding("clip").arguments["model"] == Depth("clip").arguments["model"] == str(models / "clip")
    weights = "clip/open_clip_model.safetensors"
    assert (
        ClipEmbedding("ViT-B-32", weights).arguments["pretrained"]
        == Aesthetic(weights).weights
        == str(models / weights)
    )
    assert TextEmbedding("someone/something").arguments["model"] == "someone/something"


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(FeaturizerError, match=r"needs no_such_package, .*; type: pip install 'cutlist\[features\]'"):
        imported("no_such_package", "clip_embedding")


def test_bars_that_are_not_shown_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("import warnings", "warnings.warn('IProgress not found. Please update jupyter and ipywidgets.')")
    (tmp_path / "with_bars.py").write_text("\n".join(lines))
    (tmp_path / "with_others.py").write_text("import warnings; warnings.warn('this is slow')")
    monkeypatch.syspath_prepend(tmp_path)
    imported("with_bars", "test")
    with pytest.warns(UserWarning, match="this is slow"):
        imported("with_others", "test")


def test_no_model_is_imported_before_it_is_needed() -> None:
    program = "import sys, cutlist_featurizers as c; from cutlist.backfill import declared, installed; installed(); "
    program += f"print(declared(c.TextEmbedding({str(tiny.minilm())!r})).outputs[0].type.list_size); "
    program += "print(*sorted({'torch', 'open_clip', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["384"], done.stderr


# -- texts ------------------------------------------------------------------------------------------------------------


def test_real_texts_are_near_by_meaning(session: Session) -> None:
    report = session.backfill("t", TextEmbedding(str(tiny.minilm())))
    assert (report.num_computed, report.num_failed, report.num_skipped) == (5, 0, 1)
    found = column(session, "text_embedding")
    vectors = np.array([found[i] for i in range(5)], np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors[0] @ vectors[1], vectors[0] @ vectors[2]) == pytest.approx((0.82, 0.10), abs=0.01)
    feature = session.tables["t"].features["text_embedding"]
    again = ready(declared_again("text_embedding", feature.parameters).featurizer)
    query = again.encode_text(["a feline"])
    assert (query.dtype, query.shape) == (np.float32, (1, 384))
    assert int(np.argmax(vectors @ query[0])) in (0, 1)


# -- depth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["depth_anything", "dpt", "metric"])
def test_maps_are_those_of_transformers(kind: str, models: Path) -> None:
    library = imported("transformers", "test")
    processor = library.AutoImageProcessor.from_pretrained(models / kind)
    model = library.AutoModelForDepthEstimation.from_pretrained(models / kind).eval()
    images = tiny.pictures(*SHAPES, (40, 64), seed=2)
    found = ready(Depth(str(models / kind))).estimate(images)
    for image, depth in zip(images, found, strict=True):
        with torch.inference_mode():
            expected = model(**processor(Image.fromarray(image.transpose(1, 2, 0)), return_tensors="pt"))
        expected = expected.predicted_depth[0].numpy()
        np.testing.assert_allclose(depth, expected, atol=1e-5 * expected.max())
    assert found[0].shape == found[4].shape  # in one batch
    assert np.abs(found[0] - found[4]).max() > 1e-3
    assert len({each.shape for each in found}) == (1 if kind == "dpt" else 4)


def test_depth_over_a_table_and_back(models: Path, session: Session, tmp_path: Path) -> None:
    report = session.backfill("t", Depth(str(models / "depth_anything")))
    assert (report.num_computed, report.num_failed, report.num_skipped) == (4, 1, 1)
    packed = Depth(str(models / "depth_anything"), store="png16", name="packed")
    assert session.backfill("t", packed, where="id < 3").num_computed == 3
    assert session.backfill("t", packed).num_computed == 1  # those that were there stay
    assert session.tables["t"].media_columns["depth"] == session.tables["t"].media_columns["packed"] == "tensor"
    maps = ready(Depth(str(models / "depth_anything"))).estimate(tiny.pictures(*SHAPES))
    query = "SELECT id, depth, packed, packed_min, packed_max FROM t WHERE depth IS NOT NULL"
    seen = 0
    for batch in Loader(query, root=tmp_path / "data", views=tmp_path, batch_size=2, seed=0):
        for row in range(2):
            expected = maps[int(batch["id"][row])]
            assert (batch["depth"][row].dtype, batch["packed"][row].dtype) == (torch.float16, torch.uint16)
            np.testing.assert_array_equal(batch["depth"][row].numpy(), expected.astype(np.float16))
            low, high = (float(batch[name][row]) for name in ("packed_min", "packed_max"))
            back = low + batch["packed"][row].numpy() / 65535 * (high - low)
            np.testing.assert_allclose(back, expected, atol=(high - low) / 65535)
            seen += 1
    assert seen == 4


def test_maps_of_frames_are_one_tensor(models: Path) -> None:
    depth = ready(Depth(str(models / "dpt"), num_frames=3))
    clip, image = np.stack(tiny.pictures((40, 64), (40, 64), (40, 64))), tiny.pictures((40, 64), seed=5)[0]
    found = depth({"frames": [clip, image]})
    assert [each.shape for each in found["depth"]] == [(3, 64, 64), (64, 64)]
    assert found["depth_max"][0] == pytest.approx(float(found["depth"][0].max()), rel=1e-3)
    single = ready(Depth(str(models / "dpt")))({"frames": [clip[:1]]})
    assert single["depth"][0].shape == (64, 64)


def test_what_float16_cannot_hold_fails(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = Depth(str(models / "dpt"))
    odd = [np.full((2, 2), each, np.float32) for each in (1.0, 1e5, np.nan)]
    monkeypatch.setattr(depth, "estimate", lambda images: odd)
    found = depth({"frames": tiny.pictures((8, 8), (8, 8), (8, 8))})["depth"]
    assert found[0].dtype == np.float16
    assert "a depth of 100000, and float16 goes to 65504" in str(found[1])
    assert "NaN" in str(found[2])


# -- aesthetic --------------------------------------------------------------------------------------------------------


def save_head(file: Path, *widths: int, seed: int = 0) -> list[torch.nn.Linear]:
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(one, other) for one, other in pairwise(widths)]
    state = {
        f"layers.{2 * k}.{name}": each for k, layer in enumerate(layers) for name, each in layer.state_dict().items()
    }
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    return layers


@pytest.mark.parametrize(("name", "widths"), [("a.pth", (16, 1)), ("b.safetensors", (16, 8, 6, 4, 3, 2, 1))])
def test_a_score_is_that_of_the_layers(name: str, widths: tuple[int, ...], tmp_path: Path) -> None:
    layers = save_head(tmp_path / name, *widths)
    vectors = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    aesthetic = ready(Aesthetic(str(tmp_path / name)))
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(torch.tensor(vectors))
        for layer in layers:
            expected = layer(expected)
    np.testing.assert_allclose(aesthetic({"embedding": list(vectors)}), expected[:, 0].numpy(), atol=1e-5)


def test_a_score_of_a_column(models: Path, session: Session, tmp_path: Path) -> None:
    save_head(tmp_path / "head.safetensors", 16, 1)
    session.backfill("t", ClipEmbedding(str(models / "clip")))
    report = session.backfill("t", Aesthetic(str(tmp_path / "head.safetensors"), "clip_embedding"))
    assert (report.num_computed, report.num_skipped) == (4, 2)
    save_head(tmp_path / "wide.safetensors", 768, 1)
    with pytest.raises(FeaturizerError, match="the head takes 768 numbers, and clip_embedding has 16; give the column"):
        session.backfill("t", Aesthetic(str(tmp_path / "wide.safetensors"), "clip_embedding", "other"))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"0.weight": torch.zeros(2, 16)}, r"layers of shapes \[\(2, 16\)\]; expected linear ones"),
        ({"0.weight": torch.zeros(4, 16), "1.weight": torch.zeros(1, 5)}, "the inputs of each as many as"),
        ({"0.bias": torch.zeros(1)}, r"layers of shapes \[\]"),
        (None, "cannot be read as tensors"),
    ],
)
def test_what_is_no_head(tensors: dict[str, torch.Tensor] | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "head.safetensors"
    file.write_bytes(b"no tensors") if tensors is None else save_file(tensors, file)
    with pytest.raises(FeaturizerError, match=said):
        ready(Aesthetic(str(file)))
