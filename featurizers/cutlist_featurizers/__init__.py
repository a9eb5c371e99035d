"""Featurizers: functions that compute a new column from media, one file each, named after the featurizer.

A featurizer is plain Python over numpy arrays or the bytes of a file, and beside it in its file stands the measure as a
function of its own: `measure_motion(video)` above `motion`. Nothing here is imported by the core.

| file | what is in it |
|---|---|
| `sharpness` | measures of pixels |
| `motion`, `scenes`, `freeze`, `keyframes` | measures over time |
| `loudness` | measures of sound |
| `filters`, `motion_vectors`, `rows` | what they share: FFmpeg's filters, an encoder's vectors, a batch by rows |
"""

from __future__ import annotations

from cutlist_featurizers.freeze import freeze
from cutlist_featurizers.keyframes import keyframes
from cutlist_featurizers.loudness import loudness
from cutlist_featurizers.motion import motion
from cutlist_featurizers.scenes import scenes
from cutlist_featurizers.sharpness import sharpness

__all__ = ["freeze", "keyframes", "loudness", "motion", "scenes", "sharpness"]
