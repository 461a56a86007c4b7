"""Scenes to order: each recipe is short, runs, and gives what its heading promises."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pytest_calsim import load_preset, simulate
from pytest_calsim.errors import CalsimWarning

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "scenes-to-order.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## (.*)\n(?:.*\n)*?```python\n((?:.*\n)*?)```$", PAGE, re.M))
IMPORTS = "from pytest_calsim import load_preset, simulate\nimport numpy as np\n"

FOOTPRINTS = np.zeros((3, 256, 256))
FOOTPRINTS[0, 10:20, 30:42] = 1
FOOTPRINTS[1, 15:28, 38:50] = np.random.default_rng(0).random((13, 12))
FOOTPRINTS[2, 200, 201] = 0.5
PATH_UM = np.column_stack([np.linspace(-3, 3, 200), np.zeros(200)])


@pytest.fixture
def cook(tmp_path, monkeypatch):
    """Run a recipe in a folder that holds the files it reads; return its recording."""
    np.save(tmp_path / "footprints.npy", FOOTPRINTS)
    savemat(tmp_path / "footprints.mat", {"A": np.moveaxis(FOOTPRINTS, 0, -1)})
    np.savetxt(tmp_path / "trajectory.csv", PATH_UM, delimiter=",")
    monkeypatch.chdir(tmp_path)

    def cooked(name):
        names: dict = {}
        exec(IMPORTS + RECIPES[name], names)
        return names["recording"]

    return cooked


def test_there_are_twelve_wishes_each_in_six_lines():
    assert len(RECIPES) == 13  # footprints come from two kinds of file
    for name, code in RECIPES.items():
        assert len([line for line in code.splitlines() if line.strip()]) <= 6, name


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_warns_of_nothing(name, cook):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CalsimWarning)
        assert len(cook(name).truth.cells) > 0


def test_two_overlapping_cells(cook):
    cells = cook("Two overlapping cells at given positions").truth.cells
    assert cells[["depth_um", "y_um", "x_um"]].to_numpy().tolist() == [[20, 0, -4], [20, 0, 4]]
    assert (cells.overlap > 0.1).all()


def test_numbers_of_cells(cook):
    assert cook("A number of cells").truth.cells.in_fov.sum() == 7
    assert len(cook("One cell only").truth.cells) == 1


def test_brighter_cells(cook):
    plain = simulate(load_preset("clean")).truth.cells
    bright = cook("Brighter cells").truth.cells
    np.testing.assert_allclose(bright.amplitude, 2 * plain.amplitude)
    assert (bright.largest_transient > 3 * plain.largest_transient).mean() > 0.9


def test_no_noise_but_codes(cook):
    observed = cook("No noise but codes").observed
    assert observed.dtype == np.uint8
    # Dark pixels all have one code in all frames, and a cell's light rises and falls without jitter.
    _, counts = np.unique(observed[:20], return_counts=True)
    assert counts.max() > 0.5 * counts.sum()
    assert np.unique(observed[:, 0, 0]).size == 1


def test_sixteen_bit(cook):
    deep = cook("16 bit").observed.values
    assert deep.dtype == np.uint16
    assert deep[:5].max() > 3000
    shallow = simulate(load_preset("clean")).observed.values[:5]
    # The same light: 8 bits are the 10-bit code without its last two, which are worth 3/8 on average.
    assert deep[:5].mean(dtype=float) / 2**8 == pytest.approx(shallow.mean(dtype=float) + 3 / 8, abs=0.03)


def test_given_spikes_and_traces(cook):
    found = cook("Given spikes").truth
    assert [times.tolist() for times in found.spike_times[:3]] == [[0.5, 0.55, 3.0], [], [2.0]]
    assert all(len(times) for times in found.spike_times[3:10])
    found = cook("Given traces").truth
    dff = np.abs(np.sin(np.arange(120) / 7)) * [[0.5], [1.0]]
    rest = found.cells.amplitude.to_numpy()[:2, None]
    np.testing.assert_allclose(found.C.values[:2], rest * (1 + dff), rtol=2e-7)


@pytest.mark.parametrize("kind", [".npy", ".mat"])
def test_own_footprints(cook, kind):
    truth = cook(f"Footprints of your own, from {kind}").truth
    np.testing.assert_array_equal(truth["A_observed"], FOOTPRINTS.astype(np.float32))


def test_own_trajectory(cook):
    recording = cook("A trajectory of your own")
    pixel_um = recording.spec.acquisition.pixel_size_um
    np.testing.assert_allclose(recording.truth.shifts * pixel_um, PATH_UM[: len(recording.truth.shifts)], atol=1e-5)


def test_silent_cells(cook):
    truth = cook("Silent cells").truth
    assert not truth.S[:10].any()
    assert truth.S[10:].any()
    np.testing.assert_allclose(truth.C[:10].std(axis=1), 0, atol=1e-6)


def test_synchronous_cells(cook):
    truth = cook("Synchronous cells").truth
    member = truth["assembly_member"].values[:, 0]
    assert 0 < member.sum() < len(member)
    (events,) = [truth["assembly_event_time_s"].values]
    for unit in np.flatnonzero(member):
        times = truth.spike_times[unit]
        near = [np.any((times >= at) & (times < at + 0.2)) for at in events]
        assert np.mean(near) > 0.7  # an event adds three spikes on average, so one in twenty none
