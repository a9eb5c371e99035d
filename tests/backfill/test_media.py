"""Media that featurizers make: a column of references like any other, of what they returned.

- Bytes and arrays come back as they were; media of other rows, columns and versions stay as they are.
- Only rows that lack a value are computed; a feature is not stale because another one made media beside it.
- What is no medium is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.backfill.tables import Red, append, media_files, picture, reds, write_root

import cutlist
from cutlist.backfill import Batch, Featurizer
from cutlist.errors import FeaturizerError
from cutlist.reader import Reader
from cutlist.store import blob_field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cutlist import Session

NUM_ROWS = 30


class Made(Featurizer):
    """A map of each picture, of a size of its own: small ones and one of 300 kB; and a picture."""

    name = "made"
    outputs = (blob_field("depth", "tensor"), blob_field("copied", "image"), pa.field("size", pa.int64()))
    inputs = "id, image"
    batch_size = 4

    def __init__(self, version: int = 1):
        self.version = version

    def value(self, i: int) -> Any:
        return np.full((i + 1, 300_000 if i == 7 else 3), self.version * i, np.float16)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        ids = batch["id"]
        maps = [ValueError("none of 5") if i == 5 else self.value(i) for i in ids]
        return {"depth": maps, "copied": [picture(i) if i % 2 else None for i in ids], "size": [i + 1 for i in ids]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "data", broken=[3])


@pytest.fixture
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root) as opened:
        yield opened


def decoded(session: Session, query: str) -> dict[int, dict[str, Any]]:
    selection = session.compile(query)
    steps = Reader([selection], session.store).read([[(0, np.arange(len(selection)))]])
    return {row["id"]: dict(row) for rows in steps for row in rows}


def check(session: Session, made: dict[int, Made]) -> None:
    """Compare all rows with what the featurizer, by id, has made of each."""
    rows = decoded(session.refresh(), "SELECT id, depth, copied, size FROM t")
    for i, row in rows.items():
        if i not in made or i in (3, 5):
            assert (row["depth"], row["copied"], row["size"]) == (None, None, None)
            continue
        assert row["depth"].dtype == np.float16
        np.testing.assert_array_equal(row["depth"], made[i].value(i))
        assert row["size"] == i + 1
        assert (row["copied"] is None) == (i % 2 == 0)
        assert row["copied"] is None or row["copied"][0, 0, 0] == i % 251


def test_they_come_back_and_others_stay(session: Session, root: Path) -> None:
    before = media_files(root)
    session.backfill("t", Red())
    assert session.backfill("t", Made(), where="id < 9").num_failed == 2
    check(session, {i: Made() for i in range(9)})
    old = session.compile("SELECT id, depth FROM t WHERE id < 3 ORDER BY id")
    report = session.backfill("t", Made())
    assert (report.num_computed, report.num_before, report.num_failed_before) == (21, 7, 2)
    check(session, {i: Made() for i in range(NUM_ROWS)})
    append(root, [30, 31])
    assert session.backfill("t", Made()).num_computed == 2
    assert session.backfill("t", Made(2), where="id BETWEEN 8 AND 12").num_computed == 5
    check(session, {i: Made(2 if 8 <= i <= 12 else 1) for i in range(32)})
    (row, *_) = next(Reader([old], session.store).read([[(0, np.array([2]))]]))
    np.testing.assert_array_equal(row["depth"], Made().value(2))
    after = media_files(root)
    assert {name: after[name] for name in before} == before
    assert session.tables["t"].media_columns == {"image": "image", "depth": "tensor", "copied": "image"}
    assert decoded(session, "SELECT id, image FROM t WHERE id = 4")[4]["image"][0, 0, 0] == 4


def test_no_feature_is_stale_because_of_media_beside_it(session: Session) -> None:
    session.backfill("t", Red())
    session.backfill("t", Made())
    session.backfill("t", Made(2))
    status = {each.featurizer: (each.num_filled, each.num_stale, each.num_failed) for each in session.status("t")}
    assert status == {"red@1": (29, 0, 1), "made@2": (28, 0, 2)}
    assert session.backfill("t", Red()).num_computed == 0
    assert session.backfill("t", Made(2)).num_computed == 0


def test_what_is_made_of_made_media_is_stale_with_them(session: Session) -> None:
    class Mean(Featurizer):
        name = "mean"
        inputs = "depth"
        outputs = (pa.field("mean", pa.float32()),)

        def __call__(self, batch: Batch) -> list[float]:
            return [float(each.astype(np.float32).mean()) for each in batch["depth"]]

    session.backfill("t", Made())
    session.backfill("t", Mean())
    assert reds(session, "mean")[9] == 9
    session.backfill("t", Made(2), where="id = 9")
    assert session.backfill("t", Mean()).num_computed == 1
    assert (reds(session, "mean")[9], reds(session, "mean")[8]) == (18, 8)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "a str for t@.*expected bytes, or an array of numbers"),
        (np.array([None]), "a ndarray for t@.*expected bytes"),
        (np.array(["a"]), "a ndarray for t@.*expected bytes"),
    ],
)
def test_what_is_no_medium(session: Session, value: Any, said: str) -> None:
    class Odd(Featurizer):
        name = "odd"
        inputs = "id"
        outputs = (blob_field("odd", "tensor"),)

        def __call__(self, batch: Batch) -> list[Any]:
            return [value for _ in batch["id"]]

    with pytest.raises(FeaturizerError, match=said):
        session.backfill("t", Odd())
