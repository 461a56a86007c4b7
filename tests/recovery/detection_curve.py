"""How well a quantity of a cell predicts that pipelines find it: curves, areas, thresholds. Needs numpy and scipy only.

Everywhere ``x`` is the quantity, one entry a cell, and ``found`` says which cells were found.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EDGES = (0, 2, 3, 4, 4.5, 5, 6, 7, 8, 10, 12, 1e6)
"""Bins of the curve."""


class Curve(NamedTuple):
    """P(found) = 1/(1 + exp(−slope·ln(x/middle)))."""

    middle: float
    slope: float

    @classmethod
    def fit(cls, x: Floats, found: Bools) -> Curve:
        """Fit by maximum likelihood; a weak prior on the slope keeps it finite where x tells the cells apart."""
        log_x = np.log(np.maximum(x, 1e-3))

        def cost(parameters: Floats) -> float:
            at, log_slope = parameters
            score = np.exp(log_slope) * (log_x - at)
            return float(np.logaddexp(0, np.where(found, -score, score)).sum() + (log_slope - np.log(8)) ** 2 / 8)

        best = minimize(cost, [np.log(5.0), np.log(8.0)], method="Nelder-Mead").x
        return cls(float(np.exp(best[0])), float(np.exp(best[1])))

    def probability(self, x: Floats) -> Floats:
        """Return P(found) at x."""
        return np.asarray(expit(self.slope * np.log(np.maximum(x, 1e-3) / self.middle)))

    def at(self, probability: float) -> float:
        """Return where P(found) reaches a probability."""
        return float(self.middle * np.exp(logit(probability) / self.slope))


def area(x: Floats, found: Bools) -> float:
    """Return the probability that a cell found has the larger x of a pair, ties halved (AUC); NaN without a pair."""
    n = int(found.sum())
    if n in (0, len(found)):
        return float("nan")
    return float((rankdata(x)[found].sum() - n * (n + 1) / 2) / (n * (len(found) - n)))


def shares(x: Floats, found: Bools) -> list[tuple[float, float, int, float]]:
    """Return (low, high, cells, share found) of each bin; NaN in an empty one."""
    bins = []
    for low, high in pairwise(EDGES):
        here = (x >= low) & (x < high)
        bins.append((low, high, int(here.sum()), float(found[here].mean()) if here.any() else float("nan")))
    return bins


def calibration_error(curve: Curve, x: Floats, found: Bools) -> float:
    """Return |P(found) − share found|, the mean over bins weighted by their cells."""
    total = 0.0
    for low, high, n, share in shares(x, found):
        if n:
            total += n * abs(float(curve.probability(x[(x >= low) & (x < high)]).mean()) - share)
    return total / len(x)


def threshold(x: Floats, found_by: dict[str, Bools], probability: float = 0.8) -> float:
    """Return the least x at which at least half of the pipelines find a cell with some probability or more."""
    reached = sorted(Curve.fit(x, found).at(probability) for found in found_by.values())
    return reached[(len(reached) + 1) // 2 - 1]


def split_half_error(x: Floats, found: Bools, seed: NDArray[np.intp]) -> tuple[float, float]:
    """Return the calibration errors of either half of the seeds under the curve that was fitted on the other."""
    halves = [np.isin(seed, np.unique(seed)[start::2]) for start in (0, 1)]
    first, second = (
        calibration_error(Curve.fit(x[fitted], found[fitted]), x[~fitted], found[~fitted]) for fitted in halves
    )
    return first, second
