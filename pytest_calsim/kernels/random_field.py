"""Sum the cosines of a smooth random field."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.types import Floats

__all__ = ["sum_cosines"]


_sum_cosines = Kernel(
    "sum_cosines",
    modes=int,
    height=int,
    width=int,
    row_cos=array(np.float64, "modes", "height"),
    row_sin=array(np.float64, "modes", "height"),
    column_cos=array(np.float64, "modes", "width"),
    column_sin=array(np.float64, "modes", "width"),
    field=output(np.float64, "height", "width"),
)


def sum_cosines(row_cos: Floats, row_sin: Floats, column_cos: Floats, column_sin: Floats) -> Floats:
    """Sum cos(a_m(row) + b_m(column)) over modes m, from the cosines and sines of both.

    Modes are summed in one order at every position, so a value depends on its position alone.

    Parameters
    ----------
    row_cos, row_sin
        Of a, float64 ``(mode, row)``; the number of modes is a multiple of four.
    column_cos, column_sin
        Of b, float64 ``(mode, column)``.

    Returns
    -------
    ndarray
        float64 ``(row, column)``.

    Raises
    ------
    ValueError
        If shapes disagree, or the number of modes is not a multiple of four.
    """
    modes, height = row_cos.shape
    if modes % 4:
        raise ValueError(f"row_cos has {modes} modes; their number must be a multiple of four")
    field = np.empty((height, column_cos.shape[1]))
    _sum_cosines(row_cos=row_cos, row_sin=row_sin, column_cos=column_cos, column_sin=column_sin, field=field)
    return field
