"""Simulated miniscope recordings with exact ground truth, for pytest.

The public names are loaded when first used: importing the package costs milliseconds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_calsim.errors import CalsimError as CalsimError
    from pytest_calsim.errors import EstimateError as EstimateError
    from pytest_calsim.errors import RecoveryError as RecoveryError
    from pytest_calsim.errors import SpecError as SpecError
    from pytest_calsim.errors import StoreError as StoreError
    from pytest_calsim.microscope.acquisition import Acquisition as Acquisition
    from pytest_calsim.microscope.acquisition import ImageSensor as ImageSensor
    from pytest_calsim.microscope.acquisition import Optics as Optics
    from pytest_calsim.microscope.acquisition import Tissue as Tissue
    from pytest_calsim.microscope.given_array import GivenArray as GivenArray
    from pytest_calsim.plugin.factory import RecordingFactory as RecordingFactory
    from pytest_calsim.recording.cache import RecordingCache as RecordingCache
    from pytest_calsim.recording.cache import simulate_cached as simulate_cached
    from pytest_calsim.recording.exports.damage import damage as damage
    from pytest_calsim.recording.recording import Recording as Recording
    from pytest_calsim.recording.simulate import simulate as simulate
    from pytest_calsim.recording.truth import GroundTruth as GroundTruth
    from pytest_calsim.simulation.planning import plan as plan
    from pytest_calsim.simulation.scene import Scene as Scene
    from pytest_calsim.spec.presets import compose_presets as compose_presets
    from pytest_calsim.spec.presets import load_preset as load_preset
    from pytest_calsim.spec.presets import preset_names as preset_names
    from pytest_calsim.spec.presets import preset_parts as preset_parts
    from pytest_calsim.spec.presets import preset_summary as preset_summary
    from pytest_calsim.spec.spec import Spec as Spec
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
    from pytest_calsim.steps.sensor.sensor import Sensor as Sensor
    from pytest_calsim.steps.tissue.vasculature import Vasculature as Vasculature
    from pytest_calsim.steps.tissue.vasculature import VesselLayer as VesselLayer
    from pytest_calsim.testing import strategies as strategies
    from pytest_calsim.testing.assertions import assert_footprints_recovered as assert_footprints_recovered
    from pytest_calsim.testing.assertions import assert_shifts_recovered as assert_shifts_recovered
    from pytest_calsim.testing.assertions import assert_spikes_recovered as assert_spikes_recovered
    from pytest_calsim.testing.assertions import assert_traces_recovered as assert_traces_recovered
    from pytest_calsim.testing.background import assert_background_recovered as assert_background_recovered
    from pytest_calsim.testing.blame import explain_miss as explain_miss
    from pytest_calsim.testing.contract import PipelineContract as PipelineContract
    from pytest_calsim.testing.contract import contract_scene as contract_scene
    from pytest_calsim.testing.estimate import Estimate as Estimate
    from pytest_calsim.testing.evaluation import compare as compare
    from pytest_calsim.testing.plots import save_overlay as save_overlay
    from pytest_calsim.testing.plots import save_report as save_report
    from pytest_calsim.testing.relations.assertions import assert_equivariant as assert_equivariant
    from pytest_calsim.testing.relations.assertions import assert_invariant as assert_invariant
    from pytest_calsim.testing.relations.assertions import assert_monotone as assert_monotone
    from pytest_calsim.testing.relations.outcome import Outcome as Outcome
    from pytest_calsim.testing.relations.tolerance import Tolerance as Tolerance
    from pytest_calsim.testing.score import Scores as Scores
    from pytest_calsim.testing.score import score as score
    from pytest_calsim.testing.scorecard import Scorecard as Scorecard
    from pytest_calsim.testing.scoring.fields import field_pearson as field_pearson
    from pytest_calsim.testing.scoring.matching import Match as Match
    from pytest_calsim.testing.scoring.matching import hungarian_match as hungarian_match
    from pytest_calsim.testing.scoring.shifts import shift_rmse as shift_rmse
    from pytest_calsim.testing.scoring.spikes import spike_precision_recall as spike_precision_recall
    from pytest_calsim.testing.scoring.traces import trace_gain as trace_gain
    from pytest_calsim.testing.scoring.traces import trace_pearson as trace_pearson
    from pytest_calsim.testing.sweeps import pairs as pairs
    from pytest_calsim.testing.sweeps import sweep as sweep

__version__ = "0.1.0"

# Where each public name is defined; the imports above say the same to type checkers, which run nothing.
_WHERE = {
    "Acquisition": "microscope.acquisition",
    "Assemblies": "steps.cells.assemblies",
    "BackgroundCells": "steps.background.background_cells",
    "BackgroundPopulation": "steps.background.background_cells",
    "Bleaching": "steps.cells.bleaching",
    "BrainMotion": "steps.motion.brain_motion",
    "CalsimError": "errors",
    "CellActivity": "steps.cells.cell_activity",
    "CellOptics": "steps.cells.cell_optics",
    "Estimate": "testing.estimate",
    "EstimateError": "errors",
    "GivenArray": "microscope.given_array",
    "GroundTruth": "recording.truth",
    "HillSaturation": "steps.cells.cell_activity",
    "Illumination": "steps.light.illumination",
    "ImageSensor": "microscope.acquisition",
    "Jumps": "steps.motion.brain_motion",
    "Leakage": "steps.light.leakage",
    "LocalBackground": "steps.background.neuropil",
    "Match": "testing.scoring.matching",
    "Neuropil": "steps.background.neuropil",
    "NeuropilComponent": "steps.background.neuropil",
    "Optics": "microscope.acquisition",
    "Oscillator": "steps.motion.brain_motion",
    "Outcome": "testing.relations.outcome",
    "PipelineContract": "testing.contract",
    "PlaceNeurons": "steps.cells.place_neurons",
    "Population": "steps.cells.population",
    "RandomWalk": "steps.motion.brain_motion",
    "Recording": "recording.recording",
    "RecordingCache": "recording.cache",
    "RecordingFactory": "plugin.factory",
    "RecoveryError": "errors",
    "Render": "steps.cells.render",
    "Scene": "simulation.scene",
    "Scorecard": "testing.scorecard",
    "Scores": "testing.score",
    "Sensor": "steps.sensor.sensor",
    "Spec": "spec.spec",
    "SpecError": "errors",
    "StoreError": "errors",
    "Tissue": "microscope.acquisition",
    "Tolerance": "testing.relations.tolerance",
    "Vasculature": "steps.tissue.vasculature",
    "VesselLayer": "steps.tissue.vasculature",
    "Vignette": "steps.light.vignette",
    "assert_background_recovered": "testing.background",
    "assert_equivariant": "testing.relations.assertions",
    "assert_footprints_recovered": "testing.assertions",
    "assert_invariant": "testing.relations.assertions",
    "assert_monotone": "testing.relations.assertions",
    "assert_shifts_recovered": "testing.assertions",
    "assert_spikes_recovered": "testing.assertions",
    "assert_traces_recovered": "testing.assertions",
    "compare": "testing.evaluation",
    "compose_presets": "spec.presets",
    "contract_scene": "testing.contract",
    "damage": "recording.exports.damage",
    "explain_miss": "testing.blame",
    "field_pearson": "testing.scoring.fields",
    "hungarian_match": "testing.scoring.matching",
    "load_preset": "spec.presets",
    "pairs": "testing.sweeps",
    "plan": "simulation.planning",
    "preset_names": "spec.presets",
    "preset_parts": "spec.presets",
    "preset_summary": "spec.presets",
    "save_overlay": "testing.plots",
    "save_report": "testing.plots",
    "score": "testing.score",
    "shift_rmse": "testing.scoring.shifts",
    "simulate": "recording.simulate",
    "simulate_cached": "recording.cache",
    "spike_precision_recall": "testing.scoring.spikes",
    "sweep": "testing.sweeps",
    "trace_gain": "testing.scoring.traces",
    "trace_pearson": "testing.scoring.traces",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "strategies":  # a module; `import *` leaves it out, as it would import Hypothesis
        return import_module("pytest_calsim.testing.strategies")
    if name not in _WHERE:
        raise AttributeError(f"module 'pytest_calsim' has no attribute {name!r}")
    value = getattr(import_module(f"pytest_calsim.{_WHERE[name]}"), name)
    if "hypothesis" in sys.modules:  # it may have been imported before there was anything to register
        import_module("pytest_calsim.testing.hypothesis_entry").register(value)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "strategies"])
