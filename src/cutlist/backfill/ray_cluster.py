"""A cluster of Ray to compute on: the user's, or one on this machine that is started for a while."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray._raylet import AuthenticationTokenLoader, Config  # there is no public way to have a token for a while
from ray.exceptions import RayError

from cutlist.errors import SettingsError
from cutlist.process.temporary import TemporaryFolder
from cutlist.settings import num_cores

if TYPE_CHECKING:
    from cutlist.backfill.how import Ray


@contextmanager
def local_cluster(num_cpus: int, num_gpus: int | None = None) -> Iterator[str]:
    """Return a context with the address of a cluster on this machine, whose workers import what this process can.

    It ends with the context, or with this process. Only who has its token may use it, as anyone else could run code:
    that is made up here, stays in memory, and is known to this process as long as the context lasts.

    Args:
        num_gpus: Default: as many as there are.

    Raises:
        SettingsError: if it cannot be started.
    """
    folder = TemporaryFolder()
    numbers = [num_cpus] if num_gpus is None else [num_cpus, num_gpus]
    with contextlib.closing(folder), _token(), _held(folder, numbers) as told:
        if "error" in told:
            raise SettingsError(
                f"engine ray: no cluster can be started on this machine, with its files in {folder.path}, which TMPDIR "
                f"says: {told['error']}"
            )
        yield told["address"]


@contextmanager
def _held(folder: TemporaryFolder, numbers: Sequence[int]) -> Iterator[dict[str, str]]:
    """Return a context with what the program `ray_holder` tells; it runs as long as that, and ends what it holds."""
    program = Path(__file__).with_name("ray_holder.py")
    holder = subprocess.Popen(
        # -P: the modules beside the program are of cutlist, and not to be found by their bare names
        [sys.executable, "-P", str(program), str(folder.path), *map(str, numbers)],
        pass_fds=[folder.lock],  # the folder is in use until both processes are gone
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which then ends the cluster
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(_own_paths())},
    )
    with holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            line = holder.stdout.readline()
            yield json.loads(line) if line else {"error": "its process ended at once"}
        finally:
            holder.stdin.close()


@contextmanager
def _token() -> Iterator[None]:
    """Return a context in which clusters that are started have a token of their own, unless the environment says how
    those of the user are guarded (`RAY_AUTH_MODE`); and this process knows it."""
    if "RAY_AUTH_MODE" in os.environ:
        yield
        return
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    _set_environment({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: Mapping[str, str | None]) -> None:
    """Set or remove variables that Ray reads, and let it read them again."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _own_paths() -> list[str]:
    """Return where this process finds modules, but for those that are installed."""
    found = (Path(each or ".").absolute() for each in sys.path)
    return [str(each) for each in found if each.is_dir() and not is_installed(each)]


def is_installed(file: Path) -> bool:
    """Return whether a file belongs to Python or to a package that was installed."""
    paths = sysconfig.get_paths()
    return any(file.is_relative_to(paths[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib"))


@contextmanager
def connected(options: Ray) -> Iterator[bool]:
    """Return a context that is connected to a cluster, with whether it was started here.

    What Ray prints is on standard error, as standard output is for data.
    """
    address = options.address or os.environ.get("RAY_ADDRESS")
    if ray.is_initialized():
        if options.address is not None:
            raise SettingsError(
                f"address={options.address}: this process is connected to a Ray cluster already, which is used where "
                f"no address is given"
            )
        with contextlib.redirect_stdout(sys.stderr):
            yield False
        return
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        started = address in (None, "local")
        if started:
            asked = math.ceil((options.workers or 1) * options.cpus_per_worker)
            address = stack.enter_context(local_cluster(max(num_cores(), asked)))
        with _sigterm_kept():
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
            except (RayError, OSError, RuntimeError, ValueError, ImportError) as error:
                raise SettingsError(f"address={address}: {_why_not(error)}; leave it out to start one here") from error
        stack.callback(ray.shutdown)
        yield started


def _why_not(error: BaseException) -> str:
    """Return why there is no connection."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    if "InvalidAuthToken" in str(first):
        return "that Ray cluster wants its token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
    return str(error).strip().partition("\n")[0]


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Return a context after which SIGTERM does what it did before; Ray takes it over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
