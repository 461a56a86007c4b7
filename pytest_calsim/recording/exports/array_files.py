"""Write stacks of arrays: TIFF, npy, zarr and NWB. All are lossless and keep the pixels' type."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pytest_calsim.recording.exports.movie import Movie, blocks_of, frame_times_s, images_of, published
from pytest_calsim.recording.extras import require
from pytest_calsim.store.zarr_array import ArrayLayout, array_attributes, to_json

__all__ = ["write_npy", "write_nwb", "write_tiff", "write_zarr"]

_CLASSIC_TIFF_BYTES = 4_000_000_000
"""The offsets of a classic TIFF have 32 bits, and reach no farther than this."""

_UNKNOWN_START = datetime(2000, 1, 1, tzinfo=UTC)
"""NWB demands a time of day, and a simulation has none."""


def write_tiff(movie: Movie, path: Path, *, overwrite: bool = False) -> None:
    """Write a TIFF of one page a frame, not compressed; BigTIFF from 4 GB on."""
    tifffile = require("tifffile", "files", "to_tiff")
    acquisition = movie.spec.acquisition
    pixels_per_cm = 1e4 / acquisition.pixel_size_um
    n_frames, height, width = movie.frames.shape
    page_bytes = height * width * movie.frames.dtype.itemsize + 512  # with its table of tags
    bigtiff = n_frames * page_bytes > _CLASSIC_TIFF_BYTES
    with published(path, overwrite=overwrite) as partial, tifffile.TiffWriter(partial, bigtiff=bigtiff) as writer:
        writer.write(
            images_of(movie.frames, label=path.name),
            shape=movie.frames.shape,
            dtype=movie.frames.dtype,
            photometric="minisblack",
            resolution=(pixels_per_cm, pixels_per_cm),
            resolutionunit="CENTIMETER",
            metadata={"axes": "TYX", "fps": acquisition.fps, "pixel_size_um": acquisition.pixel_size_um},
        )


def write_npy(movie: Movie, path: Path, *, overwrite: bool = False) -> None:
    """Write NumPy's own format; ``numpy.load(path, mmap_mode="r")`` opens it without reading it."""
    header = {"shape": movie.frames.shape, "fortran_order": False, "descr": movie.frames.dtype.str}
    with published(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks_of(movie.frames, label=path.name):
            file.write(np.ascontiguousarray(block).data)


def write_zarr(movie: Movie, path: Path) -> None:
    """Write a folder in zarr format 2 with the array ``observed`` and its times, as xarray lays one out."""
    times = frame_times_s(movie)
    layout = ArrayLayout.of(movie.frames.shape, movie.frames.dtype)
    time_layout = ArrayLayout.of(times.shape, times.dtype)
    units = "1" if movie.frames.dtype.kind == "f" else "ADU"
    metadata: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {"fps": movie.spec.acquisition.fps, "pixel_size_um": movie.spec.acquisition.pixel_size_um},
        "observed/.zarray": layout.metadata(),
        "observed/.zattrs": {**array_attributes(("frame", "height", "width"), units), "coordinates": "time"},
        "time/.zarray": time_layout.metadata(),
        # Not "units": xarray would decode it into time deltas.
        "time/.zattrs": {"_ARRAY_DIMENSIONS": ["frame"], "unit": "s"},
    }
    with published(path) as partial:
        for name in ("observed", "time"):
            (partial / name).mkdir(parents=True)
        for chunk in range(time_layout.n_chunks):
            block = times[time_layout.rows(chunk)]
            (partial / "time" / time_layout.chunk_name(chunk)).write_bytes(time_layout.encode(block))
        blocks = blocks_of(movie.frames, label=path.name, block_frames=layout.chunk_rows)
        for chunk, block in enumerate(blocks):
            (partial / "observed" / layout.chunk_name(chunk)).write_bytes(layout.encode(block))
        for name, content in metadata.items():
            (partial / name).write_bytes(to_json(content))
        (partial / ".zmetadata").write_bytes(to_json({"zarr_consolidated_format": 1, "metadata": metadata}))


def write_nwb(movie: Movie, path: Path, *, overwrite: bool = False) -> None:
    """Write an NWB file with a ``OnePhotonSeries`` named ``observed``, its axes (frame, width, height) as in NWB."""
    pynwb = require("pynwb", "files", "to_nwb")
    ophys = require("pynwb.ophys", "files", "to_nwb")
    data_utils = require("hdmf.data_utils", "files", "to_nwb")
    acquisition = movie.spec.acquisition
    n_frames, height, width = movie.frames.shape
    nwb = pynwb.NWBFile(
        session_description="simulated one-photon calcium recording",
        identifier=movie.spec.key(),
        session_start_time=_UNKNOWN_START,
    )
    device = nwb.create_device(name="Microscope", description=str(acquisition))
    channel = ophys.OpticalChannel(
        name="OpticalChannel", description="green", emission_lambda=acquisition.optics.emission_nm
    )
    plane = nwb.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=channel,
        imaging_rate=float(acquisition.fps),
        description="simulated tissue",
        device=device,
        excitation_lambda=470.0,
        indicator="simulated",
        location="simulated",
        grid_spacing=[acquisition.pixel_size_um, acquisition.pixel_size_um],
        grid_spacing_unit="micrometers",
    )
    chunks = data_utils.DataChunkIterator(
        data=(image.T for image in images_of(movie.frames, label=path.name)),
        maxshape=(n_frames, width, height),
        dtype=movie.frames.dtype,
        buffer_size=max(1, (4 << 20) // max(1, height * width * movie.frames.dtype.itemsize)),
    )
    series = ophys.OnePhotonSeries(
        name="observed",
        description="the movie as the sensor records it",
        data=chunks,
        imaging_plane=plane,
        unit="ADU" if movie.frames.dtype.kind != "f" else "a.u.",
        dimension=[width, height],
        timestamps=frame_times_s(movie),
    )
    nwb.add_acquisition(series)
    with published(path, overwrite=overwrite) as partial, pynwb.NWBHDF5IO(str(partial), "w") as file:
        file.write(nwb)
