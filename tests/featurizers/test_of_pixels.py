"""What every featurizer of pixels promises: right types, odd pictures, rows that do not know each other.

- A row is a value of the declared type for every output, finite, or an error with a message in all of them.
- A row has the same values alone and in a batch, whatever fails beside it.
"""

from __future__ import annotations

import math
import pickle
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tests.featurizers.pictures import flat, noise

import cutlist
from cutlist.backfill.featurizer import ENTRY_POINTS, declared
from cutlist_featurizers import black_borders, entropy, luminance, phash, saturation, sharpness

if TYPE_CHECKING:
    from tests.conftest import Made

    from cutlist.backfill import Featurizer

OF_PIXELS = (black_borders, entropy, luminance, phash, saturation, sharpness)

every = pytest.mark.parametrize("featurizer", OF_PIXELS, ids=lambda each: each.name)

ODD: dict[str, NDArray[np.uint8]] = {
    "one pixel": flat(7, 80, 200, height=1, width=1),
    "one white pixel": flat(255, 255, 255, height=1, width=1),
    "2 × 2": noise(3, 2, 2),
    "one row": noise(3, 1, 5),
    "one column": noise(3, 5, 1),
    "20,000 × 2": noise(3, 2, 20_000),
    "black": flat(0, 0, 0),
    "grey": flat(128, 128, 128),
    "one frame": noise(1, 3, 9, 7),
    "two frames": noise(2, 3, 9, 7),
    "a view": noise(5, 3, 18, 14)[::2, :, ::-2, ::2],
    "read-only": np.broadcast_to(np.uint8(9), (2, 3, 8, 8)),
}

BAD: dict[str, Any] = {
    "two dimensions": np.zeros((8, 8), np.uint8),
    "channels last": np.zeros((8, 8, 3), np.uint8),
    "clip, channels last": np.zeros((2, 8, 8, 3), np.uint8),
    "too many dimensions": np.zeros((1, 2, 3, 8, 8), np.uint8),
    "floats": np.zeros((3, 8, 8), np.float32),
    "no frame": np.zeros((0, 3, 8, 8), np.uint8),
    "no rows": np.zeros((3, 0, 8), np.uint8),
    "no columns": np.zeros((2, 3, 8, 0), np.uint8),
}


def rows(featurizer: Featurizer, values: list[Any]) -> list[dict[str, Any]]:
    """Return what a batch gives, one dict for each row."""
    columns = featurizer({"frames": values})
    assert all(len(column) == len(values) for column in columns.values())
    return [{name: column[i] for name, column in columns.items()} for i in range(len(values))]


def numbers(value: Any) -> list[float]:
    return [float(each) for each in value] if isinstance(value, list) else [float(value)]


@every
def test_declaration(featurizer: Featurizer) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    found = declared(project["entry-points"][ENTRY_POINTS][featurizer.name])
    assert found.featurizer is featurizer
    assert pickle.loads(pickle.dumps(featurizer)) is featurizer
    assert found.title == f"{featurizer.name}@1"
    assert featurizer.__doc__


@every
def test_inputs_are_sql_over_videos_and_images(featurizer: Featurizer, made: Made) -> None:
    of_videos, of_images = declared(featurizer).inputs
    with cutlist.connect(made.root) as session:
        assert len(session.compile(f"SELECT {of_videos} FROM my_videos")) == 24
        assert len(session.compile(f"SELECT {of_images} FROM my_images")) == 12


@every
def test_odd_pictures_have_finite_values_of_the_declared_types(featurizer: Featurizer) -> None:
    for what, row in zip(ODD, rows(featurizer, list(ODD.values())), strict=True):
        for field in featurizer.outputs:
            value = row[field.name]
            assert not isinstance(value, Exception), (what, value)
            assert all(map(math.isfinite, numbers(value))), (what, field.name)
            assert pa.array([value], type=field.type).type == field.type
            if pa.types.is_list(field.type):
                frames = ODD[what]
                assert len(value) == (frames.shape[0] if frames.ndim == 4 else 1)


@every
@pytest.mark.parametrize("what", BAD)
def test_bad_pictures_are_errors_of_their_rows(featurizer: Featurizer, what: str) -> None:
    good = noise(2, 3, 9, 7)
    before, bad, after = rows(featurizer, [good, BAD[what], good])
    assert before == after == rows(featurizer, [good])[0]
    for error in bad.values():
        assert isinstance(error, ValueError)
        with pytest.raises(
            ValueError, match=rf"{featurizer.name}: frames have dtype \w+ and shape \(.*\); expected uint8"
        ):
            raise error


@every
def test_rows_do_not_know_each_other(featurizer: Featurizer) -> None:
    pictures = list(ODD.values())
    alone = [rows(featurizer, [picture])[0] for picture in pictures]
    assert rows(featurizer, pictures) == alone
    assert rows(featurizer, pictures[::-1]) == alone[::-1]


@every
def test_an_empty_batch(featurizer: Featurizer) -> None:
    assert featurizer({"frames": []}) == {field.name: [] for field in featurizer.outputs}


@every
def test_an_image_is_a_clip_of_one_frame(featurizer: Featurizer) -> None:
    picture = noise(3, 40, 31)
    assert rows(featurizer, [picture]) == rows(featurizer, [picture[np.newaxis]])


@every
def test_pixels_are_left_as_they_were(featurizer: Featurizer) -> None:
    clip = noise(2, 3, 9, 7)
    featurizer({"frames": [clip]})
    assert np.array_equal(clip, noise(2, 3, 9, 7))
