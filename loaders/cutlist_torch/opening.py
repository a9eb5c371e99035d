"""From queries to the training sets of a run: compiled, or found as they were compiled before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cutlist
from cutlist.errors import CatalogError, OrderError, SelectionError, listing, suggest
from cutlist.order import ONLY, Batching, Component, Mixture, Order, Query, Rules, make_order, stages_of
from cutlist.selection import Selection
from cutlist.store import Store

if TYPE_CHECKING:
    from cutlist.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the tables and views are. As the arguments of `cutlist.connect`."""

    root: str | os.PathLike[str] | None
    views: str | os.PathLike[str] | None
    storage_options: Mapping[str, str] | None
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What one rank tells the others: the files that it saved, and the versions of its tables."""

    paths: Mapping[str, Path | None]
    fingerprints: Mapping[str, str]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The order of a run and the root of its tables."""

    order: Order
    store: Store
    versions: Mapping[str, int]

    def hint(self) -> Hint:
        """Return what another process needs to open the same."""
        selections = {each.name: each.selection for each in self.order.components}
        return Hint(
            paths={name: each.path for name, each in selections.items()},
            fingerprints={name: each.fingerprint for name, each in selections.items()},
            versions=self.versions,
        )


def components_of(
    query: Any, given: Mapping[str, Component] | None, batching: Batching
) -> tuple[dict[str, Component], Mixture | None]:
    """Return the components that a loader's query stands for, and the mixture if it is one.

    Args:
        query: A query, or weights by name, or a schedule of such.
        given: Components by name; a name of the mixture that is not among them is a query itself.
        batching: How batches are made of a component that does not say.

    Raises:
        OrderError: if a component is not in the mixture, or the query is of no kind that is known.
    """
    own = {name: getattr(batching, name) for name in Batching.__slots__}
    if not isinstance(query, Mapping | list | tuple):
        if given:
            raise OrderError("components= is for mixtures: Loader({name: weight, …}, components={name: Component(…)})")
        if not isinstance(query, str | os.PathLike | Selection):
            raise OrderError(
                f"a query of type {type(query).__name__}; expected a SELECT, a view's name, a Selection, a path, "
                f"{{query: weight}} or [(from_step, {{query: weight}})]"
            )
        return {ONLY: Component(query, **own)}, None
    stages = stages_of(query)
    names = list(dict.fromkeys(name for _, weights in stages for name in weights))
    components = {}
    for name in given or {}:
        if name not in names:
            raise OrderError(
                f'components has "{name}", and the mixture has not{suggest(name, names)} It has: {listing(names)}.'
            )
    for name in names:
        each = (given or {}).get(name, Component(name))
        if not each.has_size:
            sizes = {key: own[key] for key in ("batch_size", "global_batch_size", "batch_budget")}
            each = replace(each, **sizes)
        by = {key: own[key] for key in ("bucket_by", "weight_by") if getattr(each, key) is None}
        components[name] = replace(each, **by)
    return components, stages


def asked(components: Mapping[str, Component]) -> dict[str, Any]:
    """Return what ranks can compare before anything is compiled; a file may have another path on another machine.

    Raises:
        SelectionError: if a file is no saved selection.
    """
    return {
        name: {
            **_which(each.query),
            "bucket_by": each.bucket_by,
            "weight_by": each.weight_by,
            "batch_budget": each.batch_budget,
        }
        for name, each in components.items()
    }


def _which(query: Query) -> dict[str, str]:
    if not isinstance(query, Selection) and _is_file(query):
        query = Selection.load(Path(query))
    return {"selection": query.fingerprint} if isinstance(query, Selection) else {"query": str(query).strip()}


def _is_file(query: str | os.PathLike[str]) -> bool:
    return not isinstance(query, str) or query.strip().endswith(".arrow")


def open_run(
    components: Mapping[str, Component],
    rules: Rules,
    place: Place,
    *,
    world_size: int,
    exclude_failures: bool = False,
    hint: Hint | None = None,
) -> Opened:
    """Return the order of a run: each query compiled, or found as it was compiled before.

    Args:
        components: By name.
        rules: What holds for the whole run.
        place: Where the tables are.
        world_size: Number of ranks.
        exclude_failures: Whether samples with media that are in `_failures` are left out of what is compiled.
        hint: What another rank has told: its files are taken where they are there, else the queries are compiled over
            the versions that it has.

    Raises:
        QueryError, SelectionError, CatalogError, OrderError: where a query, a table or an argument is at fault.
    """
    loaded: dict[str, Selection] = {}
    queries: dict[str, str] = {}
    for name, each in components.items():
        there = hint.paths[name] if hint is not None else None
        query: Query = there if there is not None and there.is_file() else each.query
        if not isinstance(query, Selection) and _is_file(query):
            query = Selection.load(Path(query))
        if isinstance(query, Selection):
            loaded[name] = query
        else:
            queries[name] = str(query)
    root = place.root if place.root is not None else _root_of(list(loaded.values()))
    versions: Mapping[str, int] = hint.versions if hint is not None else {}
    if queries:
        with cutlist.connect(
            root,
            views=place.views,
            storage_options=place.storage_options,
            versions=versions or None,
            settings=place.settings,
        ) as session:
            loaded |= {
                name: session.compile(query, exclude_failures=exclude_failures) for name, query in queries.items()
            }
            store = session.store
            versions = {name: table.version for name, table in session.tables.items()}
    else:
        settings = place.settings
        at = settings.root if root is None else root
        store = Store.at(at, storage_options=place.storage_options, settings=settings)
        store.check()
    for name, selection in loaded.items():
        if hint is not None and selection.fingerprint != hint.fingerprints[name]:
            raise SelectionError(
                f"the query {selection.sql!r} has other rows here than in rank 0: {selection.fingerprint[:12]}, "
                f"not {hint.fingerprints[name][:12]}; is {store.root} one root for all ranks?"
            )
        if name not in queries:
            _check_tables(selection, store)
    order = make_order(loaded, components, rules, world_size=world_size, store=store)
    return Opened(order=order, store=store, versions=versions)


def _root_of(selections: list[Selection]) -> Path | None:
    """Return the root under which selections were saved, or None if none was."""
    folders = [each.path.parent for each in selections if each.path is not None]
    return next((each.parent for each in folders if each.name == "_selections"), None)


def _check_tables(selection: Selection, store: Store) -> None:
    for each in selection.tables:
        if store.find(each.name) is None:
            raise CatalogError(
                f"no table {each.name} in {store.root}, which the selection was compiled over; "
                f'give the loader the root that it is in: Loader(…, root="…")'
            )
        store.pinned(each.name, each.version, each.identity)
