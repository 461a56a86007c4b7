import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_calsim.steps.tissue.vessel_tree import Growth, grow_tree

STRAIGHT = Growth(2.0, 10.0, 0.0, 0.0, 20.0, 60.0, 1e4)
MEANDERING = Growth(2.0, 10.0, 0.4, 0.08, 20.0, 60.0, 1e4)


def tree(growth=MEANDERING, seed=0, radius_um=12.0):
    return grow_tree(np.random.default_rng(seed), growth, np.array([40.0, 0.0, 0.0]), 0.3, radius_um)


def daughters(branches):
    found = {i: [] for i in range(len(branches))}
    for branch in branches:
        if branch.parent >= 0:
            found[branch.parent].append(branch)
    return found


@pytest.mark.parametrize("growth", [STRAIGHT, MEANDERING])
def test_murrays_law_at_every_branching(growth):
    branches = tree(growth)
    forks = 0
    for parent, pair in daughters(branches).items():
        cube = branches[parent].radius_um[-1] ** 3
        cubes = [d.radius_um[0] ** 3 for d in pair]
        if len(pair) == 2:
            forks += 1
            assert sum(cubes) == pytest.approx(cube, rel=1e-9)
        else:
            # What is missing is a twig below the least radius.
            missing = 2 - len(pair)
            assert cube - sum(cubes) < missing * growth.min_radius_um**3 * (1 + 1e-9)
    assert forks > 20


def test_branching_angles_balance():
    # The angles of least cost are those at which pulls proportional to r² are in balance, along and across.
    branches = tree(STRAIGHT)
    for parent, pair in daughters(branches).items():
        if len(pair) < 2:
            continue
        path = branches[parent].path_um
        r0 = branches[parent].radius_um[-1]
        along = path[-1, 1:] - path[-2, 1:]
        pull = sum(d.radius_um[0] ** 2 * unit(d.path_um[1, 1:] - d.path_um[0, 1:]) for d in pair)
        assert pull == pytest.approx(r0**2 * unit(along), rel=1e-6, abs=1e-6 * r0**2)


def unit(vector):
    return vector / np.hypot(*vector)


def test_daughters_begin_where_the_parent_ends():
    branches = tree()
    for branch in branches[2:]:
        assert np.array_equal(branch.path_um[0], branches[branch.parent].path_um[-1])


def test_branches_taper_and_none_is_too_thin():
    branches = tree()
    for branch in branches[2:]:
        assert branch.radius_um[-1] / branch.radius_um[0] == pytest.approx(0.92)
        assert branch.radius_um[0] >= 2.0
    assert branches[0].radius_um[0] == 12.0


def test_depths_stay_in_the_slab():
    depth = np.concatenate([b.path_um[:, 0] for s in range(5) for b in tree(seed=s)])
    assert depth.min() >= 20
    assert depth.max() <= 60
    assert np.ptp(depth) > 20


def test_tortuosity_is_the_headings_sd():
    headings = []
    for seed in range(40):
        for branch in tree(seed=seed)[2:]:
            steps = np.diff(branch.path_um[:, 1:], axis=0)
            angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
            headings.append(angles[-1] - angles[0])
    # Two values of a stationary AR(1) nine steps apart, the first one step from its start at zero.
    memory = 0.8
    first = 1 - memory**2
    last = 1 - memory**20
    expected = 0.4 * math.sqrt(first + last - 2 * memory**9 * first)
    assert np.std(headings) == pytest.approx(expected, rel=0.1)


def test_the_vessel_goes_through_the_root():
    one, other = tree(STRAIGHT)[:2]
    assert one.parent == other.parent == -1
    assert np.array_equal(one.path_um[0], [40.0, 0.0, 0.0])
    assert np.array_equal(other.path_um[0], one.path_um[0])
    assert one.radius_um[0] == other.radius_um[0] == 12.0
    assert unit(one.path_um[-1, 1:]) @ unit(other.path_um[-1, 1:]) == pytest.approx(-1)


@pytest.mark.parametrize("spread_um", [0.0, 150.0, 400.0])
def test_no_branch_begins_beyond_the_spread(spread_um):
    whole = tree()
    near = tree(replace(MEANDERING, spread_um=spread_um))
    begins = np.array([np.hypot(*branch.path_um[0, 1:]) for branch in near])
    assert begins.max() <= spread_um
    assert 2 <= len(near) < len(whole)


def test_a_daughter_has_no_more_than_two_of_its_own():
    branches = tree()
    parents = np.array([branch.parent for branch in branches])
    assert np.bincount(parents[2:]).max() == 2
    assert (parents < np.arange(len(branches))).all()
