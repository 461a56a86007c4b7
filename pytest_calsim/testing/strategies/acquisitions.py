"""Acquisitions and their parts."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from pytest_calsim.errors import SpecError
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics, Tissue
from pytest_calsim.testing.strategies.fields import check_fields, finite_floats, fitting, models, some_of

__all__ = ["acquisitions", "at_least", "image_sensors", "optics", "tissues"]

Any_ = st.SearchStrategy[Any]


def optics(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Optics]:
    """Draw optics. Their focal surface is flat unless given: how far it may curve depends on the sensor.

    Parameters
    ----------
    **fields
        Strategies for single fields.
    """
    return _flat_optics() if not fields else models(Optics, **{"field_curvature_radius_um": st.none(), **fields})


@cache
def _flat_optics() -> st.SearchStrategy[Optics]:
    return models(Optics, field_curvature_radius_um=st.none())


def tissues(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Tissue]:
    """Draw how tissue attenuates and blurs light; ``fields`` are strategies for single fields."""
    return models(Tissue, **fields)


def image_sensors(max_pixels: int = 4096, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[ImageSensor]:
    """Draw image sensors of at most ``max_pixels`` (at least 64) pixels, each side at least 8.

    Parameters
    ----------
    max_pixels
        Bound on height x width.
    **fields
        Strategies for single fields. A height or width that is given is not bounded.
    """
    at_least("max_pixels", max_pixels, 64)
    check_fields(ImageSensor, fields)
    return _sensors(max_pixels) if not fields else _sized(max_pixels, fields)


@cache
def _sensors(max_pixels: int) -> st.SearchStrategy[ImageSensor]:
    return _sized(max_pixels, {})


@st.composite
def _sized(draw: st.DrawFn, max_pixels: int, fields: dict[str, Any_]) -> ImageSensor:
    depths = draw(_DEPTHS) if not fields.keys() & _BITS else None
    fixed = {} if depths is None else dict(zip(_BITS, depths, strict=True))
    given = {name: draw(strategy) for name, strategy in fields.items() if name not in _SIDES}
    free = tuple(name for name in ImageSensor.model_fields if name not in {*_SIDES, *fixed, *given})
    values = {**fixed, **given, **draw(some_of(ImageSensor, free))}
    # Hypothesis shrinks first what is drawn last: the size, while whatever needs no large one is as it was found.
    height = draw(fields.get("height_px", st.integers(8, max_pixels // 8)))
    width = draw(fields.get("width_px", st.integers(8, max(8, max_pixels // height))))
    return fitting(ImageSensor, {"height_px": height, "width_px": width, **values})


_SIDES = ("height_px", "width_px")
_BITS = ("bit_depth", "adc_bit_depth")
# Codes of no more bits than the converter's: two that are drawn apart seldom fit.
_DEPTHS = st.one_of(st.none(), st.tuples(st.integers(8, 16), st.integers(8, 16)).map(sorted))


def acquisitions(
    max_pixels: int = 4096, max_frames: int = 20, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Acquisition]:
    """Draw acquisitions of a bounded number of pixels and frames.

    Parameters
    ----------
    max_pixels, max_frames
        Bounds on the movie's size.
    **fields
        Strategies for single fields, in place of those bounds: ``optics=sims.optics(na=st.just(0.3))``,
        ``duration_s=st.just(10)``.
    """
    at_least("max_frames", max_frames, 1)
    at_least("max_pixels", max_pixels, 64)
    check_fields(Acquisition, fields)
    return _acquisitions(max_pixels, max_frames) if not fields else _drawn(max_pixels, max_frames, fields)


@cache
def _acquisitions(max_pixels: int, max_frames: int) -> st.SearchStrategy[Acquisition]:
    return _drawn(max_pixels, max_frames, {})


@st.composite
def _drawn(draw: st.DrawFn, max_pixels: int, max_frames: int, fields: dict[str, Any_]) -> Acquisition:
    frames = draw(st.integers(1, max_frames))
    parts = {"duration_s": st.just(1e5), "optics": optics(), "image_sensor": image_sensors(max_pixels)}
    flat = draw(models(Acquisition, **{**parts, **fields}))
    values = {name: getattr(flat, name) for name in Acquisition.model_fields}
    if "optics" not in fields:
        curvature = draw(_CURVATURES)
        radius_um = None if curvature is None else min(curvature * flat.field_radius_um, 1e5)
        values["optics"] = flat.optics.model_copy(update={"field_curvature_radius_um": radius_um})
    if "duration_s" not in fields:
        values["duration_s"] = frames / flat.fps
    return fitting(Acquisition, values)


_CURVATURES = st.one_of(st.none(), finite_floats(1.01, 100))


def at_least(name: str, value: int, least: int) -> None:
    """Refuse a bound that leaves nothing to draw."""
    if value < least:
        raise SpecError(f"{name} = {value} must be at least {least}")
