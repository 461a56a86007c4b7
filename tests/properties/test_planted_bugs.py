"""Hypothesis finds planted bugs in a few examples, and shrinks each to the scene that shows it and nothing else."""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample
from laws import FEW
from planted_bugs import BUGS, breaks

from pytest_calsim.testing import strategies as sims

MAX_EXAMPLES = 200
CELLS = {"cell_activity", "cell_optics", "place_neurons", "render"}


def smallest(bug, seed):
    """The smallest spec on which the bug shows, of those found from a seed; ``None`` if none was in 200 examples."""
    settings_ = settings(
        max_examples=MAX_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        return find(sims.specs(), lambda spec: breaks(bug, spec), settings=settings_, random=Random(seed))
    except NoSuchExample:
        return None


def n_cells(spec):
    step = spec.step("place_neurons")
    return len(step.sample(spec.acquisition, spec.seed, spec.canvas))


def is_minimal(bug, spec):
    """Whether a spec holds what the bug needs, and nothing else."""
    needs = {"sign flip": {"brain_motion"}, "dtype overflow": {"sensor"}}.get(bug, set())
    least_cells = 0 if bug in ("empty field", "odd width", "sign flip") else 1
    if bug == "dtype overflow" and spec.step("place_neurons").footprints is not None and n_changed(spec) == 1:
        least_cells = 2  # Codes above 127 take more light: two given footprints on top of each other have it, too.
    # A cell must fire for a shift in time to show, so it takes some frames, or one field that makes it fire sooner.
    least_frames = 10 if bug == "off by one frame" else 1
    height, width = SMALLEST.get(bug, (8, 8))
    sensor = spec.acquisition.image_sensor
    return (
        set(spec.kinds) == CELLS | needs
        and spec.acquisition.n_frames <= least_frames
        and n_cells(spec) <= least_cells
        and sensor.height_px * sensor.width_px <= height * width
        # Codes above 127 take more light, or a longer exposure, or a wider aperture, or ...
        and n_changed(spec) <= (1 if bug in ("dtype overflow", "off by one frame") else 0)
    )


SMALLEST = {"odd width": (8, 9), "chunk seam": (9, 8)}


def n_changed(spec):
    """How many fields are not at their defaults, of those that neither size the movie nor say where things are."""
    acquisition = spec.acquisition
    parts = (acquisition.optics, acquisition.tissue, acquisition.image_sensor)
    steps = [step for step in spec.steps if step.kind != "brain_motion"]
    changed = {name for part in (acquisition, *parts, *steps) for name, _ in part.__repr_args__()}
    return len(changed - {"duration_s", "height_px", "width_px", "image_sensor", "optics", "tissue", "positions_um"})


@pytest.mark.parametrize("bug", BUGS)
@settings(FEW, max_examples=10)
@given(sims.specs(max_pixels=300, max_frames=4, max_cells=3))
def test_without_its_bug_each_pipeline_keeps_its_promise(bug, spec):
    assert not breaks(bug, spec, planted=False)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_shrunk(bug):
    spec = smallest(bug, seed=0)
    assert spec is not None
    assert is_minimal(bug, spec), spec


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_from_any_seed(bug, seed):
    spec = smallest(bug, seed)
    assert spec is not None
    assert is_minimal(bug, spec), spec
