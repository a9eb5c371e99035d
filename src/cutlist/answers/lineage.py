"""Where the columns of a query or a view come from, down to the featurizers that made them; as JSON and as DOT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cutlist.compiler import Lineage, Made, Origin, column_lineage
from cutlist.engine import aggregates, column_names

if TYPE_CHECKING:
    from cutlist.compiler import Plan
    from cutlist.engine import Engine


def lineage_of(engine: Engine, plan: Plan, name: str) -> Lineage:
    """Return the lineage of a planned query. DuckDB binds it, and reads no row.

    Args:
        name: The name of the view that it is, or `query`.

    Raises:
        QueryError: if it cannot be bound.
    """

    def made(table: str, version: int, column: str) -> Made | None:
        for feature in engine.table_at(table, version).features.values():
            if column in feature.columns and feature.made:
                last = list(feature.made.values())[-1]
                by = f"{feature.name}@{last['version']}"
                columns = tuple(sorted(feature.inputs))
                return Made(by=by, inputs=_inputs(last.get("inputs", ""), columns), columns=columns)
        return None

    return column_lineage(plan, column_names(engine, plan), name=name, aggregates=aggregates(engine), made=made)


def _inputs(said: str | Sequence[str], columns: Sequence[str]) -> str:
    """Return the SQL of a featurizer's inputs; of several choices the one that names the columns that it reads."""
    choices = [said] if isinstance(said, str) else said
    fitting = (each for each in choices if all(re.search(rf"\b{re.escape(name)}\b", each) for name in columns))
    return next(fitting, " or ".join(choices))


def to_dict(found: Lineage) -> dict[str, Any]:
    """Return a lineage as JSON can hold it: columns, clauses and nodes point into the list of nodes, by number."""
    numbers = {origin: number for number, origin in enumerate(found.origins)}
    return {
        "name": found.name,
        "columns": [{"name": name, "node": numbers[origin]} for name, origin in found.columns],
        "clauses": [
            {
                "clause": each.clause,
                "of": each.of,
                "text": each.text,
                "place": each.place,
                "nodes": [numbers[origin] for origin in each.inputs],
            }
            for each in found.clauses
        ],
        "nodes": [
            {
                "name": each.name,
                "of": each.of,
                "kind": each.kind,
                "version": each.version,
                "text": each.text,
                "place": each.place,
                "made_by": each.made_by or None,
                "problem": each.problem or None,
                "inputs": [numbers[origin] for origin in each.inputs],
            }
            for each in numbers
        ],
        "problems": list(found.problems),
    }


def to_dot(found: Lineage) -> str:
    """Return a lineage as a graph for Graphviz: what a column is made of points to it, and to the clauses that use it.

    `cutlist lineage hd --format dot | dot -Tsvg > hd.svg` draws it.
    """
    return "\n".join(_dot_lines(found)) + "\n"


def _dot_lines(found: Lineage) -> Iterator[str]:
    numbers = {origin: number for number, origin in enumerate(found.origins)}
    yield f"digraph {_dot_text(found.name)} {{"
    yield '  rankdir=LR; node [shape=box, style=rounded, fontname="Helvetica"];'
    for origin, number in numbers.items():
        base = origin.kind in ("table", "selection")
        style = ', style="rounded,filled", fillcolor="#e8eef8"' if base else ", color=red" if origin.problem else ""
        yield f"  n{number} [label={_dot_text(*_label(origin))}{style}];"
    for origin, number in numbers.items():
        for each in origin.inputs:
            made = f" [label={_dot_text(origin.made_by)}, color=gray]" if origin.made_by else ""
            yield f"  n{numbers[each]} -> n{number}{made};"
    for number, clause in enumerate(found.clauses):
        label = _dot_text(f"{clause.clause} {clause.text}".strip(), clause.place)
        yield f"  c{number} [label={label}, shape=plain, fontcolor=gray30];"
        for each in clause.inputs:
            yield f"  n{numbers[each]} -> c{number} [style=dashed, color=gray];"
    yield "}"


def _label(origin: Origin) -> tuple[str, ...]:
    """Return the lines that tell of a column in a graph."""
    lines = (title(origin), "" if origin.made_by else origin.text, origin.problem, origin.place)
    return tuple(dict.fromkeys(each for each in lines if each))


def title(origin: Origin) -> str:
    """Return a column with what has it: `videos@3.width`, `hd.width`."""
    version = f"@{origin.version}" if origin.version is not None else ""
    owner = f"{origin.of}{version}." if origin.of and origin.kind != "query" else ""
    return owner + (origin.name or origin.text)


def _dot_text(*lines: str) -> str:
    """Return lines as a quoted string of DOT."""
    return '"' + "\\n".join(each.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for each in lines) + '"'
