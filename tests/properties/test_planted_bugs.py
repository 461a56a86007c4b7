"""Hypothesis finds planted bugs in a few examples, and shrinks each to the scene that shows it and nothing else."""

import contextlib
import subprocess
import sys
import warnings

import numpy as np
import planted_bugs
import pytest
from hypothesis import given, settings
from laws import FEW, edited
from planted_bugs import BUGS, breaks

from pytest_calsim import strategies as sims
from pytest_calsim.errors import CalsimWarning, SpecError

CELLS = {"cell_activity", "cell_optics", "place_neurons", "render"}


def found(bug, seed):
    """The smallest spec on which a bug shows, of those found from a seed in a process of its own; or ``None``.

    Hypothesis draws constants of the modules that are imported, too: in one session it would draw other specs than in
    another.
    """
    command = [sys.executable, "-W", "ignore", planted_bugs.__file__, bug, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {}
    exec("from pytest_calsim import *", names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return eval(done.stdout, names)


def n_cells(spec):
    step = spec.step("place_neurons")
    return len(step.sample(spec.acquisition, spec.seed, spec.canvas))


def is_minimal(bug, spec):
    """Whether a spec holds what the bug needs, and nothing else: nothing can be taken away, or be at its default."""
    needs = {"sign flip": {"brain_motion"}, "dtype overflow": {"sensor"}}.get(bug, set())
    least_cells = 0 if bug in ("empty field", "odd width", "sign flip") else 1
    least_frames = 1
    most_changed = 0
    # For a shift in time to show, a cell must fire: one does within some frames, one of three within two, or one field
    # makes it. Of three none can be taken away: a cell's spikes are drawn under its number, so without the first two
    # the third has other spikes.
    if bug == "off by one frame":
        least_cells = 3 if spec.acquisition.n_frames == 2 else 1
        least_frames = 10
        most_changed = 1
    height, width = SMALLEST.get(bug, (8, 8))
    sensor = spec.acquisition.image_sensor
    # Codes above 127 take a wide aperture and a background, or hot pixels and a long exposure, or a black level, or ...
    has_many_ways = bug == "dtype overflow"
    is_the_one = (
        set(spec.kinds) == CELLS | needs
        and spec.acquisition.n_frames <= least_frames
        and n_cells(spec) <= least_cells
        and len(changed_fields(spec)) <= most_changed
    )
    return (
        (is_the_one or has_many_ways)
        and sensor.height_px * sensor.width_px <= height * width
        and not any(breaks(bug, simpler) for simpler in simplifications(spec))
    )


SMALLEST = {"odd width": (8, 9), "chunk seam": (9, 8)}


def changed_fields(spec):
    """Paths of the fields not at their defaults, of those that neither size the movie nor say where things are."""
    acquisition = spec.acquisition
    parts = {
        "acquisition": acquisition,
        "acquisition.optics": acquisition.optics,
        "acquisition.tissue": acquisition.tissue,
        "acquisition.image_sensor": acquisition.image_sensor,
        **{step.kind: step for step in spec.steps if step.kind != "brain_motion"},
    }
    size = {"duration_s", "height_px", "width_px", "image_sensor", "optics", "tissue", "positions_um"}
    return {
        f"{path}.{name}": type(part).model_fields[name].get_default(call_default_factory=True)
        for path, part in parts.items()
        for name, _ in part.__repr_args__()
        if name not in size
    }


def simplifications(spec):
    """Every spec that is simpler in one thing: a frame, row, column, cell, step or changed field less."""
    acquisition = spec.acquisition
    n_frames = acquisition.n_frames
    changes = [{path: default} for path, default in changed_fields(spec).items()]
    for change in changes:
        if "acquisition.fps" in change:  # at another rate, as many frames
            change["acquisition.duration_s"] = n_frames / change["acquisition.fps"]
    if n_frames > 1:
        changes.append({"acquisition.duration_s": (n_frames - 1) / acquisition.fps})
    for side in ("height_px", "width_px"):
        length = getattr(acquisition.image_sensor, side)
        changes += [{f"acquisition.image_sensor.{side}": length - 1}] if length > 8 else []
    at = spec.step("place_neurons").positions_um or ()
    changes += [{"place_neurons.positions_um": at[:i] + at[i + 1 :]} for i in range(len(at))]
    given = spec.step("place_neurons").footprints
    if given is not None:
        changes += [{"place_neurons.footprints": np.delete(given.values, i, 0)} for i in range(len(given.values))]
    for change in changes:
        with contextlib.suppress(SpecError):  # what another field rests on stays
            yield edited(spec, change)
    for kind in set(spec.kinds) - CELLS:
        yield edited(spec, drop=[kind])


@pytest.mark.parametrize("bug", BUGS)
@settings(FEW, max_examples=10)
@given(sims.specs(max_pixels=300, max_frames=4, max_cells=3))
def test_without_its_bug_each_pipeline_keeps_its_promise(bug, spec):
    assert not breaks(bug, spec, planted=False)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_shrunk(bug):
    spec = found(bug, seed=0)
    assert spec is not None
    assert is_minimal(bug, spec), spec


@pytest.mark.slow
def test_planted_bugs_are_found_from_any_seed_and_19_of_20_shrunk():
    specs = {(bug, seed): found(bug, seed) for bug in BUGS for seed in range(1, 6)}
    assert None not in specs.values(), specs
    too_large = {key: spec for key, spec in specs.items() if not is_minimal(key[0], spec)}
    assert len(too_large) <= len(specs) // 20, too_large
