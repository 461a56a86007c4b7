"""Cells that are active together, against closed forms of thinned shared Poisson input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_calsim.errors import SpecError
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.assemblies import Assemblies
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population

SILENT = {"active_rate_hz": 1e-6, "quiescent_rate_hz": 0.0, "rate_spread": 0.0}
BUSY = {"active_rate_hz": 12.0, "quiescent_rate_hz": 0.5, "mean_active_s": 0.5, "mean_quiescent_s": 2.0}
BUSY = {**BUSY, "rate_spread": 0.0}
BUSY_HZ = 0.2 * 12 + 0.8 * 0.5


def scene(n=6, *, fps=20.0, duration_s=30.0, seed=0, activity=SILENT, more=(), **fields):
    acquisition = Acquisition(fps=fps, duration_s=duration_s, image_sensor=ImageSensor(height_px=16, width_px=16))
    steps = [
        PlaceNeurons(
            positions_um=((50.0, 0.0, 0.0),) * n,
            populations=(Population(brightness_cv=0, morphology="bead"),),
        ),
        CellActivity(**activity),
        *more,
    ]
    if fields.get("n_assemblies") != 0:
        steps.append(Assemblies(**fields))
    return plan(Spec(acquisition=acquisition, steps=tuple(steps), seed=seed))


def trains(a):
    return np.split(a.spike_time_s, a.spike_start[1:-1])


def counts(a, window_s, duration_s):
    edges = np.arange(round(duration_s / window_s) + 1) * window_s
    return np.array([np.histogram(times, edges)[0] for times in trains(a)], float)


def correlations(values, pairs):
    """Mean correlation over pairs of rows."""
    return np.mean([np.corrcoef(values[i], values[j])[0, 1] for i, j in pairs])


def test_events_are_poisson_and_each_assembly_has_its_own():
    law = plan_of(event_rate_hz=2.0, n_assemblies=3, duration_s=2000.0)
    all_s = [law.events(k, -1000.0, 1000.0) for k in range(3)]
    for number, time_s in all_s:
        assert len(time_s) == pytest.approx(4000, abs=4 * np.sqrt(4000))
        assert stats.kstest(np.diff(time_s), stats.expon(scale=0.5).cdf).pvalue > 1e-3
        assert np.array_equal(np.diff(number), np.ones(len(number) - 1))
        assert number[np.searchsorted(time_s, 0)] == 0
    binned = [np.histogram(time_s, np.arange(-1000, 1001, 2))[0] for _, time_s in all_s]
    assert np.abs(np.corrcoef(binned)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(1000)
    # Whatever part is asked for, it is the same list.
    number, time_s = law.events(1, -20.0, 33.0)
    seen = (all_s[1][1] >= -20) & (all_s[1][1] < 33)
    assert np.array_equal(time_s, all_s[1][1][seen])
    assert np.array_equal(number, all_s[1][0][seen])


def plan_of(n=6, **fields):
    return scene(n, **fields).artifacts["assemblies"]


def test_cells_do_not_depend_on_how_many_there_are():
    """Trains are made of 128 cells at a time."""
    fields = {"activity": {**BUSY, "refractory_s": 0.005}, "duration_s": 20.0, "member_fraction": 0.5}
    few, many = (scene(n, **fields).artifacts["cell_activity"] for n in (127, 300))
    for one, other in zip(trains(few), trains(many), strict=False):
        assert np.array_equal(one, other)
    np.testing.assert_array_equal(few.C, many.C[:127])
    alone = scene(300, **{**fields, "n_assemblies": 0}).artifacts["cell_activity"]
    added = np.diff(many.spike_start) - np.diff(alone.spike_start)
    assert (added[128:256] > 0).mean() > 0.5
    assert (added[256:] > 0).mean() > 0.5


def test_membership_is_a_chance_of_its_own_for_each_cell_and_assembly():
    member = plan_of(4000, member_fraction=0.3, n_assemblies=3, duration_s=1.0).member
    np.testing.assert_allclose(member.mean(axis=0), 0.3, atol=4 * np.sqrt(0.21 / 4000))
    assert np.abs(np.corrcoef(member.T)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(4000)
    assert plan_of(50, member_fraction=1.0).member.all()
    assert not plan_of(50, member_fraction=0.0).member.any()


@pytest.mark.parametrize("fps", [10.0, 60.0])
@pytest.mark.parametrize("dead_s", [0.0, 0.01])
def test_rates_are_the_sum_of_both(fps, dead_s):
    """Every cell in both assemblies; 0.3 · 0.5 · 4 spikes per second from each, dead times or not."""
    fields = {"n_assemblies": 2, "member_fraction": 1.0, "event_rate_hz": 0.3, "participation": 0.5}
    found = scene(
        300,
        fps=fps,
        duration_s=100.0,
        activity={**BUSY, "refractory_s": dead_s},
        spikes_per_event=4.0,
        event_duration_s=0.4,
        **fields,
    ).artifacts["cell_activity"]
    expected_hz = BUSY_HZ + 2 * 0.3 * 0.5 * 4
    np.testing.assert_allclose(found.expected_rate_hz, expected_hz)
    # All cells share 60 events, so the spread is that of the events: their number times 300 · 0.5 · 4.
    per_event = 300 * 0.5 * 4
    total = len(found.spike_time_s)
    law = plan_of(1, duration_s=100.0, **fields)
    n_events = sum(len(law.events(k, 0.0, 100.0)[0]) for k in range(2))
    own = 300 * 100 * BUSY_HZ
    assert total == pytest.approx(own + n_events * per_event, rel=0.01)
    if dead_s:
        assert min(np.diff(times).min() for times in trains(found)) >= dead_s * (1 - 1e-9)


@pytest.mark.parametrize("dead_s", [0.0, 0.005])
@pytest.mark.parametrize("n_assemblies", [1, 3])
@pytest.mark.parametrize("own", [SILENT, BUSY], ids=["silent", "busy"])
def test_the_mean_with_saturation_counts_that_spikes_of_events_come_together(own, n_assemblies, dead_s):
    """Per spike, as all cells share some 300 events for each assembly, and their number varies."""

    def per_spike(n):
        found = scene(
            60,
            duration_s=1000.0,
            activity={**own, "saturation": {}, "refractory_s": dead_s},
            n_assemblies=n,
            member_fraction=1.0,
            event_rate_hz=0.3,
            event_duration_s=0.2,
            participation=0.8,
            spikes_per_event=6.0,
        ).artifacts["cell_activity"]
        seen = (found.C.mean(dtype=float) - 1) / (len(found.spike_time_s) / 60 / 1000)
        return seen, (found.expected_C[0] - 1) / found.expected_rate_hz[0]

    seen, expected = per_spike(n_assemblies)
    assert seen == pytest.approx(expected, rel=0.03)
    if own is SILENT:  # six spikes together give twice the light of six lone ones
        _, alone = per_spike(0)
        assert seen > 1.8 * alone


@pytest.mark.parametrize("window_s", [0.1, 0.4, 2.0])
def test_correlation_within_an_assembly_and_across(window_s):
    """Silent cells, so that what is counted is the input alone."""
    step = Assemblies(
        n_assemblies=2,
        member_fraction=0.5,
        event_rate_hz=0.5,
        event_duration_s=0.4,
        participation=0.6,
        spikes_per_event=3.0,
    )
    made = scene(
        40,
        duration_s=1000.0,
        activity={**SILENT, "refractory_s": 0.002},
        **{name: getattr(step, name) for name in type(step).model_fields},
    )
    member = made.artifacts["assemblies"].member
    values = counts(made.artifacts["cell_activity"], window_s, 1000.0)
    only = [np.flatnonzero(member[:, k] & ~member[:, 1 - k]) for k in range(2)]
    assert min(map(len, only)) >= 4
    within = [(i, j) for own in only for i in own for j in own if i < j]
    across = [(i, j) for i in only[0] for j in only[1]]
    # 500 events each; the relative error of a variance of rare counts is some sqrt(kurtosis / n).
    assert correlations(values, within) == pytest.approx(step.input_correlation(window_s), abs=0.03)
    assert correlations(values, across) == pytest.approx(0.0, abs=0.03)


def test_trains_of_events_are_correlated_by_the_participation():
    """With so many spikes per event that hardly a participant has none."""
    fields = {"n_assemblies": 1, "member_fraction": 1.0, "event_rate_hz": 0.2, "event_duration_s": 0.05}
    for participation in (0.2, 0.7, 1.0):
        a = scene(10, duration_s=2000.0, spikes_per_event=20.0, participation=participation, **fields)
        took = counts(a.artifacts["cell_activity"], 0.05, 2000.0) > 0
        pairs = [(i, j) for i in range(10) for j in range(i)]
        # In windows as long as an event each event touches two: as many windows are hit, twice as long events.
        assert correlations(took, pairs) == pytest.approx(participation, abs=0.06)


def test_fano_factor_of_a_member():
    """Superposition: the variance of the own process, and λp(m + m²) of the events, per time, in long windows."""
    on = 1 / 2.0
    off = 1 / 0.5
    own = BUSY_HZ + 2 * 0.2 * 0.8 * 11.5**2 / (on + off) * (1 - (1 - np.exp(-20 * 2.5)) / (20 * 2.5))
    fields = {"n_assemblies": 1, "member_fraction": 1.0, "event_rate_hz": 0.5, "participation": 0.5}
    a = scene(60, duration_s=4000.0, activity=BUSY, spikes_per_event=3.0, event_duration_s=0.2, **fields)
    values = counts(a.artifacts["cell_activity"], 20.0, 4000.0)
    expected = (own + 0.5 * 0.5 * (3 + 9 * (1 - 0.2 / 60))) / (BUSY_HZ + 0.75)
    assert values.var() / values.mean() == pytest.approx(expected, rel=0.06)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.004, 0.05]), st.floats(0, 1), st.integers(1, 3))
def test_no_spike_of_a_cells_own_changes(seed, dead_s, participation, n_assemblies):
    activity = {"quiescent_rate_hz": 1.0, "refractory_s": dead_s}
    fields = {"participation": participation, "n_assemblies": n_assemblies, "event_rate_hz": 1.0}
    with_ = scene(seed=seed, activity=activity, **fields).artifacts["cell_activity"]
    alone = scene(seed=seed, activity=activity, n_assemblies=0).artifacts["cell_activity"]
    for own, all_ in zip(trains(alone), trains(with_), strict=True):
        assert np.isin(own, all_).all()
        assert dead_s == 0 or len(all_) < 2 or np.diff(all_).min() >= dead_s * (1 - 1e-9)
    one_more = scene(seed=seed, activity={**activity, "refractory_s": 0.0}, **{**fields, "n_assemblies": 4})
    fewer = scene(seed=seed, activity={**activity, "refractory_s": 0.0}, **fields)
    for some, all_ in zip(*(trains(s.artifacts["cell_activity"]) for s in (fewer, one_more)), strict=True):
        assert np.isin(some, all_).all()


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.01]), st.floats(1, 8), st.floats(0.1, 8))
def test_a_longer_recording_extends_a_shorter_one(seed, dead_s, short_s, more_s):
    activity = {"quiescent_rate_hz": 2.0, "refractory_s": dead_s}
    fields = {"event_rate_hz": 2.0, "member_fraction": 0.7, "seed": seed, "activity": activity}
    short, long = (scene(duration_s=s, **fields).artifacts["cell_activity"] for s in (short_s, short_s + more_s))
    frames = short.C.shape[1]
    assert np.array_equal(short.C, long.C[:, :frames])
    for one, other in zip(trains(short), trains(long), strict=True):
        assert np.array_equal(one, other[other < frames / 20.0])


def test_another_frame_rate_sees_the_same_spikes():
    slow, fast = (scene(fps=fps, activity=BUSY).artifacts["cell_activity"] for fps in (10.0, 70.0))
    assert np.array_equal(slow.spike_time_s, fast.spike_time_s)


def test_frame_0_is_stationary():
    """Events before the recording have left their calcium."""
    fields = {"member_fraction": 1.0, "n_assemblies": 8, "event_rate_hz": 1.0, "spikes_per_event": 2.0}
    fields["activity"] = {**SILENT, "indicator": "gcamp6s"}
    many = [scene(10, duration_s=0.05, seed=seed, **fields).artifacts["cell_activity"] for seed in range(150)]
    first = np.array([a.C[:, 0].mean(dtype=float) for a in many])
    assert first.mean() == pytest.approx(many[0].expected_C[0], abs=4 * first.std() / np.sqrt(150))
    assert first.std() / np.sqrt(150) < 0.1 * (first.mean() - 1)


@pytest.mark.parametrize("belong", [True, False])
def test_background_cells_belong_as_well(belong):
    background = {
        "kind": "background_cells",
        "populations": [{"density_per_mm3": 5000, "depth_um": 400, "brightness_cv": 0}],
    }
    fields = {"n_assemblies": 1, "member_fraction": 0.5, "participation": 1.0, "event_rate_hz": 0.5}
    activity = {**SILENT, "refractory_s": 0.002}
    made = scene(40, activity=activity, duration_s=40.0, more=(_step(background),), background_members=belong, **fields)
    light = made.artifacts["background_cells"]
    assert len(light.courses.keys) > 30
    courses = light.courses.fluorescence(0, 800)
    active = courses.std(axis=1) > 0.01
    if not belong:
        assert not active.any()
        return
    assert 0.3 < active.mean() < 0.7
    # As the planted members: the mean course is that of the same events, and the level is the one expected.
    member = made.artifacts["assemblies"].member[:, 0]
    planted = made.artifacts["cell_activity"].C[member].mean(axis=0)
    assert np.corrcoef(courses[active].mean(axis=0), planted)[0, 1] > 0.95
    assert courses[active].mean() == pytest.approx(light.courses.expected[active].mean(), rel=0.1)
    # Any block has the same bits, and a longer recording begins with them.
    cut = light.courses.fluorescence(333, 420)
    assert np.array_equal(cut, courses[:, 333:420])
    longer = scene(activity=activity, duration_s=55.0, more=(_step(background),), **fields)
    assert np.array_equal(longer.artifacts["background_cells"].courses.fluorescence(0, 800), courses)


def _step(table):
    return Spec.make({"steps": [{"kind": "place_neurons"}, {"kind": "cell_activity"}, table]}).step(table["kind"])


def test_the_truth_lists_members_and_events():
    made = scene(5, n_assemblies=3, duration_s=60.0)
    truth = made.artifacts["assemblies"].truth()
    assert truth["assembly_member"].values.shape == (5, 3)
    start = truth["assembly_event_start"].values
    times = truth["assembly_event_time_s"].values
    assert len(start) == 4
    assert start[-1] == len(times) > 0
    assert (times >= 0).all()
    assert (times < 60).all()


def test_the_correlation_of_inputs_against_a_sum_over_begins():
    step = Assemblies(participation=0.4, spikes_per_event=2.5, event_duration_s=0.3)
    for window_s in (0.05, 0.3, 0.31, 5.0):
        begin = np.linspace(-0.3, window_s, 200_001)
        share = np.clip(np.minimum(begin + 0.3, window_s) - np.maximum(begin, 0), 0, None) / 0.3
        covariance = (0.4 * 2.5 * share) ** 2
        variance = 0.4 * (2.5 * share + (2.5 * share) ** 2)
        assert step.input_correlation(window_s) == pytest.approx(covariance.sum() / variance.sum(), rel=1e-4)


def test_assemblies_of_nothing_are_refused():
    with pytest.raises(SpecError, match="n_assemblies = 4 needs Activity, which no step provides; add 'cell_activity'"):
        Spec.make({"steps": ["place_neurons", "assemblies"]})
