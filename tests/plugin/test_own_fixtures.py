"""Fixtures of the user's own: in the place of the plugin's, on top of them, and of a wider scope."""

import pytest


def test_a_sim_spec_of_the_users_own_is_what_is_recorded(project):
    project.makepyfile(
        """
        import pytest
        from pytest_calsim import load_preset

        class TestReplaced:
            @pytest.fixture
            def sim_spec(self):
                return load_preset("glow", seed=5, extra_dir="my_presets")

            def test_it(self, sim_recording, sim_spec):
                assert sim_recording.spec == sim_spec
                assert sim_spec.seed == 5

        class TestWithParams:
            @pytest.fixture(params=[1, 2])
            def sim_spec(self, request):
                return load_preset("glow", seed=request.param, extra_dir="my_presets")

            def test_it(self, sim_recording, request):
                assert sim_recording.spec.seed == request.node.callspec.params["sim_spec"]

        class TestThroughAutouse:
            @pytest.fixture
            def sim_spec(self):
                return load_preset("glow", seed=6, extra_dir="my_presets")

            @pytest.fixture(autouse=True)
            def grab(self, sim_recording):
                self.recording = sim_recording

            def test_it(self):
                assert self.recording.spec.seed == 6

        class TestOnTop:
            @pytest.fixture
            def sim_spec(self, sim_spec):
                return sim_spec.edit(seed=sim_spec.seed + 100)

            @pytest.mark.sim("rim", seed=1)
            def test_it(self, sim_recording):
                assert sim_recording.spec.kinds == ("leakage", "vignette")
                assert sim_recording.spec.seed == 101

        @pytest.mark.parametrize("sim_spec", [load_preset("glow", seed=7, extra_dir="my_presets")])
        def test_given_by_a_parameter(sim_recording, sim_spec):
            assert sim_recording.spec == sim_spec
            assert sim_spec.seed == 7
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1 + 2 + 1 + 1 + 1)


def test_cases_behind_a_sim_spec_of_the_users_own_are_made_or_refused(project):
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def sim_spec(sim_spec):
            return sim_spec.edit(seed=sim_spec.seed + 100)

        @pytest.mark.sim("rim", seeds=2)
        def test_it(sim_recording, request):
            assert sim_recording.spec.seed == 100 + request.node.callspec.indices["_sim_case"]
        """
    )
    result = project.runpytest_inprocess()
    if int(pytest.__version__.split(".")[0]) >= 9:
        result.assert_outcomes(passed=2)
    else:  # where pytest does not look behind a fixture that replaces another
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["sim mark: * own sim_spec stands before the plugin's, *"])


@pytest.mark.parametrize("value", ["'tiny'", "{'preset': 'tiny'}", "None"])
def test_a_sim_spec_that_is_none_is_refused_in_one_line(project, value):
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("sim_spec", [{value}], ids=["it"])
        def test_it(sim_recording):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"sim_recording: this test's own sim_spec is {value} and must be a Spec, *"])
    result.stdout.no_fnmatch_line("*.py:[0-9]*: *")


@pytest.mark.parametrize("scope", ["class", "module", "session"])
@pytest.mark.parametrize("fixture", ["sim_recording", "sim_spec"])
def test_a_wider_scope_is_sent_to_the_factory(project, scope, fixture):
    project.makepyfile(
        f"""
        import pytest

        @pytest.fixture(scope="{scope}")
        def found({fixture}):
            return {fixture}

        def test_it(found):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ScopeMismatch*", "*take sim_recording_factory instead*"])


def test_somebody_elses_scope_mismatch_is_left_alone(project):
    project.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def found(tmp_path):
            return tmp_path

        def test_it(found):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*ScopeMismatch*"])
    result.stdout.no_fnmatch_line("*sim_recording_factory*")


def test_a_recording_of_one_test_inside_given_is_sent_to_the_factory(project):
    project.makepyfile(
        """
        from hypothesis import given, strategies as st

        @given(n=st.integers())
        def test_it(sim_recording, n):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FailedHealthCheck*", "*take sim_recording_factory instead*"])
