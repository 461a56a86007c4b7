"""Options: flag before environment variable before ini key; a wrong one is a usage error."""

import pytest

USES_IT = "def test_it(sim_recording): pass"


def test_flag_before_environment_variable_before_ini_key(project, monkeypatch):
    project.makepyfile(USES_IT)
    line = "sim cache: *({}{})"

    project.runpytest_inprocess().stdout.fnmatch_lines([line.format(project.path, "/cache")])
    monkeypatch.setenv("PYTEST_SIM_CACHE", "from_env")
    project.runpytest_inprocess().stdout.fnmatch_lines([line.format(project.path, "/from_env")])
    flag = "--sim-cache=from_flag"
    project.runpytest_inprocess(flag).stdout.fnmatch_lines([line.format(project.path, "/from_flag")])
    project.runpytest_inprocess("--sim-cache=off").stdout.fnmatch_lines([line.format("", "off")])


def test_an_ini_folder_is_relative_to_the_ini_file(project, monkeypatch):
    project.makepyfile(USES_IT)
    below = project.mkdir("below")
    monkeypatch.chdir(below)
    result = project.runpytest_inprocess("..")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"sim cache: *({project.path}/cache)"])


def test_the_cache_is_kept_between_runs_unless_it_is_off(counted, project):
    project.makepyfile(USES_IT)
    project.runpytest_inprocess().stdout.fnmatch_lines(["sim cache: 1 simulated, 0 hits, 0 waited, 0 rebuilt, *"])
    project.runpytest_inprocess().stdout.fnmatch_lines(["sim cache: 0 simulated, 1 hits, 0 waited, 0 rebuilt, *"])
    assert counted() == 1
    project.runpytest_inprocess("--sim-cache=off").stdout.fnmatch_lines(["sim cache: 1 simulated, 0 hits, * (off)"])
    assert counted() == 2


def test_the_cache_is_emptied_first(counted, project):
    project.makepyfile(USES_IT)
    project.runpytest_inprocess()
    result = project.runpytest_inprocess("--sim-cache-clear")
    result.stdout.fnmatch_lines(["sim cache: 1 removed, 0 could not be removed *", "sim cache: 1 simulated, 0 hits, *"])
    assert counted() == 2


def test_show_lists_what_is_kept_and_runs_nothing(counted, project):
    project.makepyfile(USES_IT)
    project.runpytest_subprocess()
    result = project.runpytest_inprocess("--sim-cache-show")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["preset  key *", "glow *MB*h*s", "sim cache: 1 recordings, * MB (*cache)"])
    result.stdout.no_fnmatch_line("*collected*")
    result = project.runpytest_inprocess("--sim-cache-clear", "--sim-cache-show")
    result.stdout.fnmatch_lines(["sim cache: 1 removed, *", "sim cache: 0 recordings, *"])
    assert counted() == 1


def test_verify_checks_every_byte_and_fails_for_damage(project):
    project.makepyfile(USES_IT)
    project.runpytest_inprocess()
    result = project.runpytest_inprocess("--sim-cache-verify")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["sim cache: 1 checked, 0 bad and removed (*)"])
    chunk = max((p for p in (project.path / "cache").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    chunk.write_bytes(chunk.read_bytes()[:-1])
    result = project.runpytest_inprocess("--sim-cache-verify")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["sim cache: 1 checked, 1 bad and removed (*)"])


def test_the_largest_size_is_kept_to_after_the_run(project):
    project.makepyfile(USES_IT)
    project.runpytest_subprocess("--sim-cache-max-size=1GB")
    result = project.runpytest_inprocess("--sim-cache-show")
    result.stdout.fnmatch_lines(["sim cache: 1 recordings, *"])
    project.runpytest_subprocess("--sim-cache-max-size=1").assert_outcomes(passed=1)
    result = project.runpytest_inprocess("--sim-cache-show")
    result.stdout.fnmatch_lines(["sim cache: 0 recordings, *"])


def test_presets_are_listed(project):
    result = project.runpytest_inprocess("--sim-presets")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["glow *leakage on 12 x 16 pixels", "rim *the same, darker at the rim", "tiny * 64 x 64 *"]
    )
    result.stdout.no_fnmatch_line("*collected*")


def test_flags_can_be_set_in_the_environment(project, monkeypatch):
    monkeypatch.setenv("PYTEST_SIM_PRESETS", "yes")
    project.runpytest_inprocess().stdout.fnmatch_lines(["glow *"])
    monkeypatch.setenv("PYTEST_SIM_PRESETS", "no")
    project.runpytest_inprocess().stdout.no_fnmatch_line("glow *")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("sim_cache", " ", "* = ' ': give a path"),
        ("sim_cache_max_size", "lots", "* = 'lots': give a size such as 500MB or 2GB"),
        ("sim_cache_max_size", "-2GB", "* = '-2GB': give a size such as 500MB or 2GB"),
        ("sim_preset_dir", "nowhere", "* = 'nowhere': there is no folder '*nowhere'"),
        ("sim_cache_clear", "maybe", "* = 'maybe': give yes or no"),
    ],
)
def test_a_wrong_option_is_a_usage_error_that_says_where_it_was_given(project, monkeypatch, name, value, line):
    project.makepyfile(USES_IT)
    flag = "--" + name.replace("_", "-")
    if name != "sim_cache_clear":
        result = project.runpytest_inprocess(f"{flag}={value}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {flag}{line}"])
    if value.strip():
        result = project.runpytest_inprocess("-o", f"{name}={value}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: ini key {name}{line}"])
    monkeypatch.setenv(f"PYTEST_{name.upper()}", value)
    result = project.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: $PYTEST_{name.upper()}{line}"])


@pytest.mark.parametrize(("text", "size"), [("2GB", 2e9), ("500 MB", 5e8), ("1.5k", 1500), ("70", 70)])
def test_sizes(project, text, size):
    from pytest_calsim.plugin.options import settings_of

    config = project.parseconfigure(f"--sim-cache-max-size={text}")
    assert settings_of(config).sim_cache_max_size == size


def test_the_help_names_every_option(project):
    result = project.runpytest_inprocess("--help")
    result.stdout.fnmatch_lines(["*--sim-cache=DIR|off*", "*--sim-cache-max-size=SIZE*", "*--sim-presets*"])
