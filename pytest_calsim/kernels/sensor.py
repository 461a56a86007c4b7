"""Look at images through the instrument, and expose them on its sensor."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output
from pytest_calsim.kernels.poisson import poisson_tables

__all__ = ["Chip", "Fields", "Windows", "expose", "look"]

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Ints = NDArray[np.int64]

_VIEW: list[Any] = [
    *[int] * 5,  # n, height, width, image_height, image_width
    array(np.float32, 3),  # images
    array(np.int64, 1),  # row
    array(np.int64, 1),  # column
    array(np.bool_, 1),  # whole
    array(np.float32, 3),  # weights
    output(np.float32, 3),  # filtered
    int,  # n_fields
    array(np.float32, 3),  # fields
    array(np.bool_, 1),  # adds
]
_MAP: list[Any] = [int, array(np.float32, 2)]  # rows, values
_CHIP: list[Any] = [
    *_MAP * 3,  # response, dark, offset
    np.uint64,  # key
    *[float] * 6,  # full_well, read_noise, gain, row_noise, top_code, kept
    bool,  # shot
    *[array(np.uint64, 2)] * 2,  # middle, fine
]
_look = kernel("look", *_VIEW, output(np.float32, 3))
_expose_u8 = kernel("expose_u8", *_VIEW, *_CHIP, int, output(np.float32, 1), output(np.uint8, 3))
_expose_u16 = kernel("expose_u16", *_VIEW, *_CHIP, int, output(np.float32, 1), output(np.uint16, 3))


_MOST_ELECTRONS = 1e9


class Windows(NamedTuple):
    """Where the sensor's window lies on each of ``n`` images.

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
    whole: NDArray[np.bool_]
    weights: Images

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
        return cls(*shape, row, column, (corners == first).all(axis=1), _keys_weights(corners - first))


class Fields(NamedTuple):
    """Fields fixed to the instrument, applied to the window's pixels one after the other.

    Attributes
    ----------
    values
        float32 ``(field, height, width)``.
    adds
        Which of them are added; the others are multiplied. bool ``(field,)``.
    """

    values: Images
    adds: NDArray[np.bool_]

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Self:
        """Return no field at all, for windows of some height and width."""
        return cls(np.empty((0, *shape), np.float32), np.empty(0, np.bool_))


class Chip(NamedTuple):
    """What turns light into codes, as in :class:`~pytest_calsim.microscope.acquisition.ImageSensor`.

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

    response: Images
    dark_e: Images
    offset_adu: Images
    key: int
    full_well_e: float
    read_noise_e: float
    gain_adu_per_e: float
    row_noise_adu: float
    top_code: int
    drop_bits: int
    shot_noise: bool = True


def look(images: Images, windows: Windows, fields: Fields) -> Images:
    """Compute the light that reaches the sensor.

    Parameters
    ----------
    images
        float32 ``(n, image_height, image_width)``.
    windows
        What is seen of each. Between pixels, light is interpolated from 4 x 4 of them (Keys 1981, a = −0.5), so one
        more row and column before the window is read, and two behind it.
    fields
        What shades it.

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
    _look(*view, out)
    return out


def expose(
    images: Images, windows: Windows, fields: Fields, chip: Chip, start: int, dtype: Any
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
    if dtype not in (np.uint8, np.uint16) or not 0 <= chip.top_code >> chip.drop_bits <= np.iinfo(dtype).max:
        raise ValueError(f"codes up to {chip.top_code} shifted right by {chip.drop_bits} bits do not fit {dtype}")
    if not 0 <= chip.full_well_e <= _MOST_ELECTRONS:
        raise ValueError(f"full_well_e = {chip.full_well_e:g} lies outside 0 to {_MOST_ELECTRONS:g} electrons")
    out = np.empty((len(images), windows.height, windows.width), dtype)
    (_expose_u8 if dtype == np.uint8 else _expose_u16)(
        *view,
        len(chip.response),
        chip.response,
        len(chip.dark_e),
        chip.dark_e,
        len(chip.offset_adu),
        chip.offset_adu,
        chip.key,
        chip.full_well_e,
        chip.read_noise_e,
        chip.gain_adu_per_e,
        chip.row_noise_adu,
        chip.top_code,
        2.0**-chip.drop_bits,
        chip.shot_noise,
        *poisson_tables(),
        start,
        np.empty(windows.width, np.float32),
        out,
    )
    return out


def _view(images: Images, windows: Windows, fields: Fields) -> tuple[Any, ...]:
    """Check sizes; return the first parameters of both kernels."""
    n, image_height, image_width = images.shape
    height, width, row, column, whole, weights = windows
    check_shape("windows.row", row, n)
    check_shape("windows.column", column, n)
    check_shape("windows.whole", whole, n)
    check_shape("windows.weights", weights, n, 2, 4)
    check_shape("fields.values", fields.values, len(fields.adds), height, width)
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
    filtered = np.empty((n, 4, width), np.float32)
    sizes = n, height, width, image_height, image_width
    return *sizes, images, row, column, whole, weights, filtered, len(fields.adds), fields.values, fields.adds


def _keys_weights(fraction: Floats) -> Images:
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
