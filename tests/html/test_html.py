"""What notebooks show: HTML that is well formed, stands alone, runs nothing, and says what the data says.

- Every page parses as XML, names no address, has no script, and no value of the data is markup in it.
- The clip in a cell is the video's: so many frames, of that size, and those pixels.
- Only what is shown is decoded; what cannot be is an error in its cell.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

import cutlist
from cutlist import Selection, Session
from cutlist.errors import QueryError
from cutlist.html import Head, Result, cell, page, spread_of
from cutlist.html.media import FPS, MOST_FRAMES, SECONDS, array_html, clip_ops
from cutlist.html.page import MOST_COLUMNS
from cutlist.html.result import NUM_PLAYING, NUM_SAMPLED
from cutlist.media import Op, preview
from cutlist.media.preview import CLIP_BYTES, clip_bytes, picture_bytes, sound_bytes
from cutlist.store import BlobFile, Blobs, Store, blob_array, blob_field
from cutlist_torch import Loader

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
CAPTIONS = [EVIL, "ein schöner 🐕 – 狗\x00", None, "a plain caption " * 40]
NUM_FRAMES, NUM_CLIPS, SIZE = 16, 4, (48, 64)


def moving(num_frames: int, seed: int) -> np.ndarray[Any, Any]:
    """Return frames of one grey each, darker to brighter: uint8 (T, 3, 48, 64)."""
    greys = np.linspace(20 + seed, 220, num_frames).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (num_frames, 3, *SIZE)).copy()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("html")
    clips = [clip_bytes(moving(NUM_FRAMES, seed), 8) for seed in range(3)]
    videos = [clip[0] for clip in clips if clip is not None] + [b"no video at all"]
    images = [picture_bytes(moving(1, 9)[0]), None, picture_bytes(moving(1, 30)[0]), b"broken"]
    table = pa.table(
        {
            "id": range(NUM_CLIPS),
            "caption": CAPTIONS,
            "embedding": pa.array([[0.6, 0.8, *[0.0] * 14]] * NUM_CLIPS, pa.list_(pa.float32(), 16)),
            "scenes": [[{"start_seconds": 0.0, "stop_seconds": 1.0}] * 2] * NUM_CLIPS,
        }
    )
    table = table.append_column(blob_field("video", "video"), blob_array(videos))
    table = table.append_column(blob_field("image", "image"), blob_array(images))
    table = table.append_column(blob_field("sound", "audio"), blob_array([sound_bytes(np.zeros((1, 8000)), 8000)] * 4))
    Store(root=str(folder)).append("clips", table, message="test")
    return folder


@pytest.fixture(scope="module")
def session(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with cutlist.connect(root, views=tmp_path_factory.mktemp("views")) as opened:
        yield opened


def shown(thing: Any) -> str:
    """Return what a notebook shows of an object, once it is known to be harmless."""
    html: str = thing if isinstance(thing, str) else thing._repr_html_()
    tree = ElementTree.fromstring(f"<all>{html}</all>")
    for element in tree.iter():
        assert element.tag not in ("script", "link", "iframe", "object", "embed", "form")
        assert not [name for name in element.attrib if name.startswith("on")]
        for name in ("src", "href", "poster"):
            assert element.attrib.get(name, "data:").startswith("data:")
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)
    return html


def result(session: Session, query: str, **options: Any) -> Result:
    found = session.show(query, **options)
    assert found is not None
    return found


def clips_in(html: str) -> list[bytes]:
    """Return the videos that a page has in it."""
    return [base64.b64decode(data) for data in re.findall(r'<video [^>]*src="data:video/\w+;base64,([^"]*)"', html)]


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    with av.open(io.BytesIO(data), "r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


# -- results ----------------------------------------------------------------------------------------------------------


def test_values_are_text_and_never_markup(session: Session) -> None:
    html = shown(result(session, "SELECT caption, {'k': caption} AS s, [caption] AS l FROM clips ORDER BY id"))
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in html
    assert "ein schöner 🐕 – 狗\ufffd" in html
    assert '<i class="null">NULL</i>' in html
    assert f'title="{CAPTIONS[3]}"' in html  # a long text is cut, and whole when it is pointed at
    assert f">{str(CAPTIONS[3])[:120]}…<" in html


def test_names_of_columns_and_the_query_are_no_markup_either(session: Session) -> None:
    html = shown(result(session, f'SELECT 1 AS "{EVIL.replace(chr(34), chr(34) * 2)}" -- </pre><script>x</script>'))
    assert "<script" not in html
    assert "&lt;/pre&gt;&lt;script&gt;x" in html


def test_a_vector_is_its_length_and_norm_and_spans_are_counted(session: Session) -> None:
    html = shown(result(session, "SELECT embedding, scenes FROM clips"))
    assert "f32[16] ‖x‖=1.00" in html
    assert ">2 × {start_seconds, stop_seconds}<" in html
    assert "struct(start_seconds, stop_seconds)[]" in html


def test_the_clip_in_a_cell_is_that_of_the_video(session: Session) -> None:
    (data,) = clips_in(shown(result(session, "SELECT clip(video, 0.5, 1.5).at_fps(8) AS v FROM clips WHERE id = 0")))
    frames = decoded(data)
    assert frames.shape == (8, 144, 192, 3)  # the shorter side is 144 pixels
    assert np.abs(frames.mean(axis=(1, 2, 3)) - moving(NUM_FRAMES, 0)[4:12].mean(axis=(1, 2, 3))).max() < 6
    assert len(data) <= CLIP_BYTES


def test_a_clip_without_a_rate_is_a_few_seconds_of_it(session: Session) -> None:
    (data,) = clips_in(shown(result(session, "SELECT video FROM clips WHERE id = 1")))
    assert len(decoded(data)) == min(round(SECONDS * FPS), MOST_FRAMES)


def test_a_resized_clip_has_its_own_size_and_frames(session: Session) -> None:
    query = "SELECT video.frames(4).resize(32, 20) AS v FROM clips WHERE id = 1"
    (data,) = clips_in(shown(result(session, query)))
    assert decoded(data).shape == (4, 20, 32, 3)


def test_random_operations_are_drawn(session: Session) -> None:
    query = "SELECT random_clip(video, 1).random_crop(32, 32).random_flip() AS v FROM clips WHERE id < 2 ORDER BY id"
    assert len(clips_in(shown(result(session, query)))) == 2


def test_what_cannot_be_decoded_says_so_in_its_cell(session: Session) -> None:
    html = shown(result(session, "SELECT video, image FROM clips ORDER BY id"))
    assert len(re.findall('class="e"', html)) == 2
    assert '<span class="e">clips.video[3]: ' in html
    assert '<span class="e">clips.image[3]: ' in html
    assert html.count('<i class="null">') == 1
    assert "25% NULL" in html


def test_a_part_with_no_frame_falls_back_on_the_whole() -> None:
    ops, _ = clip_ops([Op("clip", (5.0, 60.0))])
    assert ops[0] == Op("clip", (5.0, 5.0 + SECONDS))


def test_a_late_frame_is_the_poster_where_the_first_seconds_have_none(session: Session) -> None:
    slow = clip_bytes(moving(3, 0), 0.25)  # a frame each four seconds
    assert slow is not None
    session.store.append(
        "slow", pa.table({"id": [0]}).append_column(blob_field("video", "video"), blob_array([slow[0]])), message="test"
    )
    html = shown(result(session.refresh(), "SELECT clip(video, 1, 9) AS v FROM slow"))
    assert 'class="e"' not in html
    assert "<img " in html


def test_sound_plays_and_raw_bytes_are_named(session: Session) -> None:
    html = shown(result(session, "SELECT sound, raw(image) AS bytes FROM clips WHERE id = 0"))
    assert '<audio controls="" title="clips.sound[0]" src="data:audio/wav;base64,' in html
    assert "clips.image[0].raw()" in html


def test_media_in_lists_and_structs_are_shown(session: Session) -> None:
    query = (
        "SELECT list(image ORDER BY id) AS all, {'a': first(image ORDER BY id)} AS one FROM clips WHERE id IN (0, 2)"
    )
    assert shown(result(session, query)).count("<img ") == 3


def test_only_the_rows_that_are_shown_are_decoded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    before = Blobs.open

    def noted(self: Blobs, row: int) -> BlobFile:
        opened.append(row)
        return before(self, row)

    monkeypatch.setattr(Blobs, "open", noted)
    found = result(session, "SELECT image FROM clips WHERE id <> 1 ORDER BY id", num_rows=1)
    assert opened == []
    assert "3 rows, the first 1 are shown" in shown(found)
    assert opened == [0]


def test_far_down_a_video_is_one_picture(session: Session) -> None:
    html = shown(result(session, f"SELECT video FROM clips, range({NUM_PLAYING + 2}) WHERE id = 0"))
    assert len(clips_in(html)) == NUM_PLAYING
    assert len(re.findall("<img ", html)) == NUM_PLAYING + 2  # a poster for each
    assert len(html) < 2_000_000


def test_an_empty_result_has_its_columns(session: Session) -> None:
    html = shown(found := result(session, "SELECT id, video FROM clips WHERE id > 99"))
    assert "0 rows" in html
    assert "<th>id<br/><small>bigint</small></th>" in html
    assert repr(found).endswith("0 rows")


def test_many_columns_are_cut_and_named(session: Session) -> None:
    names = ", ".join(f"{i} AS c{i}" for i in range(300))
    html = shown(found := result(session, f"SELECT {names} FROM range(30)"))
    assert html.count("<th>") == MOST_COLUMNS
    assert f"<summary>{300 - MOST_COLUMNS} more columns</summary>" in html
    assert "c299" in html
    assert len(html) < 100_000
    assert "and 288 more columns" in repr(found)


def test_rows_are_counted_and_their_values_spread(session: Session) -> None:
    query = "SELECT range AS n, range % 4 = 0 AS b, CASE WHEN range % 2 = 0 THEN 'x' END AS t, 1 AS n FROM range(1000)"
    found = result(session, query)
    assert (found.num_rows, len(found.rows), found.columns) == (1000, 20, ["n", "b", "t", "n"])
    n, b, t, _ = found.heads
    assert n.spread is not None
    assert b.spread is not None
    assert sum(count for _, count in n.spread.bars) == 1000
    assert (n.spread.said, b.spread.said) == ("0 … 999", "25% true")
    assert (t.num_null, t.num_rows) == (500, 1000)
    assert "50% NULL" in shown(found)
    assert [row[0] for row in found.pl().rows()] == list(range(1000))


def test_of_many_rows_a_sample_is_spread(session: Session) -> None:
    (head,) = result(session, f"SELECT range AS n FROM range({NUM_SAMPLED * 2})").heads
    assert head.spread is not None
    assert sum(count for _, count in head.spread.bars) == NUM_SAMPLED


def test_a_terminal_has_a_table_of_text(session: Session) -> None:
    lines = repr(result(session, "SELECT id, embedding, caption, video FROM clips WHERE id = 1")).splitlines()
    assert lines[0].split() == ["id", "embedding", "caption", "video"]
    assert lines[2].split()[:3] == ["1", "f32[16]", "‖x‖=1.00"]
    assert lines[2].endswith("clips.video[1]")
    assert lines[3] == "1 row"


def test_views_and_statements_are_shown_and_errors_are_ours(session: Session) -> None:
    session.define("few", "-- Two.\nSELECT id, image FROM clips WHERE id < 2")
    assert result(session, "few").num_rows == 2
    assert result(session, "SHOW TABLES").num_rows >= 2
    with pytest.raises(QueryError, match=r'query:1:8: no column "captoin" in clips; did you mean "caption"\?'):
        session.show("SELECT captoin FROM clips")
    with pytest.raises(QueryError, match=r"query:.*Could not convert string 'a' to INT32"):
        session.show("SELECT CASE WHEN range > 50 THEN 'a' ELSE '1' END::INT FROM range(99)")
    with pytest.raises(QueryError, match=r'query:1:8: no column "idd"'):
        session.define("few", "SELECT idd FROM clips")


# -- tables, training sets, batches, reports --------------------------------------------------------------------------


def test_a_table_shows_its_rows(session: Session) -> None:
    html = shown(session.tables["clips"])
    assert "clips, version 1: 4 rows" in html
    assert len(clips_in(html)) == 3
    assert html.count('class="e"') == 2
    assert "<th>video<br/><small>video</small></th>" in html


def test_a_training_set_shows_its_samples_where_its_root_is_known(session: Session) -> None:
    query = "SELECT clip(video, 0, 1) AS v, caption, embedding FROM clips WHERE id < 3 ORDER BY id"
    selection = session.compile(query)
    html = shown(selection)
    assert "3 samples" in html
    assert "of clips@1; fingerprint" in html
    assert len(clips_in(html)) == 3
    assert selection.path is not None
    alone = shown(Selection.load(selection.path))
    assert clips_in(alone) == []
    assert "clips.video[0].clip(0, 1)" in alone


def test_late_values_are_shown(session: Session) -> None:
    wide = pa.table({"id": range(3), "e": pa.array([[3.0, 4.0, *[0.0] * 510]] * 3, pa.list_(pa.float32(), 512))})
    session.store.append("wide", wide, message="test")
    selection = session.refresh().compile("SELECT id, e FROM wide ORDER BY id")
    assert [each.late is not None for each in selection.columns] == [False, True]
    assert shown(selection).count("f32[512] ‖x‖=5.00") == 3


def test_a_batch_shows_its_clips_and_numbers(root: Path, tmp_path: Path) -> None:
    query = "SELECT clip(video, 0, 1).frames(6).resize(32, 32) AS v, image, id, caption FROM clips WHERE id IN (0, 2)"
    (batch,) = Loader(query, root=root, views=tmp_path, batch_size=2, shuffle=None)
    html = shown(batch)
    assert "Batch: epoch 0, step 0; 2 samples" in html
    assert "<small>uint8 (2×6×3×32×32)</small>" in html
    assert "<small>list of 2</small>" in html
    assert [decoded(each).shape for each in clips_in(html)] == [(6, 32, 32, 3)] * 2
    batch["v"], batch["half"] = batch["v"].float(), torch.ones(2, 16, dtype=torch.bfloat16)
    assert "f32[6×3×32×32]" in shown(batch)
    assert "f32[16] ‖x‖=4.00" in shown(batch)


def test_reports_are_tables(session: Session) -> None:
    fell = shown(session.waterfall("SELECT video FROM clips WHERE id < 3 AND caption IS NOT NULL AND id <> 0"))
    assert "1 of 4 rows are left (25.0%)" in fell
    assert "<code>id &lt; 3</code><br/><small>query:1:31</small>" in fell
    other = shown(session.diff("SELECT image FROM clips", "SELECT image FROM clips WHERE id > 1"))
    assert "2 in both, 2 only in A, 0 only in B" in other
    assert "<td>id &gt; 1</td>" in other
    assert "later" in shown(session.explain("SELECT image, id FROM clips"))
    assert "session over" in shown(session)


def test_a_sheet_without_a_path_is_a_picture(session: Session, tmp_path: Path) -> None:
    query = "SELECT image, caption FROM clips WHERE id IN (0, 2) ORDER BY id"
    sheet = session.sheet(query)
    assert (sheet._repr_png_() or b"").startswith(b"\x89PNG")
    assert session.sheet(query, tmp_path / "sheet.png") == 2
    with Image.open(tmp_path / "sheet.png") as written:
        assert np.array_equal(np.asarray(written), np.asarray(sheet))


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_page_is_as_small_as_its_parts() -> None:
    assert len(page("nothing", [], [])) < 3000
    assert "<td>1 &lt; 2</td>" in shown(page("a", [Head(name="a", type="t")], [[cell("1 < 2")]]))


@pytest.mark.parametrize(
    ("values", "said", "bars"),
    [
        (pa.array([None], pa.int32()), None, 0),
        (pa.array([5, 5]), "5", 0),
        (pa.array([1.5, float("nan"), float("inf")]), "1.5", 0),
        (pa.array([float("nan")]), "not finite", 0),
        (pa.array([-1e308, 1e308]), "-1e+308 … 1e+308", 0),
        (pa.array([2**53, 2**53 + 1]), "9.007e+15", 0),
        (pa.array([True, None]), "100% true", 2),
        (pa.array(["a"] * 3), "all a", 0),
        (pa.array([f"{i}" for i in range(20)]), "20 values", 0),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "2 values", 2),
        (pa.array(["a", "b"]), "2 values", 0),
        (pa.array([0, 86_400 * 400], pa.timestamp("s")), "1970-01-01 … 1971-02-05", 15),
        (pa.array([], pa.string()), None, 0),
    ],
)
def test_how_values_are_spread(values: pa.Array, said: str | None, bars: int) -> None:
    found = spread_of(values)
    assert (None if found is None else found.said) == said
    if found is not None:
        assert len(found.bars) == bars
        assert sum(count for _, count in found.bars) in (0, sum(map(_is_drawn, values.to_pylist())))
        shown(found.svg())


def _is_drawn(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not np.isfinite(value))


def test_arrays_of_other_shapes_are_told_or_grey() -> None:
    assert array_html(np.zeros((4, 64, 64), np.float16)) == "f16[4×64×64]"
    assert "<img " in shown(array_html(np.linspace(0, 9, 256).reshape(1, 16, 16)))
    assert "<img " in shown(array_html(np.full((16, 16), np.nan)))
    assert array_html(np.zeros((0, 3, 8, 8), np.uint8)) == "u8[0×3×8×8]"


def test_a_clip_that_is_too_large_is_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "CLIP_BYTES", 5_000)
    noise = np.random.default_rng(0).integers(0, 255, (4, 3, 64, 64)).astype(np.uint8)
    assert clip_bytes(noise, 12) is None
    assert shown(array_html(noise)).startswith("<img ")
    assert clip_bytes(np.zeros((2, 3, 1, 9), np.uint8), 12) is None  # a picture of one line is no video
