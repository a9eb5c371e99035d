"""Backfill: new columns of a table, computed by featurizers, nothing rewritten and nothing computed twice."""

from cutlist.backfill.backfill import Scope, backfill
from cutlist.backfill.builtin import MediaProbe, PacketIndexes
from cutlist.backfill.featurizer import Batch, Declared, Featurizer, declared, featurizer, installed
from cutlist.backfill.how import How, Ray, engine_of
from cutlist.backfill.report import BackfillReport
from cutlist.backfill.stale import rows_of

__all__ = [
    "BackfillReport",
    "Batch",
    "Declared",
    "Featurizer",
    "How",
    "MediaProbe",
    "PacketIndexes",
    "Ray",
    "Scope",
    "backfill",
    "declared",
    "engine_of",
    "featurizer",
    "installed",
    "rows_of",
]
