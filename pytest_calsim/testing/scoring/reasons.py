"""Give the reason why a cell was missed, or an estimate matches none, for the messages of failed assertions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.testing.scoring.footprints import FootprintScores

__all__ = ["why_missed", "why_spurious"]

# Below it, pipelines find less than four in five cells (docs/physics.md).
_SMALL_PEAK = 6.0
# Below it the cell is not detectable: a copy of the rule's bound, as simulation takes long to import.
_TOO_SMALL_PEAK = 4.85
# A mask lies in another when at least half of it does.
_HALF = 0.5
# An estimate fits a cell, and no more, when this share of it lies in that cell.
_WITHIN = 0.8
# Below this overlap two masks have nothing to do with one another.
_TOUCHING = 0.1


def why_missed(
    scores: FootprintScores,
    cell: int,
    *,
    cells: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    louder: int | None = None,
) -> str:
    """Say why a counted cell was not found, in a few words.

    Parameters
    ----------
    scores
        The matching of estimates with planted cells.
    cell
        Unit id of the planted cell.
    cells
        Columns of the truth's table of cells; reasons that need a missing column are not given.
    labels
        Name of each estimate.
    louder
        A neighbour that outshines the cell.
    """
    if scores.overlaps.true_area[cell] == 0:
        return "outside the estimate's frames, or without an image"
    facts = ", ".join(_facts(cell, cells, louder))
    merged, below = _under_others(scores, cell, labels)
    if merged:
        return merged
    iou = scores.overlaps.iou[:, cell]
    # Estimates of no other cell, that fit this one better than any.
    own = np.flatnonzero((scores.cell_of < 0) & (iou >= _TOUCHING) & (iou == scores.overlaps.iou.max(axis=1)))
    pieces = [str(labels[e]) for e in own if scores.overlaps.of_est[e, cell] >= _HALF]
    if len(pieces) > 1:
        return f"split into estimates {', '.join(pieces[:-1])} and {pieces[-1]}"
    if len(own):
        best = own[iou[own].argmax()]
        size = scores.overlaps.est_area[best] / scores.overlaps.true_area[cell]
        fit = f"estimate {labels[best]} fits badly: IoU {iou[best]:.2f}, {size:.1f} times its area"
        return f"{fit}; {facts}" if facts else fit
    if below:
        return below
    return f"no estimate there: {facts}" if facts else "no estimate there"


def _under_others(scores: FootprintScores, cell: int, labels: NDArray[Any]) -> tuple[str, str]:
    """Say of the estimates that hold a cell whether one merges it with another, and whether one is another's alone.

    Either is empty where it is not so. Estimates that hold most of the cell come first.
    """
    held = scores.overlaps.of_true[:, cell]
    holders = np.flatnonzero(held >= _HALF)
    below = ""
    for e in holders[np.argsort(-held[holders], kind="stable")].tolist():
        other = _other_in(scores, e, cell)
        if other is None:
            continue
        if scores.overlaps.of_est[e, other] < _WITHIN:
            return f"merged with unit {other} in estimate {labels[e]}", below
        below = below or f"lies with unit {other} under estimate {labels[e]}, which fits that one"
    return "", below


def _other_in(scores: FootprintScores, est: int, cell: int) -> int | None:
    """Find the other cell that an estimate stands for, or holds at least half of."""
    if scores.cell_of[est] >= 0:
        return int(scores.cell_of[est])
    held = np.where(scores.counted, scores.overlaps.of_true[est], 0.0)
    held[cell] = 0.0
    return int(held.argmax()) if held.max() >= _HALF else None


def why_spurious(scores: FootprintScores, est: int, labels: NDArray[Any]) -> str:
    """Say why an estimate matches no planted cell, in a few words; ``labels`` names the estimates."""
    iou = scores.overlaps.iou[est]
    of_est = scores.overlaps.of_est[est]
    of_true = scores.overlaps.of_true[est]
    if not iou.size or iou.max() == 0:
        return "no planted cell there"
    held = np.flatnonzero(scores.counted & (of_true >= _HALF))
    if len(held) > 1:
        return f"merges units {', '.join(map(str, held[:-1]))} and {held[-1]}"
    best = int(iou.argmax())
    twin = scores.estimate_of[best]
    if twin >= 0 and of_est[best] >= _HALF:
        return f"duplicate of estimate {labels[twin]} on unit {best} (IoU {iou[best]:.2f})"
    if iou[best] < _TOUCHING:
        return f"hardly touches a planted cell (best IoU {iou[best]:.2f}, unit {best})"
    size = scores.overlaps.est_area[est] / scores.overlaps.true_area[best]
    return f"fits unit {best} badly: IoU {iou[best]:.2f}, {size:.1f} times its area"


def _facts(cell: int, cells: Mapping[str, NDArray[Any]], louder: int | None) -> list[str]:
    """List what makes a cell hard to see."""
    facts: list[str] = []
    if "n_spikes" in cells and cells["n_spikes"][cell] == 0:
        facts.append("never fired")
    if "snr_peak" in cells and cells["snr_peak"][cell] < _SMALL_PEAK:
        peak = cells["snr_peak"][cell]
        facts.append(f"largest transient {'too ' if peak < _TOO_SMALL_PEAK else ''}small: snr_peak {peak:.1f}")
    if "unsaturated_fraction" in cells and cells["unsaturated_fraction"][cell] <= _HALF:
        facts.append(f"saturated ({100 * (1 - cells['unsaturated_fraction'][cell]):.0f} % of its image)")
    if louder is not None:
        facts.append(f"under a louder neighbour, unit {louder}")
    if "soma_in_focus" in cells and "defocus_um" in cells and not cells["soma_in_focus"][cell]:
        facts.append(f"out of focus (by {abs(cells['defocus_um'][cell]):.0f} µm)")
    if "fov_fraction" in cells and cells["fov_fraction"][cell] < 0.9:
        facts.append(f"at the edge ({100 * cells['fov_fraction'][cell]:.0f} % in view)")
    if "shown_fraction" in cells and cells["shown_fraction"][cell] < 0.9:
        facts.append(f"carried out of view by motion ({100 * cells['shown_fraction'][cell]:.0f} % in every frame)")
    return facts
