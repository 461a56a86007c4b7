"""``--sim-seeds=N`` widens every test that takes a recording."""

import pytest


def test_every_test_that_takes_a_recording_runs_with_n_seeds(project):
    project.makepyfile(
        """
        import pytest
        from pytest_calsim import load_preset

        GIVEN = load_preset("glow", seed=7, extra_dir="my_presets")
        SEEN = {}

        @pytest.fixture(autouse=True)
        def seen(request):
            if "sim_spec" in request.fixturenames:
                seed = request.getfixturevalue("sim_spec").seed
                SEEN.setdefault(request.node.originalname, []).append(seed)

        def test_plain(sim_spec): pass

        @pytest.mark.sim("rim", seed=5)
        def test_seed(sim_spec): pass

        @pytest.mark.sim(seeds=2)
        def test_fewer(sim_spec): pass

        @pytest.mark.sim(seed=1, seeds=4)
        def test_more(sim_spec): pass

        @pytest.mark.sim(sweep={"leakage.level": [1, 2]})
        def test_sweep(sim_recording): pass

        @pytest.mark.parametrize("sim_recording", [GIVEN, {"seed": 9}], ids=["spec", "dict"], indirect=True)
        def test_parameters(sim_recording): pass

        def test_without(tmp_path): pass

        def test_sums():
            assert SEEN == {
                "test_plain": [0, 1, 2],
                "test_seed": [5, 6, 7],
                "test_fewer": [0, 1, 2],
                "test_more": [1, 2, 3, 4],
                "test_sweep": [0, 1, 2, 0, 1, 2],
                "test_parameters": [7, 9, 8, 10, 9, 11],
            }
        """
    )
    result = project.runpytest_inprocess("--sim-seeds=3", "-v")
    result.assert_outcomes(passed=3 + 3 + 3 + 4 + 6 + 6 + 1 + 1)
    result.stdout.fnmatch_lines(["*::test_plain[[]seed+2] *", "*::test_seed[[]seed=7] *", "*::test_fewer[[]seed=2] *"])


def test_a_presets_own_seed_is_where_it_starts(project):
    (project.path / "my_presets" / "seeded.toml").write_text('extends = ["glow"]\nseed = 40\n')
    project.makepyfile(
        """
        import pytest

        @pytest.mark.sim("seeded")
        def test_it(sim_spec, request):
            assert sim_spec.seed == 40 + request.node.callspec.indices["_sim_case"]
        """
    )
    project.runpytest_inprocess("--sim-seeds=3").assert_outcomes(passed=3)


@pytest.mark.parametrize("where", ["flag", "variable", "ini"])
def test_three_names(project, monkeypatch, where):
    project.makepyfile("def test_it(sim_spec): pass")
    arguments = {"flag": ["--sim-seeds=4"], "variable": [], "ini": ["-o", "sim_seeds=4"]}[where]
    if where == "variable":
        monkeypatch.setenv("PYTEST_SIM_SEEDS", "4")
    project.runpytest_inprocess(*arguments).assert_outcomes(passed=4)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_is_a_usage_error(project, value):
    result = project.runpytest_inprocess(f"--sim-seeds={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --sim-seeds = '{value}': give how many, 1 or more"])
