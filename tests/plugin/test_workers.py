"""Under xdist: one simulation for all workers, and counters that survive a crash."""

TEN_TESTS = """
    import pytest

    @pytest.mark.sim("rim", overrides={"leakage.level": 2})
    @pytest.mark.parametrize("number", range(10))
    def test_it(sim_recording, number):
        assert sim_recording.observed.isel(frame=number).min() > 0
"""


def entries(project):
    return list((project.path / "shared").rglob("*.zarr.zip"))


def test_ten_tests_on_four_workers_simulate_once(counted, project):
    project.makepyfile(TEN_TESTS)
    command = ("-n4", "--sim-cache=shared")
    result = project.runpytest_subprocess(*command)
    result.assert_outcomes(passed=10)
    result.stdout.re_match_lines(
        [rf"sim cache: 1 simulated, \d+ hits, \d+ waited, 0 rebuilt, .* \({project.path}/shared\)"]
    )
    assert counted() == 1
    assert len(entries(project)) == 1

    result = project.runpytest_subprocess(*command)
    result.assert_outcomes(passed=10)
    result.stdout.re_match_lines([r"sim cache: 0 simulated, 10 hits, 0 waited, 0 rebuilt, .*"])
    assert counted() == 1


def test_what_a_worker_did_before_it_crashed_is_counted(counted, project):
    project.makepyfile(
        """
        import os

        import pytest

        @pytest.mark.parametrize("seed", range(4))
        def test_it(sim_recording_factory, seed):
            sim_recording_factory("glow", seed=seed)

        @pytest.mark.sim("rim")
        def test_crash(sim_recording):
            os._exit(1)
        """
    )
    result = project.runpytest_subprocess("-n4")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*worker*crashed*", "sim cache: 5 simulated, 0 hits, 0 waited, 0 rebuilt, *"])
    assert counted() == 5


def test_ids_agree_across_workers(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("rim", "glow", sweep={"leakage.level": [2, 1]}, seeds=2)
        def test_it(sim_spec):
            pass
        """
    )
    project.runpytest_subprocess("-n2").assert_outcomes(passed=8)


def test_a_wrong_mark_on_a_worker_is_one_clean_line(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("gloww")
        def test_wrong(sim_recording):
            pass

        def test_right(sim_recording):
            pass
        """
    )
    result = project.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["unknown preset 'gloww'; did you mean 'glow'?"])


def test_bounds_and_scores_of_numpy_cross_from_a_worker(project):
    """pytest-xdist sends no numbers but Python's own."""
    project.makepyfile(
        """
        import numpy as np
        import pytest
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        @pytest.mark.parametrize("kind", [np.float64, np.float32, float])
        def test_it(kind):
            publish(Scorecard("footprints", [Check("recall", kind(0.75), kind(0.5), at_most=np.bool_(False))]))
        """
    )
    result = project.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=3)
