"""Write a recording's movie to a file of some format once, and share it among all processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pytest_calsim.errors import StoreError, nearest
from pytest_calsim.recording.recording import Recording

__all__ = ["MOVIE_FORMATS", "MovieFormat", "format_named", "format_of", "movie_file"]


@dataclass(frozen=True)
class MovieFormat:
    """A format of a movie's file.

    Attributes
    ----------
    suffix
        End of the file's name; empty for a folder.
    write
        Writes a recording's movie to a path.
    """

    suffix: str
    write: Callable[[Recording, Path], None]


MOVIE_FORMATS: Mapping[str, MovieFormat] = MappingProxyType(
    {
        "tiff": MovieFormat(".tif", Recording.to_tiff),
        "npy": MovieFormat(".npy", Recording.to_npy),
        "zarr": MovieFormat(".zarr", Recording.to_zarr),
        "nwb": MovieFormat(".nwb", Recording.to_nwb),
        "avi": MovieFormat(".avi", Recording.to_avi),
        "mp4": MovieFormat(".mp4", Recording.to_mp4),
        "miniscope": MovieFormat("", Recording.to_miniscope_folder),
    }
)
"""The formats by name."""

_OTHER_SUFFIXES = {".tiff": "tiff"}


def format_of(path: Path) -> str | None:
    """Tell a movie's format by how the name of its file ends; ``None`` when it tells none."""
    names = {movie_format.suffix: name for name, movie_format in MOVIE_FORMATS.items() if movie_format.suffix}
    return {**names, **_OTHER_SUFFIXES}.get(path.suffix.lower())


def format_named(name: str) -> MovieFormat:
    """Return one of :data:`MOVIE_FORMATS`; raise ``ValueError`` for another name."""
    if name not in MOVIE_FORMATS:
        raise ValueError(f"no movie format {name!r}: {nearest(name, MOVIE_FORMATS)}")
    return MOVIE_FORMATS[name]


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
    chosen = format_named(movie_format)
    stage = "" if recording.until is None else f"-{recording.until}"
    path = folder / f"{recording.spec.key()}{stage}{chosen.suffix}"
    if not path.exists():
        try:
            chosen.write(recording, path)
        except StoreError:
            if not path.exists():  # else another process has written the same file first
                raise
    return path
