"""The files of a model: in a folder, or of the hub; and the hash that tells them from others.

What is on this machine is used as it is: then the hub is asked for nothing, not even whether it has a newer one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cutlist.errors import FeaturizerError
from cutlist_featurizers.packages import imported

TEXTS = ("*.json", "*.txt", "*.model")
"""Beside the weights: configurations, vocabularies, tokenizers."""

WEIGHTS = ("*.safetensors", "*.bin", "*.pth", "*.pt")
"""The weights, the preferred first."""

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def model_folder(model: str, title: str) -> Path:
    """Return the folder of a model: `model` itself, or that of a repository in the hub's cache, fetched if need be.

    Args:
        model: A folder, or `owner/name` on the hub.
        title: Of the featurizer, for errors.

    Raises:
        FeaturizerError: if it is neither, cannot be fetched, or has no weights; says what to type.
    """
    folder: Path | None = Path(model).expanduser()
    if folder is None or not folder.is_dir():
        if not _REPOSITORY.fullmatch(model):
            raise FeaturizerError(
                f"featurizer {title}: model={model}: no such folder; a repository of the hub is owner/name"
            )
        folder = _snapshot(model, [*TEXTS, *WEIGHTS], title, local=True)
        for pattern in WEIGHTS[:2]:
            if folder is None or not _weights_in(folder):
                folder = _snapshot(model, [*TEXTS, pattern], title)
    if folder is None or not _weights_in(folder):
        raise FeaturizerError(f"featurizer {title}: model={model}: has no weights; expected {', '.join(WEIGHTS)}")
    return folder


def absolute(given: str) -> str:
    """Return the absolute path of a file or folder that is there; what is none as it is.

    Examples:
        >>> absolute("ViT-B-32"), absolute(".") == str(Path.cwd())
        ('ViT-B-32', True)
    """
    path = Path(given).expanduser()
    return str(path.absolute()) if given and path.exists() else given


def hub_file(repository: str, names: Sequence[str], title: str, beside: Sequence[str] = ()) -> Path:
    """Return a file of a repository of the hub: the first of some names that is in the cache, else that is there.

    Args:
        beside: Names, or patterns, of files that are fetched with it.

    Raises:
        FeaturizerError: if there is none, or it cannot be fetched; says what to type.
    """
    for local in (True, False):
        for name in names:
            folder = _snapshot(repository, [name, *beside], title, local=local)
            if folder is not None and (folder / name).is_file():
                return folder / name
    raise FeaturizerError(f"featurizer {title}: {repository} on the hub has no {' or '.join(names)}")


def _snapshot(repository: str, patterns: Sequence[str], title: str, *, local: bool = False) -> Path | None:
    """Return the folder of a repository in the cache, with the files that have those names.

    Args:
        local: Whether to ask the cache alone, and return None where it has none.

    Raises:
        FeaturizerError: if it cannot be fetched.
    """
    hub = imported("huggingface_hub", title)
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=list(patterns), local_files_only=local))
    except Exception as error:  # of the hub, of HTTP, of the disk
        if local:
            return None
        why = next(iter(str(error).splitlines()), "").partition(". ")[0]
        whole = "*" in "".join(patterns)
        names = "" if whole else f" {' '.join(patterns)}"
        instead = "a folder: model=/path/of/it" if whole else f"a file: pretrained=/path/{patterns[0]}"
        raise FeaturizerError(
            f"featurizer {title}: {repository} is not in the cache of the hub, and cannot be fetched "
            f"({type(error).__name__}: {why.rstrip('.')}); where there is a network, type: hf download "
            f"{repository}{names}; or give {instead}"
        ) from error


def _weights_in(folder: Path) -> list[Path]:
    """Return the files of weights, those of the first pattern that there are any of."""
    return next((found for each in WEIGHTS if (found := sorted(folder.rglob(each)))), [])


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder that say what a model gives: its weights, configurations and vocabularies."""
    return [*_weights_in(folder), *(each for pattern in TEXTS for each in sorted(folder.rglob(pattern)))]


def sha256_of(*files: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits; of several, that of the list of their names and hashes.

    The hub's cache names large files by their SHA-256, which is taken from there; others are read, once in a process as
    long as their size and time stay.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights.bin"
        >>> file.write_bytes(b"abc")
        3
        >>> sha256_of(file)[:16], sha256_of(file, file)[:16]
        ('ba7816bf8f01cfea', 'e49e57361bb8c87e')
    """
    if len(files) == 1:
        real = files[0].resolve()
        if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
            return real.name
        about = real.stat()
        return _streamed(str(real), about.st_size, about.st_mtime_ns)
    lines = sorted(f"{each.name} {sha256_of(each)}\n" for each in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _streamed(path: str, size: int, mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
