"""The teaching notebooks are copied as notebooks that can be run where they are."""

import ast
import json
import re
import sys

import pytest

from pytest_calsim import StoreError
from pytest_calsim.__main__ import main
from pytest_calsim.errors import MissingExtraError
from pytest_calsim.recording.exports.notebooks import copy_notebooks


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    pytest.importorskip("jupytext")
    folder = tmp_path_factory.mktemp("copied") / "new" / "folder"
    return folder, copy_notebooks(folder)


def cells_of(path, kind):
    notebook = json.loads(path.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_all_that_is_written_is_told(copied):
    folder, written = copied
    assert written == sorted(folder.iterdir())
    names = {path.name for path in written}
    assert {"anatomy.ipynb", "truth-to-score.ipynb", "parameter-sweep.ipynb", "looking.py", "pipeline.py"} <= names


def test_notebooks_have_code_and_no_outputs(copied):
    notebooks = [path for path in copied[1] if path.suffix == ".ipynb"]
    for path in notebooks:
        assert len(cells_of(path, "code")) > 5
        assert not any(cell.get("outputs") for cell in json.loads(path.read_text("utf-8"))["cells"])


def test_what_they_import_is_there(copied):
    _, written = copied
    here = {path.stem for path in written if path.suffix == ".py"}
    for path in written:
        sources = cells_of(path, "code") if path.suffix == ".ipynb" else [path.read_text("utf-8")]
        for node in ast.walk(ast.parse("\n".join(sources))):
            if isinstance(node, ast.ImportFrom) and node.module in {"looking", "pipeline"}:
                assert node.module in here


def test_links_lead_to_a_file_beside_or_to_the_documentation(copied):
    folder, written = copied
    links = [
        link
        for path in written
        if path.suffix == ".ipynb"
        for text in cells_of(path, "markdown")
        for link in re.findall(r"\]\(([^)]+)\)", text)
    ]
    assert any(link.endswith("docs/physics.md") for link in links)
    assert "truth-to-score.ipynb" in links
    assert [link for link in links if not link.startswith("https://") and not (folder / link).exists()] == []


def test_answers_are_hidden(copied):
    folder, _ = copied
    notebook = json.loads((folder / "anatomy.ipynb").read_text("utf-8"))
    hidden = [cell for cell in notebook["cells"] if cell["metadata"].get("jupyter", {}).get("source_hidden")]
    exercises = [text for text in cells_of(folder / "anatomy.ipynb", "markdown") if "**Exercise.**" in text]
    assert len(hidden) == len(exercises) > 2
    assert all("answer(" in "".join(cell["source"]).splitlines()[-1] for cell in hidden)


def test_each_name_is_given_once(copied):
    """A slider may be moved when all cells have run: what it draws from must not have become something else."""
    folder, _ = copied
    for name in ("anatomy", "truth-to-score"):
        given = []
        for source in cells_of(folder / f"{name}.ipynb", "code"):
            for statement in ast.parse(source).body:
                if isinstance(statement, ast.FunctionDef):
                    given.append(statement.name)
                elif isinstance(statement, ast.Assign):
                    given += [target.id for target in statement.targets if isinstance(target, ast.Name)]
        assert len(given) > 10
        assert sorted(given) == sorted(set(given))


def test_nothing_is_overwritten(tmp_path):
    pytest.importorskip("jupytext")
    mine = tmp_path / "looking.py"
    mine.write_text("mine", "utf-8")
    with pytest.raises(StoreError, match=r"looking\.py: exists already; choose another folder"):
        copy_notebooks(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
    assert mine.read_text("utf-8") == "mine"


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(MissingExtraError, match=r"needs jupytext, .* pip install 'pytest-calsim\[teaching\]'"):
        copy_notebooks(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_command(tmp_path, capsys, copied):
    assert main(["notebooks", str(tmp_path / "here")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(copied[1]) + 1
    assert lines[-1] == f"to open them: jupyter lab {tmp_path / 'here'}"
    assert main(["notebooks", str(tmp_path / "here")]) == 1
    assert "exists already" in capsys.readouterr().err
