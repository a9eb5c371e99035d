"""Tables that several processes make and append to at once lose no row."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from cutlist.store import Store

root: Any = importlib.import_module("cutlist.store.root")


@pytest.mark.parametrize("at_once", [2, 3])
def test_tables_that_are_made_at_once_have_the_rows_of_all(tmp_path: Path, at_once: int) -> None:
    """What `write_dataset(mode="create")` of Lance does not keep: there, the last one wins."""
    written, write = threading.Barrier(at_once), root.write_fragments

    def write_and_wait(*given: Any, **options: Any) -> Any:
        made = write(*given, **options)
        written.wait(30)
        return made

    stores = [Store(root=str(tmp_path)) for _ in range(at_once)]
    with mock.patch.object(root, "write_fragments", write_and_wait), ThreadPoolExecutor(at_once) as pool:
        jobs = [pool.submit(store.append, "t", pa.table({"k": [k] * 5}), message="m") for k, store in enumerate(stores)]
        for job in jobs:
            job.result()
    rows = stores[0].open("t").dataset.to_table()["k"].to_pylist()
    assert sorted(rows) == sorted([k for k in range(at_once) for _ in range(5)])
