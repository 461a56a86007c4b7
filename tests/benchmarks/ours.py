"""pytest-calsim's workloads and its limits: ``ours.py JOB '{"json": "arguments"}'``.

Nothing is imported at the top that a job does not need: start-up is part of what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# By field of view, as minisim's are denser in a small one.
DENSITY_PER_MM3 = {256: 5.3e4, 608: 4.81e4}
# Blur over depth by field of view: minisim's defocus blurs more than ours, and the more the larger the field.
SCATTER_BLUR = {256: 0.062, 608: 0.072}

# What makes miniscope_v4_ca1 show what minisim's V4 x CA1 shows: layer, cell size, blur, clarity, bound of the motion,
# and the number and smoothness of the neuropil's layers. Its counts and areas are printed beside ours.
LIKE_MINISIM = {
    "acquisition.tissue.excitation_attenuation_um": 600,
    "brain_motion.max_shift_um": 15,
    "neuropil.components": [{"correlation_um": 40}] * 3,
}


def scene(side_px: int, frames: int, density_per_mm3: float | None = None) -> Any:
    """Miniscope V4 over CA1 with motion, with as many cells of the same size as minisim's."""
    from pytest_calsim import load_preset

    layer = {"depth_um": 150, "thickness_um": 20, "soma_radius_um": 5, "morphology": "cytosolic"}
    overrides = {
        **LIKE_MINISIM,
        "acquisition.tissue.scatter_blur_fraction": SCATTER_BLUR[side_px],
        "place_neurons.populations": [{**layer, "density_per_mm3": density_per_mm3 or DENSITY_PER_MM3[side_px]}],
        "acquisition.duration_s": frames / 20,
        "acquisition.image_sensor.height_px": side_px,
        "acquisition.image_sensor.width_px": side_px,
    }
    return load_preset("miniscope_v4_ca1", overrides=overrides)


def fixture_spec() -> Any:
    """The same as minisim's fixture: 6 somata on a grid, 50 um deep, 128 x 128 pixels of 1 um, 2 s."""
    from pytest_calsim import Spec

    grid = [(50, y, x) for y in (-45, 45) for x in (-45, 0, 45)]
    optics = {"na": 0.45, "magnification": 8}
    chip = {"height_px": 128, "width_px": 128, "pixel_pitch_um": 8, "quantum_efficiency": 0.7, "read_noise_e": 2}
    tissue = {"excitation_attenuation_um": 600, "scatter_blur_fraction": 0.05}
    return Spec.make(
        {
            "acquisition": {"fps": 20, "duration_s": 2, "optics": optics, "image_sensor": chip, "tissue": tissue},
            "steps": [
                {"kind": "place_neurons", "positions_um": grid, "populations": [{"soma_radius_um": 5}]},
                {"kind": "cell_activity"},
                {"kind": "cell_optics"},
                {"kind": "render"},
                {"kind": "sensor"},
            ],
        }
    )


def preset(path: str) -> dict[str, Any]:
    """Simulate the preset as it is onto the disk."""
    from pytest_calsim import load_preset, simulate

    simulate(load_preset("miniscope_v4_ca1")).save(path, overwrite=True)
    return {}


def movie(path: str, cores: int = 0, **size: Any) -> dict[str, Any]:
    """Simulate the scene onto the disk; ``cores``: on how many of them."""
    if cores:
        os.sched_setaffinity(0, range(cores))
    from pytest_calsim import simulate

    recording, planning = timed(lambda: simulate(scene(**size)))
    _, painting = timed(lambda: recording.save(path, overwrite=True))
    return {**painting, "plan_cpu_s": planning["cpu_s"], "units": recording.truth.n_units}


def fixture() -> dict[str, Any]:
    """The fixture's movie in hand."""
    from pytest_calsim import simulate

    return {"shape": simulate(fixture_spec()).observed.values.shape}


def facts(side_px: int | None = None) -> dict[str, Any]:
    """What is in the picture; of the fixture when no size is given."""
    import numpy as np

    from pytest_calsim import plan
    from pytest_calsim.steps.cells.cell_optics import CellImages
    from pytest_calsim.steps.cells.place_neurons import Cells

    spec = fixture_spec() if side_px is None else scene(side_px, 2)
    planned = plan(spec)
    images: Any = planned.find(CellImages)
    in_view = np.flatnonzero(planned.require(Cells).in_fov).tolist()
    patches = [images.patches.patch(i).values for i in in_view]
    return {
        "cells": len(in_view),
        "footprint_px": float(np.mean([(p > 0.01 * p.max(initial=0)).sum() for p in patches])),
        "effects": sorted(step.kind for step in spec.steps),
        "bit_depth": spec.acquisition.image_sensor.bit_depth,
        "height_px": spec.acquisition.image_sensor.height_px,
        "width_px": spec.acquisition.image_sensor.width_px,
    }


def score(path: str, units: int, everything: bool, dense: bool = False) -> dict[str, Any]:
    """Score the truth itself, displaced by a pixel and with noise: the matching alone, or all that minisim reports."""
    import numpy as np

    from pytest_calsim import (
        Estimate,
        Recording,
        assert_footprints_recovered,
        assert_shifts_recovered,
        assert_spikes_recovered,
        assert_traces_recovered,
        hungarian_match,
    )
    from pytest_calsim.arrays.footprints import SparseFootprints

    recording = Recording.load(path)
    truth = recording.truth
    A = truth.A_observed
    C = truth.C
    S = truth.S
    assert A is not None
    assert C is not None
    assert S is not None
    first = np.flatnonzero(np.diff(A.indptr))[:units]
    chosen = A.select(first)
    (height, width) = A.shape[1:]
    moved = []
    for pixels, values in (chosen.unit(i) for i in range(len(chosen))):
        inside = pixels < (height - 1) * width
        moved.append((pixels[inside] + width, values[inside]))
    found: Any = SparseFootprints.from_units(moved, (height, width))
    found = np.asarray(found) if dense else found
    if not everything:
        match, cost = timed(lambda: hungarian_match(found, chosen, min_score=0.5))
        return {**cost, "matched": len(match), "units": len(chosen)}
    traces = C.values[first] + np.random.default_rng(1).normal(0, 0.1, (len(first), C.shape[1]))
    estimate = Estimate(A=found, C=traces, S=S.values[first], shifts=-np.asarray(truth.shifts), convention="correction")

    # All were displaced by one pixel, which the assertion would refuse.
    def judge() -> int:
        card = assert_footprints_recovered(
            estimate, recording, min_recall=0.01, min_precision=0.01, max_offset_px=2, units="all"
        )
        assert_traces_recovered(estimate, recording, min_pearson=0.01, units="all")
        assert_spikes_recovered(estimate, recording, min_precision=0.01, min_recall=0.01, units="all")
        assert_shifts_recovered(estimate, recording, max_rmse_px=1, convention="correction")
        return int(card.facts["n_estimates"])

    n_estimates, cost = timed(judge)
    return {**cost, "matched": n_estimates, "units": len(A)}


def sensor_pass(frames: int) -> dict[str, Any]:
    """The sensor on frames of the scene, one thread."""
    from pytest_calsim import plan
    from pytest_calsim.simulation.fusion import fuse

    made = plan(scene(608, 2))
    light = made.paint(0, 1, until="leakage")
    (sensor,) = fuse([made.pixel_artifacts["sensor"]], made.canvas)
    sensor.run(light, 0, dark=False)
    _, cost = timed(lambda: [sensor.run(light, frame, dark=False) for frame in range(frames)])
    return {**cost, "pixels": frames * light.size}


def normals(frames: int) -> dict[str, Any]:
    """One float32 standard normal per pixel, drawn by numpy, one thread."""
    import numpy as np

    rng = np.random.Generator(np.random.SFC64(1))
    frame = np.empty((608, 608), np.float32)
    rng.standard_normal(out=frame, dtype=np.float32)
    _, cost = timed(lambda: [rng.standard_normal(out=frame, dtype=np.float32) for _ in range(frames)])
    return {**cost, "pixels": frames * frame.size}


def memory_pass(frames: int) -> dict[str, Any]:
    """One copy of as many float32 pixels, from memory to memory, one thread."""
    import numpy as np

    source = np.ones((frames, 608, 608), np.float32)
    target = np.zeros_like(source)
    _, cost = timed(lambda: np.copyto(target, source))
    return {**cost, "pixels": source.size}


def tiny(cache: str) -> dict[str, Any]:
    """The preset ``tiny`` in hand, as the plugin's fixtures get it, and once more in the same session."""
    from pathlib import Path

    from pytest_calsim import load_preset
    from pytest_calsim.recording.cache import RecordingCache

    recordings = RecordingCache(Path(cache))
    shape = recordings.get(load_preset("tiny")).observed.values.shape
    _, again = timed(lambda: recordings.get(load_preset("tiny")))
    return {"shape": shape, "again_ms": 1000 * again["wall_s"]}


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """A call's result, and its wall and CPU time."""
    wall = time.perf_counter()
    cpu = time.process_time()
    result = call()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


JOBS = {job.__name__: job for job in (preset, movie, fixture, facts, score, sensor_pass, normals, memory_pass, tiny)}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
