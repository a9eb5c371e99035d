"""Featurizers: functions that compute a new column from media, one file each, named after the featurizer.

A featurizer is plain Python over numpy arrays or the bytes of a file, and beside it in its file stands the measure as a
function of its own: `laplacian_variance(frames)` above `sharpness`. Nothing here is imported by the core.

| file | what is in it |
|---|---|
| `sharpness`, `luminance`, `saturation`, `entropy` | measures of pixels |
| `black_borders` | the box inside a letterbox, for `crop` |
| `phash` | perceptual hashes, for duplicates |
| `duplicates` | groups of near-duplicates over a whole table, and the best row of each |
| `clusters` | k-means over a column of embeddings, to sample what is rare as often as what is not |
| `motion`, `scenes`, `freeze`, `keyframes` | measures over time |
| `loudness` | measures of sound |
| `caption_stats` | measures of texts |
| `clip_embedding`, `text_embedding` | vectors of pictures and texts, by models of open_clip and sentence-transformers |
| `aesthetic`, `depth` | how a picture looks, by its embedding; how near things are in it |
| `frames`, `luma`, `rows` | what those of pixels share: the shape of a clip, luma, a batch by rows |
| `hamming`, `cosine`, `components` | for duplicates: hashes and vectors that are near, sets that grow together |
| `kmeans` | for duplicates and clusters: centres of vectors |
| `videos`, `filters`, `motion_vectors` | what those over time share: open files, FFmpeg's filters, motion vectors |
| `models`, `weights`, `packages` | what those with a model share: arguments and dtypes, files and hashes, imports |

Nothing here imports torch before a model is loaded.
"""

from __future__ import annotations

from cutlist_featurizers.aesthetic import Aesthetic
from cutlist_featurizers.black_borders import black_borders
from cutlist_featurizers.caption_stats import CaptionStats
from cutlist_featurizers.clip_embedding import ClipEmbedding
from cutlist_featurizers.clusters import Clusters
from cutlist_featurizers.depth import Depth
from cutlist_featurizers.duplicates import Duplicates, EmbeddingDuplicates
from cutlist_featurizers.entropy import entropy
from cutlist_featurizers.freeze import freeze
from cutlist_featurizers.keyframes import keyframes
from cutlist_featurizers.loudness import loudness
from cutlist_featurizers.luminance import luminance
from cutlist_featurizers.motion import motion
from cutlist_featurizers.phash import phash
from cutlist_featurizers.saturation import saturation
from cutlist_featurizers.scenes import scenes
from cutlist_featurizers.sharpness import sharpness
from cutlist_featurizers.text_embedding import TextEmbedding

__all__ = [
    "Aesthetic",
    "CaptionStats",
    "ClipEmbedding",
    "Clusters",
    "Depth",
    "Duplicates",
    "EmbeddingDuplicates",
    "TextEmbedding",
    "black_borders",
    "entropy",
    "freeze",
    "keyframes",
    "loudness",
    "luminance",
    "motion",
    "phash",
    "saturation",
    "scenes",
    "sharpness",
]
