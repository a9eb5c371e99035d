"""Checkpoints: whether a state is one of the order that is to take it up, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutlist.errors import StateError
from cutlist.order.rules import ONLY

STATE_VERSION = 2
"""Version of a state; another is refused. A change is a CHECKPOINT BREAKING CHANGE in the changelog."""


def check_settings(state: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Check that a state has the settings of an order.

    Raises:
        StateError: if it has not; names the part that differs.
    """
    missing = next((name for name in (*settings, "epoch", "step") if name not in state), None)
    if missing is not None and state.get("version", STATE_VERSION) == STATE_VERSION:
        raise StateError(f'the state has no "{missing}"; expected what Loader.state_dict returned')
    for name, here in settings.items():
        if name != "components" and state[name] != here:
            raise differs(name, state[name], here)
    there = state["components"]
    if there.keys() != settings["components"].keys():
        raise differs("components", sorted(there), sorted(settings["components"]))
    for component, parts in settings["components"].items():
        for name, here in parts.items():
            if there[component].get(name) != here:
                where = "" if component == ONLY else f" of {component}"
                raise differs(name, there[component].get(name), here, where)


_REMEDIES = {
    "version": ("state version", "use the version of cutlist that wrote it"),
    "order_version": ("order version", "use the version of cutlist that wrote it"),
    "seed": ("seed", "give the loader that seed"),
    "shuffle": ("shuffle", "give the loader that shuffle"),
    "drop_last": ("drop_last", "give the loader that drop_last"),
    "mixture": ("mixture", "give the loader those weights"),
    "mix": ("mix", "give the loader that mix"),
    "num_steps": ("num_steps", "give the loader that num_steps"),
    "components": ("set of components", "give the loader those components"),
    "selection": (
        "selection",
        "load the selection file of that run, Loader('….arrow'), as the query's rows have changed since",
    ),
    "bucket_by": ("bucket_by", "give the loader that bucket_by"),
    "weight_by": ("weight_by", "give the loader that weight_by"),
    "global_batch_size": ("global batch size", "give the loader global_batch_size=state[…], or sizes that equal it"),
}


def differs(name: str, there: Any, here: Any, where: str = "") -> StateError:
    """Return the error for a part of a state that is another."""
    what, remedy = _REMEDIES[name]
    return StateError(f"the state is of another {what}{where}: {there!r} there, {here!r} here; {remedy}")
