"""What a failed test leaves to look at: its spec, scorecard, estimate and a picture, and how to replay it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zlib import crc32

from pytest_calsim.errors import RecoveryError
from pytest_calsim.plugin.attempts import Attempt, is_given, test_without
from pytest_calsim.plugin.replay import Failure, blob_of

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.testing.estimate import Estimate
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["failure_section", "folder_name", "write_artifacts"]

_LONGEST_NAME = 120


def folder_name(nodeid: str) -> str:
    """Make a folder's name of a test's id: readable, safe on every system, and another one for every test."""
    readable = re.sub(r"[^\w.=+-]+", "_", nodeid.replace("::", "-"), flags=re.ASCII).strip("._-")
    return f"{readable[:_LONGEST_NAME]}-{crc32(nodeid.encode()):08x}"


def write_artifacts(folder: Path, failure: Failure | None, card: Scorecard | None) -> list[str]:
    """Write what there is of a failed test.

    Parameters
    ----------
    folder
        Where to; made when it is not there. Files of an earlier failure of the same test are replaced.
    failure
        How to replay the test.
    card
        The scorecard of the assertion that failed.

    Returns
    -------
    list of str
        The names of the files, then what could not be written, and why. A full disk fails no test.
    """
    jobs: dict[str, Callable[[Path], None]] = {}
    if failure is not None:
        jobs["spec.json"] = failure.write
    if card is not None:
        jobs["scorecard.json"] = lambda path: _write_scorecard(card, path)
        estimate = card.estimate
        recording = card.recording
        if estimate is not None and recording is not None:
            jobs["estimate.npz"] = lambda path: _write_estimate(path, estimate, recording)
        if recording is not None:
            jobs["overlay.png"] = lambda path: _draw_overlay(recording, estimate, path)
        if card.baseline is not None:
            compared = card.baseline
            jobs["overlay_baseline.png"] = lambda path: _draw_overlay(*compared, path)
    written: list[str] = []
    for name, write in jobs.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / name)
        except ImportError as error:
            written.append(f"no {name}: {error.name} is not installed (pip install 'pytest-calsim[plot]')")
        except OSError as error:
            written.append(f"no {name}: {error.strerror or error}")
        else:
            written.append(name)
    return written


def failure_section(attempt: Attempt, error: BaseException, artifacts: Path | None, here: Path) -> str:
    """Describe a failed test, and write its files where asked to.

    Parameters
    ----------
    attempt
        What the test did.
    error
        What it failed with.
    artifacts
        The folder of ``--sim-artifacts``.
    here
        The folder that pytest was started in, which the command to replay the test is for.
    """
    card = _scorecard_of(error)
    recording = None if card is None else card.recording
    if card is not None and card.baseline is not None:
        recording = card.baseline[0]  # what it was compared with is made of it again
    spec, label = attempt.recorded or (None, "")
    if recording is not None and recording.spec != spec:
        spec = recording.spec
        label = ""
    lines: list[str] = []
    if spec is not None:
        sensor = spec.acquisition.image_sensor
        size = f"{spec.acquisition.n_frames} frames of {sensor.height_px} x {sensor.width_px} px"
        lines.append(f"recording: {label or 'a Spec'}, seed {spec.seed}, {size}, key {spec.key()[:12]}")
    if card is not None:
        lines.append(str(card))
    if artifacts is None:
        lines.append(
            "--sim-artifacts=DIR keeps the spec, the scorecard, the estimate and a picture, to replay this test"
        )
        return "\n".join(lines)
    failure = None
    if spec is not None:
        test = test_without(attempt.item, "case")
        failure = Failure(test, spec.model_dump(mode="json"), spec.key(), blob_of(error))
    folder = artifacts / folder_name(attempt.item.nodeid)
    lines.append(f"files in {folder}: {', '.join(write_artifacts(folder, failure, card)) or 'none'}")
    if failure is not None and (failure.hypothesis is not None or not is_given(attempt.item)):
        file = folder / "spec.json"
        shown = file.relative_to(here) if file.is_relative_to(here) else file
        lines.append(f"replay: pytest {shlex.join([f'--sim-replay={shown}', failure.test])}")
    return "\n".join(lines)


def _scorecard_of(error: BaseException) -> Scorecard | None:
    """Find the scorecard of the assertion that failed; of several errors at once, the first one's."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
        return next((card for card in map(_scorecard_of, errors) if card is not None), None)
    return error.scorecard if isinstance(error, RecoveryError) else None


def _write_scorecard(card: Scorecard, path: Path) -> None:
    content = {"rule": card.rule, "passed": card.passed, "scores": card.as_dict(), "text": str(card).splitlines()}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")


def _write_estimate(path: Path, estimate: Estimate, recording: Recording) -> None:
    from pytest_calsim.testing.estimate_files import write_estimate  # which imports scipy, and few tests fail

    _, height, width = recording.frames.shape
    write_estimate(path, estimate, (height, width))


def _draw_overlay(recording: Recording, estimate: Estimate | None, path: Path) -> None:
    from pytest_calsim.testing.plots import save_overlay

    save_overlay(path, recording, estimate)
