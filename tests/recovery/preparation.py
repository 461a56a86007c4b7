"""What is done to a movie before a pipeline gets it. Needs nothing but this package."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from pytest_calsim import Recording


def without_fixed_pattern(movie: Any) -> Any:
    """Take the sensor's fixed pattern out of a moving movie: the detail of the mean frame, where tissue is blurred.

    It stays put whatever the tissue does, so it holds a registration back, and flickers once frames are moved. The
    movie is ``(frame, height, width)``; so is the result, float32.
    """
    movie = movie.astype(np.float32)
    mean = movie.mean(axis=0)
    return movie - (mean - ndimage.gaussian_filter(mean, 1))


def shown_throughout(registered: xr.DataArray) -> xr.DataArray:
    """Cut a registered movie to what every frame shows; elsewhere it is NaN in some."""
    shown = registered.notnull().all("frame").compute()
    return registered.where(shown, drop=True)


def registered_by_the_truth(recording: Recording) -> xr.DataArray:
    """Move the frames of a recording by its true shifts, so that finding cells is judged apart from registration.

    The sensor's fixed pattern is gone, and only what every frame shows is left, with its own coordinates.
    """
    movie = without_fixed_pattern(recording.observed)
    shifts = recording.truth.shifts.values
    moved = [ndimage.shift(frame, -by, order=1, cval=np.nan) for frame, by in zip(movie.values, shifts, strict=True)]
    return shown_throughout(movie.copy(data=np.array(moved)))
