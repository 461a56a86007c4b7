"""What a run reports: scores to JUnit and the summary, also under xdist and for expected failures."""

import xml.etree.ElementTree as ElementTree

import pytest

TESTS = """
    import pytest
    from pytest_calsim import RecoveryError
    from pytest_calsim.testing.scorecard import Check, Scorecard, publish

    def judge(recall, **facts):
        card = publish(Scorecard("footprints", [Check("recall", recall, 0.8, words="4 of 5")], facts))
        if not card.passed:
            raise RecoveryError(str(card), card)

    def test_good():
        judge(0.9, n_units=5)
        judge(0.85, n_units=6)
        judge(0.95, n_units=7)

    @pytest.mark.xfail(raises=RecoveryError, strict=True)
    def test_expected():
        judge(0.7)

    @pytest.fixture
    def found():
        judge(1.0)

    def test_in_a_fixture(found):
        pass
"""


def properties(project):
    suite = ElementTree.parse(project.path / "junit.xml").getroot()
    return {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in suite.iter("testcase")
    }


def check(project, result):
    result.assert_outcomes(passed=2, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "*recovery scores*",
            "*::test_expected  footprints: recall 0.70 < 0.80",
            "*::test_good  footprints: recall 0.85 * 0.80 (worst of 3; 0 failed)",
            "*::test_in_a_fixture  footprints: recall 1.00 * 0.80",
        ]
    )
    found = properties(project)
    assert found["test_good"] == {
        "footprints.passed": "True",
        "footprints.recall": "0.85",
        "footprints.recall.bound": "0.8",
        "footprints.n_units": "6",
        "footprints.n_scored": "3",
    }
    assert found["test_expected"]["footprints.passed"] == "False"
    assert found["test_in_a_fixture"]["footprints.recall"] == "1.0"


def test_scores_reach_junit_and_the_summary(project):
    project.makepyfile(TESTS)
    check(project, project.runpytest_inprocess("--junitxml=junit.xml"))


def test_scores_cross_from_workers(project):
    project.makepyfile(TESTS)
    check(project, project.runpytest_subprocess("--junitxml=junit.xml", "-n2"))


def test_a_quiet_run_prints_neither_scores_nor_counters(project):
    project.makepyfile(TESTS + "\n    def test_recording(sim_recording): pass\n")
    for quiet in ("-q", "-qq"):
        result = project.runpytest_inprocess(quiet)
        result.stdout.no_fnmatch_line("*recovery scores*")
        result.stdout.no_fnmatch_line("*sim cache*")


@pytest.mark.parametrize(
    ("recalls", "line"),
    [
        ([0.9, 0.7], "footprints: recall 0.70 < 0.80 (worst of 2; 1 failed)"),
        ([0.7, 0.6, 0.9], "footprints: recall 0.60 < 0.80 (worst of 3; 2 failed)"),
        ([0.9, float("nan")], "footprints: recall undefined < 0.80 (worst of 2; 1 failed)"),
        ([0.9], "footprints: recall 0.90 * 0.80"),
    ],
)
def test_the_worst_of_many_is_shown_with_their_number(project, recalls, line):
    project.makepyfile(
        f"""
        from math import nan
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        def test_loop():
            for recall in {recalls}:
                publish(Scorecard("footprints", [Check("recall", recall, 0.8)]))
        """
    )
    project.runpytest_inprocess().stdout.fnmatch_lines([f"*::test_loop  {line}"])


def test_the_worst_example_of_a_property_is_shown(project):
    project.makepyfile(
        """
        from hypothesis import given, settings, strategies as st
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        seen = []

        @settings(max_examples=7, database=None)
        @given(hundredths=st.integers(0, 90))
        def test_it(hundredths):
            seen.append(hundredths / 100)
            publish(Scorecard("shifts", [Check("rmse_px", hundredths / 100, 1, at_most=True)]))

        def test_what_was_seen():
            publish(Scorecard("seen", [Check("worst", max(seen), 0), Check("n", len(seen), 2)]))
        """
    )
    result = project.runpytest_inprocess("--junitxml=junit.xml")
    (line,) = [line for line in result.outlines if "::test_it  " in line]
    found = properties(project)
    n_seen = int(float(found["test_what_was_seen"]["seen.n"]))
    assert n_seen >= 2
    assert found["test_it"]["shifts.n_scored"] == str(n_seen)
    assert found["test_it"]["shifts.rmse_px"] == found["test_what_was_seen"]["seen.worst"]
    assert f"(worst of {n_seen}; 0 failed)" in line


def test_properties_of_the_users_own_stay(project):
    project.makepyfile(
        """
        from pytest_calsim.testing.scorecard import Check, Scorecard, publish

        def test_it(record_property):
            record_property("mine", 1)
            publish(Scorecard("footprints", [Check("recall", 0.9, 0.8)]))
            record_property("mine", 2)
        """
    )
    project.runpytest_inprocess("--junitxml=junit.xml", "-o", "junit_family=xunit1").assert_outcomes(passed=1)
    suite = ElementTree.parse(project.path / "junit.xml").getroot()
    pairs = [(p.get("name"), p.get("value")) for p in suite.iter("property")]
    assert pairs[:2] == [("mine", "1"), ("mine", "2")]
    assert len(pairs) == len(set(pairs)) == 5


def test_scores_go_into_githubs_summary_of_the_job(project, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    (project.path / "summary.md").write_text("before\n", "utf-8")
    project.makepyfile(TESTS)
    project.runpytest_inprocess("-q")
    project.runpytest_subprocess("-n2")
    text = (project.path / "summary.md").read_text("utf-8")
    assert text.startswith("before\n### Recovery scores\n")
    module = "test_scores_go_into_githubs_summary_of_the_job.py"
    for row in (
        f"| `{module}::test_expected` | footprints.recall | 0.7 | ≥ 0.8 | ❌ |\n",
        f"| `{module}::test_good` | footprints.recall (worst of 3) | 0.85 | ≥ 0.8 | ✅ |\n",
    ):
        assert text.count(row) == 2


@pytest.mark.parametrize("where", ["", "no/such/folder/summary.md"])
def test_without_a_summary_of_the_job_all_goes_on(project, monkeypatch, where):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", where and str(project.path / where))
    project.makepyfile(TESTS)
    result = project.runpytest_inprocess()
    assert result.ret == 0
    assert any("cannot write the job's summary" in line for line in result.outlines) == bool(where)


def test_a_run_without_scores_writes_no_summary_of_the_job(project, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    project.makepyfile("def test_it(sim_spec): pass")
    project.runpytest_inprocess()
    assert not (project.path / "summary.md").exists()


def test_a_run_that_uses_nothing_says_nothing(project):
    project.makepyfile("def test_it(): pass")
    project.runpytest_inprocess().stdout.no_fnmatch_line("*sim cache*")
