"""minian 1 and 2: a Dataset, or a dict of DataArrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_data_array
from pytest_calsim.testing.inputs.labels import check_unique

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from pytest_calsim.testing.scoring.shifts import Convention

__all__ = ["MinianArrays", "read"]

_DISCARDED = -1
"""The label that minian's viewer gives to units that are no cells."""


class MinianArrays(TypedDict):
    """minian's results, as arguments of an ``Estimate``."""

    A: xr.DataArray | None
    C: xr.DataArray | None
    S: xr.DataArray | None
    shifts: xr.DataArray | None
    b: xr.DataArray | None
    f: xr.DataArray | None
    convention: Convention | None


def read(results: Mapping[str, xr.DataArray] | xr.Dataset) -> MinianArrays:
    """Read a Dataset (``open_minian``) or a dict with any of ``A, C, S, motion, b, f``.

    Units are those of C when it is there. The viewer's ``unit_labels`` are followed: -1 is no cell, and units of one
    label are one.
    """
    if not hasattr(results, "get"):
        raise EstimateError(f"from_minian takes a Dataset or a dict of arrays, not {type(results).__name__}")
    found: dict[str, Any] = {name: results.get(name) for name in ("A", "C", "S", "motion", "b", "f")}
    if all(value is None for value in found.values()):
        raise EstimateError(
            f"from_minian found none of {', '.join(found)}: there is {', '.join(map(str, results)) or 'nothing'}"
        )
    found["A"] = _units_of(found["C"], found["A"])
    labels = _curation(found)
    return {
        "A": _merged(found["A"], labels, "sum"),
        "C": _merged(found["C"], labels, "mean"),
        "S": _merged(found["S"], labels, "mean"),
        "shifts": found["motion"],
        "b": found["b"],
        "f": found["f"],
        "convention": None if found["motion"] is None else "correction",
    }


def _has_ids(array: Any) -> bool:
    return array is not None and is_data_array(array) and "unit_id" in array.coords


def _units_of(C: Any, A: Any) -> Any:
    """Return the footprints of the units that still have a trace."""
    if A is None or C is None or not (_has_ids(A) and _has_ids(C)):
        return A
    check_unique(A.unit_id.values, "A")
    check_unique(C.unit_id.values, "C")
    foreign = np.setdiff1d(C.unit_id.values, A.unit_id.values)
    if foreign.size:
        raise EstimateError(
            f"{foreign.size} unit_id of C are missing from A ({foreign[:5]}). Are A and C from the same minian update?"
        )
    return A.sel(unit_id=C.unit_id.values)


def _curation(found: Mapping[str, Any]) -> dict[Any, int] | None:
    """Return the viewer's label of each unit, on which all arrays must agree; ``None`` where it was not used."""
    first = ""
    labels: dict[Any, int] | None = None
    for name in ("A", "C", "S"):
        own = _unit_labels(found[name], name)
        if own is None:
            continue
        if labels is None:
            first = name
            labels = own
        differing = [unit for unit in own if labels.get(unit, own[unit]) != own[unit]]
        if differing:
            raise EstimateError(
                f"unit_labels of {name} and of {first} differ for unit {differing[0]}: "
                "give the arrays that the viewer saved together"
            )
    return labels


def _unit_labels(array: Any, name: str) -> dict[Any, int] | None:
    """Return the viewer's label of each unit; ``None`` where it was not used."""
    if array is None or not _has_ids(array) or "unit_labels" not in array.coords:
        return None
    labels = np.atleast_1d(array.coords["unit_labels"].values)
    if labels.dtype.kind not in "iuf" or not np.array_equal(labels, np.trunc(labels)):
        raise EstimateError(f"unit_labels of {name} must be whole numbers, -1 for no cell, not {labels[:5].tolist()}")
    return dict(zip(array.unit_id.values.tolist(), labels.astype(int).tolist(), strict=True))


def _merged(array: Any, labels: dict[Any, int] | None, how: str) -> Any:
    """Merge the units that share a label of the viewer's under the first's ``unit_id``; drop those labelled -1."""
    if array is None or labels is None or not _has_ids(array):
        return array
    members: dict[int, list[Any]] = {}
    for unit in array.unit_id.values.tolist():
        label = int(cast("int", labels.get(unit, unit)))
        if label != _DISCARDED:
            members.setdefault(label, []).append(unit)
    array = array.drop_vars("unit_labels", errors="ignore")  # they are followed here, and differ among merged units
    firsts = [units[0] for units in members.values()]
    together = array.sel(unit_id=firsts)
    if len(firsts) == sum(map(len, members.values())):
        return together
    import xarray as xr

    parts = [getattr(array.sel(unit_id=units), how)("unit_id") for units in members.values()]
    return xr.concat(parts, dim="unit_id").assign_coords(unit_id=together.unit_id.values)
