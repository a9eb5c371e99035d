"""Shards: uncompressed tar files as WebDataset writes them, indexed in place.

The members of one key, the path up to the first dot of the file's name, are one sample.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from cutlist.errors import MediaError
from cutlist.media.probe import MEDIA_SUFFIXES
from cutlist.sources.files import File, MediaFile, Sample, Span

if TYPE_CHECKING:
    from typing import IO

SHARD_SUFFIX = ".tar"

FIELDS = ("json", "txt", "cls")
"""Suffixes of the members that become columns."""

MOST_FIELD_BYTES = 64 * 2**20
"""A larger member is not read into a column."""

_UNPACK = {
    **dict.fromkeys((".tar.gz", ".tgz"), "gunzip --keep"),
    **dict.fromkeys((".tar.zst", ".tzst"), "unzstd --keep"),
    **dict.fromkeys((".tar.xz", ".txz"), "unxz --keep"),
    **dict.fromkeys((".tar.bz2", ".tbz2", ".tbz"), "bunzip2 --keep"),
    ".tar.lz4": "unlz4 --keep",
}
"""Name endings of compressed shards → the command that makes plain ones of them."""

_MAGIC = {b"\x1f\x8b": ".tar.gz", b"\x28\xb5\x2f\xfd": ".tar.zst", b"\xfd7zXZ\0": ".tar.xz", b"BZh": ".tar.bz2"}

_MOST_HEADER_BYTES = 16 * 2**20
"""A long name or a set of extended attributes is refused beyond this size; real ones are a few hundred bytes."""


@dataclass(slots=True, kw_only=True)
class Shard:
    """What is in a shard.

    Attributes:
        samples: One for each key that has a medium, in the order of the first members.
        failures: Path → what is wrong with that member, that key, or the shard as a whole.
        left_out: Kind of member → how many are neither media nor columns.
    """

    samples: list[Sample] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def is_compressed(name: str) -> bool:
    """Return whether a file's name is that of a compressed shard.

    Examples:
        >>> is_compressed("a.TAR.gz"), is_compressed("a.tgz"), is_compressed("a.tar"), is_compressed("a.gz")
        (True, True, False, False)
    """
    return name.lower().endswith(tuple(_UNPACK))


def compressed_message(file: File, ending: str | None = None) -> str:
    """Return why a compressed shard cannot be read in place, and what to type."""
    unpack = next(command for each, command in _UNPACK.items() if (ending or str(file).lower()).endswith(each))
    return (
        f"{file}: a compressed shard can be neither read nor referenced in place; "
        f"make it an uncompressed one: `{unpack} {file}`"
    )


def split_name(name: str) -> tuple[str, str] | None:
    """Return the key and the suffix of a member, as WebDataset splits them, or None for hidden and dotless names.

    Examples:
        >>> split_name("train/0001.left.JPG"), split_name("v1.2/a.txt")
        (('train/0001', 'left.jpg'), ('v1.2/a', 'txt'))
        >>> split_name("._a.jpg"), split_name("LICENSE")
        (None, None)
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    return (folder + slash + stem, suffix.lower()) if stem and dot and suffix else None


def index_shard(file: File, path: str, size_bytes: int, observe: Callable[[bytes], None]) -> Shard:
    """Return the samples of a shard, from its headers; of the members only those with JSON are read.

    A shard that is cut or damaged gives what is whole, and one failure that says where it ends.

    Args:
        path: Of the shard; its members' rows have `path/member`.
        size_bytes: Of the shard.
        observe: Given the bytes of each `.json` member.
    """
    shard = Shard()
    keys: dict[str, dict[str, MediaFile]] = {}
    try:
        with Span(file=file, position=0, size_bytes=size_bytes).open() as opened:
            head = opened.read(8)
            ending = next((each for magic, each in _MAGIC.items() if head.startswith(magic)), None)
            if ending is not None:
                raise MediaError(compressed_message(file, ending))
            opened.seek(0)
            for info in _members(opened, size_bytes):
                kept = _sort(info, file, path, shard, keys)
                if kept == "json" and info.size <= MOST_FIELD_BYTES:
                    opened.seek(info.offset_data)
                    observe(opened.read(info.size))
    except (MediaError, OSError) as error:
        shard.failures[path] = str(error)
    for key, members in keys.items():
        media = tuple(each for suffix, each in members.items() if _is_media(suffix))
        if not media:
            shard.left_out["keys without media"] += 1
        elif f"{path}/{key}" not in shard.failures:
            fields = tuple((each, members[each].span) for each in FIELDS if each in members)
            shard.samples.append(Sample(media=media, fields=fields))
    return shard


def _is_media(suffix: str) -> bool:
    return f".{suffix.rpartition('.')[2]}" in MEDIA_SUFFIXES


def _sort(
    info: tarfile.TarInfo, file: File, path: str, shard: Shard, keys: dict[str, dict[str, MediaFile]]
) -> str | None:
    """Put a member where it belongs: to its key, among what is left out, or among the failures.

    Returns:
        Its suffix, if it belongs to a key.
    """
    name = info.name.removeprefix("./").lstrip("/")
    split = split_name(name)
    if info.isdir() or (split is None and name.rpartition("/")[2].startswith(".")):
        return None
    if not info.isreg():
        shard.left_out["links and devices"] += 1
        return None
    if split is None or (split[1] not in FIELDS and not _is_media(split[1])):
        shard.left_out["without a suffix" if split is None else f".{split[1]}"] += 1
        return None
    key, suffix = split
    members = keys.setdefault(key, {})
    if info.issparse():
        shard.failures[f"{path}/{key}"] = f"{name} is stored sparse; members must be whole and uncompressed"
    elif suffix in members:
        shard.failures[f"{path}/{key}"] = f"two members are named {name}; expected one of each suffix for a key"
    elif suffix in FIELDS and info.size > MOST_FIELD_BYTES:
        shard.failures[f"{path}/{key}"] = f"{name} has {info.size:,} bytes; expected at most {MOST_FIELD_BYTES:,}"
    span = Span(file=file, position=info.offset_data, size_bytes=info.size)
    members[suffix] = MediaFile(span=span, path=f"{path}/{name}", member=name)
    return suffix


def _members(file: BinaryIO, size_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are whole.

    Raises:
        MediaError: after the last of them, if the shard is cut or damaged there, or goes on after its end.
    """
    end = 0
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Headers(file)), mode="r:") as tar:
            while (info := tar.next()) is not None:
                if info.size < 0 or tar.offset <= end:
                    break
                if info.isreg() and not info.issparse() and info.offset_data + info.size > size_bytes:
                    raise MediaError(
                        f"the shard is cut off in {info.name}: it has {size_bytes:,} bytes, and that member ends at "
                        f"{info.offset_data + info.size:,}; the members before it are whole"
                    )
                end = tar.offset
                tar.members = []  # type: ignore[attr-defined]  # else they are all kept
                yield info
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise MediaError(f"not a tar file from byte {end:,} on: {error}; what is before is whole") from error
    _check_end(file, end, size_bytes)


def _check_end(file: BinaryIO, end: int, size_bytes: int) -> None:
    """Raise MediaError unless zeros, at least one block of them, follow the last member to the end of the file."""
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise MediaError(f"the shard is cut off at byte {end:,}, without an end mark; what is before is whole")
    if any(block):
        raise MediaError(f"damaged at byte {end:,} of {size_bytes:,}: no header of a member; what is before is whole")
    while rest := file.read(2**20):
        if any(rest):
            raise MediaError(
                f"more follows the end mark at byte {end:,} of {size_bytes:,}: shards that were joined with `cat`? "
                f"Ingest each of them"
            )


class _Headers:
    """A file that tarfile reads headers from; none of an absurd size."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)
