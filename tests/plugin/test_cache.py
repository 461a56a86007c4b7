"""What the cache has to say stands in the summary, once, and fails no test."""

import pytest

THREE_TESTS = """
    import pytest

    @pytest.mark.parametrize("number", range(3))
    def test_it(sim_recording, number):
        assert sim_recording.observed.values.any()
"""


def notes(result):
    return [line for line in result.outlines if line.startswith("sim cache: ") and " hits, " not in line]


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["one", "two"])
def test_a_cache_that_cannot_be_written(project, workers):
    project.makepyfile(THREE_TESTS)
    (project.path / "cache").write_text("a file, not a folder")
    result = project.runpytest_subprocess("-Werror", *workers)
    result.assert_outcomes(passed=3)
    (note,) = notes(result)
    assert note.startswith(f"sim cache: the recording cache {project.path / 'cache'} cannot be written (")
    assert note.endswith("; recordings are painted when they are read")


@pytest.mark.parametrize("how", ["when it is opened", "when it is read"])
def test_a_damaged_recording(project, how):
    project.makepyfile(THREE_TESTS)
    project.runpytest_subprocess().assert_outcomes(passed=3)
    (file,) = project.path.glob("cache/v*/*.zarr.zip")
    data = bytearray(file.read_bytes())
    data[data.index(b"observed/0.0.0") + 100] ^= 1
    file.write_bytes(data[:-1] if how == "when it is opened" else data)
    result = project.runpytest_subprocess("-Werror")
    result.assert_outcomes(passed=3)
    (note,) = notes(result)
    assert str(file) in note
    assert note.endswith(" instead")
    result.stdout.fnmatch_lines(["sim cache: *1 rebuilt*"])
    result = project.runpytest_subprocess("-Werror")
    result.assert_outcomes(passed=3)
    assert notes(result) == []
    result.stdout.fnmatch_lines(["sim cache: 0 simulated, 3 hits, 0 waited, 0 rebuilt*"])
