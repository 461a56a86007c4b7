"""Tabulate a failure for an assertion's message: the worst cells, estimates and frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.testing.planted_cells import N_SHOWN, PlantedCells
from pytest_calsim.testing.scorecard import Table
from pytest_calsim.testing.scoring.footprints import FootprintScores
from pytest_calsim.testing.scoring.reasons import why_missed, why_spurious
from pytest_calsim.testing.scoring.shifts import ShiftErrors

__all__ = ["missed_table", "spurious_table", "worst_fits_table", "worst_frames_table"]


def missed_table(scores: FootprintScores, cells: PlantedCells, labels: NDArray[Any]) -> Table:
    """List the cells missed, with the reason for each."""
    # Brightest first: a cell that anything would find, and this did not, tells most.
    snr = cells.columns.get("snr_peak", cells.columns.get("snr", np.zeros(len(cells))))
    missed = scores.missed[np.argsort(-snr[scores.missed], kind="stable")]
    shown = missed[:N_SHOWN].tolist()
    why = [
        why_missed(scores, cell, cells=cells.columns, labels=labels, louder=cells.louder_neighbour(cell))
        for cell in shown
    ]
    return cells.table("cells missed, brightest first", missed, {"why": why})


def spurious_table(scores: FootprintScores, labels: NDArray[Any]) -> Table:
    """List the estimates of no planted cell, with the reason for each."""
    shown = scores.spurious[:N_SHOWN]
    rows = tuple((str(labels[e]), why_spurious(scores, int(e), labels)) for e in shown)
    return Table("estimates that match no planted cell", ("estimate", "why"), rows, len(scores.spurious))


def worst_fits_table(scores: FootprintScores, cells: PlantedCells, labels: NDArray[Any]) -> Table:
    """List the cells found whose footprints fit worst."""
    iou = scores.overlaps.iou[scores.estimate_of[scores.found], scores.found]
    worst = np.argsort(iou, kind="stable")
    found = scores.found[worst]
    columns = {"estimate": labels[scores.estimate_of[found]], "IoU": [f"{v:.2f}" for v in iou[worst]]}
    return cells.table("cells found, worst fit first", found, columns)


def worst_frames_table(errors: ShiftErrors) -> Table:
    """List the frames whose shifts are furthest from the truth."""
    size = np.hypot(*errors.error_px.T)
    worst = np.argsort(-size, kind="stable")[:3]
    rows = tuple((str(f), *(f"{e:+.2f}" for e in errors.error_px[f])) for f in worst)
    return Table("worst frames, error after alignment", ("frame", "height px", "width px"), rows, len(rows))
