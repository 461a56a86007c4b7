"""Keep the history of scores: one line of JSON a score, in a file that runs append to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_calsim.spec.versions import SIM_VERSION

if TYPE_CHECKING:
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["Entry", "append", "describe_run", "read"]


@dataclass(frozen=True)
class Entry:
    """One score of one test.

    Attributes
    ----------
    test
        Id of the test, without its seed.
    assertion
        What was judged: ``footprints``, ...
    scores
        The numbers by name; NaN where undefined.
    at_most
        Names of those of which less is better.
    scene
        Content key of the spec without its seed; empty where the recording is not known.
    seed
        The spec's seed.
    key
        Content key of the spec.
    nth
        Which of several scores of one scene, seed and assertion in one test, from 0.
    attempt
        Which attempt of the test, from 1; the last one counts.
    passed
        Whether every bound held.
    rule
        Version of the rules of scoring.
    seconds
        From the start of the test to the score, s.
    run
        When, by what versions and from which commit.
    """

    test: str
    assertion: str
    scores: Mapping[str, float]
    at_most: Sequence[str] = ()
    scene: str = ""
    seed: int | None = None
    key: str = ""
    nth: int = 0
    attempt: int = 1
    passed: bool = True
    rule: str = ""
    seconds: float = 0.0
    run: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, test: str, card: Scorecard, *, attempt: int, seconds: float) -> Entry:
        """Take what a scorecard says."""
        spec = card.spec
        return cls(
            test=test,
            assertion=card.assertion,
            scores={check.name: float(check.value) for check in card.checks},
            at_most=[check.name for check in card.checks if check.at_most],
            scene="" if spec is None else spec.model_copy(update={"seed": 0}).key()[:32],
            seed=None if spec is None else spec.seed,
            key="" if spec is None else spec.key()[:32],
            attempt=attempt,
            passed=bool(card.passed),
            rule=card.rule,
            seconds=round(seconds, 3),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON and pytest-xdist take them."""
        return asdict(self)

    @property
    def pairs_with(self) -> tuple[object, ...]:
        """Fields that an entry of another run must share to be this one's pair."""
        return self.test, self.assertion, self.scene, self.seed, self.nth, self.rule


def describe_run(rootdir: Path) -> dict[str, str]:
    """Name the time, the commit and the versions that the scores of a run may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    described = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(rootdir),
        "python": ".".join(map(str, sys.version_info[:3])),
        "sim_version": str(SIM_VERSION),
    }
    for name in ("pytest-calsim", "numpy", "scipy"):
        try:
            described[name] = version(name)
        except PackageNotFoundError:
            described[name] = ""
    return described


def _commit(rootdir: Path) -> str:
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=rootdir, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("GITHUB_SHA", "")
    return done.stdout.strip()


def append(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries, each as one whole line, so that simultaneous runs and concatenated files stay readable.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    text = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        # A line that a killed process left half written must not swallow ours.
        if _ends_in_a_line(path):
            os.write(file, text.encode())
        else:
            os.write(file, b"\n" + text.encode())
    finally:
        os.close(file)


def read(path: Path) -> list[Entry]:
    """Read the entries of a file, skipping lines that are not whole.

    Raises
    ------
    ValueError
        When the file cannot be read, or has lines and none of them is an entry.
    """
    try:
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    entries: list[Entry] = []
    for line in filter(str.strip, lines):
        try:
            entry = Entry(**json.loads(line))
            scores = {str(name): float(value) for name, value in entry.scores.items()}
        except (TypeError, ValueError, AttributeError):
            continue
        entries.append(replace(entry, scores=scores))
    if not entries and any(map(str.strip, lines)):
        raise ValueError("holds no scores (written by --sim-scores)")
    return entries


def _ends_in_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
