"""Machines and projects as they are: no home, old locales, warnings as errors, typed TOML, files of other kinds."""

import os
import subprocess
import sys

import pytest

USES_IT = "def test_it(sim_recording): assert sim_recording.observed.shape == (10, 12, 16)\n"

# A container's user without HOME and without an entry in passwd.
NOBODY = """
import os, pwd, sys
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
def unknown(*_): raise KeyError("uid not found")
pwd.getpwuid = pwd.getpwnam = unknown
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_as_nobody(project, *arguments):
    project.makeini("[pytest]\nsim_preset = glow\nsim_preset_dir = my_presets\nfilterwarnings = error\n")
    project.makepyfile(test_it=USES_IT)
    command = [sys.executable, "-c", NOBODY, "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=120)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert not (project.path / "~").exists()
    return done


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="plays a user of POSIX")
@pytest.mark.parametrize("cache", [[], ["--sim-cache=off"], ["--sim-cache=here"]], ids=["default", "off", "given"])
def test_without_a_home_tests_run(project, cache):
    done = run_as_nobody(project, *cache)
    assert done.returncode == 0, done.stdout
    assert ("sim cache: there is no home directory" in done.stdout) == (cache == [])
    assert (project.path / "here").exists() == (cache == ["--sim-cache=here"])


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="plays a user of POSIX")
@pytest.mark.parametrize("job", ["--sim-cache-show", "--sim-cache-verify"])
def test_without_a_home_there_is_no_cache_to_look_after(project, job):
    done = run_as_nobody(project, job)
    assert done.returncode == 0
    assert "sim cache: off" in done.stdout


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="plays a user of POSIX")
@pytest.mark.parametrize("option", ["--sim-cache", "--sim-preset-dir", "--sim-scores", "--sim-artifacts"])
@pytest.mark.parametrize("folder", ["~/c", "~nosuchuser/c"])
def test_a_home_that_is_not_there_is_a_usage_error(project, option, folder):
    done = run_as_nobody(project, f"{option}={folder}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{option} = '{folder}': the home directory is unknown here" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_old_locales(project, encoding):
    (project.path / "my_presets" / "green.toml").write_text('summary = "Δ≥µ"\nextends = ["glow"]\n', "utf-8")
    project.makepyfile(
        test_it="""
        import pytest
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        @pytest.mark.sim("green", seeds=2)
        def test_it(sim_recording):
            publish(Scorecard("footprints", [Check("recall", 0.9, 0.8, words="≥ µ")]))
        """
    )
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    env["GITHUB_STEP_SUMMARY"] = str(project.path / "summary.md")
    for arguments in (["--sim-presets"], ["-v", "--sim-scores=s.jsonl"], ["--sim-cache-show"]):
        command = [sys.executable, "-m", "pytest", *arguments]
        done = subprocess.run(command, cwd=project.path, capture_output=True, env=env, timeout=120)
        assert done.returncode == 0, done.stdout.decode(encoding, "replace")
        assert b"Traceback" not in done.stdout + done.stderr
    assert "≥ 0.8" in (project.path / "summary.md").read_text("utf-8")
    assert len((project.path / "s.jsonl").read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("word", ["off", "OFF", "Off", "no", "none", "false", "0", " off "])
def test_no_folder_is_called_off(project, word):
    project.makepyfile(USES_IT)
    project.runpytest_inprocess(f"--sim-cache={word}").stdout.fnmatch_lines(["sim cache: 1 simulated, * (off)"])
    assert not (project.path / word.strip()).exists()


@pytest.mark.parametrize("why", ["a file", "no permission", "damaged"])
def test_what_the_cache_has_to_say_never_fails_a_test(project, why):
    project.makepyfile("import pytest\n@pytest.mark.parametrize('i', range(3))\n" + USES_IT.replace("(sim", "(i, sim"))
    cache = project.path / "cache"
    if why == "a file":
        cache.write_text("not a folder")
    elif why == "no permission":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        cache.mkdir(mode=0o500)
    else:
        project.runpytest_subprocess().assert_outcomes(passed=3)
        largest = max((path for path in cache.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-1])
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    assert sum(line.startswith("sim cache: ") and " hits, " not in line for line in result.outlines) == 1


TYPED = [
    ("sim_presets = false", None),
    ("sim_cache_clear = true", "sim cache: 0 removed, *"),
    ("sim_cache_max_size = 2_000_000_000", None),
    ("sim_cache_max_size = '2GB'", None),
    ("sim_cache = false", "sim cache: 1 simulated, * (off)"),
    ("sim_seeds = 1", None),
    ("sim_scores_tolerance = 0.25", None),
    ("sim_preset = 'rim'", None),
]


@pytest.mark.skipif(int(pytest.__version__.split(".")[0]) < 9, reason="[tool.pytest] came with pytest 9")
@pytest.mark.parametrize(("line", "printed"), TYPED)
def test_pytests_own_toml_takes_truth_values_and_numbers(project, line, printed):
    (project.path / "tox.ini").unlink()
    default = "" if "sim_cache =" in line else "sim_cache = 'c'\n"
    preset = "" if "sim_preset =" in line else "sim_preset = 'glow'\n"
    project.makepyprojecttoml(f"[tool.pytest]\nsim_preset_dir = 'my_presets'\n{default}{preset}{line}\n")
    project.makepyfile(USES_IT)
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=1)
    if printed:
        result.stdout.fnmatch_lines([printed])


@pytest.mark.skipif(int(pytest.__version__.split(".")[0]) < 9, reason="[tool.pytest] came with pytest 9")
@pytest.mark.parametrize("line", ["sim_cache_clear = 3", "sim_cache_max_size = true", "sim_preset_dir = ['a']"])
def test_a_wrong_type_is_a_usage_error(project, line):
    (project.path / "tox.ini").unlink()
    project.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    result = project.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: ini key {line.split()[0]} = *"])


BAD = {
    "foreign": b"[build-system]\nrequires = []\n",
    "type": b"summary = 3\n",
    "syntax": b"not toml",
    "bytes": b"\xff\xfe",
    "empty": b"",
}


@pytest.mark.parametrize("content", BAD)
def test_one_bad_file_does_not_hide_the_other_presets(project, content):
    (project.path / "my_presets" / "bad.toml").write_bytes(BAD[content])
    result = project.runpytest_inprocess("--sim-presets")
    assert result.ret == 0
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(["bad *bad.toml: *" if content != "empty" else "bad", "glow * 12 x 16 *"])


@pytest.mark.parametrize(
    ("option", "where"), [(["-o", "sim_preset=gloww"], "ini key sim_preset"), (["--sim-preset=gloww"], "--sim-preset")]
)
def test_a_wrong_default_preset_says_where_it_was_given(project, option, where):
    project.makepyfile("def test_it(sim_spec): pass")
    result = project.runpytest_inprocess(*option)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{where} = 'gloww': unknown preset 'gloww'; did you mean 'glow'[?]"])


def test_a_preset_by_the_path_of_its_file(project):
    project.mkdir("elsewhere")
    (project.path / "elsewhere" / "one.toml").write_text('extends = ["two"]\nseed = 4\n')
    (project.path / "elsewhere" / "two.toml").write_text('extends = ["glow"]\n[steps.vignette]\n')
    below = project.mkdir("below")
    (below / "test_it.py").write_text(
        """
import pytest

@pytest.mark.sim("elsewhere/one.toml")
def test_mark(sim_spec, sim_recording_factory):
    assert (sim_spec.seed, sim_spec.kinds) == (4, ("leakage", "vignette"))
    assert sim_recording_factory("elsewhere/one.toml").spec == sim_spec

@pytest.mark.sim("elsewhere/none.toml")
def test_none(sim_spec):
    pass
"""
    )
    result = project.runpytest_inprocess("--sim-preset=elsewhere/two.toml")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["preset file *none.toml: No such file or directory"])
