"""Featurizers: functions that compute a new column from media, one file each, named after the featurizer.

A featurizer is plain Python over numpy arrays, and beside it in its file stands the measure as a function of its own:
`laplacian_variance(frames)` under `sharpness`. Nothing here is imported by the core.

| file | what is in it |
|---|---|
| `sharpness`, `luminance`, `saturation`, `entropy` | measures of pixels |
| `black_borders` | the box inside a letterbox, for `crop` |
| `phash` | perceptual hashes, for duplicates |
| `frames`, `luma`, `rows` | what they share: the shape of a clip, luma, a batch by rows |
"""

from __future__ import annotations

from cutlist_featurizers.black_borders import black_borders
from cutlist_featurizers.entropy import entropy
from cutlist_featurizers.luminance import luminance
from cutlist_featurizers.phash import phash
from cutlist_featurizers.saturation import saturation
from cutlist_featurizers.sharpness import sharpness

__all__ = ["black_borders", "entropy", "luminance", "phash", "saturation", "sharpness"]
