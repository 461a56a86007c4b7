"""Rigid motion of the brain under the microscope: a given trajectory, a random walk, strides, jumps, or their sum."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.motion import damped_oscillator
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.exposure import mean_of_lines
from pytest_calsim.microscope.units import Frozen, Um
from pytest_calsim.steps.pixels import Displacement, LightOrder
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["LARGEST_PIXEL_UM", "BrainMotion", "Jumps", "Motion", "Oscillator", "RandomWalk"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TICK_S = 0.002
"""The fixed clock on which random motion is drawn, whatever the frame rate; straight lines between its ticks."""

_LEAST_INTERVAL_S = 1e-6
"""Between two points of a given trajectory: a millionth of a second still has a finite slope."""

_EVENT_BLOCK = 256


class RandomWalk(Frozen):
    """Slow drift: Brownian motion of each axis, started anywhere within the bound.

    Attributes
    ----------
    sigma_um_per_sqrt_s
        Spread of the displacement after one second, per axis; the variance grows as σ²·t until it meets the bound.
    """

    sigma_um_per_sqrt_s: Annotated[float, Field(gt=0, le=1000)] = 1.0


class Oscillator(Frozen):
    """The brain as a damped spring kicked by strides: kicks come as a Poisson process, alike on both axes.

    The displacement has the one-sided spectrum S(f) = 2νE[A²]/[(ω₀² − ω²)² + (2ζω₀ω)²] and the variance
    νE[A²]/(4ζω₀³) per axis, where ν is the rate of kicks and A their normally distributed size.

    Attributes
    ----------
    frequency_hz
        Natural frequency ω₀/2π.
    damping_ratio
        ζ; below 1, the spring rings.
    kick_rate_hz
        Kicks per second.
    rms_um
        Standard deviation of the displacement per axis; sets the size of the kicks.
    """

    frequency_hz: Annotated[float, Field(ge=0.1, le=50)] = 6.0
    damping_ratio: Annotated[float, Field(ge=0.01, le=0.99)] = 0.3
    kick_rate_hz: Annotated[float, Field(ge=1e-6, le=1000)] = 3.0
    rms_um: Annotated[float, Field(gt=0, le=1000)] = 1.0


class Jumps(Frozen):
    """Sudden lasting displacements, as when the animal knocks the microscope.

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
    """The tissue's displacement in every frame."""

    light_order: ClassVar[float] = LightOrder.MOTION

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``shifts``."""
        return {"shifts": TruthArray(("frame", "shift_dim"), self.shifts_px, "px")}


class BrainMotion(Step):
    """Rigid motion: a given trajectory, or the sum of random components folded back into ± ``max_shift_um`` per axis.

    Folding reflects the path at the bound as a mirror would: unlike clipping, it leaves the statistics the same at
    every frame rate, and what drifts is spread evenly over the range. A frame's shift is the mean displacement over
    its exposure; blur within an exposure is not painted.

    Attributes
    ----------
    max_shift_um
        Bound on the displacement per axis; the canvas is larger than the sensor by it, so real tissue moves into view.
    trajectory_um
        A given path as (dy, dx): one pair a frame, or one a time in ``trajectory_time_s``. It is the whole motion.
    trajectory_time_s
        Times of the pairs, ascending from 0 or before; straight lines between them.
    random_walk, oscillator, jumps
        Random components, ``None`` for absent. Without a trajectory a random walk is the default.
    """

    max_shift_um: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    trajectory_um: Annotated[tuple[tuple[Um, Um], ...], Field(min_length=1)] | None = None
    trajectory_time_s: tuple[Annotated[float, Field(ge=-1e5, le=2e5)], ...] | None = None
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
        path, times = self.trajectory_um, self.trajectory_time_s
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
            raise ValueError(f"trajectory_um is the whole motion; set {' and '.join(drawn)} to None beside it")
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
        """The declared bound."""
        return self.max_shift_um

    def check(self, context: SpecContext) -> list[str]:
        """Refuse large pixels, a bound beyond the field of view, and too short a path; remark on wide motion."""
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
        """Return the memory of the shifts, and of the path on its fixed clock with what it is made of."""
        n_frames = context.acquisition.n_frames
        duration_s = n_frames * context.acquisition.exposure_s
        ticks = 0.0 if self.trajectory_um is not None else duration_s / _TICK_S
        kick_hz = self.oscillator.kick_rate_hz if self.oscillator else 0.0
        jump_hz = self.jumps.rate_hz if self.jumps else 0.0
        return Cost(fixed_bytes=64 * n_frames + 128 * ticks + 64 * (kick_hz + jump_hz) * duration_s)

    def plan(self, ctx: Context) -> Motion:
        """Draw the path on the fixed clock, fold it, and average it over each exposure."""
        shifts_px = self._shifts_um(ctx).T / ctx.acquisition.pixel_size_um
        return Motion(read_only(shifts_px), ctx.canvas)

    def _shifts_um(self, ctx: Context) -> Floats:
        """Mean displacement over each frame's exposure ``(2, frame)``, µm."""
        starts, exposure = ctx.frame_starts_s, ctx.acquisition.exposure_s
        if self.trajectory_um is not None:
            given = np.array(self.trajectory_um).T
            if self.trajectory_time_s is None:
                return given[:, : ctx.n_frames]
            return mean_of_lines(np.array(self.trajectory_time_s), given, starts, exposure)
        n_ticks = math.ceil(ctx.n_frames * exposure / _TICK_S) + 2
        path = np.zeros((2, n_ticks))
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
    """Reflect a path into ± bound as between two mirrors; what lies within is unchanged."""
    if bound == 0:
        return np.zeros_like(path)
    folded = np.abs(np.mod(path - bound, 4 * bound) - 2 * bound) - bound
    return np.where(np.abs(path) <= bound, path, folded)


def _ticks_s(n_ticks: int) -> Floats:
    return np.arange(n_ticks, dtype=np.float64) * _TICK_S


def _walk(walk: RandomWalk, ctx: Context, n_ticks: int) -> Floats:
    path = np.zeros((2, n_ticks))
    for axis in (0, 1):
        steps = ctx.stream("random_walk", axis).standard_normal(n_ticks - 1)
        np.cumsum(steps * (walk.sigma_um_per_sqrt_s * math.sqrt(_TICK_S)), out=path[axis, 1:])
    return path


def _events(rng: np.random.Generator, rate_hz: float, until_s: float) -> tuple[Floats, Floats]:
    """A Poisson process from 0 on, a normal pair for each event; in whole blocks, so a later end only appends."""
    times, pairs, now = [np.zeros(0)], [np.zeros((0, 2))], 0.0
    while now <= until_s:
        block = now + np.cumsum(rng.standard_exponential(_EVENT_BLOCK) / rate_hz)
        times.append(block)
        pairs.append(rng.standard_normal((_EVENT_BLOCK, 2)))
        now = float(block[-1])
    return np.concatenate(times), np.concatenate(pairs)


def _strides(spring: Oscillator, ctx: Context, n_ticks: int) -> Floats:
    omega = 2 * math.pi * spring.frequency_hz
    zeta = spring.damping_ratio
    size = spring.rms_um * math.sqrt(4 * zeta * omega**3 / spring.kick_rate_hz)
    memory_s = 20 / (zeta * omega)  # the spring forgets a kick to 2e-9 in this time
    ages, past = _events(ctx.stream("oscillator", "past"), spring.kick_rate_hz, memory_s)
    times, kicks = _events(ctx.stream("oscillator", "kicks"), spring.kick_rate_hz, n_ticks * _TICK_S)
    when = np.concatenate([-ages[::-1], times])
    sizes = np.concatenate([past[::-1], kicks]).T * size
    return damped_oscillator(zeta * omega, omega * math.sqrt(1 - zeta**2), when, sizes, _ticks_s(n_ticks))


def _jumps(jumps: Jumps, ctx: Context, n_ticks: int) -> Floats:
    times, sizes = _events(ctx.stream("jumps"), jumps.rate_hz, n_ticks * _TICK_S)
    where = np.zeros((2, len(times) + 1))
    np.cumsum(sizes.T * jumps.size_um, axis=1, out=where[:, 1:])
    return where[:, np.searchsorted(times, _ticks_s(n_ticks), side="right")]
