"""A session over tables at versions that were given: `connect(root, versions={"t": 1})`.

- Those tables are at those versions, whatever is written later; the others at their latest.
- A version or a table that is not there is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lance_namespace
import numpy as np
import pyarrow as pa
import pytest

import cutlist
from cutlist.errors import CatalogError
from cutlist.store import Store

IGNORED = "a table of that name that is not there is passed over, and so is one in other letters: the latest is taken"


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A root with a table `t`, whose version n has n rows, up to 3; and `u` with one."""
    store = Store.at(tmp_path)
    for number in range(3):
        store.append("t", pa.table({"i": [number]}), message="test")
    store.append("u", pa.table({"i": [10]}), message="test")
    return str(tmp_path)


def rows(session: cutlist.Session, query: str = "SELECT i FROM t ORDER BY i") -> list[int]:
    return [row[0] for row in session.sql(query).fetchall()]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions_are_pinned(root: str, version: int) -> None:
    with cutlist.connect(root, versions={"t": version}) as session:
        assert {name: table.version for name, table in session.tables.items()} == {"t": version, "u": 1}
        assert rows(session) == list(range(version))
        selection = session.compile("SELECT t.i FROM t CROSS JOIN u")
        assert [str(each) for each in selection.tables] == [f"t@{version}", "u@1"]
        assert selection.num_samples == version
        session.store.append("t", pa.table({"i": [99]}), message="test")
        assert rows(session) == list(range(version))
        assert rows(session, "SELECT i FROM T AT (VERSION => 3) ORDER BY i") == [0, 1, 2]
        assert session.compile("SELECT t.i FROM t CROSS JOIN u").fingerprint == selection.fingerprint
    with cutlist.connect(root) as session:
        assert rows(session) == [0, 1, 2, 99]


def test_pinned_and_not_give_one_selection_for_one_version(root: str) -> None:
    with cutlist.connect(root, versions={"t": 3}) as pinned, cutlist.connect(root) as latest:
        assert pinned.compile("SELECT i FROM t").path == latest.compile("SELECT i FROM t").path
    with cutlist.connect(root, versions={"t": 2}) as pinned, cutlist.connect(root) as latest:
        assert pinned.compile("SELECT i FROM t").fingerprint != latest.compile("SELECT i FROM t").fingerprint
        travelled = latest.compile("SELECT i FROM t AT (VERSION => 2)")
        assert pinned.compile("SELECT i FROM t").fingerprint == travelled.fingerprint


def test_refreshing_moves_on_to_the_latest(root: str) -> None:
    with cutlist.connect(root, versions={"t": 1}) as session:
        assert rows(session.refresh()) == [0, 1, 2]


@pytest.mark.parametrize("versions", [None, {}])
def test_without_versions_the_latest_is_taken(root: str, versions: dict[str, int] | None) -> None:
    with cutlist.connect(root, versions=versions) as session:
        assert session.tables["t"].version == 3


@pytest.mark.parametrize(
    ("version", "match"),
    [
        (4, r"^table t has no version 4 yet; its latest is 3$"),
        (10**9, r"^table t has no version 1000000000 yet; its latest is 3$"),
        (0, r"^versions: version 0 of table t; expected a whole number of at least 1, or a tag$"),
        ("nothing", r'^table t has no tag "nothing"\. Its tags: none\.$'),
        pytest.param(-1, "version -1"),
        pytest.param(1.5, r"1\.5.*whole number"),
    ],
)
def test_versions_that_are_not_there(root: str, version: Any, match: str) -> None:
    with pytest.raises(CatalogError, match=match):
        cutlist.connect(root, versions={"t": version})


def test_a_version_of_numpy(root: str) -> None:
    with cutlist.connect(root, versions={"t": np.int64(2)}) as session:  # type: ignore[dict-item]
        assert session.tables["t"].version == 2


def test_tables_that_are_not_there(root: str) -> None:
    with pytest.raises(CatalogError, match=r'"tt"; did you mean "t"\?'):
        cutlist.connect(root, versions={"t": 1, "tt": 1})


def test_names_ignore_case_as_in_sql(root: str) -> None:
    with cutlist.connect(root, versions={"T": 1}) as session:
        assert session.tables["t"].version == 1


def test_a_folder_is_listed_as_lance_does(root: str) -> None:
    top = Path(root)
    for name in ("a.b.lance", "empty.lance", "with space.lance", "gone.lance", "plain", "Up.LANCE"):
        (top / name).mkdir()
    (top / "gone.lance" / ".lance-deregistered").touch()
    (top / "linked.lance").symlink_to(top / "t.lance")
    namespace = lance_namespace.connect("dir", {"root": root})
    listed = namespace.list_tables(lance_namespace.ListTablesRequest(id=[])).tables
    assert Store.at(root).table_names() == sorted(listed)
    assert Store.at(top / "nowhere").table_names() == []


def test_refreshing_reads_the_views_anew(root: str, tmp_path: Path) -> None:
    folder = tmp_path / "views"
    folder.mkdir()
    (folder / "one.sql").write_text("SELECT 1 AS n")
    with cutlist.connect(root, views=folder) as session:
        (folder / "one.sql").write_text("SELECT 2 AS n")
        (folder / "two.sql").write_text("SELECT n + 1 AS n FROM one")
        assert session.sql("FROM one").fetchall() == [(1,)]
        session.refresh()
        assert session.sql("FROM two").fetchall() == [(3,)]
        (folder / "one.sql").unlink()
        assert list(session.refresh().views) == ["two"]
