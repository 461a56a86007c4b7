"""The contract: the honest pipeline keeps every clause, and each clause catches the pipeline built to break it."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from broken_pipelines import BROKEN, PUBLIC, light

from pytest_calsim import (
    Estimate,
    EstimateError,
    PipelineContract,
    RecoveryError,
    contract_scene,
    load_preset,
    simulate,
)
from pytest_calsim.testing.relations.clause import NotApplicableError
from pytest_calsim.testing.relations.edge_scenes import EDGE_SCENES
from pytest_calsim.testing.relations.relation import RELATIONS


def light_by_workers(recording, workers=2):
    return light(recording)


CONTRACT = PipelineContract(light_by_workers)


@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=str)
def test_the_honest_pipeline_keeps_it(clause):
    card = CONTRACT.check(clause)
    assert card is None or card.facts["n_compared"] >= 4


@pytest.mark.parametrize("clause", BROKEN)
def test_the_pipeline_that_was_built_to_break_it_is_caught(clause):
    with pytest.raises(RecoveryError) as caught:
        PipelineContract(BROKEN[clause]).check(clause)
    assert not caught.value.scorecard.passed


def test_every_relation_has_a_pipeline_that_breaks_it():
    assert {relation.name for relation in RELATIONS} <= BROKEN.keys()
    assert {"no cell", "one frame", "constant rim", "odd size"} <= {scene.name for scene in EDGE_SCENES}
    assert len(set(PUBLIC)) >= 5
    for name in PUBLIC:
        assert "#" in inspect.getdoc(BROKEN[name]), "say which bug it is the form of"


@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=str)
def test_each_says_what_and_why_in_a_few_words(clause):
    assert str(clause) == clause.name
    assert clause.name == clause.name.lower() or "32" in clause.name
    assert len(clause.name) <= 30
    assert clause.reason.endswith(".")


def test_names_are_unique():
    names = [clause.name for clause in CONTRACT.clauses]
    assert len(set(names)) == len(names) == 25


def test_cells_of_the_scene_are_bright_and_far_apart():
    recording = simulate(contract_scene())
    cells = recording.truth.cells
    assert len(recording.truth.detectable_subset()) == len(cells) == 8
    at = cells[["y_um", "x_um"]].to_numpy() / recording.spec.acquisition.pixel_size_um
    apart = np.hypot(*(at[:, None] - at).transpose(2, 0, 1))
    assert apart[~np.eye(8, dtype=bool)].min() > 18  # px: almost three somata


def test_scaled_codes_lie_about_the_largest_signed_number():
    recording = simulate(contract_scene())
    scaled = next(clause for clause in RELATIONS if clause.name == "gain and offset").change(recording, simulate)
    codes = scaled.observed.values
    low = int(codes.min())
    high = int(codes.max())
    assert abs(low + high - 2**16) <= 2
    assert 20_000 < high - low <= 40_000
    assert np.corrcoef(codes.ravel(), recording.observed.values.ravel())[0, 1] > 1 - 1e-9


@pytest.mark.filterwarnings("ignore::pytest_calsim.errors.SpecWarning")  # resting cells saturate, on purpose
def test_codes_that_nearly_fill_16_bits_are_shifted_and_others_leave_no_room():
    chip = {"bit_depth": 16, "adc_bit_depth": 16}
    wide = {f"acquisition.image_sensor.{name}": value for name, value in chip.items()}

    def codes_at(gain):
        gain = {"acquisition.image_sensor.gain_adu_per_e": gain, "acquisition.duration_s": 0.5}
        return simulate(contract_scene().edit(wide | gain, drop=["neuropil"]))

    scaled = next(clause for clause in RELATIONS if clause.name == "gain and offset")
    assert 20_000 < np.ptp(codes_at(6).observed.values) <= 40_000 < np.ptp(codes_at(8).observed.values)
    assert scaled.change(codes_at(6), simulate).altered.startswith("transformed: offset")
    with pytest.raises(NotApplicableError, match="leave no room for a gain in 16 bits"):
        scaled.change(codes_at(8), simulate)


def test_a_clause_is_found_by_its_name():
    with pytest.raises(EstimateError, match="run = 3 must be a function that takes a Recording"):
        PipelineContract(3)
    with pytest.raises(ValueError, match="no clause 'transpose'; did you mean 'transposed'"):
        CONTRACT.check("transpose")


def test_what_says_nothing_is_skipped_with_its_reason():
    contract = PipelineContract(light)
    with pytest.raises(pytest.skip.Exception, match="one worker: the pipeline has no parameter 'workers'"):
        contract.check("one worker")
    unlit = simulate(load_preset("tiny").edit(drop=["sensor"]))
    for clause in ("twice the light", "dark", "saturated"):
        with pytest.raises(pytest.skip.Exception, match="the spec has no 'sensor'"):
            contract.check(clause, unlit)


def test_the_baseline_is_run_once_for_one_recording():
    seen = []

    def counting(recording):
        seen.append(recording.altered)
        return Estimate(A=recording.truth.A_observed)

    contract = PipelineContract(counting)
    contract.check("transposed")
    contract.check("mirrored")
    assert seen == ["", "transformed: transposed", "transformed: mirrored along height"]
    other = simulate(load_preset("tiny"))
    contract.check("transposed", other)
    assert seen[3:] == ["", "transformed: transposed"]


@pytest.mark.parametrize("clause", [clause for clause in CONTRACT.clauses if "worker" not in clause.name], ids=str)
def test_what_reads_the_truth_keeps_every_clause_on_a_preset(clause):
    def oracle(recording):
        truth = recording.truth
        at = (0, 0) if truth.shifts is None else np.rint(truth.shifts.values[0]).astype(int).tolist()
        return Estimate(A=truth.A_observed.moved(*at), C=truth.C, S=truth.S)

    recording = simulate(load_preset("tiny"))
    PipelineContract(oracle).check(clause, recording)


def in_the_wrong_place(recording):
    """As many pictures as there are cells, each of its cell's shape, upside down."""
    return Estimate(A=np.asarray(recording.truth.A_observed)[:, ::-1, ::-1], C=recording.truth.C)


def test_two_results_without_a_cell_are_not_called_alike():
    contract = PipelineContract(in_the_wrong_place)
    for relation in ("repeated", "mirrored", "twice the light"):
        with pytest.raises(RecoveryError, match=r"(?s)is NOT enough.*0\.00 < 1\.00: of 8 bright cells .* 8 estimates"):
            contract.check(relation)
    contract.check("no cell")
    contract.check(
        "repeated", simulate(contract_scene())
    )  # how much is found in one's own recording is one's own affair


def test_a_pipeline_that_only_registers_is_held_to_its_shifts():
    def registers(recording):
        drift = 0.1 if recording.altered else 0.0
        shifts = drift * np.arange(recording.frames.shape[0])[:, np.newaxis] * [1.0, 0.0]
        return Estimate(shifts=shifts, convention="correction")

    contract = PipelineContract(registers)
    contract.check("repeated")
    with pytest.raises(RecoveryError, match=r"rmse_px 4\.08 > 0\.05"):
        contract.check("mirrored")


def test_a_broken_clause_says_what_was_changed_and_why_it_must_hold():
    def blind_in_parts(recording):
        A = recording.truth.A_observed
        return A if recording.observed.chunks is None else A[:4]

    with pytest.raises(RecoveryError) as caught:
        PipelineContract(blind_in_parts).check("other chunks")
    assert "transformed: in chunks of 67 (frame) x 31 (height) x 37 (width)\n" in str(caught.value)
    assert caught.value.__notes__ == [
        "other chunks: How a movie is cut into blocks for computing is no property of the movie."
    ]


def test_footprints_of_cells_that_changed_places_are_not_compared():
    card = CONTRACT.check("cells in another order")
    assert [check.name for check in card.checks] == ["lost", "gained", "made_up", "pearson"]


def test_a_pipeline_s_own_error_is_the_cause():
    def fails(recording):
        raise KeyError("Y")

    with pytest.raises(RecoveryError, match="it raised KeyError: 'Y'") as caught:
        PipelineContract(fails).check("dark")
    assert isinstance(caught.value.__cause__, KeyError)
    assert [Path(entry.path).name for entry in caught.traceback] == [Path(__file__).name, "short_traceback.py"]
    assert caught.value.scorecard.spec.step("sensor").photon_rate_per_s_um2 < 1


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda n, h, w: np.full((1, h, w), np.nan), "NaN"),
        (lambda n, h, w: -np.ones((1, h, w)), "negative"),
        (lambda n, h, w: np.ones((1, w, h)), "has shape"),
        (lambda n, h, w: Estimate(A=np.ones((1, h, w)), C=np.ones((1, n - 1))), "C has 199 frames of 200"),
        (lambda n, h, w: Estimate(A=np.ones((1, h, w)), S=-np.ones((1, n))), "S has values below zero, down to -1"),
        (
            lambda n, h, w: Estimate(shifts=np.zeros((n + 1, 2)), convention="correction"),
            "shifts has 201 frames of 200",
        ),
    ],
)
def test_what_can_not_be_right_is_refused(result, words):
    contract = PipelineContract(lambda recording: result(*recording.frames.shape))
    with pytest.raises(RecoveryError, match="result can NOT be right") as caught:
        contract.check("repeated")
    assert words in str(caught.value)


def test_the_scene_is_one_in_which_every_cell_can_be_found():
    truth = simulate(contract_scene()).truth
    assert truth.n_units == 8
    assert truth["detectable"].values.all()
    assert truth["overlap"].values.max() < 0.1
