"""Add all light of the tissue to several images: cells, smooth light, and the background's layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.types import Floats32, Ints, Ints32

__all__ = ["RowRuns", "SmoothRows", "add_tissue"]


_add_tissue = Kernel(
    "add_tissue",
    images=int,
    height=int,
    width=int,
    coarse_rows=int,
    n_layers=int,
    row_start=array(np.int64, "height + 1"),
    unit=array(np.int32, "runs"),
    left=array(np.int32, "runs"),
    begin=array(np.int64, "runs + 1"),
    values=array(np.float32, "pixels of runs"),
    light=array(np.float32, "units", "images"),
    wide=array(np.float32, "images", "coarse_rows", "width"),
    row_node=array(np.int64, "height"),
    row_weight=array(np.float32, "height", 4),
    shaded=bool,
    transmission=array(np.float32, "shaded height", "shaded width"),
    layers=array(np.float32, "n_layers", "height", "width"),
    weights=array(np.float32, "images", "n_layers"),
    dark=bool,
    out=output(np.float32, "images", "height", "width"),
)
_UNSHADED = np.empty((0, 0), np.float32)


class RowRuns(NamedTuple):
    """Images of sources as runs of pixels, sorted by image row, then by source.

    A run holds one row of one image, from its first to its last pixel that is not 0. It goes on with zeros to whole
    vectors of 8 pixels, as far as the image is wide: a few more pixels cost less than a remainder.

    Attributes
    ----------
    row_start
        Where each image row's runs begin, int64 ``(height + 1,)``.
    unit, left
        Each run's source and first column, int32 ``(run,)``. Runs lie within the image.
    begin
        Where its pixels begin, int64 ``(run + 1,)``.
    values
        The pixels, float32.
    """

    row_start: Ints
    unit: Ints32
    left: Ints32
    begin: Ints
    values: Floats32

    @classmethod
    def none(cls, height: int) -> RowRuns:
        """Return no image of no source."""
        nothing = np.zeros(0, np.int32)
        return cls(
            row_start=np.zeros(height + 1, np.int64),
            unit=nothing,
            left=nothing,
            begin=np.zeros(1, np.int64),
            values=np.zeros(0, np.float32),
        )


class SmoothRows(NamedTuple):
    """Smooth light, interpolated to columns but not yet to rows.

    Attributes
    ----------
    wide
        At coarse rows and at each column of each image, float32 ``(image, coarse row, width)``.
    row_node, row_weight
        The first of the four coarse rows of each image row, int64 ``(height,)``, and their weights, float32
        ``(height, 4)``.
    transmission
        Factor on this light, float32 ``(height, width)``; ``None``: 1 everywhere.
    """

    wide: Floats32
    row_node: Ints
    row_weight: Floats32
    transmission: Floats32 | None

    @classmethod
    def none(cls, images: int, height: int, width: int) -> SmoothRows:
        """Return no light, for some images of some height and width."""
        return cls(
            wide=np.zeros((images, 4, width), np.float32),
            row_node=np.zeros(height, np.int64),
            row_weight=np.zeros((height, 4), np.float32),
            transmission=None,
        )


def add_tissue(
    images: Floats32,
    runs: RowRuns | None = None,
    light: Floats32 | None = None,
    smooth: SmoothRows | None = None,
    layers: Floats32 | None = None,
    weights: Floats32 | None = None,
    *,
    dark: bool,
) -> None:
    """Add cells, smooth light and background layers to each image in place; at every pixel in this order.

    Parameters
    ----------
    images
        float32 ``(image, height, width)``.
    runs, light
        The cells' images, and the light of each unit in each image, float32 ``(unit, image)``; ``None``: no cells.
    smooth
        Smooth light: what scattered, background cells, patches of neuropil; ``None``: none.
    layers, weights
        Background, float32 ``(layer, height, width)``, and its share in each image, float32 ``(image, layer)``;
        ``None``: none.
    dark
        Whether the images hold no light yet: their contents are then ignored and written over.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    n, height, width = images.shape
    runs = RowRuns.none(height) if runs is None else runs
    light = np.empty((0, n), np.float32) if light is None else light
    smooth = SmoothRows.none(n, height, width) if smooth is None else smooth
    layers = np.empty((0, height, width), np.float32) if layers is None else layers
    weights = np.empty((n, 0), np.float32) if weights is None else weights
    check_shape("values", runs.values, int(runs.begin[-1]))
    if smooth.transmission is not None:
        check_shape("transmission", smooth.transmission, height, width)
    _add_tissue(
        images=n,
        height=height,
        width=width,
        **runs._asdict(),
        light=light,
        wide=smooth.wide,
        row_node=smooth.row_node,
        row_weight=smooth.row_weight,
        shaded=smooth.transmission is not None,
        transmission=_UNSHADED if smooth.transmission is None else smooth.transmission,
        layers=layers,
        weights=weights,
        dark=dark,
        out=images,
    )
