"""Write videos: AVI and the Miniscope's folder of AVIs (FFV1, lossless), and MP4 (H.264, to look at)."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.plain import is_number
from pytest_calsim.errors import StoreError
from pytest_calsim.recording.exports.movie import Movie, frame_times_s, images_of, published
from pytest_calsim.recording.extras import require

__all__ = ["CHUNK_FRAMES", "write_avi", "write_miniscope_folder", "write_mp4"]

CHUNK_FRAMES = 1000
"""Frames in one AVI of a Miniscope's folder, as its acquisition software writes them."""

_PIXEL_FORMATS = {"|u1": "gray", "<u2": "gray16le"}
_INTRA = {"g": "1"}
"""Every frame is decoded by itself: readers may seek, and a bad frame spoils no other."""
_TO_LOOK_AT = {"crf": "12", "preset": "veryfast"}
"""Quality at which the eye sees no difference, in dim movies either."""
_SAMPLED_FRAMES = 24
"""Frames whose range becomes black to white in an MP4 of a movie with more than 8 bits."""


def write_avi(movie: Movie, path: Path, *, overwrite: bool = False) -> None:
    """Write an AVI in FFV1, which is lossless, with 8 or 16 bits a pixel."""
    pixel_format = _lossless_format(movie, "to_avi")
    with published(path, overwrite=overwrite) as partial:
        _encode(
            path=partial,
            container_format="avi",
            codec="ffv1",
            pixel_format=pixel_format,
            movie=movie,
            images=images_of(movie.frames, label=path.name),
            options=_INTRA,
        )


def write_mp4(
    movie: Movie, path: Path, *, limits: tuple[float, float] | None = None, speed: float = 1.0, overwrite: bool = False
) -> None:
    """Write an MP4 in H.264 with 8 bits a pixel: to look at, not to analyse, as it is lossy.

    Parameters and errors are those of :meth:`WritesFiles.to_mp4`.
    """
    if not (is_number(speed) and 0 < speed < math.inf):
        raise ValueError(f"speed must be a number above 0, not {speed!r}")
    low, high = _brightness_range(movie) if limits is None else _checked(limits)
    _, height, width = movie.frames.shape
    pad = ((0, height % 2), (0, width % 2))  # H.264 stores colour at half the size, so it needs even sides

    def shown(image: NDArray[Any]) -> NDArray[np.uint8]:
        scaled = np.clip((image.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
        return np.pad(np.rint(scaled).astype(np.uint8), pad, mode="edge")

    images = map(shown, images_of(movie.frames, label=path.name))
    with published(path, overwrite=overwrite) as partial:
        _encode(
            path=partial,
            container_format="mp4",
            codec="libx264",
            pixel_format="gray",
            movie=movie,
            images=images,
            stored="yuv420p",
            speed=speed,
            options=_TO_LOOK_AT,
        )


def write_miniscope_folder(movie: Movie, path: Path) -> None:
    """Write what the Miniscope's acquisition software leaves: ``0.avi``, ``1.avi``, times and metadata."""
    if movie.frames.dtype != np.uint8:
        raise StoreError(
            f"to_miniscope_folder: the Miniscope records 8 bits, and these frames are {movie.frames.dtype}; "
            "set acquisition.image_sensor.bit_depth to 8, or use to_avi or to_tiff"
        )
    pixel_format = _lossless_format(movie, "to_miniscope_folder")
    n_frames, height, width = movie.frames.shape
    fps = movie.spec.acquisition.fps
    with published(path) as partial:
        partial.mkdir()
        for i, first in enumerate(range(0, n_frames, CHUNK_FRAMES)):
            last = min(first + CHUNK_FRAMES, n_frames)
            images = images_of(movie.frames, first, last, label=f"{path.name}/{i}.avi")
            _encode(
                path=partial / f"{i}.avi",
                container_format="avi",
                codec="ffv1",
                pixel_format=pixel_format,
                movie=movie,
                images=images,
                options=_INTRA,
            )
        with (partial / "timeStamps.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["Frame Number", "Time Stamp (ms)", "Buffer Index"])
            table.writerows([i, round(1000 * float(t)), 0] for i, t in enumerate(frame_times_s(movie)))
        metadata = {
            "ROI": {"height": height, "leftEdge": 0, "topEdge": 0, "width": width},
            "compression": "FFV1",
            "deviceDirectory": str(path),
            "deviceID": 0,
            "deviceName": "Miniscope",
            "deviceType": "Miniscope_V4_BNO",
            "frameRate": f"{fps:g}FPS",
            "framesPerFile": CHUNK_FRAMES,
            "gain": "Low",
        }
        (partial / "metaData.json").write_text(json.dumps(metadata, indent=4) + "\n", "utf-8")


def _lossless_format(movie: Movie, name: str) -> str:
    pixel_format = _PIXEL_FORMATS.get(movie.frames.dtype.newbyteorder("<").str)
    if pixel_format is None:
        raise StoreError(
            f"{name}: an AVI holds whole numbers of 8 or 16 bits, and these frames are {movie.frames.dtype}; "
            "use to_tiff, to_npy, to_zarr or to_nwb, or to_mp4 to look at it"
        )
    return pixel_format


def _checked(limits: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = limits
        is_rising = is_number(low) and is_number(high) and low < high
    except (TypeError, ValueError):  # not two
        is_rising = False
    if not is_rising:
        raise ValueError(f"limits must be (low, high) with low < high, not {limits!r}")
    return float(limits[0]), float(limits[1])


def _brightness_range(movie: Movie) -> tuple[float, float]:
    """Return black and white: the full range of 8 bits, else the range of some frames spread over the recording."""
    if movie.frames.dtype == np.uint8:
        return 0.0, 255.0
    n_frames = movie.frames.shape[0]
    some = np.unique(np.linspace(0, n_frames - 1, _SAMPLED_FRAMES).astype(int))
    sampled = [movie.frames.read(int(i), int(i) + 1) for i in some]
    low = float(min(image.min() for image in sampled))
    high = float(max(image.max() for image in sampled))
    return low, high if high > low else low + 1.0


def _encode(
    path: Path,
    container_format: str,
    codec: str,
    pixel_format: str,
    movie: Movie,
    images: Iterable[NDArray[Any]],
    *,
    stored: str | None = None,
    speed: float = 1.0,
    options: dict[str, str] | None = None,
) -> None:
    """Encode images one by one."""
    av = require("av", "files", "writing a video")
    rate = Fraction(movie.spec.acquisition.fps * speed).limit_denominator(10_000)
    from_ndarray: Callable[..., Any] = av.VideoFrame.from_ndarray
    with av.open(str(path), "w", format=container_format) as container:
        stream: Any = None
        for image in images:
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = image.shape
                stream.pix_fmt = stored or pixel_format
            frame = from_ndarray(np.ascontiguousarray(image), format=pixel_format)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
