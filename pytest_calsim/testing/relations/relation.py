"""State the relations that hold for every pipeline that finds cells: a change of the movie, and its effect on results.

Each says its physical reason. What the movies differ in decides the tolerance: in nothing but where the same photons
lie, or also in their noise.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_calsim.recording.counterfactual import exchanged, with_cell
from pytest_calsim.recording.exports.movie import blocks_of
from pytest_calsim.spec.spec import Spec
from pytest_calsim.testing.relations.assertions import assert_equivariant, assert_invariant, assert_monotone
from pytest_calsim.testing.relations.clause import Change, NotApplicableError, Trial, made
from pytest_calsim.testing.relations.outcome import Outcome
from pytest_calsim.testing.relations.tolerance import Tolerance

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["RELATIONS", "Relation", "brighter"]

_SHIFT_PX = (3, -4)
_FAR_PX = 12.0
_BRIGHT = 3.0
_SPAN = 40_000
_MIDDLE = 2**15


@dataclass(frozen=True)
class Relation:
    """A change of the movie, and what it must do to what a pipeline finds.

    Attributes
    ----------
    name
        What is changed, in a word or two.
    reason
        Why it must be so.
    change
        Makes the changed recording.
    effect
        ``"none"``: the same cells, pixels and traces. ``"moved"``: the same, moved as the pixels were. ``"no worse"``:
        no cell is lost, and no trace is worse.
    tolerance
        How far the results may differ, from the baseline: the movies' differences apart from the change decide.
    moved_px
        How far the tissue lies from where it was (rows, columns), px.
    workers
        With how many workers the changed recording is analysed; ``None``: the pipeline decides.
    """

    name: str
    reason: str
    change: Change
    effect: Literal["none", "moved", "no worse"] = "none"
    tolerance: Callable[[Recording], Tolerance] = Tolerance.same_noise
    moved_px: tuple[int, int] = (0, 0)
    workers: int | None = None

    def __str__(self) -> str:
        return self.name

    def check(self, trial: Trial) -> Scorecard:
        """Run the pipeline on both recordings, and compare.

        Raises
        ------
        NotApplicableError
            When the change says nothing of this recording or pipeline.
        RecoveryError
            When the relation does not hold.
        """
        if self.workers is not None and "workers" not in inspect.signature(trial.run).parameters:
            raise NotApplicableError("the pipeline has no parameter 'workers'")
        changed_recording = made(self.change, trial)
        baseline = trial.baseline()
        changed = Outcome.of(trial.run, changed_recording, workers=self.workers)
        tolerance = self.tolerance(baseline.recording)
        if self.effect == "moved":
            return assert_equivariant(baseline, changed, tolerance, moved_px=self.moved_px)
        if self.effect == "no worse":
            return assert_monotone([baseline, changed], tolerance)
        return assert_invariant(baseline, changed, tolerance)


def _unchanged(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return recording


def _scaled(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    """Spread the codes over the middle of 16 bits, about the largest signed number; what has no codes is doubled."""
    if recording.frames.dtype.kind == "f":
        return recording.transformed(gain=2, offset=1)
    blocks = list(blocks_of(recording.frames, label="range of codes", block_frames=64))
    low = min(int(block.min()) for block in blocks)
    high = max(int(block.max()) for block in blocks)
    gain = _SPAN // max(high - low, 1)
    if gain < 1:
        raise NotApplicableError(f"codes from {low} to {high} leave no room for a gain in 16 bits")
    return recording.transformed(gain=gain, offset=_MIDDLE - gain * (low + high) // 2, dtype="uint16")


def _as_float(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return recording.transformed(dtype="float32")


def _transposed(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return recording.transformed(transpose=True)


def _mirrored(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return recording.transformed(mirror="height")


def _cropped(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    """Cut an odd number of rows and columns off, unlike at each side, but no more than a twelfth."""
    _, height, width = recording.frames.shape
    rows = min(3, height // 12)
    columns = min(5, width // 12)
    return recording.transformed(crop=(slice(rows, None), slice(0, width - columns)))


def _chunked(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    """Cut it into chunks that divide no axis."""
    if importlib.util.find_spec("dask") is None:
        raise NotApplicableError("dask is not installed (pip install 'pytest-calsim[dask]')")
    frames, height, width = recording.frames.shape
    chunks = {"frame": frames // 3 + 1, "height": height // 2 + 1, "width": width // 2 + 1}
    return recording.transformed(chunks=chunks)


def _twice_as_long(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    spec = recording.spec
    motion = next((step for step in spec.steps if step.kind == "brain_motion"), None)
    if getattr(motion, "trajectory_um", None) is not None:
        raise NotApplicableError("a given trajectory has no longer course")
    return record(spec.edit({"acquisition.duration_s": 2 * spec.acquisition.duration_s}))


def brighter(spec: Spec, times: float) -> Spec:
    """Return the spec with more light, on a chip that holds as many more electrons and gives the same codes.

    Raises
    ------
    NotApplicableError
        Without a sensor.
    """
    if "sensor" not in spec.kinds:
        raise NotApplicableError("there are no photons: the spec has no 'sensor'")
    chip = spec.acquisition.image_sensor
    sensor: Any = spec.step("sensor")
    return spec.edit(
        {
            "sensor.photon_rate_per_s_um2": times * sensor.photon_rate_per_s_um2,
            "acquisition.image_sensor.full_well_e": times * chip.full_well_e,
            "acquisition.image_sensor.gain_adu_per_e": chip.gain_adu_per_e / times,
        }
    )


def _more_light(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return record(brighter(recording.spec, 2.0))


def _far_cell(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    """Plant one more cell, a bright one, where it is farthest from all others, in view."""
    canvas = recording.spec.canvas
    truth = recording.truth
    if not truth.n_units:
        raise NotApplicableError("there is no cell to add one to")
    y = truth["y_um"].values
    x = truth["x_um"].values
    margin = canvas.margin_px
    inner_y = canvas.y_um[margin + 4 : len(canvas.y_um) - margin - 4]
    inner_x = canvas.x_um[margin + 4 : len(canvas.x_um) - margin - 4]
    apart = np.min(np.hypot(inner_y[:, None, None] - y, inner_x[None, :, None] - x), axis=-1)
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    if apart[row, column] < _FAR_PX * canvas.pixel_size_um:
        raise NotApplicableError("cells lie so densely that none is far from all others")
    depth = float(np.median(truth["depth_um"].values))
    return with_cell(recording, (depth, float(inner_y[row]), float(inner_x[column])), brighter=_BRIGHT)


def _exchanged(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    if np.count_nonzero(recording.truth["in_fov"].values) < 2:
        raise NotApplicableError("there are no two cells in view to change places")
    return exchanged(recording)


def _shifted(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    spec = recording.spec
    if "brain_motion" in spec.kinds:
        raise NotApplicableError("the tissue moves already")
    pixel_um = spec.acquisition.pixel_size_um
    shift = tuple(px * pixel_um for px in _SHIFT_PX)
    end_s = spec.acquisition.n_frames / spec.acquisition.fps
    motion = {
        "kind": "brain_motion",
        "trajectory_um": [shift, shift],
        "trajectory_time_s": [0.0, end_s],
        "max_shift_um": math.hypot(*shift),
    }
    return record(spec.edit(add=[motion]))


RELATIONS = (
    Relation(
        "repeated",
        "The same movie holds the same cells: a result that changes from run to run tells nothing of a movie.",
        _unchanged,
    ),
    Relation(
        "gain and offset",
        "The converter's gain and black level are arbitrary: codes that fill 16 bits, from another zero, show the same "
        "light.",
        _scaled,
    ),
    Relation(
        "as float32",
        "The type of the pixels is no property of the light: the same codes in wider numbers are the same movie.",
        _as_float,
    ),
    Relation(
        "transposed",
        "Optics and tissue do not know which axis of the sensor is called its height.",
        _transposed,
        effect="moved",
    ),
    Relation(
        "mirrored",
        "A mirror in the light path changes no cell, and neither does the order in which rows are read out.",
        _mirrored,
        effect="moved",
    ),
    Relation(
        "cropped",
        "A cell far from the new edge sends the same light into the same pixels, whatever else the sensor shows.",
        _cropped,
        effect="moved",
        tolerance=Tolerance.new_edges,
    ),
    Relation(
        "other chunks",
        "How a movie is cut into blocks for computing is no property of the movie.",
        _chunked,
    ),
    Relation(
        "one worker",
        "How many processors share the work is no property of the movie.",
        _unchanged,
        workers=1,
    ),
    Relation(
        "three workers",
        "How many processors share the work is no property of the movie.",
        _unchanged,
        workers=3,
    ),
    Relation(
        "twice as long",
        "What happens later changes nothing of what was seen before; more transients make a cell easier to find.",
        _twice_as_long,
        effect="no worse",
        tolerance=Tolerance.other_noise,
    ),
    Relation(
        "one more cell, far away",
        "A cell whose light does not reach another's pixels tells nothing of it.",
        _far_cell,
        tolerance=Tolerance.other_noise,
    ),
    Relation(
        "twice the light",
        "Shot noise falls with the root of the light: whoever sees a cell in the dark sees it in the light.",
        _more_light,
        effect="no worse",
        tolerance=Tolerance.other_noise,
    ),
    Relation(
        "shifted tissue",
        "Tissue that lies elsewhere under the same optics, and keeps still there, has its cells there.",
        _shifted,
        effect="moved",
        tolerance=Tolerance.other_noise,
        moved_px=_SHIFT_PX,
    ),
    Relation(
        "cells in another order",
        "A cell's activity is its own: where it lies, what glows there, and which comes first tell nothing of it.",
        _exchanged,
        tolerance=Tolerance.other_places,
    ),
)
"""Relations that hold for every pipeline that finds cells."""
