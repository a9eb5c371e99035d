"""What the metadata of a Lance table say of its columns without reading a value: NULLs, sizes, indexes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from lance.file import LanceFileReader

from cutlist.store.words import details_of, has_plain_words

if TYPE_CHECKING:
    import lance

_LAYERS = re.compile(r"layers: \[([^\]]*)\]")
_OPEN_FILES = 16

# How Lance 2.1+ files name the outermost layer of a page in which no value is NULL (empty lists are no NULLs).
_WITHOUT_NULLS = frozenset({"RepdefAllValidItem", "RepdefAllValidList", "RepdefEmptyableList"})


def columns_without_nulls(
    dataset: lance.LanceDataset, uri: str, storage_options: Mapping[str, str] | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the columns in which no row is NULL, as far as the footers of the data files tell, and those
    fixed-size lists in which no element of a row that is there is NULL.

    A column that is left out may still have no NULL. Costs about 0.5 ms for each data file on a local disk.
    """
    fragments = [fragment.metadata for fragment in dataset.get_fragments()]
    named = {each.id(): each.name() for each in dataset.lance_schema.fields()}
    files = [file for fragment in fragments for file in fragment.files]
    options = dict(storage_options or {}) or None

    def pages(file: Any) -> dict[int, list[str]]:
        try:
            columns = LanceFileReader(f"{uri}/data/{file.path}", storage_options=options).metadata().columns
        except (OSError, ValueError):  # elsewhere, or of a format without pages: nothing is known
            return {}
        return {
            field: [str(page.encoding) for page in columns[index].pages]
            for field, index in zip(file.fields, file.column_indices, strict=True)
            if field in named and index >= 0
        }

    with ThreadPoolExecutor(_OPEN_FILES) as pool:
        found = dict(zip((file.path for file in files), pool.map(pages, files), strict=True))

    def everywhere(test: Callable[[list[str]], bool]) -> frozenset[str]:
        return frozenset(
            name
            for field, name in named.items()
            if all(
                any(field in file.fields and test(found[file.path].get(field, [])) for file in fragment.files)
                for fragment in fragments
            )
        )

    return everywhere(_no_nulls), everywhere(_no_holes)


def _no_holes(pages: list[str]) -> bool:
    """Return whether the pages of a column of fixed-size lists have no NULL inside a list."""
    return all("has_validity: false" in page and "has_validity: true" not in page for page in pages) and bool(pages)


def _no_nulls(pages: list[str]) -> bool:
    """Return whether the pages of a column, as Lance describes their encodings, have no NULL."""
    if not pages:
        return False
    layers = (re.findall(r"\w+", found[1]) if (found := _LAYERS.search(page)) else [] for page in pages)
    return all(each and each[-1] in _WITHOUT_NULLS for each in layers)


def mean_sizes(dataset: lance.LanceDataset) -> dict[str, float]:
    """Return the average size in bytes of a value of each column: of its type, or as stored if the length varies."""
    stored = stored_sizes(dataset)
    rows = max(sum(fragment.physical_rows for fragment in dataset.get_fragments()), 1)
    sizes = {}
    for field in dataset.schema:
        width = _fixed_width(field.type)
        sizes[field.name] = width if width is not None else stored[field.name] / rows
    return sizes


def stored_sizes(dataset: lance.LanceDataset) -> dict[str, int]:
    """Return the size in bytes of each column as it is stored."""
    stored = {each.id: each.bytes_on_disk for each in cast("Any", dataset.stats.data_stats().fields)}
    fields = zip(dataset.lance_schema.fields(), dataset.schema, strict=True)
    return {field.name: sum(stored.get(i, 0) for i in _ids(each)) for each, field in fields}


def _ids(field: Any) -> Iterator[int]:
    yield field.id()
    for child in field.children():
        yield from _ids(child)


def _fixed_width(kind: pa.DataType) -> float | None:
    """Return the size in bytes of a value of a type, or None if it varies."""
    if isinstance(kind, pa.BaseExtensionType):
        return None
    if pa.types.is_fixed_size_list(kind):
        width = _fixed_width(kind.value_type)
        return None if width is None else width * kind.list_size
    try:
        return float(kind.bit_width / 8)
    except ValueError:
        return None


def index_kinds(dataset: lance.LanceDataset) -> dict[str, frozenset[str]]:
    """Return the kinds of the indexes of each column that has any, as one gives them: `BTREE`, `LABEL_LIST` …

    One of other words than those of `matches`, or of another distance than the cosine, has ` (other)` behind its kind.
    """
    kinds: dict[str, frozenset[str]] = {}
    for each in dataset.describe_indices():
        kind = {"LABELLIST": "LABEL_LIST"}.get(str(each.index_type).upper(), str(each.index_type).upper())
        details = details_of(each)
        other = (kind == "INVERTED" and not has_plain_words(details)) or details.get(
            "metric_type", "COSINE"
        ) != "COSINE"
        for name in each.field_names:
            kinds[name] = kinds.get(name, frozenset()) | {f"{kind} (other)" if other else kind}
    return kinds
