"""A kind of one's own: registered in a line, or installed as an entry point; through tables, reader and loader."""

from __future__ import annotations

import importlib.metadata
import io
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import cutlist
from cutlist.errors import MediaError
from cutlist.media import Op, decode, register, registry
from cutlist.reader import Reader
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

POINTS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_DECODERS", dict(registry._DECODERS))
    yield
    registry._installed.cache_clear()


def points(source: Any, ops: Sequence[Op]) -> np.ndarray[Any, Any]:
    data = source if isinstance(source, bytes) else source.read()
    for op in ops:
        raise ValueError(f"{op} means nothing to points")
    return np.frombuffer(data, np.float32).reshape(-1, 3)


def test_the_last_one_registered_counts() -> None:
    register("points", lambda source, ops: b"first")
    register("points", points)
    got = decode(POINTS.tobytes(), [], kind="points")
    assert isinstance(got, np.ndarray)
    assert got.tolist() == POINTS.tolist()
    assert decode(POINTS.tobytes(), [Op("raw")], kind="points") == POINTS.tobytes()


def test_what_it_raises_is_a_media_error() -> None:
    register("points", points)
    with pytest.raises(MediaError, match=r"cannot decode: resize\(2, 2\) means nothing to points \(ValueError\)"):
        decode(POINTS.tobytes(), [Op("resize", (2, 2))], kind="points")


def test_a_kind_that_is_not_registered_goes_by_its_bytes() -> None:
    got = decode(b"P6 2 1 255 RGBrgb", [], kind="satellite")
    assert isinstance(got, np.ndarray)
    assert got.shape == (3, 1, 2)
    with pytest.raises(MediaError, match=r"\(and no decoder is registered for kind 'points'\)"):
        decode(POINTS.tobytes(), [], kind="points")


@pytest.mark.parametrize(("kind", "decoder"), [("", points), ("points", None)])
def test_what_cannot_be_registered_is_said(kind: str, decoder: Any) -> None:
    with pytest.raises(MediaError, match=r"expected the name of a kind and a function \(source, ops\)"):
        register(kind, decoder)


def test_an_entry_point_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        EntryPoint("loud", "json:loads", registry.ENTRY_POINTS),
        EntryPoint("gone", "no_such_module:decode", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **which: EntryPoints(found).select(**which))
    registry._installed.cache_clear()
    assert registry.decoder_of("loud") is not None
    assert registry.decoder_of("other") is None
    with pytest.raises(MediaError, match=r"the decoder of kind 'gone', no_such_module:decode, cannot be imported"):
        decode(b"x", [], kind="gone")
    assert not importlib.metadata.entry_points(group=registry.ENTRY_POINTS, name="loud")


def test_of_a_column_through_sql(tmp_path: Path) -> None:
    register("points", points)
    depth = np.full((3, 4), 1.5, np.float16)
    rows = pa.table(
        [blob_array([POINTS.tobytes(), None]), blob_array([_npy(depth), _npy(depth)]), pa.array([0, 1])],
        schema=pa.schema([blob_field("scan", "points"), blob_field("depth", "tensor"), pa.field("id", pa.int64())]),
    )
    Store(root=str(tmp_path)).append("scans", rows, message="test")
    with cutlist.connect(tmp_path) as session:
        selection = session.compile("SELECT scan, depth, raw(scan) AS bytes FROM scans ORDER BY id")
        assert [each.kind for each in selection.sources] == ["points", "tensor"]
        ((first, second),) = Reader([selection], session.store).read([[(0, np.arange(2))]])
    assert first["scan"].tolist() == POINTS.tolist()
    assert (first["depth"].dtype, first["depth"].tolist()) == (np.float16, depth.tolist())
    assert first["bytes"] == POINTS.tobytes()
    assert second["scan"] is None


SCRIPT = """
import sys
import numpy as np
from torch.utils.data import DataLoader
from cutlist.media import register
from cutlist_torch import Loader

register("points", lambda source, ops: np.frombuffer(source, np.float32).reshape(-1, 3).copy())

if __name__ == "__main__":
    loader = Loader("SELECT scan FROM scans", root=sys.argv[1], batch_size=1, shuffle=None)
    under = DataLoader(loader, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    print([tuple(batch["scan"][0].shape) for batch in under])
"""


def test_in_spawned_workers_a_registration_of_the_main_script_counts(tmp_path: Path) -> None:
    rows = pa.table([blob_array([POINTS.tobytes()] * 2)], schema=pa.schema([blob_field("scan", "points")]))
    Store(root=str(tmp_path / "data")).append("scans", rows, message="test")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, tmp_path / "data"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(4, 3), (4, 3)]"


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
