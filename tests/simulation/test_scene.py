from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from painting import paint_block

from pytest_calsim import load_preset, simulate
from pytest_calsim.errors import SpecError
from pytest_calsim.simulation.fusion import fuse
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.pixels import FixedField, Painter, PixelArtifact, Space
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
    del Step.known[MirrorInTheScope.kind]


def scene(*steps):
    moved = {"kind": "brain_motion", "max_shift_um": 1.0}
    return plan(Spec.make({"acquisition": ACQUISITION, "steps": ["neuropil", moved, *steps]}))


def test_a_painter_of_single_frames_joins_those_of_blocks():
    before = scene().paint()
    after = scene("mirror_in_the_scope").paint()
    assert np.array_equal(after[:, 0, 0], np.arange(len(before)))
    after[:, 0, 0] = before[:, -1, 0]
    assert np.array_equal(after, before[:, ::-1])


@pytest.mark.parametrize("extra", [(), ("mirror_in_the_scope",)])
def test_one_pass_for_several_artifacts_is_what_they_do_one_by_one(extra):
    whole = scene(*FIELDS, *extra)
    images = scene().paint()
    for kind in whole.stages[2:]:
        images = paint_block([whole.artifacts[kind]], images, 0, whole.canvas)
        assert np.array_equal(whole.paint(until=kind), images), kind


def test_tissue_before_a_foreign_painter_and_behind_it():
    """A painter on the canvas splits the tissue's pass in two."""

    @dataclass(frozen=True, eq=False)
    class Doubled(Painter):
        light_order: ClassVar[float] = 15
        space: ClassVar[Space] = Space.CANVAS

        def paint(self, image, frame):
            return 2 * image

    cells = scene("place_neurons", "cell_activity", "cell_optics", "render")
    artifacts = cells.until("neuropil")
    split = paint_block([artifacts[0], Doubled(), artifacts[1]], np.zeros((2, *cells.canvas.shape)), 0, cells.canvas)
    render = cells.paint(0, 2, "render", canvas=True)
    both = cells.paint(0, 2, "neuropil", canvas=True)
    np.testing.assert_allclose(split - both, render, atol=1e-5 * both.max())
    assert render.max() > 0


def test_an_artifact_that_no_pass_knows_is_refused():
    class Unknown(PixelArtifact):
        light_order: ClassVar[float] = 5
        space: ClassVar[Space] = Space.CANVAS

    with pytest.raises(TypeError, match="Unknown changes pixels in no known way: derive it from Painter"):
        fuse([Unknown()], scene().canvas)


class Dust(FixedField):
    light_order: ClassVar[float] = 55


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (np.ones((3, 4), np.float32), r"Dust: its field is float32 \(3, 4\); give float32 \("),
        (np.ones(scene().canvas.sensor_shape), r"Dust: its field is float64 \("),
        (np.full(scene().canvas.sensor_shape, -1, np.float32), "values from -1 to -1; light is never negative"),
        (np.full(scene().canvas.sensor_shape, np.nan, np.float32), "values from nan to nan"),
    ],
)
def test_a_field_that_is_no_picture_of_the_sensor_is_refused(field, words):
    with pytest.raises(ValueError, match=words):
        fuse([Dust(field)], scene().canvas)


def test_the_canvas_cannot_follow_the_sensor():
    class Late(Painter):
        light_order: ClassVar[float] = 99
        space: ClassVar[Space] = Space.CANVAS

        def paint(self, image, frame):
            return image

    whole = scene("leakage")
    with pytest.raises(TypeError, match="Late acts on the canvas behind LeakageField, which acts on the sensor"):
        fuse([whole.artifacts["leakage"], Late()], whole.canvas)


def test_frames_are_the_same_bits_in_any_blocks():
    whole = scene(*FIELDS, "mirror_in_the_scope", "sensor")
    frames = whole.paint()
    assert np.array_equal(frames, np.concatenate([whole.paint(i, i + 1) for i in range(len(frames))]))
    assert np.array_equal(frames[5:36], whole.paint(5, 36, threads=3))
    assert whole.paint(7, 7, threads=2).shape == (0, 24, 40)


def test_frames_can_be_painted_until_any_step():
    spec = load_preset("tiny", overrides={"acquisition.duration_s": 0.1}, add=["vignette", "vasculature"])
    whole = plan(spec)
    assert set(spec.kinds) > set(whole.stages)
    for kind in spec.kinds:
        movie = simulate(spec, until=kind).observed
        painted = movie.values
        assert movie.shape == (2, 64, 64)
        assert np.array_equal(painted, whole.paint(until=kind)), kind
        if kind in whole.stages:
            assert painted.any(), kind
        else:  # light begins behind the steps that change no pixels
            assert painted.dtype == np.float32
            assert not painted.any(), kind
    assert np.array_equal(whole.paint(until=whole.stages[-1]), whole.paint())


@pytest.mark.parametrize("kind", ["vignete", "brain_motion", 3])
def test_a_step_that_is_not_there_is_refused_with_those_that_are(kind):
    spec = load_preset("tiny", add=["vignette"])
    with pytest.raises(
        SpecError, match=f"no stage {kind!r}; known, in the order of light: render, .*vignette, .*sensor$"
    ):
        simulate(spec, until=kind)


def test_a_scene_is_read_in_one_line():
    spec = Spec.make({"acquisition": ACQUISITION, "steps": ["vignette", "leakage"]})
    assert repr(plan(spec)) == "<Scene of 40 frames, 24 x 40 px: leakage, vignette>"
