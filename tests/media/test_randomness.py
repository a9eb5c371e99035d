"""What is random is a function of (seed, epoch, sample) and of nothing else.

- Golden numbers: changing them is an ITERATION ORDER BREAKING CHANGE.
- The numbers are uniform, and unrelated from one seed, epoch, sample and kind to the next; media of one row share them.
- A crop and a clip lie inside their input, wherever the number falls; all corners of a crop are equally likely.
- Rows do not depend on threads, steps or order; another epoch or seed gives others.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cutlist
from cutlist.errors import MediaError
from cutlist.media import Op, decode, resolve
from cutlist.media.geometry import steps
from cutlist.media.timeline import interval, settle
from cutlist.reader import Reader

if TYPE_CHECKING:
    from tests.conftest import Made

EVERY = (Op("random_clip", (2.0,)), Op("random_crop", (8, 8)), Op("random_flip", (0.5,)))
GOLDEN = [
    [0.04808587217812854, 0.21149875776616078, 0.9176310065374316, 0.9744759293865043],
    [0.848482971734399, 0.5742186922985032, 0.6271495873788673, 0.8844024891365234],
]

NUMBERS = st.floats(0, 1, exclude_max=True)


def numbers(seed: int, epoch: int, sample: int) -> list[float]:
    clip, crop, flip = resolve(EVERY, seed=seed, epoch=epoch, sample=sample)
    return [clip.args[1], *crop.args[2:], flip.args[1]]


def test_golden_numbers() -> None:
    assert numbers(0, 0, 0) == GOLDEN[0]
    assert numbers(2**64 - 1, 10**6, 10**12) == GOLDEN[1]


def test_numbers_are_uniform_and_unrelated() -> None:
    drawn = np.array([numbers(seed, epoch, sample) for seed in (0, 1) for epoch in range(4) for sample in range(2_000)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.unique(drawn).size == drawn.size
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.05
    by_epoch = drawn.reshape(8, 2_000, 4)[:, :, 0]
    assert np.abs(np.corrcoef(by_epoch) - np.eye(8)).max() < 0.12


def test_only_what_is_random_is_changed_and_only_once() -> None:
    ops = (Op("resize", (9, 9)), *EVERY, Op("audio", (8000,)))
    once = resolve(ops, seed=3, epoch=4, sample=5)
    assert (once[0], once[-1]) == (ops[0], ops[-1])
    assert resolve(once, seed=9, epoch=9, sample=9) == once


@given(width=st.integers(1, 300), height=st.integers(1, 300), room=st.tuples(NUMBERS, NUMBERS), data=st.data())
def test_a_crop_lies_inside(width: int, height: int, room: tuple[float, float], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    ((cut, corner, flip),) = steps(width, height, [Op("random_crop", (*size, *room))])
    assert corner is not None
    assert (cut, flip) == (size, False)
    assert 0 <= corner[0] <= width - size[0]
    assert 0 <= corner[1] <= height - size[1]


def test_every_corner_of_a_crop_is_equally_likely() -> None:
    corners = [
        steps(13, 10, resolve([Op("random_crop", (10, 10))], seed=0, epoch=0, sample=sample))[0].corner
        for sample in range(4_000)
    ]
    counts = [corners.count((x, 0)) for x in range(4)]
    assert sum(counts) == 4_000
    assert max(abs(count - 1_000) for count in counts) < 140  # five standard deviations


@given(
    end=st.fractions(0.01, 5000),
    seconds=st.floats(0.01, 5000),
    number=NUMBERS,
    clip=st.none() | st.tuples(NUMBERS, NUMBERS),
)
def test_a_clip_lies_inside(end: Fraction, seconds: float, number: float, clip: tuple[float, float] | None) -> None:
    low, high = Fraction(0), end
    before = []
    if clip is not None:
        start = clip[0] * float(end) * 0.9
        before = [Op("clip", (start, start + 0.01 + clip[1]))]
        low, high = Fraction(start), min(Fraction(before[0].args[1]), end)
    (op,) = settle([*before, Op("random_clip", (seconds, number))], end)
    begin, last = interval(op)
    assert last is not None
    assert low <= begin < last
    assert last <= max(high, low + Fraction(seconds)) + Fraction(1, 10**9)
    assert last - begin <= Fraction(seconds) + Fraction(1, 10**9)
    if high - low > seconds + 1e-5:
        assert float(last - begin) == pytest.approx(seconds, abs=1e-9)


def test_frames_of_a_random_clip_of_whole_frames_are_always_as_many() -> None:
    times = [Fraction(k, 25) for k in range(250)]
    for sample in range(300):
        (op,) = settle(resolve([Op("random_clip", (2.0,))], seed=0, epoch=0, sample=sample), Fraction(10))
        low, high = interval(op)
        assert high is not None
        assert sum(low <= time < high for time in times) == 50


def test_a_flip_mirrors_and_keeps_its_place_in_the_order() -> None:
    picture = b"P5 3 1 255 abc"
    flip = Op("random_flip", (0.5, 0.4))
    first = decode(picture, [flip, Op("crop", (0, 0, 1, 1))])
    last = decode(picture, [Op("crop", (0, 0, 1, 1)), flip])
    assert isinstance(first, np.ndarray)
    assert isinstance(last, np.ndarray)
    assert (first[0, 0, 0], last[0, 0, 0]) == (ord("c"), ord("a"))
    assert np.array_equal(decode(picture, [Op("random_flip", (0.5, 0.5))]), decode(picture, []))


@pytest.mark.parametrize("op", EVERY)
def test_what_is_not_resolved_is_refused(op: Op) -> None:
    with pytest.raises(MediaError, match=r"nothing is drawn for it yet; resolve\(ops, seed=…, epoch=…, sample=…\)"):
        steps(64, 48, [op]) if op.name != "random_clip" else settle([op], Fraction(9))


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ([Op("random_crop", (9, 1, 0.5, 0.5))], r"outside the picture, which is 3x1"),
        ([Op("random_crop", (1.5, 1, 0.5, 0.5))], "pixels must be whole numbers"),
        ([Op("random_clip", (1.0, 0.5))], "this is an image, and random_clip works on video"),
    ],
)
def test_what_does_not_fit_is_said(ops: list[Op], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(b"P5 3 1 255 abc", ops)
    with pytest.raises(MediaError, match="the seconds must be a positive number"):
        settle([Op("random_clip", (math.inf, 0.5))], Fraction(9))
    with pytest.raises(MediaError, match="after at_fps or frames: clip first"):
        settle([Op("frames", (3,)), Op("random_clip", (2.0, 0.5))], Fraction(9))


def test_rows_depend_on_seed_epoch_and_position_alone(made: Made) -> None:
    query = (
        "SELECT random_flip(random_crop(image, 40, 30)) AS a, [random_crop(resize(image, 64, 48), 40, 30)] AS b "
        "FROM my_images ORDER BY id"
    )
    with cutlist.connect(made.root, views=made.views) as session:
        selection = session.compile(query)

        def rows(parts: list[list[Any]], **options: Any) -> list[dict[str, Any]]:
            return [row for rows in Reader([selection], session.store, **options).read(parts) for row in rows]

        first = rows([[(0, np.arange(12), 1)]], seed=7)
        again = rows([[(0, np.array([k]), 1)] for k in reversed(range(12))], seed=7, num_threads=3)[::-1]
        for one, other in zip(first, again, strict=True):
            assert np.array_equal(one["a"], other["a"])
            assert np.array_equal(one["b"][0], other["b"][0])
        for seed, epoch in ((8, 1), (7, 2)):
            others = rows([[(0, np.arange(12), epoch)]], seed=seed)
            assert sum(not np.array_equal(one["a"], other["a"]) for one, other in zip(first, others, strict=True)) > 9
        default = rows([[(0, np.arange(12))]])
        same = rows([[(0, np.arange(12), 0)]], seed=0)
        assert all(np.array_equal(one["a"], other["a"]) for one, other in zip(default, same, strict=True))
