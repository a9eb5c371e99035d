"""Media: from the bytes of an image, video or sound to arrays, exact by timestamp, and what a file holds.

`reference` says what SQL asks for, and `randomness` draws what is random in it; `decode` does it, by kind (`registry`),
with `image`, `animation`, `video`, `audio`, `sound` and `tensor`; `timeline`, `geometry` and `colour` are its
arithmetic; `source`, `frames` and `bitstream` know files, timestamps and packets; `probe` describes a file; `sheet`
shows many.
"""

from cutlist.media.decode import decode, sniff
from cutlist.media.probe import MEDIA_SUFFIXES, Probe, probe
from cutlist.media.randomness import resolve
from cutlist.media.reference import MediaRef, Op
from cutlist.media.registry import register
from cutlist.media.sheet import contact_sheet

__all__ = [
    "MEDIA_SUFFIXES",
    "MediaRef",
    "Op",
    "Probe",
    "contact_sheet",
    "decode",
    "probe",
    "register",
    "resolve",
    "sniff",
]
