"""Other cells in the same recording: what does not depend on them stays as it was, to the draw."""

import numpy as np
import pytest

from pytest_calsim import SpecError, load_preset, simulate
from pytest_calsim.recording.counterfactual import exchanged, silenced, with_cell


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("tiny", overrides={"acquisition.duration_s": 1}))


def test_a_dark_cell_takes_its_own_light_away_and_nothing_else(recording):
    light = simulate(recording.spec.edit(drop=["sensor"]))
    dark = silenced(light, [2])
    gone = light.frames.read(0, 20).astype(float) - dark.frames.read(0, 20)
    alone = np.asarray(light.truth.A_observed[2]).max() * light.truth["C"].values[2, :20].max()
    assert gone.max() > 0.9 * alone  # and what it scatters onto itself
    assert gone.min() > -1e-4
    np.testing.assert_array_equal(dark.truth["C"].values[2], 0)
    others = np.arange(light.truth.n_units) != 2
    np.testing.assert_array_equal(dark.truth["C"].values[others], light.truth["C"].values[others])
    np.testing.assert_array_equal(dark.truth.A_observed.data, light.truth.A_observed.data)
    footprint = light.truth.A_observed[2] > 0
    assert gone[:, footprint].sum() > 0.5 * gone.sum()


def test_no_cell_changed_is_the_same_movie(recording):
    np.testing.assert_array_equal(silenced(recording, []).frames.read(0, 20), recording.frames.read(0, 20))


def test_cells_change_places_and_keep_the_rest(recording):
    changed = exchanged(recording)
    seen = np.flatnonzero(recording.truth["in_fov"].values)
    for name in ("y_um", "x_um"):
        np.testing.assert_array_equal(changed.truth[name].values[seen], recording.truth[name].values[seen[::-1]])
    for name in ("depth_um", "radius_um", "amplitude", "C", "S"):
        np.testing.assert_array_equal(changed.truth[name].values, recording.truth[name].values)


def test_one_more_cell_is_the_last_and_has_activity_of_its_own(recording):
    n = recording.truth.n_units
    more = with_cell(recording, (110.0, 10.0, -20.0))
    assert more.truth.n_units == n + 1
    np.testing.assert_array_equal(more.truth["C"].values[:n], recording.truth["C"].values)
    assert [more.truth[name].values[n] for name in ("depth_um", "y_um", "x_um", "in_fov")] == [110, 10, -20, True]
    assert not any(np.array_equal(more.truth["C"].values[n], C) for C in recording.truth["C"].values)
    outside = with_cell(recording, (110.0, 500.0, 0.0))
    assert not outside.truth["in_fov"].values[n]


def test_a_twin_fires_with_its_cell(recording):
    n = recording.truth.n_units
    twin = with_cell(recording, (110.0, 10.0, -20.0), like=1, scale=0.8, brighter=2.0)
    np.testing.assert_array_equal(twin.truth["S"].values[n], recording.truth["S"].values[1])
    np.testing.assert_allclose(twin.truth["C"].values[n], 2 * recording.truth["C"].values[1], rtol=1e-5)
    assert twin.truth["radius_um"].values[n] == 0.8 * recording.truth["radius_um"].values[1]


def test_what_is_no_recording_as_it_was_simulated_is_refused(recording):
    with pytest.raises(SpecError, match="this one is transformed: transposed"):
        silenced(recording.transformed(transpose=True), [0])
    with pytest.raises(SpecError, match="simulated until 'render'"):
        silenced(simulate(recording.spec, until="render"), [0])
    with pytest.raises(SpecError, match="use the one it comes from"):
        silenced(recording, [0]).save("nowhere.zarr.zip")
    none = {"place_neurons.populations": [{}], "place_neurons.positions_um": []}
    with pytest.raises(SpecError, match="this recording has none"):
        with_cell(simulate(recording.spec.edit(none)), (100.0, 0.0, 0.0))
