"""Sweeps: grids of specs and tables of scores."""

import pytest

from pytest_calsim import Spec, load_preset, plan, simulate, sweep
from pytest_calsim.errors import SpecError

BASE = Spec.make(
    {
        "acquisition": {"fps": 10, "duration_s": 0.5, "image_sensor": {"height_px": 8, "width_px": 8}},
        "steps": [{"kind": "leakage", "level": 0.5}],
    }
)


def test_every_combination_the_last_axis_fastest():
    points = sweep(BASE, {"acquisition.optics.na": [0.2, 0.3], "leakage.level": [1, 2, 3], "seed": range(2)})
    assert len(points) == 12
    assert [tuple(axes.values()) for _, axes in points][:4] == [(0.2, 1, 0), (0.2, 1, 1), (0.2, 2, 0), (0.2, 2, 1)]
    for spec, axes in points:
        assert spec.acquisition.optics.na == axes["acquisition.optics.na"]
        assert spec.step("leakage").level == axes["leakage.level"]
        assert spec.seed == axes["seed"]
    assert len({spec.key() for spec, _ in points}) == 12
    assert points[-1] == list(points)[-1]
    assert points[2:4] == tuple(list(points)[2:4])


def test_a_point_has_the_key_of_the_same_spec_made_by_hand():
    (point,) = sweep(BASE, {"leakage.level": [2]})
    assert point.spec.key() == BASE.edit({"leakage.level": 2}).key()
    (unchanged,) = sweep(BASE, {})
    assert unchanged.spec.key() == BASE.key()


@pytest.mark.parametrize("function", [plan, simulate, lambda spec: sweep(spec, {"seed": [1]})])
@pytest.mark.parametrize("spec", ["tiny", 3, None])
def test_a_name_in_the_place_of_a_spec_is_refused(function, spec):
    with pytest.raises(SpecError, match=f"takes a Spec, not {spec!r}; load_preset gives one by name"):
        function(spec)


def test_values_may_be_tuples_and_tables():
    base = BASE.edit(add=[{"kind": "brain_motion", "max_shift_um": 0.5, "trajectory_um": [(0, 0)] * 5}])
    paths = [((0.5, 0.0),) * 5, ((0.0, 0.5),) * 5]
    found = [spec.step("brain_motion").trajectory_um for spec, _ in sweep(base, {"brain_motion.trajectory_um": paths})]
    assert found == paths
    sensors = [{"height_px": 8, "width_px": 8}, {"height_px": 9, "width_px": 10}]
    widths = [s.acquisition.image_sensor.width_px for s, _ in sweep(BASE, {"acquisition.image_sensor": sensors})]
    assert widths == [8, 10]


def test_a_tidy_table_of_scores():
    points = sweep(BASE, {"leakage.level": [1, 2], "seed": [0, 1]})
    asked = []

    def record(spec):
        asked.append(spec)
        return simulate(spec)

    def scores(recording):
        return {"brightest": float(recording.observed.max()), "frames": recording.observed.sizes["frame"]}

    table = points.table(scores, record=record)
    assert list(table.columns) == ["leakage.level", "seed", "brightest", "frames"]
    assert table["leakage.level"].tolist() == [1, 1, 2, 2]
    assert table["frames"].tolist() == [5] * 4
    assert table["brightest"].tolist() == pytest.approx([1, 1, 2, 2], rel=0.01)
    assert asked == [spec for spec, _ in points]
    assert points.table(lambda recording: recording.spec.seed)["score"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("axes", "line"),
    [
        ({"leakage.levle": [1]}, "nothing named 'levle' under 'leakage'; did you mean 'level'?"),
        ({"leakige.level": [1]}, "nothing named 'leakige'; did you mean 'leakage'?"),
        ({"leakage.level": [1, -1]}, "leakage.level = -1"),
        ({"leakage.level": []}, "axis 'leakage.level' has no values"),
        ({"leakage.level": 3}, "axis 'leakage.level' = 3 must be a sequence of values"),
        ({"leakage.level": "12"}, "axis 'leakage.level' = '12' must be a sequence of values"),
    ],
)
def test_a_wrong_axis_is_one_line_at_once(axes, line):
    with pytest.raises(SpecError) as caught:
        sweep(BASE, axes)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_score_must_not_hide_an_axis():
    with pytest.raises(SpecError, match="the score 'seed' has the name of an axis"):
        sweep(BASE, {"seed": [1]}).table(lambda recording: {"seed": 3})


def test_axes_that_are_no_dict_are_refused():
    with pytest.raises(SpecError, match=r"axes = \['seed'\] must be a dict of lists of values by dotted path"):
        sweep(load_preset("tiny"), ["seed"])
