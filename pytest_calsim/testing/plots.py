"""Draw an estimate with the truth: the overlay of a failed test, and a report of one page."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError, as_path
from pytest_calsim.recording.exports.movie import published
from pytest_calsim.recording.extras import require
from pytest_calsim.recording.plots.courses import draw_shift_errors
from pytest_calsim.recording.plots.style import TITLE_PAD_INCH
from pytest_calsim.recording.plots.truth_comparison import TruthComparison
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import Evaluation, check_recording, compare, comparison_of
from pytest_calsim.testing.frame_of_reference import FootprintShift, true_displacements
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.planted_cells import Units
from pytest_calsim.testing.score import Scores, scores_of
from pytest_calsim.testing.scorecard import Scorecard, Table
from pytest_calsim.testing.scoring.traces import trace_pearson
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["save_overlay", "save_report"]

_N_WORST = 8

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem; }
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
section { min-width: 0; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
img { background: white; height: auto; max-width: 100%; }
div.table { overflow-x: auto; }
table { border-collapse: collapse; margin: .3rem 0 1rem; }
tr { border-bottom: 1px solid #8886; }
td, th { padding: .15rem .7rem .15rem 0; text-align: left; vertical-align: top; }
td:not(:last-child), th { white-space: nowrap; }
@media (max-width: 40rem) {
  table.numbers { width: 100%; }
  table.numbers tr { display: grid; grid-template-columns: 1fr auto; }
  table.numbers td:empty { display: none; }
  table.numbers td:nth-child(3) { grid-column: 1 / -1; opacity: .8; }
}
"""


@short_traceback
def save_overlay(path: str | PathLike[str], estimate: Estimate | FootprintsLike | None, recording: Recording) -> None:
    """Save the outlines of planted and estimated cells over the maximum projection, as a PNG. Needs matplotlib.

    Parameters
    ----------
    path
        The PNG; what is there is replaced.
    estimate
        What was found, or footprints in any form. ``None``, or without footprints: the planted cells alone. Where its
        frame of reference cannot be known, because its shifts are wrong, it is drawn where it lies.
    recording
        The recording it was found in. One without cells is shown without outlines.

    Raises
    ------
    EstimateError
        When footprints cannot be read, or the recording is none.
    MissingExtraError
        Without matplotlib.
    StoreError
        When it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> path = Path(tempfile.mkdtemp()) / "overlay.png"
    >>> save_overlay(path, Estimate(A=recording.truth.A_observed), recording)
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_recording(recording)
    if estimate is not None and not isinstance(estimate, Estimate):
        estimate = Estimate(estimate, image_shape=recording.frames.shape[1:])
    if recording.truth.A_observed is None:
        png = _png((6.0, 6.4), lambda ax: recording.plot.max_projection(ax=ax))
    else:
        comparison = None if estimate is None or estimate.A is None else _drawable(estimate, recording)
        png = _png((6.0, 6.4), lambda ax: recording.plot.contours(comparison, ax=ax))
    with published(as_path(path), overwrite=True) as partial:
        partial.write_bytes(png)


def _drawable(estimate: Estimate, recording: Recording) -> TruthComparison | None:
    """Match an estimate as well as it can be: the overlay of a failed test is not to fail as well."""
    try:
        return compare(estimate, recording)
    except EstimateError:
        with suppress(EstimateError):
            return compare(estimate, recording, footprint_shift=None, units="all")
    return None


@short_traceback
def save_report(
    path: str | PathLike[str],
    estimate: Estimate | FootprintsLike,
    recording: Recording,
    *,
    min_iou: float = 0.5,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
    overwrite: bool = False,
) -> Scores:
    """Save one page about an estimate: outlines, worst traces, shifts, and every number. Needs matplotlib.

    Parameters
    ----------
    path
        The page, ``NAME.html``; pictures are inside.
    estimate, recording, min_iou, units, footprint_shift
        As in :func:`~pytest_calsim.score`.
    overwrite
        Replace a file that is there.

    Returns
    -------
    Scores
        The numbers on the page.

    Raises
    ------
    EstimateError
        As :func:`~pytest_calsim.score` does.
    MissingExtraError
        Without matplotlib.
    StoreError
        When there is a file already, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> scores = save_report(Path(tempfile.mkdtemp()) / "report.html", recording.truth.A_observed, recording)
    >>> scores.as_dict()["footprints.recall"]
    1.0
    """
    # Around it all, so that a name that is taken is refused before anything is scored.
    with published(as_path(path), overwrite=overwrite) as partial:
        of = Evaluation.of(estimate, recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
        scores = scores_of(of)
        parts = [*_drawings(recording, comparison_of(of)), *map(_card, scores.cards), *_skipped(scores)]
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>What was recovered</title><style>{_STYLE}</style></head><body><h1>What was recovered</h1>"
            f"<p>{escape(str(recording.spec.acquisition))}; seed {recording.spec.seed}, "
            f"key {recording.spec.key()[:12]}</p><main>{''.join(parts)}</main></body></html>\n"
        )
        partial.write_text(page, "utf-8")
    return scores


def _drawings(recording: Recording, comparison: TruthComparison) -> Iterator[str]:
    """Draw what the estimate has."""
    plot = recording.plot
    fps = recording.spec.acquisition.fps
    if comparison.footprints is not None:
        yield _section("Outlines", (6.0, 6.4), lambda ax: plot.contours(comparison, ax=ax))
        if "snr" in recording.truth:
            yield _section("Found, by signal", (6.0, 4.6), lambda ax: plot.detection_curve(comparison, ax=ax))
    worst = _worst_traces(recording, comparison)
    if len(worst):
        size = (7.5, 1.2 + 0.6 * len(worst))
        yield _section("Worst traces of the cells found", size, lambda ax: plot.traces(worst, comparison, ax=ax))
    if comparison.shifts is not None and recording.truth.shifts is not None:
        true = true_displacements(recording)
        yield _section("Shifts", (7.5, 3.8), lambda ax: plot.shifts(comparison, ax=ax))
        yield _section("Error of the shifts", (7.5, 3.0), lambda ax: draw_shift_errors(ax, true, fps, comparison))


def _worst_traces(recording: Recording, comparison: TruthComparison) -> NDArray[np.intp]:
    """Return the planted cells found whose traces follow the truth worst; none without traces."""
    cells = comparison.found
    if comparison.C is None:
        return cells[:0]
    true = recording.truth["C"].values[cells].astype(np.float64)
    pearson = trace_pearson(comparison.C[comparison.estimate_of[cells]], true)
    return cells[np.argsort(pearson, kind="stable")[:_N_WORST]]


def _section(title: str, size: tuple[float, float], draw: Callable[[Any], object]) -> str:
    source = b64encode(_png(size, draw)).decode()
    heading = escape(title)
    return f'<section><h2>{heading}</h2><img alt="{heading}" src="data:image/png;base64,{source}"></section>'


def _png(size: tuple[float, float], draw: Callable[[Any], object]) -> bytes:
    """Make a figure without pyplot, so that no window opens and pyplot's state stays as it is."""
    figure = require("matplotlib.figure", "plot", "plotting").Figure(figsize=size, layout="constrained", dpi=110)
    figure.get_layout_engine().set(h_pad=TITLE_PAD_INCH)
    draw(figure.add_subplot())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _card(card: Scorecard) -> str:
    """Lay out one scorecard: numbers, notes, tables."""
    rows = [(check.name, f"{check.value:.3g}", check.words) for check in card.checks]
    rows += [(name, f"{fact:.3g}" if isinstance(fact, float) else str(fact), "") for name, fact in card.facts.items()]
    numbers = Table("", ("", "", ""), tuple(rows), len(rows))
    notes = "".join(f"<p>{escape(note)}</p>" for note in card.notes)
    tables = _table(numbers, "numbers") + "".join(map(_table, card.tables))
    return f"<section><h2>{escape(card.assertion.capitalize())}</h2>{notes}{tables}</section>"


def _table(table: Table, kind: str = "cells") -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    head = line(table.columns, "th") if any(table.columns) else ""
    left = table.total - len(table.rows)
    more = f"<p>... and {left} more</p>" if left else ""
    title = f"<p>{escape(table.title)}</p>" if table.title else ""
    body = "".join(line(row, "td") for row in table.rows)
    return f'{title}<div class="table"><table class="{kind}">{head}{body}</table></div>{more}'


def _skipped(scores: Scores) -> Iterator[str]:
    for name, reason in scores.skipped.items():
        yield f"<section><h2>{escape(name.capitalize())}</h2><p>not scored: {escape(reason)}</p></section>"
