"""Describe the microscope and how it records: clock, optics, image sensor, tissue.

``docs/physics.md`` gives the sources of the defaults. The geometry is that of the Miniscope V4.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.scatter import Skirt, core_share, skirt
from pytest_calsim.microscope.units import Electrons, Fraction, Frozen, Nm, NonNegative, PositiveUm, Px, Um

__all__ = ["Acquisition", "ImageSensor", "Optics", "Tissue"]

MAX_FRAMES = 10_000_000
"""Most frames that a recording may have: more than four days at 25 per second."""


class Optics(Frozen):
    """Describe the objective (often a GRIN relay) between tissue and sensor.

    Attributes
    ----------
    na
        Numerical aperture in tissue; 0.2-0.5 for miniscopes. Up to 0.5 the disk of confusion is as wide as rays to 2 %.
    magnification
        Size on the sensor over size in tissue.
    emission_nm
        Wavelength of the collected light.
    refractive_index
        Refractive index n of the tissue; 1.36 for brain.
    depth_of_field_um
        Total depth of field, for the label ``in_focus``. ``"auto"`` is n·λ/NA² + n·e/(M·NA).
    field_curvature_radius_um
        Radius of the curved focal surface: off the axis the focus is shallower. ``None`` is flat.
    """

    na: Annotated[float, Field(ge=0.02, le=1.2)] = 0.3
    magnification: Annotated[float, Field(ge=0.05, le=100)] = 2.9
    emission_nm: Nm = 525.0
    refractive_index: Annotated[float, Field(ge=1.0, le=2.0)] = 1.36
    depth_of_field_um: PositiveUm | Literal["auto"] = "auto"
    field_curvature_radius_um: PositiveUm | None = None

    @model_validator(mode="after")
    def _na_below_index(self) -> Self:
        # At NA = n the cone of light is a half space, and its slope infinite.
        if self.na >= 0.95 * self.refractive_index:
            raise ValueError(
                f"na = {self.na} must stay below 0.95 x refractive_index = {0.95 * self.refractive_index:.3g}"
            )
        return self

    @property
    def cone_slope(self) -> float:
        """Tangent of the half angle of the light cone: NA / √(n² − NA²)."""
        return self.na / math.sqrt(self.refractive_index**2 - self.na**2)

    def defocus_radius_um(self, defocus_um: Floats) -> Floats:
        """Return the radius of the disk of confusion, |Δz|·NA/√(n² − NA²), µm.

        Parameters
        ----------
        defocus_um
            Distance Δz from the focal surface; any shape.
        """
        return np.abs(np.asarray(defocus_um, np.float64)) * self.cone_slope

    @property
    def diffraction_sigma_um(self) -> float:
        """σ of the Gaussian fitted to the Airy core, 0.21 λ/NA, µm."""
        # Least squares over the plane of the Airy disk give 0.210, along a line through its middle 0.213.
        return 0.21 * self.emission_nm / 1000 / self.na

    @property
    def collection(self) -> float:
        """Collected light relative to NA 0.3. It grows as NA² and does not depend on the focus."""
        return (self.na / 0.3) ** 2


class ImageSensor(Frozen):
    """Describe the CMOS sensor. The defaults are those of the Miniscope V4's PYTHON480 in its 8-bit mode.

    Attributes
    ----------
    height_px, width_px
        Size of the sensor's window.
    pixel_pitch_um
        Side of a pixel on the chip.
    quantum_efficiency
        Electrons per photon.
    shot_noise
        Whether a pixel's electrons are a random count; ``False``: their mean, which no real sensor gives.
    read_noise_e
        Standard deviation of the read noise.
    gain_adu_per_e
        Codes of the converter (ADC) per electron, at ``adc_bit_depth``.
    black_level_adu
        Code of a dark pixel, at ``adc_bit_depth``.
    full_well_e
        Electrons at which a pixel saturates.
    dark_current_e_per_s
        Thermal electrons per second and pixel.
    prnu_fraction
        Spatial standard deviation of the pixels' responsivity (photo-response non-uniformity).
    dsnu_adu
        Spatial standard deviation of the pixels' black level (fixed pattern), at ``adc_bit_depth``.
    row_noise_adu
        Standard deviation of a row's common offset, which differs in every frame, at ``adc_bit_depth``.
    hot_pixel_fraction, hot_pixel_e_per_s
        Share of pixels with extra dark current, and that current.
    bit_depth
        Bits of the recorded code. The converter's code is shifted right to this many.
    adc_bit_depth
        Bits of the converter's code.
    """

    height_px: Px = 608
    width_px: Px = 608
    pixel_pitch_um: Annotated[float, Field(gt=0.1, le=100)] = 4.8
    quantum_efficiency: Annotated[float, Field(gt=0, le=1)] = 0.55
    shot_noise: bool = True
    read_noise_e: Annotated[float, Field(ge=0, le=1000)] = 10.0
    gain_adu_per_e: Annotated[float, Field(gt=1e-4, le=100)] = 0.1
    black_level_adu: Annotated[float, Field(ge=0, le=60000)] = 32.0
    full_well_e: Annotated[float, Field(ge=10, le=1e5)] = 9000.0
    dark_current_e_per_s: Electrons = 0.0
    prnu_fraction: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    dsnu_adu: Annotated[float, Field(ge=0, le=1000)] = 0.0
    row_noise_adu: Annotated[float, Field(ge=0, le=1000)] = 0.0
    hot_pixel_fraction: Fraction = 0.0
    hot_pixel_e_per_s: Electrons = 2000.0
    bit_depth: Annotated[int, Field(ge=4, le=16)] = 8
    adc_bit_depth: Annotated[int, Field(ge=4, le=16)] = 10

    @model_validator(mode="after")
    def _codes_fit(self) -> Self:
        if self.bit_depth > self.adc_bit_depth:
            larger = 2 ** (self.bit_depth - self.adc_bit_depth)
            raise ValueError(
                f"bit_depth = {self.bit_depth} must not exceed adc_bit_depth = {self.adc_bit_depth}; set adc_bit_depth "
                f"as well, and gain_adu_per_e and black_level_adu {larger} times as large for the same light"
            )
        top = 2**self.adc_bit_depth - 1
        if self.black_level_adu >= top:
            raise ValueError(f"black_level_adu = {self.black_level_adu} must stay below the ADC's top code {top}")
        return self

    def electrons(self, photons: Floats) -> Floats:
        """Return the mean electrons of a pixel without dark current: photons · QE, at most the full well.

        Parameters
        ----------
        photons
            Mean photons on a pixel in a frame; any shape.
        """
        return np.minimum(np.asarray(photons, np.float64) * self.quantum_efficiency, self.full_well_e)

    def codes(self, electrons: Floats) -> NDArray[np.unsignedinteger[Any]]:
        """Return the recorded codes of electrons, without noise: gain, black level, converter, bits dropped.

        Parameters
        ----------
        electrons
            Electrons in a pixel; any shape.
        """
        top = 2**self.adc_bit_depth - 1
        # As the kernel does it: the converter clips first, then low bits are dropped, so codes are rounded down.
        codes = np.clip(np.rint(np.asarray(electrons, np.float64) * self.gain_adu_per_e + self.black_level_adu), 0, top)
        return (codes.astype(np.uint16) >> (self.adc_bit_depth - self.bit_depth)).astype(self.dtype)

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Storage type of the recorded codes."""
        return np.dtype(np.uint8) if self.bit_depth <= 8 else np.dtype(np.uint16)


class Tissue(Frozen):
    """Describe how tissue attenuates and blurs light on its way up.

    Attributes
    ----------
    excitation_attenuation_um, emission_attenuation_um
        Attenuation lengths M_ex and M_em. Of the light of a cell at depth z about exp(−z/M), 1/M = 1/M_ex + 1/M_em, is
        seen within a soma's radius; the sharp core of its image keeps exp(−z/M_ex − 1.2 z/M_em). What emitted light
        loses there scatters into Gaussians around it, see :mod:`pytest_calsim.microscope.scatter`; lost excitation is
        never emitted. Infinite tissue clarity: large values.
    scatter_blur_fraction
        Gaussian blur of the core, as a fraction of depth (σ = 0.02 z).
    """

    excitation_attenuation_um: Annotated[float, Field(ge=10, le=1e6)] = 1000.0
    emission_attenuation_um: Annotated[float, Field(ge=10, le=1e6)] = 100.0
    scatter_blur_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.02

    def excited_fraction(self, depth_um: Floats) -> Floats:
        """Return the share of the excitation that reaches a depth: exp(−z/M_ex).

        Parameters
        ----------
        depth_um
            Depth z below the surface; any shape. Above the surface counts as at it.
        """
        return elementary.exp(-np.maximum(depth_um, 0.0) / self.excitation_attenuation_um)

    def core_fraction(self, depth_um: Floats) -> Floats:
        """Return the share of a depth's light that stays in the core of the image: exp(−z/M_ex − 1.2 z/M_em).

        Parameters
        ----------
        depth_um
            Depth z below the surface; any shape. Above the surface counts as at it.
        """
        return self.excited_fraction(depth_um) * core_share(depth_um, self.emission_attenuation_um)

    def skirt(self, depth_um: Floats) -> Skirt:
        """Return the share of the light in each Gaussian around the core, and the Gaussians' widths.

        Parameters
        ----------
        depth_um
            Depth below the surface, float64 ``(n,)``. Above the surface counts as at it.

        Returns
        -------
        Skirt
            Shares, and standard deviations in µm, each ``(3, n)``: near, middle and diffuse.
        """
        share, sigma_um = skirt(depth_um, self.emission_attenuation_um)
        return Skirt(self.excited_fraction(depth_um) * share, sigma_um)

    def scatter_sigma_um(self, depth_um: Floats) -> Floats:
        """Return σ of the core's Gaussian blur, µm.

        Parameters
        ----------
        depth_um
            Depth below the surface; any shape. Above the surface nothing is blurred.
        """
        return self.scatter_blur_fraction * np.maximum(depth_um, 0.0)


class Acquisition(Frozen):
    """Describe one recording session: clock, focus and instrument. ``str()`` gives a readable line.

    Attributes
    ----------
    fps
        Frames per second. The exposure fills the frame: it lasts 1/fps.
    duration_s
        Length of the recording. It has floor(fps·duration_s) frames, and at least one.
    focal_depth_um
        Depth in focus on the optical axis. ``"auto"`` is the median of z + curvature shift over the cells in the field
        of view.
    front_working_distance_um
        Distance from the objective to the tissue. It is stored as a fact about the setup and changes no light.
    optics, image_sensor, tissue
        The instrument, and the tissue in front of it.
    """

    fps: Annotated[float, Field(ge=0.1, le=10000)] = 20.0
    duration_s: Annotated[float, Field(gt=0, le=1e5)] = 30.0
    focal_depth_um: Um | Literal["auto"] = "auto"
    front_working_distance_um: NonNegative = 700.0
    optics: Optics = Optics()
    image_sensor: ImageSensor = ImageSensor()
    tissue: Tissue = Tissue()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        # 1 frame at 30 per second lasts 0.0333... s: a product just below 1 is meant to be 1.
        if self.fps * self.duration_s < 1 - 1e-9:
            raise ValueError(
                f"duration_s = {self.duration_s} at fps = {self.fps} holds no whole frame; "
                f"give at least {1 / self.fps:.4g} s"
            )
        if self.n_frames > MAX_FRAMES:
            raise ValueError(
                f"duration_s = {self.duration_s} at fps = {self.fps} holds {self.n_frames} frames, and at most "
                f"{MAX_FRAMES} are simulated; give at most {MAX_FRAMES / self.fps:.4g} s"
            )
        radius = self.optics.field_curvature_radius_um
        if radius is not None and radius <= self.field_radius_um:
            raise ValueError(
                f"optics.field_curvature_radius_um = {radius} must exceed the corner of the field of view, "
                f"{self.field_radius_um:.4g} um off axis"
            )
        return self

    def __str__(self) -> str:
        sensor = self.image_sensor
        height_um, width_um = self.field_size_um
        focus = self.focal_depth_um if self.focal_depth_um == "auto" else f"{self.focal_depth_um:g} um"
        return (
            f"{self.fps:g} fps for {self.duration_s:g} s ({self.n_frames} frames), "
            f"{sensor.height_px} x {sensor.width_px} px of {self.pixel_size_um:.3g} um "
            f"({height_um:.4g} x {width_um:.4g} um), {sensor.bit_depth} bit, "
            f"NA {self.optics.na:g}, magnification {self.optics.magnification:g}, focus {focus}"
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        # 100 frames/s for 0.29 s are 28.999... in binary arithmetic; 29 frames are meant.
        return max(1, math.floor(self.fps * self.duration_s + 1e-6))

    @property
    def exposure_s(self) -> float:
        """Exposure of one frame, s."""
        return 1 / self.fps

    @property
    def pixel_size_um(self) -> float:
        """Side of a pixel in tissue: its pitch on the chip over the magnification, µm."""
        return self.image_sensor.pixel_pitch_um / self.optics.magnification

    def um_to_px(self, y_um: Floats, x_um: Floats) -> tuple[Floats, Floats]:
        """Return the row and column of positions in tissue; whole numbers are pixels' centres.

        A row is y/(pixel size) + (height − 1)/2, and a column likewise: the optical axis is in the sensor's middle.

        Parameters
        ----------
        y_um, x_um
            Positions from the optical axis; any shape.
        """
        sensor = self.image_sensor
        row = np.asarray(y_um, np.float64) / self.pixel_size_um + (sensor.height_px - 1) / 2
        return row, np.asarray(x_um, np.float64) / self.pixel_size_um + (sensor.width_px - 1) / 2

    def px_to_um(self, row: Floats, column: Floats) -> tuple[Floats, Floats]:
        """Return the positions (y, x) in tissue of rows and columns, µm: the inverse of :meth:`um_to_px`.

        Parameters
        ----------
        row, column
            On the sensor, px; any shape.
        """
        sensor = self.image_sensor
        y_um = (np.asarray(row, np.float64) - (sensor.height_px - 1) / 2) * self.pixel_size_um
        return y_um, (np.asarray(column, np.float64) - (sensor.width_px - 1) / 2) * self.pixel_size_um

    @property
    def field_size_um(self) -> tuple[float, float]:
        """Height and width of the field of view, µm."""
        sensor = self.image_sensor
        return sensor.height_px * self.pixel_size_um, sensor.width_px * self.pixel_size_um

    @property
    def field_radius_um(self) -> float:
        """Distance from the axis to the corner of the field of view, µm."""
        height, width = self.field_size_um
        return math.hypot(height, width) / 2

    @property
    def depth_of_field_um(self) -> float:
        """Total depth of field, µm: as declared, or n·λ/NA² + n·e/(M·NA) with the pixel pitch e.

        The first term is diffraction's, the second the sensor's (Inoué & Spring, Video Microscopy, 1997).
        """
        optics = self.optics
        if optics.depth_of_field_um != "auto":
            return optics.depth_of_field_um
        n = optics.refractive_index
        na = optics.na
        wavelength_um = optics.emission_nm / 1000
        return n * wavelength_um / na**2 + n * self.image_sensor.pixel_pitch_um / (optics.magnification * na)

    def curvature_shift_um(self, radius_um: Floats) -> Floats:
        """Return how much shallower the focus is off the axis, µm: the sagitta R_c − √(R_c² − r²).

        Parameters
        ----------
        radius_um
            Distance r from the optical axis; any shape.
        """
        r_c = self.optics.field_curvature_radius_um
        if r_c is None:
            return np.zeros_like(np.asarray(radius_um, dtype=np.float64))
        # The corner of the field lies within R_c (see `_whole`), and cells around the field may lie farther out.
        r = np.minimum(np.asarray(radius_um, dtype=np.float64), r_c)
        return r_c - np.sqrt(r_c**2 - r**2)
