"""Record a terminal session with the plugin as SVG pictures. Needs rich, the `examples` extra and pytest-xdist.

Usage: python docs/make_terminal.py [name ...]     (without names: all of them)

Each scene is a list of commands and edits that really run, in one folder.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures" / "terminal"
WIDTH = 118

MOTION = """\
import pytest
from light_pipeline import register
from pytest_calsim import assert_shifts_recovered


@pytest.mark.sim("clean_moving")
def test_motion(sim_recording):
    shifts = register(sim_recording.observed)
    assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.2, convention="correction")
"""

CELLS = """\
import pytest
from light_pipeline import find_cells
from pytest_calsim import assert_footprints_recovered


@pytest.mark.sim("static")
def test_cells(sim_recording):
    found = find_cells(sim_recording.observed, min_peak=12)
    assert_footprints_recovered(found, sim_recording, min_recall=0.8, min_precision=0.9)
"""

MATRIX = MOTION.replace(
    'sim("clean_moving")', 'sim("clean_moving", sweep={"brain_motion.max_shift_um": [5, 10]}, seeds=2)'
)


@dataclass
class Scene:
    """Commands as a user types them; ``write`` are files made or replaced before the command of the same number."""

    name: str
    title: str
    commands: list[str]
    write: dict[int, dict[str, str]] = field(default_factory=dict)


PIPELINE = (DOCS / "examples" / "light_pipeline.py").read_text("utf-8")

# A registration that is made worse: half a pixel in place of a tenth, and once in place of twice.
FINE = "(1, 10, 10)"
COARSE = "(1, 2)"
if FINE not in PIPELINE:
    raise ValueError(f"light_pipeline.py no longer registers in the steps {FINE}: choose another change to record")

SCENES = [
    Scene("pass", "a test that passes", ["pytest test_motion.py"], {0: {"test_motion.py": MOTION}}),
    Scene(
        "failure",
        "a test that fails",
        ["pytest --sim-artifacts=artifacts test_cells.py"],
        {0: {"test_cells.py": CELLS}},
    ),
    Scene(
        "replay",
        "the same recording again, after a mend",
        ["sed -i 's/min_peak=12/min_peak=6/' test_cells.py", "{replay}"],
        {1: {"test_cells.py": CELLS.replace("min_peak=12", "min_peak=6")}},
    ),
    Scene(
        "matrix", "a sweep and seeds on two workers", ["pytest -n 2 test_matrix.py"], {0: {"test_matrix.py": MATRIX}}
    ),
    Scene(
        "regression",
        "scores compared before and after a change",
        [
            "pytest -q --sim-seeds=8 --sim-scores=scores.jsonl test_drift.py",
            f"sed -i 's/{FINE}/{COARSE}/' light_pipeline.py",
            "pytest -q --sim-seeds=8 --sim-scores-compare=scores.jsonl test_drift.py",
        ],
        {
            0: {"test_drift.py": MOTION.replace("0.2", "0.5")},
            2: {"light_pipeline.py": PIPELINE.replace(FINE, COARSE)},
        },
    ),
]


def run(command: str, folder: Path) -> str:
    """Run a command of pytest's with colours; what it printed."""
    if not command.startswith("pytest "):
        return ""  # an edit, which `write` makes
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    environment |= {
        "COLUMNS": str(WIDTH),
        "PYTEST_ADDOPTS": "--color=yes --no-header -p no:cacheprovider -p no:randomly",
        "PYTEST_SIM_CACHE": "cache",
        "OPENBLAS_NUM_THREADS": "1",
    }
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=folder, env=environment, text=True, check=False, stdout=-1, stderr=-2)
    return done.stdout.replace(f"{folder}/", "").strip("\n")


def replay_command(said: str) -> str:
    """Find the command that a failure's section gives."""
    found = re.search(r"replay: (pytest .*)", Text.from_ansi(said).plain)
    if found is None:
        raise ValueError(f"no command to replay in:\n{said}")
    return found[1]


def picture(title: str, session: list[tuple[str, str]]) -> str:
    """Draw commands and what they printed as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command, said in session:
        console.print(Text(f"$ {command}", style="bold"), soft_wrap=False)
        if said:
            console.print(Text.from_ansi(said))
    return console.export_svg(title=title, unique_id=re.sub(r"\W+", "-", title))


def main() -> None:
    """Play the scenes asked for, and the failure before its replay."""
    wanted = sys.argv[1:] or [scene.name for scene in SCENES]
    played = [scene for scene in SCENES if scene.name in wanted or (scene.name == "failure" and "replay" in wanted)]
    PICTURES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp()).resolve()
    said = ""
    try:
        (folder / "light_pipeline.py").write_text(PIPELINE, "utf-8")
        for scene in played:
            session: list[tuple[str, str]] = []
            for i, template in enumerate(scene.commands):
                for name, text in scene.write.get(i, {}).items():
                    (folder / name).write_text(text, "utf-8")
                command = replay_command(said) if template == "{replay}" else template
                printed = run(command, folder)
                said = printed or said
                session.append((command, printed))
            if scene.name in wanted:
                path = PICTURES / f"{scene.name}.svg"
                path.write_text(picture(scene.title, session), "utf-8")
                print(f"{path.relative_to(DOCS)}  {path.stat().st_size / 1000:.0f} kB", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
