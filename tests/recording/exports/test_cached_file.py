"""A movie's file is written once, and shared."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pytest_calsim import StoreError, load_preset, simulate
from pytest_calsim.recording.exports.cached_file import MOVIE_FORMATS, movie_file

SPEC = load_preset("tiny", overrides={"acquisition.duration_s": 1})


@pytest.mark.parametrize("movie_format", MOVIE_FORMATS)
def test_a_file_is_written_once(movie_format, tmp_path):
    path = movie_file(simulate(SPEC), movie_format, tmp_path / "files")
    stamp = path.stat().st_mtime_ns
    assert movie_file(simulate(SPEC), movie_format, tmp_path / "files") == path
    assert path.stat().st_mtime_ns == stamp
    assert len(list((tmp_path / "files").iterdir())) == 1


def test_other_recordings_have_other_files(tmp_path):
    recordings = [simulate(SPEC), simulate(SPEC, until="render"), simulate(SPEC.edit({"seed": 1}))]
    paths = {movie_file(recording, "npy", tmp_path) for recording in recordings}
    assert len(paths) == 3


@pytest.mark.parametrize("movie_format", ["npy", "zarr"])
def test_many_at_once_get_one_whole_file(movie_format, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: movie_file(simulate(SPEC), movie_format, tmp_path), range(6)))
    assert list(tmp_path.iterdir()) == list(paths)
    if movie_format == "npy":
        np.testing.assert_array_equal(np.load(*paths), simulate(SPEC).observed.values)


@pytest.mark.parametrize(
    ("name", "hint"), [("tif", "did you mean 'tiff'"), ("minscope", "'miniscope'"), ("", "known: ")]
)
def test_an_unknown_format_is_refused(name, hint, tmp_path):
    with pytest.raises(ValueError, match=hint):
        movie_file(simulate(SPEC), name, tmp_path)


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "files").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        movie_file(simulate(SPEC), "npy", tmp_path / "files")
