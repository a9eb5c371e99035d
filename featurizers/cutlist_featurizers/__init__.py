"""Featurizers: functions that compute a new column from media, one file each, named after the column.

A featurizer is plain Python over numpy arrays. Nothing here is imported by the core.
"""

from __future__ import annotations

from cutlist_featurizers.sharpness import sharpness

__all__ = ["sharpness"]
