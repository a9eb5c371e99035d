"""Silences what Pillow and its libtiff say on stderr of odd files: 380 lines over the TIFFs of one test corpus.

What keeps a picture from being decoded is raised as an error all the same. PyAV, libheif and the other libraries of
Pillow say nothing by themselves.
"""

from __future__ import annotations

import ctypes
import logging
from contextlib import suppress

from PIL import _imaging


def silence() -> None:
    """Take away the functions by which libtiff warns and complains, and the last resort of Pillow's log.

    Programs that set up logging still get Pillow's. The libtiff is the one that Pillow uses: names are looked up in
    Pillow's own library and in those that it is linked with. Where there is none, as on Windows, nothing happens.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with suppress(OSError, AttributeError):
        pillow = ctypes.CDLL(_imaging.__file__)
        for setter in (pillow.TIFFSetWarningHandler, pillow.TIFFSetErrorHandler):
            setter.argtypes, setter.restype = (ctypes.c_void_p,), ctypes.c_void_p
            setter(None)
