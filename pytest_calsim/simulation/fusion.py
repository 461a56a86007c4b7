"""Turn the artifacts that change pixels into few passes over memory.

A dozen frames of a large sensor do not fit into a processor's cache. So neighbours along the way of the light share a
pass that does all their work on a row while it is at hand: one for the tissue, one for the instrument. A painter of
another package gets a separate pass, which splits the passes before it from those behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.sensor import Chip, Fields, Windows, expose, look
from pytest_calsim.kernels.tissue import add_tissue
from pytest_calsim.kernels.types import Image
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.smooth_light import SmoothLight
from pytest_calsim.steps.pixels import (
    CellSources,
    Detector,
    Displacement,
    FixedField,
    Layers,
    Painter,
    PixelArtifact,
    SmoothSources,
    Space,
)

__all__ = ["Pass", "expected_light", "fuse", "gain_of_fields"]


class Pass(Protocol):
    """A pass over memory that does the work of artifacts which follow each other."""

    def run(self, images: NDArray[Any], start: int, *, dark: bool) -> NDArray[Any]:
        """Return the images ``(frame, height, width)`` of frames ``start`` on; may work in place.

        With ``dark``, the contents of ``images`` are ignored: no artifact has added light yet.
        """
        ...

    def joined(self, artifact: PixelArtifact) -> Pass | None:
        """Return a pass that also does the next artifact's work, or ``None`` where that takes another pass."""
        ...


@dataclass(frozen=True, eq=False)
class _TissuePass:
    """Add the light of cells, all smooth light, then layers, row by row to all frames."""

    canvas: Canvas
    cells: CellSources | None = None
    smooth: tuple[SmoothSources, ...] = ()
    layers: Layers | None = None

    @classmethod
    def of(cls, artifact: SmoothSources | Layers, canvas: Canvas) -> _TissuePass:
        """Return the pass for one artifact."""
        return cls(
            canvas,
            cells=artifact if isinstance(artifact, CellSources) else None,
            smooth=(artifact,) if isinstance(artifact, SmoothSources) else (),
            layers=artifact if isinstance(artifact, Layers) else None,
        )

    def joined(self, artifact: PixelArtifact) -> Pass | None:
        if not isinstance(artifact, SmoothSources | Layers):
            return None
        more = _TissuePass.of(artifact, self.canvas)
        if (self.cells and more.cells) or (self.layers and more.layers):
            return None
        return _TissuePass(
            self.canvas, self.cells or more.cells, (*self.smooth, *more.smooth), self.layers or more.layers
        )

    @cached_property
    def _smooth_light(self) -> list[tuple[tuple[SmoothSources, ...], SmoothLight]]:
        """Smooth light with the sources that it comes from, one entry for each map of transmission."""
        # Sources under one map are interpolated together, and multiplied by it once.
        shared: dict[int, list[SmoothSources]] = {}
        for sources in self.smooth:
            shared.setdefault(id(sources.transmission), []).append(sources)
        found = [(tuple(some), self._light_of(some)) for some in shared.values()]
        return [(some, light) for some, light in found if light is not None]

    def _light_of(self, shared: list[SmoothSources]) -> SmoothLight | None:
        # One numbering for the sources of several artifacts, in the order in which `_add` puts their gains together.
        before = starts([sources.n_sources for sources in shared])
        spline_images = [
            some._replace(source=some.source + first)
            for sources, first in zip(shared, before[:-1], strict=True)
            for some in sources.spline_images
        ]
        return SmoothLight.of(spline_images, self.canvas, shared[0].transmission)

    def run(self, images: NDArray[Any], start: int, *, dark: bool) -> NDArray[Any]:
        stop = start + len(images)
        gains = [sources.gains(start, stop) for sources in self.smooth]
        weights = None if self.layers is None else self.layers.temporal[start:stop]
        return self._add(images, gains, weights, dark=dark)

    def expected(self, image: Image) -> Image:
        """Add the light of resting, unbleached sources and of layers at their expected level, in place."""
        gains = [sources.expected_gains() for sources in self.smooth]
        weights = None if self.layers is None else np.ones((1, len(self.layers.spatial)), np.float32)
        return self._add(image[np.newaxis], gains, weights, dark=False)[0]

    def _add(self, images: Image, gains: Sequence[Image], weights: Image | None, *, dark: bool) -> Image:
        gains_of = dict(zip(map(id, self.smooth), gains, strict=True))
        smooth = [
            light.rows(np.concatenate([gains_of[id(sources)] for sources in some]))
            for some, light in self._smooth_light
        ]
        # Additions have one order, with and without smooth light: cells with the first one, layers with the last.
        passes = smooth or [None]
        for i, rows in enumerate(passes):
            cells = self.cells if i == 0 else None
            layers = self.layers if i == len(passes) - 1 else None
            add_tissue(
                images=images,
                runs=None if cells is None else cells.runs,
                light=None if cells is None else gains_of[id(cells)],
                smooth=rows,
                layers=None if layers is None else layers.spatial,
                weights=None if layers is None else weights,
                dark=dark and i == 0,
            )
        return images


@dataclass(frozen=True, eq=False)
class _InstrumentPass:
    """Look at the canvas through the instrument, row by row: displacement, fields, sensor."""

    canvas: Canvas
    displacement: Displacement | None = None
    fields: tuple[FixedField, ...] = ()
    detector: Detector | None = None

    def joined(self, artifact: PixelArtifact) -> Pass | None:
        if self.detector is None and isinstance(artifact, FixedField):
            return replace(self, fields=(*self.fields, artifact))
        if self.detector is None and isinstance(artifact, Detector):
            return replace(self, detector=artifact)
        return None

    @cached_property
    def _fields(self) -> Fields:
        values = [field.field for field in self.fields]
        empty = np.empty((0, *self.canvas.sensor_shape), np.float32)
        return Fields(np.stack(values) if values else empty, np.array([f.adds for f in self.fields], np.bool_))

    @cached_property
    def _chip(self) -> Chip:
        assert self.detector is not None
        return self.detector.chip()

    def run(self, images: NDArray[Any], start: int, *, dark: bool) -> NDArray[Any]:
        if dark:
            images[:] = 0
        margin = 0 if images.shape[1:] == self.canvas.sensor_shape else self.canvas.margin_px
        corners = np.full((len(images), 2), float(margin))
        # Tissue that moves by +d is seen where a window moved by -d looks.
        if self.displacement is not None:
            corners -= self.displacement.shifts_px[start : start + len(images)]
        windows = Windows.at(corners, self.canvas.sensor_shape)
        if self.detector is None:
            return look(images, windows, self._fields)
        return expose(
            images=images, windows=windows, fields=self._fields, chip=self._chip, start=start, dtype=self.detector.dtype
        )


@dataclass(frozen=True, eq=False)
class _PainterPass:
    """Let a painter work on frame after frame."""

    painter: Painter
    canvas: Canvas

    def joined(self, artifact: PixelArtifact) -> Pass | None:
        return None

    def run(self, images: NDArray[Any], start: int, *, dark: bool) -> NDArray[Any]:
        if dark:
            images[:] = 0
        if self.painter.space is Space.SENSOR:
            images = self.canvas.crop(images)
        return np.stack([self.painter.paint(image, start + i) for i, image in enumerate(images)])


def fuse(artifacts: Sequence[PixelArtifact], canvas: Canvas) -> tuple[Pass, ...]:
    """Return the passes that do the work of artifacts, given in the order of light.

    Raises
    ------
    TypeError
        For an artifact of a kind that no pass knows, or one on the canvas behind one on the sensor.
    ValueError
        For a field that is no image of the sensor.
    """
    passes: list[Pass] = []
    on_sensor: PixelArtifact | None = None
    for artifact in artifacts:
        if isinstance(artifact, FixedField):
            _check_field(artifact, canvas)
        if on_sensor is not None and artifact.space is Space.CANVAS:
            raise TypeError(
                f"{type(artifact).__name__} acts on the canvas behind {type(on_sensor).__name__}, which acts on the "
                "sensor; change its light_order or its space"
            )
        if artifact.space is Space.SENSOR or isinstance(artifact, Displacement):
            on_sensor = artifact
        both = passes[-1].joined(artifact) if passes else None
        if both is None:
            passes.append(_pass_of(artifact, canvas))
        else:
            passes[-1] = both
    return tuple(passes)


def _check_field(artifact: FixedField, canvas: Canvas) -> None:
    """Refuse a field that does not fit the sensor: steps of other packages make fields, too."""
    field = artifact.field
    name = type(artifact).__name__
    if field.shape != canvas.sensor_shape or field.dtype != np.float32:
        raise ValueError(
            f"{name}: its field is {field.dtype} {field.shape}; give float32 {canvas.sensor_shape}, the sensor's "
            "height and width (ctx.canvas.sensor_shape)"
        )
    if not (np.isfinite(field).all() and field.min(initial=0) >= 0):
        raise ValueError(
            f"{name}: its field holds values from {field.min():g} to {field.max():g}; light is never negative"
        )


def _pass_of(artifact: PixelArtifact, canvas: Canvas) -> Pass:
    if isinstance(artifact, SmoothSources | Layers):
        return _TissuePass.of(artifact, canvas)
    if isinstance(artifact, Displacement):
        return _InstrumentPass(canvas, displacement=artifact)
    if isinstance(artifact, FixedField):
        return _InstrumentPass(canvas, fields=(artifact,))
    if isinstance(artifact, Detector):
        return _InstrumentPass(canvas, detector=artifact)
    if isinstance(artifact, Painter):
        return _PainterPass(artifact, canvas)
    raise TypeError(f"{type(artifact).__name__} changes pixels in no known way: derive it from Painter")


def expected_light(artifacts: Sequence[PixelArtifact], canvas: Canvas) -> Image:
    """Return the light that is expected on the sensor ``(height, width)``: every source at rest, the tissue unmoved."""
    image = np.zeros(canvas.shape, np.float32)
    for artifact in artifacts:
        if isinstance(artifact, SmoothSources | Layers):
            image = _TissuePass.of(artifact, canvas).expected(image)
        elif not isinstance(artifact, Detector):
            image = _after(artifact, canvas.crop(image) if artifact.space is Space.SENSOR else image)
    return canvas.crop(image)


def gain_of_fields(artifacts: Sequence[PixelArtifact], canvas: Canvas) -> Image:
    """Return the share of the tissue's light that reaches each pixel of the sensor, ``(height, width)``."""
    # The difference of two images, so that added light such as leakage drops out.
    lit = np.ones(canvas.sensor_shape, np.float32)
    unlit = np.zeros_like(lit)
    for artifact in artifacts:
        if artifact.space is Space.SENSOR and not isinstance(artifact, Detector):
            lit = _after(artifact, lit)
            unlit = _after(artifact, unlit)
    return lit - unlit


def _after(artifact: PixelArtifact, image: Image) -> Image:
    """Return an expected image after a field or a painter acted on it; others leave it as it is."""
    if isinstance(artifact, FixedField):
        return image + artifact.field if artifact.adds else image * artifact.field
    if isinstance(artifact, Painter):
        return artifact.paint_expected(image)
    return image
