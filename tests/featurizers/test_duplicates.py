"""Groups of near-duplicates against all pairs compared one by one, and copies of real photos.

- `hamming_groups` gives the connected components that all pairs give, however many bands agree and however long its
  buckets are; so does `cosine_groups` of few vectors.
- `cosine_groups` of many vectors, in clusters, splits no group and joins none that all pairs do not.
- One row of each group is its representative, and ids of groups stay when rows are appended.
"""

from __future__ import annotations

import io
import pickle
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.featurizers.pictures import decoded, interleaved, photo_files

from cutlist.backfill import declared
from cutlist.backfill.featurizer import ENTRY_POINTS
from cutlist.errors import FeaturizerError
from cutlist.media import Op
from cutlist_featurizers import Duplicates, EmbeddingDuplicates, components, cosine, hamming
from cutlist_featurizers.components import Components, join_all
from cutlist_featurizers.cosine import cosine_groups
from cutlist_featurizers.duplicates import representatives
from cutlist_featurizers.hamming import hamming_groups
from cutlist_featurizers.kmeans import unit_vectors
from cutlist_featurizers.phash import dct_hash

Floats = NDArray[np.float32]
SIMILARITY = 0.95


def of_pairs(near: NDArray[np.bool_]) -> list[int]:
    """Return the smallest position in the connected component of each position: (n, n) → n, by walking."""
    found = [-1] * len(near)
    for start in range(len(near)):
        waiting = [start] if found[start] < 0 else []
        while waiting:
            place = waiting.pop()
            if found[place] < 0:
                found[place] = start
                waiting.extend(np.flatnonzero(near[place]).tolist())
    return found


def of_hashes(hashes: NDArray[np.uint64], max_distance: int) -> list[int]:
    return of_pairs(np.bitwise_count(hashes[:, np.newaxis] ^ hashes) <= max_distance)


def of_vectors(vectors: Floats, min_similarity: float) -> list[int]:
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return of_pairs(units @ units.T >= min_similarity)


# -- hashes -----------------------------------------------------------------------------------------------------------


def flipped(hashes: NDArray[np.uint64], bits: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return hashes that differ from these in exactly so many bits."""
    places = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (len(hashes), 1)), axis=1)[:, :bits]
    made: NDArray[np.uint64] = hashes ^ np.bitwise_or.reduce(np.uint64(1) << places, axis=1, initial=0)
    return made


def uniform(count: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


@st.composite
def hashes_and_distance(draw: st.DrawFn) -> tuple[NDArray[np.uint64], int]:
    """Draw hashes that are copies of a few in some order, most of them about `max_distance` bits from each other."""
    max_distance = draw(st.integers(0, 20))
    hashes = [draw(st.sampled_from([0, 1 << 63, 2**64 - 1, draw(st.integers(0, 2**64 - 1))]))]
    for _ in range(draw(st.integers(0, 30))):
        places = draw(st.sets(st.integers(0, 63), min_size=max(max_distance - 1, 0), max_size=max_distance + 1))
        hashes.append(draw(st.sampled_from(hashes)) ^ sum(1 << place for place in places))
    return np.array(draw(st.permutations(hashes)), dtype=np.uint64), max_distance


@pytest.fixture(params=[None, 0, 1, 2, 3], ids=lambda agree: f"{agree} bands agree")
def agree(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have so many bands agree, of which few hashes choose 0; None: as it chooses."""
    if request.param is not None:
        monkeypatch.setattr(hamming, "_bands_to_agree", lambda distance, count: min(request.param, 64 - distance))
    return request.param


@pytest.mark.parametrize("short", [1, 2, 5, 512])
@given(drawn=hashes_and_distance())
@example(drawn=(np.zeros(0, np.uint64), 8))
@example(drawn=(np.zeros(1, np.uint64), 8))
@example(drawn=(np.zeros(9, np.uint64), 0))
@example(drawn=(np.array([0, 2**64 - 1], np.uint64), 63))
@example(drawn=(np.array([0, 2**64 - 1], np.uint64), 64))
def test_hashes_near_the_bound(short: int, drawn: tuple[NDArray[np.uint64], int]) -> None:
    hashes, max_distance = drawn
    expected = of_hashes(hashes, max_distance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "SHORT", short)
        for number in range(4):
            patch.setattr(hamming, "_bands_to_agree", lambda d, n, number=number: min(number, 64 - d))
            assert hamming_groups(hashes, max_distance).tolist() == expected


@pytest.mark.parametrize("max_distance", [0, 1, 4, 8, 12])
def test_copies_among_random_hashes(agree: int | None, max_distance: int) -> None:
    rng = np.random.default_rng(max_distance)
    some = uniform(300)
    near, far = flipped(some, max_distance, rng), flipped(some[:100], max_distance + 1, rng)
    hashes = rng.permutation(np.concatenate([some, near, far]))
    assert hamming_groups(hashes, max_distance).tolist() == of_hashes(hashes, max_distance)


def test_a_chain_is_one_group(agree: int | None) -> None:
    """Each link differs from the one before in 8 other bits, so that its ends differ in all of the 64."""
    links = [sum(0xFF << 8 * i for i in range(length)) for length in range(9)]
    assert set(hamming_groups(np.array(links, dtype=np.uint64), 8).tolist()) == {0}
    assert hamming_groups(np.array(links, dtype=np.uint64), 7).tolist() == list(range(9))
    walk = np.cumsum(np.ones(400, int)) % 64  # one bit at a time, in an order that no sorting finds
    steps = np.bitwise_xor.accumulate(np.uint64(1) << walk.astype(np.uint64))
    assert len(set(hamming_groups(np.random.default_rng(0).permutation(steps), 1).tolist())) == 1


def test_hashes_that_agree_in_most_bits(agree: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of little detail: bits that are never set, so that whole bands agree in all of the hashes."""
    monkeypatch.setattr(components, "ROWS", 16)
    monkeypatch.setattr(components, "COLUMNS", 50)
    for free in (0x3F, 0x1111_1111_1111_1111, 0xFFFF, 0x8000_0000_0000_0FFF):
        hashes = uniform(700, seed=free) & np.uint64(free)
        for max_distance in (1, 2, 3):
            assert hamming_groups(hashes, max_distance).tolist() == of_hashes(hashes, max_distance)


def test_all_equal() -> None:
    assert not hamming_groups(np.zeros(100_000, np.uint64), 8).any()
    assert not hamming_groups(np.full(1000, 2**64 - 1, np.uint64), 0).any()


def test_comparisons_grow_with_the_rows() -> None:
    """Counted, not timed: of eight times as many hashes 32 times as many at most, sorting included; not 64 times."""

    def work(count: int) -> int:
        hashes, masks = uniform(count), list(hamming._masks(8, hamming._bands_to_agree(8, count)))
        inside = 0
        for mask in masks:
            keys = np.sort(hashes & mask)
            sizes = np.diff(np.flatnonzero(np.diff(keys, prepend=~keys[:1])), append=count)
            inside += int((sizes * (sizes - 1) // 2).sum())
        return inside + hamming.SORT_COST * count * len(masks)

    few, many = work(60_000), work(480_000)
    assert many < 32 * few
    assert many < 480_000**2 / 2 / 20


def test_each_choice_of_bands_has_all_bits_of_its_bands() -> None:
    for max_distance, agree in ((8, 2), (4, 1), (60, 4), (3, 0)):
        masks = [int(mask) for mask in hamming._masks(max_distance, agree)]
        assert len(set(masks)) == len(masks)
        bits = [mask.bit_count() for mask in masks]
        assert sum(bits) * (max_distance + agree) == 64 * agree * len(masks)


@pytest.mark.parametrize(
    ("hashes", "distance", "text"),
    [
        (np.zeros(3, np.int64), 8, r"hashes have dtype int64 and shape \(3,\); expected uint64 of shape \(n,\)"),
        (np.zeros((3, 2), np.uint64), 8, r"hashes have dtype uint64 and shape \(3, 2\)"),
        (np.zeros(3, np.uint64), -1, r"max_distance -1: expected a number of bits in \[0, 64\]"),
        (np.zeros(3, np.uint64), 65, r"max_distance 65"),
    ],
)
def test_what_is_no_hashes(hashes: Any, distance: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        hamming_groups(hashes, distance)


# -- vectors ----------------------------------------------------------------------------------------------------------


def noise(count: int, size: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32)


def turned(vectors: Floats, cosines: Any, seed: int = 1) -> Floats:
    """Return vectors of other lengths that have these cosines to the given ones."""
    units = unit_vectors(vectors)[0]
    aside = noise(len(vectors), vectors.shape[1], seed=seed)
    aside -= (aside * units).sum(axis=1, keepdims=True) * units
    cosines = np.broadcast_to(np.asarray(cosines, np.float32), len(vectors))[:, np.newaxis]
    lengths = np.random.default_rng(seed).uniform(0.01, 100, (len(vectors), 1)).astype(np.float32)
    made: Floats = lengths * (cosines * units + np.sqrt(1 - cosines**2) * unit_vectors(aside)[0])
    return made


def like_embeddings(count: int, size: int) -> Floats:
    """Return vectors as models make them: a common part, topics, few strong directions, and noise."""
    rng = np.random.default_rng(7)
    topics = rng.standard_normal((60, size)) * 0.6
    strong = rng.standard_normal((20, size)) * 0.15
    common = rng.standard_normal(size)
    mixed = common + topics[rng.integers(0, 60, count)] + rng.standard_normal((count, 20)) @ strong
    made: Floats = (mixed + 0.5 * rng.standard_normal((count, size))).astype(np.float32)
    return made


@pytest.fixture
def clustered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cluster few vectors, too."""
    monkeypatch.setattr(cosine, "EXACT_ROWS", 0)


def planted(vectors: Floats, low: float) -> Floats:
    """Replace a quarter of the vectors by copies of the next quarter, with cosines in [low, 1]."""
    number = len(vectors) // 4
    cosines = np.random.default_rng(3).uniform(low, 1, number)
    return np.concatenate([turned(vectors[number : 2 * number], cosines), vectors[number:]])


@pytest.mark.parametrize("min_similarity", [0.8, SIMILARITY, 0.99])
def test_few_vectors_are_compared_all_with_all(min_similarity: float) -> None:
    for vectors in (planted(noise(900, 24), 0.7), planted(like_embeddings(900, 48), 0.7), noise(900, 3)):
        assert cosine_groups(vectors, min_similarity).tolist() == of_vectors(vectors, min_similarity)


@pytest.mark.parametrize("make", [noise, like_embeddings])
@pytest.mark.parametrize("low", [SIMILARITY, 0.9501])
def test_clusters_split_hardly_a_pair(clustered: None, make: Any, low: float) -> None:
    """Of 1,500 copies, most of them near the bound where `low` is, in clusters of 40 and among all 6,000 vectors."""
    vectors = planted(make(6000, 64), low)
    if low > SIMILARITY:
        vectors[:1500] = turned(vectors[1500:3000], low)
    found, expected = cosine_groups(vectors, SIMILARITY), of_vectors(vectors, SIMILARITY)
    assert (found[:1500] == found[1500:3000]).mean() >= 0.999
    assert len(set(zip(found.tolist(), expected, strict=True))) - len(set(expected)) <= 2
    assert len(set(found.tolist())) >= len(set(expected))  # none is joined that is not near


def test_vectors_on_a_sphere_of_three_dimensions(clustered: None) -> None:
    """They are dense there, and each cluster has fewer than 16 neighbours, so that nothing is missed."""
    vectors = noise(3000, 3)
    for min_similarity in (0.9995, 0.9999, 0.99999):
        units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        near = units @ units.T
        near[np.abs(near - min_similarity) < 1e-5] = 0  # neither is wrong there
        found = cosine_groups(vectors, min_similarity)
        first, second = np.nonzero(near >= min_similarity)
        assert (found[first] == found[second]).all()


def test_half_of_the_vectors_are_one(clustered: None) -> None:
    vectors = like_embeddings(4000, 32)
    vectors[:2000] = vectors[0]
    assert cosine_groups(vectors, SIMILARITY).tolist() == of_vectors(vectors, SIMILARITY)
    vectors[:2000] = turned(vectors[:2000], 0.98)  # a ball in which all are near
    found = cosine_groups(vectors, SIMILARITY)
    assert set(found[:2000].tolist()) == {0}
    assert found.tolist() == of_vectors(vectors, SIMILARITY)


def test_groups_are_the_same_each_time(clustered: None) -> None:
    vectors = planted(noise(2000, 16), 0.9)
    assert cosine_groups(vectors, SIMILARITY).tolist() == cosine_groups(vectors, SIMILARITY).tolist()


@pytest.mark.parametrize("exact_rows", [0, 20_000])
def test_vectors_without_a_direction_are_alone(exact_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "EXACT_ROWS", exact_rows)
    vectors = np.ones((12, 4), np.float32)
    vectors[[1, 4]] = 0
    vectors[2, 3] = np.nan
    vectors[3, 0] = np.inf
    vectors[5] = -1
    vectors[6] = 1e38
    vectors[7] = 1e-45  # the least there is
    assert cosine_groups(vectors, 1.0).tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0]
    for count in (0, 1):
        assert cosine_groups(vectors[:count], SIMILARITY).tolist() == list(range(count))
        assert cosine_groups(np.zeros((count, 4), np.float32), SIMILARITY).tolist() == list(range(count))


@pytest.mark.parametrize(
    ("vectors", "similarity", "text"),
    [
        (np.zeros((2, 3)), 0.9, r"vectors have dtype float64 and shape \(2, 3\); expected float32 of \(n, d\)"),
        (np.zeros(3, np.float32), 0.9, r"vectors have dtype float32 and shape \(3,\)"),
        (np.zeros((2, 3), np.float32), 0.0, r"min_similarity 0.0: expected a cosine in \(0, 1\]"),
        (np.zeros((2, 3), np.float32), 1.5, r"min_similarity 1.5"),
    ],
)
def test_what_is_no_vectors(vectors: Any, similarity: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        cosine_groups(vectors, similarity)


# -- components -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), pairs_in(n))))
def test_components_are_those_of_the_graph(drawn: tuple[int, list[list[tuple[int, int]]]]) -> None:
    number, batches = drawn
    sets, near = Components(number), np.eye(number, dtype=bool)
    for batch in batches:
        ones, others = np.array(batch, int).reshape(-1, 2).T
        sets.join(ones, others)
        near[ones, others] = near[others, ones] = True
    assert sets.labels().tolist() == of_pairs(near)


def pairs_in(number: int) -> Any:
    node = st.integers(0, number - 1)
    return st.lists(st.lists(st.tuples(node, node), max_size=20), max_size=5)


def test_a_long_chain_at_once_and_link_by_link() -> None:
    at_once, by_link = Components(100_000), Components(300)
    at_once.join(np.arange(99_999), np.arange(1, 100_000))
    assert not at_once.labels().any()
    for link in reversed(range(299)):
        by_link.join(np.array([link]), np.array([link + 1]))
    assert not by_link.labels().any()


def test_what_is_joined_is_not_asked_about_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 nodes of which all but the last 20 are near each other: of four million pairs few are looked at."""
    monkeypatch.setattr(components, "ROWS", 50)
    asked = 0

    def near(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        nonlocal asked
        asked += len(rows) * len(columns)
        return np.asarray((rows[:, np.newaxis] < 1980) & (columns < 1980))

    sets = Components(2000)
    join_all(sets, np.arange(2000), near)
    assert sets.labels().tolist() == [0] * 1980 + list(range(1980, 2000))
    assert asked < 50 * 2000 + 2000 * 20 * 2


# -- representatives --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]))))
def test_one_row_of_each_group_is_its_representative(rows: list[tuple[int, float]]) -> None:
    groups = np.array([group for group, _ in rows], dtype=np.int64)
    chosen = representatives(groups, np.array([score for _, score in rows]))
    expected = set()
    for group in set(groups.tolist()):
        mine = [row for row in range(len(rows)) if groups[row] == group]
        expected.add(min(mine, key=lambda row: (np.isnan(rows[row][1]), -np.nan_to_num(rows[row][1]), row)))
    assert set(np.flatnonzero(chosen).tolist()) == expected


def test_scores_may_be_integers_that_a_float_cannot_tell_apart() -> None:
    scores = np.array([2**62, 2**62 + 1, 2**62])
    assert representatives(np.zeros(3, np.int64), scores).tolist() == [False, True, False]


# -- featurizers ------------------------------------------------------------------------------------------------------


def batch_of(hashes: Any, scores: Any = None, row_ids: Any = None) -> dict[str, Any]:
    """Return a batch as a whole table gives it."""
    number = len(hashes)
    return {
        "phash": np.array(hashes, dtype=np.uint64),
        "score": np.ones(number) if scores is None else np.array(scores, dtype=np.float64),
        "row_id": np.array(np.arange(number) if row_ids is None else row_ids, dtype=np.uint64),
    }


@pytest.mark.parametrize("made", [Duplicates, EmbeddingDuplicates])
def test_declaration(made: Any) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    reference = project["entry-points"][ENTRY_POINTS][made.name]
    found = declared(reference)
    assert isinstance(found.featurizer, made)
    assert found.title == f"{made.name}@1"
    assert made.whole
    assert vars(pickle.loads(pickle.dumps(made()))) == vars(made())


def test_other_settings_make_the_column_stale() -> None:
    prints = [
        declared(each).fingerprint
        for each in (
            Duplicates(),
            Duplicates(4),
            Duplicates(score="sharpness"),
            EmbeddingDuplicates(),
            EmbeddingDuplicates("dino"),
            EmbeddingDuplicates(min_similarity=0.9),
            EmbeddingDuplicates(score="sharpness"),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert prints[0] == declared(Duplicates(8, score="width * height")).fingerprint


@pytest.mark.parametrize("distance", [-1, 65])
def test_a_distance_out_of_range(distance: int) -> None:
    with pytest.raises(FeaturizerError, match=rf"duplicates: max_distance {distance}; expected a number of bits in"):
        Duplicates(distance)


@pytest.mark.parametrize("similarity", [0, 1.01, float("nan")])
def test_a_similarity_out_of_range(similarity: float) -> None:
    with pytest.raises(FeaturizerError, match=r"min_similarity .*; expected a cosine in \(0, 1\], like 0.95"):
        EmbeddingDuplicates(min_similarity=similarity)


def test_a_group_has_the_smallest_row_id_and_one_representative() -> None:
    batch = batch_of([0xFF00, 0x0F, 0xFF01, 0x0F], [1, 7, 2, np.nan], [3, 5, 10, 20])
    assert Duplicates(12)(batch)["group_id"].tolist() == [3, 3, 3, 3]
    values = Duplicates()(batch)
    assert values["group_id"].tolist() == [3, 5, 3, 5]
    assert values["is_representative"].tolist() == [False, True, True, False]


def test_ids_stay_when_rows_are_appended() -> None:
    rng = np.random.default_rng(0)
    some = uniform(50)
    before = np.concatenate([some, flipped(some[:20], 5, rng)])
    ids = np.arange(70) * 3 + 11
    more = np.concatenate([before, uniform(30, seed=5), flipped(some[:5], 3, rng)])
    first = Duplicates()(batch_of(before, row_ids=ids))["group_id"]
    second = Duplicates()(batch_of(more, row_ids=[*ids, *range(1000, 1035)]))["group_id"]
    assert second[:70].tolist() == first.tolist()
    assert second[100:].tolist() == first[:5].tolist()
    assert set(second[70:100].tolist()) == set(range(1000, 1030))


def test_pictures_without_detail_are_alone() -> None:
    values = Duplicates()(batch_of([0, 1, 1 << 63, 0, 3, 1 << 63]))
    assert values["group_id"].tolist() == [0, 1, 2, 3, 1, 5]
    assert values["is_representative"].tolist() == [True, True, True, True, False, True]


def test_an_embedding_without_a_direction_fails_alone() -> None:
    vectors = np.array([[1, 0], [0, 0], [2, 0.1], [np.nan, 1], [0, 1]], np.float32)
    batch = {"embedding": vectors, "score": np.array([1.0, 9, 2, 9, 1]), "row_id": np.arange(5, dtype=np.uint64) + 7}
    values = EmbeddingDuplicates()(batch)
    for name, expected in (("embedding_group_id", [7, 7, 11]), ("embedding_is_representative", [False, True, True])):
        assert [values[name][row] for row in (0, 2, 4)] == expected
        for row in (1, 3):
            with pytest.raises(ValueError, match="the embedding has no direction: it is all zeros, or has a NaN or ∞"):
                raise values[name][row]


def copies_of(picture: Image.Image) -> Iterator[bytes]:
    """Yield a picture encoded, scaled and cut in other ways."""
    width, height = picture.size
    for copy, kind, options in (
        (picture, "JPEG", {"quality": 40}),
        (picture, "WEBP", {"quality": 50}),
        (picture.resize((width // 2, height // 2)), "JPEG", {"quality": 75}),
        (picture.resize((width * 3 // 2, height * 3 // 2)), "JPEG", {"quality": 75}),
        (picture.point(lambda level: min(255, level * 6 // 5)), "JPEG", {"quality": 75}),
    ):
        file = io.BytesIO()
        copy.save(file, kind, **options)
        yield file.getvalue()


def test_copies_of_photos_are_grouped_and_other_photos_are_not(shared_media: Path) -> None:
    hashes, sizes, photos = [], [], []
    for number, file in enumerate(photo_files(shared_media, 20)):
        whole = Image.fromarray(interleaved(decoded(file.read_bytes())))
        for data in (file.read_bytes(), *copies_of(whole)):
            hashes.append(dct_hash(decoded(data, Op("resize", (256, 256)))))
            picture = Image.open(io.BytesIO(data))
            sizes.append(picture.width * picture.height)
            photos.append(number)
    values = Duplicates()(batch_of(hashes, sizes))
    assert len(set(zip(values["group_id"].tolist(), photos, strict=True))) == 20
    assert len(set(values["group_id"].tolist())) == 20
    assert np.flatnonzero(values["is_representative"]).tolist() == [
        6 * number + 4 for number in range(20)
    ]  # the largest
