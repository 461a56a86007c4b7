"""Shapes of cells: how somata and dendrites are drawn, and the projected thickness of a cell on a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["DRAWS", "MOST_SEGMENTS", "draw_shape", "sample_shape"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

AMPLITUDES = (0.18, 0.09, 0.05, 0.025)
"""Largest amplitude of the outline's harmonics of order 2 to 5, as a fraction of its mean radius: an ellipse first,
then corners. Their sum stays below 1, so the outline never meets the centre."""

# Lengths and radii of dendrites are in soma radii.
FEWEST_DENDRITES, MOST_DENDRITES = 3, 6
STEPS = 5
"""Segments along a trunk, and along each branch."""
TRUNK_LENGTH = (2.0, 3.2)
"""From the soma's centre to the fork."""
ROOT_THICKNESS = 0.5
"""Radius of a trunk at the soma's centre: the cone by which it leaves the soma."""
TRUNK_THICKNESS = (0.16, 0.26)
"""Radius of a trunk at its fork."""
BRANCHING = 0.75
"""Share of the trunks that fork in two; the others run on as one."""
FORK_RAD = (0.35, 0.75)
"""Angle between a trunk and each of its branches."""
BRANCH_LENGTH = (2.0, 3.6)
RALL = 2 ** (-2 / 3)
"""Radius of each of two equal branches over their trunk's: the sum of r^(3/2) is conserved (Rall 1959)."""
TIP = 0.45
"""Radius of a tip over that at the begin of its branch."""
WIGGLE_RAD = 0.26
"""Largest turn from one segment to the next."""
DENDRITE_DRAWS = 8 + 3 * STEPS
"""Uniform numbers set aside for each dendrite."""
DRAWS = 8 + 2 + MOST_DENDRITES * DENDRITE_DRAWS
"""Uniform numbers set aside for each cell: the soma's first."""
MOST_SEGMENTS = MOST_DENDRITES * 3 * STEPS


@compiled
def sample_shape(
    y_um: Floats, x_um: Floats, mean_um: float, harmonics_um: Floats, segments_um: Floats, unit_um: float, image: Image
) -> None:
    """Write a cell's thickness: its soma's, or a dendrite's where that is larger.

    Parameters
    ----------
    y_um, x_um
        Ascending positions relative to the centre; θ runs from +x towards +y.
    mean_um, harmonics_um
        The soma's outline; rows (c_m, s_m) of ``harmonics_um`` are the orders 2 to 5.
    segments_um
        The dendrites: rows of (y, x, r) at a segment's begin and at its end; r tapers linearly between.
    unit_um
        The half thickness of a dendrite that counts as 1.
    image
        Where to write, ``(len(y_um), len(x_um))``.
    """
    _sample_soma(y_um, x_um, mean_um, harmonics_um, image)
    _sample_dendrites(y_um, x_um, segments_um, unit_um, image)


@compiled
def _sample_soma(y_um: Floats, x_um: Floats, mean_um: float, harmonics_um: Floats, image: Image) -> None:
    """Write √(1 − (ρ/r(θ))²) inside the outline r(θ) = mean + Σ_{m=2..5} c_m cos mθ + s_m sin mθ, 0 outside."""
    a2, b2 = harmonics_um[0, 0], harmonics_um[0, 1]
    a3, b3 = harmonics_um[1, 0], harmonics_um[1, 1]
    a4, b4 = harmonics_um[2, 0], harmonics_um[2, 1]
    a5, b5 = harmonics_um[3, 0], harmonics_um[3, 1]
    reach = mean_um
    for m in range(4):
        reach += math.hypot(harmonics_um[m, 0], harmonics_um[m, 1])
    reach *= 1 + 1e-9  # whatever the rounding of r
    top, bottom = _between(y_um, -reach, reach)
    left, right = _between(x_um, -reach, reach)
    image[:] = 0
    for i in range(top, bottom):
        y = y_um[i]
        for j in range(left, right):
            # No branch, no trigonometry, and divisions that cannot raise: the loop becomes SIMD code.
            x = x_um[j]
            rho2 = y * y + x * x + 1e-24
            inverse = np.true_divide(1.0, math.sqrt(rho2))
            c1, s1 = x * inverse, y * inverse
            c2, s2 = c1 * c1 - s1 * s1, 2 * c1 * s1
            c3, s3 = c2 * c1 - s2 * s1, s2 * c1 + c2 * s1
            c4, s4 = c2 * c2 - s2 * s2, 2 * c2 * s2
            c5, s5 = c4 * c1 - s4 * s1, s4 * c1 + c4 * s1
            r = mean_um + a2 * c2 + b2 * s2 + a3 * c3 + b3 * s3 + a4 * c4 + b4 * s4 + a5 * c5 + b5 * s5
            inside = 1.0 - np.true_divide(rho2, r * r)
            image[i, j] = math.sqrt(inside if inside > 0.0 else 0.0)


@compiled
def _between(at: Floats, low: float, high: float) -> tuple[int, int]:
    """First and one past the last of ascending positions from ``low`` to ``high``."""
    first, stop = 0, at.shape[0]
    while first < stop:
        middle = (first + stop) // 2
        if at[middle] < low:
            first = middle + 1
        else:
            stop = middle
    while stop < at.shape[0] and at[stop] <= high:
        stop += 1
    return first, stop


@compiled
def _sample_dendrites(y_um: Floats, x_um: Floats, segments_um: Floats, unit_um: float, image: Image) -> None:
    """Raise the image to the half thickness √(r² − d²), over ``unit_um``, of tapered segments."""
    for k in range(segments_um.shape[0]):
        y0, x0, r0 = segments_um[k, 0], segments_um[k, 1], segments_um[k, 2]
        dy, dx, dr = segments_um[k, 3] - y0, segments_um[k, 4] - x0, segments_um[k, 5] - r0
        per_length2 = 1 / (dy * dy + dx * dx)
        reach = max(r0, r0 + dr)
        low_y, high_y = min(y0, y0 + dy) - reach, max(y0, y0 + dy) + reach
        low_x, high_x = min(x0, x0 + dx) - reach, max(x0, x0 + dx) + reach
        top, bottom = _between(y_um, low_y, high_y)
        left, right = _between(x_um, low_x, high_x)
        for i in range(top, bottom):
            y = y_um[i] - y0
            for j in range(left, right):
                x = x_um[j] - x0
                along = min(max((y * dy + x * dx) * per_length2, 0.0), 1.0)
                r, off_y, off_x = r0 + along * dr, y - along * dy, x - along * dx
                inside = r * r - off_y * off_y - off_x * off_x
                # No branch, as in a soma: SIMD code.
                image[i, j] = max(image[i, j], np.float32(math.sqrt(inside if inside > 0.0 else 0.0) / unit_um))


@compiled
def draw_shape(
    u: Floats, radius_um: float, branching: bool, harmonics_um: Floats, segments_um: Floats
) -> tuple[float, float, int]:
    """Draw one cell's outline and dendrites.

    Parameters
    ----------
    u
        Uniform numbers in [0, 1), ``(DRAWS,)``.
    radius_um
        Radius of the circle that has the area of the soma's outline.
    branching
        Whether there are dendrites.
    harmonics_um, segments_um
        Where to write the outline's harmonics ``(4, 2)``, and (y, x, r) at the begin and the end of each segment of a
        dendrite, from the soma's centre; ``(MOST_SEGMENTS, 6)``.

    Returns
    -------
    The outline's mean radius, the radius of a circle that holds all of the cell, and how many segments there are.
    """
    squares = widest = 0.0
    for m in range(4):
        a = AMPLITUDES[m] * u[m]
        squares += a * a
        widest += a
    # Area of r(θ) = r_0·(1 + Σ a_m cos(mθ − φ_m)): π·r_0²·(1 + Σ a_m²/2).
    mean_um = radius_um / math.sqrt(1 + squares / 2)
    for m in range(4):
        phase = 2 * math.pi * u[4 + m]
        harmonics_um[m, 0] = mean_um * (AMPLITUDES[m] * u[m]) * math.cos(phase)
        harmonics_um[m, 1] = mean_um * (AMPLITUDES[m] * u[m]) * math.sin(phase)
    extent_um = mean_um * (1 + widest)
    n = _grow_dendrites(u[8:], segments_um) if branching else 0
    for k in range(n):
        end = segments_um[k]
        for i in range(6):
            end[i] *= radius_um
        extent_um = max(extent_um, math.hypot(end[3], end[4]) + end[5])
    return mean_um, extent_um, n


@compiled
def _grow_dendrites(u: Floats, segments: Floats) -> int:
    """Write trunks that leave the soma in a cone, wiggle, and fork or run on, in soma radii; return their segments."""
    dendrites = FEWEST_DENDRITES + int(u[0] * (MOST_DENDRITES + 1 - FEWEST_DENDRITES))
    n = 0
    for i in range(dendrites):
        v = u[2 + i * DENDRITE_DRAWS : 2 + (i + 1) * DENDRITE_DRAWS]
        heading = 2 * math.pi * (u[1] + (i + 0.6 * (v[0] - 0.5)) / dendrites)
        thickness = _uniform(TRUNK_THICKNESS, v[1])
        turns = v[8:]
        end = _grow_path(
            0.0, 0.0, heading, _uniform(TRUNK_LENGTH, v[2]), ROOT_THICKNESS, thickness, 2.0, turns, segments[n:]
        )
        n += STEPS
        y, x = segments[n - 1, 3], segments[n - 1, 4]
        if v[3] < BRANCHING:
            for side, angle, length, first in ((1, v[4], v[6], STEPS), (-1, v[5], v[7], 2 * STEPS)):
                turned = end + side * _uniform(FORK_RAD, angle)
                r = thickness * RALL
                _grow_path(y, x, turned, _uniform(BRANCH_LENGTH, length), r, TIP * r, 1.0, turns[first:], segments[n:])
                n += STEPS
        else:
            _grow_path(
                y, x, end, _uniform(BRANCH_LENGTH, v[6]), thickness, TIP * thickness, 1.0, turns[STEPS:], segments[n:]
            )
            n += STEPS
    return n


@compiled
def _uniform(bounds: tuple[float, float], u: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * u


@compiled
def _grow_path(
    y: float,
    x: float,
    heading: float,
    length: float,
    first_radius: float,
    last_radius: float,
    taper: float,
    u: Floats,
    segments: Floats,
) -> float:
    """Write one path of equal steps, whose radius falls as (1 − share of the path)^taper; return its last heading."""
    radius = first_radius
    for k in range(STEPS):
        heading += WIGGLE_RAD * (2 * u[k] - 1)
        segments[k, 0], segments[k, 1], segments[k, 2] = y, x, radius
        y += math.sin(heading) * length / STEPS
        x += math.cos(heading) * length / STEPS
        radius = last_radius + (first_radius - last_radius) * (1 - (k + 1) / STEPS) ** taper
        segments[k, 3], segments[k, 4], segments[k, 5] = y, x, radius
    return heading
