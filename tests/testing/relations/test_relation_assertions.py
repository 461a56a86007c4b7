"""The assertions on several results, each passed and broken; and tolerances against drawn noise."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_calsim import (
    Estimate,
    EstimateError,
    Outcome,
    RecoveryError,
    Tolerance,
    assert_equivariant,
    assert_invariant,
    assert_monotone,
    load_preset,
    pairs,
    simulate,
)


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("tiny"))


@pytest.fixture(scope="module")
def moving():
    return simulate(load_preset("moving", overrides={"acquisition.duration_s": 2}))


def oracle(recording, **changes):
    truth = recording.truth
    found = {"A": np.asarray(truth.A_observed), "C": truth.C.values, **changes}
    return Outcome(Estimate(**found), recording)


def correction(recording):
    return Outcome(Estimate(shifts=-recording.truth.shifts.values, convention="correction"), recording)


@pytest.mark.parametrize("how", [{"mirror": "height"}, {"mirror": "width"}, {"transpose": True}])
def test_shifts_turn_with_the_picture(moving, how):
    turned = moving.transformed(**how)
    assert_equivariant(correction(moving), correction(turned))
    still = Outcome(Estimate(shifts=correction(moving).estimate.shifts, convention="correction"), turned)
    with pytest.raises(RecoveryError, match=r"rmse_px .* > 0\.05"):
        assert_equivariant(correction(moving), still)


def test_footprints_and_traces_are_compared_cell_by_cell(recording):
    baseline = oracle(recording)
    assert_invariant(baseline, baseline, Tolerance.same_noise(recording))
    cell = int(recording.truth.detectable_subset()[0])
    C = recording.truth.C.values.copy()
    C[cell] = C[cell, ::-1]
    with pytest.raises(RecoveryError, match=f"two traces of unit {cell}, the worst"):
        assert_invariant(baseline, oracle(recording, C=C), Tolerance.same_noise(recording))
    A = np.asarray(recording.truth.A_observed)
    A[cell] = np.roll(A[cell], 1, axis=0)
    with pytest.raises(RecoveryError, match=f"two footprints of unit {cell}, the worst"):
        assert_invariant(baseline, oracle(recording, A=A), Tolerance.same_noise(recording))
    assert_invariant(baseline, oracle(recording, A=A), replace(Tolerance.same_noise(recording), min_iou=0.5))


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_a_cell_near_the_edge_of_a_cut_image_may_be_lost(recording, side):
    A = np.asarray(recording.truth.A_observed)
    height, width = A.shape[1:]
    units = recording.truth.detectable_subset()
    brightest = np.array([np.unravel_index(A[unit].argmax(), (height, width)) for unit in units])
    middle = np.hypot(*(brightest - (height / 2, width / 2)).T).argmin()
    row, column = (int(at) for at in brightest[middle])

    def cut(distance_px):
        rows = {"top": slice(row - distance_px, height), "bottom": slice(0, row + distance_px + 1)}
        columns = {"left": slice(column - distance_px, width), "right": slice(0, column + distance_px + 1)}
        window = recording.transformed(crop=(rows.get(side, slice(None)), columns.get(side, slice(None))))
        others = np.arange(len(A)) != units[middle]
        seen = np.asarray(window.truth.A_observed)
        return Outcome(Estimate(A=seen[others], C=window.truth.C.values[others]), window)

    assert_equivariant(oracle(recording), cut(9))
    with pytest.raises(RecoveryError, match="lost 1"):
        assert_equivariant(oracle(recording), cut(10))


def test_a_cell_that_lies_half_out_of_view_may_be_lost(recording):
    layer = recording.spec.step("place_neurons").populations[0].model_dump() | {"n_cells": None}

    def with_cells_at(*rows_px):
        places = [(110, row * recording.spec.acquisition.pixel_size_um, 0) for row in rows_px]
        cells = {"populations": [layer], "positions_um": places}
        return simulate(recording.spec.edit({f"place_neurons.{name}": value for name, value in cells.items()}))

    def without_the_upper_one(moved):
        return Outcome(Estimate(A=np.asarray(moved.truth.A_observed[[0]])), moved)

    baseline = oracle(with_cells_at(0, -22))
    assert baseline.recording.truth["detectable"].values.all()
    assert_equivariant(baseline, without_the_upper_one(with_cells_at(-9, -31)), moved_px=(-9, 0))
    with pytest.raises(RecoveryError, match="lost 1"):
        assert_equivariant(baseline, without_the_upper_one(with_cells_at(9, -13)), moved_px=(9, 0))


@pytest.mark.parametrize("word", ["lost 1", "gained 1"])
def test_a_cell_that_is_found_once_is_listed_with_a_reason(recording, word):
    A = np.asarray(recording.truth.A_observed)
    C = recording.truth.C.values
    whole = oracle(recording)
    first = recording.truth.detectable_subset()[0]
    assert first == 0
    fewer = oracle(recording, A=A[1:], C=C[1:])
    before, after = (whole, fewer) if word.startswith("lost") else (fewer, whole)
    with pytest.raises(RecoveryError) as caught:
        assert_invariant(before, after, Tolerance.same_noise(recording))
    assert f"{word}.00 > 0.00" in str(caught.value)
    assert "why missed\n    0 " in str(caught.value)
    assert caught.value.baseline == (before.estimate, recording)


def test_estimates_of_no_cell_are_counted_both_ways(recording):
    A = np.asarray(recording.truth.A_observed)
    spot = np.zeros((1, *A.shape[1:]))
    free = np.argwhere(A.sum(axis=0) == 0)[0]
    spot[0, free[0], free[1]] = 1
    C = recording.truth.C.values
    more = oracle(recording, A=np.concatenate([A, spot]), C=np.concatenate([C, C[:1]]))
    for pair in ((oracle(recording), more), (more, oracle(recording))):
        with pytest.raises(RecoveryError, match=r"made_up 1\.00 > 0\.00"):
            assert_invariant(*pair, Tolerance.same_noise(recording))
        assert_invariant(*pair, Tolerance.other_noise(recording))


def test_an_easier_movie_shows_no_less(recording):
    dim, bright = pairs(recording.spec, "sensor.photon_rate_per_s_um2", [1e4, 4e4])
    assert_monotone([oracle(dim), oracle(bright), oracle(bright)])
    blind = oracle(bright, A=np.zeros((1, 64, 64)), C=np.ones((1, 100)))
    with pytest.raises(RecoveryError, match="monotonicity does NOT hold"):
        assert_monotone([oracle(dim), blind], Tolerance.same_noise(dim))
    rng = np.random.default_rng(0)
    C = bright.truth.C.values
    noisy = oracle(bright, C=C + 5 * C.std(axis=1, keepdims=True) * rng.standard_normal(C.shape))
    with pytest.raises(RecoveryError, match="fall of the correlation with the truth of unit"):
        assert_monotone([oracle(dim), noisy])
    assert_monotone([noisy, oracle(bright)])


def test_traces_are_compared_over_the_frames_that_both_movies_have(recording):
    longer = simulate(recording.spec.edit({"acquisition.duration_s": 2 * recording.spec.acquisition.duration_s}))
    n_frames = recording.frames.shape[0]
    rng = np.random.default_rng(0)
    C = longer.truth.C.values
    noise = 5 * C.std(axis=1, keepdims=True) * rng.standard_normal(C.shape)
    later = np.arange(C.shape[1]) >= n_frames
    for check in (assert_monotone, lambda outcomes: assert_invariant(*outcomes)):
        assert check([oracle(recording), oracle(longer, C=C + noise * later)]).passed
        with pytest.raises(RecoveryError, match=r"two traces of|with the truth of"):
            check([oracle(recording), oracle(longer, C=C + noise * ~later)])


def test_what_cannot_be_compared_is_one_line(recording, moving):
    whole = oracle(recording)
    with pytest.raises(EstimateError, match=r"of type Estimate, which has no \.truth .* mind the order"):
        Outcome(recording, whole.estimate)
    for check in (assert_invariant, assert_equivariant):
        for pair in ((3, whole), (whole, whole.estimate)):
            with pytest.raises(
                EstimateError, match=r"is an Outcome\(estimate, recording\), not of type (int|Estimate):"
            ):
                check(*pair)
    with pytest.raises(EstimateError, match="not of type int"):
        assert_monotone([whole, 3])
    with pytest.raises(EstimateError, match="outcomes = 3 must be a list of two results or more"):
        assert_monotone(3)
    with pytest.raises(EstimateError, match="two results or more are compared, not 1"):
        assert_monotone([whole])
    with pytest.raises(EstimateError, match="neither footprints nor shifts in common"):
        assert_invariant(whole, Outcome(Estimate(C=recording.truth.C), recording))
    with pytest.raises(EstimateError, match=r"the images are \(64, 64\) and \(40, 64\) px: compare by assert"):
        assert_invariant(whole, oracle(recording.transformed(crop=(slice(0, 40), slice(None)))))
    fewer = simulate(recording.spec.edit({"place_neurons.populations": [{}], "place_neurons.positions_um": []}))
    with pytest.raises(EstimateError, match="has 0 planted cells, the baseline"):
        assert_invariant(whole, Outcome(Estimate(A=np.zeros((0, 64, 64))), fewer))


def test_two_noisy_traces_correlate_as_the_tolerance_foresees(recording):
    """Drawn noise of twice the matched filter's deviation, a hundred times: hardly one in a hundred falls below."""
    truth = recording.truth
    tolerance = Tolerance.other_noise(recording)
    cells = truth.detectable_subset()
    C = truth.C.values[cells].astype(float)
    sigma = 2 * (truth["largest_transient"].values[cells] / truth["snr_peak"].values[cells])[:, np.newaxis]
    rng = np.random.default_rng(1)
    pearson = []
    for _ in range(100):
        first, second = (C + sigma * rng.standard_normal(C.shape) for _ in range(2))
        pearson.append([np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)])
    bound = tolerance.min_pearson[cells]
    middle = np.median(pearson, axis=0)
    assert np.mean(pearson < bound) < 0.01
    assert np.mean(pearson < middle - (middle - bound) / 3) > 0.05  # and no more is allowed than noise does
    np.testing.assert_array_equal(tolerance.may_flip, truth["snr_peak"].values < 4.85 + 3 * np.sqrt(2))
