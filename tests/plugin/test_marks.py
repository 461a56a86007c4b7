"""Marks: the nearest wins, key by key, in whatever order pytest lists them; cases that come too late are told why."""

import textwrap

import pytest

FAR_AND_NEAR = """
    import pytest

    pytestmark = pytest.mark.sim(seed=1, overrides={"leakage.level": 1, "acquisition.fps": 1})

    class Mixin:
        pytestmark = pytest.mark.sim(seed=20, overrides={"acquisition.fps": 20})

    @pytest.mark.sim("rim", seed=2, overrides={"leakage.level": 2})
    class TestBase:
        seed, fps, level = 2, 1, 2

        def test_spec(self, sim_spec):
            assert sim_spec.kinds == ("leakage", "vignette")
            assert sim_spec.seed == self.seed
            assert sim_spec.acquisition.fps == self.fps
            assert sim_spec.step("leakage").level == self.level

        @pytest.mark.sim(seed=9)
        def test_function(self, sim_spec):
            assert (sim_spec.seed, sim_spec.step("leakage").level) == (9, self.level)

    @pytest.mark.sim(seed=3)
    class TestDerived(TestBase):
        seed = 3

    class TestDerivedTwice(TestDerived):
        pytestmark = pytest.mark.sim(overrides={"leakage.level": 4})
        level = 4

    class TestMixinFirst(Mixin, TestBase):
        seed, fps = 20, 20

    class TestMixinLast(TestBase, Mixin):
        fps = 20

    @pytest.mark.sim(seed=6)
    @pytest.mark.sim(seed=5, overrides={"leakage.level": 5})
    class TestTwoOnOneClass(TestBase):
        seed, level = 5, 5
"""


def test_nearer_classes_win(project):
    project.makepyfile(FAR_AND_NEAR)
    project.runpytest_inprocess().assert_outcomes(passed=12)


def test_a_parameters_mark_is_nearer_than_the_functions(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("rim", seed=1, overrides={"leakage.level": 1})
        @pytest.mark.parametrize(
            ("seed", "level"),
            [
                (1, 1),
                pytest.param(2, 1, marks=pytest.mark.sim(seed=2)),
                pytest.param(1, 3, marks=[pytest.mark.sim(overrides={"leakage.level": 3})]),
            ],
        )
        def test_one(sim_spec, seed, level):
            assert (sim_spec.seed, sim_spec.step("leakage").level) == (seed, level)

        @pytest.mark.sim("rim", seed=5, seeds=2, sweep={"leakage.level": [1, 2]})
        @pytest.mark.parametrize("first", [5, pytest.param(30, marks=pytest.mark.sim(seed=30))])
        def test_with_cases(sim_spec, first, request):
            assert sim_spec.seed == first + request.node.callspec.indices["_sim_case"] % 2

        @pytest.mark.parametrize("sim_spec", ["glow"], indirect=True)
        @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.sim("rim", seed=4))])
        def test_an_indirect_parameter_is_nearest(sim_spec, n):
            assert (sim_spec.kinds, sim_spec.seed) == (("leakage",), 4)
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=3 + 8 + 1)


def test_a_seed_by_its_path_is_a_seed(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("rim", overrides={"seed": 5})
        def test_override(sim_spec):
            assert sim_spec.seed == 5

        @pytest.mark.sim("rim", sweep={"seed": [3, 4]})
        def test_sweep(sim_spec, request):
            assert sim_spec.seed == 3 + request.node.callspec.indices["_sim_case"]
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=3)


def test_marks_of_hooks_are_served(project):
    project.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.sim(overrides={"leakage.level": 7}), append="far" in item.name)

        def pytest_itemcollected(item):
            if item.cls is not None:
                item.parent.add_marker(pytest.mark.sim(seed=8), append="Far" in item.cls.__name__)
        """
    )
    project.makepyfile(
        """
        import unittest

        import pytest

        def test_bare(sim_spec):
            assert sim_spec.step("leakage").level == 7

        @pytest.mark.sim(overrides={"leakage.level": 1})
        def test_near(sim_spec):
            assert sim_spec.step("leakage").level == 7

        @pytest.mark.sim(overrides={"leakage.level": 1})
        def test_far(sim_spec):
            assert sim_spec.step("leakage").level == 1

        @pytest.mark.sim(seed=2)
        class TestIt:
            def test_class(self, sim_spec):
                assert (sim_spec.seed, sim_spec.step("leakage").level) == (8, 7)

        @pytest.mark.sim(seed=2)
        class TestFar:
            def test_class(self, sim_spec):
                assert sim_spec.seed == 2

        @pytest.mark.usefixtures("sim_spec")
        @pytest.mark.sim("rim")
        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def grab(self, sim_spec):
                self.spec = sim_spec

            @pytest.mark.sim(seed=9)
            def test_method(self):
                assert (self.spec.seed, self.spec.kinds) == (9, ("leakage", "vignette"))
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=6)


LATE = {
    "a parameter": (
        "",
        """
        @pytest.mark.parametrize("n", [pytest.param(2, marks=pytest.mark.sim("glow", "rim"))])
        def test_it(sim_spec, n): pass
        """,
        "* on one parameter cannot make more tests of it; *",
    ),
    "a hook": (
        "item.add_marker(pytest.mark.sim(seeds=2))",
        "def test_it(sim_spec): pass",
        "* came too late: a hook added them after the test was collected; *",
    ),
    "a hook that changes cases": (
        "item.add_marker(pytest.mark.sim(sweep={'leakage.level': [3]}), append=False)",
        """
        @pytest.mark.sim(sweep={'leakage.level': [1]})
        def test_it(sim_spec): pass
        """,
        "* came too late: a hook changed this test's marks after it was collected",
    ),
    "a hook that takes cases away": (
        "item.own_markers.clear()",
        """
        @pytest.mark.sim(seeds=1)
        def test_it(sim_spec): pass
        """,
        "* came too late: a hook changed this test's marks after it was collected",
    ),
    "unittest": (
        "",
        """
        @pytest.mark.usefixtures("sim_spec")
        class TestIt(unittest.TestCase):
            @pytest.mark.sim("glow", seeds=2)
            def test_it(self): pass
        """,
        "* cannot make several tests of a unittest.TestCase's method; *",
    ),
    "asked for by name": (
        "",
        """
        @pytest.mark.sim(seeds=2)
        def test_it(request):
            request.getfixturevalue("sim_spec")
        """,
        "* make several tests only of a test that takes sim_recording or sim_spec as an argument",
    ),
}


@pytest.mark.parametrize("who", LATE)
def test_cases_that_come_too_late_are_told_the_reason(project, who):
    hook, module, line = LATE[who]
    if hook:
        body = f"def pytest_collection_modifyitems(items):\n    for item in items:\n        {hook}\n"
        (project.path / "conftest.py").write_text(f"import pytest\n{body}")
    project.makepyfile(f"import unittest\nimport pytest\n{textwrap.dedent(module)}")
    result = project.runpytest_inprocess()
    assert result.parseoutcomes().keys() <= {"error", "errors", "failed"}
    result.stdout.fnmatch_lines([f"sim mark: several presets, a sweep or seeds{line[1:]}"])


def test_an_odd_recording_is_warned_of_at_the_line_of_each_test(project):
    project.makepyfile(
        """
        import pytest

        pytestmark = [
            pytest.mark.filterwarnings("always"),
            pytest.mark.sim("tiny", overrides={"sensor.photon_rate_per_s_um2": 1e6}),
        ]

        def test_first(sim_recording):
            assert "saturated" in " ".join(sim_recording.notes)

        def test_in_hand(sim_recording):
            assert "saturated" in " ".join(sim_recording.notes)
        """
    )
    for _ in ("simulated", "from the cache"):
        result = project.runpytest_subprocess("-W", "ignore::pytest_calsim.errors.SpecWarning")
        result.assert_outcomes(passed=2)
        lines = [line for line in result.outlines if "PlacementWarning" in line]
        assert [line.split(": ")[0].rsplit(":")[-1] for line in lines] == ["8", "11"]
        assert all("test_an_odd_recording" in line and "% of the pixels are saturated" in line for line in lines)


def test_a_warning_is_given_at_the_users_line(project, own_steps):
    project.makeconftest(
        """
        from pytest_calsim.steps.artifact import Artifact
        from pytest_calsim.steps.step import Context, Step

        class OddTwo(Step):
            def check(self, context):
                return ["odd"]

            def plan(self, ctx: Context) -> Artifact:
                return Artifact()
        """
    )
    project.makepyfile(
        test_odd="""
        import pytest
        from pytest_calsim import Spec, load_preset

        pytestmark = pytest.mark.filterwarnings("default")
        ODD = [{"kind": "odd_two"}]

        @pytest.mark.sim(add=ODD)
        def test_mark(sim_spec):
            pass

        def test_factory(sim_recording_factory):
            sim_recording_factory(
                "glow", add=ODD
            )

        def test_made_here():
            Spec.make({"steps": ODD})
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=3, warnings=3)
    assert [line.strip().split(" ")[0] for line in result.outlines if "SpecWarning" in line] == [
        f"{project.path}/test_odd.py:{line}:" for line in (7, 12, 17)
    ]


def test_a_preset_may_be_given_by_the_path_of_its_file(project):
    project.makepyfile(
        """
        from pathlib import Path

        import pytest

        FILE = Path("my_presets") / "rim.toml"

        @pytest.mark.parametrize("of", [
            pytest.param(1, marks=pytest.mark.sim(str(FILE))),
            pytest.param(2, marks=pytest.mark.sim(FILE)),
            pytest.param(3, marks=pytest.mark.sim(FILE.absolute())),
        ])
        def test_it(sim_spec, sim_recording_factory, of):
            assert sim_spec.kinds == ("leakage", "vignette")
            assert sim_recording_factory(FILE).spec == sim_recording_factory(str(FILE)).spec == sim_spec
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=3)
