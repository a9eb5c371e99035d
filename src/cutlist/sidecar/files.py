"""Where the sidecars of a selection are, and how one is made once, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cutlist.process.locks import alone
from cutlist.sampler import Buckets
from cutlist.sidecar.build import build
from cutlist.sidecar.sidecar import FORMAT, Sidecar, load

if TYPE_CHECKING:
    from cutlist.selection import Selection
    from cutlist.sidecar.survey import FragmentsOf, Keys


def sidecar_of(selection: Selection, keys: Keys, *, fragments_of: FragmentsOf | None = None) -> Sidecar:
    """Return a selection's sidecar: that which is there, else one that is made, and saved beside a saved selection.

    Args:
        selection: The training set.
        keys: Which columns have buckets, weights and costs. Buckets are text, whole numbers or BOOLEAN.
        fragments_of: Needed for `keys.fragments`.

    Raises:
        OrderError: if a column is not there, or has values that are no buckets, weights or costs.

    Warns:
        UserWarning: if the folder cannot be written; the sidecar is then in memory.
    """
    if not keys:
        return Sidecar(buckets=Buckets.whole(selection.num_samples))
    if selection.path is None:
        return build(selection, keys, fragments_of, None)
    found = _find(selection.path, selection.fingerprint, keys)
    if found is not None:
        return found
    name = hashlib.sha256(json.dumps([FORMAT, selection.fingerprint, asdict(keys)]).encode()).hexdigest()[:12]
    path = selection.path.with_suffix(f".{name}.buckets")
    with alone(path.with_suffix(".lock")):  # the other ranks of a machine wait, and find what the first one made
        found = _find(selection.path, selection.fingerprint, keys)
        return found or _make(selection, keys, fragments_of, path)


def _make(selection: Selection, keys: Keys, fragments_of: FragmentsOf | None, path: Path) -> Sidecar:
    """Make a sidecar in a folder, whole or not at all."""
    try:
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp"))
    except OSError as error:
        warnings.warn(f"{path}: cannot be written, so the buckets are made in memory: {error}", stacklevel=3)
        return build(selection, keys, fragments_of, None)
    try:
        made = temporary / path.name  # with the permissions of any new folder, which that of mkdtemp has not
        made.mkdir()
        build(selection, keys, fragments_of, made)
        shutil.rmtree(path, ignore_errors=True)  # a damaged one
        with contextlib.suppress(OSError):  # where nothing can be locked, another process may have been faster
            made.rename(path)
        return load(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _find(selection: Path, fingerprint: str, keys: Keys) -> Sidecar | None:
    """Return the sidecar that a saved selection has for these keys; one that has costs too will do."""
    wanted = asdict(keys)
    for path in _folders(selection):
        with contextlib.suppress(OSError, EOFError, ValueError, KeyError, TypeError):
            header = json.loads((path / "sidecar.json").read_text())
            if keys.cost_by is None:
                header["keys"]["cost_by"] = None
            if header["format"] == FORMAT and header["fingerprint"] == fingerprint and header["keys"] == wanted:
                return load(path)
    return None


def drop_sidecars(selection: Path) -> None:
    """Delete the sidecars of a saved selection."""
    for each in _folders(selection, r"(\..*\.tmp)?"):
        shutil.rmtree(each, ignore_errors=True)


def _folders(selection: Path, rest: str = "") -> list[Path]:
    """Return the folders of a selection's sidecars, which have its name, a digest and `.buckets`."""
    name = re.compile(rf"{re.escape(selection.stem)}\.[0-9a-f]{{12}}\.buckets{rest}")
    return sorted(each for each in selection.parent.glob("*.buckets*") if name.fullmatch(each.name))
