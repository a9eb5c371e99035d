"""Random histories of a table: after each backfill the column is that of the rows as they are, and no row was computed
that had not to be."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import lance
import pyarrow as pa
import pytest
from tests.backfill.tables import Red, append, picture, reds, validate, write_root

import cutlist
from cutlist.store import blob_array, blob_field

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class Model:
    """What the table must have: id → red of its picture; and the ids whose value is there and right."""

    def __init__(self, root: Path, seed: int):
        self.root, self.chance = root, random.Random(seed)
        self.red = {i: i % 251 for i in range(30)}
        self.done: set[int] = set()
        self.version = 1
        self.next_id = 30

    @property
    def dataset(self) -> Any:
        return lance.dataset(str(self.root / "t.lance"))

    def some(self) -> list[int]:
        return self.chance.sample(sorted(self.red), min(len(self.red), self.chance.randrange(1, 6)))

    def append(self) -> None:
        count = self.chance.randrange(1, 8)
        ids = range(self.next_id, self.next_id + count)
        append(self.root, ids)
        self.red |= {i: i % 251 for i in ids}
        self.next_id += count

    def delete(self) -> None:
        ids = self.some()[:2]
        self.dataset.delete(f"id IN ({', '.join(map(str, ids))})")
        for i in ids:
            del self.red[i]
            self.done.discard(i)

    def update_other(self) -> None:
        """Change a column that is no input: the rows move, and their media are copied."""
        self.dataset.update({"other": "other + 1"}, where=f"id IN ({', '.join(map(str, self.some()))})")

    def replace_media(self) -> None:
        ids = self.some()
        rows = pa.table({"id": ids, "caption": ["new"] * len(ids), "other": [9] * len(ids)})
        colours = [self.chance.randrange(251) for _ in ids]
        rows = rows.append_column(blob_field("image", "image"), blob_array([picture(each) for each in colours]))
        self.dataset.merge_insert("id").when_matched_update_all().execute(rows)
        for i, colour in zip(ids, colours, strict=True):
            if self.red[i] != colour:
                self.red[i] = colour
                self.done.discard(i)

    def compact(self) -> None:
        self.dataset.optimize.compact_files()

    def newer(self) -> None:
        self.version += 1
        self.done.clear()


def run(model: Model, scope: Collection[int] | None) -> None:
    """Backfill, all rows or some, and compare."""
    red = Red(version=model.version)
    where = None if scope is None else f"id IN ({', '.join(map(str, scope))})"
    with cutlist.connect(model.root, views=model.root) as session:
        report = session.backfill("t", red, where=where, progress=False)
        wanted = set(model.red) if scope is None else set(scope)
        assert report.num_changed == report.num_failed == 0
        assert set(red.calls) == wanted - model.done
        assert all(count == 1 for count in red.calls.values())
        model.done |= wanted
        values = reds(session)
        assert {i: values[i] for i in model.done} == {i: model.version * model.red[i] for i in model.done}
        assert set(values) == set(model.red)
    validate(model.root)


@pytest.mark.parametrize("seed", range(4))
def test_a_history(tmp_path: Path, seed: int) -> None:
    model = Model(write_root(tmp_path / "data"), seed)
    steps = [model.append, model.delete, model.update_other, model.replace_media, model.compact, model.newer]
    run(model, None)
    for _ in range(24):
        if model.chance.random() < 0.4:
            run(model, model.some() if model.chance.random() < 0.5 else None)
        else:
            model.chance.choice(steps)()
    run(model, None)
    run(model, None)
