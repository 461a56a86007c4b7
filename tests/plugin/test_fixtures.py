"""What a test gets: fixtures, marks merged over class and module, and cases."""

import pytest


def test_a_recording_without_a_mark_is_the_projects_default_preset(project):
    project.makepyfile(
        """
        def test_default(sim_recording, sim_spec):
            assert sim_recording.observed.shape == (10, 12, 16)
            assert sim_recording.spec == sim_spec
            assert sim_spec.kinds == ("leakage",)
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_marks_merge_and_the_nearest_wins_key_by_key(project):
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.sim("rim", seed=1, overrides={"leakage.level": 1, "vignette.exponent": 3})

        def test_module(sim_spec):
            assert (sim_spec.seed, sim_spec.step("leakage").level, sim_spec.step("vignette").exponent) == (1, 1, 3)

        @pytest.mark.sim(seed=2, overrides={"leakage.level": 4})
        class TestClass:
            def test_class(self, sim_spec):
                assert sim_spec.kinds == ("leakage", "vignette")
                assert (sim_spec.seed, sim_spec.step("leakage").level, sim_spec.step("vignette").exponent) == (2, 4, 3)

            @pytest.mark.sim(overrides={"leakage.level": 5})
            def test_function(self, sim_spec):
                assert (sim_spec.seed, sim_spec.step("leakage").level, sim_spec.step("vignette").exponent) == (2, 5, 3)

            @pytest.mark.sim("glow", overrides={"acquisition.fps": 5}, drop=["vignette"])
            def test_drop_takes_farther_overrides_along(self, sim_spec):
                assert sim_spec.kinds == ("leakage",)
                assert (sim_spec.acquisition.fps, sim_spec.step("leakage").level) == (5, 4)
        """
    )
    result = project.runpytest_inprocess()
    # Dropping what the nearest preset does not have is a mistake, whatever the farther one had.
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["cannot drop step 'vignette': not in this spec; *"])


def test_steps_added_by_a_class_and_dropped_by_a_test(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim(add=[{"kind": "vignette"}, {"kind": "leakage", "level": 3}])
        class TestAdds:
            def test_added(self, sim_spec):
                assert sim_spec.kinds == ("leakage", "vignette")
                assert sim_spec.step("leakage").level == 3

            @pytest.mark.sim(drop=["vignette", "leakage"])
            def test_dropped(self, sim_spec):
                assert sim_spec.kinds == ()

            @pytest.mark.sim(add=[{"kind": "leakage", "level": 7}])
            def test_added_anew(self, sim_spec):
                assert sim_spec.step("leakage").level == 7
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=3)


def test_presets_sweep_and_seeds_make_tests_with_readable_ids(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("glow", "rim", sweep={"leakage.level": [1, 2]}, seeds=2)
        def test_cases(sim_recording, sim_spec):
            assert sim_recording.spec == sim_spec

        @pytest.mark.sim("rim", overrides={"leakage.corner_fraction": 0.5})
        @pytest.mark.sim(sweep={"leakage.corner_fraction": [0.1], "vignette.corner_fraction": [0.2]}, seed=7)
        def test_alike(sim_spec):
            assert sim_spec.step("leakage").corner_fraction == 0.1
            assert sim_spec.step("vignette").corner_fraction == 0.2
            assert sim_spec.seed == 7
        """
    )
    result = project.runpytest_inprocess("-v")
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(
        [
            *(
                f"*::test_cases[[]{p}-level={n}-seed={s}] PASSED*"
                for p in ("glow", "rim")
                for n in (1, 2)
                for s in (0, 1)
            ),
            "*::test_alike[[]leakage.corner_fraction=0.1-vignette.corner_fraction=0.2] PASSED*",
        ]
    )


def test_indirect_parameters_are_presets_specs_or_mark_arguments(project):
    project.makepyfile(
        """
        import pytest
        from pytest_calsim import Spec

        GIVEN = Spec(seed=5)

        @pytest.mark.parametrize(
            "sim_recording",
            ["rim", GIVEN, {"preset": "glow", "overrides": {"leakage.level": 3}}, {"seed": 4}],
            ids=["name", "spec", "dict", "seed"],
            indirect=True,
        )
        @pytest.mark.sim("rim")
        def test_it(sim_recording, sim_spec, request):
            spec = sim_recording.spec
            assert spec == sim_spec
            match request.node.callspec.id:
                case "name":
                    assert spec.kinds == ("leakage", "vignette")
                case "spec":
                    assert spec == GIVEN
                case "dict":
                    assert spec.step("leakage").level == 3
                    assert spec.kinds == ("leakage",)
                case "seed":
                    assert spec.seed == 4
                    assert spec.kinds == ("leakage", "vignette")

        @pytest.mark.parametrize("sim_spec", ["rim", GIVEN], indirect=True)
        def test_the_spec_alone(sim_spec):
            assert sim_spec.kinds in (("leakage", "vignette"), ())
        """
    )
    project.runpytest_inprocess("-v").assert_outcomes(passed=6)


def test_fixtures_of_the_users_own_on_top_of_the_factory(counted, project):
    project.makepyfile(
        """
        import pytest
        from pytest_calsim import Spec

        @pytest.fixture(scope="module")
        def found(sim_recording_factory):
            return sim_recording_factory("rim", seed=3, overrides={"leakage.level": 1}, drop=["vignette"])

        def test_once(found):
            assert found.spec.kinds == ("leakage",)

        def test_again(found, sim_recording_factory):
            assert sim_recording_factory(found.spec) is found or (
                sim_recording_factory(found.spec).observed == found.observed
            ).all()
            assert sim_recording_factory(found.spec, seed=4).spec.seed == 4
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=2)
    assert counted() == 2


def test_the_factory_works_inside_given(project):
    project.makepyfile(
        """
        from hypothesis import given, settings, strategies as st

        @settings(max_examples=3, database=None)
        @given(level=st.integers(1, 3))
        def test_property(sim_recording_factory, level):
            recording = sim_recording_factory("glow", overrides={"leakage.level": level})
            assert recording.observed.max() > 0.9 * level
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_recording_asked_for_by_name_while_the_test_runs(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("rim")
        def test_it(request):
            assert request.getfixturevalue("sim_recording").spec.kinds == ("leakage", "vignette")

        @pytest.mark.sim("glow", "rim")
        def test_several(request):
            request.getfixturevalue("sim_recording")
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["sim mark: several presets, a sweep or seeds make several tests only of *"])


def test_nobody_can_damage_anothers_recording(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("again", [1, 2])
        def test_it(sim_recording, again):
            movie = sim_recording.observed.values
            assert (movie > 0).all()
            movie[:] = 0
            with pytest.raises(ValueError, match="read-only"):
                sim_recording.truth.leakage.values[:] = 0
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=2)


def test_what_is_odd_about_a_spec_is_said_to_the_test_that_asks(project, own_steps):
    project.makeconftest(
        """
        import dataclasses

        from pytest_calsim.steps.artifact import Artifact
        from pytest_calsim.steps.step import Context, Step

        class OddOne(Step):
            def check(self, context):
                return [f"odd at {context.acquisition.fps} fps"]

            def plan(self, ctx: Context) -> Artifact:
                return Artifact()
        """
    )
    project.makepyfile(
        """
        import pytest
        from pytest_calsim.errors import SpecWarning

        @pytest.mark.sim(add=[{"kind": "odd_one"}])
        @pytest.mark.filterwarnings("default")
        def test_it(request):
            with pytest.warns(SpecWarning, match="odd_one: odd at 10.0 fps"):
                request.getfixturevalue("sim_spec")

        @pytest.mark.sim(add=[{"kind": "odd_one"}])
        @pytest.mark.filterwarnings("default")
        def test_summary(sim_spec):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*SpecWarning: odd_one: odd at 10.0 fps"])


@pytest.mark.parametrize("line", ["sim_recording", "sim_spec", "sim_recording_factory", "sim_cache"])
def test_fixtures_document_themselves(project, line):
    result = project.runpytest_inprocess("--fixtures")
    result.stdout.fnmatch_lines([f"{line}*"])
    assert "no docstring available" not in result.stdout.str().split(line, 1)[1].split("\n", 2)[1]
