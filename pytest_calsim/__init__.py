"""Simulated miniscope recordings with exact ground truth, for pytest.

The public names are loaded when first used: importing the package costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

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


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pytest_calsim' has no attribute {name!r}")
    return getattr(import_module(f"pytest_calsim.{_WHERE[name]}"), name)
