"""Bleach fluorophore under the excitation light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.lazy import FrameValues, LazyTruth
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats, Floats32
from pytest_calsim.microscope.units import Fraction
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.activity import Activity
from pytest_calsim.steps.cells.planted_cells import Cells
from pytest_calsim.steps.light.falloff import Falloff
from pytest_calsim.steps.light.illumination import IlluminationField
from pytest_calsim.steps.lognormal import lognormal_of_spread
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["Bleaching", "BleachingCurve", "Fading"]

LifetimeS = Annotated[float, Field(ge=1, le=1e7)]


class Fading(NamedTuple):
    """Share of fluorophore that each of some sources has left: a constant and decaying exponentials.

    Attributes
    ----------
    floor
        Share that turnover keeps up for good, float64 ``(source,)``.
    weight, rate_hz
        Share and rate of each exponential, float64 ``(pool, source)``.
    fps
        The recording's clock.
    """

    floor: Floats
    weight: Floats
    rate_hz: Floats
    fps: float

    def remaining(self, start: int, stop: int) -> Floats32:
        """Return the share left in frames ``start`` to ``stop``, averaged over the exposure; 1 at the start.

        Returns
        -------
        ndarray
            float32 ``(source, frame)``.
        """
        step = self.rate_hz / self.fps
        # (1 − e^−x)/x, the mean of e^−x over an exposure, by its series where the quotient would lose digits.
        mean = np.where(step < 1e-5, 1 - step / 2, (1 - elementary.exp(-step)) / np.maximum(step, 1e-300))
        left = np.repeat(self.floor[:, np.newaxis], stop - start, axis=1)
        frame = np.arange(start, stop, dtype=np.float64)
        for weight, rate in zip(self.weight * mean, step, strict=True):
            left += weight[:, np.newaxis] * elementary.exp(-np.multiply.outer(rate, frame))
        return left.astype(np.float32)


@dataclass(frozen=True, eq=False)
class BleachingCurve(Artifact):
    """Bleaching of all that fluoresces: of each cell, and of other sources by their position.

    Attributes
    ----------
    cells
        Fading of the planted cells, in the order of units.
    pools
        Share and lifetime, s, of each pool of fluorophore.
    turnover_hz
        Rate at which bleached fluorophore is replaced.
    light
        Excitation by position, relative to the field's centre; ``None``: 1 everywhere.
    fps, n_frames
        The recording's clock.
    """

    cells: Fading
    pools: tuple[tuple[float, float], ...]
    turnover_hz: float
    light: Falloff | None
    fps: float
    n_frames: int

    def light_at(self, y_um: Floats, x_um: Floats) -> Floats:
        """Return the excitation at some positions, in view or not, broadcast against each other."""
        if self.light is None:
            return np.ones(np.broadcast_shapes(y_um.shape, x_um.shape))
        return self.light.at(y_um, x_um)

    def in_light(self, light: Floats) -> Fading:
        """Return how the sources in some light ``(source,)`` bleach."""
        return _fading(light, self.pools, self.turnover_hz, self.fps)

    def at(self, y_um: Floats, x_um: Floats) -> Fading:
        """Return how the sources at some positions ``(source,)`` bleach."""
        return self.in_light(self.light_at(y_um, x_um))

    def remaining(self, frame: int) -> Floats32:
        """Return the share left in each cell in one frame, float32 ``(n,)``."""
        return self.cells.remaining(frame, frame + 1)[:, 0]

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``bleaching``: the share left to each cell, ``(unit_id, frame)``."""
        curve = FrameValues((len(self.cells.floor), self.n_frames), np.dtype(np.float32), self.cells.remaining)
        return {"bleaching": LazyTruth(("unit_id", "frame"), curve)}


def _fading(light: Floats, pools: tuple[tuple[float, float], ...], turnover_hz: float, fps: float) -> Fading:
    """Solve each pool's equation in some light."""
    share = np.array([share for share, _ in pools])[:, np.newaxis]
    rate_hz = light / np.array([[lifetime_s] for _, lifetime_s in pools]) + turnover_hz
    steady = np.where(rate_hz > 0, turnover_hz / np.maximum(rate_hz, 1e-300), 1.0)
    return Fading((share * steady).sum(axis=0), share * (1 - steady), rate_hz, fps)


class Bleaching(Step):
    """All that fluoresces fades: cells, background cells and neuropil, faster where there is more light.

    Fluorophore fades exponentially in one pool or two, and is replaced. Each pool follows
    dx/dt = −I·x/τ + (1 − x)/τ_turnover from x = 1 at the recording's start, where I is the illumination at the
    source's reference position, relative to the field's centre. Leaked light does not fade. No reliable constant has
    been found for one-photon recordings: all defaults are of low confidence.

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
    activity_driven
        Whether the rate follows a planted cell's long-run mean fluorescence over that at rest: active cells, whose
        indicator is bound more often, fade faster.
    spread
        Standard deviation of ln(rate) across planted cells, mean rate kept; 0: all alike.
    """

    lifetime_s: LifetimeS = 3600.0
    fast_fraction: Fraction = 0.0
    fast_lifetime_s: LifetimeS = 120.0
    turnover_s: LifetimeS | None = None
    light_driven: bool = True
    activity_driven: bool = False
    spread: Annotated[float, Field(ge=0, le=2)] = 0.0

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of each cell's rates: it does not grow with the recording."""
        return Cost(bytes_per_cell=8.0 * (1 + 2 * len(self._pools)))

    @property
    def _pools(self) -> tuple[tuple[float, float], ...]:
        """Share and lifetime of each pool that there is."""
        both = ((1 - self.fast_fraction, self.lifetime_s), (self.fast_fraction, self.fast_lifetime_s))
        return tuple((share, lifetime_s) for share, lifetime_s in both if share > 0)

    def check(self, context: SpecContext) -> list[str]:
        """Refuse bleaching by an activity that is not there."""
        if self.activity_driven:
            context.demand(Activity, "activity_driven = True")
        return []

    def plan(
        self,
        ctx: Context,
        cells: Cells,
        illumination: IlluminationField | None = None,
        activity: Activity | None = None,
    ) -> BleachingCurve:
        """Give every cell its rates, and other sources the law by which they fade."""
        curve = BleachingCurve(
            cells=Fading(np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0)), ctx.acquisition.fps),
            pools=self._pools,
            turnover_hz=0.0 if self.turnover_s is None else 1 / self.turnover_s,
            light=illumination.falloff if self.light_driven and illumination is not None else None,
            fps=ctx.acquisition.fps,
            n_frames=ctx.n_frames,
        )
        z = np.array([ctx.stream("rate", *cells.entity(i)).standard_normal() for i in range(len(cells))])
        light = curve.light_at(cells.center_um[:, 1], cells.center_um[:, 2])
        if self.activity_driven and activity is not None:
            rest = activity.baseline
            light = light * np.divide(activity.expected_C, rest, out=np.ones_like(rest), where=rest > 0)
        return replace(curve, cells=curve.in_light(light * lognormal_of_spread(z, self.spread)))
