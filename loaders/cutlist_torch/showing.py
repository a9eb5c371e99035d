"""A batch as a notebook shows it: its first samples, with their pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch

from cutlist.html import Head, cells, page, spread_of

NUM_SAMPLES = 8
"""Samples that are shown."""


def batch_html(columns: Mapping[str, Any], title: str) -> str:
    """Return a batch as HTML: above each column its dtype and shape, or that it is a list.

    Args:
        columns: Name → tensor or list, one entry for each sample.
        title: What the batch is.
    """
    count = max(map(len, columns.values()), default=0)
    shown = [[_plain(each) for each in values[:NUM_SAMPLES]] for values in columns.values()]
    rows = zip(*shown, strict=True)
    more = f", the first {NUM_SAMPLES} are shown" if count > NUM_SAMPLES else ""
    heads = [_head(name, values) for name, values in columns.items()]
    return page(f"Batch: {title}; {count} samples{more}", heads, cells(rows, [None] * len(heads)))


def _head(name: str, values: Any) -> Head:
    count = len(values)
    if isinstance(values, torch.Tensor):
        spread = spread_of(pa.array(_plain(values))) if values.ndim == 1 else None
        shape = "×".join(map(str, values.shape))
        kind = f"{str(values.dtype).removeprefix('torch.')} ({shape})"
        return Head(name=name, type=kind, num_rows=count, spread=spread, is_number=values.ndim == 1)
    num_null = sum(each is None for each in values)
    return Head(name=name, type=f"list of {count}", num_rows=count, num_null=num_null)


def _plain(value: Any) -> Any:
    """Return a value with arrays in the place of tensors, at any depth, and numbers in the place of single ones."""
    if isinstance(value, torch.Tensor):
        there = value.detach().cpu()
        there = there.float() if there.dtype == torch.bfloat16 else there  # numpy has none
        return there.item() if there.ndim == 0 else there.numpy()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value
