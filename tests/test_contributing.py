"""What the page for contributors names is there."""

import re
from pathlib import Path

import pytest

import pytest_calsim

ROOT = Path(__file__).parents[1]
PAGE = ROOT / ".github" / "CONTRIBUTING.md"
NAMED = sorted(set(re.findall(r"`((?:pytest_calsim|tests|docs|presets|\.ci)/[\w./-]*)`", PAGE.read_text("utf-8"))))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINKED = re.findall(r"\]\(([^)#\s]+)\)", PAGE.read_text("utf-8"))


def test_the_page_names_files_and_is_a_page():
    assert len(NAMED) > 15
    assert len(PAGE.read_text("utf-8").splitlines()) <= 90


@pytest.mark.parametrize("path", NAMED)
def test_what_is_named_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", LINKED)
def test_what_is_linked_is_there(link):
    assert (PAGE.parent / link).exists()


def test_every_room_of_the_package_is_named():
    rooms = {path.parent.name for path in (ROOT / "pytest_calsim").glob("*/__init__.py")}
    assert rooms <= {path.removeprefix("pytest_calsim/") for path in NAMED}


def test_the_workflows_call_what_run_calls():
    scripts = re.compile(r"\.ci/([\w-]+)")
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    steps = re.findall(r"^[ -]+run: (.*)$", "\n".join(p.read_text("utf-8") for p in WORKFLOWS), re.MULTILINE)
    called = {name for step in steps for name in scripts.findall(step)}
    in_run = set(re.findall(r"^\.ci/([\w-]+)$", run, re.MULTILINE))
    assert len(in_run) >= 6
    # Beside these, wheels are tried on the systems they are for.
    assert called == in_run | {"try-installed"}
    assert called | {"run"} == {path.name for path in (ROOT / ".ci").iterdir()}


def test_what_a_release_asks_of_its_tag_holds_but_for_the_word_unreleased():
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    asked = re.findall(r'grep -Fx "(.*)" (\S+)', workflow)
    assert len(asked) == 3
    for line, name in asked:
        text = (ROOT / name).read_text("utf-8").replace(" (unreleased)", "")
        assert line.replace("\\", "").replace("${TAG#v}", pytest_calsim.__version__) in text.splitlines()


def test_examples_of_steps_are_there():
    assert {"light/vignette.py", "cells/defocus.py"} <= set(re.findall(r"`([\w/]+\.py)`", PAGE.read_text("utf-8")))
    for name in ("light/vignette.py", "motion/brain_motion.py", "cells/defocus.py"):
        assert (ROOT / "pytest_calsim" / "steps" / name).exists()
