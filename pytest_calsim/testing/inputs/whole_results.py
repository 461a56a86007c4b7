"""Refuse a pipeline's whole result in the place of one array, and name the call that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, cast

import numpy as np

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_scipy_sparse, is_sparse

__all__ = ["refuse_whole_result"]


def refuse_whole_result(value: Any, name: str) -> None:
    """Refuse what is no array but holds some, and say how it is given.

    Raises
    ------
    EstimateError
        For Datasets, dicts, CaImAn's and suite2p's results, recordings, truths, paths, generators.
    """
    advice = _advice(value)
    if advice:
        raise EstimateError(f"{name} is {advice}")


def _advice(value: Any) -> str:
    kind = type(value).__name__
    if value is None:
        return "None: did the pipeline return it?"
    if is_scipy_sparse(value):  # first, as older SciPy warns where its attribute A is looked at
        return ""
    if hasattr(value, "data_vars"):
        return "a Dataset: give Estimate.from_minian(dataset), or one of its arrays"
    if isinstance(value, Mapping):
        return (
            "a dict: give Estimate.from_minian(results) for minian's, Estimate.from_caiman(results, dims) for "
            "CaImAn's, else Estimate(A=..., C=..., S=...)"
        )
    if hasattr(value, "estimates"):
        return f"a {kind} of CaImAn: give Estimate.from_caiman(cnm)"
    # Arrays pass: xarray's have A and C, too, where their coordinates are so called.
    if hasattr(value, "A") and hasattr(value, "C") and not hasattr(value, "__array__"):
        return f"a {kind} with A and C: give Estimate.from_caiman(estimates), or Estimate(A=..., C=...)"
    if (hasattr(value, "truth") or hasattr(value, "A_observed")) and not hasattr(value, "__array__"):
        return f"a {kind}: give one of its arrays, e.g. truth.A_observed"
    if isinstance(value, str | bytes | PathLike):
        return f"a path or text ({value!r}): open it and give the arrays"
    if isinstance(value, Iterator):
        return "a generator: give a list, list(...)"
    if callable(value):
        named: str = getattr(value, "__name__", kind)
        return f"a function or class ({named}): give what it returns"
    # np.load gives suite2p's list of dicts as an array of objects.
    is_list = isinstance(value, Sequence) or getattr(value, "dtype", None) == np.dtype(object)
    parts: list[Any] = list(cast("Sequence[Any]", value)) if is_list else []
    if len(parts) and isinstance(parts[0], Mapping):
        return "a list of dicts: suite2p's stat is given as Estimate.from_suite2p(stat, shape)"
    n_axes = {len(part.shape) for part in parts if hasattr(part, "shape")}
    if len(n_axes) > 1:
        return f"a {kind} of {len(parts)} arrays of different kinds: give each by its name, Estimate(A=..., C=...)"
    if len(parts) and all(is_scipy_sparse(part) or is_sparse(part) for part in parts):
        return (
            "a list of sparse images: give one scipy.sparse array (units, height * width) with Estimate(A, "
            "image_shape=(height, width)), or dense ones, [a.toarray() for a in A]"
        )
    return ""
