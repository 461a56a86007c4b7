"""Write what a failed test leaves: its spec, scorecard, estimate, an overlay, and the command that replays it."""

from __future__ import annotations

import json
import re
import shlex
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zlib import crc32

from pytest_calsim.errors import RecoveryError
from pytest_calsim.plugin.attempts import Attempt, id_without_case, is_given
from pytest_calsim.plugin.replay import Failure, blob_of

if TYPE_CHECKING:
    import pytest

    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.spec.spec import Spec
    from pytest_calsim.testing.estimate import Estimate
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["failure_section", "summarize"]

_LONGEST_NAME = 120
"""Characters of a test's id in a folder's name: file systems take 255 bytes."""


def _folder_name(nodeid: str) -> str:
    """Make a folder's name of a test's id: readable, safe on every system, and another one for every test."""
    readable = re.sub(r"[^\w.=+-]+", "_", nodeid.replace("::", "-"), flags=re.ASCII).strip("._-")
    return f"{readable[:_LONGEST_NAME]}-{crc32(nodeid.encode()):08x}"


def _write_artifacts(folder: Path, failure: Failure | None, missed: RecoveryError | None) -> list[str]:
    """Write what there is of a failed test.

    Parameters
    ----------
    folder
        Where to; made when it is not there. Files of an earlier failure of the same test are replaced.
    failure
        How to replay the test.
    missed
        The assertion that failed.

    Returns
    -------
    list of str
        The names of the files, then what could not be written, and why. A full disk fails no test.
    """
    jobs: dict[str, Callable[[Path], None]] = {}
    if failure is not None:
        jobs["spec.json"] = failure.write
    if missed is not None:
        card = missed.scorecard
        jobs["scorecard.json"] = lambda path: _write_scorecard(card, path)
        estimate = missed.estimate
        recording = missed.recording
        if estimate is not None and recording is not None:
            jobs["estimate.npz"] = lambda path: _write_estimate(path, estimate, recording)
        if recording is not None:
            jobs["overlay.png"] = lambda path: _draw_overlay(path, estimate, recording)
        if missed.baseline is not None:
            compared = missed.baseline
            jobs["overlay_baseline.png"] = lambda path: _draw_overlay(path, *compared)
    written: list[str] = []
    for name, write in jobs.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The test's own filters may make an error of a warning, and one here would end the whole session.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                write(folder / name)
        except ImportError as error:
            written.append(f"no {name}: {error.name} is not installed (pip install 'pytest-calsim[plot]')")
        except OSError as error:
            written.append(f"no {name}: {error.strerror or error}")
        else:
            written.append(name)
    return written


def failure_section(attempt: Attempt, error: BaseException, artifacts: Path | None, here: Path) -> str:
    """Describe a failed test in addition to its error's message, and write its files if asked to.

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
    missed = _recovery_error_in(error)
    spec, label = _recording_of(attempt, missed)
    lines: list[str] = []
    if spec is not None:
        sensor = spec.acquisition.image_sensor
        size = f"{spec.acquisition.n_frames} frames of {sensor.height_px} x {sensor.width_px} px"
        lines.append(f"recording: {label or 'a Spec'}, seed {spec.seed}, {size}, key {spec.key()[:12]}")
    is_shown = missed is error  # whose message is the scorecard
    if missed is not None and not is_shown:
        lines.append(str(missed.scorecard))
    if artifacts is None:
        return "\n".join(lines)
    failure = None
    if spec is not None:
        test = id_without_case(attempt.item)
        failure = Failure(test, spec.model_dump(mode="json"), spec.key(), blob_of(error))
    folder = artifacts / _folder_name(attempt.item.nodeid)
    written = _write_artifacts(folder, failure, missed)
    lines.append(f"files in {_seen_from(here, folder)}: {', '.join(written) or 'none'}")
    # A @given is replayed by its example, which Hypothesis does not always tell.
    if failure is not None and (failure.hypothesis is not None or not is_given(attempt.item)):
        option = f"--sim-replay={_seen_from(here, folder / 'spec.json')}"
        lines.append(f"replay: pytest {shlex.join([option, failure.test])}")
    return "\n".join(lines)


def _recording_of(attempt: Attempt, missed: RecoveryError | None) -> tuple[Spec | None, str]:
    """Find the spec of the recording that failed, and the name it was requested by: what was judged, else requested."""
    spec, label = attempt.recorded or (None, "")
    if missed is None:
        return spec, label
    # Of two recordings that were compared, the other one is made of the baseline again.
    judged = missed.scorecard.spec if missed.baseline is None else missed.baseline[1].spec
    return (spec, label) if judged is None or judged == spec else (judged, "")


def _seen_from(here: Path, path: Path) -> Path:
    return path.relative_to(here) if path.is_relative_to(here) else path


def summarize(error: BaseException, report: pytest.TestReport) -> None:
    """Put the bounds that were missed into the line that pytest's short summary and JUnit show of a failed test."""
    crash: object = getattr(report.longrepr, "reprcrash", None)
    message: object = getattr(crash, "message", None)
    if not isinstance(error, RecoveryError) or not isinstance(message, str):
        return
    missed = ", ".join(str(replace(check, words="")) for check in error.scorecard.checks if not check.passed)
    verdict = str(error).partition("\n")[0]
    vars(crash)["message"] = f"{verdict}: {missed}"  # not the rest: in CI pytest shows the message whole, once more


def _recovery_error_in(error: BaseException) -> RecoveryError | None:
    """Find the assertion that failed; of several errors at once, the first one."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
        return next((found for found in map(_recovery_error_in, errors) if found is not None), None)
    return error if isinstance(error, RecoveryError) else None


def _write_scorecard(card: Scorecard, path: Path) -> None:
    content = {"rule": card.rule, "passed": card.passed, "scores": card.as_dict(), "text": str(card).splitlines()}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")


def _write_estimate(path: Path, estimate: Estimate, recording: Recording) -> None:
    from pytest_calsim.testing.estimate_files import write_estimate  # which imports scipy, and few tests fail

    _, height, width = recording.frames.shape
    write_estimate(path, estimate, (height, width))


def _draw_overlay(path: Path, estimate: Estimate | None, recording: Recording) -> None:
    from pytest_calsim.testing.plots import save_overlay  # start-up: only for tests that fail

    save_overlay(path, estimate, recording)
