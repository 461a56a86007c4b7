"""Write a recording's movie to a file of some format once, and share it among all processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pytest_calsim.errors import StoreError, nearest
from pytest_calsim.recording.recording import Recording

__all__ = ["MOVIE_FORMATS", "format_of", "movie_file", "writer_of"]

_Write = Callable[[Recording, Path], None]

MOVIE_FORMATS: Mapping[str, tuple[str, _Write]] = MappingProxyType(
    {
        "tiff": (".tif", Recording.to_tiff),
        "npy": (".npy", Recording.to_npy),
        "zarr": (".zarr", Recording.to_zarr),
        "nwb": (".nwb", Recording.to_nwb),
        "avi": (".avi", Recording.to_avi),
        "mp4": (".mp4", Recording.to_mp4),
        "miniscope": ("", Recording.to_miniscope_folder),
    }
)
"""Suffix of the file's name, and the function that writes it, by the format's name."""


_OTHER_SUFFIXES = {".tiff": "tiff"}


def format_of(path: Path) -> str | None:
    """Tell a movie's format by how the name of its file ends; ``None`` when it tells none."""
    named = {suffix: name for name, (suffix, _) in MOVIE_FORMATS.items() if suffix}
    return {**named, **_OTHER_SUFFIXES}.get(path.suffix.lower())


def writer_of(movie_format: str) -> _Write:
    """Return the function that writes one of :data:`MOVIE_FORMATS`; raise ``ValueError`` for another format."""
    if movie_format not in MOVIE_FORMATS:
        raise ValueError(f"no movie format {movie_format!r}: {nearest(movie_format, MOVIE_FORMATS)}")
    return MOVIE_FORMATS[movie_format][1]


def movie_file(recording: Recording, movie_format: str, folder: Path) -> Path:
    """Return a recording's movie as a file, writing it when it is not there yet.

    Parameters
    ----------
    recording
        The recording; the file's name holds its key, so that it is shared by all that ask for the same.
    movie_format
        One of :data:`MOVIE_FORMATS`.
    folder
        Where such files are kept; made when it is not there. Whoever changes a file changes it for all: copy it first.

    Returns
    -------
    Path
        The file; a folder for ``"zarr"`` and ``"miniscope"``.

    Raises
    ------
    ValueError
        When there is no such format.
    StoreError
        When it cannot be written.
    """
    write = writer_of(movie_format)
    suffix = MOVIE_FORMATS[movie_format][0]
    stage = "" if recording.until is None else f"-{recording.until}"
    path = folder / f"{recording.spec.key()}{stage}{suffix}"
    if not path.exists():
        try:
            write(recording, path)
        except StoreError:
            if not path.exists():  # else another process has written the same file first
                raise
    return path
