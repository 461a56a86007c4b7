"""The laws of the design, for every step alone and all together, over drawn specs."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import FEW, KINDS, MANY, SMALL, edited, scene_of

from pytest_calsim import strategies as sims
from pytest_calsim.errors import SpecError
from pytest_calsim.recording.frames import SceneFrames
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.steps.step import Step, dependencies

ALONE = [pytest.param([kind], id=kind) for kind in KINDS]
TOGETHER = pytest.param(KINDS, id="together")


def law(check):
    """Hold for each step alone and all together, over a few specs; and, slowly, over many of any kind."""

    @pytest.mark.parametrize("kinds", [*ALONE, TOGETHER])
    @FEW
    @given(data=st.data())
    def few(kinds, data):
        check(data.draw(sims.specs(kinds=kinds, **SMALL)), data)

    @pytest.mark.slow
    @MANY
    @given(data=st.data())
    def many(data):
        check(data.draw(sims.specs()), data)

    return few, many


def finite(spec, data):
    """Every valid spec gives a finite movie within the converter's range."""
    scene = scene_of(spec)
    for stage in scene.stages:
        frames = scene.paint(0, scene.n_frames, stage)
        assert frames.shape == (scene.n_frames, *scene.canvas.sensor_shape)
        assert np.isfinite(frames).all()
        if stage == "sensor":
            assert frames.dtype == spec.acquisition.image_sensor.dtype
            assert frames.max() < 2**spec.acquisition.image_sensor.bit_depth
        else:
            assert frames.dtype == np.float32
            assert frames.min(initial=0) >= 0
    for name, value in scene.truth().items():
        values = np.asarray(value.values if hasattr(value, "values") else value.data)
        assert np.isfinite(values).all(), name
    assert np.isfinite(scene.expected_codes()).all()


def sliced(spec, data):
    """Frames are the same bits however they are asked for."""
    scene = scene_of(spec)
    n = scene.n_frames
    whole = scene.paint(0, n, threads=2)
    for frame in data.draw(st.permutations(range(n))):
        np.testing.assert_array_equal(scene.paint(frame, frame + 1)[0], whole[frame])
    cut = data.draw(st.integers(0, n))
    again = scene_of(spec)  # another process plans anew
    np.testing.assert_array_equal(np.concatenate([again.paint(cut, n), again.paint(0, cut)]), np.roll(whole, -cut, 0))
    source = SceneFrames(scene)
    source.read(0, n)[:] = 0
    np.testing.assert_array_equal(source.read(0, n), whole)


def longer(spec, data):
    """A longer recording begins with the shorter one, to the bit."""
    spec = untimed(spec)
    n = spec.acquisition.n_frames
    more = edited(spec, {"acquisition.duration_s": 2 * spec.acquisition.duration_s})
    assert more.acquisition.n_frames >= 2 * n - 1
    short = scene_of(spec)
    long = scene_of(more)
    np.testing.assert_array_equal(long.paint(0, n), short.paint(0, n))
    truths = long.truth()
    for name, value in short.truth().items():
        if "frame" in getattr(value, "dims", ()):
            axis = value.dims.index("frame")
            np.testing.assert_array_equal(truths[name].values.take(range(n), axis), value.values, err_msg=name)


def clockless(spec, data):
    """Another frame rate samples the same neural activity."""
    spec = untimed(spec)
    fps = spec.acquisition.fps
    other = fps * 2 if fps < 5000 else fps / 2
    n = max(2, spec.acquisition.n_frames)
    same = {"acquisition.duration_s": n / fps}
    a = scene_of(edited(spec, same)).truth()
    b = scene_of(edited(spec, {**same, "acquisition.fps": other})).truth()
    for name in ("spike_time_s", "spike_start", "depth_um", "y_um", "x_um", "amplitude", "defocus_um"):
        if name in a and not calibrated(spec):
            np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=name)


def independent(spec, data):
    """Dropping a step changes nothing in the truth of a step that does not depend on it."""
    kind = data.draw(st.sampled_from(spec.kinds))
    gone = dependents(spec, kind)
    moves = step_classes()[kind].margin_um is not Step.margin_um
    if moves and "place_neurons" in spec.kinds and spec.step("place_neurons").positions_um:
        return  # cells given beyond the sensor have no place without the margin
    if calibrated(spec):
        gone |= dependents(spec, "place_neurons")
    rest, gone = reduced(spec, gone)
    before = scene_of(spec)
    after = scene_of(rest)
    if not moves:
        for other in set(rest.kinds):
            if not uses(spec, other) & gone:
                same_truth(before.artifacts[other], after.artifacts[other])
    elif (with_margin := before.find(Cells)) is not None and not calibrated(spec):
        without = after.find(Cells)
        for name in ("center_um", "radius_um", "brightness"):
            appended = getattr(with_margin, name)
            np.testing.assert_array_equal(appended[: len(without)], getattr(without, name), err_msg=name)


test_finite, test_finite_for_many = law(finite)
test_slice, test_slice_for_many = law(sliced)
test_longer, test_longer_for_many = law(longer)
test_clockless, test_clockless_for_many = law(clockless)
test_independent, test_independent_for_many = law(independent)


def untimed(spec):
    """The spec with random motion and drawn spikes in place of paths and traces that mean nothing on another clock."""
    changes = {}
    if "brain_motion" in spec.kinds and spec.step("brain_motion").trajectory_um is not None:
        random = {"trajectory_um": None, "trajectory_time_s": None, "random_walk": {}}
        changes |= {f"brain_motion.{name}": value for name, value in random.items()}
    if "cell_activity" in spec.kinds and spec.step("cell_activity").dff_traces is not None:
        changes["cell_activity.dff_traces"] = None
    return edited(spec, changes)


def calibrated(spec):
    """Whether brightnesses are solved for, from everything else in the scene."""
    return "place_neurons" in spec.kinds and any(p.snr is not None for p in spec.step("place_neurons").populations)


def reduced(spec, gone):
    """Drop steps, and with them those that are refused without them: assemblies that nobody listens to."""
    while True:
        try:
            return edited(spec, drop=gone), gone
        except SpecError as error:
            refused = re.match(r"(\w+): .* needs \w+, which no step provides", str(error))
            if refused is None:
                raise
            gone = gone | dependents(spec, refused[1])


def dependents(spec, kind):
    """A kind and every step that cannot be without it."""
    gone = {kind}
    while True:
        provided = [dependencies(type(spec.step(k))).provides for k in gone]
        needing = {
            s.kind
            for s in spec.steps
            if any(issubclass(made, need) for made in provided for need in dependencies(type(s)).requires.values())
        }
        if needing <= gone:
            return gone
        gone |= needing


def uses(spec, kind):
    """Every step that a step's truth rests on, itself apart."""
    wired = dependencies(type(spec.step(kind)))
    needs = (*wired.requires.values(), *wired.uses.values())
    near = {s.kind for s in spec.steps if any(issubclass(dependencies(type(s)).provides, need) for need in needs)}
    return near.union(*(uses(spec, k) for k in near))


def same_truth(a, b):
    first = a.truth()
    second = b.truth()
    assert first.keys() == second.keys()
    for name, value in first.items():
        other = second[name]
        for part in ("values", "data", "indices", "indptr"):
            if hasattr(value, part):
                np.testing.assert_array_equal(getattr(value, part), getattr(other, part), err_msg=name)
