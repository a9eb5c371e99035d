"""Sidecars of a selection: its samples by bucket, their weights, and what is the same in all samples of a bucket.

| file | what is in it |
|---|---|
| `sidecar` | a sidecar, and how its arrays are mapped from a folder |
| `survey` | what the columns of buckets, weights and costs have |
| `build` | the counting sort |
| `files` | where sidecars are, and how one is made once |
"""

from cutlist.sidecar.files import drop_sidecars, sidecar_of
from cutlist.sidecar.sidecar import Sidecar
from cutlist.sidecar.survey import MAX_BUCKETS, FragmentsOf, Keys

__all__ = ["MAX_BUCKETS", "FragmentsOf", "Keys", "Sidecar", "drop_sidecars", "sidecar_of"]
