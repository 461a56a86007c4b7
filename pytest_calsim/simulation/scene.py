"""Hold the planned truth of a spec, and paint any block of its frames on demand."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.plain import is_whole_number
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import SpecError
from pytest_calsim.kernels.types import Image
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.fusion import Pass, expected_light, fuse, gain_of_fields
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.pixels import Detector, Displacement, PixelArtifact, Space
from pytest_calsim.steps.registry import either
from pytest_calsim.steps.step import Context, dependencies

__all__ = ["Scene"]

_A = TypeVar("_A", bound=Artifact)

_LOG = logging.getLogger(__name__)

# Frames that are painted together, and the memory that they may take in float32, on the canvas. Larger blocks save
# little, and each thread needs this memory as well.
_BLOCK_FRAMES = 12
_BLOCK_BYTES = 24 << 20


class Scene:
    """The planned truth of a spec. It is immutable and paints frames in any order, on any thread.

    :func:`~pytest_calsim.plan` makes it.

    Attributes
    ----------
    spec
        Spec that was planned.
    artifacts
        Each step's truth, by the step's kind.
    """

    def __init__(self, spec: Spec, artifacts: Mapping[str, Artifact]) -> None:
        self.spec = spec
        self.artifacts = artifacts
        # Passes over memory by the stage that they end with. Two threads may fuse the same ones; either will do.
        self._fused: dict[str | None, tuple[Pass, ...]] = {}

    def __repr__(self) -> str:
        height, width = self.canvas.sensor_shape
        return f"<Scene of {self.n_frames} frames, {height} x {width} px: {', '.join(self.artifacts)}>"

    @classmethod
    def of(cls, spec: Spec, known: Mapping[str, Artifact] | None = None) -> Scene:
        """Plan every step whose artifact is not known yet, each after the steps whose artifacts it takes.

        Cells are as bright as drawn. :func:`~pytest_calsim.plan` also solves for the ``snr`` that a population
        declares. How long each step took is logged at level DEBUG.

        Parameters
        ----------
        spec
            What to simulate.
        known
            Artifacts that need not be planned, by the kind of their step.
        """
        artifacts = dict(known or {})
        for step in spec.plan_order:
            if step.kind in artifacts:
                continue
            context = Context(spec.acquisition, spec.canvas, spec.seed, step.kind)
            needs = {name: _first(artifacts, need) for name, need in dependencies(type(step)).takes.items()}
            began = time.perf_counter()
            artifacts[step.kind] = step.plan(context, **needs)
            _LOG.debug("planned %s in %.3f s", step.kind, time.perf_counter() - began)
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
    def pixel_artifacts(self) -> Mapping[str, PixelArtifact]:
        """The artifacts that change pixels, by the kind of their step, in the order of light."""
        found = {kind: a for kind, a in self.artifacts.items() if isinstance(a, PixelArtifact)}
        return {kind: found[kind] for kind in self.stages}

    @property
    def stages(self) -> tuple[str, ...]:
        """Kinds of the steps that change pixels, in the order of light."""
        return self.spec.stages

    def find(self, artifact: type[_A]) -> _A | None:
        """Return the artifact of a class, or ``None`` when no step of the spec provides it."""
        return _first(self.artifacts, artifact)

    def require(self, artifact: type[_A]) -> _A:
        """Return the artifact of a class.

        Raises
        ------
        SpecError
            When no step of the spec provides it.
        """
        found = self.find(artifact)
        if found is None:
            raise SpecError(f"no step of this spec provides {artifact.__name__}; add {either(artifact)}")
        return found

    def until(self, stage: str | None) -> list[PixelArtifact]:
        """Return the artifacts that change pixels, in the order of light, up to and including a step's.

        Parameters
        ----------
        stage
            Kind of any step of the spec; ``None`` for all of them. Up to a step that changes no pixels there are none,
            because light begins behind all of those.

        Raises
        ------
        SpecError
            If the spec has no such step.
        """
        if stage is None:
            return list(self.pixel_artifacts.values())
        if stage in self.spec.kinds and stage not in self.stages:
            return []
        if stage not in self.stages:
            raise SpecError(f"no stage {stage!r}; known, in the order of light: {', '.join(self.stages)}")
        return [self.pixel_artifacts[kind] for kind in self.stages[: self.stages.index(stage) + 1]]

    def dtype(self, stage: str | None = None) -> np.dtype[Any]:
        """Return the type of the pixels after a stage: that of the codes behind the sensor, float32 before it."""
        detectors = [a for a in self.until(stage) if isinstance(a, Detector)]
        return detectors[-1].dtype if detectors else np.dtype(np.float32)

    def shape(self, stage: str | None = None, *, canvas: bool = False) -> tuple[int, int]:
        """Return height and width of the images after a stage, px: the sensor's, or the canvas' with its margin.

        Raises
        ------
        SpecError
            If the canvas is asked for at or behind the stage that crops it to the sensor.
        """
        if not canvas:
            return self.canvas.sensor_shape
        for artifact in self.until(stage):
            if isinstance(artifact, Displacement) or artifact.space is Space.SENSOR:
                raise SpecError(f"stage {stage!r} lies behind the crop to the sensor: it has no margin to show")
        return self.canvas.shape

    def expected_light(self) -> Image:
        """Return the expected light ``(height, width)`` with every cell at rest and no motion, before the sensor."""
        return self._expected_light

    @cached_property
    def _expected_light(self) -> Image:
        return read_only(expected_light(self.until(None), self.canvas))

    def expected_codes(self) -> NDArray[Any]:
        """Return the noise-free codes ``(height, width)`` of the expected light; the light if there is no sensor."""
        detector = self.find(Detector)
        light = self.expected_light()
        return light if detector is None else detector.expected_codes(light)

    def gain_of_fields(self) -> Image:
        """Return the share of the tissue's light that each pixel of the sensor receives, ``(height, width)``."""
        return gain_of_fields(self.until(None), self.canvas)

    def paint(
        self,
        start: int = 0,
        stop: int | None = None,
        until: str | None = None,
        *,
        canvas: bool = False,
        threads: int = 1,
    ) -> NDArray[Any]:
        """Paint frames ``start`` to ``stop`` after a stage.

        A frame depends on the spec and its index alone, so all blocks and all numbers of threads give the same bits.

        Parameters
        ----------
        start, stop
            First frame, and the one behind the last; ``None`` for the recording's end.
        until
            Kind of the last step that changes the pixels; ``None`` for all steps.
        canvas
            Whether to paint the tissue with its margin, in place of what the sensor sees.
        threads
            Number of threads that paint.

        Returns
        -------
        A new, writable array ``(frame, height, width)`` of type :meth:`dtype` and size :meth:`shape`.

        Raises
        ------
        SpecError
            If the recording has no such frames, the spec has no such step, there is no margin to show, or no thread to
            paint.
        """
        stop = self.n_frames if stop is None else stop
        if not all(map(is_whole_number, (start, stop))) or not 0 <= start <= stop <= self.n_frames:
            raise SpecError(f"frames {start!r}..{stop!r} are not within the recording's 0..{self.n_frames}")
        if not is_whole_number(threads) or threads < 1:
            raise SpecError(f"threads = {threads!r} must be a whole number, 1 or more")
        passes = self._passes(until)
        out = np.empty((stop - start, *self.shape(until, canvas=canvas)), self.dtype(until))
        most = max(1, min(_BLOCK_FRAMES, _BLOCK_BYTES // (4 * math.prod(self.canvas.shape))))
        # Blocks of nearly equal length: with several threads none is left to wait for a last, longer one.
        blocks = max(threads, math.ceil(len(out) / most))
        cuts = [len(out) * i // blocks for i in range(blocks + 1)]

        def fill(first: int, last: int) -> None:
            if last > first:
                images = self._paint(passes, start + first, last - first)
                out[first:last] = images if canvas else self.canvas.crop(images)

        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(fill, cuts[:-1], cuts[1:]))
        else:
            for first, last in pairwise(cuts):
                fill(first, last)
        return out

    def _passes(self, stage: str | None) -> tuple[Pass, ...]:
        """Fuse the artifacts up to a stage once."""
        if stage not in self._fused:
            self._fused[stage] = fuse(self.until(stage), self.canvas)
        return self._fused[stage]

    def _paint(self, passes: tuple[Pass, ...], start: int, n: int) -> NDArray[Any]:
        """Paint ``n`` frames on the canvas, or on the sensor behind the crop."""
        images: NDArray[Any] = np.empty((n, *self.canvas.shape), np.float32)
        if not passes:
            images[:] = 0
        for i, one in enumerate(passes):
            # New memory holds anything: the first pass overwrites or clears it.
            images = one.run(images, start, dark=i == 0)
        return images

    def resolved_spec(self) -> Spec:
        """Return the spec with its automatic choices written out as numbers (focus, depth of field)."""
        chosen = {"acquisition.optics.depth_of_field_um": self.spec.acquisition.depth_of_field_um}
        for artifact in self.artifacts.values():
            chosen.update(artifact.choices())
        return self.spec.edit(chosen)

    def truth(self) -> dict[str, TruthArray | SparseFootprints]:
        """Return every quantity of the ground truth that the steps planned, by name."""
        found: dict[str, TruthArray | SparseFootprints] = {}
        for kind in sorted(self.artifacts):
            for name, value in self.artifacts[kind].truth().items():
                if name in found:
                    raise TypeError(
                        f"two steps give the truth {name!r}, the second is {kind!r}: rename it in one of them"
                    )
                found[name] = value
        return found


def _first(artifacts: Mapping[str, Artifact], wanted: type[_A]) -> _A | None:
    """Return the artifact of a class, if there is one."""
    return next((artifact for artifact in artifacts.values() if isinstance(artifact, wanted)), None)
