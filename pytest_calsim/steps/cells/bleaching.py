"""How the cells' fluorophore fades under the excitation light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.lazy import FrameValues, LazyTruth
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.microscope.units import Fraction
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.light.illumination import IlluminationField
from pytest_calsim.steps.step import Context, Step

__all__ = ["Bleaching", "BleachingCurve"]

Floats = NDArray[np.float64]

LifetimeS = Annotated[float, Field(ge=1, le=1e7)]


@dataclass(frozen=True, eq=False)
class BleachingCurve(Artifact):
    """Share of each cell's fluorophore that is left: a constant and decaying exponentials.

    Attributes
    ----------
    floor
        Share that turnover keeps up for good ``(n,)``.
    weight, rate_hz
        Share and rate of each exponential ``(pool, n)``.
    fps, n_frames
        The recording's clock.
    """

    floor: Floats
    weight: Floats
    rate_hz: Floats
    fps: float
    n_frames: int

    def __post_init__(self) -> None:
        for name in ("floor", "weight", "rate_hz"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the share left in frames ``start`` to ``stop``, float32 ``(n, frame)``."""
        curve = np.empty((len(self.floor), stop - start), np.float32)
        for i in range(stop - start):
            curve[:, i] = self.remaining(start + i)
        return curve

    def remaining(self, frame: int) -> NDArray[np.float32]:
        """Share left in each cell, averaged over the frame's exposure; float32 ``(n,)``, 1 at the recording's start."""
        step = self.rate_hz / self.fps
        # (1 − e^−x)/x, the mean of e^−x over an exposure, by its series where the quotient would lose digits.
        mean = np.where(step < 1e-5, 1 - step / 2, (1 - elementary.exp(-step)) / np.maximum(step, 1e-300))
        left = self.floor + (self.weight * elementary.exp(-step * frame) * mean).sum(axis=0)
        return left.astype(np.float32)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """``bleaching``: share left, ``(unit_id, frame)``."""
        curve = FrameValues((len(self.floor), self.n_frames), np.dtype(np.float32), self.read)
        return {"bleaching": LazyTruth(("unit_id", "frame"), curve)}


class Bleaching(Step):
    """Fluorophore fades exponentially in one pool or two, faster where there is more light, and is made anew.

    Each pool follows dx/dt = −I·x/τ + (1 − x)/τ_turnover from x = 1 at the recording's start, where I is the
    illumination at the cell's reference position, relative to the field's centre. No reliable constant has been found
    for one-photon recordings: all defaults are of low confidence.

    Attributes
    ----------
    lifetime_s
        τ: time in which a pool falls to 1/e at I = 1, were it not for turnover.
    fast_fraction, fast_lifetime_s
        Share and lifetime of a second pool; a share of 0 makes the decay mono-exponential.
    turnover_s
        Time constant with which bleached fluorophore is replaced; ``None``: never.
    light_driven
        Whether the rate follows the illumination (where that is a step of the spec) or is the same everywhere.
    spread
        Standard deviation of ln(rate) across cells, mean rate kept; 0: all cells alike.
    """

    lifetime_s: LifetimeS = 3600.0
    fast_fraction: Fraction = 0.0
    fast_lifetime_s: LifetimeS = 120.0
    turnover_s: LifetimeS | None = None
    light_driven: bool = True
    spread: Annotated[float, Field(ge=0, le=2)] = 0.0

    def plan(self, ctx: Context, cells: Cells, illumination: IlluminationField | None = None) -> BleachingCurve:
        """Give every cell its rates."""
        light = np.ones(len(cells))
        if self.light_driven and illumination is not None:
            light = _at_cells(ctx, cells, illumination)
        z = np.array([ctx.stream("rate", *cells.entity(i)).standard_normal() for i in range(len(cells))])
        factor = light * elementary.exp(self.spread * z - self.spread**2 / 2)
        share = np.array([1 - self.fast_fraction, self.fast_fraction])
        loss = factor / np.array([[self.lifetime_s], [self.fast_lifetime_s]])
        gain = 0.0 if self.turnover_s is None else 1 / self.turnover_s
        rate = loss + gain
        steady = np.where(rate > 0, gain / np.maximum(rate, 1e-300), 1.0)[share > 0]
        share, rate = share[share > 0, None], rate[share > 0]
        floor = (share * steady).sum(axis=0)
        return BleachingCurve(floor, share * (1 - steady), rate, ctx.acquisition.fps, ctx.n_frames)


def _at_cells(ctx: Context, cells: Cells, illumination: IlluminationField) -> Floats:
    """The field at each cell's reference position; beyond the sensor, at its nearest pixel."""
    field = np.asarray(illumination.field, np.float64)
    margin = ctx.canvas.margin_px
    row = np.rint(ctx.canvas.rows(cells.center_um[:, 1])).astype(np.int64) - margin
    column = np.rint(ctx.canvas.columns(cells.center_um[:, 2])).astype(np.int64) - margin
    return field[np.clip(row, 0, field.shape[0] - 1), np.clip(column, 0, field.shape[1] - 1)]
