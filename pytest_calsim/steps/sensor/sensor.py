"""Turn light into codes by the image sensor: photons become electrons become codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.random_maps import normal_map, uniform_map
from pytest_calsim.kernels.sensor import Chip
from pytest_calsim.kernels.types import Bools
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.microscope.units import Positive
from pytest_calsim.steps.pixels import Detector, Image, LightOrder
from pytest_calsim.steps.step import Context, SpecContext, Step

__all__ = ["Sensor", "SensorCodes"]


@dataclass(frozen=True, eq=False)
class SensorCodes(Detector):
    """Turn light into codes.

    Electrons e ~ Poisson(photons·QE·PRNU + dark), or their mean where ``shot_noise`` is off, at most ``full_well_e``,
    + Normal(0, ``read_noise_e``); code = rint(e·gain + black + row noise + DSNU), clipped to the converter, then
    shifted right to ``bit_depth``.

    Attributes
    ----------
    image_sensor
        The chip.
    photons_per_unit
        Photons per unit of light, pixel and frame.
    exposure_s
        Exposure of one frame.
    noise_key
        Name of the shot, read and row noise.
    prnu
        Each pixel's relative responsivity ``(height, width)``; ``None``: all 1.
    dsnu_adu
        Each pixel's own black level, relative, ``(height, width)``; ``None``: all 0.
    hot_pixels
        Which pixels have extra dark current ``(height, width)``; ``None``: none.
    """

    image_sensor: ImageSensor
    photons_per_unit: float
    exposure_s: float
    noise_key: int
    prnu: Image | None
    dsnu_adu: Image | None
    hot_pixels: Bools | None
    light_order: ClassVar[float] = LightOrder.SENSOR

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Type of the codes."""
        return self.image_sensor.dtype

    @property
    def _uniform(self) -> Image:
        # One row stands for all rows where no map is asked for, which saves memory traffic in the kernel.
        return np.ones((1, self.image_sensor.width_px), np.float32)

    @cached_property
    def response(self) -> Image:
        """Mean electrons per unit of light and frame, ``(height, width)`` or ``(1, width)``."""
        per_unit = self.photons_per_unit * self.image_sensor.quantum_efficiency
        return np.float32(per_unit) * (self._uniform if self.prnu is None else self.prnu)

    @cached_property
    def dark_e(self) -> Image:
        """Mean dark electrons per frame, ``(height, width)`` or ``(1, width)``."""
        sensor = self.image_sensor
        dark = np.float32(sensor.dark_current_e_per_s * self.exposure_s) * self._uniform
        if self.hot_pixels is None:
            return dark
        return dark + np.float32(sensor.hot_pixel_e_per_s * self.exposure_s) * self.hot_pixels

    @cached_property
    def offset_adu(self) -> Image:
        """Code of darkness before rounding, ``(height, width)`` or ``(1, width)``."""
        black = np.float32(self.image_sensor.black_level_adu)
        return black * self._uniform if self.dsnu_adu is None else black + self.dsnu_adu

    @property
    def _top_code(self) -> int:
        return 2**self.image_sensor.adc_bit_depth - 1

    @property
    def _drop_bits(self) -> int:
        return self.image_sensor.adc_bit_depth - self.image_sensor.bit_depth

    def electrons(self, image: Image) -> Image:
        """Return the mean electrons per pixel and frame, dark ones included, before the full well clips them.

        Parameters
        ----------
        image
            Light ``(height, width)``; negative light (overshoot of the interpolation) counts as none.
        """
        return np.maximum(image, np.float32(0)) * self.response + self.dark_e

    def chip(self) -> Chip:
        """Return the chip and its maps, as kernels take them."""
        sensor = self.image_sensor
        return Chip(
            response=self.response,
            dark_e=self.dark_e,
            offset_adu=self.offset_adu,
            key=self.noise_key,
            full_well_e=sensor.full_well_e,
            read_noise_e=sensor.read_noise_e,
            gain_adu_per_e=sensor.gain_adu_per_e,
            row_noise_adu=sensor.row_noise_adu,
            top_code=self._top_code,
            drop_bits=self._drop_bits,
            shot_noise=sensor.shot_noise,
        )

    def expected_codes(self, light: Image) -> NDArray[Any]:
        """Return the codes of the mean electrons of some light ``(height, width)``, without temporal noise."""
        sensor = self.image_sensor
        electrons = np.minimum(self.electrons(light), sensor.full_well_e)
        codes = np.clip(np.rint(electrons * sensor.gain_adu_per_e + self.offset_adu), 0, self._top_code)
        return (codes.astype(np.uint16) >> self._drop_bits).astype(self.dtype)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``prnu``, ``dsnu_adu`` and ``hot_pixels``, where there are any."""
        maps = {"prnu": (self.prnu, "1"), "dsnu_adu": (self.dsnu_adu, "ADU"), "hot_pixels": (self.hot_pixels, "1")}
        return {
            name: TruthArray(("height", "width"), values, units)
            for name, (values, units) in maps.items()
            if values is not None
        }


class Sensor(Step):
    """The image sensor: photons become electrons become codes. The chip is ``acquisition.image_sensor``.

    Attributes
    ----------
    photon_rate_per_s_um2
        Photons per second that come from a square micrometre of tissue and reach the sensor, per unit of light (a
        resting cell's in-focus brightness): the power of the excitation light, say. A pixel collects them from its
        area in tissue during the exposure; on the default instrument 5000 a frame, an 8-bit code of about 77.
    """

    photon_rate_per_s_um2: Positive = 36_500.0

    def check(self, context: SpecContext) -> list[str]:
        """Warn of a sensor that a resting cell alone saturates."""
        sensor = context.acquisition.image_sensor
        electrons = self.photons_per_unit(context.acquisition) * sensor.quantum_efficiency
        room = min(sensor.full_well_e, (2**sensor.adc_bit_depth - 1 - sensor.black_level_adu) / sensor.gain_adu_per_e)
        if electrons < room:
            return []
        return [
            f"photon_rate_per_s_um2 = {self.photon_rate_per_s_um2:g} gives a resting cell {electrons:.4g} electrons in "
            f"a pixel of {context.acquisition.pixel_size_um:.4g} um and an exposure of "
            f"{context.acquisition.exposure_s:.4g} s, and the sensor saturates at {room:.4g}"
        ]

    def photons_per_unit(self, acquisition: Acquisition) -> float:
        """Return the photons per unit of light, pixel and frame: rate x exposure x the pixel's area in tissue."""
        return self.photon_rate_per_s_um2 * acquisition.exposure_s * acquisition.pixel_size_um**2

    def plan(self, ctx: Context) -> SensorCodes:
        """Draw the pixels' fixed differences, each kind from its own stream."""
        sensor = ctx.acquisition.image_sensor
        shape = sensor.height_px, sensor.width_px
        prnu: Image | None = None
        dsnu: Image | None = None
        hot: Bools | None = None
        if sensor.prnu_fraction > 0:
            # A pixel's responsivity cannot be negative: at the largest PRNU this concerns one in 3 million.
            prnu = np.maximum(1 + np.float32(sensor.prnu_fraction) * _normals(ctx, "prnu", shape), np.float32(0))
        if sensor.dsnu_adu > 0:
            dsnu = np.float32(sensor.dsnu_adu) * _normals(ctx, "dsnu", shape)
        if sensor.hot_pixel_fraction > 0 and sensor.hot_pixel_e_per_s > 0:
            hot = uniform_map(ctx.stream_key("hot_pixels"), *shape) < sensor.hot_pixel_fraction
        return SensorCodes(
            image_sensor=sensor,
            photons_per_unit=self.photons_per_unit(ctx.acquisition),
            exposure_s=ctx.acquisition.exposure_s,
            noise_key=ctx.stream_key("noise"),
            prnu=prnu,
            dsnu_adu=dsnu,
            hot_pixels=hot,
        )


def _normals(ctx: Context, name: str, shape: tuple[int, int]) -> Image:
    return normal_map(ctx.stream_key(name), *shape)
