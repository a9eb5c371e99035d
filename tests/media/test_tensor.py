"""Tensors come out with the dtype and shape they were stored with; what is damaged, or would run code, is refused."""

from __future__ import annotations

import io
import json
import pickle
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import MediaError
from cutlist.media import Op, decode


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], **extra: Any) -> bytes:
    header: dict[str, Any] = dict(extra)
    data = b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def png(values: NDArray[Any], layout: str) -> bytes:
    """Return a PNG of 16 bits by FFmpeg, for modes that Pillow does not write."""
    height, width = values.shape[:2]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format=layout)
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, layout, Fraction(1)
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def picture(image: Image.Image, name: str) -> bytes:
    file = io.BytesIO()
    image.save(file, name)
    return file.getvalue()


def tensor(data: bytes, kind: str | None = "tensor") -> NDArray[Any]:
    got = decode(data, [], kind=kind)
    assert isinstance(got, np.ndarray)
    assert got.flags.c_contiguous
    assert got.flags.writeable
    assert got.dtype.isnative
    return got


NUMBERS = hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc")


@given(
    hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0), elements=None),
    st.booleans(),
    st.sampled_from(["tensor", None]),
)
def test_npy(array: NDArray[Any], fortran: bool, kind: str | None) -> None:
    got = tensor(npy(np.asfortranarray(array) if fortran and array.ndim else array), kind)
    assert (got.dtype, got.shape) == (array.dtype.newbyteorder("="), array.shape)
    assert np.array_equal(got, array, equal_nan=array.dtype.kind in "fc")


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        ("F32", np.arange(6, dtype=np.float32).reshape(2, 3)),
        ("F16", np.arange(6, dtype=np.float16).reshape(3, 2)),
        ("I64", np.array([-(2**62)])),
        ("BOOL", np.array([[True, False]])),
        ("U8", np.zeros((0, 4), np.uint8)),
        ("F64", np.array(2.5)),
    ],
)
@pytest.mark.parametrize("kind", ["tensor", None])
def test_safetensors(dtype: str, array: NDArray[Any], kind: str | None) -> None:
    got = tensor(safetensors({"latent": (dtype, list(array.shape), array.tobytes())}, __metadata__={"a": "b"}), kind)
    assert (got.dtype, got.shape, got.tolist()) == (array.dtype, array.shape, array.tolist())


def test_bfloat16_is_widened_exactly() -> None:
    values = np.array([1.5, -2.0, 3.140625, np.inf], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    got = tensor(safetensors({"x": ("BF16", [2, 2], upper)}))
    assert got.dtype == np.float32
    assert got.tolist() == values.reshape(2, 2).tolist()


MASK = Image.new("P", (5, 4))
MASK.putdata([3, 0, 1, 2] * 5)
MASK.putpalette(range(256))


@pytest.mark.parametrize(
    ("data", "dtype", "shape", "first"),
    [
        (picture(Image.fromarray(np.full((4, 5), 40_000, np.uint16)), "PNG"), np.uint16, (4, 5), 40_000),
        (picture(Image.fromarray(np.full((4, 5), 1.25, np.float32)), "TIFF"), np.float32, (4, 5), 1.25),
        (picture(Image.new("L", (5, 4), 7), "PNG"), np.uint8, (4, 5), 7),
        (picture(MASK, "PNG"), np.uint8, (4, 5), 3),
        (picture(Image.new("1", (5, 4), 1), "PNG"), np.bool_, (4, 5), True),
        (picture(Image.new("RGB", (5, 4), (9, 8, 7)), "PNG"), np.uint8, (3, 4, 5), 9),
        (png(np.full((4, 5, 3), 0xABCD, np.uint16), "rgb48be"), np.uint16, (3, 4, 5), 0xABCD),
        (png(np.full((4, 5, 4), 0xABCD, np.uint16), "rgba64be"), np.uint16, (3, 4, 5), 0xABCD),
    ],
)
def test_pictures_are_what_they_store(data: bytes, dtype: type, shape: tuple[int, ...], first: float) -> None:
    got = tensor(data)
    assert got.dtype == dtype
    assert (got.shape, got.flat[0]) == (shape, first)


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a file ran code')",)


GOOD = safetensors({"x": ("F32", [2], bytes(8))})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.array([Harm()], dtype=object)), "pickled objects and records are never read"),
        (npy(np.zeros(2, [("a", "f4")])), "pickled objects and records are never read"),
        (npy(np.zeros(9))[:-1], r"cut short: float64 \(9,\) takes 72 bytes, and there are 71"),
        (npy(np.zeros(9))[:20], "not a tensor that can be read"),
        (npy(np.zeros(9)).replace(b"(9,)", b"(9**9**9,)"), "not a tensor that can be read"),
        (npy(np.zeros(9)).replace(b"(9,), }          ", b"(99999999999999,), }"), "cut short"),
        (b"\x93NUMPY\x09\x00" + bytes(100), r"\.npy version 9\.0; 1\.0 and 2\.0 are read"),
        (pickle.dumps(Harm()), "neither .npy, nor safetensors, nor a picture"),
        (b"", "empty: 0 bytes"),
        (GOOD[:-1], r"cut short: float32 \(2,\) takes 8 bytes, and there are 7"),
        (GOOD[:20], "safetensors cut short: a header of"),
        (safetensors({"b": ("U8", [1], b"1"), "a": ("U8", [1], b"1")}), "safetensors with 2 tensors, a, b; store one"),
        (safetensors({}), "safetensors with 0 tensors"),
        (safetensors({"x": ("F8_E4M3", [1], b"1")}), "safetensors: x is F8_E4M3; read are BF16, BOOL"),
        (safetensors({"x": ("F32", [3], bytes(8))}), r"safetensors: x, F32 \(3,\), has 8 bytes"),
        (safetensors({"x": ("F32", [-2, -1], bytes(8))}), r"x has shape \(-2, -1\)"),
    ],
)
def test_what_is_no_tensor_is_said(data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(data, [], kind="tensor")


@given(st.binary(max_size=60), st.integers(0, 140), st.sampled_from([GOOD, npy(np.zeros((3, 2), np.float16))]))
def test_damage_is_a_media_error_or_an_array(noise: bytes, at: int, data: bytes) -> None:
    try:
        got = decode(data[:at] + noise + data[at + len(noise) :], [], kind="tensor")
    except MediaError:
        return
    assert isinstance(got, np.ndarray)


def test_no_operation_has_a_meaning() -> None:
    with pytest.raises(MediaError, match=r"resize\(8, 8\): this is a tensor, which is given as it is stored"):
        decode(GOOD, [Op("resize", (8, 8))], kind="tensor")
    assert decode(GOOD, [Op("raw")], kind="tensor") == GOOD
