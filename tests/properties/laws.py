"""What the property tests share: how specs are simulated, and how many are drawn."""

import warnings

from hypothesis import HealthCheck, settings

from pytest_calsim.errors import CalsimWarning
from pytest_calsim.simulation.planning import plan
from pytest_calsim.steps.registry import step_classes

KINDS = sorted(step_classes())

FEW = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=200, derandomize=False)

SMALL = {"max_pixels": 1024, "max_frames": 6, "max_cells": 4}


def scene_of(spec):
    """The planned scene; what is only odd about the spec is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return plan(spec)


def edited(spec, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return spec.edit(*args, **kwargs)
