"""Tar shards indexed in place: each blob is its member's bytes, other members are columns, damage is one failure."""

from __future__ import annotations

import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.buckets import serving

import cutlist
from cutlist import ingest as ingest_module
from cutlist.errors import IngestError, MediaError
from cutlist.reader import Reader
from cutlist.sources import Columns, files, find
from cutlist.sources.files import LocalFile
from cutlist.sources.shards import index_shard

if TYPE_CHECKING:
    from tests.conftest import Made

Member = tuple[str, bytes]


def png(seed: int, size: tuple[int, int] = (8, 6)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(file := io.BytesIO(), "png")
    return file.getvalue()


def shard(path: Path, members: Iterable[Member], format: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def document(**keys: Any) -> bytes:
    return json.dumps(keys).encode()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[cutlist.Session]:
    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as opened:
        yield opened


def media_of(session: cutlist.Session, query: str) -> list[Any]:
    """Return the decoded values of a query of one column, read in one step."""
    selection = session.compile(query)
    ((*rows,),) = Reader([selection], session.store).read([[(0, np.arange(selection.num_samples))]])
    return [next(iter(row.values())) for row in rows]


def failures(session: cutlist.Session) -> dict[str, str]:
    """Return path → message of what failed."""
    return dict(session.sql("SELECT path, message FROM _failures").fetchall())


def index(path: Path) -> Any:
    return index_shard(LocalFile(path), path.name, path.stat().st_size, lambda _: None)


@pytest.mark.parametrize("reference", [True, False])
def test_a_shard_gives_a_row_for_each_key_and_the_same_as_its_files(
    session: cutlist.Session, made: Made, tmp_path: Path, reference: bool
) -> None:
    """Clips of the members are those of the files; blobs are `extractfile`'s bytes; nothing is copied if referenced."""
    videos = sorted((made.media / "videos").iterdir())[:6]
    members = [(f"{each.stem}{suffix}", data) for each in videos for suffix, data in (
        (each.suffix, each.read_bytes()), (".txt", f"the caption of {each.stem}\n".encode()),
        (".json", document(width=1, url=f"http://x/{each.stem}", tags=["a", "b"])), (".cls", b"7"), (".npy", b"\x93"),
    )]  # fmt: skip
    top = tmp_path / "shards"
    shard(top / "train" / "00000.tar", members[:15])
    shard(top / "train" / "00001.tar", members[15:])
    report = session.ingest(top, table="clips", reference=reference)
    assert (report.num_added, report.num_failed, report.num_other) == (6, 0, 0)
    assert report.left_out == {".npy": 6}
    assert "left out of shards: 6 .npy" in str(report)
    rows = session.sql("SELECT path, kind, txt, cls, json_width, url, tags, width FROM clips ORDER BY path").fetchall()
    for number, (row, video) in enumerate(zip(rows, videos, strict=True)):
        path = f"train/0000{number // 3}.tar/{video.name}"
        assert row[:-1] == (path, "video", f"the caption of {video.stem}\n", 7, 1, f"http://x/{video.stem}", ["a", "b"])
        assert row[-1] > 1
    stored = dict(
        zip([row[0] for row in rows], media_of(session, "SELECT raw(video) AS x FROM clips ORDER BY path"), strict=True)
    )
    for tar in sorted((top / "train").iterdir()):
        with tarfile.open(tar) as opened:
            for path, data in stored.items():
                if tar.name in path:
                    member = opened.extractfile(path.rpartition("/")[2])
                    assert member is not None
                    assert data == member.read()
    session.ingest(videos, table="files")
    for op in ("video.clip(0.2, 0.7)", "video.frames(3).resize(32, 18)"):
        ours = media_of(session, f"SELECT {op} AS x FROM clips ORDER BY path")
        theirs = media_of(session, f"SELECT {op} AS x FROM files ORDER BY path")
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    table = Path(session.store.root) / "clips.lance"
    size = sum(each.stat().st_size for each in table.rglob("*") if each.is_file())
    assert (size < report.num_bytes / 10) == reference
    again = session.ingest(top, table="clips", reference=not reference)
    assert (again.num_added, again.num_known) == (0, 6)


def test_a_key_with_media_of_several_kinds_is_one_row(session: cutlist.Session, made: Made, tmp_path: Path) -> None:
    """Its columns are about the video; two of one kind are a failure that names the key; kinds can be chosen."""
    video = sorted((made.media / "videos").iterdir())[0]
    shard(tmp_path / "s.tar", [
        ("a.jpg", png(1)), (f"a{video.suffix}", video.read_bytes()), ("b.png", png(2)), ("c.left.png", png(3)),
        ("c.right.png", png(4)), ("d.json", document(x=1)), ("e.jpg", png(5)), ("e.mp4", b"broken"),
    ])  # fmt: skip
    report = session.ingest(tmp_path / "s.tar", table="pairs", reference=True)
    assert (report.num_added, report.num_failed, report.left_out) == (2, 2, {"keys without media": 1})
    rows = session.sql(
        "SELECT path, kind, size_bytes, video IS NULL, image IS NULL, num_frames > 1 FROM pairs ORDER BY path"
    ).fetchall()
    assert rows == [
        (f"s.tar/a{video.suffix}", "video", video.stat().st_size, False, False, True),
        ("s.tar/b.png", "image", len(png(2)), True, False, False),
    ]
    assert media_of(session, "SELECT raw(image) AS x FROM pairs ORDER BY path") == [png(1), png(2)]
    assert media_of(session, "SELECT raw(video) AS x FROM pairs WHERE video IS NOT NULL") == [video.read_bytes()]
    found = failures(session)
    assert found.keys() == {"s.tar/c.left.png", "s.tar/e.mp4"}
    assert found["s.tar/c.left.png"] == (
        "its key has two media of the kind image, c.left.png and c.right.png; expected one of each kind"
    )
    pictures = session.ingest(tmp_path / "s.tar", table="pictures", kinds=("image",))
    assert pictures.num_added == 2
    assert session.sql("SELECT path FROM pictures ORDER BY path").fetchall() == [("s.tar/a.jpg",), ("s.tar/b.png",)]


def test_columns_of_json_are_typed_over_all_shards(session: cutlist.Session, tmp_path: Path) -> None:
    documents: list[dict[str, Any]] = [
        {
            "score": 1,
            "tags": ["a"],
            "size": {"w": 1},
            "mixed": 1,
            "none": None,
            "ok": True,
            "id": "x",
            "a.b": 1,
            "e": {},
        },
        {
            "score": 0.5,
            "tags": [],
            "size": {"w": 2.5, "names": ["n"]},
            "mixed": "two",
            "big": 2**70,
            "boxes": [[1, 2], [0.5]],
        },
        {"tags": None, "mixed": [1], "ok": None, "txt": "t", "_rowid": 5, "é ü": 3, "cased": {"A": 1, "a": 2}},
    ]
    shard(tmp_path / "s" / "0.tar", [("0.png", png(0)), ("0.json", document(**documents[0]))])
    shard(
        tmp_path / "s" / "1.tar",
        [
            (f"{n}.{suffix}", data)
            for n in (1, 2)
            for suffix, data in (("png", png(n)), ("json", document(**documents[n])))
        ],
    )
    session.ingest(tmp_path / "s", table="pictures", reference=True)
    types = dict(session.sql("SELECT column_name, column_type FROM (DESCRIBE pictures)").fetchall())
    expected: dict[str, tuple[str, list[Any]]] = {
        "score": ("DOUBLE", [1.0, 0.5, None]),
        "tags": ("VARCHAR[]", [["a"], [], None]),
        "size": ('STRUCT(w DOUBLE, "names" VARCHAR[])', [{"w": 1.0, "names": None}, {"w": 2.5, "names": ["n"]}, None]),
        "mixed": ("VARCHAR", ["1", "two", "[1]"]),
        "ok": ("BOOLEAN", [True, None, None]),
        "json_id": ("VARCHAR", ["x", None, None]),
        "a_b": ("BIGINT", [1, None, None]),
        "e": ("VARCHAR", ["{}", None, None]),
        "big": ("VARCHAR", [None, str(2**70), None]),
        "boxes": ("DOUBLE[][]", [None, [[1.0, 2.0], [0.5]], None]),
        "json_txt": ("VARCHAR", [None, None, "t"]),
        "json__rowid": ("BIGINT", [None, None, 5]),
        "é ü": ("BIGINT", [None, None, 3]),
        "cased": ("VARCHAR", [None, None, '{"A": 1, "a": 2}']),
    }
    assert "none" not in types
    for name, (kind, values) in expected.items():
        assert types[name] == kind, name
        got = session.sql(f'SELECT "{name}" FROM pictures ORDER BY path').fetchall()
        assert [value for (value,) in got] == values, name


def test_later_shards_must_fit_the_columns_of_the_table(session: cutlist.Session, tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", [("0.png", png(0)), ("0.json", document(score=0.5, note="n", box={"x": 1}))])
    session.ingest(tmp_path / "0.tar", table="pictures", reference=True)
    shard(tmp_path / "1.tar", [("1.png", png(1)), ("1.json", document(score=2, note=3, box={}, more=True))])
    assert session.ingest(tmp_path / "1.tar", table="pictures").num_added == 1
    assert session.sql("SELECT score, note, box, more FROM pictures ORDER BY path").fetchall() == [
        (0.5, "n", {"x": 1}, None),
        (2.0, "3", {"x": None}, True),
    ]
    for key, value, message in (
        ("score", "high", r'"score" of the shards is string, and column score of the table has the type double'),
        ("box", {"y": 1}, r'"box" of the shards is struct<y: int64>, and column box .* ingest them into another table'),
        ("NOTE", 1, r'"NOTE" of the shards would be the column NOTE, and there is note already'),
    ):
        shard(tmp_path / "2.tar", [("2.png", png(2)), ("2.json", document(**{key: value}))])
        with pytest.raises(IngestError, match=message):
            session.ingest(tmp_path / "2.tar", table="pictures")
    shard(tmp_path / "2.tar", [("2.png", png(2)), ("2.json", document(width=1, json_width=2))])
    with pytest.raises(
        IngestError, match=r'"json_width" of the shards would be .* json_width, and there is json_width'
    ):
        session.ingest(tmp_path / "2.tar", table="others")
    (tmp_path / "m.csv").write_text("path,caption\n3.tar/3.png,c\n")
    shard(tmp_path / "3.tar", [("3.png", png(3)), ("3.json", document(caption="x"))])
    with pytest.raises(
        IngestError, match=r'"caption" of the shards and a column of the metadata are both named caption'
    ):
        session.ingest(tmp_path / "3.tar", table="others", metadata=tmp_path / "m.csv")
    assert "others" not in session.tables


def test_more_keys_than_columns_stay_text(session: cutlist.Session, tmp_path: Path) -> None:
    many = {f"key{number}": number for number in range(600)}
    shard(
        tmp_path / "0.tar", [("0.png", png(0)), ("0.json", document(**many)), ("1.png", png(1)), ("1.json", b"[1, 2]")]
    )
    session.ingest(tmp_path / "0.tar", table="pictures")
    rows = session.sql("SELECT json FROM pictures ORDER BY path").fetchall()
    assert [json.loads(text) for (text,) in rows] == [many, [1, 2]]


def test_members_that_do_not_hold_what_their_suffix_says_fail_their_row(
    session: cutlist.Session, tmp_path: Path
) -> None:
    members: dict[str, tuple[str, bytes, str]] = {
        "a": ("json", b"{", "the .json member is not JSON: Expecting property name"),
        "b": ("txt", b"\xff", "the .txt member is not UTF-8"),
        "c": ("cls", b"seven", "the .cls member is not a whole number"),
        "d": ("cls", b"9" * 30, "the .cls member is not a whole number of 64 bits"),
        "e": ("json", b'{"x": "\\ud800"}', "the .json member is not UTF-8"),
        "f": ("json", b"[" * 100_000, "the .json member is not JSON: maximum recursion depth"),
    }
    shard(tmp_path / "s.tar", [
        *(each for n, (key, (suffix, data, _)) in enumerate(members.items())
        for each in ((f"{key}.png", png(n)), (f"{key}.{suffix}", data))), ("good.png", png(99)), ("good.json", b"[1]"),
    ])  # fmt: skip
    report = session.ingest(tmp_path / "s.tar", table="pictures", reference=True)
    assert (report.num_added, report.num_failed) == (1, len(members))
    found = failures(session)
    for key, (_, _, message) in members.items():
        assert found[f"s.tar/{key}.png"].startswith(message)
    assert session.sql("SELECT path, json FROM pictures").fetchall() == [("s.tar/good.png", [1])]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_every_kind(session: cutlist.Session, tmp_path: Path, format: int) -> None:
    """Long, nested, dotted, `./`, of any letters; hidden ones, folders and links are left out."""
    names = ["x" * 90 + ".png", "./dot.png", "v1.2/a.b.PNG", "UPPER.Png", "a b/é #%41?.png"]
    if format != tarfile.USTAR_FORMAT:
        names.append("/".join(["deep" * 20] * 5) + "/y.png")
    path = shard(
        tmp_path / "s.tar",
        [*((name, png(n)) for n, name in enumerate(names)), ("._a.png", b"mac"), ("LICENSE", b"")],
        format,
    )
    with tarfile.open(path, "a", format=format) as tar:
        for name, kind in (
            ("folder.png", tarfile.DIRTYPE),
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "dot.png"
            tar.addfile(info)
    report = session.ingest(path, table="pictures", reference=True)
    assert (report.num_added, report.num_failed) == (len(names), 0)
    assert report.left_out == {"without a suffix": 1, "links and devices": 2}
    rows = dict(zip(
        [each for (each,) in session.sql("SELECT path FROM pictures ORDER BY path").fetchall()],
        media_of(session, "SELECT raw(image) AS x FROM pictures ORDER BY path"), strict=True,
    ))  # fmt: skip
    assert rows == {f"s.tar/{name.removeprefix('./')}": png(n) for n, name in enumerate(names)}


letters = st.characters(exclude_characters="/\0", codec="utf-8")
parts = st.text(letters, min_size=1, max_size=20).filter(lambda text: text not in (".", ".."))


@given(
    names=st.lists(st.lists(parts, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True),
    format=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    lengths=st.lists(st.integers(0, 2000), min_size=8, max_size=8),
)
def test_every_member_is_found_where_tarfile_finds_it(names: list[str], format: int, lengths: list[int]) -> None:
    """Any names and sizes: the ranges are those of `extractfile`; every member is a medium, left out, or hidden."""
    with tempfile.TemporaryDirectory() as folder:
        members = [
            (f"{name}.png", bytes([n]) * size) for n, (name, size) in enumerate(zip(names, lengths, strict=False))
        ]
        path = shard(Path(folder) / "s.tar", members, format)
        found = index(path)
        with tarfile.open(path) as tar:
            for sample in found.samples:
                for medium in sample.media:
                    there = [each for each in tar.getmembers() if each.offset_data == medium.span.position]
                    data = [opened.read() for each in there if (opened := tar.extractfile(each)) is not None]
                    assert medium.span.read() in data
        kept = sum(len(sample.media) for sample in found.samples)
        hidden = sum(name.removeprefix("./").rpartition("/")[2].startswith(".") for name in names)
        assert kept + hidden + found.left_out.total() + 2 * len(found.failures) >= len(names)


@given(st.binary(max_size=2048), st.integers(0, 4096), st.integers(1, 255))
def test_no_bytes_crash_or_hang_the_index(noise: bytes, place: int, flip: int) -> None:
    """Noise, and a shard with one byte changed: samples that are whole, or a failure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.tar"
        path.write_bytes(noise)
        index(path)
        shard(path, [("a.png", b"1" * 700), ("b.png", b"2" * 10), ("b.json", b"{}")])
        data = bytearray(path.read_bytes())
        data[place] ^= flip
        path.write_bytes(data)
        for sample in index(path).samples:
            assert len(sample.media[0].span.read()) == sample.size_bytes


def test_sizes_that_lie_do_not_hang_the_index(tmp_path: Path) -> None:
    """A negative size, as base-256 numbers can be, sends Python's own tarfile round in circles."""
    path = shard(tmp_path / "s.tar", [("a.png", png(0)), ("b.png", png(1))])
    data = bytearray(path.read_bytes())
    start = data.find(b"b.png")
    header = data[start : start + 512]
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # -1024
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[start : start + 512] = header
    path.write_bytes(data)
    found = index(path)
    assert [each.path for each in found.samples] == ["s.tar/a.png"]
    assert list(found.failures) == ["s.tar"]


def test_what_is_whole_of_a_cut_shard_is_ingested(session: cutlist.Session, tmp_path: Path) -> None:
    members = [(f"{n}.{suffix}", data) for n in range(4) for suffix, data in (("png", png(n, (40, 30))), ("txt", b"t"))]
    whole = shard(tmp_path / "whole.tar", members).read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as tar:
        ends = {each.name: each.offset_data + each.size for each in tar}
    cuts = {
        "member": (ends["2.png"] - 1, 2, r"the shard is cut off in 2\.png: it has .* bytes, and that member ends at"),
        "header": (ends["1.txt"] // 512 * 512 + 512 + 100, 2, r"the shard is cut off at byte .*, without an end mark"),
        "marks": (ends["3.txt"] // 512 * 512 + 512, 4, r"the shard is cut off at byte .*, without an end mark"),
    }
    for name, (end, num_rows, message) in cuts.items():
        (tmp_path / f"{name}.tar").write_bytes(whole[:end])
        report = session.ingest(tmp_path / f"{name}.tar", table=name, reference=True)
        assert (report.num_added, report.num_failed) == (num_rows, 1)
        ((path, said),) = session.sql(f"SELECT path, message FROM _failures WHERE \"table\" = '{name}'").fetchall()
        assert path == f"{name}.tar"
        assert re.match(message, said)
    (tmp_path / "joined.tar").write_bytes(whole + whole)
    assert "more follows the end mark at byte" in index(tmp_path / "joined.tar").failures["joined.tar"]
    damaged = bytearray(whole)
    damaged[ends["1.txt"] // 512 * 512 + 512 : ends["1.txt"] // 512 * 512 + 1024] = b"?" * 512
    (tmp_path / "damaged.tar").write_bytes(damaged)
    assert "no header of a member; what is before is whole" in index(tmp_path / "damaged.tar").failures["damaged.tar"]


@pytest.mark.parametrize(
    ("name", "mode", "unpack"),
    [
        ("s.tar.gz", "w:gz", "gunzip"),
        ("s.tgz", "w:gz", "gunzip"),
        ("s.tar.xz", "w:xz", "unxz"),
        ("gz.tar", "w:gz", "gunzip"),
        ("s.tbz2", "w:bz2", "bunzip2"),
    ],
)
def test_compressed_shards_are_refused_with_what_to_type(
    session: cutlist.Session, tmp_path: Path, name: str, mode: Any, unpack: str
) -> None:
    """By name, or by content if the name says otherwise; in a folder with others they are failures."""
    path = tmp_path / "top" / name
    path.parent.mkdir()
    with tarfile.open(path, mode):
        pass
    expected = rf"{name}: a compressed shard can be neither read nor .* an uncompressed one: `{unpack} --keep .*{name}`"
    with pytest.raises(IngestError, match=expected):
        session.ingest(path, table="pictures", reference=True)
    shard(tmp_path / "top" / "good.tar", [("a.png", png(0))])
    report = session.ingest(tmp_path / "top", table="pictures")
    assert (report.num_added, report.num_failed) == (1, 1)
    assert unpack in failures(session)[name]


def test_names_given_twice_and_sparse_members_are_failures(session: cutlist.Session, tmp_path: Path) -> None:
    path = shard(tmp_path / "s.tar", [("a.png", png(0)), ("b.png", png(1)), ("a.png", png(2)), ("c.png", png(3))])
    report = session.ingest(path, table="pictures", reference=True)
    assert (report.num_added, report.num_failed) == (2, 1)
    assert failures(session) == {"s.tar/a": "two members are named a.png; expected one of each suffix for a key"}


def test_sparse_members_are_failures(tmp_path: Path) -> None:
    """As `tar --sparse` stores a file with holes, in the format of pax."""
    data = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("GNUSparseFile.0/a.png")
        info.size = len(data)
        info.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a.png", "GNU.sparse.realsize": "9999",
        }  # fmt: skip
        tar.addfile(info, io.BytesIO(data))
    assert index(tmp_path / "s.tar").failures == {
        "s.tar/a": "a.png is stored sparse; members must be whole and uncompressed"
    }


def test_large_members_are_not_held_in_memory(
    session: cutlist.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound they are hashed and probed as files, and copied by range."""
    path = shard(tmp_path / "s.tar", [(f"{n}.png", png(n)) for n in range(3)])
    monkeypatch.setattr(ingest_module, "IN_MEMORY_BYTES", 10)
    for reference in (True, False):
        table = f"pictures_{reference}".lower()
        assert session.ingest(path, table=table, reference=reference).num_added == 3
        assert media_of(session, f"SELECT raw(image) AS x FROM {table} ORDER BY path") == [png(n) for n in range(3)]


def test_a_shard_that_was_moved_fails_its_rows_and_no_others(session: cutlist.Session, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard(tmp_path / f"{name}.tar", [(f"{name}{n}.png", png(n + ord(name))) for n in range(2)])
    session.ingest([tmp_path / "a.tar", tmp_path / "b.tar"], table="pictures", reference=True)
    (tmp_path / "b.tar").rename(tmp_path / "c.tar")
    assert len(media_of(session, "SELECT image FROM pictures WHERE path LIKE 'a%'")) == 2
    with pytest.raises(MediaError, match=r"row id 2, column image .*: file://.*/b\.tar is not there"):
        media_of(session, "SELECT image FROM pictures")


def test_shards_and_files_share_a_folder_and_a_table_and_metadata(session: cutlist.Session, tmp_path: Path) -> None:
    top = tmp_path / "top"
    shard(top / "s.tar", [("a.png", png(0)), ("a.txt", b"in a shard")])
    (top / "b.png").write_bytes(png(1))
    (tmp_path / "m.csv").write_text("path,stars\ns.tar/a.png,5\nb.png,4\n")
    report = session.ingest(top, table="pictures", metadata=tmp_path / "m.csv")
    assert (report.num_added, report.num_without_metadata) == (2, 0)
    assert session.sql("SELECT path, txt, stars FROM pictures ORDER BY path").fetchall() == [
        ("b.png", None, 4),
        ("s.tar/a.png", "in a shard", 5),
    ]


def test_shards_of_an_object_store(tmp_path: Path) -> None:
    members = [(f"{n}.{suffix}", data) for n in range(5) for suffix, data in (("png", png(n)), ("json", document(n=n)))]
    path = shard(tmp_path / "s3" / "bucket" / "shards" / "é 1.tar", members)
    path.with_name("broken.tar").write_bytes(path.read_bytes()[:-20_000])
    with (
        serving(tmp_path / "s3") as options,
        cutlist.connect(tmp_path / "data", storage_options=options, views=tmp_path, create=True) as session,
    ):
        report = session.ingest("s3://bucket/shards", table="pictures", reference=True)
        assert report.num_added == 5
        assert session.sql("SELECT n FROM pictures ORDER BY n").fetchall() == [(n,) for n in range(5)]
        assert media_of(session, "SELECT raw(image) AS x FROM pictures ORDER BY n") == [png(n) for n in range(5)]


plain_text = st.text(st.characters(codec="utf-8"), max_size=5)
scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | plain_text
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "A", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["x", "y", "path"]), json_values, max_size=3), min_size=1, max_size=5))
def test_any_json_becomes_columns_that_hold_it(documents: list[dict[str, Any]]) -> None:
    """Values come back as they were: numbers as numbers, missing fields of a struct as NULL, the rest as JSON text."""
    columns = Columns({"path"})
    for each in documents:
        columns.observe(json.dumps(each).encode())
    columns.settle({"json"}, None, ())
    names = {"x": "x", "y": "y", "path": "json_path"}
    rows = [{names[key]: value for key, value in each.items()} for each in documents]
    arrays = columns.arrays([{k: v for k, v in row.items() if k in {f.name for f in columns.fields}} for row in rows])
    for name, array in arrays.items():
        for value, row in zip(array.to_pylist(), rows, strict=True):
            assert same(value, row.get(name)), (value, row.get(name), array.type)


def same(value: Any, given: Any) -> bool:
    """Return whether a value of a column is what was given, as JSON text where the column is text."""
    if given is None or value is None:
        return value is given
    if isinstance(value, str) and not isinstance(given, str):
        return bool(json.loads(value) == given)
    if isinstance(given, list):
        return len(value) == len(given) and all(map(same, value, given))
    if isinstance(given, dict):
        return all(same(value.get(key), given.get(key)) for key in {*value, *given})
    return bool(value == given)


def test_find_reads_no_member_but_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexing costs headers: of 20 members of 512 KiB less than a tenth is read."""
    path = shard(tmp_path / "s.tar", [(f"{n:03}.png", bytes(2**19)) for n in range(20)])
    read = 0
    read_at = files._LocalHandle.read_at

    def counted(handle: Any, nbytes: int, offset: int) -> bytes:
        nonlocal read
        data = read_at(handle, nbytes, offset)
        read += len(data)
        return data

    monkeypatch.setattr(files._LocalHandle, "read_at", counted)
    assert len(find([path]).samples) == 20
    assert read < path.stat().st_size / 10
