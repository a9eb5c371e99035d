"""Media: from the bytes of an image, video or sound to arrays, exact by timestamp, and what a file holds.

| file | what is in it |
|---|---|
| `reference`, `randomness` | what SQL asks for, and the numbers that are drawn for it |
| `decode`, `registry` | from bytes to arrays, by kind |
| `image`, `animation`, `video`, `audio`, `sound`, `tensor` | the kinds |
| `timeline`, `geometry`, `colour`, `shapes` | their arithmetic |
| `source`, `frames`, `bitstream`, `canvas`, `quiet` | files, timestamps, packets, pixels, no C library on stderr |
| `packets`, `indexing`, `planned` | videos by packet, with no container |
| `probe`, `examine`, `sheet` | what a file holds, whether all of it can be decoded, many on one picture |
"""

from cutlist.media.decode import decode, sniff
from cutlist.media.examine import examine
from cutlist.media.indexing import index_packets
from cutlist.media.packets import PacketIndex
from cutlist.media.planned import decode_planned, plan_video
from cutlist.media.probe import MEDIA_SUFFIXES, Probe, probe
from cutlist.media.randomness import resolve
from cutlist.media.reference import MediaRef, Op
from cutlist.media.registry import register
from cutlist.media.sheet import contact_sheet

__all__ = [
    "MEDIA_SUFFIXES",
    "MediaRef",
    "Op",
    "PacketIndex",
    "Probe",
    "contact_sheet",
    "decode",
    "decode_planned",
    "examine",
    "index_packets",
    "plan_video",
    "probe",
    "register",
    "resolve",
    "sniff",
]
