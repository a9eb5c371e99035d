"""Rendered media for the demo, the tests and the benchmarks: real encoded files, and captions that are true.

A video is one shape moving over a still background. The background is drawn once, in the encoder's own pixel format,
and each frame is a copy of it with the shape pasted in, so that most of the time is the encoder's. 240 videos and 120
images take 20 s on two cores and 32 MB.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.codec.codec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import SettingsError

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (247, 140, 20),
    "yellow": (250, 220, 40),
    "green": (40, 160, 70),
    "blue": (40, 80, 200),
    "purple": (130, 50, 160),
    "pink": (240, 120, 180),
    "white": (245, 245, 245),
}
"""RGB of each colour that a shape can have."""

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "blue": (45, 80, 190),
    "brown": (125, 75, 40),
    "green": (40, 140, 70),
    "grey": (150, 150, 150),
    "pink": (225, 130, 175),
    "purple": (115, 50, 145),
    "teal": (20, 130, 135),
}
"""RGB of each colour that a background can have, where it is brightest."""

SUBJECTS = ("circle", "square", "triangle", "diamond", "ring", "cross")

MOTIONS = ("moves left to right", "moves right to left", "moves top to bottom", "moves bottom to top", "stays still")

TEXTURES = ("", "striped ", "checked ", "cloudy ")

HD_SIZES = ((1920, 1080), (1920, 1080), (1920, 1080), (1080, 1920))
SD_SIZES = ((640, 360), (854, 480), (1280, 720), (640, 360), (360, 640), (854, 480), (1280, 720), (720, 1280))
IMAGE_SIZES = ((320, 240), (640, 480), (800, 600), (1024, 768), (480, 640), (1280, 720), (1920, 1080))

CODECS = ("h264", "vp9", "h264", "av1", "h264", "mjpeg", "h264", "h264", "vp9", "h264")
"""The codecs in turn; ten of them, so that each meets every size (a third of the videos are 1080p)."""

_ENCODERS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "h264": (
        # ultrafast turns B-frames off; they are what makes decoding order differ from display order
        ("libx264", {"preset": "ultrafast", "crf": "28", "bf": "2", "b-pyramid": "none"}),
        ("libopenh264", {}),
    ),
    "vp9": (("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "40", "b": "0"}),),
    "av1": (
        # preset 11 writes, now and then, a stream that no decoder takes (SVT-AV1 4.1 warns of it); 10 is as fast
        ("libsvtav1", {"preset": "10", "crf": "35", "svtav1-params": "lp=1"}),
        ("libaom-av1", {"usage": "realtime", "cpu-used": "8", "crf": "35"}),
    ),
    "mjpeg": (("mjpeg", {"qmin": "6", "qmax": "6"}),),
}
"""Encoders and their options of each codec, the preferred first."""

_SUFFIXES = {
    "h264": (".mp4", ".mp4", ".mov", ".mkv"),
    "vp9": (".webm",),
    "av1": (".mp4", ".webm"),
    "mjpeg": (".avi", ".mov"),
}
_TONES = {".mp4": "aac", ".mov": "aac", ".mkv": "aac", ".webm": "libopus"}
_SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is to be seen: a shape in a colour on a background, in pixels."""

    subject: str
    colour: str
    background: str
    texture: str
    width: int
    height: int
    seed: int

    @property
    def shape_size(self) -> int:
        """Return the side of the square that the shape fills, in pixels: even, about 2/5 of the shorter side."""
        return min(self.width, self.height) // 5 * 2

    @property
    def scene(self) -> str:
        """Return the background in words.

        Examples:
            >>> Picture(
            ...     subject="ring", colour="red", background="blue", texture="striped ", width=64, height=64, seed=0
            ... ).scene
            'a striped blue background'
        """
        return _with_article(f"{self.texture}{self.background} background")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video to render: a picture whose shape moves."""

    picture: Picture
    motion: str
    codec: str
    suffix: str
    fps: int
    num_frames: int
    gop_frames: int
    tone_hertz: int | None

    @property
    def caption(self) -> str:
        """Return what is to be seen: `a red circle moves left to right over a blue background, 1080p, 24 fps`."""
        picture = self.picture
        portrait = "portrait, " if picture.height > picture.width else ""
        words = f"{_with_article(f'{picture.colour} {picture.subject}')} {self.motion} over {picture.scene}, {portrait}"
        tone = ", with a tone" if self.tone_hertz else ""
        return f"{words}{min(picture.width, picture.height)}p, {self.fps} fps{tone}"


def render_media(
    folder: Path,
    *,
    num_videos: int,
    num_images: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Return the path of a `captions.csv` that describes the videos and images written beside it.

    Videos are H.264, VP9, AV1 and MJPEG in several containers, 360p to 1080p (every third is 1080p), some portrait, 1
    to 4 seconds, some with a tone; images are JPEG and PNG. The same arguments give the same media, and a larger number
    adds to what a smaller one makes. Files with the same names are replaced; `captions.csv` is written last.

    Args:
        folder: Made if it is not there; gets `videos/`, `images/` and `captions.csv`, whose columns are path (relative
            to `folder`, with forward slashes), caption, subject, colour.
        num_videos: At least 0.
        num_images: At least 0.
        seed: At least 0.
        progress: Called in this thread with the numbers of files done and of all files, after each file.

    Raises:
        SettingsError: if a number is negative.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(render_media(Path(folder), num_videos=0, num_images=1).read_text().splitlines()[0])
        path,caption,subject,colour
    """
    for name, value in (("num_videos", num_videos), ("num_images", num_images), ("seed", seed)):
        if value < 0:
            raise SettingsError(f"render_media: {name}={value}; expected at least 0")
    for each in ("videos", "images"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    clips = {f"videos/{i:05}{clip.suffix}": clip for i, clip in enumerate(plan_clips(num_videos, seed=seed))}
    pictures = {
        f"images/{i:05}{'.png' if i % 4 == 3 else '.jpg'}": picture
        for i, picture in enumerate(plan_pictures(num_images, seed=seed))
    }
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 writes a page to stderr for each file; it has no option for that
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [pool.submit(render_clip, clip, folder / path) for path, clip in clips.items()]
        jobs += [pool.submit(render_picture, picture, folder / path) for path, picture in pictures.items()]
        for num_done, job in enumerate(as_completed(jobs), start=1):
            job.result()
            if progress is not None:
                progress(num_done, len(jobs))
    captions = folder / "captions.csv"
    with captions.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "caption", "subject", "colour"])
        for path, clip in clips.items():
            writer.writerow([path, clip.caption, clip.picture.subject, clip.picture.colour])
        for path, picture in pictures.items():
            caption = f"{_with_article(f'{picture.colour} {picture.subject}')} on {picture.scene}"
            writer.writerow([path, caption, picture.subject, picture.colour])
    return captions


def plan_clips(count: int, *, seed: int) -> list[Clip]:
    """Return the videos to render: the first `count` of an endless list that `seed` chooses.

    Examples:
        >>> [clip.codec for clip in plan_clips(4, seed=0)]
        ['h264', 'vp9', 'h264', 'av1']
    """
    codecs = [codec for codec in CODECS if _encoder(codec) is not None]
    return [_plan_clip(number, codecs[number % len(codecs)], seed) for number in range(count)]


def plan_pictures(count: int, *, seed: int) -> list[Picture]:
    """Return the images to render: the first `count` of an endless list that `seed` chooses."""
    return [
        _plan_picture(np.random.default_rng([seed, 1, number]), IMAGE_SIZES[number % len(IMAGE_SIZES)])
        for number in range(count)
    ]


def render_clip(clip: Clip, path: Path) -> None:
    """Write one video to `path`, whose suffix chooses the container.

    Raises:
        OSError: if the file cannot be written.
    """
    encoder = _encoder(clip.codec)
    assert encoder is not None, clip.codec
    name, options = encoder
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=clip.fps, options={**options, "g": str(clip.gop_frames)})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = clip.picture.width, clip.picture.height
        stream.pix_fmt = "yuvj420p" if clip.codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1  # the pool renders as many files at a time as there are cores
        tone = container.add_stream(_TONES[clip.suffix], rate=_SAMPLE_RATE) if clip.tone_hertz else None
        for number, planes in enumerate(_frames(clip)):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, clip.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if clip.tone_hertz and tone is not None:
            assert isinstance(tone, av.AudioStream)
            container.mux(tone.encode(_tone(clip.tone_hertz, clip.num_frames / clip.fps)))
            container.mux(tone.encode(None))


def render_picture(picture: Picture, path: Path) -> None:
    """Write one image to `path`, whose suffix chooses JPEG or PNG.

    Raises:
        OSError: if the file cannot be written.
    """
    pixels = _background(picture)
    size = picture.shape_size
    left, top = np.random.default_rng([picture.seed, 1]).integers(0, (picture.width - size, picture.height - size))
    pixels[top : top + size, left : left + size][_shape(picture.subject, size)] = COLOURS[picture.colour]
    Image.fromarray(pixels).save(path, quality=88, compress_level=1)


def _encoder(codec: str) -> tuple[str, dict[str, str]] | None:
    """Return the preferred encoder of a codec that this build of FFmpeg has, with its options, or None."""
    for name, options in _ENCODERS[codec]:
        try:
            av.codec.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name, options
    return None


def _plan_picture(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    colour = str(rng.choice(list(COLOURS)))
    background = str(rng.choice([name for name in BACKGROUNDS if name != colour]))
    return Picture(
        subject=SUBJECTS[rng.integers(len(SUBJECTS))],
        colour=colour,
        background=background,
        texture=TEXTURES[rng.integers(len(TEXTURES))],
        width=size[0],
        height=size[1],
        seed=int(rng.integers(2**31)),
    )


def _plan_clip(number: int, codec: str, seed: int) -> Clip:
    rng = np.random.default_rng([seed, 0, number])
    is_hd = number % 3 == 0
    sizes = HD_SIZES if is_hd else SD_SIZES
    picture = _plan_picture(rng, sizes[number // 3 % len(sizes)] if is_hd else sizes[number % len(sizes)])
    fps = int(rng.choice([15, 24, 25, 30]))
    # A frame of 1080p costs nine times one of 360p to encode, so the large videos are the short ones.
    seconds = rng.uniform(1, 2) if is_hd else rng.uniform(1, 4)
    suffix = str(rng.choice(_SUFFIXES[codec]))
    return Clip(
        picture=picture,
        motion=MOTIONS[rng.integers(len(MOTIONS))],
        codec=codec,
        suffix=suffix,
        fps=fps,
        num_frames=round(fps * seconds),
        gop_frames=int(rng.choice([12, fps, 2 * fps, 250])),
        tone_hertz=int(rng.integers(220, 880)) if suffix in _TONES and rng.random() < 0.3 else None,
    )


def _frames(clip: Clip) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames as planar YUV 4:2:0, uint8 of shape (height * 3 // 2, width): all of Y, then U, then V."""
    picture = clip.picture
    width, height, size = picture.width, picture.height, picture.shape_size
    background = _to_yuv(_background(picture))
    luma, *chroma = _to_yuv(np.full((2, 2, 3), COLOURS[picture.colour], dtype=np.uint8)).reshape(-1)[[0, 4, 5]]
    shape = _shape(picture.subject, size)
    for number in range(clip.num_frames):
        left, top = _place(clip.motion, number / max(clip.num_frames - 1, 1), width - size, height - size)
        planes = background.copy()
        planes[top : top + size, left : left + size][shape] = luma
        for plane, value in zip(planes[height:].reshape(2, height // 2, width // 2), chroma, strict=True):
            plane[top // 2 : (top + size) // 2, left // 2 : (left + size) // 2][shape[::2, ::2]] = value
        yield planes


def _to_yuv(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB of shape (H, W, 3), both even, as planar YUV 4:2:0 of shape (H * 3 // 2, W), BT.601 limited range."""
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p").to_ndarray().astype(np.uint8)


def _place(motion: str, progress: float, room_x: int, room_y: int) -> tuple[int, int]:
    """Return the left and top of the shape, even, at `progress` in [0, 1] of the way through [0, room]."""
    x, y = {
        "moves left to right": (progress, 0.5),
        "moves right to left": (1 - progress, 0.5),
        "moves top to bottom": (0.5, progress),
        "moves bottom to top": (0.5, 1 - progress),
        "stays still": (0.5, 0.5),
    }[motion]
    return int(x * room_x) // 2 * 2, int(y * room_y) // 2 * 2


def _background(picture: Picture) -> NDArray[np.uint8]:
    """Return a background as RGB, uint8 of shape (height, width, 3): its colour, darker towards one side, textured."""
    width, height = picture.width, picture.height
    rng = np.random.default_rng([picture.seed, 0])
    x = np.linspace(0, 1, width, dtype=np.float32)[np.newaxis, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis]
    slope_x, slope_y = rng.uniform(-0.1, 0.1, size=2).astype(np.float32)
    shade = np.float32(0.8) + slope_x * x + slope_y * y
    cell = max(min(width, height) // 12, 2)
    if picture.texture == "striped ":
        shade *= np.where(np.arange(width) // cell % 2, np.float32(0.85), np.float32(1))
    elif picture.texture == "checked ":
        checks = np.arange(width) // cell % 2 ^ (np.arange(height) // cell % 2)[:, np.newaxis]
        shade *= np.where(checks, np.float32(0.85), np.float32(1))
    elif picture.texture == "cloudy ":
        noise = Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8))
        clouds = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
        shade *= np.float32(0.8) + clouds * np.float32(0.2 / 255)
    return np.stack([(shade * level).astype(np.uint8) for level in BACKGROUNDS[picture.background]], axis=-1)


def _shape(subject: str, size: int) -> NDArray[np.bool_]:
    """Return which pixels of a (size, size) square a shape covers, bool of that shape."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = axis[np.newaxis, :], axis[:, np.newaxis]
    return {
        "circle": lambda: x * x + y * y <= 1,
        "square": lambda: np.maximum(abs(x), abs(y)) <= 0.85,
        "triangle": lambda: abs(x) * 2 <= y + 1,
        "diamond": lambda: abs(x) + abs(y) <= 1,
        "ring": lambda: abs(x * x + y * y - 0.7) <= 0.3,
        "cross": lambda: np.minimum(abs(x), abs(y)) <= 0.3,
    }[subject]()


def _tone(hertz: int, seconds: float) -> av.AudioFrame:
    """Return a sine tone, mono float32 at 48 kHz, at a quarter of full scale."""
    times = np.arange(round(seconds * _SAMPLE_RATE), dtype=np.float32) / _SAMPLE_RATE
    wave = (0.25 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(wave[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = _SAMPLE_RATE, 0
    return frame


def _with_article(words: str) -> str:
    """Return e.g. `an orange ring`."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
