"""What a featurizer declares: found by name, import or as it is, checked, and told from others by its fingerprint."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from cutlist.backfill import Batch, Featurizer, declared, declared_again, featurizer, installed
from cutlist.errors import FeaturizerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OUTPUT = pa.field("n", pa.int32())


@featurizer(inputs="caption", outputs=OUTPUT)
def num_words(batch: Batch) -> list[int]:
    """Return how many words there are."""
    return [len(each.split()) for each in batch["caption"]]


class Words(Featurizer):
    name = "words"
    version = 3
    inputs = ("caption", "text AS caption")
    outputs = (OUTPUT,)

    def __call__(self, batch: Batch) -> list[int]:
        return [len(each.split()) for each in batch["caption"]]


class Tokens(Words):
    name = "tokens"

    def __init__(self, checkpoint: str):
        self.checkpoint = checkpoint

    @property
    def parameters(self) -> dict[str, str]:
        return {"checkpoint": self.checkpoint}


class Stems(Tokens):
    name = "stems"

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Stems:
        return cls(parameters.get("checkpoint", "default.pt"))


def test_a_function_a_class_and_an_object_are_featurizers() -> None:
    assert declared(num_words).title == "num_words@1"
    assert num_words.__doc__ == "Return how many words there are."
    assert declared(Words).title == declared(Words()).title == "words@3"
    assert declared(Words).inputs == ("caption", "text AS caption")
    assert declared(Tokens("a.pt")).parameters == {"checkpoint": "a.pt"}


def test_one_is_found_by_its_name_or_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert declared("media_probe").name == "media_probe"
    assert {"media_probe", "packet_index", "sharpness"} <= set(installed())
    (tmp_path / "my_featurizers.py").write_text(
        "import pyarrow as pa\nfrom cutlist.backfill import featurizer\n\n"
        "@featurizer(inputs='caption', outputs=pa.field('n', pa.int32()))\n"
        "def words(batch):\n    return [1]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = declared("my_featurizers:words")
    assert (found.name, found.reference) == ("words", "my_featurizers:words")
    with pytest.raises(FeaturizerError, match=r'my_featurizers has no "word"; did you mean "words"\?'):
        declared("my_featurizers:word")
    with pytest.raises(FeaturizerError, match=r'"no_such_module:x": cannot import no_such_module'):
        declared("no_such_module:x")


def test_where_it_can_be_imported_from_again() -> None:
    assert declared(num_words).reference == f"{__name__}:num_words"
    assert declared(Words).reference == f"{__name__}:Words"
    assert declared(Tokens("a.pt")).reference is None
    assert declared(Stems("a.pt")).reference == f"{__name__}:Stems"


def test_one_is_made_again_from_what_a_column_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "again", sys.modules[__name__])
    again = declared_again("again:Stems", {"checkpoint": "b.pt"}).featurizer
    assert isinstance(again, Stems)
    assert again.checkpoint == "b.pt"
    assert declared_again("again:Words", {}).title == "words@3"
    assert declared_again("again:num_words", {}).title == "num_words@1"
    with pytest.raises(
        FeaturizerError, match=r"words: made the column with \{'a': 'b'\}, and has \{\} when it is made"
    ):
        declared_again("again:Words", {"a": "b"})
    with pytest.raises(FeaturizerError, match=r"num_words: made the column with .* give the featurizer itself to"):
        declared_again("again:num_words", {"a": "b"})
    with pytest.raises(
        FeaturizerError, match=r"stems: made the column with \{\}, and has \{'checkpoint': 'default.pt'\}"
    ):
        declared_again("again:Stems", {})
    with pytest.raises(FeaturizerError, match=r"featurizer Tokens: cannot be made without arguments"):
        declared_again("again:Tokens", {"checkpoint": "a.pt"})


def test_one_without_encoders_says_so() -> None:
    with pytest.raises(FeaturizerError, match="featurizer words: has no encoder of texts"):
        Words().encode_text(["a red car"])
    with pytest.raises(FeaturizerError, match="featurizer words: has no encoder of images"):
        Words().encode_image([np.zeros((3, 8, 8), np.uint8)])


def test_one_survives_the_trip_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Tokens("a.pt"))).checkpoint == "a.pt"
    assert pickle.loads(pickle.dumps(num_words))({"caption": ["a b"]}) == [2]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": 2},
        {"inputs": "lower(caption) AS caption"},
        {"outputs": pa.field("m", pa.int32())},
        {"outputs": pa.field("n", pa.int64())},
    ],
)
def test_the_fingerprint_tells_what_values_depend_on(change: dict[str, Any]) -> None:
    def made(**facts: Any) -> int:
        given = {"inputs": "caption", "outputs": OUTPUT, "name": "words", **facts}
        return declared(featurizer(**given)(lambda batch: batch)).fingerprint

    assert made(batch_size=7, parallel=True) == made()
    assert made(**change) != made()
    assert 0 < made() < 2**63


def test_another_checkpoint_is_another_fingerprint() -> None:
    assert declared(Tokens("a.pt")).fingerprint != declared(Tokens("b.pt")).fingerprint


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("sharpnes", r'no featurizer "sharpnes"; did you mean "sharpness"\? Installed: .*media_probe.*module:name'),
        (len, r"featurizer len: builtin_function_or_method is no featurizer; expected a subclass of .*@featurizer"),
        (Featurizer, r"featurizer Featurizer: has no `name`"),
        (Tokens, r"featurizer Tokens: cannot be made without arguments"),
        ({"name": "Words"}, r"name 'Words': expected a lower-case identifier"),
        ({"name": "1st"}, r"name '1st': expected a lower-case identifier"),
        ({"version": "2"}, r"version '2': expected a number, 0 or more"),
        ({"version": -1}, r"version -1: expected a number, 0 or more"),
        ({"inputs": ()}, r"inputs \(\): expected the list of a SELECT"),
        ({"inputs": (" ",)}, r"expected the list of a SELECT, like `frames\(video, 3\) AS frames`"),
        ({"outputs": ()}, r"outputs \(\): expected Arrow fields"),
        ({"outputs": ("n",)}, r"outputs \('n',\): expected Arrow fields"),
        ({"outputs": (OUTPUT, pa.field("N", pa.int8()))}, r"outputs n, n: expected different names"),
        ({"outputs": (pa.field("_n", pa.int8()),)}, r"outputs _n: expected different names, of letters"),
        ({"batch_size": 0}, r"batch_size 0: expected a number of rows, at least 1"),
    ],
)
def test_what_is_no_featurizer_is_refused(given: Any, text: str) -> None:
    if isinstance(given, dict):
        given = type("Made", (Words,), given)
    with pytest.raises(FeaturizerError, match=text):
        declared(given)
