"""The mean of a movie and its largest rise above it, in one pass over the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.recording.exports.movie import blocks_of

__all__ = ["Projections", "project"]


@dataclass(frozen=True, eq=False)
class Projections:
    """What is left of a movie without its time axis.

    Attributes
    ----------
    mean
        Mean over the frames ``(height, width)``, float64.
    rise
        Maximum minus mean ``(height, width)``, float64: the still background is gone.
    """

    mean: NDArray[np.float64]
    rise: NDArray[np.float64]


def project(frames: FrameSource, shifts: NDArray[Any] | None = None) -> Projections:
    """Project a movie along time.

    Parameters
    ----------
    frames
        The movie; read block by block.
    shifts
        The tissue's displacement ``(frame, 2)``, px. Each frame is moved back by it, to the nearest pixel; a pixel that
        is never in view is 0. ``None``: frames stay where they are.
    """
    _, height, width = frames.shape
    total = np.zeros((height, width))
    highest = np.full((height, width), -np.inf)
    seen = np.zeros((height, width), np.int64)
    at = 0
    for block in blocks_of(frames, label="projecting"):
        if shifts is None:
            total += block.sum(axis=0, dtype=np.float64)
            np.maximum(highest, block.max(axis=0), out=highest)
            seen += len(block)
        else:
            for image, shift in zip(block, shifts[at : at + len(block)], strict=True):
                rows, back_rows = _overlap(height, round(float(shift[0])))
                columns, back_columns = _overlap(width, round(float(shift[1])))
                place = (back_rows, back_columns)
                total[place] += image[rows, columns]
                seen[place] += 1
                highest[place] = np.maximum(highest[place], image[rows, columns])
        at += len(block)
    mean = total / np.maximum(seen, 1)
    return Projections(mean, np.where(seen > 0, highest, mean) - mean)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Give which pixels of a moved axis stay in view, and where they lie when it is moved back."""
    if shift >= 0:
        return slice(min(shift, size), size), slice(0, max(size - shift, 0))
    return slice(0, max(size + shift, 0)), slice(min(-shift, size), size)
