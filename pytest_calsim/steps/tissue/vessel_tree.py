"""Grow one branching tree of blood vessels, in µm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats

__all__ = ["LONGEST", "Branch", "Growth", "grow_tree"]

LONGEST = 1.3
"""Length of the longest branch of a radius, relative to the mean one."""

# Share of a branch's deviation from its heading that is left one step on.
_HEADING_MEMORY = 0.8
# Range of a branch's length, relative to its mean.
_LENGTHS = (0.7, LONGEST)
# Range of the smaller daughter's share of the parent's cubed radius: by Murray's law, of its flow.
_SMALLER_SHARE = (0.1, 0.5)


@dataclass(frozen=True)
class Growth:
    """Rules by which a tree grows. The fields are those of ``Vasculature``, but for the last."""

    min_radius_um: float
    length_to_radius: float
    tortuosity: float
    taper: float
    top_depth_um: float
    bottom_depth_um: float
    spread_um: float
    """No branch begins farther from the root."""


@dataclass(frozen=True, eq=False)
class Branch:
    """An unbranched stretch of vessel.

    Attributes
    ----------
    parent
        Index of the branch that it springs from; −1 for the two that meet at the root.
    path_um
        Its centre line, float64 ``(node, 3)`` as (z, y, x).
    radius_um
        Radius of the lumen at each node; float64 ``(node,)``.
    """

    parent: int
    path_um: Floats
    radius_um: Floats


def grow_tree(
    rng: np.random.Generator, growth: Growth, root_um: Floats, heading: float, radius_um: float
) -> list[Branch]:
    """Grow a tree both ways from its root, a point along a vessel.

    A branch of radius r0 splits into two daughters with r1³ + r2³ = r0³. They turn by the angles that cost least
    (Murray 1926): cos θ1 = (r0⁴ + r1⁴ − r2⁴) / (2·r0²·r1²). Daughters below the least radius are left out.

    Parameters
    ----------
    rng
        The tree's random stream.
    growth
        The rules.
    root_um
        (z, y, x) of the root, float64 ``(3,)``.
    heading
        Direction of the vessel there, rad from +y towards +x.
    radius_um
        Its radius there.

    Returns
    -------
    The branches; a parent comes before its daughters.
    """
    branches: list[Branch] = []
    parent = np.array([-1, -1])
    start_um = np.stack([root_um, root_um])
    headings = np.array([heading, heading + math.pi])
    radii_um = np.full(2, radius_um)
    # All branches of a generation at once; it ends when all daughters are too thin or too far.
    while len(parent):
        lengths_um = growth.length_to_radius * radii_um * rng.uniform(*_LENGTHS, len(parent))
        paths_um = _paths(rng=rng, growth=growth, start_um=start_um, heading=headings, length_um=lengths_um)
        tapered_um = np.multiply.outer(radii_um, 1 - growth.taper * np.linspace(0, 1, paths_um.shape[1]))
        first = len(branches)
        branches += map(Branch, parent.tolist(), paths_um, tapered_um)
        # Every branch may have two daughters: the larger ones, then the smaller ones.
        end_um = paths_um[:, -1]
        thick_um = tapered_um[:, -1]
        share = rng.uniform(*_SMALLER_SHARE, len(parent))
        side = np.where(rng.random(len(parent)) < 0.5, 1.0, -1.0)
        daughters_um = thick_um * np.cbrt([1 - share, share])
        turns = np.stack([side, -side]) * _angles(thick_um, daughters_um, daughters_um[::-1])
        near = np.hypot(*(end_um - root_um)[:, 1:].T) <= growth.spread_um
        which, mother = np.nonzero((daughters_um >= growth.min_radius_um) & near)
        parent = first + mother
        start_um = end_um[mother]
        headings = headings[mother] + turns[which, mother]
        radii_um = daughters_um[which, mother]
    return branches


def _angles(parent_um: Floats, own_um: Floats, other_um: Floats) -> Floats:
    """Return the angles by which daughters turn from their parent, rad; of radii, broadcast against each other."""
    return np.arccos((parent_um**4 + own_um**4 - other_um**4) / (2 * parent_um**2 * own_um**2))


def _paths(rng: np.random.Generator, growth: Growth, start_um: Floats, heading: Floats, length_um: Floats) -> Floats:
    """Draw meandering lines, float64 ``(line, node, 3)``, µm.

    Their headings stray around the given ones. Their depths slope gently and stay between the vessels' top and bottom.
    """
    n = len(heading)
    # Steps of about a radius.
    steps = max(8, math.ceil(growth.length_to_radius))
    stray = rng.standard_normal((n, steps)) * (growth.tortuosity * math.sqrt(1 - _HEADING_MEMORY**2))
    # An autoregressive heading strays and returns, so that a stretch meanders about its direction.
    for i in range(1, steps):
        stray[:, i] += _HEADING_MEMORY * stray[:, i - 1]
    slope = np.clip(0.15 * rng.standard_normal(n), -0.4, 0.4)
    step_um = (length_um / steps)[:, np.newaxis]
    angle = heading[:, np.newaxis] + stray
    path_um = np.empty((n, steps + 1, 3))
    path_um[:, 0] = start_um
    path_um[:, 1:, 0] = _folded(start_um[:, :1] + slope[:, np.newaxis] * step_um * np.arange(1, steps + 1), growth)
    path_um[:, 1:, 1] = start_um[:, 1:2] + np.cumsum(elementary.cos(angle) * step_um, axis=1)
    path_um[:, 1:, 2] = start_um[:, 2:] + np.cumsum(elementary.sin(angle) * step_um, axis=1)
    return path_um


def _folded(z_um: Floats, growth: Growth) -> Floats:
    """Reflect depths at the vessels' top and bottom."""
    thickness = growth.bottom_depth_um - growth.top_depth_um
    if thickness <= 0:
        return np.full_like(z_um, growth.top_depth_um)
    over = np.mod(z_um - growth.top_depth_um, 2 * thickness)
    return growth.top_depth_um + np.minimum(over, 2 * thickness - over)
