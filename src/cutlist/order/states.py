"""Checkpoints: whether a state is one of the order that is to take it up, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cutlist.errors import OrderError, StateError
from cutlist.order.batching import Batching
from cutlist.order.rules import ONLY, Rules, stages_of
from cutlist.sampler import ORDER_VERSION, Block

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
    if not isinstance(there, Mapping) or not all(isinstance(each, Mapping) for each in there.values()):
        raise _damaged("components", there)
    if there.keys() != settings["components"].keys():
        raise differs("components", sorted(there), sorted(settings["components"]))
    for component, parts in settings["components"].items():
        for name, here in parts.items():
            if there[component].get(name) != here:
                where = "" if component == ONLY else f" of {component}"
                raise differs(name, there[component].get(name), here, where)


def read_state(state: Mapping[str, Any]) -> tuple[Rules, dict[str, Batching], dict[str, str]]:
    """Return what a state says: the rules, and of each component how batches are made and which selection it is.

    Raises:
        StateError: if it is of another version, or a part is not what `Order.state` wrote; names the part.
    """
    for name, version in (("version", STATE_VERSION), ("order_version", ORDER_VERSION)):
        if state.get(name) != version:
            raise differs(name, state.get(name), version)
    rules = {name: _read(state, name, read) for name, read in _RULES.items()}
    components = _read(state, "components", _components)
    batching = {name: each for name, (each, _) in components.items()}
    return Rules(**rules), batching, {name: fingerprint for name, (_, fingerprint) in components.items()}


def _read(state: Mapping[str, Any], name: str, read: Callable[[Any], Any]) -> Any:
    try:
        return read(state[name])
    except KeyError as error:
        raise StateError(f"the state has no {error}; expected what Loader.state_dict returned") from error
    except (TypeError, AttributeError, ValueError, OrderError) as error:
        raise _damaged(name, state[name]) from error


def _damaged(name: str, value: Any) -> StateError:
    return StateError(f'the state\'s "{name}" is damaged: {value!r}; expected what Loader.state_dict returned')


def _same(value: Any) -> Any:
    return value


_RULES: Mapping[str, Callable[[Any], Any]] = {
    "seed": _same,
    "shuffle": lambda value: Block(**value) if isinstance(value, Mapping) else value,
    "drop_last": _same,
    "mixture": lambda value: None if value is None else stages_of(value),
    "mix": _same,
    "num_steps": _same,
}


def _components(value: Mapping[str, Any]) -> dict[str, tuple[Batching, str]]:
    names = ("global_batch_size", "bucket_by", "weight_by")
    return {
        component: (Batching(**{name: each[name] for name in names}), each["selection"])
        for component, each in value.items()
    }


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
