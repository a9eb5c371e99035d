"""Backfill: new columns of a table, computed by featurizers, nothing rewritten and nothing computed twice."""

from cutlist.backfill.featurizer import Batch, Featurizer, featurizer

__all__ = ["Batch", "Featurizer", "featurizer"]
