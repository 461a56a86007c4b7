"""Compute the mean of a movie and the largest rise above it, in one pass over the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.recording.exports.movie import blocks_of

__all__ = ["Projections", "project"]


_WINDOW_S = 0.25
"""The maximum is one of means over this time: a transient lasts longer, and noise averages out."""


@dataclass(frozen=True, eq=False)
class Projections:
    """Projections of a movie along time.

    Attributes
    ----------
    mean
        Mean over the frames ``(height, width)``, float64.
    rise
        Maximum of means over 0.25 s, minus the mean ``(height, width)``, float64: the still background is gone.
    """

    mean: NDArray[np.float64]
    rise: NDArray[np.float64]


def project(frames: FrameSource, fps: float, shifts: NDArray[Any] | None = None) -> Projections:
    """Project a movie along time.

    Parameters
    ----------
    frames
        The movie; read block by block.
    fps
        Frames per second.
    shifts
        The tissue's displacement ``(frame, 2)``, px. Each frame is moved back by it, to the nearest pixel; a pixel that
        is never in view is 0. ``None``: frames stay where they are.
    """
    _, height, width = frames.shape
    total = np.zeros((height, width))
    seen = np.zeros((height, width), np.int64)
    highest = np.full((height, width), -np.inf)
    window = max(1, round(_WINDOW_S * fps))
    start = 0
    for block in blocks_of(frames, label="projecting", block_frames=window):
        light = np.zeros((height, width))
        n = np.zeros((height, width), np.int64)
        if shifts is None:
            light += block.sum(axis=0, dtype=np.float64)
            n += len(block)
        else:
            for image, (dy, dx) in zip(block, shifts[start : start + len(block)].tolist(), strict=True):
                rows, back_rows = _overlap(height, round(dy))
                columns, back_columns = _overlap(width, round(dx))
                light[back_rows, back_columns] += image[rows, columns]
                n[back_rows, back_columns] += 1
        # The mean over few frames is noisy, and its maximum would stand out: less than half a window does not count.
        often = 2 * n >= len(block)
        highest[often] = np.maximum(highest[often], light[often] / n[often])
        total += light
        seen += n
        start += len(block)
    mean = total / np.maximum(seen, 1)
    return Projections(mean, np.where(np.isfinite(highest), highest, mean) - mean)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Return which pixels of a moved axis stay in view, and where they lie when it is moved back."""
    if shift >= 0:
        return slice(min(shift, size), size), slice(0, max(size - shift, 0))
    return slice(0, max(size + shift, 0)), slice(min(-shift, size), size)
