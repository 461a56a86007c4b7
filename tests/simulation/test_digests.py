"""Bits of small recordings, one per group of steps, and of whole movies, as when ``SIM_VERSION`` was last raised.

They are the same on every processor and system, with every compiler and every version of numpy. When they change on
purpose: raise ``SIM_VERSION`` in ``pytest_calsim/spec/versions.py`` (or the ``version`` of the step that changed), and
write them anew with

    python tests/simulation/test_digests.py
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_calsim.kernels import library
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.spec.spec import Spec
from pytest_calsim.spec.versions import SIM_VERSION

DIGESTS = Path(__file__).parent / "data" / "digests.json"
ON_PURPOSE = "if that is on purpose, raise SIM_VERSION and run: python tests/simulation/test_digests.py"

LAYER = {"density_per_mm3": 1.5e5, "depth_um": 60, "thickness_um": 20}
CELLS = {
    "place_neurons": {"populations": [LAYER]},
    "cell_activity": {"mean_quiescent_s": 0.5},
    "cell_optics": {},
    "render": {},
    "sensor": {},
}
NOISY_CHIP = {
    "dark_current_e_per_s": 500,
    "prnu_fraction": 0.03,
    "dsnu_adu": 3,
    "row_noise_adu": 2,
    "hot_pixel_fraction": 0.01,
    "bit_depth": 10,
}

RECORDINGS = {
    "light": {"illumination": {}, "vignette": {"exponent": 3}, "leakage": {"level": 1, "center_x_um": 5}, "sensor": {}},
    "sensor": {"chip": NOISY_CHIP, "leakage": {"level": 0.2}, "sensor": {"photon_rate_per_s_um2": 14600}},
    "cells": {
        **CELLS,
        "place_neurons": {"populations": [LAYER, {**LAYER, "morphology": "cytosolic", "depth_um": 200}]},
        "cell_activity": {"mean_quiescent_s": 0.5, "saturation": {}, "refractory_s": 0.005, "indicator": "gcamp8m"},
        "illumination": {},
        "bleaching": {"lifetime_s": 2, "fast_fraction": 0.2, "fast_lifetime_s": 1, "turnover_s": 60, "spread": 0.3},
    },
    "unlike_cells": {
        **CELLS,
        "place_neurons": {
            "populations": [
                {**LAYER, "irregularity": 0.4, "nucleus_fraction": 0.6},
                {**LAYER, "morphology": "cytosolic", "n_dendrites": 2, "dendrite_length_um": 30, "depth_um": 90},
            ]
        },
        "cell_activity": {"dff_spread": 0.5, "kinetics_spread": 0.3, "refractory_s": 0.003},
        "assemblies": {"event_rate_hz": 1.0},
        "background_cells": {"populations": [{**LAYER, "depth_um": 150}]},
    },
    "background": {
        **CELLS,
        "background_cells": {"populations": [{**LAYER, "depth_um": 150}, {**LAYER, "depth_um": 400}]},
        "neuropil": {"local": {"density_per_mm2": 200}},
        "illumination": {},
        "bleaching": {"lifetime_s": 2, "turnover_s": 60},
    },
    "tissue": {**CELLS, "neuropil": {}, "vasculature": {"min_radius_um": 2}},
    "motion": {
        **CELLS,
        "place_neurons": {"populations": [{**LAYER, "morphology": "bead", "brightness": 20}]},
        "brain_motion": {"max_shift_um": 3, "oscillator": {}, "jumps": {"rate_hz": 20}},
    },
    "target_snr": {**CELLS, "place_neurons": {"populations": [{**LAYER, "snr": 8}]}, "neuropil": {"level": 2}},
}

# A difference in one of 10^7 pixels shows in whole movies only.
MOVIES = ("tiny", "static", "moving", "miniscope_v4_ca1")
MOVIE_FRAMES = 600
BLOCK_FRAMES = 60


def recording(name):
    steps = dict(RECORDINGS[name])
    chip = {"height_px": 40, "width_px": 48, **steps.pop("chip", {})}
    return simulate(
        Spec.make(
            {
                "acquisition": {"duration_s": 0.4, "image_sensor": chip},
                "steps": [{"kind": kind, **fields} for kind, fields in steps.items()],
                "seed": 12,
            }
        )
    )


def digest(array):
    """SHA-256 of an array: whole numbers as they are, others to five digits behind the first."""
    array = np.asarray(array)
    text = array if array.dtype.kind in "iub" else np.char.mod("%.5e", array + 0.0)
    return hashlib.sha256(f"{array.shape}".encode() + np.ascontiguousarray(text).tobytes()).hexdigest()


def digests(found):
    arrays = {"observed": found.observed.values}
    for name, value in found.truth.arrays.items():
        parts = ("data", "indices", "indptr") if hasattr(value, "indptr") else ("values",)
        arrays.update({f"{name}.{part}": getattr(value, part) for part in parts})
    return {name: digest(array) for name, array in sorted(arrays.items())}


def movie_digest(preset):
    """SHA-256 of a preset's movie of 600 frames."""
    duration_s = MOVIE_FRAMES / load_preset(preset).acquisition.fps
    movie = simulate(load_preset(preset, overrides={"acquisition.duration_s": duration_s})).observed
    assert len(movie) == MOVIE_FRAMES
    hashed = hashlib.sha256()
    for start in range(0, MOVIE_FRAMES, BLOCK_FRAMES):
        hashed.update(movie[start : start + BLOCK_FRAMES].values.tobytes())
    return hashed.hexdigest()


@pytest.fixture(scope="module")
def stored():
    return json.loads(DIGESTS.read_text("utf-8"))


def test_the_bits_are_those_of_this_version(stored):
    assert stored["SIM_VERSION"] == SIM_VERSION, "SIM_VERSION was raised: run python tests/simulation/test_digests.py"
    assert sorted(stored["recordings"]) == sorted(RECORDINGS), "run python tests/simulation/test_digests.py"
    assert sorted(stored["movies"]) == sorted(MOVIES), "run python tests/simulation/test_digests.py"


@pytest.mark.parametrize("name", RECORDINGS)
def test_bits(name, stored):
    now = digests(recording(name))
    then = stored["recordings"][name]
    changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    assert not changed, f"the bits of {', '.join(changed)} have changed; {ON_PURPOSE}"


@pytest.mark.parametrize("level", ["v2", "v3", "v4"])
def test_every_processor_level_gives_the_same_bits(level):
    """Without numpy's vectors and with another BLAS core type, too, as old processors have neither."""
    check_in_child(
        level,
        "--check",
        NPY_DISABLE_CPU_FEATURES=_cpu_features() if level == "v2" else "",
        OPENBLAS_CORETYPE="Prescott" if level == "v2" else "Haswell",
    )


@pytest.mark.slow
@pytest.mark.parametrize("level", ["v2", "v3", "v4"])
def test_every_processor_level_gives_the_same_movies(level):
    check_in_child(level, "--check-movies")


def check_in_child(level, what, **environment):
    if level > library.level():
        pytest.skip(f"this processor does not run {level}")
    command = [sys.executable, "-W", "ignore", __file__, what]
    environment = {**os.environ, library.LEVEL_VARIABLE: level, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _cpu_features():
    """Every set of vector instructions that numpy would choose at run time, and that this processor has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return ",".join(name for name in __cpu_dispatch__ if __cpu_features__[name])


def compute(name):
    """Digests of a recording, or that of a preset's movie."""
    return digests(recording(name)) if name in RECORDINGS else movie_digest(name)


def check(kind):
    """Exit with 1 and a line for each recording, or movie, whose bits are not those of this version."""
    expected = json.loads(DIGESTS.read_text("utf-8"))[kind]
    wrong = [name for name in expected if compute(name) != expected[name]]
    print(*(f"the bits of {name} have changed" for name in wrong), sep="\n")
    sys.exit(bool(wrong))


def write():
    contents = {
        "SIM_VERSION": SIM_VERSION,
        "recordings": {name: compute(name) for name in RECORDINGS},
        "movies": {name: compute(name) for name in MOVIES},
    }
    DIGESTS.write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    if "--check" in sys.argv:
        check("recordings")
    elif "--check-movies" in sys.argv:
        check("movies")
    else:
        write()
