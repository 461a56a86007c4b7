"""Beside other plugins and in other ways of running, each once. ``.ci/plugins`` runs this on two versions of pytest.

What is not installed is skipped here; ``.ci/plugins`` installs everything, and sets CALSIM_ALL_PLUGINS so that nothing
is skipped unseen.
"""

import importlib.util
import json
import os
import xml.etree.ElementTree as ElementTree

import pytest

SUITE = """
    import unittest

    import pytest
    from pytest_calsim.testing.scorecard import Check, Scorecard, publish

    def judge(recording, recall=0.9):
        publish(Scorecard("footprints", [Check("recall", recall, 0.8)], spec=recording.spec))

    @pytest.mark.sim("glow", "rim", seeds=2)
    def test_cases(sim_recording):
        judge(sim_recording)

    @pytest.mark.sim("rim", seed=3)
    class TestClass:
        def test_method(self, sim_recording):
            assert sim_recording.spec.seed == 3
            judge(sim_recording)

    class TestDerived(TestClass):
        pytestmark = pytest.mark.sim(overrides={"leakage.level": 2})

    @pytest.mark.sim("rim")
    class TestUnittest(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def grab(self, sim_recording):
            self.recording = sim_recording

        def test_method(self):
            assert self.recording.spec.kinds == ("leakage", "vignette")
            judge(self.recording)

        @unittest.skip("not now")
        def test_skipped(self):
            pass

    @pytest.fixture(scope="module")
    def shared(sim_recording_factory):
        return sim_recording_factory("rim", seed=9)

    @pytest.mark.parametrize("n", range(3))
    def test_shared(shared, n):
        judge(shared)
"""
N_PASSED = 4 + 1 + 1 + 1 + 3
N_SCORED = N_PASSED


def needs(module):
    missing = importlib.util.find_spec(module) is None
    if missing and os.environ.get("CALSIM_ALL_PLUGINS"):
        raise ModuleNotFoundError(f"{module}, which .ci/plugins installs")
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


def scored(result):
    return {line.split("  ")[0] for line in result.outlines if "  footprints: recall " in line}


def check(project, *arguments):
    """Run the suite, and expect the same as always."""
    project.makepyfile(test_suite=SUITE)
    result = project.runpytest_subprocess("--junitxml=junit.xml", "--sim-scores=scores.jsonl", *arguments)
    result.assert_outcomes(passed=N_PASSED, skipped=1)
    assert len(scored(result)) == N_SCORED
    # TestUnittest and one of test_cases ask for one and the same recording.
    result.stdout.fnmatch_lines(["sim cache: 7 simulated, *"])
    cases = list(ElementTree.parse(project.path / "junit.xml").getroot().iter("testcase"))
    assert sum(any(p.get("name") == "footprints.recall" for p in case.iter("property")) for case in cases) == N_SCORED
    assert len((project.path / "scores.jsonl").read_text("utf-8").splitlines()) == N_SCORED
    return result


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_import_modes(project, mode):
    check(project, f"--import-mode={mode}")


@needs("xdist")
@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "worksteal"])
def test_xdist(project, dist):
    project.makepyfile(test_suite=SUITE)
    check(project, "-n2", f"--dist={dist}")


@needs("xdist")
def test_xdist_with_a_worker_that_crashes(project):
    project.makepyfile(test_suite=SUITE, test_zz="import os\ndef test_crash(sim_recording): os._exit(1)")
    result = project.runpytest_subprocess("-n2", "--sim-scores=scores.jsonl")
    result.assert_outcomes(passed=N_PASSED, skipped=1, failed=1)
    assert len(scored(result)) == N_SCORED
    assert len((project.path / "scores.jsonl").read_text("utf-8").splitlines()) == N_SCORED


RERUN = """
    import pytest
    from pytest_calsim import assert_shifts_recovered

    attempts = []

    @pytest.mark.flaky(reruns=2)
    def test_flaky(sim_recording):
        attempts.append(1)
        error = 1.5 - 0.5 * len(attempts)
        shifts = [[0.0, error * (-1) ** frame] for frame in range(10)]
        assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.1, convention="correction")
"""


@needs("pytest_rerunfailures")
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "xdist"])
def test_rerunfailures_the_attempt_that_counts_is_reported(project, workers):
    if workers and importlib.util.find_spec("xdist") is None:
        pytest.skip("xdist is not installed")
    project.makepyfile(test_it=RERUN)
    result = project.runpytest_subprocess("--junitxml=junit.xml", "--sim-scores=s.jsonl", *workers)
    assert result.parseoutcomes() == {"passed": 1, "rerun": 2}
    assert [line for line in result.outlines if "::test_flaky  shifts:" in line] == [
        "test_it.py::test_flaky  shifts: rmse_px 0.00 ≤ 0.10"
    ]
    last = list(ElementTree.parse(project.path / "junit.xml").getroot().iter("testcase"))[-1]
    found = [(p.get("name"), p.get("value")) for p in last.iter("property")]
    assert ("shifts.passed", "True") in found
    assert len({name for name, _ in found}) == len(found)
    entries = [json.loads(line) for line in (project.path / "s.jsonl").read_text("utf-8").splitlines()]
    assert [(e["attempt"], e["passed"]) for e in entries] == [(1, False), (2, False), (3, True)]
    # A run that is compared with this one is compared with the attempt that counts.
    result = project.runpytest_subprocess("--sim-scores-compare=s.jsonl", *workers)
    result.stdout.fnmatch_lines(["as before: 1 of 1 scores"])


@needs("pytest_rerunfailures")
def test_rerunfailures_that_never_passes_is_one_failure_with_its_files(project):
    project.makepyfile(test_it=RERUN.replace("1.5 - 0.5 * len(attempts)", "1"))
    result = project.runpytest_subprocess("--sim-artifacts=artifacts")
    assert result.parseoutcomes() == {"failed": 1, "rerun": 2}
    assert len(scored(result) | {line for line in result.outlines if "::test_flaky  shifts:" in line}) == 1
    assert len(list((project.path / "artifacts").iterdir())) == 1


@needs("pytest_randomly")
def test_randomly(project):
    for seed in (1, 2):
        (project.path / "scores.jsonl").unlink(missing_ok=True)
        check(project, "-p", "randomly", f"--randomly-seed={seed}", "--sim-cache-clear")


@needs("pytest_timeout")
def test_timeout(project):
    check(project, "--timeout=100")
    project.makepyfile(
        test_slow="""
        import time

        def test_slow(sim_recording):
            time.sleep(60)
        """
    )
    result = project.runpytest_subprocess("--timeout=1", "--sim-artifacts=artifacts", "-k", "slow")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["recording: glow, seed 0, *", "replay: pytest *"])


@needs("pytest_cov")
def test_cov(project):
    result = check(project, "--cov=test_suite", "--cov-report=term")
    result.stdout.re_match_lines([r"test_suite\.py .* \d\d%"])


@pytest.mark.skipif(
    int(pytest.__version__.split(".")[0]) < 9 and importlib.util.find_spec("pytest_subtests") is None,
    reason="subtests came with pytest 9, before it with pytest-subtests",
)
def test_subtests(project):
    project.makepyfile(
        test_it="""
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        def test_levels(sim_recording_factory, subtests):
            for level in (1, 2, 3):
                with subtests.test(level=level):
                    recording = sim_recording_factory("glow", overrides={"leakage.level": level})
                    card = publish(Scorecard("footprints", [Check("recall", 1 / level, 0.4)], spec=recording.spec))
                    assert card.passed
        """
    )
    result = project.runpytest_subprocess("--sim-scores=s.jsonl", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert scored(result) == {"test_it.py::test_levels"}
    result.stdout.fnmatch_lines(["*::test_levels  footprints: recall 0.33 < 0.40 (worst of 3; 1 failed)"])
    entries = [json.loads(line) for line in (project.path / "s.jsonl").read_text("utf-8").splitlines()]
    assert len(entries) == len({entry["scene"] for entry in entries}) == 3


@pytest.mark.skipif(importlib.util.find_spec("pytest_bdd") is None, reason="pytest_bdd is not installed")
def test_bdd(project):
    (project.path / "one.feature").write_text(
        "Feature: a\n  Scenario: b\n    Given a recording\n    Then it is dark at the rim\n"
    )
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_bdd import given, scenario, then

        @pytest.mark.sim("rim")
        @scenario("one.feature", "b")
        def test_b():
            pass

        @given("a recording", target_fixture="recording")
        def recording(sim_recording):
            return sim_recording

        @then("it is dark at the rim")
        def dark(recording):
            assert recording.spec.kinds == ("leakage", "vignette")
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
