"""Backfill: new columns of a table, computed by featurizers, nothing rewritten and nothing computed twice."""

from cutlist.backfill.arguments import made, with_arguments
from cutlist.backfill.backfill import Scope, backfill
from cutlist.backfill.builtin import MediaProbe, PacketIndexes
from cutlist.backfill.encoding import Encoders
from cutlist.backfill.featurizer import (
    Batch,
    Declared,
    Featurizer,
    declared,
    declared_again,
    declared_now,
    featurizer,
    installed,
)
from cutlist.backfill.how import How, Ray, engine_of
from cutlist.backfill.report import BackfillReport
from cutlist.backfill.stale import rows_of

__all__ = [
    "BackfillReport",
    "Batch",
    "Declared",
    "Encoders",
    "Featurizer",
    "How",
    "MediaProbe",
    "PacketIndexes",
    "Ray",
    "Scope",
    "backfill",
    "declared",
    "declared_again",
    "declared_now",
    "engine_of",
    "featurizer",
    "installed",
    "made",
    "rows_of",
    "with_arguments",
]
