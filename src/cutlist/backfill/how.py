"""How a backfill is run, and by what: this process, or workers of a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cutlist.errors import SettingsError, listing, suggest

ENGINES = ("local", "ray")
"""By their names: this process, and Ray with its defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ray:
    """Workers of a Ray cluster, which need `pip install 'cutlist[ray]'`.

    Each is a process that sets the featurizer up once, and reads, decodes and computes rows; this process says which,
    and keeps and commits what comes back. A worker that dies is replaced, and its rows are computed again. Workers need
    cutlist, and the root under the same path or URI; they are sent the featurizer, with the module that it is in unless
    that is installed, but not what that module imports.

    Attributes:
        workers: How many; default: as many as the cluster has CPUs and GPUs for. Where it has room for fewer, these
            begin.
        cpus_per_worker: CPUs, and threads that decode, of each.
        gpus_per_worker: GPUs of each, or the share of one: with 0.5, two workers have one GPU between them. Default:
            one where the device is `cuda`, else none.
        address: Of a cluster, as `ray.init` takes it: `auto`, `ray://host:10001`, `host:6379`. Default: that which this
            process is connected to; else that in `RAY_ADDRESS`; else, or for `local`, one is started on this machine,
            and ended with the backfill, or with this process where that is killed.

    Raises:
        SettingsError: if a number is out of its range.

    Examples:
        >>> Ray(workers=4, gpus_per_worker=0.5)
        Ray(workers=4, cpus_per_worker=1, gpus_per_worker=0.5, address=None)
    """

    workers: int | None = None
    cpus_per_worker: float = 1
    gpus_per_worker: float | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"workers={self.workers}: expected a number of processes, at least 1")
        if not self.cpus_per_worker > 0:
            raise SettingsError(f"cpus_per_worker={self.cpus_per_worker}: expected a number above 0")
        if self.gpus_per_worker is not None and not self.gpus_per_worker >= 0:
            raise SettingsError(f"gpus_per_worker={self.gpus_per_worker}: expected a number, 0 or more")

    def gpus(self, device: str) -> float:
        """Return the GPUs of a worker whose featurizer is on a device.

        Raises:
            SettingsError: if GPUs were asked for that it would not use.
        """
        if self.gpus_per_worker is None:
            return float(device.startswith("cuda"))
        if self.gpus_per_worker and device == "cpu":
            raise SettingsError(f"gpus_per_worker={self.gpus_per_worker}: the device is cpu; say device=cuda, too")
        return self.gpus_per_worker


def engine_of(given: str | Ray, **options: Any) -> Ray | None:
    """Return an engine by its name and those of its options that are not None; None is this process.

    Raises:
        SettingsError: if there is no such engine, or it has no such options.

    Examples:
        >>> engine_of("ray", workers=2, address=None)
        Ray(workers=2, cpus_per_worker=1, gpus_per_worker=None, address=None)
    """
    if isinstance(given, Ray):
        return given
    asked = {name: value for name, value in options.items() if value is not None}
    if given == "ray":
        return Ray(**asked)
    if given != "local":
        raise SettingsError(f'no engine "{given}"{suggest(given, ENGINES)} There are: {listing(ENGINES)}.')
    if asked:
        raise SettingsError(f"engine local: it has no {listing(asked)}; say engine ray, too")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to run: the device of the featurizer, threads, bytes that are read ahead, whether to show a progress bar,
    whether to wait for another process that runs the same, and the workers of a Ray cluster instead of this process."""

    device: str = "cpu"
    num_threads: int = 1
    prefetch_bytes: int = 512 * 2**20
    progress: bool | None = None
    wait: bool = False
    ray: Ray | None = None
