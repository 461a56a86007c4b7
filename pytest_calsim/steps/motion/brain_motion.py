"""Rigid motion of the brain under the microscope: a given trajectory, or a sum of random walk, strides and jumps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, cast

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.plain import plain
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.motion import damped_oscillator
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.exposure import mean_of_lines
from pytest_calsim.microscope.units import Fraction, Frozen, Um
from pytest_calsim.steps.pixels import Displacement, LightOrder
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["LARGEST_PIXEL_UM", "BrainMotion", "Jumps", "Motion", "Oscillator", "RandomWalk"]

# Random motion is drawn on this clock, so that it does not depend on the frame rate. Between ticks it is straight.
_TICK_S = 0.002
# Least time between two points of a given trajectory: its slope stays finite.
_LEAST_INTERVAL_S = 1e-6
# Events are drawn in blocks of this many: a later end appends whole blocks and changes no earlier draw.
_EVENT_BLOCK = 256


class RandomWalk(Frozen):
    """Drift slowly: Brownian motion along each axis, from a random start within the bound.

    Attributes
    ----------
    sigma_um_per_sqrt_s
        Standard deviation of the displacement after one second, per axis. The variance grows as σ²·t until the path
        meets the bound.
    """

    sigma_um_per_sqrt_s: Annotated[float, Field(gt=0, le=1000)] = 1.0


class Oscillator(Frozen):
    """Swing like a damped spring that strides kick. Kicks are a Poisson process; each one moves both axes.

    The displacement has the one-sided spectrum S(f) = 2νE[A²]/[(ω₀² − ω²)² + (2ζω₀ω)²] and the variance
    νE[A²]/(4ζω₀³) per axis (Campbell's theorem). ν is the rate of kicks, A their normally distributed size.

    Attributes
    ----------
    frequency_hz
        Natural frequency ω₀/2π.
    damping_ratio
        ζ. Below 1 the spring rings.
    kick_rate_hz
        Kicks per second.
    rms_um
        Standard deviation of the displacement per axis, on average over both. It sets the size of the kicks.
    axis_deg
        Direction of locomotion, from +x (columns) towards +y (rows). It means nothing if ``across_fraction`` is 1.
    across_fraction
        Standard deviation across that direction over that along it. 1: the same in all directions.
    """

    frequency_hz: Annotated[float, Field(ge=0.1, le=50)] = 6.0
    damping_ratio: Annotated[float, Field(ge=0.01, le=0.99)] = 0.3
    kick_rate_hz: Annotated[float, Field(ge=1e-6, le=1000)] = 3.0
    rms_um: Annotated[float, Field(gt=0, le=1000)] = 1.0
    axis_deg: Annotated[float, Field(ge=-180, le=180)] = 0.0
    across_fraction: Fraction = 1.0


class Jumps(Frozen):
    """Jump and stay there, as when the animal knocks the microscope.

    Attributes
    ----------
    rate_hz
        Jumps per second.
    size_um
        Standard deviation of a jump, per axis.
    """

    rate_hz: Annotated[float, Field(ge=1e-6, le=100)] = 0.02
    size_um: Annotated[float, Field(gt=0, le=1000)] = 3.0


LARGEST_PIXEL_UM = 2.3
"""Up to this pixel size a soma in focus that is moved by any part of a pixel keeps its peak to 2 %."""


@dataclass(frozen=True, eq=False)
class Motion(Displacement):
    """The tissue's displacement in every frame, px."""

    light_order: ClassVar[float] = LightOrder.MOTION

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``shifts``."""
        return {"shifts": TruthArray(("frame", "shift_dim"), self.shifts_px, "px")}


class BrainMotion(Step):
    """Move the tissue rigidly: along a given trajectory, or by a sum of random components within a bound.

    The random path is reflected at ± ``max_shift_um`` per axis, as by mirrors. Unlike clipping, this keeps its
    statistics the same at every frame rate, and spreads a drift evenly over the range. A frame's shift is the mean
    displacement over its exposure. Blur within an exposure is not painted.

    Attributes
    ----------
    max_shift_um
        Bound on the displacement per axis. The canvas is larger than the sensor by it on each side, so that tissue
        moves into view.
    trajectory_um
        A given path as (dy, dx): one pair for each frame, or for each time in ``trajectory_time_s``. It excludes random
        components.
    trajectory_time_s
        Times of the pairs, ascending from 0 or earlier to the recording's end. The path is straight between them.
    random_walk, oscillator, jumps
        Random components; ``None`` leaves one out. By default there is a random walk, unless a trajectory is given.
    """

    max_shift_um: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    trajectory_um: Annotated[tuple[tuple[Um, Um], ...], Field(min_length=1), BeforeValidator(plain)] | None = None
    trajectory_time_s: (
        Annotated[tuple[Annotated[float, Field(ge=-1e5, le=2e5)], ...], BeforeValidator(plain)] | None
    ) = None
    random_walk: RandomWalk | None = RandomWalk()
    oscillator: Oscillator | None = None
    jumps: Jumps | None = None

    @model_validator(mode="before")
    @classmethod
    def _trajectory_stands_alone(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            fields = cast("Mapping[str, Any]", data)
            if fields.get("trajectory_um") is not None and "random_walk" not in fields:
                return {**fields, "random_walk": None}
        return cast("Any", data)

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        path = self.trajectory_um
        times = self.trajectory_time_s
        drawn = [name for name in ("random_walk", "oscillator", "jumps") if getattr(self, name) is not None]
        if path is None:
            if times is not None:
                raise ValueError("trajectory_time_s is given without trajectory_um; give both or neither")
            if not drawn:
                raise ValueError(
                    "nothing moves: give trajectory_um, random_walk, oscillator or jumps, or drop the step"
                )
            return self
        if drawn:
            raise ValueError(
                f"trajectory_um is the whole motion; set {' and '.join(drawn)} to None as well, or put a new step in "
                "this one's place: add=[{'kind': 'brain_motion', 'trajectory_um': ...}]"
            )
        reach = max(abs(v) for pair in path for v in pair)
        if reach > self.max_shift_um:
            raise ValueError(
                f"trajectory_um reaches {reach:g} um, beyond max_shift_um = {self.max_shift_um:g}; raise max_shift_um"
            )
        if times is not None:
            if len(times) != len(path):
                raise ValueError(f"trajectory_time_s has {len(times)} times for {len(path)} pairs in trajectory_um")
            for i, (before, after) in enumerate(itertools.pairwise(times)):
                if after - before < _LEAST_INTERVAL_S:
                    raise ValueError(
                        f"trajectory_time_s[{i}:{i + 2}] = {before:g}, {after:g} must ascend, "
                        f"by {_LEAST_INTERVAL_S:g} s or more"
                    )
        return self

    def margin_um(self, acquisition: Acquisition) -> float:
        """Return the declared bound, µm."""
        return self.max_shift_um

    def check(self, context: SpecContext) -> list[str]:
        """Refuse large pixels, a bound beyond the field of view, and too short a path; warn of wide motion."""
        acquisition = context.acquisition
        if acquisition.pixel_size_um > LARGEST_PIXEL_UM:
            raise ValueError(
                f"pixels of {acquisition.pixel_size_um:.3g} um in tissue are too large to interpolate between: a "
                f"cell's peak would be more than 2 % off; let it move on pixels of at most {LARGEST_PIXEL_UM:g} um, "
                "and bin the frames"
            )
        field = min(acquisition.field_size_um)
        if self.max_shift_um > field:
            raise ValueError(
                f"max_shift_um = {self.max_shift_um:g} exceeds the field of view ({field:.4g} um); keep it below"
            )
        self._check_trajectory(acquisition)
        if self.max_shift_um <= 0.05 * field:
            return []
        share = 100 * self.max_shift_um / field
        return [f"max_shift_um = {self.max_shift_um:g} is {share:.0f} % of the field of view ({field:.4g} um)"]

    def _check_trajectory(self, acquisition: Acquisition) -> None:
        """Refuse a given path that does not cover the recording."""
        path = self.trajectory_um
        times = self.trajectory_time_s
        if path is None:
            return
        if times is None and len(path) < acquisition.n_frames:
            raise ValueError(
                f"trajectory_um has {len(path)} pairs for {acquisition.n_frames} frames; give one a frame, "
                "or their times in trajectory_time_s"
            )
        end = acquisition.n_frames / acquisition.fps
        if times is not None and not (times[0] <= 0 and times[-1] >= end * (1 - 1e-9)):
            raise ValueError(
                f"trajectory_time_s spans {times[0]:g} to {times[-1]:g} s; cover the recording, 0 to {end:g} s"
            )

    def cost(self, context: SpecContext) -> Cost:
        """Estimate the memory of the shifts, and of the path on its clock with its components and events."""
        n_frames = context.acquisition.n_frames
        duration_s = n_frames * context.acquisition.exposure_s
        ticks = 0.0 if self.trajectory_um is not None else duration_s / _TICK_S
        kick_hz = self.oscillator.kick_rate_hz if self.oscillator else 0.0
        jump_hz = self.jumps.rate_hz if self.jumps else 0.0
        return Cost(fixed_bytes=64 * n_frames + 128 * ticks + 64 * (kick_hz + jump_hz) * duration_s)

    def plan(self, ctx: Context) -> Motion:
        """Draw the path on its clock, reflect it at the bound, and average it over each exposure."""
        shifts_px = self._shifts_um(ctx).T / ctx.acquisition.pixel_size_um
        return Motion(shifts_px, ctx.canvas)

    def _shifts_um(self, ctx: Context) -> Floats:
        """Return the mean displacement over each frame's exposure, float64 ``(2, frame)``, µm."""
        starts = ctx.frame_starts_s
        exposure = ctx.acquisition.exposure_s
        if self.trajectory_um is not None:
            given = np.array(self.trajectory_um).T
            if self.trajectory_time_s is None:
                return given[:, : ctx.n_frames]
            return mean_of_lines(np.array(self.trajectory_time_s), given, starts, exposure)
        n_ticks = math.ceil(ctx.n_frames * exposure / _TICK_S) + 2
        path = np.zeros((2, n_ticks))
        # A walk and jumps have no place of rest, so they start anywhere within the bound.
        if self.random_walk is not None or self.jumps is not None:
            path += ctx.stream("start").uniform(-self.max_shift_um, self.max_shift_um, (2, 1))
        if self.random_walk is not None:
            path += _walk(self.random_walk, ctx, n_ticks)
        if self.oscillator is not None:
            path += _strides(self.oscillator, ctx, n_ticks)
        if self.jumps is not None:
            path += _jumps(self.jumps, ctx, n_ticks)
        return mean_of_lines(_ticks_s(n_ticks), fold(path, self.max_shift_um), starts, exposure)


def fold(path: Floats, bound: float) -> Floats:
    """Reflect a path into ± ``bound``, as between two mirrors.

    Parameters
    ----------
    path
        Positions, any shape and unit. Those within the bound stay as they are, to the last bit.
    bound
        The mirrors' distance from 0, in the unit of the path.
    """
    if bound == 0:
        return np.zeros_like(path)
    # Two mirrors repeat after four bounds. Where no mirror is met, the path is kept, as the arithmetic would round it.
    folded = np.abs(np.mod(path - bound, 4 * bound) - 2 * bound) - bound
    return np.where(np.abs(path) <= bound, path, folded)


def _ticks_s(n_ticks: int) -> Floats:
    """Return the times of the clock's ticks, s."""
    return np.arange(n_ticks, dtype=np.float64) * _TICK_S


def _walk(walk: RandomWalk, ctx: Context, n_ticks: int) -> Floats:
    """Draw a random walk from 0, float64 ``(2, tick)``, µm; each axis from its own stream."""
    path = np.zeros((2, n_ticks))
    for axis in (0, 1):
        steps = ctx.stream("random_walk", axis).standard_normal(n_ticks - 1)
        np.cumsum(steps * (walk.sigma_um_per_sqrt_s * math.sqrt(_TICK_S)), out=path[axis, 1:])
    return path


def _events(rng: np.random.Generator, rate_hz: float, until_s: float) -> tuple[Floats, Floats]:
    """Draw the times of a Poisson process from 0 to at least ``until_s``, and a normal pair for each event."""
    times = [np.zeros(0)]
    pairs = [np.zeros((0, 2))]
    now = 0.0
    while now <= until_s:
        block = now + np.cumsum(rng.standard_exponential(_EVENT_BLOCK) / rate_hz)
        times.append(block)
        pairs.append(rng.standard_normal((_EVENT_BLOCK, 2)))
        now = float(block[-1])
    return np.concatenate(times), np.concatenate(pairs)


def _strides(spring: Oscillator, ctx: Context, n_ticks: int) -> Floats:
    """Draw the kicks and let the spring swing, float64 ``(2, tick)``, µm.

    Kicks before the recording's start count too, so that the motion is stationary from its first frame.
    """
    omega = 2 * math.pi * spring.frequency_hz
    zeta = spring.damping_ratio
    size = spring.rms_um * math.sqrt(4 * zeta * omega**3 / spring.kick_rate_hz)
    # In this time the spring forgets a kick to a share of e⁻²⁰, or 2·10⁻⁹.
    memory_s = 20 / (zeta * omega)
    ages, past = _events(ctx.stream("oscillator", "past"), spring.kick_rate_hz, memory_s)
    times, kicks = _events(ctx.stream("oscillator", "kicks"), spring.kick_rate_hz, n_ticks * _TICK_S)
    when = np.concatenate([-ages[::-1], times])
    sizes = np.concatenate([past[::-1], kicks]).T * size
    if spring.across_fraction != 1:
        sizes = _along_axis(sizes, spring.axis_deg, spring.across_fraction)
    return damped_oscillator(
        decay_per_s=zeta * omega,
        swing_rad_per_s=omega * math.sqrt(1 - zeta**2),
        kick_time_s=when,
        kicks=sizes,
        time_s=_ticks_s(n_ticks),
    )


def _along_axis(kicks: Floats, axis_deg: float, across_fraction: float) -> Floats:
    """Make isotropic kicks ``(2, kick)`` smaller across an axis and larger along it, mean square kept."""
    along = math.sqrt(2 / (1 + across_fraction**2))
    v = kicks[0] * (along * across_fraction)
    u = kicks[1] * along
    angle = np.array(math.radians(axis_deg))
    sine = elementary.sin(angle)
    cosine = elementary.cos(angle)
    return np.stack([u * sine + v * cosine, u * cosine - v * sine])


def _jumps(jumps: Jumps, ctx: Context, n_ticks: int) -> Floats:
    """Draw the jumps and add them up, float64 ``(2, tick)``, µm."""
    times, sizes = _events(ctx.stream("jumps"), jumps.rate_hz, n_ticks * _TICK_S)
    where = np.zeros((2, len(times) + 1))
    np.cumsum(sizes.T * jumps.size_um, axis=1, out=where[:, 1:])
    return where[:, np.searchsorted(times, _ticks_s(n_ticks), side="right")]
