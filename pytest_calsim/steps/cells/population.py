"""Describe a population: cells of one kind in one layer, and the distributions of their properties."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from pytest_calsim.kernels.cell_shapes import MOST_DENDRITES
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.units import Fraction, Frozen
from pytest_calsim.steps.cells.morphology import DEFAULT_IRREGULARITY, Form, Morphology
from pytest_calsim.steps.cells.placement import Layer
from pytest_calsim.steps.lognormal import lognormal

__all__ = ["MAX_CELLS", "Population", "TissueLayer"]


MAX_CELLS = 20_000
"""Most cells that a spec may ask for, those outside the field of view included."""


class Population(Frozen):
    """Describe cells of one kind in one layer.

    Attributes
    ----------
    density_per_mm3
        Cells per volume, labelled or not. CA1's pyramidal layer holds a few 10⁵ /mm³; 3·10⁴-8·10⁴ are usual for
        labelled cells.
    labelled_fraction
        Share of them that carries the indicator. Only these are simulated. How many there are in an area is random,
        density x area x max(thickness, one soma diameter) x labelled fraction on average (to 1 %).
    n_cells
        Exact number of cells in the field of view at zero shift, in place of a density; around it they are as dense.
        They are those that a density would place first.
    depth_um
        Middle of the layer, below the tissue's surface.
    thickness_um
        Thickness of the layer, in which the cells' centres lie.
    soma_radius_um
        Mean radius of a soma.
    soma_radius_cv
        Standard deviation of the radius over its mean. The distribution is triangular, so it has no long tails.
    min_distance_um
        Least distance of a cell's centre from those placed before it: of the same population and of those listed
        earlier. ``None``: two somata do not interpenetrate. 0 lets cells overlap.
    brightness
        Mean brightness of a cell at rest; 1 is the unit of light.
    brightness_cv
        Standard deviation of the brightness over its mean, across cells; lognormal.
    snr
        Peak signal-to-noise ratio of each cell's typical transient (``snr`` in the truth), in place of ``brightness``.
        A cell in the field of view is then as bright as the light under it demands. Cells outside, and cells that no
        brightness up to 1000 brings there, are as bright as the median cell, with ``brightness_cv``.
    morphology
        ``"soma"``, ``"cytosolic"`` (soma with proximal dendrites), or ``"bead"``: a point source. A bead keeps the
        soma's radius as its distance from others.
    irregularity
        Largest amplitude of the outline's second harmonic (an ellipse) over the mean radius; each cell draws its own.
        The third to fifth have up to 1/2, 0.28 and 0.14 of it. 0: circles.
    n_dendrites
        Dendrites of each cytosolic cell; ``None``: 3 to 6 at random.
    dendrite_length_um
        Mean distance along a dendrite from the soma's centre to its tips; ``None``: 5.4 soma radii.
    dendrite_width_um
        Mean diameter of a dendrite where it forks; ``None``: 0.42 soma radii.
    nucleus_fraction
        Radius of the nucleus, which holds no indicator, over that of the soma: a ring where the cell is in focus.
        0: evenly filled.
    """

    density_per_mm3: Annotated[float, Field(ge=0, le=1e6)] = 3.2e4
    labelled_fraction: Fraction = 1.0
    n_cells: Annotated[int, Field(ge=0, le=MAX_CELLS)] | None = None
    depth_um: Annotated[float, Field(ge=0, le=2000)] = 100.0
    thickness_um: Annotated[float, Field(ge=0, le=2000)] = 30.0
    soma_radius_um: Annotated[float, Field(ge=1, le=15)] = 5.5
    soma_radius_cv: Annotated[float, Field(ge=0, le=0.25)] = 0.1
    min_distance_um: Annotated[float, Field(ge=0, le=50)] | None = None
    brightness: Annotated[float, Field(ge=0, le=1000)] = 1.0
    brightness_cv: Annotated[float, Field(ge=0, le=2)] = 0.3
    snr: Annotated[float, Field(ge=0.1, le=1000)] | None = None
    morphology: Morphology = "soma"
    irregularity: Annotated[float, Field(ge=0, le=0.5)] = DEFAULT_IRREGULARITY
    n_dendrites: Annotated[int, Field(ge=0, le=MOST_DENDRITES)] | None = None
    dendrite_length_um: Annotated[float, Field(ge=5, le=200)] | None = None
    dendrite_width_um: Annotated[float, Field(ge=0.2, le=10)] | None = None
    nucleus_fraction: Annotated[float, Field(ge=0, le=0.9)] = 0.0

    @model_validator(mode="after")
    def _below_the_surface(self) -> Self:
        above = self.thickness_um / 2 - self.depth_um
        if above > 0:
            raise ValueError(
                f"a layer of thickness_um = {self.thickness_um} around depth_um = {self.depth_um} reaches {above:.4g} "
                f"um above the tissue's surface; lower thickness_um to {2 * self.depth_um:.4g} or raise depth_um to "
                f"{self.thickness_um / 2:.4g}"
            )
        return self

    @property
    def form(self) -> Form:
        """The fields that decide the shapes of its cells."""
        return Form(
            morphology=self.morphology,
            irregularity=self.irregularity,
            n_dendrites=self.n_dendrites,
            dendrite_length_um=self.dendrite_length_um,
            dendrite_width_um=self.dendrite_width_um,
            nucleus_fraction=self.nucleus_fraction,
        )

    def soft_warnings(self) -> list[str]:
        """Return a soft warning for each field that has no effect on such cells."""
        idle = ["n_dendrites", "dendrite_length_um", "dendrite_width_um"]
        if self.morphology == "cytosolic":
            idle = idle[1:] if self.n_dendrites == 0 else []
        if self.morphology == "bead":
            idle += ["irregularity", "nucleus_fraction"]
        return [
            f"{name} = {getattr(self, name)} has no effect on cells with morphology = {self.morphology!r}"
            for name in idle
            if getattr(self, name) != type(self).model_fields[name].default
        ]

    def check_size(self, field_size_um: tuple[float, float]) -> None:
        """Refuse a soma that is wider than the field of view in both directions. A bead has no width.

        Parameters
        ----------
        field_size_um
            Height and width of the field of view.

        Raises
        ------
        ValueError
            With both sizes and the way out.
        """
        height_um, width_um = field_size_um
        diameter_um = 2 * self.soma_radius_um
        if self.morphology != "bead" and diameter_um > max(height_um, width_um):
            raise ValueError(
                f"soma_radius_um = {self.soma_radius_um:g}: a soma of {diameter_um:g} um is larger than the field of "
                f"view, {height_um:.4g} x {width_um:.4g} um; lower soma_radius_um, or give the sensor more or larger "
                "pixels"
            )

    @property
    def layer(self) -> Layer:
        """The fields that decide where its cells lie."""
        return Layer(
            depth_um=self.depth_um,
            thickness_um=self.thickness_um,
            soma_radius_um=self.soma_radius_um,
            soma_radius_cv=self.soma_radius_cv,
            min_distance_um=self.min_distance_um,
            density_per_mm3=self.density_per_mm3 * self.labelled_fraction,
            n_cells=self.n_cells,
        )

    def brightness_of(self, normal: Floats) -> Floats:
        """Return brightness at rest from standard normal numbers: lognormal of the declared mean and deviation.

        Its mean is 1 where an ``snr`` decides.
        """
        mean = self.brightness if self.snr is None else 1.0
        return mean * lognormal(normal, self.brightness_cv)


class TissueLayer(NamedTuple):
    """A population whose cells go on beyond those that are placed.

    Attributes
    ----------
    population
        What they are like.
    per_um2
        How many there are on average for each µm² of the plane.
    """

    population: Population
    per_um2: float
