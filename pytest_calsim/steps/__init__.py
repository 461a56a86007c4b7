"""Export the steps of a simulation, and the parts of which you make a step of your own.

Every name here can be imported from this package, and is loaded when it is first used::

    from pytest_calsim.steps import BrainMotion, Context, Painter, Step
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_calsim.arrays.truth_array import TruthArray as TruthArray
    from pytest_calsim.steps.artifact import Artifact as Artifact
    from pytest_calsim.steps.background.background_cells import BackgroundCells as BackgroundCells
    from pytest_calsim.steps.background.background_cells import BackgroundPopulation as BackgroundPopulation
    from pytest_calsim.steps.background.neuropil import LocalBackground as LocalBackground
    from pytest_calsim.steps.background.neuropil import Neuropil as Neuropil
    from pytest_calsim.steps.background.neuropil import NeuropilComponent as NeuropilComponent
    from pytest_calsim.steps.cells.assemblies import Assemblies as Assemblies
    from pytest_calsim.steps.cells.bleaching import Bleaching as Bleaching
    from pytest_calsim.steps.cells.cell_activity import CellActivity as CellActivity
    from pytest_calsim.steps.cells.cell_activity import HillSaturation as HillSaturation
    from pytest_calsim.steps.cells.cell_optics import CellOptics as CellOptics
    from pytest_calsim.steps.cells.place_neurons import PlaceNeurons as PlaceNeurons
    from pytest_calsim.steps.cells.population import Population as Population
    from pytest_calsim.steps.cells.render import Render as Render
    from pytest_calsim.steps.light.illumination import Illumination as Illumination
    from pytest_calsim.steps.light.leakage import Leakage as Leakage
    from pytest_calsim.steps.light.vignette import Vignette as Vignette
    from pytest_calsim.steps.motion.brain_motion import BrainMotion as BrainMotion
    from pytest_calsim.steps.motion.brain_motion import Jumps as Jumps
    from pytest_calsim.steps.motion.brain_motion import Oscillator as Oscillator
    from pytest_calsim.steps.motion.brain_motion import RandomWalk as RandomWalk
    from pytest_calsim.steps.pixels import CellSources as CellSources
    from pytest_calsim.steps.pixels import Detector as Detector
    from pytest_calsim.steps.pixels import Displacement as Displacement
    from pytest_calsim.steps.pixels import FixedField as FixedField
    from pytest_calsim.steps.pixels import Layers as Layers
    from pytest_calsim.steps.pixels import LightOrder as LightOrder
    from pytest_calsim.steps.pixels import Painter as Painter
    from pytest_calsim.steps.pixels import SmoothSources as SmoothSources
    from pytest_calsim.steps.pixels import Space as Space
    from pytest_calsim.steps.pixels import SplineImages as SplineImages
    from pytest_calsim.steps.sensor.sensor import Sensor as Sensor
    from pytest_calsim.steps.spline_images import disk_images as disk_images
    from pytest_calsim.steps.spline_images import gaussian_images as gaussian_images
    from pytest_calsim.steps.step import Context as Context
    from pytest_calsim.steps.step import Cost as Cost
    from pytest_calsim.steps.step import SpecContext as SpecContext
    from pytest_calsim.steps.step import Step as Step
    from pytest_calsim.steps.tissue.vasculature import Vasculature as Vasculature
    from pytest_calsim.steps.tissue.vasculature import VesselLayer as VesselLayer

_WHERE = {
    "Artifact": "steps.artifact",
    "Assemblies": "steps.cells.assemblies",
    "BackgroundCells": "steps.background.background_cells",
    "BackgroundPopulation": "steps.background.background_cells",
    "Bleaching": "steps.cells.bleaching",
    "BrainMotion": "steps.motion.brain_motion",
    "CellActivity": "steps.cells.cell_activity",
    "CellOptics": "steps.cells.cell_optics",
    "CellSources": "steps.pixels",
    "Context": "steps.step",
    "Cost": "steps.step",
    "Detector": "steps.pixels",
    "Displacement": "steps.pixels",
    "FixedField": "steps.pixels",
    "HillSaturation": "steps.cells.cell_activity",
    "Illumination": "steps.light.illumination",
    "Jumps": "steps.motion.brain_motion",
    "Layers": "steps.pixels",
    "Leakage": "steps.light.leakage",
    "LightOrder": "steps.pixels",
    "LocalBackground": "steps.background.neuropil",
    "Neuropil": "steps.background.neuropil",
    "NeuropilComponent": "steps.background.neuropil",
    "Oscillator": "steps.motion.brain_motion",
    "SplineImages": "steps.pixels",
    "disk_images": "steps.spline_images",
    "gaussian_images": "steps.spline_images",
    "Painter": "steps.pixels",
    "PlaceNeurons": "steps.cells.place_neurons",
    "Population": "steps.cells.population",
    "RandomWalk": "steps.motion.brain_motion",
    "Render": "steps.cells.render",
    "Sensor": "steps.sensor.sensor",
    "SmoothSources": "steps.pixels",
    "Space": "steps.pixels",
    "SpecContext": "steps.step",
    "Step": "steps.step",
    "TruthArray": "arrays.truth_array",
    "Vasculature": "steps.tissue.vasculature",
    "VesselLayer": "steps.tissue.vasculature",
    "Vignette": "steps.light.vignette",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pytest_calsim.steps' has no attribute {name!r}")
    value = getattr(import_module(f"pytest_calsim.{_WHERE[name]}"), name)
    # There once Hypothesis has loaded it, as its entry point: it learns of the models that come after.
    entry = sys.modules.get("pytest_calsim.testing.hypothesis_entry")
    if entry is not None:
        entry.register(value)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
