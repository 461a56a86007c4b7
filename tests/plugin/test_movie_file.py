"""The fixture sim_movie_file."""

import pytest

READ = """
    import numpy as np
    import pytest

    @pytest.mark.sim("tiny", overrides={"acquisition.duration_s": 1})
    @pytest.mark.parametrize("sim_movie_file", FORMATS, indirect=True)
    @pytest.mark.parametrize("again", [0, 1])
    def test_reads(sim_movie_file, sim_recording, again):
        print("at", sim_movie_file)
        if sim_movie_file.suffix == ".npy":
            assert np.array_equal(np.load(sim_movie_file), sim_recording.observed)
        assert sim_movie_file.exists()
"""


def run(pytester, formats, *options):
    pytester.makepyfile(READ.replace("FORMATS", repr(formats)))
    return pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", *options)


def places(result):
    return {line.split("at ")[-1] for line in result.outlines if "at /" in line}


def test_files_are_kept_beside_the_recordings(pytester):
    result = run(pytester, ["npy", "zarr"], "--sim-cache=kept")
    result.assert_outcomes(passed=4)
    files = sorted((pytester.path / "kept" / "movies").iterdir())
    assert [file.suffix for file in files] == [".npy", ".zarr"]
    assert places(result) == {str(file) for file in files}


@pytest.mark.parametrize("cache", ["off", "file"])
def test_without_a_cache_there_is_a_file_all_the_same(pytester, cache):
    (pytester.path / "file").write_text("no folder")
    run(pytester, ["npy"], f"--sim-cache={cache}").assert_outcomes(passed=2)


def test_files_go_with_the_cache(pytester):
    run(pytester, ["npy"], "--sim-cache=kept")
    pytester.runpytest_subprocess("--sim-cache=kept", "--sim-cache-clear", "--co")
    assert not list((pytester.path / "kept" / "movies").iterdir())


@pytest.mark.parametrize("name", ["tif", "mov"])
def test_an_unknown_format_is_one_clear_line(pytester, name):
    result = run(pytester, [name], "--sim-cache=kept")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"*sim_movie_file: no movie format '{name}': *"])
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.no_fnmatch_line(f"no movie format '{name}'*")
