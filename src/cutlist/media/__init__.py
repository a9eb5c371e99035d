"""Media: from the bytes of an image, video or sound to arrays, exact by timestamp, and what a file holds.

`reference` says what SQL asks for; `decode` does it, with `image`, `video` and `audio`; `timeline` and `geometry` are
the arithmetic of it; `source`, `frames` and `bitstream` know files, timestamps and packets; `probe` describes a file;
`examine` tells whether all of it can be decoded; `sheet` shows many. `indexing`, `packets` and `planned` read videos by
packet, with no container.
"""

from cutlist.media.decode import decode, sniff
from cutlist.media.examine import examine
from cutlist.media.indexing import index_packets
from cutlist.media.packets import PacketIndex
from cutlist.media.planned import decode_planned, plan_video
from cutlist.media.probe import MEDIA_SUFFIXES, Probe, probe
from cutlist.media.reference import MediaRef, Op
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
    "sniff",
]
