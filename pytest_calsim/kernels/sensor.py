"""Move and shade images as the instrument does, and expose them on its sensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.poisson import poisson_tables
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints

__all__ = ["Chip", "Fields", "Windows", "expose", "look"]

_VIEW: dict[str, Any] = {
    "n": int,
    "height": int,
    "width": int,
    "image_height": int,
    "image_width": int,
    "images": array(np.float32, "n", "image_height", "image_width"),
    "row": array(np.int64, "n"),
    "column": array(np.int64, "n"),
    "whole": array(np.bool_, "n"),
    "weights": array(np.float32, "n", 2, 4),
    "filtered": output(np.float32, "n", 4, "width"),
    "n_fields": int,
    "fields": array(np.float32, "n_fields", "height", "width"),
    "adds": array(np.bool_, "n_fields"),
}
_CHIP: dict[str, Any] = {
    "response_rows": int,
    "response": array(np.float32, "response_rows", "width"),
    "dark_rows": int,
    "dark": array(np.float32, "dark_rows", "width"),
    "offset_rows": int,
    "offset": array(np.float32, "offset_rows", "width"),
    "key": np.uint64,
    "full_well": float,
    "read_noise": float,
    "gain": float,
    "row_noise": float,
    "top_code": float,
    "kept": float,
    "shot": bool,
    "middle": array(np.uint64, 16, 256),
    "fine": array(np.uint64, 128, 32),
}
_look = Kernel("look", **_VIEW, out=output(np.float32, "n", "height", "width"))


def _expose_as(dtype: Any) -> Callable[..., Any]:
    name = f"expose_u{8 * np.dtype(dtype).itemsize}"
    return Kernel(
        name, **_VIEW, **_CHIP, start=int, light=output(np.float32, "width"), out=output(dtype, "n", "height", "width")
    )


_EXPOSE = {np.dtype(dtype): _expose_as(dtype) for dtype in (np.uint8, np.uint16)}

# Means of float32 up to here fit 32-bit counts, with room for their spread.
_MOST_ELECTRONS = 1e9


class Windows(NamedTuple):
    """Place of the sensor's window on each of ``n`` images.

    Attributes
    ----------
    height, width
        The window's size.
    row, column
        The image's pixel at or before the window's pixel (0, 0), int64 ``(n,)``.
    whole
        Whether the window lies exactly there, bool ``(n,)``.
    weights
        Else those of four rows, and of four columns, around it; ``row`` and ``column`` are the second of them. float32
        ``(n, 2, 4)``.
    """

    height: int
    width: int
    row: Ints
    column: Ints
    whole: Bools
    weights: Floats32

    @classmethod
    def at(cls, corners: Floats, shape: tuple[int, int]) -> Self:
        """Place windows anywhere, also between pixels.

        Parameters
        ----------
        corners
            Image coordinates (row, column) of each window's pixel (0, 0), float64 ``(n, 2)``.
        shape
            The windows' height and width.
        """
        first = np.floor(corners)
        row, column = first.T.astype(np.int64, order="C")
        height, width = shape
        return cls(
            height=height,
            width=width,
            row=row,
            column=column,
            whole=(corners == first).all(axis=1),
            weights=_keys_weights(corners - first),
        )


class Fields(NamedTuple):
    """Fields fixed to the instrument, applied to the window's pixels one after the other.

    Attributes
    ----------
    values
        float32 ``(field, height, width)``.
    adds
        Which of them are added; the others are multiplied. bool ``(field,)``.
    """

    values: Floats32
    adds: Bools

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Self:
        """Return no field at all, for windows of some height and width."""
        return cls(np.empty((0, *shape), np.float32), np.empty(0, np.bool_))


class Chip(NamedTuple):
    """The chip that turns light into codes, as in :class:`~pytest_calsim.microscope.acquisition.ImageSensor`.

    Attributes
    ----------
    response, dark_e, offset_adu
        Electrons per unit of light, dark electrons and black level of each pixel, float32 ``(height, width)``, or
        ``(1, width)`` where all rows are alike.
    key
        Name of the noise, 0 to 2⁶⁴ − 1.
    full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu
        See there.
    top_code, drop_bits
        The converter's highest code, and by how many bits codes are shifted right.
    shot_noise
        Whether electrons are random counts, or their means.
    """

    response: Floats32
    dark_e: Floats32
    offset_adu: Floats32
    key: int
    full_well_e: float
    read_noise_e: float
    gain_adu_per_e: float
    row_noise_adu: float
    top_code: int
    drop_bits: int
    shot_noise: bool = True


def look(images: Floats32, windows: Windows, fields: Fields) -> Floats32:
    """Compute the light that reaches the sensor.

    Parameters
    ----------
    images
        float32 ``(n, image_height, image_width)``.
    windows
        Where the sensor lies on each. Between pixels, light is interpolated from 4 x 4 of them (Keys 1981, a = −0.5),
        so one more row and column before the window is read, and two behind it.
    fields
        Fields that shade or add to the light.

    Returns
    -------
    float32 ``(n, height, width)``.

    Raises
    ------
    ValueError
        If sizes do not agree, or a window reaches beyond its image.
    """
    view = _view(images, windows, fields)
    out = np.empty((len(images), windows.height, windows.width), np.float32)
    _look(**view, out=out)
    return out


def expose(
    images: Floats32, windows: Windows, fields: Fields, chip: Chip, start: int, dtype: Any
) -> NDArray[np.unsignedinteger[Any]]:
    """Draw the codes that the sensor makes of the light that reaches it.

    Every pixel's noise depends on ``chip.key``, the frame, its row and its column alone. Negative light and NaN count
    as none.

    Parameters
    ----------
    images, windows, fields
        As in :func:`look`.
    chip
        The sensor.
    start
        The first image's frame, not negative.
    dtype
        Type of the codes: uint8 or uint16.

    Returns
    -------
    ``(n, height, width)``.

    Raises
    ------
    ValueError
        As in :func:`look`, or if the codes do not fit the type, or a pixel's electrons no 32-bit number.
    """
    view = _view(images, windows, fields)
    for name, values in (("response", chip.response), ("dark_e", chip.dark_e), ("offset_adu", chip.offset_adu)):
        check_shape(name, values, 1 if len(values) == 1 else windows.height, windows.width)
    dtype = np.dtype(dtype)
    if dtype not in _EXPOSE or not 0 <= chip.top_code >> chip.drop_bits <= np.iinfo(dtype).max:
        raise ValueError(
            f"codes up to {chip.top_code} >> {chip.drop_bits} do not fit {dtype}; uint8 and uint16 are written"
        )
    if not 0 <= chip.full_well_e <= _MOST_ELECTRONS:
        raise ValueError(f"full_well_e = {chip.full_well_e:g} must be in [0, {_MOST_ELECTRONS:g}] electrons")
    out: Any = np.empty((len(images), windows.height, windows.width), dtype)
    _EXPOSE[dtype](
        **view,
        response=chip.response,
        dark=chip.dark_e,
        offset=chip.offset_adu,
        key=chip.key,
        full_well=chip.full_well_e,
        read_noise=chip.read_noise_e,
        gain=chip.gain_adu_per_e,
        row_noise=chip.row_noise_adu,
        top_code=chip.top_code,
        kept=2.0**-chip.drop_bits,
        shot=chip.shot_noise,
        **poisson_tables()._asdict(),
        start=start,
        light=np.empty(windows.width, np.float32),
        out=out,
    )
    return out


def _view(images: Floats32, windows: Windows, fields: Fields) -> dict[str, Any]:
    """Check sizes; return the parameters that both kernels have."""
    view: dict[str, Any] = {
        "images": images,
        **windows._asdict(),
        "filtered": np.empty((len(images), 4, windows.width), np.float32),
        "fields": fields.values,
        "adds": fields.adds,
    }
    _look.check(**view)
    _, image_height, image_width = images.shape
    height, width, row, column, whole, _ = windows
    # Between pixels light is interpolated from one pixel before and two behind.
    before = np.where(whole, 0, 1)
    behind = np.where(whole, 0, 2)
    inside = (row >= before) & (row + height + behind <= image_height)
    inside &= (column >= before) & (column + width + behind <= image_width)
    if not inside.all():
        f = int(np.argmin(inside))
        raise ValueError(
            f"image {f} of {image_height} x {image_width} px does not hold a window of {height} x {width} px "
            f"at ({row[f]}, {column[f]}) and the {before[f]} pixel before and {behind[f]} behind it that it needs"
        )
    return view


def _keys_weights(fraction: Floats) -> Floats32:
    """Return the weights of the four pixels around points, by Keys' cubic convolution with a = −0.5 (Keys 1981).

    Parameters
    ----------
    fraction
        Where each point lies between the second and the third pixel, 0 to 1, any shape.

    Returns
    -------
    float32 ``(*shape, 4)``; four weights sum to 1, and are exactly (0, 1, 0, 0) at 0.
    """
    t = fraction
    first = ((-0.5 * t + 1.0) * t - 0.5) * t
    second = (1.5 * t - 2.5) * t * t + 1.0
    third = ((-1.5 * t + 2.0) * t + 0.5) * t
    fourth = (0.5 * t - 0.5) * t * t
    return np.stack([first, second, third, fourth], axis=-1).astype(np.float32)
