"""Ground truth: every quantity of a recording that the simulation knows exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.html_table import html_table
from pytest_calsim.arrays.lazy import LazyTruth
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import nearest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["GroundTruth"]

_FIRST_COLUMNS = ("snr_peak", "detectable", "depth_um", "snr", "n_spikes")
_LAST_COLUMNS = ("y_um", "x_um")
"""The cells' table begins and ends with these: pandas cuts out the middle of what is too wide."""

_WIDTH = 80
"""Columns of a terminal that was never made wider."""


class GroundTruth:
    """Ground truth of a recording, by name. Arrays are read-only; quantities that a recording lacks are ``None``.

    ``truth["name"]`` gives any quantity as a DataArray, ``truth.names`` lists them; the usual ones are attributes.
    Units (planted cells) are numbered in the order in which they were placed; cells whose centre lies outside the
    field of view are among them.
    """

    def __init__(self, arrays: Mapping[str, TruthArray | SparseFootprints]) -> None:
        self._arrays = arrays

    def __repr__(self) -> str:
        names: dict[str, list[str]] = {}
        for name in self.names:
            value = self._arrays[name]
            dims = "footprints" if isinstance(value, SparseFootprints) else ", ".join(value.dims)
            names.setdefault(dims or "numbers", []).append(name)
        lines = [f"<GroundTruth of {self.n_units} planted cells>"]
        for dims, of in sorted(names.items()):
            lines.append(fill(f"{dims}: {', '.join(of)}", _WIDTH, initial_indent="  ", subsequent_indent="      "))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str, str]] = []
        for name, value in sorted(self._arrays.items(), key=lambda item: item[0]):
            if isinstance(value, SparseFootprints):
                rows.append((name, f"unit_id, height, width: {value.shape}, sparse", "1"))
            else:
                # What is computed on demand is not computed for its shape.
                shape = value.shape if isinstance(value, LazyTruth) else value.values.shape
                rows.append((name, f"{', '.join(value.dims)}: {shape}", value.units))
        return html_table(f"GroundTruth of {self.n_units} planted cells", rows, ("name", "axes", "units"))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all quantities, sorted."""
        return tuple(sorted(self._arrays))

    @property
    def arrays(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """The raw arrays by name."""
        return self._arrays

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, name: str) -> xr.DataArray:
        import xarray as xr

        if name not in self._arrays:
            raise KeyError(f"no truth {name!r}; {nearest(name, self._arrays)}")
        value = self._arrays[name]
        if isinstance(value, SparseFootprints):
            return value.dense().rename(name)
        if isinstance(value, LazyTruth):
            # Here, as xarray's parts that it needs take longer to import than a small truth takes to read.
            from pytest_calsim.recording.lazy_array import lazy_array

            return lazy_array(value, value.dims, name).assign_attrs(units=value.units)
        sizes = zip(value.dims, value.values.shape, strict=True)
        coords: dict[str, NDArray[Any]] = {dim: np.arange(size) for dim, size in sizes if dim != "shift_dim"}
        if "shift_dim" in value.dims:
            coords["shift_dim"] = np.array(["height", "width"])
        return xr.DataArray(value.values, dims=value.dims, coords=coords, name=name, attrs={"units": value.units})

    def _get(self, name: str) -> xr.DataArray | None:
        return self[name] if name in self._arrays else None

    def _columns(self) -> Iterator[tuple[str, TruthArray]]:
        """Yield per-cell quantities by name: the main ones first, the place last, the others sorted between."""
        others = sorted(self._arrays.keys() - {*_FIRST_COLUMNS, *_LAST_COLUMNS})
        for name in (*_FIRST_COLUMNS, *others, *_LAST_COLUMNS):
            value = self._arrays.get(name)
            if isinstance(value, TruthArray) and value.dims == ("unit_id",):
                yield name, value

    def _footprints(self, name: str) -> SparseFootprints | None:
        value = self._arrays.get(name)
        # Numbered, so that a selection of them still says which cells they are.
        return replace(value, unit_id=np.arange(len(value))) if isinstance(value, SparseFootprints) else None

    @cached_property
    def n_units(self) -> int:
        """Number of planted cells, those outside the field of view included."""
        return next((len(column.values) for _, column in self._columns()), 0)

    @property
    def A_planted(self) -> SparseFootprints | None:
        """Footprints in focus and unblurred, on the sensor; the continuous shape peaks at 1."""
        return self._footprints("A_planted")

    @property
    def A_observed(self) -> SparseFootprints | None:
        """Footprints behind optics and vessels, on the sensor at zero shift and mean focal depth."""
        return self._footprints("A_observed")

    @property
    def C(self) -> xr.DataArray | None:
        """Fluorescence with its baseline, bleaching apart ``(unit_id, frame)``, float32."""
        return self._get("C")

    @property
    def S(self) -> xr.DataArray | None:
        """Spikes per frame ``(unit_id, frame)``, uint16."""
        return self._get("S")

    @property
    def baseline(self) -> xr.DataArray | None:
        """Fluorescence without spikes, bleaching apart ``(unit_id, frame)``, where it drifts; else it is the column
        ``amplitude``.
        """
        return self._get("baseline")

    @property
    def shifts(self) -> xr.DataArray | None:
        """Applied displacement of the tissue ``(frame, shift_dim)``, px, + toward higher rows and columns."""
        return self._get("shifts")

    @property
    def illumination(self) -> xr.DataArray | None:
        """Relative excitation ``(height, width)``."""
        return self._get("illumination")

    @property
    def vignette(self) -> xr.DataArray | None:
        """Relative collection ``(height, width)``."""
        return self._get("vignette")

    @property
    def leakage(self) -> xr.DataArray | None:
        """Stray light ``(height, width)``, in units of a resting cell's brightness."""
        return self._get("leakage")

    @property
    def vessel_transmission(self) -> xr.DataArray | None:
        """Transmission of the vessels above each depth bin ``(depth, height, width)``."""
        return self._get("vessel_transmission")

    @property
    def neuropil_spatial(self) -> xr.DataArray | None:
        """Spatial parts of the neuropil ``(component, height, width)``."""
        return self._get("neuropil_spatial")

    @property
    def neuropil_temporal(self) -> xr.DataArray | None:
        """Temporal parts of the neuropil ``(component, frame)``."""
        return self._get("neuropil_temporal")

    @property
    def bleaching(self) -> xr.DataArray | None:
        """Share of fluorophore left ``(unit_id, frame)``."""
        return self._get("bleaching")

    @property
    def focal_depth_um(self) -> float | None:
        """Depth in focus on the axis, µm."""
        value = self._arrays.get("focal_depth_um")
        return float(value.values) if isinstance(value, TruthArray) else None

    @property
    def spike_times(self) -> list[NDArray[np.float64]] | None:
        """Each unit's spike times, s."""
        times = self._arrays.get("spike_time_s")
        start = self._arrays.get("spike_start")
        if not isinstance(times, TruthArray) or not isinstance(start, TruthArray):
            return None
        return [times.values[a:b] for a, b in zip(start.values[:-1], start.values[1:], strict=True)]

    @property
    def cells(self) -> pd.DataFrame:
        """One row a planted cell, one column a per-cell quantity, the main ones first; a fresh copy."""
        import pandas as pd

        frame = pd.DataFrame({name: np.array(column.values) for name, column in self._columns()})
        frame.index.name = "unit_id"
        return frame

    def detectable_subset(self) -> NDArray[np.intp]:
        """Return the ids of the units that a pipeline can be asked to find: in the field of view and ``detectable``."""
        detectable = self._arrays.get("detectable")
        in_fov = self._arrays.get("in_fov")
        if not isinstance(detectable, TruthArray) or not isinstance(in_fov, TruthArray):
            return np.zeros(0, np.intp)
        return np.flatnonzero(detectable.values & in_fov.values)
