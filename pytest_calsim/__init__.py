"""Simulated miniscope recordings with exact ground truth, for pytest.

The public names are loaded when first used: importing the package costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "Acquisition": "acquisition",
    "ImageSensor": "acquisition",
    "Optics": "acquisition",
    "Tissue": "acquisition",
    "Recording": "recording",
    "RecordingFactory": "factory",
    "Scene": "scene",
    "Spec": "spec",
    "GroundTruth": "truth",
    "load_preset": "presets",
    "plan": "scene",
    "preset_names": "presets",
    "preset_summary": "presets",
    "simulate": "simulation",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pytest_calsim' has no attribute {name!r}")
    return getattr(import_module(f"pytest_calsim.{_WHERE[name]}"), name)
