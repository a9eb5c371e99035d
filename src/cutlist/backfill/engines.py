"""What computes a backfill, opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cutlist.errors import SettingsError

if TYPE_CHECKING:
    from cutlist.backfill.computing import Computing, Engine


@contextmanager
def opened(computing: Computing) -> Iterator[Engine]:
    """Return a context with what computes, set up: as `How` says, but a featurizer of whole tables in this process.

    Raises:
        FeaturizerError: if the featurizer cannot be set up, or be sent to workers.
        SettingsError: if there is no Ray, no such cluster, or no room in it.
    """
    options = computing.how.ray
    if options is None or computing.declared.featurizer.whole:
        computing.setup()
        yield computing
        return
    try:
        from cutlist.backfill.ray_engine import workers  # it needs a library that not every installation has
    except ImportError as error:
        raise SettingsError(f"engine ray needs {error.name}: pip install 'cutlist[ray]'") from error
    with workers(computing, options) as engine:
        yield engine
