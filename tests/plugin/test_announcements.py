"""Announcements: past pytest's capture, at once, and only of what takes long."""

import re
import sys
import time

import pytest

from pytest_calsim.plugin import announcements
from pytest_calsim.plugin.announcements import Announcer

# A step whose plan takes as long as its field says.
SLOW = """
    import time

    from pytest_calsim.steps.artifact import Artifact
    from pytest_calsim.steps.step import Context, Step

    class SlowStep(Step):
        seconds: float = 0

        def plan(self, ctx: Context) -> Artifact:
            time.sleep(self.seconds)
            return Artifact()
"""

TESTS = """
    import pytest

    @pytest.mark.sim("glow", add=[{"kind": "slow_step", "seconds": SECONDS}])
    @pytest.mark.parametrize("n", range(4))
    def test_it(sim_recording, n, capfd):
        print("captured")
"""


@pytest.mark.parametrize("capture", ["--capture=fd", "--capture=sys", "--capture=no"])
def test_a_long_simulation_is_announced_past_the_capture(project, capture):
    project.makeconftest(SLOW)
    project.makepyfile(TESTS.replace("SECONDS", "2.5"))
    result = project.runpytest_subprocess(capture)
    result.assert_outcomes(passed=4)
    said = [line for line in result.errlines if line.startswith("sim: ")]
    assert said[0] == "sim: simulating glow (10 frames of 12 x 16 px), 2 s"
    assert re.fullmatch(r"sim: simulated glow \(10 frames of 12 x 16 px\) in \d+\.\d s", said[1])
    assert len(said) == 2


def test_a_short_simulation_is_not_announced(project):
    project.makeconftest(SLOW)
    project.makepyfile(TESTS.replace("SECONDS", "0.0"))
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=4)
    assert not [line for line in result.errlines if line.startswith("sim: ")]


def test_one_worker_simulates_and_the_other_says_that_it_waits(project):
    project.makeconftest(SLOW)
    project.makepyfile(TESTS.replace("SECONDS", "4.0"))
    result = project.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=4)
    said = [line for line in result.errlines if line.startswith("sim: ")]
    assert sum("simulating glow" in line for line in said) == 1
    assert any(re.match(r"sim: glow: waiting for gw[01], [23] s", line) for line in said)


class Screen:
    """A stream that is a terminal, or not."""

    encoding = "ascii"

    def __init__(self, is_terminal):
        self.text = ""
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_shown_to_a_person_and_not_to_a_log(monkeypatch, watched):
    screen = Screen(watched)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(announcements, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(announcements, "_EACH_S", 0.05)
    announcer = Announcer()
    with announcer.simulating("it"):
        deadline = time.monotonic() + 20
        while screen.text.count("simulating it") < (4 if watched else 1) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert screen.text.count("simulating it") >= (4 if watched else 1)
    assert ("\x1b[A" in screen.text) == watched
    assert screen.text.count("simulated it in") == 1


@pytest.mark.parametrize("broken", [OSError(5, "gone"), ValueError("I/O operation on closed file")])
def test_a_terminal_that_has_gone_harms_nobody(monkeypatch, broken):
    screen = Screen(False)

    def write(text):
        raise broken

    screen.write = write
    monkeypatch.setattr(sys, "stderr", screen)
    Announcer().say("a line")
