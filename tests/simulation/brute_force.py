"""A matched filter on rendered frames: what ``snr`` declares, measured."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from pytest_calsim.kernels.sensor import Fields, Windows, expose


@dataclass
class Bench:
    """Exposes still pictures on a scene's sensor, a few pixels of it at a time."""

    scene: object
    n_frames: int = 500
    registered: bool = False  # whether the tissue moves over the sensor, by whole pixels

    def __post_init__(self):
        artifacts = self.scene.artifacts
        self.sensor = artifacts["sensor"]
        self.chip = self.sensor.chip()
        self.rest = self.scene.expected_light()
        self.fields = self.scene.gain_of_fields()
        self.observed = artifacts["cell_optics"].observed
        motion = artifacts.get("brain_motion") if self.registered else None
        moved = np.zeros((1, 2)) if motion is None else np.rint(motion.shifts_px)
        self.shifts = np.resize(moved.astype(int), (self.n_frames, 2))
        self.margin = int(np.abs(self.shifts).max())
        whole = {
            n: np.broadcast_to(getattr(self.chip, n), self.rest.shape) for n in ("response", "dark_e", "offset_adu")
        }
        self.maps = {name: np.pad(values, self.margin, "wrap") for name, values in whole.items()}

    def frames(self, light, box, start):
        """Codes ``(frame, height, width)`` of a part of the sensor, drawn by the kernel that paints recordings.

        Registered, they show the same tissue, and the part of the sensor below it moves.
        """
        picture = np.ascontiguousarray(light[box])
        out = np.empty((self.n_frames, *picture.shape))
        moves = np.flatnonzero(np.diff(self.shifts, axis=0).any(axis=1)) + 1
        for first, stop in pairwise([0, *moves, self.n_frames]):
            below = tuple(slice(s.start + d, s.stop + d) for s, d in zip(box, self.shifts[first], strict=True))
            maps = {name: np.ascontiguousarray(values[self._padded(below)]) for name, values in self.maps.items()}
            stack = np.broadcast_to(picture, (stop - first, *picture.shape)).copy()
            windows = Windows.at(np.zeros((len(stack), 2)), picture.shape)
            chip = self.chip._replace(**maps)
            none = Fields.none(picture.shape)
            out[first:stop] = expose(stack, windows, none, chip, start + int(first), self.sensor.dtype)
        return out

    def _padded(self, box):
        return tuple(slice(s.start + self.margin, s.stop + self.margin) for s in box)

    def mean_electrons(self, light):
        """Mean of exactly Poisson electrons that the full well clips."""
        mean = self.sensor.electrons(light).astype(float)
        well = self.chip.full_well_e
        return mean * stats.poisson.cdf(well - 2, mean) + well * stats.poisson.sf(well - 1, mean)

    def snr(self, unit, transient):
        """Signal over noise of the best filter on a cell's pixels, for each of 500 fresh frames."""
        image = self.observed[unit].astype(float)
        rows, columns = np.nonzero(image)
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        up = (self.rest + transient * image * self.fields).astype(np.float32)
        shown = image[box] > 0
        template = ((self.mean_electrons(up) - self.mean_electrons(self.rest)) * self.chip.gain_adu_per_e)[box]
        template /= 2**self.chip.drop_bits
        learnt, quiet, active = (
            # Noise is named by frame and pixel of the crop: every cell gets frames of its own.
            self.frames(light, box, (3 * int(unit) + k) * self.n_frames)
            for k, light in enumerate((self.rest, self.rest, up))
        )
        weights = np.where(shown, _weights(template, learnt, self.chip.row_noise_adu / 2**self.chip.drop_bits), 0)
        return (weights * (active.mean(0) - quiet.mean(0))).sum() / (weights * quiet).sum(axis=(1, 2)).std()

    def ratios(self, declared, transient, n_cells=20, floor=0.5):
        """Measured over declared, for cells in view spread over the picture."""
        in_view = self.scene.artifacts["place_neurons"].in_fov & (declared > floor)
        units = np.flatnonzero(in_view)[:: max(1, int(in_view.sum()) // n_cells)][:n_cells]
        return np.array([self.snr(unit, transient[unit]) / declared[unit] for unit in units])


def _weights(template, frames, row_noise):
    """Σ⁻¹·template with each pixel's variance measured, and a row's common noise as known."""
    variance = np.maximum(frames.var(axis=0) - row_noise**2, 1 / 12)
    weights = template / variance
    if row_noise == 0:
        return weights
    common = weights.sum(1) * row_noise**2 / (1 + row_noise**2 * (1 / variance).sum(1))
    return (template - common[:, None]) / variance
