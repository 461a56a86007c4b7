"""Assigning to a movie changes a copy, as in movies that xarray opens from disk."""

import numpy as np
import pytest

from pytest_calsim import load_preset, simulate


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("tiny", overrides={"acquisition.duration_s": 1}))


@pytest.mark.parametrize(
    "where", [np.s_[0], np.s_[-1], np.s_[:, :5], np.s_[10:20, 3, :], np.s_[::3, ::2, ::2], np.s_[...]], ids=str
)
def test_only_what_was_assigned_to_changes(recording, where):
    movie = recording.observed
    before = recording.observed.values
    movie[where] = 0
    expected = before.copy()
    expected[where] = 0
    np.testing.assert_array_equal(movie.values, expected)
    np.testing.assert_array_equal(recording.observed.values, before)  # nobody else's movie changed
    assert movie.dtype == before.dtype


def test_by_label_and_in_place(recording):
    movie = recording.observed
    movie.loc[{"frame": 3}] = 0
    movie.loc[{"frame": slice(5, 6), "width": 2}] = 7
    movie += 1
    assert (movie.sel(frame=3) == 1).all()
    assert (movie.sel(frame=[5, 6], width=2) == 8).all()


def test_a_stage_and_a_selection(recording):
    stage = recording.stage("render")
    stage[2] = -1
    assert (stage[2] == -1).all()
    assert not (recording.stage("render")[2] == -1).any()
    part = recording.observed[4:8]
    part[0] = 0
    assert not part[0].any()
    assert recording.observed[4].any()


def test_a_movie_that_is_only_read_is_never_copied(recording):
    movie = recording.observed
    movie[3].values[:] = 0  # of that read alone
    assert movie[3].values.any()
