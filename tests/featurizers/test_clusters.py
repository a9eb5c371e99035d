"""Clusters: what lies together is together, the largest first; balanced sampling from them is a weight."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutlist
from cutlist.backfill import declared, declared_again
from cutlist.backfill.featurizer import ENTRY_POINTS
from cutlist.errors import FeaturizerError
from cutlist.store import Store
from cutlist_featurizers.clusters import Clusters, clusters_of
from cutlist_featurizers.kmeans import apart, moved_centres, nearest_centres, unit_vectors
from cutlist_torch import Loader

SIZES = (200, 60, 30, 10)


def blobs(sizes: tuple[int, ...] = SIZES, length: int = 16, seed: int = 0) -> tuple[Any, Any]:
    """Return vectors around a few directions, float32, in an order by chance, and which direction each is of."""
    rng = np.random.default_rng(seed)
    directions = 8 * np.eye(length)[: len(sizes)]
    which = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (directions[which] + 0.3 * rng.standard_normal((len(which), length))).astype(np.float32), which


@pytest.mark.parametrize("seed", range(5))
def test_what_lies_together_is_together_the_largest_first(seed: int) -> None:
    vectors, expected = blobs(seed=seed)
    which, cosines = clusters_of(unit_vectors(vectors)[0], len(SIZES), seed=seed)
    assert which.tolist() == expected.tolist()
    assert (cosines > 0.9).all()


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32))
def test_every_vector_is_in_the_cluster_whose_centre_is_nearest(rows: int, count: int, length: int, seed: int) -> None:
    units, usable = unit_vectors(np.random.default_rng(seed).integers(-2, 3, (rows, length)).astype(np.float32))
    units = units[usable]
    which, cosines = clusters_of(units, count, seed=seed)
    again = clusters_of(units, count, seed=seed)
    assert (which == again[0]).all()
    assert (cosines == again[1]).all()
    if len(units) == 0:
        return
    different = len(np.unique(units.round(4), axis=0))
    sizes = np.bincount(which)
    assert len(sizes) <= min(count, different)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()
    if count >= different:
        assert len(sizes) == different
        np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_centres_start_apart_and_do_not_get_worse() -> None:
    units = unit_vectors(blobs()[0])[0]
    start = apart(units, 4, np.random.default_rng(1))
    assert len(np.unique(start, axis=0)) == 4
    means = [nearest_centres(units, moved_centres(units, start, rounds))[1].mean() for rounds in (0, 1, 5, 20)]
    assert means == sorted(means)


def test_declaration() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    found = declared(project["entry-points"][ENTRY_POINTS]["clusters"])
    assert (found.title, found.reference) == ("clusters@1", "cutlist_featurizers.clusters:Clusters")
    mine = declared(Clusters("v", 7, 3))
    assert mine.fingerprint != found.fingerprint
    assert mine.reference is not None
    assert declared_again(mine.reference, mine.parameters).fingerprint == mine.fingerprint
    with pytest.raises(FeaturizerError, match="num_clusters 0; expected a number of clusters, at least 1"):
        Clusters(num_clusters=0)


def test_balanced_sampling_from_clusters_is_a_view(tmp_path: Path) -> None:
    vectors, which = blobs()
    values: list[Any] = [*vectors.tolist(), None, [0.0] * 16]
    table = pa.table({"id": range(len(values)), "v": pa.array(values, pa.list_(pa.float32(), 16))})
    Store.at(tmp_path / "data").append("t", table, message="test")
    views = tmp_path / "sql"
    views.mkdir()
    (views / "balanced.sql").write_text(
        "SELECT id, cluster, 1 / count(*) OVER (PARTITION BY cluster) AS weight FROM t WHERE cluster IS NOT NULL"
    )
    with cutlist.connect(tmp_path / "data", views=views) as session:
        report = session.backfill("t", Clusters("v", 4))
        assert (report.num_computed, report.num_failed) == (300, 1)
        found = session.sql("SELECT cluster FROM t ORDER BY id").fetchall()
        assert [cluster for (cluster,) in found] == [*which.tolist(), None, None]
        nearest = session.sql(
            "SELECT cluster, id FROM t WHERE cluster IS NOT NULL "
            "QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY cluster_similarity DESC, id) <= 2 ORDER BY 1, 2"
        ).fetchall()
        assert [cluster for cluster, _ in nearest] == [0, 0, 1, 1, 2, 2, 3, 3]
        assert session.sql("REFRESH COLUMN cluster ON t").pl()["num_computed"].to_list() == [0]
    loader = Loader("balanced", root=tmp_path / "data", views=views, batch_size=10, weight_by="weight", seed=0)
    drawn = np.bincount(np.concatenate([batch["cluster"] for batch in loader]), minlength=4)
    assert drawn.sum() == 300
    assert ((drawn > 60) & (drawn < 90)).all()  # of 200, 60, 30 and 10 rows
