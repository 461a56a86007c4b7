"""Rows of an estimate and of the truth, paired by a matching or already in the same order."""

from __future__ import annotations

import numpy as np

from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.matrices import as_matrix
from pytest_calsim.testing.inputs.types import MatrixLike, Pairing

__all__ = ["paired_rows"]


def paired_rows(
    estimate: MatrixLike, truth: MatrixLike, pairing: Pairing | None, *, name: str
) -> tuple[Floats, Floats]:
    """Read both and give their rows pair by pair, each ``(pair, frame)``, float64.

    Parameters
    ----------
    estimate, truth
        ``(unit_id, frame)``, of equally many frames.
    pairing
        Pairs of a row of the estimate and a row of the truth, e.g. ``Match.pairing``; ``None``: row i is row i.
    name
        What to call them in an error.

    Raises
    ------
    EstimateError
        When shapes do not fit, or a pair names a row that is not there.
    """
    true = as_matrix(truth, shape=(None, None), name=f"{name}_true")
    n_rows = len(true) if pairing is None else None
    est = as_matrix(estimate, shape=(n_rows, true.shape[1]), name=f"{name}_est")
    if pairing is None:
        return est, true
    # A matching without pairs is an empty list, of no particular type.
    pairs = np.asarray(pairing) if np.size(pairing) else np.zeros((0, 2), np.intp)
    if pairs.dtype.kind not in "iu" or pairs.ndim != 2 or pairs.shape[1] != 2:
        raise EstimateError(f"pairing must be pairs of whole numbers, (estimate, truth), not {pairing!r}")
    for column, rows, whose in ((0, est, "estimate"), (1, true, "truth")):
        outside = pairs[(pairs[:, column] < 0) | (pairs[:, column] >= len(rows)), column]
        if outside.size:
            raise EstimateError(f"pairing names row {outside[0]} of the {whose}, which has {len(rows)} rows")
    return est[pairs[:, 0]], true[pairs[:, 1]]
