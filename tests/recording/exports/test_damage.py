"""Damaged files are damaged in just the way that is said."""

import numpy as np
import pytest

from pytest_calsim import StoreError, damage, load_preset, simulate

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("tiny"))


def read(path):
    """Frames decoded, packets that cannot be, and what the header tells."""
    frames = []
    bad = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(video=0):
            try:
                frames += [frame.to_ndarray() for frame in packet.decode()]
            except av.error.FFmpegError:
                bad += 1
        return frames, bad, stream.frames, stream.average_rate


@pytest.fixture
def avi(recording, tmp_path):
    path = tmp_path / "movie.avi"
    recording.to_avi(path)
    return path


def test_a_truncated_file_loses_its_last_third(recording, avi, tmp_path):
    damage(avi, "truncated")
    frames, _, told, _ = read(avi)
    assert 50 < len(frames) < 100
    assert told == 100
    np.testing.assert_array_equal(frames[:50], recording.observed.values[:50])
    recording.to_npy(tmp_path / "a.npy")
    size = (tmp_path / "a.npy").stat().st_size
    damage(tmp_path / "a.npy", "truncated")
    assert (tmp_path / "a.npy").stat().st_size == size * 2 // 3


def test_one_frame_cannot_be_decoded(recording, avi):
    damage(avi, "undecodable_frame")
    frames, bad, _, _ = read(avi)
    movie = recording.observed.values
    assert bad == 1
    np.testing.assert_array_equal(frames, np.delete(movie, 50, axis=0))


def test_the_header_tells_another_rate(recording, avi):
    damage(avi, "wrong_fps")
    frames, bad, _, fps = read(avi)
    assert (fps, bad) == (1, 0)
    np.testing.assert_array_equal(frames, recording.observed.values)


def test_the_header_tells_no_number_of_frames(recording, avi):
    damage(avi, "no_frame_count")
    frames, bad, told, fps = read(avi)
    assert (told, fps, bad) == (0, 20, 0)
    np.testing.assert_array_equal(frames, recording.observed.values)


def test_a_frame_of_an_mp4_cannot_be_decoded(recording, tmp_path):
    path = tmp_path / "movie.mp4"
    recording.to_mp4(path)
    damage(path, "undecodable_frame")
    frames, bad, _, _ = read(path)
    assert bad >= 1
    assert len(frames) < 100


@pytest.mark.parametrize("kind", ["wrong_fps", "no_frame_count", "undecodable_frame"])
def test_what_a_format_cannot_suffer_is_refused(kind, recording, tmp_path):
    path = tmp_path / "movie.npy"
    recording.to_npy(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"movie\.npy"):
        damage(path, kind)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "kind", "error", "message"),
    [
        ("movie.avi", "trunkated", ValueError, "did you mean 'truncated'"),
        ("gone.avi", "truncated", StoreError, "no such file"),
        (".", "truncated", StoreError, "is a folder"),
    ],
)
def test_wrong_arguments_are_refused(name, kind, error, message, avi, tmp_path):
    before = avi.read_bytes()
    with pytest.raises(error, match=message):
        damage(tmp_path / name, kind)
    assert avi.read_bytes() == before
