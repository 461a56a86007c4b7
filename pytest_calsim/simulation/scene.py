"""The scene: every step planned once, and any block of frames painted from the truth on demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import SpecError, nearest
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.artifact import Artifact, Painter
from pytest_calsim.steps.step import Context, wiring

__all__ = ["Scene"]

# Light orders from which on pictures have the sensor's size: what moves the tissue crops it.
_SENSOR_FIXED = 30.0
# Frames painted together: more share little more, and what they take is beside a chunk's bytes in every thread.
_BLOCK_FRAMES, _BLOCK_BYTES = 12, 24 << 20


class Scene:
    """The planned truth of a spec. Made by :func:`plan`; immutable; paints frames in any order, on any thread.

    Attributes
    ----------
    spec
        What was asked for.
    artifacts
        Each step's truth, by kind.
    """

    def __init__(self, spec: Spec, artifacts: Mapping[str, Artifact]) -> None:
        self.spec = spec
        self.artifacts = artifacts
        self._fused: dict[str | None, list[tuple[Painter, bool]]] = {}

    @classmethod
    def of(cls, spec: Spec, known: Mapping[str, Artifact] | None = None) -> Scene:
        """Plan every step whose artifact is not known yet, in the order of what each requires and provides.

        Cells are as bright as their populations declare: a ``snr`` that one asks for is solved for later, by
        :func:`~pytest_calsim.simulation.planning.plan`.

        Parameters
        ----------
        spec
            What to simulate.
        known
            Artifacts that are taken as they are, by the kind of their step.
        """
        artifacts = dict(known or {})

        def provided(need: type[Artifact]) -> Artifact | None:
            return next((a for a in artifacts.values() if isinstance(a, need)), None)

        for step in spec.plan_order:
            if step.kind in artifacts:
                continue
            wired = wiring(type(step))
            context = Context(spec.acquisition, spec.canvas, spec.seed, step.kind)
            needs = {name: provided(kind) for name, kind in {**wired.requires, **wired.uses}.items()}
            artifacts[step.kind] = step.plan(context, **needs)
        return cls(spec, MappingProxyType(artifacts))

    @property
    def canvas(self) -> Canvas:
        """The grid on which tissue is painted."""
        return self.spec.canvas

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.spec.acquisition.n_frames

    @cached_property
    def painters(self) -> Mapping[str, Painter]:
        """The artifacts that change pixels, by kind, in the order of light."""
        return {kind: cast("Painter", self.artifacts[kind]) for kind in self.stages}

    @property
    def stages(self) -> tuple[str, ...]:
        """Kinds of the steps that change pixels, in the order of light."""
        return self.spec.stages

    def find(self, artifact: type[Artifact]) -> Any:
        """The artifact of a class, or ``None`` when no step of the spec provides it."""
        return next((a for a in self.artifacts.values() if isinstance(a, artifact)), None)

    def until(self, stage: str | None) -> list[Painter]:
        """The painters up to and including a stage; all of them for ``None``."""
        if stage is None:
            return list(self.painters.values())
        if stage not in self.painters:
            raise SpecError(f"no stage {stage!r}: {nearest(stage, self.stages)} (stages: {', '.join(self.stages)})")
        return [self.painters[kind] for kind in self.stages[: self.stages.index(stage) + 1]]

    def dtype(self, stage: str | None = None) -> np.dtype[Any]:
        """Type of the pixels after a stage: the sensor's codes at the end, float32 before."""
        painters = self.until(stage)
        return getattr(painters[-1], "dtype", np.dtype(np.float32)) if painters else np.dtype(np.float32)

    def paint_frame(self, frame: int, until: str | None = None, *, canvas: bool = False) -> NDArray[Any]:
        """One frame ``(height, width)`` after a stage, cropped to the sensor or with its margin."""
        return self.paint(frame, frame + 1, until, canvas=canvas)[0]

    def paint_at_rest(self, *, before_sensor: bool = True) -> NDArray[np.float32]:
        """The expected picture ``(height, width)`` with every cell at rest and no motion, before the sensor."""
        image: NDArray[Any] = np.zeros(self.canvas.shape, np.float32)
        for painter in self.painters.values():
            if not (before_sensor and painter.light_order >= 70):
                image = painter.paint_at_rest(image)
        return self._crop(image, False, None)

    def paint(
        self,
        start: int = 0,
        stop: int | None = None,
        until: str | None = None,
        *,
        canvas: bool = False,
        threads: int = 1,
    ) -> NDArray[Any]:
        """Frames ``start`` to ``stop`` after a stage, as one fresh array ``(frame, height, width)``.

        Every frame depends on nothing but the spec and its own index, so any cut into blocks and any number of
        threads give the same bits.
        """
        stop = self.n_frames if stop is None else stop
        if not 0 <= start <= stop <= self.n_frames:
            raise SpecError(f"frames {start}..{stop} are not within the recording's 0..{self.n_frames}")
        painters = self._fused_until(until)
        shape = self.canvas.shape if canvas else self.canvas.sensor_shape
        out = np.empty((stop - start, *shape), self.dtype(until))
        most = max(1, min(_BLOCK_FRAMES, _BLOCK_BYTES // (4 * math.prod(self.canvas.shape))))
        blocks = max(threads, math.ceil(len(out) / most))
        cuts = [len(out) * i // blocks for i in range(blocks + 1)]

        def fill(first: int, last: int) -> None:
            if last > first:
                images = self._paint(painters, start + first, last - first)
                out[first:last] = self._crop(images, canvas, until)

        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(fill, cuts[:-1], cuts[1:]))
        else:
            for first, last in pairwise(cuts):
                fill(first, last)
        return out

    def _fused_until(self, stage: str | None) -> list[tuple[Painter, bool]]:
        """The painters up to a stage, neighbours joined where they can do their work in one pass; and whether each
        asks for images of the sensor's size. Made once, as joining lays out what they share.
        """
        if stage not in self._fused:
            fused: list[tuple[Painter, bool]] = []
            for painter in self.until(stage):
                both = fused[-1][0].then(painter) if fused else None
                if both is not None:
                    fused[-1] = both, fused[-1][1]
                else:
                    fused.append((painter, painter.light_order > _SENSOR_FIXED))
            self._fused[stage] = fused
        return self._fused[stage]

    def _paint(self, painters: list[tuple[Painter, bool]], start: int, n: int) -> NDArray[Any]:
        images: NDArray[Any] = np.empty((n, *self.canvas.shape), np.float32)
        if not painters:
            images[:] = 0
        for i, (painter, on_sensor) in enumerate(painters):
            if on_sensor:
                images = np.ascontiguousarray(self._crop(images, False, None))
            images = painter.paint_block(images, start) if i else painter.paint_dark(images, start)
        return images

    def _crop(self, images: NDArray[Any], canvas: bool, until: str | None) -> NDArray[Any]:
        """The sensor's window of pictures ``(..., height, width)``, or all of them if the canvas is asked for."""
        shape = images.shape[-2:]
        if canvas and shape != self.canvas.shape:
            raise SpecError(f"stage {until!r} lies behind the crop to the sensor: it has no margin to show")
        return images if canvas or shape == self.canvas.sensor_shape else images[..., *self.canvas.window]

    def truth(self) -> dict[str, TruthArray | SparseFootprints]:
        """Every quantity of the ground truth that the steps planned, by name."""
        found: dict[str, TruthArray | SparseFootprints] = {}
        for kind in sorted(self.artifacts):
            for name, value in self.artifacts[kind].truth().items():
                if name in found:
                    raise TypeError(f"two steps give the truth {name!r}; the second is {kind!r}")
                found[name] = value
        return found
