"""minisim's workloads, run by minisim's own Python: ``peer.py JOB '{"json": "arguments"}'``. Uses its public names."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

# What its steps are called in pytest-calsim.
NAMES = {"optics": "cell_optics", "composite": "render", "illumination_profile": "illumination"}


def scene(side_px: int, frames: int) -> Any:
    """Miniscope V4 over CA1 with motion, as it comes."""
    from minisim import BrainMotion, build_spec
    from minisim.presets import ca1, miniscope_v4

    scope = miniscope_v4()
    chip = scope.image_sensor.model_copy(update={"n_px_height": side_px, "n_px_width": side_px})
    scope = scope.model_copy(update={"image_sensor": chip})
    return build_spec(scope, ca1(), fps=20.0, duration_s=frames / 20, seed=42, extra_steps=[BrainMotion()])


def movie(side_px: int, frames: int) -> dict[str, Any]:
    """Simulate it, in memory."""
    from minisim import simulate

    return {"shape": simulate(scene(side_px, frames)).observed.shape}


def fixture() -> dict[str, Any]:
    """Its one-call test fixture with every default."""
    from minisim.testing import make_recording

    return {"shape": make_recording().observed.shape}


def facts(side_px: int | None = None) -> dict[str, Any]:
    """What is in the picture; of the fixture when no size is given."""
    import numpy as np
    from minisim import simulate
    from minisim.footprint import degrade_footprint
    from minisim.testing import make_recording

    recording = make_recording() if side_px is None else simulate(scene(side_px, 2))
    truth = recording.ground_truth
    areas = []
    for i, planted in enumerate(truth.planted):
        image = degrade_footprint(planted, float(truth.observed_sigma_px[i]), float(truth.observed_gain[i])).patch
        areas.append(int((image > 0.01 * image.max()).sum()))
    return {
        "cells": truth.n_units,
        "footprint_px": float(np.mean(areas)),
        "effects": sorted(NAMES.get(step.kind, step.kind) for step in recording.spec.steps),
        "bit_depth": recording.spec.acquisition.image_sensor.bit_depth,
        "height_px": recording.observed.shape[1],
        "width_px": recording.observed.shape[2],
    }


def prepare(path: str, frames: int) -> dict[str, Any]:
    """Keep a recording for the scoring jobs."""
    from minisim import simulate

    simulate(scene(608, frames)).save(path)
    return {}


def score(path: str, units: int, everything: bool) -> dict[str, Any]:
    """Score the truth itself, displaced by a pixel and with noise: the matching alone, or the whole report."""
    import numpy as np
    from minisim import Recording, hungarian_match
    from minisim.testing import Estimate
    from minisim.testing import score as report

    whole = Recording.load(path).ground_truth
    first = np.arange(whole.n_units) < units
    truth = whole.model_copy(update={"detectable": first}).detectable_subset()
    rng = np.random.default_rng(1)
    estimate = Estimate(
        A=np.roll(truth.A_observed, 1, axis=1),
        C=truth.C + rng.normal(0, 0.1, truth.C.shape),
        S=truth.S,
        shifts=-truth.shifts,
    )
    if everything:
        made, cost = timed(lambda: report(estimate, truth, restrict_to_detectable=False))
        return {**cost, "matched": made.n_matched, "units": made.n_true}
    match, cost = timed(lambda: hungarian_match(estimate.A, truth.A_observed))
    return {**cost, "matched": len(match.matched_pairs()), "units": match.n_true}


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """A call's result, and its wall and CPU time."""
    wall = time.perf_counter()
    cpu = time.process_time()
    result = call()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


JOBS = {job.__name__: job for job in (movie, fixture, facts, prepare, score)}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
