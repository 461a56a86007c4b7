"""Pipelines broken on purpose for one cause each, and movies in which it bites."""

import warnings

import numpy as np
from light_pipeline import find_cells, register
from scipy import ndimage

from pytest_calsim import Outcome, contract_scene, explain_miss, simulate
from pytest_calsim.errors import CalsimWarning
from pytest_calsim.testing.relations.relation import brighter


def simulated(spec):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return simulate(spec)


def peak_of(image):
    return np.unravel_index(image.argmax(), image.shape)


def sound(recording):
    """The light pipeline, unbroken."""
    return find_cells(registered(recording)).clip(0)


def unregistered(recording):
    """Cells in the mean position of a movie that moves."""
    return find_cells(recording.observed.values).clip(0)


def registered(recording):
    movie = recording.observed.values.astype(np.float32)
    if recording.truth.shifts is None:
        return movie
    return np.array(
        [ndimage.shift(f, by, order=1, mode="nearest") for f, by in zip(movie, register(movie), strict=True)]
    )


def drops_neighbours(recording):
    """Of two cells nearer than 15 px the brighter one alone is kept."""
    found = find_cells(registered(recording)).clip(0)
    at = np.array([peak_of(image) for image in found]).reshape(-1, 2)
    light = found.max(axis=(1, 2)) if len(found) else np.zeros(0)
    near = np.linalg.norm(at[:, None] - at, axis=-1) < 15
    return found[[not (near[i] & (light > light[i])).any() for i in range(len(found))]]


def wants_light(recording):
    """A threshold that is too high for a dim movie."""
    return find_cells(registered(recording), min_peak=15).clip(0)


def wants_dark(recording):
    """Where the mean picture is bright around a cell, nothing is found."""
    movie = registered(recording)
    found = find_cells(movie).clip(0)
    glow = np.median(movie, axis=0)
    return found[[glow[peak_of(image)] < GLOW for image in found]] if len(found) else found


def wants_sharp(recording):
    """Wide footprints are dropped as no cells."""
    found = find_cells(registered(recording)).clip(0)
    return found[[np.count_nonzero(image > 0.5 * image.max()) < WIDE_PX for image in found]] if len(found) else found


def wants_unshaded(recording):
    """What lies in the shadow of a vessel is dropped."""
    found = find_cells(registered(recording)).clip(0)
    if recording.truth.vessel_transmission is None or not len(found):
        return found
    passed = recording.truth.vessel_transmission.values[-1]
    return found[[passed[peak_of(image)] > 0.8 for image in found]]


GLOW = 60
WIDE_PX = 32


def dim(seed):
    """Without a background, whose shot noise is the other half of the same cause: so there is less light still."""
    spec = brighter(contract_scene(), 1 / 64)
    return simulated(spec.edit(seed=seed, drop=["background_cells", "neuropil"]))


def dim_in_glow(seed):
    """Cells alike under a steady, even glow ten times as bright as they are at rest: its shot noise alone hides them.

    The noise is √11 times smaller without the glow, and 8 times against the signal in 64 times the light. A cell
    differs from another by its outline and by chance alone, by less than that: so either is enough for every cell.
    """
    spec = contract_scene()
    glow = {"kind": "neuropil", "level": 2, "components": [{"contrast": 0, "fluctuation": 0, "activity_fraction": 0}]}
    alike = {
        "place_neurons.populations.0.brightness_cv": 0,
        "cell_activity.spike_times_s": [[1 + cell + 0.02 * spike for spike in range(5)] for cell in range(8)],
        "cell_activity.dff_spread": 0,
        "cell_activity.kinetics_spread": 0,
    }
    quiet = {"acquisition.image_sensor.read_noise_e": 1, "acquisition.image_sensor.row_noise_adu": 0}
    uneven = ["background_cells", "leakage", "vasculature", "vignette"]
    spec = spec.edit(alike | quiet, drop=[*uneven, "neuropil"]).edit(add=[glow], seed=seed)
    return simulated(brighter(spec, 1 / 256))


def moving(seed):
    motion = {"kind": "brain_motion", "max_shift_um": 8, "random_walk": {"sigma_um_per_sqrt_s": 4}}
    return simulated(contract_scene().edit(add=[motion], seed=seed))


def bright(seed):
    return simulated(contract_scene().edit(seed=seed))


def in_pairs(seed):
    """The contract's scene with each second cell 14 µm beside the one before."""
    spec = contract_scene()
    at = [list(place) for place in spec.step("place_neurons").positions_um]
    for i in range(1, len(at), 2):
        depth, row, column = at[i - 1]
        at[i] = [depth, row, column + 14.0]
    return simulated(spec.edit({"place_neurons.positions_um": at}, seed=seed))


def out_of_focus(seed):
    """The cells lie where they did, so that no more tissue scatters their light."""
    spec = contract_scene()
    return simulated(spec.edit({"acquisition.focal_depth_um": spec.acquisition.focal_depth_um - 35.0}, seed=seed))


def under_vessels(seed):
    vessels = {"kind": "vasculature", "trees_per_mm2": 20, "min_radius_um": 7}
    return simulated(contract_scene().edit(add=[vessels], seed=seed))


BLAMED = {
    "louder neighbour": (drops_neighbours, in_pairs),
    "motion": (unregistered, moving),
    "too little light": (wants_light, dim),
    "background": (wants_dark, bright),
    "out of focus": (wants_sharp, out_of_focus),
    "vessels": (wants_unshaded, under_vessels),
}
"""A pipeline, and movies by their seed in which it misses cells for that one cause."""


def blames(broken, movie, seeds):
    """What is blamed for each cell that the broken pipeline misses, and the sound one finds."""
    for seed in seeds:
        recording, missed = missed_by(broken, movie, seed)
        for unit in missed:
            yield explain_miss(broken, recording, int(unit)).causes


def missed_by(broken, movie, seed):
    """The recording, and the cells that the broken pipeline misses in it and the sound one finds."""
    recording = movie(seed)
    outcomes = [Outcome.of(run, recording) for run in (sound, broken)]
    return recording, np.flatnonzero(outcomes[0].cells.counted & outcomes[0].found & ~outcomes[1].found)
