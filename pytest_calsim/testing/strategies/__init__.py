"""Hypothesis strategies for specs and everything in them: ``from pytest_calsim import strategies as sims``.

They are read off the models' own fields and bounds, so a step of another package has one too. What they draw is valid
by construction: where two drawn values contradict each other, the later one stays at its default. They shrink towards
defaults, towards steps that are not there, and so towards a still, bright, noise-free scene with few cells. Keywords
take strategies.
"""

from typing import Any

from hypothesis import strategies as st

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step
from pytest_calsim.testing.hypothesis_entry import register
from pytest_calsim.testing.strategies.acquisitions import acquisitions, image_sensors, optics, tissues
from pytest_calsim.testing.strategies.estimates import estimates_of
from pytest_calsim.testing.strategies.fields import models
from pytest_calsim.testing.strategies.specs import recordings, specs
from pytest_calsim.testing.strategies.steps import steps
from pytest_calsim.testing.strategies.trajectories import trajectories

__all__ = [
    "acquisitions",
    "estimates_of",
    "image_sensors",
    "models",
    "optics",
    "recordings",
    "specs",
    "steps",
    "tissues",
    "trajectories",
]


def of_type(model: type[Any]) -> st.SearchStrategy[Any]:
    """Return the strategy for a model, as ``st.from_type`` finds it."""
    if issubclass(model, Step):
        return steps(model.kind)
    of = {Spec: specs, Acquisition: acquisitions, ImageSensor: image_sensors, Optics: optics}
    return of[model]() if model in of else models(model)


register()
