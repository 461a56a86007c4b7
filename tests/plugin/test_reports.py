"""What a run reports: scores to JUnit and the summary, also under xdist and for expected failures."""

import xml.etree.ElementTree as ElementTree

TESTS = """
    import pytest
    from pytest_calsim.errors import RecoveryError
    from pytest_calsim.testing.scorecard import Check, Scorecard, publish

    def judge(recall, **facts):
        card = publish(Scorecard("footprints", [Check("recall", recall, 0.8, words="4 of 5")], facts))
        if not card.passed:
            raise RecoveryError(str(card), card)

    def test_good():
        judge(0.9, n_units=5)
        judge(0.95)

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
            "*::test_good  footprints: recall 0.90 * 0.80",
            "*::test_good  footprints: recall 0.95 * 0.80",
            "*::test_in_a_fixture  footprints: recall 1.00 * 0.80",
        ]
    )
    found = properties(project)
    assert found["test_good"] == {
        "footprints.passed": "True",
        "footprints.recall": "0.9",
        "footprints.recall.bound": "0.8",
        "footprints.n_units": "5",
        "footprints#2.passed": "True",
        "footprints#2.recall": "0.95",
        "footprints#2.recall.bound": "0.8",
    }
    assert found["test_expected"]["footprints.passed"] == "False"
    assert found["test_in_a_fixture"]["footprints.recall"] == "1.0"


def test_scores_reach_junit_and_the_summary(project):
    project.makepyfile(TESTS)
    check(project, project.runpytest_inprocess("--junitxml=junit.xml"))


def test_scores_cross_from_workers(project):
    project.makepyfile(TESTS)
    check(project, project.runpytest_subprocess("--junitxml=junit.xml", "-n2"))


def test_a_quiet_run_prints_no_scores(project):
    project.makepyfile(TESTS)
    project.runpytest_inprocess("-q").stdout.no_fnmatch_line("*recovery scores*")


def test_a_run_that_uses_nothing_says_nothing(project):
    project.makepyfile("def test_it(): pass")
    project.runpytest_inprocess().stdout.no_fnmatch_line("*sim cache*")
