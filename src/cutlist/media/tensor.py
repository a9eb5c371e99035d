"""Arrays that are stored as files: depth maps, latents, masks; each keeps its own dtype and shape.

What the bytes are is read from the bytes: `.npy`, safetensors with one tensor, or a picture, of which the stored values
are kept. Nothing here runs code from a file: pickled objects are refused.
"""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cutlist.errors import MediaError, listing
from cutlist.media.image import open_image
from cutlist.media.source import Source, as_file, check_pixels, media_errors, read_head, sniff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutlist.media.reference import Op

NPY_MAGIC = b"\x93NUMPY"

_SAFE_DTYPES = {
    name: np.dtype(dtype)
    for name, dtype in (
        *(("BOOL", "?"), ("U8", "u1"), ("U16", "<u2"), ("U32", "<u4"), ("U64", "<u8"), ("C64", "<c8")),
        *(("I8", "i1"), ("I16", "<i2"), ("I32", "<i4"), ("I64", "<i8")),
        *(("BF16", "<u2"), ("F16", "<f2"), ("F32", "<f4"), ("F64", "<f8")),
    )
}
"""Names in safetensors → numpy's. BF16, which numpy has not, is widened to float32, exactly."""


def is_tensor(head: bytes) -> bool:
    """Return whether a file that starts with `head` is `.npy` or safetensors."""
    return head.startswith(NPY_MAGIC) or (head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 100_000_000)


def decode_tensor(source: Source, ops: Sequence[Op]) -> NDArray[Any]:
    """Return the array that a file holds, C-contiguous, writable, in this machine's byte order.

    - `.npy`: any numeric dtype and shape.
    - safetensors: its only tensor; BF16 as float32.
    - A picture: what is stored, not turned and not scaled. One channel: (H, W), of bool, uint8 (of a palette the
      indices), uint16, int32 or float32, such as a depth map of 16-bit PNG; several: (C, H, W), of uint8, or of uint16
      for a PNG of 16 bits, whose alpha is dropped.

    Raises:
        MediaError: if the bytes are none of these or damaged, or there is an operation.

    Examples:
        >>> file = io.BytesIO()
        >>> np.save(file, np.arange(6, dtype=np.float16).reshape(2, 3))
        >>> decode_tensor(file.getvalue(), []).shape
        (2, 3)
    """
    for op in ops:
        raise MediaError(f"{op}: this is a tensor, which is given as it is stored; tensors take raw")
    with media_errors("not a tensor that can be read"):
        head = read_head(source)
        if head.startswith(NPY_MAGIC):
            return _native(_npy(as_file(source).read()))
        if is_tensor(head):
            return _native(_safetensor(as_file(source).read()))
        if sniff(head) == "image":
            return _native(_picture(source))
    raise MediaError("not a tensor: neither .npy, nor safetensors, nor a picture")


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _npy(data: bytes) -> NDArray[Any]:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise MediaError(f".npy version {version[0]}.{version[1]}; 1.0 and 2.0 are read (numpy.save writes them)")
    shape, in_fortran_order, dtype = readers[version](file)
    if dtype.hasobject or dtype.names:
        raise MediaError(f".npy of {dtype}: pickled objects and records are never read, only numbers")
    return _array(data, file.tell(), dtype, shape, "F" if in_fortran_order else "C")


def _safetensor(data: bytes) -> NDArray[Any]:
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise MediaError(f"safetensors cut short: a header of {start - 8} bytes in {len(data)}")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    if len(header) != 1:
        raise MediaError(f"safetensors with {len(header)} tensors, {listing(header)}; store one in each value")
    ((name, about),) = header.items()
    kind, shape, (first, last) = about["dtype"], tuple(about["shape"]), about["data_offsets"]
    if kind not in _SAFE_DTYPES:
        raise MediaError(f"safetensors: {name} is {kind}; read are {listing(_SAFE_DTYPES)}")
    dtype = _SAFE_DTYPES[kind]
    if first < 0 or not all(isinstance(each, int) and each >= 0 for each in shape):
        raise MediaError(f"safetensors: {name} has shape {shape} at {first}")
    if last - first != math.prod(shape) * dtype.itemsize:
        raise MediaError(f"safetensors: {name}, {kind} {shape}, has {last - first} bytes")
    array = _array(data, start + first, dtype, shape, "C")
    return (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array


def _array(data: bytes, at: int, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Return the array whose values start at a byte; a size that the bytes do not have is refused before it is made."""
    size = math.prod(shape) * dtype.itemsize
    if size > len(data) - at:
        raise MediaError(f"cut short: {dtype} {shape} takes {size} bytes, and there are {len(data) - at}")
    array: NDArray[Any] = np.frombuffer(data, dtype, math.prod(shape), at) if size else np.empty(0, dtype)
    return array.reshape(shape, order=cast("Any", order))


def _picture(source: Source) -> NDArray[Any]:
    with open_image(source) as image:
        depth, colours = as_file(source).read(26)[24:26] if image.format == "PNG" else (8, 0)
        if depth < 16 or colours == 0:
            image.load()
            values = np.asarray(image)
            return values if values.ndim == 2 else values.transpose(2, 0, 1)
        check_pixels(*image.size)
    # Pillow keeps 8 of the 16 bits of colours
    codec = av.CodecContext.create("png", "r")
    codec.thread_type = "NONE"
    frames = [*codec.decode(av.Packet(as_file(source).read())), *codec.decode(None)]
    if not frames:
        raise MediaError("PNG without a picture")
    if colours == 4:
        return frames[0].to_ndarray(format="gray16le")
    return frames[0].to_ndarray(format="rgb48le").transpose(2, 0, 1)
