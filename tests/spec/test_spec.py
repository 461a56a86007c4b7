import importlib
import json
import re
import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.errors import SpecError
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps import registry
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.light.vignette import Vignette
from pytest_calsim.steps.pixels import FixedField
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.steps.sensor.sensor import Sensor
from pytest_calsim.steps.step import Context, Step, dependencies

SMALL = {"duration_s": 1, "image_sensor": {"height_px": 24, "width_px": 32}}


def light(**more):
    return Spec.make({"acquisition": SMALL, "steps": [{"kind": "vignette"}, {"kind": "leakage"}], **more})


def test_the_order_of_listing_means_nothing():
    one = Spec.make({"steps": [{"kind": "vignette"}, {"kind": "leakage"}]})
    other = Spec.make({"steps": [{"kind": "leakage"}, {"kind": "vignette"}]})
    assert one == other
    assert hash(one) == hash(other)
    assert one.key() == other.key()


def test_spec_survives_json():
    spec = light(seed=5)
    assert Spec.make(json.loads(spec.model_dump_json())) == spec


def test_negative_zero_is_zero_in_the_key():
    one, other = (light().edit({"leakage.center_y_um": zero}) for zero in (0.0, -0.0))
    assert one == other
    assert one.key() == other.key()


@pytest.mark.parametrize("change", [{"seed": 1}, {"overrides": {"leakage.level": 1.25}}, {"drop": ["vignette"]}])
def test_what_changes_the_movie_changes_the_key(change):
    assert light().edit(**change).key() != light().key()


def test_a_version_changes_the_key(monkeypatch):
    before = light().key()
    monkeypatch.setattr(step_classes()["leakage"], "version", 99)
    assert light().key() != before


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"overrides": {"leakage.levl": 3}}, "path 'leakage.levl': nothing named 'levl' under 'leakage'; did you mean"),
        ({"overrides": {"leakag.level": 3}}, "did you mean 'leakage'?"),
        ({"overrides": {"sensor.photon_rate_per_s_um2": 3}}, "this spec has no step 'sensor'; add it first"),
        ({"overrides": {"leakage.level": -3}}, "leakage.level = -3"),
        ({"overrides": {"leakage.level": float("nan")}}, "leakage.level = nan"),
        ({"overrides": {"leakage.level.x": 3}}, "'leakage.level' is a value and has no part 'x'"),
        ({"overrides": {"acquisition.optics.na": 0.0}}, "acquisition.optics.na = 0.0"),
        ({"overrides": {"acquisition.duration_s": 0.001}}, "holds no whole frame; give at least 0.05 s"),
        ({"add": [{"kind": "vignete"}]}, "unknown step kind 'vignete'; did you mean 'vignette'?"),
        ({"add": [{"kind": "illumination", "corner": 1}]}, "illumination.corner: no such field"),
        ({"drop": ["sensr"]}, "cannot drop step 'sensr'"),
        ({"seed": -1}, "seed = -1"),
        (
            {"overrides": {"leakage": None}},
            "path 'leakage' = None: a step is a table of fields; to take it out, drop it",
        ),
        ({"overrides": {3: 3}}, "path 3 must be dotted text"),
        ({"add": [{"kind": ["x"]}]}, "a step is a Step, a kind, or a table such as {'kind': 'sensor'}"),
        ({"add": [{}]}, "a step is a Step, a kind, or a table"),
    ],
)
def test_bad_input_gives_one_line(edit, message):
    with pytest.raises(SpecError) as caught:
        light().edit(**edit)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_duplicate_kinds_are_refused():
    with pytest.raises(SpecError, match="'leakage' is given more than once"):
        Spec.make({"steps": [{"kind": "leakage"}, {"kind": "leakage", "level": 2}]})


def test_a_missing_need_names_the_step_to_add():
    with pytest.raises(SpecError, match=r"step 'cell_activity' needs Cells.*add 'place_neurons'"):
        Spec.make({"steps": [{"kind": "cell_activity"}]})


def test_edit_adds_replaces_and_drops():
    spec = light().edit({"leakage.level": 4}, add=[{"kind": "illumination"}, {"kind": "vignette", "exponent": 3}])
    assert spec.kinds == ("illumination", "leakage", "vignette")
    assert spec.step("vignette").exponent == 3
    assert spec.step("leakage").level == 4
    assert spec.edit(drop=["illumination", "vignette"]).kinds == ("leakage",)


def test_a_kind_alone_stands_for_its_defaults():
    assert light().edit(add=["illumination"]) == light().edit(add=[{"kind": "illumination"}])


def test_two_steps_of_one_kind_from_two_projects_have_two_keys(tmp_path, monkeypatch):
    keys = []
    for i in range(2):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "room_lamp.py").write_text(
            f"# {i}\nfrom pytest_calsim.steps.light.leakage import Leakage\nclass RoomLamp(Leakage):\n    pass\n"
        )
        monkeypatch.syspath_prepend(folder)
        registry._source_digest.cache_clear()
        sys.modules.pop("room_lamp", None)
        try:
            importlib.import_module("room_lamp")
            keys.append(light().edit(add=[{"kind": "room_lamp"}], drop=["leakage"]).key())
        finally:
            Step.known.pop("room_lamp", None)
            sys.modules.pop("room_lamp", None)
    assert keys[0] != keys[1]


def test_stages_are_in_the_order_of_light():
    spec = light().edit(add=[{"kind": "illumination"}])
    assert spec.stages == ("illumination", "vignette", "leakage")


def test_what_a_plan_says_too_little_of_is_named():
    class Grain(FixedField):
        light_order: ClassVar[float] = 55

    def plan_of_grain(self, ctx):
        return Grain(np.ones((8, 8), np.float32))

    wirings = [
        ({"return": Grain}, "GrainOnLens.plan: parameter 'ctx' must be annotated: `ctx: Context` for the context"),
        ({"ctx": Context}, "GrainOnLens.plan must be annotated with the Artifact class it returns"),
        (
            {"ctx": Context, "return": FixedField},
            "returns FixedField, which does not say where it acts",
        ),
    ]
    for annotations, words in wirings:
        plan_of_grain.__annotations__ = annotations
        step = type("GrainOnLens", (Step,), {"plan": plan_of_grain, "__module__": __name__})
        try:
            with pytest.raises(TypeError, match=re.escape(words)):
                dependencies(step)
        finally:
            del Step.known["grain_on_lens"]


def test_a_step_of_ones_own_is_known_once_it_is_imported():
    with pytest.raises(SpecError, match="a step of your own is known once its module is imported"):
        Spec.make({"steps": ["wholly_different"]})


def test_a_step_is_known_as_soon_as_it_exists():
    class Dust(Artifact):
        pass

    class DustOnLens(Step):
        def plan(self, ctx: Context, other: Dust | None = None) -> Dust:
            return Dust()

    try:
        assert step_classes()["dust_on_lens"] is DustOnLens
        hints = {"Context": Context, "Dust": Dust}
        DustOnLens.plan.__annotations__ = {"ctx": Context, "other": hints["Dust"] | None, "return": Dust}
        wired = dependencies(DustOnLens)
        assert wired.provides is Dust
        assert wired.uses == {"other": Dust}
        assert not wired.requires
        with pytest.raises(TypeError, match="is taken by"):
            type("DustOnLens", (Step,), {"__module__": "elsewhere", "__qualname__": "DustOnLens"})
    finally:
        del Step.known["dust_on_lens"]


@given(st.floats(0, 100), st.integers(0, 2**63 - 1))
def test_equal_specs_have_equal_keys(level, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = light(seed=seed).edit({"leakage.level": level})
        other = Spec.make(json.loads(one.canonical_json()))
    assert one == other
    assert one.key() == other.key()


def test_resolved_writes_out_the_automatic_choices():
    steps = [{"kind": kind} for kind in ("place_neurons", "cell_activity", "cell_optics", "render")]
    spec = Spec.make({"acquisition": {**SMALL, "optics": {"field_curvature_radius_um": 2000}}, "steps": steps})
    resolved = plan(spec).resolved_spec()
    one = simulate(spec)
    other = simulate(resolved)
    assert resolved.acquisition.focal_depth_um == one.truth.focal_depth_um
    assert resolved.acquisition.optics.depth_of_field_um == pytest.approx(15.4, abs=0.1)
    assert one.observed.equals(other.observed)
    assert plan(resolved).resolved_spec() == resolved
    assert plan(light()).resolved_spec().acquisition.focal_depth_um == "auto"


def test_a_repr_shows_what_differs_from_the_defaults_and_evaluates():
    spec = Spec(acquisition=Acquisition(fps=10), steps=(Sensor(photon_rate_per_s_um2=7), Vignette()), seed=3)
    shown = repr(spec)
    assert (
        shown
        == "Spec(acquisition=Acquisition(fps=10.0), steps=(Sensor(photon_rate_per_s_um2=7.0), Vignette()), seed=3)"
    )
    assert eval(shown) == spec
