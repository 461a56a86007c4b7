"""Copy the teaching notebooks to a folder of the user's."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest_calsim
from pytest_calsim.errors import StoreError
from pytest_calsim.recording.extras import require

__all__ = ["copy_notebooks"]

_PACKAGE = Path(pytest_calsim.__file__).parent
_SITE = "https://github.com/pytest-calsim/pytest-calsim/blob/main/docs/"


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the teaching notebooks, as ``.ipynb``, and the modules that they import.

    They are kept as text, of which jupytext (the extra ``teaching``) makes notebooks without outputs.

    Parameters
    ----------
    folder
        Where to; it is made if it is missing.

    Returns
    -------
    list of Path
        The files written, sorted.

    Raises
    ------
    MissingExtraError
        When jupytext is not installed.
    StoreError
        When one of the files is there already; then none is written.
    """
    jupytext: Any = require("jupytext", "teaching", "copying the notebooks")
    source = _notebook_folder()
    texts = sorted(source.glob("*.md"))
    modules = sorted(source.glob("*.py"))
    targets = [folder / f"{text.stem}.ipynb" for text in texts] + [folder / module.name for module in modules]
    for target in targets:
        if os.path.lexists(target):
            raise StoreError(f"{target}: exists already; choose another folder, or remove it for a fresh copy")
    folder.mkdir(parents=True, exist_ok=True)
    for text in texts:
        notebook = jupytext.reads(_follow_links(text.read_text("utf-8")), fmt="md:myst")
        jupytext.write(notebook, folder / f"{text.stem}.ipynb")
    for module in modules:
        shutil.copyfile(module, folder / module.name)
    return sorted(targets)


def _notebook_folder() -> Path:
    """Find the notebooks: inside the package in a wheel, among the documentation in a source tree."""
    shipped = _PACKAGE / "_teaching"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "docs" / "teaching" / "notebooks"


def _follow_links(text: str) -> str:
    """Point links at the copied notebooks, and those to other pages at the documentation."""
    text = re.sub(r"\]\(([\w-]+)\.md\)", r"](\1.ipynb)", text)
    return text.replace("](../../", f"]({_SITE}")
