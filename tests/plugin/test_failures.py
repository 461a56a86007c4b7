"""A failed test: its section, the files it leaves, and the one command that replays it with the same bits."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest

FAILS = """
    import hashlib
    import pathlib

    import pytest
    from pytest_calsim import assert_shifts_recovered

    def digest(recording):
        return hashlib.sha256(recording.observed.values.tobytes()).hexdigest()

    @pytest.mark.sim("glow", sweep={"leakage.level": [1, 3]}, seeds=2)
    @pytest.mark.parametrize("pipeline", ["a", "b"])
    def test_it(sim_recording, pipeline):
        if pipeline == "b" and sim_recording.spec.seed == 1 and sim_recording.spec.step("leakage").level == 3:
            with pathlib.Path("digests").open("a") as file:
                file.write(digest(sim_recording) + "\\n")
            shifts = [[0.0, frame] for frame in range(10)]
            assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.5, convention="correction")
"""

GIVEN = """
    import pathlib

    from hypothesis import given, settings, strategies as st

    @settings(database=None, max_examples=30)
    @given(level=st.integers(1, 50), gap=st.floats(0, 1))
    def test_it(sim_recording_factory, level, gap):
        recording = sim_recording_factory("glow", overrides={"leakage.level": level})
        if level >= 17 and gap >= 0.25:
            with pathlib.Path("seen").open("a") as file:
                file.write(f"{level} {gap} {recording.observed.values.sum()}\\n")
            assert not pathlib.Path("broken").exists()
"""


def section(result):
    """The lines of the section that a failure adds."""
    (start,) = [i for i, line in enumerate(result.outlines) if line.strip("- ") == "recovery" and "--" in line]
    lines = result.outlines[start + 1 :]
    return lines[: next(i for i, line in enumerate(lines) if line.startswith(("___", "===", "sim cache")))]


def replay_command(result):
    (line,) = [line for line in section(result) if line.startswith("replay: ")]
    command = shlex.split(line.removeprefix("replay: "))
    assert command[0] == "pytest"
    return command[1:]


def test_a_failure_says_everything_once(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # pytest cuts lines that are longer
    project.makepyfile(test_it=FAILS)
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=7, failed=1)
    # The error's own message is the scorecard; the section has what it does not say.
    (line,) = section(result)
    assert line.startswith("recording: glow, seed 1, 10 frames of 12 x 16 px, key ")
    assert sum("worst frames, error after alignment" in line for line in result.outlines) == 1
    # The short summary tells the bound that was missed.
    result.stdout.re_match_lines([r"FAILED \S+ - shifts NOT recovered: rmse_px 2.03 > 0.50"])
    assert not (project.path / "artifacts").exists()


def test_how_to_keep_the_files_is_said_once_a_run(project):
    project.makepyfile(FAILS.replace('pipeline == "b" and', ""))
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=6, failed=2)
    assert sum("--sim-artifacts=DIR keeps" in line for line in result.outlines) == 1
    for arguments in (["-q"], ["--sim-artifacts=artifacts"]):
        project.runpytest_inprocess(*arguments).stdout.no_fnmatch_line("*--sim-artifacts=DIR keeps*")


def test_a_scorecard_among_several_errors_stands_in_the_section(project):
    project.makepyfile(
        """
        from pytest_calsim import RecoveryError, assert_shifts_recovered

        def test_it(sim_recording):
            errors = []
            for shift in (1.0, 2.0):
                try:
                    shifts = [[0.0, shift * (-1) ** frame] for frame in range(10)]
                    assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.5, convention="correction")
                except RecoveryError as error:
                    errors.append(error)
            raise ExceptionGroup("both", errors)
        """
    )
    lines = section(project.runpytest_inprocess())
    assert lines[0].startswith("recording: glow, ")
    assert lines[1] == "shifts NOT recovered"


def test_the_files_of_a_failure(project):
    project.makepyfile(test_it=FAILS)
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    (folder,) = (project.path / "artifacts").iterdir()
    assert re.fullmatch(r"test_it\.py-test_it_level=3-seed=1-b-[0-9a-f]{8}", folder.name)
    assert sorted(path.name for path in folder.iterdir()) == [
        "estimate.npz",
        "overlay.png",
        "scorecard.json",
        "spec.json",
    ]
    shown = folder.relative_to(project.path)
    result.stdout.fnmatch_lines([f"files in {shown}: spec.json, scorecard.json, estimate.npz, overlay.png"])
    card = json.loads((folder / "scorecard.json").read_text("utf-8"))
    assert card["passed"] is False
    assert card["scores"]["shifts.rmse_px"] > 0.5
    assert card["text"][0] == "shifts NOT recovered"
    with np.load(folder / "estimate.npz") as estimate:
        assert estimate["shifts"].shape == (10, 2)
    assert (folder / "overlay.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "xdist"])
def test_one_command_replays_it_with_the_same_bits(project, workers):
    project.makepyfile(test_it=FAILS)
    result = project.runpytest_subprocess("--sim-artifacts=artifacts", *workers)
    command = replay_command(result)
    (folder,) = (project.path / "artifacts").iterdir()
    assert command == [f"--sim-replay=artifacts/{folder.name}/spec.json", "test_it.py::test_it[b]"]
    again = project.runpytest_subprocess(*command, "--sim-cache=off")
    again.assert_outcomes(failed=1)
    first, second = (project.path / "digests").read_text().split()
    assert first == second


def test_a_replay_needs_neither_presets_nor_marks_nor_ini_file(project):
    project.makepyfile(test_it=FAILS)
    command = replay_command(project.runpytest_inprocess("--sim-artifacts=artifacts"))
    (project.path / "tox.ini").unlink()
    project.makepyfile(test_it=FAILS.replace("@pytest.mark.sim(", "@pytest.mark.sim('tiny') #"))
    project.runpytest_inprocess("-p", "no:cacheprovider", "--sim-cache=off", *command).assert_outcomes(failed=1)
    first, second = (project.path / "digests").read_text().split()
    assert first == second


def test_a_counterexample_is_replayed_with_the_same_draws(project):
    (project.path / "broken").touch()
    project.makepyfile(test_it=GIVEN)
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    result.assert_outcomes(failed=1)
    command = replay_command(result)
    assert command[1] == "test_it.py::test_it"
    last = (project.path / "seen").read_text().splitlines()[-1]
    (project.path / "seen").unlink()
    replayed = project.runpytest_inprocess(*command)
    replayed.assert_outcomes(failed=1)
    assert (project.path / "seen").read_text().splitlines() == [last]
    assert section(replayed)[0] == section(result)[0].replace("replay", "glow")


def test_a_counterexample_that_is_mended_passes(project):
    (project.path / "broken").touch()
    project.makepyfile(test_it=GIVEN)
    command = replay_command(project.runpytest_inprocess("--sim-artifacts=artifacts"))
    (project.path / "broken").unlink()
    (project.path / "seen").unlink()
    result = project.runpytest_inprocess(*command)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["sim replay: test_it.py::test_it passes now"])
    assert len((project.path / "seen").read_text().splitlines()) == 1


def test_a_counterexample_of_another_hypothesis_is_refused_in_one_line(project):
    (project.path / "broken").touch()
    project.makepyfile(test_it=GIVEN)
    command = replay_command(project.runpytest_inprocess("--sim-artifacts=artifacts"))
    path = project.path / command[0].partition("=")[2]
    failure = json.loads(path.read_text("utf-8"))
    failure["hypothesis"][0] = "6.0.1"
    path.write_text(json.dumps(failure), "utf-8")
    result = project.runpytest_inprocess(*command)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["sim replay: the example is Hypothesis 6.0.1's and cannot be read by *"])


@pytest.mark.parametrize("error", ["ValueError('no cells')", "AssertionError('by hand')", "KeyError(1)"])
def test_a_pipeline_that_crashes_leaves_its_spec_too(project, error):
    project.makepyfile(test_it=f"def test_it(sim_recording):\n    raise {error}\n")
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    (folder,) = (project.path / "artifacts").iterdir()
    assert [path.name for path in folder.iterdir()] == ["spec.json"]
    project.runpytest_inprocess(*replay_command(result)).assert_outcomes(failed=1)


def test_a_failure_that_has_nothing_to_do_with_us_is_left_alone(project):
    project.makepyfile("def test_it(tmp_path): assert False")
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    result.stdout.no_fnmatch_line("*recovery*")
    assert not (project.path / "artifacts").exists()


def test_an_expected_failure_leaves_nothing(project):
    project.makepyfile(
        "import pytest\n@pytest.mark.xfail\ndef test_it(sim_recording):\n    assert False\n",
    )
    project.runpytest_inprocess("--sim-artifacts=artifacts").assert_outcomes(xfailed=1)
    assert not (project.path / "artifacts").exists()


@pytest.mark.parametrize("filters", [["-Werror"], ["-Wdefault"], []])
def test_a_warning_while_files_are_written_ends_no_session(project, filters):
    project.makepyfile(test_it=FAILS)
    project.makeconftest(
        """
        import warnings

        import pytest
        from pytest_calsim.testing import plots

        @pytest.fixture(autouse=True)
        def noisy(monkeypatch):
            draw = plots.save_overlay

            def warn_and_draw(*args):
                warnings.warn("old", DeprecationWarning)
                draw(*args)

            monkeypatch.setattr(plots, "save_overlay", warn_and_draw)
        """
    )
    result = project.runpytest_inprocess("--sim-artifacts=artifacts", *filters)
    result.assert_outcomes(passed=7, failed=1)
    assert any("overlay.png" in line and "no overlay" not in line for line in section(result))


def test_where_nothing_can_be_written_the_failure_says_so(project):
    project.makepyfile(test_it=FAILS)
    project.runpytest_inprocess("--sim-artifacts=artifacts")
    (folder,) = (project.path / "artifacts").iterdir()
    shutil.rmtree(folder)
    folder.write_text("a file in the way")
    result = project.runpytest_inprocess("--sim-artifacts=artifacts")
    result.assert_outcomes(passed=7, failed=1)
    assert any(line.startswith("files in ") and "no spec.json: File exists" in line for line in section(result))


def test_long_and_odd_ids_make_folders_of_their_own(project):
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("x", ["/" * 300, "/" * 299 + "*", "..", "a b", "ü", "a|b"], ids=str)
        def test_it(sim_recording, x):
            assert False
        """
    )
    project.runpytest_inprocess("--sim-artifacts=artifacts").assert_outcomes(failed=6)
    folders = list((project.path / "artifacts").iterdir())
    assert len(folders) == 6
    assert all(len(folder.name) < 140 and folder.name.isascii() for folder in folders)


@pytest.mark.parametrize("content", ["", "{}", "[]", "\x00", '{"format": "pytest-calsim failure 1"}', "null"])
def test_a_file_that_is_no_failure_is_a_usage_error(project, content):
    (project.path / "spec.json").write_text(content)
    result = project.runpytest_inprocess("--sim-replay=spec.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --sim-replay = '*spec.json' *"])


def test_a_spec_that_this_version_cannot_make_is_one_line(project):
    project.makepyfile(test_it=FAILS)
    command = replay_command(project.runpytest_inprocess("--sim-artifacts=artifacts"))
    path = project.path / command[0].partition("=")[2]
    failure = json.loads(path.read_text("utf-8"))
    failure["spec"]["steps"][0]["kind"] = "leakige"
    path.write_text(json.dumps(failure), "utf-8")
    result = project.runpytest_inprocess(*command)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["sim replay: unknown step kind 'leakige'; did you mean 'leakage'[?]"])
