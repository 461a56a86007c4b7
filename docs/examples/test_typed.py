"""Every public name in tests with types: this file passes pyright in strict mode, and pytest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_calsim import (
    Acquisition,
    Assemblies,
    BackgroundCells,
    BackgroundPopulation,
    Bleaching,
    BrainMotion,
    CalsimError,
    CellActivity,
    CellOptics,
    Estimate,
    EstimateError,
    GivenArray,
    GroundTruth,
    HillSaturation,
    Illumination,
    ImageSensor,
    Jumps,
    Leakage,
    LocalBackground,
    Match,
    Neuropil,
    NeuropilComponent,
    Optics,
    Oscillator,
    Outcome,
    PipelineContract,
    PlaceNeurons,
    Population,
    RandomWalk,
    Recording,
    RecordingCache,
    RecordingFactory,
    RecoveryError,
    Render,
    Scene,
    Scorecard,
    Scores,
    Sensor,
    Spec,
    SpecError,
    StoreError,
    Tissue,
    Tolerance,
    Vasculature,
    VesselLayer,
    Vignette,
    assert_background_recovered,
    assert_equivariant,
    assert_footprints_recovered,
    assert_invariant,
    assert_monotone,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    compare,
    compose_presets,
    contract_scene,
    damage,
    explain_miss,
    field_pearson,
    hungarian_match,
    load_preset,
    pairs,
    plan,
    preset_names,
    preset_parts,
    preset_summary,
    save_overlay,
    save_report,
    score,
    shift_rmse,
    simulate,
    simulate_cached,
    spike_precision_recall,
    sweep,
    trace_gain,
    trace_pearson,
)

SHORT: dict[str, object] = {"acquisition.duration_s": 2}


@pytest.fixture
def moving(sim_recording_factory: RecordingFactory) -> Recording:
    return sim_recording_factory("moving", overrides=SHORT, seed=1)


@pytest.fixture
def perfect(moving: Recording) -> Estimate:
    truth: GroundTruth = moving.truth
    assert truth.shifts is not None
    return Estimate(A=truth.A_observed, C=truth.C, S=truth.S, shifts=truth.shifts, convention="displacement")


@pytest.mark.sim("static", overrides=SHORT)
def test_the_fixtures_have_types(sim_recording: Recording, sim_spec: Spec, sim_movie_file: Path) -> None:
    assert sim_recording.spec == sim_spec
    assert sim_recording.observed.dims == ("frame", "height", "width")
    assert sim_movie_file.suffix == ".tif"


def test_assertions(moving: Recording, perfect: Estimate) -> None:
    cards: list[Scorecard] = [
        assert_footprints_recovered(perfect, moving, min_recall=0.9, min_precision=0.9),
        assert_shifts_recovered(perfect, moving, max_rmse_px=0.1),
        assert_traces_recovered(perfect, moving, min_pearson=0.9),
        assert_spikes_recovered(perfect, moving, min_recall=0.9, min_precision=0.9),
        assert_background_recovered(moving.observed.min("frame"), moving, min_pearson=0.5),
    ]
    assert all(card.passed for card in cards)
    assert perfect.A is not None
    with pytest.raises(RecoveryError) as caught:
        assert_footprints_recovered(Estimate(A=perfect.A[:1]), moving, min_recall=0.9, min_precision=0)
    failed: Scorecard = caught.value.scorecard
    assert not failed.passed


def test_scores_and_pictures(moving: Recording, perfect: Estimate, tmp_path: Path) -> None:
    scores: Scores = score(perfect, moving)
    numbers: dict[str, float | int | str | bool] = scores.as_dict()
    assert numbers["footprints.recall"] == 1
    assert save_report(tmp_path / "report.html", perfect, moving).as_dict() == numbers
    save_overlay(tmp_path / "overlay.png", perfect, moving)
    assert str(compare(perfect, moving)) != ""


def test_measures() -> None:
    truth = simulate(load_preset("tiny", overrides=SHORT)).truth
    assert truth.A_observed is not None  # what a recording may lack is None
    assert truth.C is not None
    assert truth.S is not None
    match: Match = hungarian_match(truth.A_observed, truth.A_observed)
    pairs = match.matched_pairs(0.5)
    pearson: NDArray[np.float64] = trace_pearson(truth.C, truth.C, pairs)
    gain: NDArray[np.float64] = trace_gain(truth.C, truth.C, pairs)
    assert np.nanmin(pearson) > 0.99
    assert np.nanmax(np.abs(gain - 1)) < 1e-6
    assert np.nanmin(spike_precision_recall(truth.S, truth.S, pairs).recall) == 1
    nowhere = np.zeros((10, 2))
    assert shift_rmse(nowhere, nowhere, convention="correction") == 0
    assert field_pearson(np.eye(4), np.eye(4)) == pytest.approx(1)


def test_specs() -> None:
    sensor = ImageSensor(height_px=32, width_px=32)
    acquisition = Acquisition(fps=10, duration_s=1, optics=Optics(na=0.3), image_sensor=sensor, tissue=Tissue())
    spec = Spec(acquisition=acquisition, steps=load_preset("tiny").steps, seed=2)
    scene: Scene = plan(spec)
    assert scene.paint(0, 2).shape == (2, 32, 32)
    assert [point.spec.acquisition.fps for point in sweep(spec, {"acquisition.fps": [10, 20]})] == [10, 20]
    parts = compose_presets("scopes/miniscope_v4", "conditions/clean", overrides=SHORT)
    assert parts.acquisition.image_sensor.height_px == 256
    assert set(preset_parts()) > {"scopes/miniscope_v4", "conditions/clean"}
    assert all(preset_summary(name) for name in preset_names())


def test_every_step_and_part_of_one() -> None:
    steps = [
        Assemblies(),
        BackgroundCells(populations=(BackgroundPopulation(),)),
        Bleaching(),
        BrainMotion(random_walk=RandomWalk(), oscillator=Oscillator(), jumps=Jumps()),
        CellActivity(saturation=HillSaturation()),
        CellOptics(),
        Illumination(),
        Leakage(),
        Neuropil(components=(NeuropilComponent(),), local=LocalBackground()),
        PlaceNeurons(populations=(Population(),)),
        Render(),
        Sensor(),
        Vasculature(more_layers=(VesselLayer(top_depth_um=150, bottom_depth_um=200),)),
        Vignette(),
    ]
    spec = Spec(acquisition=Acquisition(duration_s=1), steps=tuple(steps))
    assert len(spec.kinds) == len(steps)
    assert GivenArray.model_validate([[1, 2]]).values.tolist() == [[1, 2]]


def oracle(recording: Recording) -> Estimate:
    return Estimate(A=recording.truth.A_observed, C=recording.truth.C)


def finds_nothing(recording: Recording) -> NDArray[np.float64]:
    return np.zeros((0, *recording.frames.shape[1:]))


def test_relations_and_contract() -> None:
    dim, bright = pairs(load_preset("tiny", overrides=SHORT), "sensor.photon_rate_per_s_um2", [1e4, 2e4])
    turned = dim.transformed(mirror="height", transpose=True)
    outcomes = [Outcome(oracle(movie), movie) for movie in (dim, bright, turned)]
    cards: list[Scorecard] = [
        assert_invariant(outcomes[0], outcomes[1], Tolerance.other_noise(dim)),
        assert_equivariant(outcomes[0], outcomes[2]),
        assert_monotone(outcomes[:2]),
    ]
    assert all(card.passed for card in cards)
    contract = PipelineContract(oracle)
    card: Scorecard | None = contract.check("transposed", simulate(contract_scene()))
    assert card is not None
    assert explain_miss(finds_nothing, dim, 0).causes == ()


def test_files(tmp_path: Path) -> None:
    spec = load_preset("tiny", overrides=SHORT)
    cached: Recording = simulate_cached(spec, root=tmp_path / "cache")
    cache: RecordingCache = RecordingCache(tmp_path / "cache")
    same: Recording = cache.get(spec)
    assert same.spec == cached.spec
    cached.to_npy(tmp_path / "movie.npy")
    damage(tmp_path / "movie.npy", "truncated")
    with pytest.raises(ValueError, match=r"not fully written|cannot reshape"):
        np.load(tmp_path / "movie.npy")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: load_preset("tinny"), SpecError),
        (lambda: Estimate(C=[[float("nan")]]), EstimateError),
        (lambda: Recording.load("nowhere"), StoreError),
    ],
)
def test_errors(wrong: Callable[[], object], error: type[CalsimError]) -> None:
    with pytest.raises(error):
        wrong()
