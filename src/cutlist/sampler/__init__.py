"""The order of training as arithmetic on integers: what each step draws, for any number of ranks and workers.

| file | what is in it |
|---|---|
| `permutation` | keyed permutations of [0, n) |
| `shuffles` | the orders of an epoch: full, block, none |
| `buckets` | what an epoch draws from: samples by bucket, each once or by weight |
| `sampler` | the order of an epoch: `sampler[step]` |
| `schedule` | mixtures and curricula: the component of each step or sample |
| `ranks` | who takes which part |
"""

from cutlist.sampler.buckets import Buckets
from cutlist.sampler.permutation import MAX_SAMPLES, ORDER_VERSION, permute
from cutlist.sampler.ranks import worker_steps
from cutlist.sampler.sampler import Sampler
from cutlist.sampler.schedule import PERIOD, Schedule, Stage
from cutlist.sampler.shuffles import Block, Shuffle

__all__ = [
    "MAX_SAMPLES",
    "ORDER_VERSION",
    "PERIOD",
    "Block",
    "Buckets",
    "Sampler",
    "Schedule",
    "Shuffle",
    "Stage",
    "permute",
    "worker_steps",
]
