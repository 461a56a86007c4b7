"""The score history: appended by any number of runs, shards and workers, and compared at the end of a run."""

import json
import signal
import subprocess
import sys
import time

import pytest

from pytest_calsim.plugin import history

SCORES = """
    import os

    import pytest
    from pytest_calsim.testing.scorecard import Check, Scorecard, publish

    LOSS = float(os.environ.get("LOSS", 0))

    def judge(recording, name="recall"):
        value = 0.9 + 0.001 * recording.spec.seed
        publish(Scorecard("footprints", [Check(name, value - LOSS, 0.5)], spec=recording.spec))

    @pytest.mark.sim("glow", seeds=6)
    def test_seeds(sim_recording):
        judge(sim_recording)

    @pytest.mark.parametrize("n", [1, 2])
    def test_once(sim_recording, n):
        judge(sim_recording)

    def test_loop(sim_recording_factory):
        for seed in (3, 4):
            judge(sim_recording_factory("rim", seed=seed))
            judge(sim_recording_factory("rim", seed=seed))

    def test_unscored(sim_recording):
        pass
"""


def lines(project, name="scores.jsonl"):
    return [json.loads(line) for line in (project.path / name).read_text("utf-8").splitlines()]


def rows(entries):
    return sorted((e["test"], e["assertion"], e["seed"], e["nth"], e["attempt"]) for e in entries)


EXPECTED = sorted(
    [
        *(("test_it.py::test_seeds", "footprints", seed, 0, 1) for seed in range(6)),
        *((f"test_it.py::test_once[{n}]", "footprints", 0, 0, 1) for n in (1, 2)),
        *(("test_it.py::test_loop", "footprints", seed, nth, 1) for seed in (3, 4) for nth in (0, 1)),
    ]
)


@pytest.mark.parametrize("workers", [[], ["-n2"], ["-n2", "--dist=loadscope"]], ids=["alone", "load", "loadscope"])
def test_every_score_is_one_line(project, workers):
    project.makepyfile(test_it=SCORES)
    project.runpytest_subprocess("--sim-scores=scores.jsonl", *workers).assert_outcomes(passed=10)
    entries = lines(project)
    assert rows(entries) == EXPECTED
    first = next(e for e in entries if e["seed"] == 5)
    assert first["scores"] == {"recall": pytest.approx(0.905)}
    assert {"time", "commit", "python", "sim_version", "pytest-calsim", "numpy"} <= first["run"].keys()
    assert first["seconds"] >= 0
    keys = {(e["key"], e["scene"]) for e in entries if e["test"].endswith("test_seeds")}
    assert len(keys) == 6
    assert len({scene for _, scene in keys}) == 1


def test_runs_shards_and_selections_append_and_lose_nothing(project):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "seeds")
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "once")
    assert rows(lines(project)) == [row for row in EXPECTED if "loop" not in row[0]]
    project.runpytest_inprocess("--sim-scores=other.jsonl", "-k", "loop")
    # Files are put together as texts, whatever stands at the end of either.
    whole = (project.path / "scores.jsonl").read_text().rstrip("\n") + "\n" + (project.path / "other.jsonl").read_text()
    (project.path / "whole.jsonl").write_text(whole, "utf-8")
    result = project.runpytest_inprocess("--sim-scores-compare=whole.jsonl")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["as before: 4 of 4 scores"])


def test_what_a_worker_scored_before_it_crashed_is_kept(project):
    project.makepyfile(test_it=SCORES + "\n    def test_zz():\n        os._exit(1)\n")
    project.runpytest_subprocess("--sim-scores=scores.jsonl", "-n1", "--max-worker-restart=0")
    assert rows(lines(project)) == EXPECTED


def test_a_line_cut_short_harms_no_other(project):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "once")
    path = project.path / "scores.jsonl"
    path.write_bytes(path.read_bytes() + b'{"test": "killed while wri')
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "seeds")
    assert len(history.read(path)) == 2 + 6


def test_every_attempt_is_kept_and_numbered(project):
    project.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):  # as a plugin that runs failed tests again does
                for report in runtestprotocol(item, nextitem=None, log=False):
                    item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "once")
    assert [row[-1] for row in rows(lines(project))] == [1, 2, 1, 2]


def test_a_loss_fails_the_run_and_names_the_score(project, monkeypatch):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl")
    monkeypatch.setenv("LOSS", "0.02")
    result = project.runpytest_subprocess("--sim-scores-compare=scores.jsonl", "--sim-scores=scores.jsonl", "-n2")
    result.assert_outcomes(passed=10)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*score history*",
            "worse:",
            "  test_it.py::test_seeds  footprints.recall  0.9025 -> 0.8825 (gain -0.0200, 95 % [[]*[]], 6 seeds)",
            "the run fails: 4 of 4 scores became worse",
        ]
    )
    # Compared with what was there before, and then kept: the next run of equal code is as before.
    assert project.runpytest_inprocess("--sim-scores-compare=scores.jsonl").ret == 0
    monkeypatch.setenv("LOSS", "0")
    result = project.runpytest_inprocess("--sim-scores-compare=scores.jsonl")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["better:"])


def test_the_tolerance_is_an_option(project, monkeypatch):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl")
    monkeypatch.setenv("LOSS", "0.02")
    result = project.runpytest_inprocess("--sim-scores-compare=scores.jsonl", "--sim-scores-tolerance=0.03")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["worse within the tolerance:"])
    result.stdout.no_fnmatch_line("the run fails*")


def test_more_seeds_now_than_then_are_paired_where_both_have_them(project):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl", "-k", "once or seeds")
    result = project.runpytest_inprocess("--sim-scores-compare=scores.jsonl", "--sim-seeds=8", "-k", "once or seeds")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["as before: 3 of 3 scores"])
    result.stdout.no_fnmatch_line("not comparable:")


def test_a_changed_spec_is_not_compared(project):
    project.makepyfile(test_it=SCORES)
    project.runpytest_inprocess("--sim-scores=scores.jsonl")
    project.makepyfile(test_it=SCORES.replace('"rim", seed', '"glow", seed'))
    result = project.runpytest_inprocess("--sim-scores-compare=scores.jsonl")
    result.stdout.fnmatch_lines(
        ["not comparable:", "  test_it.py::test_loop  footprints: its spec changed, or the simulation's version"]
    )


def test_scores_inside_given_are_not_kept(project):
    project.makepyfile(
        """
        from hypothesis import given, settings, strategies as st
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        @settings(max_examples=3, database=None)
        @given(st.integers())
        def test_it(n):
            publish(Scorecard("footprints", [Check("recall", 1, 0.5)]))
        """
    )
    project.runpytest_inprocess("--sim-scores=scores.jsonl").assert_outcomes(passed=1)
    assert not (project.path / "scores.jsonl").exists()


@pytest.mark.parametrize("content", ["no scores here\n", "{}\n", "\x00\xff"])
def test_a_file_without_scores_is_a_usage_error(project, content):
    (project.path / "s.jsonl").write_text(content, "utf-8")
    result = project.runpytest_inprocess("--sim-scores-compare=s.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --sim-scores-compare = '*s.jsonl' holds no scores *"])


def test_an_empty_file_compares_with_nothing(project):
    (project.path / "s.jsonl").touch()
    project.makepyfile(test_it=SCORES)
    result = project.runpytest_inprocess("--sim-scores-compare=s.jsonl")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["as before: 0 of 0 scores"])


def test_a_history_that_cannot_be_written_fails_no_test(project):
    project.makepyfile(test_it=SCORES)
    (project.path / "file").touch()
    result = project.runpytest_inprocess("--sim-scores=file/scores.jsonl")
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["sim scores: cannot write *scores.jsonl (*)"])


# A pipeline on real recordings: it finds nine cells in ten, which ones is the luck of the seed.
CELLS = """
    import os

    import numpy as np
    import pytest
    from pytest_calsim import assert_footprints_recovered

    @pytest.mark.sim(
        "glow",
        overrides={"acquisition.image_sensor.height_px": 240, "acquisition.image_sensor.width_px": 240},
        add=["cell_activity", "cell_optics", "render", {"kind": "place_neurons", "populations": [{"n_cells": 50}]}],
    )
    def test_cells(sim_recording):
        every = sim_recording.truth.A_observed
        luck = np.random.default_rng([int(os.environ.get("LUCK", 0)), sim_recording.spec.seed])
        found = luck.random(len(every)) < 0.9
        bad_luck = np.random.default_rng([99, sim_recording.spec.seed]).random(len(every))
        lost = bad_luck < float(os.environ.get("LOSS", 0))
        kept = every[np.flatnonzero(found & ~lost)]
        assert_footprints_recovered(kept, sim_recording, min_recall=0.5, min_precision=0.5, units="all")
"""


def test_a_loss_of_two_percent_of_real_cells_is_found_with_20_seeds(project, monkeypatch):
    project.makepyfile(test_it=CELLS)
    options = ["--sim-cache=off", "--sim-seeds=20"]
    project.runpytest_inprocess(*options, "--sim-scores=s.jsonl").assert_outcomes(passed=20)
    # Equal code whose luck is another in every run is no loss.
    monkeypatch.setenv("LUCK", "1")
    assert project.runpytest_inprocess(*options, "--sim-scores-compare=s.jsonl").ret == 0
    monkeypatch.setenv("LUCK", "0")
    monkeypatch.setenv("LOSS", "0.02")
    result = project.runpytest_inprocess(*options, "--sim-scores-compare=s.jsonl")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["worse:", "  test_it.py::test_cells  footprints.recall *, 20 seeds)"])


def test_what_was_reported_before_a_run_was_killed_is_kept(project):
    project.makepyfile(test_it=SCORES + "\n    def test_zz():\n        __import__('time').sleep(100)\n")
    command = [sys.executable, "-m", "pytest", "--sim-scores=scores.jsonl", "-q"]
    run = subprocess.Popen(command, cwd=project.path, stdout=subprocess.DEVNULL)
    path = project.path / "scores.jsonl"
    try:
        deadline = time.monotonic() + 120
        while not (path.exists() and path.read_bytes().count(b"\n") == len(EXPECTED)) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        run.wait()
    assert rows(lines(project)) == EXPECTED


def test_runs_at_the_same_time_append_to_one_file(project):
    project.makepyfile(test_it=SCORES)
    command = [sys.executable, "-m", "pytest", "--sim-scores=scores.jsonl", "-q", "-k"]
    runs = [
        subprocess.Popen([*command, selected], cwd=project.path, stdout=subprocess.DEVNULL)
        for selected in ("seeds", "once or loop")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    assert rows(lines(project)) == EXPECTED
