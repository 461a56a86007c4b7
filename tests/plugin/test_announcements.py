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
    assert re.fullmatch(r"sim: simulating glow \(10 frames of 12 x 16 px\), \d+ s", said[0])
    assert re.fullmatch(r"sim: simulated glow \(10 frames of 12 x 16 px\) in \d+\.\d s", said[-1])


def test_a_short_simulation_is_not_announced(monkeypatch):
    screen = Screen(True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(announcements, "_FIRST_AFTER_S", 3600.0)
    with Announcer().simulating("it"):
        pass
    assert screen.text == ""


def test_one_worker_simulates_and_the_other_says_that_it_waits(project):
    project.makeconftest(
        SLOW.replace("time.sleep(self.seconds)", "both_are_there(); time.sleep(self.seconds)")
        + """
    import os
    import pathlib

    def both_are_there():
        deadline = time.monotonic() + 60
        while len(list(pathlib.Path().glob("gw*.here"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)

    def pytest_runtest_setup(item):
        pathlib.Path(os.environ["PYTEST_XDIST_WORKER"] + ".here").touch()
    """
    )
    project.makepyfile(TESTS.replace("SECONDS", "4.0"))
    result = project.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=4)
    said = [line for line in result.errlines if line.startswith("sim: ")]
    assert any("simulating glow" in line for line in said)
    assert sum(line.startswith("sim: glow: waiting for another process") for line in said) == 1
    assert sum("simulated glow" in line for line in said) == 1


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
