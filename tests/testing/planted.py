"""A small recording put together by hand: nine planted cells whose places, traces and motion are known."""

import numpy as np

from pytest_calsim import GroundTruth, Recording, Spec
from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray

FRAMES = 80
HEIGHT = 40
WIDTH = 50
Y, X = np.mgrid[:HEIGHT, :WIDTH]


def blob(y, x, sigma=2.5):
    image = np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * sigma**2))
    return np.where(image > 0.05, image, 0.0)


# Nine planted cells: seven detectable in view, one (6) outside the field of view, one (8) that hardly ever rises.
A = np.array(
    [blob(*at) for at in [(8, 8), (8, 14), (25, 10), (25, 30), (10, 40), (33, 43), (20, -1), (38, 20), (16, 25)]]
)
COLUMNS = {
    "in_fov": np.arange(9) != 6,
    "detectable": np.arange(9) != 8,
    "in_focus": np.arange(9) < 3,
    "soma_in_focus": np.arange(9) != 4,
    "defocus_um": np.where(np.arange(9) == 4, -41.2, 3.0),
    "snr": np.array([10, 9, 8, 7, 3.5, 6, 8, 4, 1.2]),
    "snr_peak": np.array([10, 9, 8, 7, 3.5, 6, 8, 5, 1.2]),
    "n_spikes": np.array([5, 5, 5, 5, 5, 5, 5, 5, 0]),
    "fov_fraction": np.array([1, 1, 1, 1, 1, 1, 0.4, 0.55, 1]),
}
rng = np.random.default_rng(0)
C = rng.random((9, FRAMES)).cumsum(axis=1)
S = rng.poisson(0.2, (9, FRAMES))
SHIFTS = rng.normal(size=(FRAMES, 2)).cumsum(axis=0)
SEEN = [0, 1, 2, 3, 4, 5, 7]


class BlackFrames:
    shape = (FRAMES, HEIGHT, WIDTH)
    dtype = np.dtype(np.uint8)

    def read(self, start, stop):
        return np.zeros((stop - start, HEIGHT, WIDTH), np.uint8)


def sparse(images):
    units = [(np.flatnonzero(a), a.ravel()[np.flatnonzero(a)]) for a in images]
    return SparseFootprints.from_units(units, (HEIGHT, WIDTH))


def record(drop=(), footprints=A, shifts=SHIFTS, **columns):
    """A recording without the truth named in ``drop``, and with other columns of the cells' table."""
    truth = {
        "A_observed": sparse(footprints),
        "C": TruthArray(("unit_id", "frame"), C),
        "S": TruthArray(("unit_id", "frame"), S),
        "shifts": TruthArray(("frame", "shift_dim"), shifts),
    } | {name: TruthArray(("unit_id",), values) for name, values in (COLUMNS | columns).items()}
    return Recording(Spec(), BlackFrames(), GroundTruth({k: v for k, v in truth.items() if k not in drop}))


RECORDING = record()
