"""A contract in a user's project: the relation in the test's id, both overlays and the replay of a broken clause."""

import shlex

CONTRACT = """
    import numpy as np
    import pytest
    from pytest_calsim import Estimate, PipelineContract

    def upper_half(recording):
        A = recording.truth.A_observed
        rows = np.array([image.argmax() // image.shape[1] for image in A])
        return A[rows < A.shape[1] / 2]

    contract = PipelineContract(upper_half)

    @pytest.mark.sim("tiny", overrides={"acquisition.duration_s": 2})
    @pytest.mark.parametrize("clause", contract.clauses, ids=str)
    def test_contract(clause, sim_recording):
        contract.check(clause, sim_recording)
"""


def test_ids_say_the_clause_and_a_failure_shows_both_results_and_is_replayed(project):
    project.makepyfile(test_it=CONTRACT)
    result = project.runpytest_inprocess("-v", "--sim-artifacts=artifacts", "-k", "mirrored or transposed or dark")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["*test_contract[[]transposed[]] FAILED*", "*test_contract[[]mirrored[]] FAILED*", "*[[]dark[]] PASSED*"]
    )
    result.stdout.fnmatch_lines(
        [
            "E *equivariance does NOT hold",
            "*lost * of * detectable cells found before*",
            "*tolerance: both movies have the same noise; transformed: mirrored along height",
            "*found before, lost now",
            "recording: tiny, seed 0, 40 frames of 64 x 64 px, key *",
        ]
    )
    (folder,) = (path for path in (project.path / "artifacts").iterdir() if "mirrored" in path.name)
    assert sorted(path.name for path in folder.iterdir()) == [
        "estimate.npz",
        "overlay.png",
        "overlay_baseline.png",
        "scorecard.json",
        "spec.json",
    ]
    assert (folder / "overlay.png").read_bytes() != (folder / "overlay_baseline.png").read_bytes()
    (line,) = [line for line in result.outlines if line.startswith("replay: ") and "mirrored" in line]
    replayed = project.runpytest_inprocess(*shlex.split(line)[2:], "--sim-cache=off")
    replayed.assert_outcomes(failed=1)
    replayed.stdout.fnmatch_lines(["E *equivariance does NOT hold", "*mirrored along height"])


def test_without_a_recording_the_contracts_own_scene_is_used(project):
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_calsim import PipelineContract

        contract = PipelineContract(lambda recording: recording.truth.A_observed)

        @pytest.mark.parametrize("clause", contract.clauses, ids=str)
        def test_contract(clause):
            contract.check(clause)
        """
    )
    result = project.runpytest_inprocess("-rs", "-k", "workers or mirrored or chunks")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * three workers: the pipeline has no parameter 'workers'"])


def test_a_pipeline_that_raises_shows_its_own_traceback_and_is_replayed(project):
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_calsim import PipelineContract

        def fails_on_one_frame(recording):
            if recording.frames.shape[0] < 2:
                raise IndexError("no second frame")
            return recording.truth.A_observed

        @pytest.mark.sim("tiny", overrides={"acquisition.duration_s": 1})
        def test_contract(sim_recording):
            PipelineContract(fails_on_one_frame).check("one frame", sim_recording)
        """
    )
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*raise IndexError(*",
            "*The above exception was the direct cause*",
            "E*result can NOT be right",
            "E*it raised IndexError: no second frame",
            "recording: a Spec, seed 0, 1 frames of 64 x 64 px, key *",
        ]
    )
    (line,) = [line for line in result.outlines if line.startswith("replay: ")]
    project.runpytest_inprocess(*shlex.split(line)[2:]).assert_outcomes(failed=1)
