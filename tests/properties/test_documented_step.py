"""The step that docs/how-to/add-a-step.md shows keeps every law that the package's own steps keep."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import FEW, edited, scene_of

from pytest_calsim import strategies as sims
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-step.md"


@pytest.fixture(scope="module", autouse=True)
def room_lamp():
    source = re.search(r"<!-- file room_lamp.py -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL).group(1)
    namespace = {"__name__": "room_lamp"}
    exec(compile(source, str(PAGE), "exec"), namespace)
    yield
    del Step.known["room_lamp"]


def specs():
    # Deferred, as the step is there only while this module's tests run.
    kinds = ["room_lamp", "leakage", "sensor"]
    return st.deferred(lambda: sims.specs(kinds=kinds, max_pixels=400, max_frames=20))


@FEW
@given(spec=specs())
def test_frames_do_not_depend_on_how_they_are_asked_for(spec):
    scene = scene_of(spec)
    whole = scene.paint()
    single = [scene.paint(i, i + 1)[0] for i in reversed(range(scene.n_frames))]
    np.testing.assert_array_equal(whole, single[::-1])
    assert np.isfinite(scene.paint(until="room_lamp")).all()
    assert scene.paint(until="room_lamp").min() >= 0


@FEW
@given(spec=specs())
def test_a_longer_recording_extends_a_shorter_one(spec):
    longer = edited(spec, {"acquisition.duration_s": 2 * spec.acquisition.duration_s})
    short = scene_of(spec)
    np.testing.assert_array_equal(short.paint(), scene_of(longer).paint(0, short.n_frames))


@FEW
@given(spec=specs())
def test_it_changes_no_draw_of_another_step(spec):
    without = scene_of(edited(spec, drop=["room_lamp"]))
    np.testing.assert_array_equal(scene_of(spec).paint(until="leakage"), without.paint(until="leakage"))


def test_another_frame_rate_samples_the_same_lamp():
    spec = edited(Spec(), {"acquisition.fps": 10, "acquisition.duration_s": 2}, add=[{"kind": "room_lamp"}])
    slow = scene_of(edited(spec, {"room_lamp.frequency_hz": 3.3})).truth()["lamp"].values
    fast = scene_of(edited(spec, {"room_lamp.frequency_hz": 3.3, "acquisition.fps": 40})).truth()["lamp"].values
    np.testing.assert_allclose(slow, fast.reshape(-1, 4).mean(axis=1), rtol=1e-6)


def test_the_expected_light_is_the_mean_over_time():
    spec = edited(Spec(), {"acquisition.duration_s": 100}, add=[{"kind": "room_lamp", "frequency_hz": 0.73}])
    scene = scene_of(edited(spec, {"acquisition.image_sensor.height_px": 8, "acquisition.image_sensor.width_px": 8}))
    np.testing.assert_allclose(scene.paint().mean(axis=0), scene.expected_light(), rtol=5e-3)
