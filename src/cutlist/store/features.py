"""Feature columns: which featurizer made a column, and for each row by which of its versions, and when.

Beside the columns of a featurizer stand two that SQL does not see, `<featurizer>_made_by` and `<featurizer>_made_at`,
both int64 and NULL in rows that it was not run on. They are the same in whole runs, so they take next to no space.

- `made_by` is the fingerprint of what the values depend on besides the row: the featurizer's version, inputs, outputs
  and parameters. The metadata of its field say what each fingerprint stands for.
- `made_at` is the version of the table on which the values were written, for which it is checked that the inputs were
  still those that had been read; negative where the featurizer failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

FEATURIZER = b"cutlist:featurizer"
"""Metadata of a feature column: the name of the featurizer that makes it."""

STAMP_OF = b"cutlist:stamp_of"
"""Metadata of the two columns of stamps: the name of the featurizer."""

MADE = b"cutlist:made"
"""Metadata of `made_by`, JSON: fingerprint → `version`, `inputs` and `parameters` of the featurizer, the `columns` of
the table that it reads, and its `reference`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """The columns that one featurizer made in a table.

    Attributes:
        columns: Its outputs.
        made: Fingerprint → what `MADE` says of it; the last one that was run is last.
    """

    name: str
    columns: tuple[str, ...]
    made: Mapping[int, Mapping[str, Any]]

    @property
    def inputs(self) -> frozenset[str]:
        """The columns that it was made of when it was last run."""
        return frozenset(list(self.made.values())[-1]["columns"]) if self.made else frozenset()

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the featurizer that was last run."""
        return dict(list(self.made.values())[-1]["parameters"]) if self.made else {}

    @property
    def reference(self) -> str | None:
        """Where the featurizer that was last run is imported from, `module:name`, if that is known."""
        return list(self.made.values())[-1].get("reference") if self.made else None

    @property
    def version(self) -> int | None:
        """The version of the featurizer that was last run, if that is known."""
        return list(self.made.values())[-1]["version"] if self.made else None

    @property
    def model(self) -> str:
        """A text that is the same for columns of the same featurizer, version and parameters."""
        return json.dumps([self.name, self.reference, self.version, sorted(self.parameters.items())])

    @property
    def made_by(self) -> str:
        """The column with the fingerprint that made each row, int64."""
        return f"{self.name}_made_by"

    @property
    def made_at(self) -> str:
        """The column with the version of the table that each row was written on, int64; negative where it failed."""
        return f"{self.name}_made_at"


def feature_fields(
    name: str, outputs: Sequence[pa.Field], made: Mapping[int, Mapping[str, Any]] | None = None
) -> list[pa.Field]:
    """Return the fields that a featurizer adds to a table: its outputs, and the stamps.

    Args:
        made: What is said of it (`MADE`) where a table is made with them.
    """
    mine = {FEATURIZER: name.encode()}
    stamp = {STAMP_OF: name.encode()}
    return [
        *(each.with_nullable(True).with_metadata({**(each.metadata or {}), **mine}) for each in outputs),
        pa.field(f"{name}_made_by", pa.int64(), metadata={**stamp, **({MADE: made_text(made)} if made else {})}),
        pa.field(f"{name}_made_at", pa.int64(), metadata=stamp),
    ]


def made_text(made: Mapping[int, Mapping[str, Any]]) -> str:
    """Return the metadata of `made_by`."""
    return json.dumps({str(fingerprint): dict(facts) for fingerprint, facts in made.items()})


def features_of(schema: pa.Schema) -> dict[str, Feature]:
    """Return the features of a table by the names of their featurizers, in the order of their columns."""
    columns: dict[str, list[str]] = {}
    made: dict[str, dict[int, Any]] = {}
    for each in schema:
        said = each.metadata or {}
        if FEATURIZER in said:
            columns.setdefault(said[FEATURIZER].decode(), []).append(each.name)
        if MADE in said and STAMP_OF in said:
            found = json.loads(said[MADE])
            made[said[STAMP_OF].decode()] = {int(fingerprint): facts for fingerprint, facts in found.items()}
    return {
        name: Feature(name=name, columns=tuple(found), made=made.get(name, {}))
        for name, found in columns.items()
        if f"{name}_made_by" in schema.names
    }


def is_stamp(field: pa.Field) -> bool:
    """Return whether a column has stamps, which SQL does not see."""
    return STAMP_OF in (field.metadata or {})
