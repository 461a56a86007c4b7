import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps import registry
from pytest_calsim.steps.artifact import Painter
from pytest_calsim.steps.step import Context, Step

ACQUISITION = {"duration_s": 2.0, "image_sensor": {"height_px": 24, "width_px": 40}}
FIELDS = [{"kind": "illumination"}, {"kind": "vignette"}, {"kind": "leakage"}]


@dataclass(frozen=True, eq=False)
class Flipped(Painter):
    """Makes a new picture of every frame, and writes the frame's number into it."""

    light_order: ClassVar[float] = 45

    def paint(self, image, frame):
        flipped = image[::-1].copy()
        flipped[0, 0] = frame
        return flipped


@pytest.fixture(autouse=True)
def mirror_in_the_scope():
    class MirrorInTheScope(Step):
        def plan(self, ctx: Context) -> Flipped:
            return Flipped()

    yield
    del registry._REGISTRY[MirrorInTheScope.kind]


def scene(*steps):
    moved = {"kind": "brain_motion", "max_shift_um": 1.0}
    return plan(Spec.make({"acquisition": ACQUISITION, "steps": ["neuropil", moved, *steps]}))


def test_a_painter_of_single_frames_joins_those_of_blocks():
    before, after = scene().paint(), scene("mirror_in_the_scope").paint()
    assert np.array_equal(after[:, 0, 0], np.arange(len(before)))
    after[:, 0, 0] = before[:, -1, 0]
    assert np.array_equal(after, before[:, ::-1])


@pytest.mark.parametrize("extra", [(), ("mirror_in_the_scope",)])
def test_one_pass_for_several_painters_is_what_they_do_one_by_one(extra):
    whole = scene(*FIELDS, *extra)
    image = scene().paint()
    for kind in whole.stages[2:]:
        one_by_one = [whole.artifacts[kind].paint(picture.copy(), frame) for frame, picture in enumerate(image)]
        image = np.stack(one_by_one)
        assert np.array_equal(whole.paint(until=kind), image), kind


@pytest.mark.parametrize("kind", ["render", "neuropil", "brain_motion", "leakage", "sensor"])
def test_a_painter_with_a_way_of_its_own_joins_no_other(kind):
    whole = scene("place_neurons", "cell_activity", "cell_optics", "render", *FIELDS, "sensor")
    original, asked = whole.artifacts[kind], []

    class Own(type(original)):
        def paint_block(self, images, start):
            asked.append(start)
            return super().paint_block(images, start)

    fields = {field.name: getattr(original, field.name) for field in dataclasses.fields(original) if field.init}
    changed = Scene(whole.spec, {**whole.artifacts, kind: Own(**fields)})
    assert np.array_equal(changed.paint(0, 3), whole.paint(0, 3))
    assert asked == [0]


def test_frames_are_the_same_bits_in_any_blocks():
    whole = scene(*FIELDS, "mirror_in_the_scope", "sensor")
    frames = whole.paint()
    assert np.array_equal(frames, np.concatenate([whole.paint(i, i + 1) for i in range(len(frames))]))
    assert np.array_equal(frames[5:36], whole.paint(5, 36, threads=3))
    assert whole.paint(7, 7, threads=2).shape == (0, 24, 40)
