"""A wrong mark fails its own test with one clean line; the others run."""

import pytest

NO_LEVLE = "path 'leakage.levle': nothing named 'levle' under 'leakage'; did you mean 'level'?"

WRONG = {
    '"gloww"': "unknown preset 'gloww'; did you mean 'glow'?",
    "3": "sim mark: preset = 3 must be the name of a preset, or a Spec",
    '["glow", "dark"]': "sim mark: preset = ['glow', 'dark'] must be the name of a preset, or a Spec; "
    "give several as separate arguments: @pytest.mark.sim('glow', 'dark')",
    'preset=("glow", "dark")': "sim mark: preset = ('glow', 'dark') *: @pytest.mark.sim('glow', 'dark')",
    '["glow"]': "sim mark: preset = ['glow'] must be the name of a preset, or a Spec",
    'overides={"leakage.level": 1}': "sim mark: unknown argument 'overides'; did you mean 'overrides'?",
    'overrides={"leakige.level": 1}': "path 'leakige.level': nothing named 'leakige'; did you mean 'leakage'?",
    'overrides={"leakage.levle": 1}': NO_LEVLE,
    'overrides={"acquisition.fpss": 1}': "path 'acquisition.fpss': nothing named 'fpss' under 'acquisition'; "
    "did you mean 'fps'?",
    'overrides={"leakage.level": -1}': "*leakage.level = -1: *greater than or equal to 0*",
    'overrides={"acquisition.fps": float("nan")}': "acquisition.fps = nan: *",
    'overrides={"leakage.level": "much"}': "*leakage.level = 'much': *",
    "overrides={1: 2}": "sim mark: overrides = {1: 2} must be a dict of values by dotted path",
    'overrides=["leakage.level"]': "sim mark: overrides = ['leakage.level'] must be a dict of values by dotted path",
    'seed="one"': "sim mark: seed = 'one' must be a whole number, 0 or more",
    "seed=-1": "sim mark: seed = -1 must be a whole number, 0 or more",
    "seeds=0": "sim mark: seeds = 0 must be how many seeds, 1 or more",
    'drop="leakage"': "sim mark: drop = 'leakage' must be a list of step kinds",
    'drop=["leakige"]': "cannot drop step 'leakige': not in this spec; did you mean 'leakage'?",
    'add=[{"kind": "vinyette"}]': "unknown step kind 'vinyette'; did you mean 'vignette'?",
    "add=[3]": "a step is a Step, a kind, or a table such as {'kind': 'sensor'}, not 3",
    'overrides={"leakage": None}': "path 'leakage' = None: a step is a table of fields; to take it out, drop it",
    'sweep={"leakage.level": 3}': "sim mark: sweep = {'leakage.level': 3} must be a dict of lists *",
    'sweep={"leakage.level": []}': "sim mark: sweep = {'leakage.level': []} must be a dict of lists *",
    'sweep={"leakage.levle": [1]}': NO_LEVLE,
}


@pytest.mark.parametrize("arguments", WRONG)
def test_one_clean_line_and_the_others_run(counted, project, arguments):
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.sim({arguments})
        def test_wrong(sim_recording):
            pass

        def test_right(sim_spec):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_wrong*", WRONG[arguments].replace("[", "[[]")], consecutive=True
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:[0-9]*: *")
    assert counted() == 0


def test_an_indirect_parameter_can_be_wrong_too(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize(
            "sim_recording", ["gloww", {"overrids": {}}, {"seeds": 2}, "rim"], ids=list("abcd"), indirect=True
        )
        def test_it(sim_recording):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "unknown preset 'gloww'; did you mean 'glow'?",
            "sim mark: unknown argument 'overrids'; did you mean 'overrides'?",
            "sim parameter: 'sweep' and 'seeds' make several tests; give them to the mark instead",
        ]
    )


def test_an_expected_failure_does_not_hide_a_wrong_mark(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.xfail
        @pytest.mark.sim("gloww")
        def test_wrong(sim_recording):
            pass

        @pytest.mark.skip
        @pytest.mark.sim("gloww")
        def test_skipped(sim_recording):
            pass

        @pytest.mark.xfail
        @pytest.mark.sim("glow")
        def test_expected(sim_recording):
            assert False
        """
    )
    project.runpytest_inprocess().assert_outcomes(errors=1, skipped=1, xfailed=1)


def test_collect_only_says_what_cannot_be_simulated(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("gloww")
        def test_wrong(sim_recording):
            pass

        @pytest.mark.sim("glowww")
        def test_deselected(sim_recording):
            pass
        """
    )
    result = project.runpytest_inprocess("--collect-only", "-k", "test_wrong")
    result.stdout.fnmatch_lines(["*::test_wrong: unknown preset 'gloww'; did you mean 'glow'?"])
    result.stdout.no_fnmatch_line("*glowww*")


def test_a_mark_on_a_test_that_takes_no_recording_is_nobodys_business(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("gloww", seeds=3)
        class TestMixed:
            def test_plain(self):
                pass
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_wrong_call_of_the_factory_is_one_line_without_the_packages_frames(project):
    project.makepyfile(
        """
        def test_it(sim_recording_factory):
            sim_recording_factory("glow", overrides={"leakage.levle": 1})
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E  *SpecError: path 'leakage.levle': nothing named 'levle' under *; did you mean 'level'?"]
    )
    result.stdout.no_fnmatch_line("*pytest_calsim/*.py*")


@pytest.mark.parametrize("preset", ["['glow', 'rim']", "('glow', 'rim')", "3", "None"])
def test_a_factory_takes_one_preset(project, preset):
    project.makepyfile(
        f"""
        def test_bad(sim_recording_factory): sim_recording_factory({preset})
        def test_other(): pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1, passed=1)
    given = preset.replace("[", "[[]")
    result.stdout.fnmatch_lines(
        [f"*SpecError: sim_recording_factory takes the name of a preset, or a Spec, not {given}: *"]
    )


def test_a_path_of_a_farther_mark_says_where_that_is(project):
    project.makepyfile(
        test_far="""
        import pytest

        pytestmark = pytest.mark.sim("rim", overrides={"vignette.exponent": 0.2})

        @pytest.mark.sim("glow")
        def test_by_module(sim_spec): pass

        class TestClass:
            pytestmark = pytest.mark.sim(sweep={"sensor.gain_db": [1, 2]})
            def test_by_class(self, sim_spec): pass

            @pytest.mark.sim("glow", overrides={"vignette.exponent": 0.3}, sweep={"sensor.gain_db": [3]})
            def test_of_its_own(self, sim_spec): pass

        @pytest.mark.sim("rim")
        def test_that_has_the_step(sim_spec): pass

        @pytest.mark.parametrize("sim_spec", [{"preset": "glow", "overrides": {"vignette.exponent": 1}}], indirect=True)
        def test_by_parameter(sim_spec): pass
        """
    )
    result = project.runpytest_inprocess("-rE", "-q")
    where = {}
    for line in result.outlines:
        if "ERROR at setup of" in line:
            name = line.strip("_ ").split(" ")[-1]
        elif line.startswith("path "):
            where[name] = line.partition("add it first (add=[...])")[2]
    assert where == {
        "test_by_module": "; the path is from the sim mark on module test_far.py",
        "TestClass.test_by_class[gain_db=1]": "; the path is from the sim mark on class TestClass",
        "TestClass.test_by_class[gain_db=2]": "; the path is from the sim mark on class TestClass",
        "TestClass.test_of_its_own[gain_db=3]": "",
        "test_by_parameter[sim_spec0]": "",
    }
