"""What `Loader.log` hands to the log: the name of a run, and values as numpy has them, without waiting for a device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cutlist.errors import SettingsError
from cutlist.log import Drawn, check_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.log import Log
    from cutlist.order import Order
    from cutlist_torch.batch import Batch


def run_name(settings: Mapping[str, Any]) -> str:
    """Return a name for a run that was given none: the same for all ranks, and for the same run when it is resumed.

    Args:
        settings: What a checkpoint has but for the place (`Order.settings`).

    Examples:
        >>> run_name({"seed": 0}), run_name({"seed": 1})
        ('run-de7d7744', 'run-a4bbadc1')
    """
    return f"run-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]}"


def values_of(name: str, values: Any, count: int) -> Any:
    """Return values as `cutlist.log.check_columns` takes them: a tensor, or a list of them, as an array.

    Values on a CUDA device stay there: what comes back is a function that waits for them and gives them as float64, to
    be called in another thread, so that the training loop need not wait. Later changes of the tensor do not count.

    Args:
        name: Of the column.
        values: Anything; a tensor has the shape (count,).
        count: Samples.

    Raises:
        SettingsError: if a tensor has another shape, or complex numbers.
    """
    if isinstance(values, list | tuple) and any(isinstance(each, torch.Tensor) for each in values):
        return [each.item() if isinstance(each, torch.Tensor) and each.numel() == 1 else each for each in values]
    if not isinstance(values, torch.Tensor):
        return values
    if tuple(values.shape) != (count,) or values.is_complex():
        raise SettingsError(
            f"log: {name} is {str(values.dtype).removeprefix('torch.')} of shape {tuple(values.shape)}; expected "
            f"numbers of shape ({count},), one for each sample: reduce a loss over all but its first dimension"
        )
    if values.is_cuda:
        return _on_device(values)
    return values.detach().cpu().to(torch.float64, copy=True).numpy()


def log_batch(
    log: Log, batch: Batch, values: Mapping[str, Any], *, order: Order, run: str, rank: int, world_size: int
) -> None:
    """Hand values of the samples of a batch to a log.

    Args:
        log: Of the loader.
        batch: Of the order.
        values: By name, a number for each sample.
        order: Whose components the batch's samples are of.
        run: Name of the training run.
        rank: That the batch is of, in [0, world_size).
        world_size: Number of ranks.

    Raises:
        SettingsError: for names and values that cannot be logged.
    """
    count = sum(len(each.positions) for each in batch.draws)
    columns = check_columns({name: values_of(name, each, count) for name, each in values.items()}, count)
    places = np.arange(rank, rank + count * world_size, world_size)
    before = 0
    for each in batch.draws:
        part = slice(before, before + len(each.positions))
        before = part.stop
        log.add(
            Drawn(selection=order.components[each.component].selection, positions=each.positions),
            columns if len(batch.draws) == 1 else parts_of(columns, part),
            run=run,
            epoch=batch.epoch,
            step=batch.step,
            places=places[part],
        )


def parts_of(columns: Mapping[str, Any], part: slice) -> dict[str, Any]:
    """Return the values of some of the samples, on a device or not.

    Examples:
        >>> parts_of({"loss": [0.5, 0.25, 1.0], "late": lambda: [7, 8, 9]}, slice(1, 3))["loss"]
        [0.25, 1.0]
    """

    def later(fetch: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: fetch()[part]

    return {name: later(each) if callable(each) else each[part] for name, each in columns.items()}


def _on_device(values: torch.Tensor) -> Callable[[], NDArray[np.float64]]:
    """Return what gives the values that a CUDA tensor has once the work that was queued so far is done."""
    copied = values.detach().clone()
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record()

    def fetch() -> NDArray[np.float64]:
        ready.synchronize()
        fetched: NDArray[np.float64] = copied.cpu().to(torch.float64).numpy()
        return fetched

    return fetch
