"""One branching tree of blood vessels, grown in µm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_calsim.kernels.types import Floats

__all__ = ["Branch", "Growth", "grow_tree"]

# The trunk goes on this far outside the field of view, so that motion does not bring its end into view.
_RUN_IN_UM = 500.0
# Share of a branch's deviation from its heading that is left one step on.
_HEADING_MEMORY = 0.8
# Range of the smaller daughter's share of the parent's cubed radius: by Murray's law, of its flow.
_SMALLER_SHARE = (0.1, 0.5)


@dataclass(frozen=True)
class Growth:
    """Rules by which a tree grows. The fields are those of ``Vasculature``."""

    min_radius_um: float
    length_to_radius: float
    tortuosity: float
    taper: float
    top_depth_um: float
    bottom_depth_um: float


@dataclass(frozen=True, eq=False)
class Branch:
    """An unbranched stretch of vessel.

    Attributes
    ----------
    parent
        Index of the branch that it springs from; −1 for the trunk.
    path_um
        Its centre line, float64 ``(node, 3)`` as (z, y, x).
    radius_um
        Radius of the lumen at each node; float64 ``(node,)``.
    """

    parent: int
    path_um: Floats
    radius_um: Floats


def grow_tree(
    rng: np.random.Generator, growth: Growth, entry_um: Floats, heading: float, radius_um: float
) -> list[Branch]:
    """Grow a tree from where its trunk enters the field of view.

    A branch of radius r0 splits into two daughters with r1³ + r2³ = r0³. They turn by the angles that cost least
    (Murray 1926): cos θ1 = (r0⁴ + r1⁴ − r2⁴) / (2·r0²·r1²). Daughters below the least radius are left out.

    Parameters
    ----------
    rng
        The tree's random stream.
    growth
        The rules.
    entry_um
        (z, y, x) of the entry, float64 ``(3,)``.
    heading
        Direction of growth there, rad from +y towards +x.
    radius_um
        Radius of the trunk.

    Returns
    -------
    The branches; a parent comes before its daughters.
    """
    run_in = _path(rng, growth, entry_um, heading + math.pi, _RUN_IN_UM, level=True)[:0:-1]
    length = growth.length_to_radius * radius_um * rng.uniform(0.7, 1.3)
    trunk = np.concatenate([run_in, _path(rng, growth, entry_um, heading, length)])
    thickness = np.concatenate([np.full(len(run_in), radius_um), _radii(growth, radius_um, len(trunk) - len(run_in))])
    branches = [Branch(-1, trunk, thickness)]
    sprouting = [(0, heading)]
    while sprouting:
        parent, heading = sprouting.pop()
        end = branches[parent].path_um[-1]
        thick = float(branches[parent].radius_um[-1])
        share = rng.uniform(*_SMALLER_SHARE)
        side = 1.0 if rng.random() < 0.5 else -1.0
        larger = thick * (1 - share) ** (1 / 3)
        smaller = thick * share ** (1 / 3)
        for radius, other, turn in ((larger, smaller, side), (smaller, larger, -side)):
            if radius < growth.min_radius_um:
                continue
            angle = heading + turn * math.acos((thick**4 + radius**4 - other**4) / (2 * thick**2 * radius**2))
            length = growth.length_to_radius * radius * rng.uniform(0.7, 1.3)
            path = _path(rng, growth, end, angle, length)
            branches.append(Branch(parent, path, _radii(growth, radius, len(path))))
            sprouting.append((len(branches) - 1, angle))
    return branches


def _radii(growth: Growth, radius_um: float, nodes: int) -> Floats:
    """Return the radius at each node of a branch, which tapers linearly."""
    return radius_um * np.linspace(1.0, 1.0 - growth.taper, nodes)


def _path(
    rng: np.random.Generator, growth: Growth, start_um: Floats, heading: float, length_um: float, *, level: bool = False
) -> Floats:
    """Draw a meandering line, float64 ``(node, 3)``, µm.

    Its heading strays around the given one. Its depth slopes gently and stays between the vessels' top and bottom.
    """
    steps = max(8, math.ceil(growth.length_to_radius))
    step_um = length_um / steps
    kicks = rng.standard_normal(steps) * growth.tortuosity * math.sqrt(1 - _HEADING_MEMORY**2)
    slope = 0.0 if level else min(max(0.15 * rng.standard_normal(), -0.4), 0.4)
    angles: list[float] = []
    stray = 0.0
    for kick in kicks.tolist():
        stray = _HEADING_MEMORY * stray + kick
        angles.append(heading + stray)
    path = np.empty((steps + 1, 3))
    path[0] = start_um
    path[1:, 1] = start_um[1] + np.cumsum(np.cos(angles)) * step_um
    path[1:, 2] = start_um[2] + np.cumsum(np.sin(angles)) * step_um
    path[1:, 0] = _folded(start_um[0] + slope * step_um * np.arange(1, steps + 1), growth)
    return path


def _folded(z_um: Floats, growth: Growth) -> Floats:
    """Reflect depths at the vessels' top and bottom."""
    thickness = growth.bottom_depth_um - growth.top_depth_um
    if thickness <= 0:
        return np.full_like(z_um, growth.top_depth_um)
    over = np.mod(z_um - growth.top_depth_um, 2 * thickness)
    return growth.top_depth_um + np.minimum(over, 2 * thickness - over)
