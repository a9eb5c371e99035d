"""The reader: positions in selections → decoded rows, in order. The one pipeline that moves media bytes.

    steps of positions ─ plan ─ read, several steps in one call ─ decode in a pool ─ row processors ─ rows of a step
                        └──────── one thread, a window ahead ───┘ └─── `num_threads`, a few steps ahead ──┘

| file | what is in it |
|---|---|
| `reader` | the stages, connected by bounded queues |
| `fetching` | which bytes the samples of some steps need, and one call for all of them |
| `decoding` | one row: its media decoded, every processor applied |
| `rows` | columns of Arrow as Python values |
| `stats` | what was done, and what failed |
"""

from cutlist.reader.decoding import Processor
from cutlist.reader.fetching import Part
from cutlist.reader.reader import Reader, Spare
from cutlist.reader.rows import Row
from cutlist.reader.stats import Failure, ReaderStats

__all__ = ["Failure", "Part", "Processor", "Reader", "ReaderStats", "Row", "Spare"]
