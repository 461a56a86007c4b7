"""Simulated miniscope recordings with exact ground truth, for pytest.

The public names are loaded when first used: importing the package costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_calsim.acquisition import Acquisition as Acquisition
    from pytest_calsim.acquisition import ImageSensor as ImageSensor
    from pytest_calsim.acquisition import Optics as Optics
    from pytest_calsim.acquisition import Tissue as Tissue
    from pytest_calsim.assertions import assert_footprints_recovered as assert_footprints_recovered
    from pytest_calsim.assertions import assert_shifts_recovered as assert_shifts_recovered
    from pytest_calsim.assertions import assert_spikes_recovered as assert_spikes_recovered
    from pytest_calsim.assertions import assert_traces_recovered as assert_traces_recovered
    from pytest_calsim.errors import CalsimError as CalsimError
    from pytest_calsim.errors import EstimateError as EstimateError
    from pytest_calsim.errors import RecoveryError as RecoveryError
    from pytest_calsim.errors import SpecError as SpecError
    from pytest_calsim.errors import StoreError as StoreError
    from pytest_calsim.estimate import Estimate as Estimate
    from pytest_calsim.factory import RecordingFactory as RecordingFactory
    from pytest_calsim.presets import load_preset as load_preset
    from pytest_calsim.presets import preset_names as preset_names
    from pytest_calsim.presets import preset_summary as preset_summary
    from pytest_calsim.recording import Recording as Recording
    from pytest_calsim.scene import Scene as Scene
    from pytest_calsim.scene import plan as plan
    from pytest_calsim.scorecard import Scorecard as Scorecard
    from pytest_calsim.scoring.fields import field_pearson as field_pearson
    from pytest_calsim.scoring.matching import Match as Match
    from pytest_calsim.scoring.matching import hungarian_match as hungarian_match
    from pytest_calsim.scoring.shifts import shift_rmse as shift_rmse
    from pytest_calsim.scoring.spikes import spike_precision_recall as spike_precision_recall
    from pytest_calsim.scoring.traces import trace_pearson as trace_pearson
    from pytest_calsim.simulation import simulate as simulate
    from pytest_calsim.spec import Spec as Spec
    from pytest_calsim.sweeps import sweep as sweep
    from pytest_calsim.truth import GroundTruth as GroundTruth

__version__ = "0.1.0"

_WHERE = {
    "Acquisition": "acquisition",
    "CalsimError": "errors",
    "Estimate": "estimate",
    "EstimateError": "errors",
    "GroundTruth": "truth",
    "ImageSensor": "acquisition",
    "Match": "scoring.matching",
    "Optics": "acquisition",
    "Recording": "recording",
    "RecordingFactory": "factory",
    "RecoveryError": "errors",
    "Scene": "scene",
    "Scorecard": "scorecard",
    "Spec": "spec",
    "SpecError": "errors",
    "StoreError": "errors",
    "Tissue": "acquisition",
    "assert_footprints_recovered": "assertions",
    "assert_shifts_recovered": "assertions",
    "assert_spikes_recovered": "assertions",
    "assert_traces_recovered": "assertions",
    "field_pearson": "scoring.fields",
    "hungarian_match": "scoring.matching",
    "load_preset": "presets",
    "plan": "scene",
    "preset_names": "presets",
    "preset_summary": "presets",
    "shift_rmse": "scoring.shifts",
    "simulate": "simulation",
    "spike_precision_recall": "scoring.spikes",
    "sweep": "sweeps",
    "trace_pearson": "scoring.traces",
}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "Acquisition",
    "CalsimError",
    "Estimate",
    "EstimateError",
    "GroundTruth",
    "ImageSensor",
    "Match",
    "Optics",
    "Recording",
    "RecordingFactory",
    "RecoveryError",
    "Scene",
    "Scorecard",
    "Spec",
    "SpecError",
    "StoreError",
    "Tissue",
    "assert_footprints_recovered",
    "assert_shifts_recovered",
    "assert_spikes_recovered",
    "assert_traces_recovered",
    "field_pearson",
    "hungarian_match",
    "load_preset",
    "plan",
    "preset_names",
    "preset_summary",
    "shift_rmse",
    "simulate",
    "spike_precision_recall",
    "sweep",
    "trace_pearson",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pytest_calsim' has no attribute {name!r}")
    return getattr(import_module(f"pytest_calsim.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
