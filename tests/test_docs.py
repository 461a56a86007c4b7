"""What the documentation shows is what happens.

Comments above a fenced block say what it is:

- ``run``: Python; the blocks of a page are run in order, as one program.
- ``file NAME``: written to that file first.
- ``output of ARGUMENTS: PATTERN``: the lines of ``pytest ARGUMENTS`` that match; seconds may differ.

``CALSIM_UPDATE_DOCS=1 pytest tests/test_docs.py`` writes the outputs anew.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_calsim import preset_names, preset_summary

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^<!-- (run|file|output of)(?: (.*))? -->\n```.*\n((?:.*\n)*?)```$", re.M)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
SECONDS = re.compile(r"\d+\.\d+ ?s\b")


def python(*arguments: str, cwd: Path) -> str:
    """What a Python process prints, whether it succeeds or (pytest) finds failures."""
    environment = {**os.environ, "PYTEST_SIM_CACHE": str(cwd / "cache"), "PYTEST_ADDOPTS": ""}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode in ((0, 1) if "pytest" in arguments else (0,)), done.stdout + done.stderr
    return done.stdout


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=name_of)
def test_blocks_do_what_they_show(page, tmp_path):
    text = page.read_text()
    blocks = [match.groups() for match in BLOCK.finditer(text)]
    for kind, name, body in blocks:
        if kind == "file":
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(body)
    program = "\n".join(body for kind, _, body in blocks if kind == "run")
    if program:
        (tmp_path / "page.py").write_text(program)
        python("-W", "error", "page.py", cwd=tmp_path)
    outputs: dict[str, str] = {}
    for kind, told, body in blocks:
        if kind == "output of":
            arguments, _, pattern = told.partition(": ")
            if arguments not in outputs:
                outputs[arguments] = python("-m", "pytest", *arguments.split(), cwd=tmp_path)
            lines = [line.rstrip() for line in outputs[arguments].splitlines() if re.search(pattern, line)]
            shown = "".join(f"{line}\n" for line in lines).replace(str(tmp_path / "cache"), "~/.cache/pytest-calsim")
            if os.environ.get("CALSIM_UPDATE_DOCS"):
                text = text.replace(f"{told} -->\n```\n{body}```", f"{told} -->\n```\n{shown}```")
            else:
                assert SECONDS.sub("~", shown) == SECONDS.sub("~", body)
    if text != page.read_text():
        page.write_text(text)


def test_reference_is_that_of_the_code():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    make_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_reference)
    stale = [
        name for name, page in make_reference.PAGES.items() if page() != (make_reference.REFERENCE / name).read_text()
    ]
    assert not stale, "python docs/make_reference.py"


def test_gallery_shows_every_preset():
    page = (ROOT / "docs" / "gallery.md").read_text()
    for name in preset_names():
        assert f"## {name}\n\n{preset_summary(name)}.\n\n![{name}](pictures/presets/{name}.png)" in page


def test_pictures_are_small_and_shown():
    pictures = {path: path.stat().st_size for path in (ROOT / "docs" / "pictures").rglob("*.png")}
    assert max(pictures.values()) < 300e3
    assert sum(pictures.values()) < 2.5e6
    shown = {(page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text())}
    assert pictures.keys() <= shown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not broken
