"""Define the methods of a recording that write files."""

from __future__ import annotations

from os import PathLike

from pytest_calsim.errors import as_path
from pytest_calsim.recording.exports.array_files import write_npy, write_nwb, write_tiff, write_zarr
from pytest_calsim.recording.exports.movie import Movie
from pytest_calsim.recording.exports.video import write_avi, write_miniscope_folder, write_mp4

__all__ = ["WritesFiles"]

_Path = str | PathLike[str]


class WritesFiles:
    """Write the movie in other programs' formats, block by block: memory does not grow with its length.

    Every file or folder appears whole or not at all. ``overwrite=True`` replaces a file that is there; folders are
    never replaced. All raise :class:`~pytest_calsim.StoreError` when there is something already, or it cannot be
    written, and ``MissingExtraError`` where the extra ``files`` is needed and not installed.

    =========================  ===================================  ========================
    method                     pixels                               needs the extra ``files``
    =========================  ===================================  ========================
    ``to_npy``                 equal, any type                      no
    ``to_zarr``                equal, any type                      no
    ``to_tiff``                equal, any type                      yes (tifffile)
    ``to_nwb``                 equal, any type                      yes (pynwb)
    ``to_avi``                 equal, 8 or 16 bits (FFV1)           yes (PyAV)
    ``to_miniscope_folder``    equal, 8 bits (FFV1)                 yes (PyAV)
    ``to_mp4``                 lossy, 8 bits (H.264)                yes (PyAV)
    =========================  ===================================  ========================
    """

    def to_tiff(self: Movie, path: _Path, *, overwrite: bool = False) -> None:
        """Write a TIFF stack of one page a frame, lossless; BigTIFF from 4 GB on. Needs tifffile."""
        write_tiff(self, as_path(path), overwrite=overwrite)

    def to_npy(self: Movie, path: _Path, *, overwrite: bool = False) -> None:
        """Write NumPy's own format ``(frame, height, width)``, lossless."""
        write_npy(self, as_path(path), overwrite=overwrite)

    def to_zarr(self: Movie, path: _Path) -> None:
        """Write a folder in zarr format 2, lossless: ``observed`` ``(frame, height, width)`` and ``time`` (s).

        ``xarray.open_zarr(path).observed`` reads it. :meth:`Recording.save` keeps the truth as well.
        """
        write_zarr(self, as_path(path))

    def to_nwb(self: Movie, path: _Path, *, overwrite: bool = False) -> None:
        """Write an NWB file, lossless, with a ``OnePhotonSeries`` named ``observed`` and its times. Needs pynwb.

        Its axes are ``(frame, width, height)``, as the NWB standard has them.
        """
        write_nwb(self, as_path(path), overwrite=overwrite)

    def to_avi(self: Movie, path: _Path, *, overwrite: bool = False) -> None:
        """Write an AVI in FFV1, lossless, with 8 or 16 bits a pixel. Needs PyAV.

        Raises
        ------
        StoreError
            Also for a recording without a sensor: its light is no whole number.
        """
        write_avi(self, as_path(path), overwrite=overwrite)

    def to_mp4(
        self: Movie,
        path: _Path,
        *,
        limits: tuple[float, float] | None = None,
        speed: float = 1.0,
        overwrite: bool = False,
    ) -> None:
        """Write an MP4 in H.264 with 8 bits a pixel: lossy, to look at. Needs PyAV.

        Parameters
        ----------
        path
            The file.
        limits
            What is black and what white, in the movie's units. By default 0 and 255 for 8 bits, else the range of
            24 frames spread over the recording.
        speed
            How many times faster than life it plays.
        overwrite
            Replace a file that is there.

        Raises
        ------
        ValueError
            When ``limits`` are not rising, or ``speed`` is not above 0.
        """
        write_mp4(self, as_path(path), limits=limits, speed=speed, overwrite=overwrite)

    def to_miniscope_folder(self: Movie, path: _Path) -> None:
        """Write a folder as the Miniscope's acquisition software does. Needs PyAV.

        It holds ``0.avi``, ``1.avi``, ... of 1000 frames each (FFV1, lossless), ``timeStamps.csv`` (times in ms,
        rounded as there) and ``metaData.json``.

        Raises
        ------
        StoreError
            Also for frames of other than 8 bits.
        """
        write_miniscope_folder(self, as_path(path))
