"""Move the pixels of a movie, and change its codes, as the frames are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.arrays.plain import is_number
from pytest_calsim.errors import SpecError

__all__ = ["Axis", "Transformation", "TransformedFrames", "check_codes"]

Axis: TypeAlias = Literal["height", "width"]
Sides: TypeAlias = tuple[int, int, int, int]

_BLOCK_FRAMES = 64
"""Frames that are transformed, or searched for their extremes, at a time."""


@dataclass(frozen=True)
class Transformation:
    """Changes to each frame, in this order: cut, pad, mirror, transpose; then gain, offset and type of codes.

    Attributes
    ----------
    frame_shape
        Height and width of the frames that are transformed, px.
    cut, pad
        Pixels cut off, then added, at each side: top, bottom, left, right.
    fill
        Code of the pixels that are added.
    mirror
        Axes along which the order of the pixels is reversed.
    transpose
        Whether rows become columns.
    gain, offset
        Codes become ``gain · code + offset``.
    dtype
        Type of the codes; ``None``: as they were.
    """

    frame_shape: tuple[int, int]
    cut: Sides = (0, 0, 0, 0)
    pad: Sides = (0, 0, 0, 0)
    fill: float = 0.0
    mirror: tuple[Axis, ...] = ()
    transpose: bool = False
    gain: float = 1.0
    offset: float = 0.0
    dtype: np.dtype[Any] | None = None

    @classmethod
    def of(
        cls,
        frame_shape: tuple[int, int],
        *,
        crop: tuple[slice, slice] | None,
        pad_px: int | tuple[int, int, int, int],
        fill: float,
        mirror: Axis | Sequence[Axis],
        transpose: bool,
        gain: float,
        offset: float,
        dtype: DTypeLike | None,
    ) -> Transformation:
        """Read the arguments of :meth:`Recording.transformed <pytest_calsim.Recording.transformed>`.

        Raises
        ------
        SpecError
            For a value out of range, naming it.
        """
        height, width = frame_shape
        rows, columns = _rows_and_columns(crop)
        pads = _sides(pad_px)
        for name, value in {"gain": gain, "offset": offset}.items():
            if not (is_number(value) and math.isfinite(value)):
                raise SpecError(f"{name} = {value!r} must be a finite number")
        if gain <= 0:
            raise SpecError(f"gain = {gain} must be above 0")
        if not is_number(fill):
            raise SpecError(f"fill = {fill!r} must be a number")
        top, bottom = _cut(rows, height, "rows")
        left, right = _cut(columns, width, "columns")
        return cls(
            frame_shape=frame_shape,
            cut=(top, bottom, left, right),
            pad=pads,
            fill=fill,
            mirror=_axes(mirror),
            transpose=transpose,
            gain=gain,
            offset=offset,
            dtype=None if dtype is None else _dtype(dtype),
        )

    def __str__(self) -> str:
        sides = ("top", "bottom", "left", "right")
        parts = [f"{px} px cut off at the {side}" for side, px in zip(sides, self.cut, strict=True) if px]
        parts += [f"{px} px added at the {side}" for side, px in zip(sides, self.pad, strict=True) if px]
        parts += [f"mirrored along {axis}" for axis in self.mirror]
        if self.transpose:
            parts.append("transposed")
        if self.gain != 1:
            parts.append(f"gain {self.gain:g}")
        if self.offset:
            parts.append(f"offset {self.offset:+g}")
        if self.dtype is not None:
            parts.append(f"as {self.dtype}")
        return ", ".join(parts)

    @property
    def windowed(self) -> tuple[int, int]:
        """Height and width within the window, before transposition, px."""
        height = self.frame_shape[0] - self.cut[0] - self.cut[1] + self.pad[0] + self.pad[1]
        width = self.frame_shape[1] - self.cut[2] - self.cut[3] + self.pad[2] + self.pad[3]
        return height, width

    @property
    def is_windowed(self) -> bool:
        """Whether pixels are cut off or added."""
        return any(self.cut) or any(self.pad)

    @property
    def kept(self) -> tuple[slice, slice]:
        """Rows and columns of the frames that are kept."""
        top, bottom, left, right = self.cut
        return slice(top, self.frame_shape[0] - bottom), slice(left, self.frame_shape[1] - right)

    @property
    def offset_px(self) -> tuple[int, int]:
        """Rows and columns by which the kept pixels move, before they are mirrored."""
        return self.pad[0] - self.cut[0], self.pad[2] - self.cut[2]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the transformed frames, px."""
        height, width = self.windowed
        return (width, height) if self.transpose else (height, width)

    @property
    def is_geometric(self) -> bool:
        """Whether pixels move."""
        return self.transpose or bool(self.mirror) or self.is_windowed

    def images(self, values: NDArray[Any], fill: float = 0.0) -> NDArray[Any]:
        """Move the pixels of images ``(..., height, width)``; the result is contiguous, of the same type."""
        height, width = self.windowed
        out = np.full((*values.shape[:-2], height, width), fill, values.dtype)
        kept = values[(..., *self.kept)]
        top, _, left, _ = self.pad
        out[..., top : top + kept.shape[-2], left : left + kept.shape[-1]] = kept
        if "height" in self.mirror:
            out = out[..., ::-1, :]
        if "width" in self.mirror:
            out = out[..., ::-1]
        return np.ascontiguousarray(out.swapaxes(-2, -1) if self.transpose else out)

    def points(self, row: NDArray[Any], column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Move places on the frames, px."""
        height, width = self.windowed
        row = row + self.offset_px[0]
        column = column + self.offset_px[1]
        if "height" in self.mirror:
            row = height - 1 - row
        if "width" in self.mirror:
            column = width - 1 - column
        return (column, row) if self.transpose else (row, column)

    def vectors(self, along_height: NDArray[Any], along_width: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Turn displacements and places relative to the optical axis."""
        first = -along_height if "height" in self.mirror else along_height
        second = -along_width if "width" in self.mirror else along_width
        return (second, first) if self.transpose else (first, second)

    def footprints(self, footprints: SparseFootprints) -> SparseFootprints:
        """Move footprints; what leaves the window is lost."""
        rows, columns = self.kept
        row, column = np.divmod(footprints.indices.astype(np.int64), max(self.frame_shape[1], 1))
        inside = (row >= rows.start) & (row < rows.stop) & (column >= columns.start) & (column < columns.stop)
        row, column = self.points(row[inside], column[inside])
        # Number of pixels that stay of all before each one: so a unit's first and last pixel become those that stay.
        n_inside = np.concatenate([[0], np.cumsum(inside)])
        # Mirrors and transposition change the order of pixels, and footprints keep theirs ascending.
        pixel = row * self.shape[1] + column
        unit = np.repeat(np.arange(len(footprints)), np.diff(footprints.indptr))[inside]
        order = np.lexsort((pixel, unit))
        return replace(
            footprints,
            data=footprints.data[inside][order],
            indices=pixel[order].astype(np.int32),
            indptr=n_inside[footprints.indptr],
            shape=(len(footprints), *self.shape),
        )

    def codes(self, values: NDArray[Any]) -> NDArray[Any]:
        """Apply gain, offset and type; whole numbers are rounded to the nearest."""
        dtype = values.dtype if self.dtype is None else self.dtype
        if self.gain == 1 and self.offset == 0:
            return values.astype(dtype, copy=False)
        scaled = values.astype(np.float64) * self.gain + self.offset
        return (scaled if dtype.kind == "f" else np.rint(scaled)).astype(dtype)


def _rows_and_columns(crop: tuple[slice, slice] | None) -> tuple[slice, slice]:
    if crop is None:
        return slice(None), slice(None)
    given: Any = crop
    if isinstance(given, tuple | list) and [type(part) for part in cast("Sequence[object]", given)] == [slice, slice]:
        return crop
    raise SpecError(f"crop = {crop!r} must be (rows, columns), two slices, such as (slice(0, 40), slice(None))")


def _axes(mirror: Axis | Sequence[Axis]) -> tuple[Axis, ...]:
    axes: tuple[Any, ...] = tuple(cast("Sequence[Any]", mirror)) if isinstance(mirror, list | tuple) else (mirror,)
    if not all(axis in get_args(Axis) for axis in axes) or len(set(axes)) < len(axes):
        raise SpecError(f"mirror = {mirror!r} must name each of 'height' and 'width' once at most")
    return axes


def _sides(pad_px: int | tuple[int, int, int, int]) -> Sides:
    given = np.asarray(pad_px)
    if given.dtype.kind not in "iu" or given.shape not in ((), (4,)):
        raise SpecError(f"pad_px = {pad_px!r} must be whole pixels, one number or (top, bottom, left, right)")
    if given.min() < 0:
        raise SpecError(f"pad_px = {pad_px} must not be negative; crop=(rows, columns) cuts pixels off")
    top, bottom, left, right = cast("list[int]", np.broadcast_to(given, 4).tolist())
    return top, bottom, left, right


def _dtype(given: DTypeLike) -> np.dtype[Any]:
    try:
        return np.dtype(given)
    except TypeError:
        raise SpecError(f"dtype = {given!r} is no type of numbers; give one such as 'uint16' or 'float32'") from None


def _cut(kept: slice, size: int, name: str) -> tuple[int, int]:
    """Return how many pixels a slice cuts off at either end of an axis."""
    start, stop, step = kept.indices(size)
    if step != 1 or stop <= start:
        raise SpecError(f"crop keeps no {name} of {size}, or not all between two: {kept}; give slice(first, stop)")
    return start, size - stop


@dataclass(frozen=True)
class TransformedFrames:
    """Frames of another source, transformed as they are read."""

    source: FrameSource
    by: Transformation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height, width."""
        return self.source.shape[0], *self.by.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.source.dtype if self.by.dtype is None else self.by.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read frames ``start`` to ``stop``, fresh and writable."""
        out = np.empty((stop - start, *self.by.shape), self.dtype)
        # Some at a time, as gain and offset are computed in float64, eight times the memory of 8-bit codes.
        for first in range(start, stop, _BLOCK_FRAMES):
            last = min(first + _BLOCK_FRAMES, stop)
            frames = self.by.codes(self.source.read(first, last))
            out[first - start : last - start] = self.by.images(frames, self.by.fill)
        return out


def check_codes(by: Transformation, source: FrameSource, most: float) -> None:
    """Refuse gains, offsets, types and fills that do not fit.

    Parameters
    ----------
    by
        The transformation.
    source
        Frames that are transformed. They are read only where their codes might not fit.
    most
        The largest code that its converter can give.

    Raises
    ------
    SpecError
        With the value and the way out.
    """
    dtype = source.dtype if by.dtype is None else by.dtype
    if dtype.kind not in "uif":
        raise SpecError(f"dtype {dtype} holds no codes; give a type of numbers, such as 'uint16' or 'float32'")
    if dtype.kind == "f":
        return
    if source.dtype.kind == "f":
        raise SpecError(f"light of type {source.dtype} cannot become {dtype}: it has no codes; leave dtype out")
    low = by.offset
    high = by.gain * most + by.offset
    if not _fits(dtype, low, high):
        # The range of the converter does not fit. The codes that are really there may.
        low = by.gain * float(_extreme(source, np.min)) + by.offset
        high = by.gain * float(_extreme(source, np.max)) + by.offset
    _demand_fit("codes", dtype, low, high)
    _demand_fit("fill", dtype, by.fill, by.fill)


def _demand_fit(name: str, dtype: np.dtype[Any], low: float, high: float) -> None:
    if not _fits(dtype, low, high):
        info = np.iinfo(dtype)
        raise SpecError(
            f"{name} from {low:g} to {high:g} do not fit into {dtype} ({info.min} to {info.max}); "
            "give a wider dtype, such as 'uint16' or 'float32'"
        )


def _fits(dtype: np.dtype[Any], low: float, high: float) -> bool:
    info = np.iinfo(dtype)
    return info.min <= low and high <= info.max


def _extreme(source: FrameSource, of: Callable[[NDArray[Any]], Any]) -> Any:
    """Return the smallest or the largest code of a movie."""
    starts = range(0, source.shape[0], _BLOCK_FRAMES)
    return of(np.array([of(source.read(i, min(i + _BLOCK_FRAMES, source.shape[0]))) for i in starts]))
