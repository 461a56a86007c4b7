"""What the documentation shows is what happens.

Comments above a fenced block say what it is:

- ``run``: Python; the blocks of a page are run in order, as one program.
- ``file NAME``: written to that file first.
- ``output of ARGUMENTS: PATTERN``: the lines of ``pytest ARGUMENTS`` that match; seconds may differ.

``CALSIM_UPDATE_DOCS=1 pytest tests/test_docs.py`` writes the outputs anew.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import settings

import pytest_calsim
from pytest_calsim import load_preset, preset_names, simulate
from pytest_calsim.steps import registry
from pytest_calsim.steps.step import Step

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^<!-- (run|file|output of)(?: (.*))? -->\n```.*\n((?:.*\n)*?)```$", re.M)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
HOSTED = re.compile(
    r"https://(?:raw\.githubusercontent|github)\.com/pytest-calsim/pytest-calsim/(?:blob/)?main/([^)#\s]+)"
)
NAMED = re.compile(r"`((?:pytest_calsim|tests|docs)/[\w./-]+)`")
SECONDS = re.compile(r"\d+\.\d+ ?s\b")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def linked_files(page: Path) -> set[Path]:
    """Files of this repository that a page links to, by a relative path or where they are hosted, or names in code."""
    text = page.read_text(encoding="utf-8")
    relative = {(page.parent / link).resolve() for link in LINK.findall(text)}
    return relative | {ROOT / path for path in (*HOSTED.findall(text), *NAMED.findall(text))}


@pytest.fixture(scope="module")
def imported():
    """Runs within this process forget what they imported, and steps may not come twice."""
    registry.step_classes()
    simulate(load_preset("moving", overrides={"acquisition.duration_s": 0.1})).observed.load()


@pytest.fixture
def undone(imported, monkeypatch):
    """What a page's code does to the whole process is undone: steps that it defines, Hypothesis' profile."""
    monkeypatch.setattr(Step, "known", dict(Step.known))
    yield
    settings.load_profile("calsim")


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=name_of)
def test_blocks_do_what_they_show(page, undone, pytester, monkeypatch):
    cache = pytester.path / "cache"
    monkeypatch.setenv("PYTEST_SIM_CACHE", str(cache))
    for name in ("CI", "BUILD_NUMBER"):  # there pytest says more than a reader would see
        monkeypatch.delenv(name, raising=False)
    text = page.read_text()
    blocks = [match.groups() for match in BLOCK.finditer(text)]
    for kind, name, body in blocks:
        if kind == "file":
            (pytester.path / name).parent.mkdir(exist_ok=True)
            (pytester.path / name).write_text(body)
    exec("\n".join(body for kind, _, body in blocks if kind == "run"), {})
    printed: dict[str, list[str]] = {}
    for kind, told, body in blocks:
        if kind == "output of":
            arguments, _, pattern = told.partition(": ")
            if arguments not in printed:
                printed[arguments] = pytester.runpytest_inprocess(*arguments.split()).outlines
            lines = [line.rstrip() for line in printed[arguments] if re.search(pattern, line)]
            shown = "".join(f"{line}\n" for line in lines).replace(str(cache), "~/.cache/pytest-calsim")
            if os.environ.get("CALSIM_UPDATE_DOCS"):
                text = text.replace(f"{told} -->\n```\n{body}```", f"{told} -->\n```\n{shown}```")
            else:
                assert SECONDS.sub("~", shown) == SECONDS.sub("~", body)
    if text != page.read_text():
        page.write_text(text)


def script(name):
    """A script of docs/, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_that_of_the_code():
    make_reference = script("make_reference")
    stale = [
        name for name, page in make_reference.PAGES.items() if page() != (make_reference.REFERENCE / name).read_text()
    ]
    assert not stale, "python docs/make_reference.py"


def test_gallery_has_a_card_of_every_preset():
    make_gallery = script("make_gallery")
    cards = json.loads(make_gallery.CARDS.read_text())
    assert sorted(cards) == sorted(preset_names()), "python docs/make_gallery.py"
    assert make_gallery.PAGE.read_text() == make_gallery.page(cards), "python docs/make_gallery.py"


def test_pictures_are_small_and_shown():
    pictures = {path: path.stat().st_size for path in (ROOT / "docs" / "pictures").rglob("*.png")}
    assert max(pictures.values()) < 300e3
    assert sum(pictures.values()) < 2.5e6
    shown = {path for page in PAGES for path in linked_files(page)}
    assert pictures.keys() <= shown


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / ".github").glob("*.md"))], ids=name_of)
def test_links_lead_somewhere(page):
    assert not [path for path in linked_files(page) if not path.exists()]


def test_files_that_docstrings_name_are_there():
    sources = [*(ROOT / "pytest_calsim").rglob("*.py"), *(ROOT / "pytest_calsim").rglob("*.[ch]")]
    named = {path for source in sources for path in NAMED.findall(source.read_text(encoding="utf-8"))}
    assert len(named) >= 2
    assert not [path for path in named if not (ROOT / path).exists()]


def test_pages_shown_elsewhere_have_no_relative_links():
    """README stands on PyPI too; what the site of docs/ links to outside docs/ is not on the site."""
    assert not LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    outside = {
        (page, link)
        for page in docs.rglob("*.md")
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).resolve().is_relative_to(docs)
    }
    assert not outside


def test_every_public_name_is_described_and_has_an_example():
    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    program = "\n".join(body for _, _, body in BLOCK.findall(page))
    # Described by their fields, on another page.
    models = {name for name in pytest_calsim.__all__ if hasattr(getattr(pytest_calsim, name), "model_fields")}
    described = set(re.findall(r"^\.\. auto\w+:: (\w+)", page, re.M)) | models
    assert described == set(pytest_calsim.__all__)
    used = set(re.findall(r"\w+", program))
    assert described <= used
