"""The history of scores: one line of JSON a score, and the comparison of two runs, seed by seed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["Change", "Entry", "Refusal", "append", "compare", "describe", "describe_run", "read"]

LEVEL = 0.05
"""Share of runs of equal code in which anything at all may be said to have fallen."""

TOLERANCE = 0.005

_FEWEST_SEEDS = 5
_MOST_EXACT = 12
_RESAMPLES = 9_999
_TIE = 1e-12


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
    def of(cls, test: str, card: Scorecard, *, nth: int, attempt: int, seconds: float) -> Entry:
        """Take what a scorecard says."""
        spec = None if card.recording is None else card.recording.spec
        return cls(
            test=test,
            assertion=card.assertion,
            scores={check.name: float(check.value) for check in card.checks},
            at_most=[check.name for check in card.checks if check.at_most],
            scene="" if spec is None else spec.model_copy(update={"seed": 0}).key()[:32],
            seed=None if spec is None else spec.seed,
            key="" if spec is None else spec.key()[:32],
            nth=nth,
            attempt=attempt,
            passed=bool(card.passed),
            rule=card.rule,
            seconds=round(seconds, 3),
        )

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, as JSON and pytest-xdist take them."""
        return asdict(self)

    @property
    def pairs_with(self) -> tuple[object, ...]:
        """What an entry of another run must share to be its pair."""
        return self.test, self.assertion, self.scene, self.seed, self.nth, self.rule


def describe_run(rootdir: Path) -> dict[str, str]:
    """Name the time, the commit and the versions that the scores of a run may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    from pytest_calsim.spec.versions import SIM_VERSION

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
    """Append entries, each as one whole line, so that runs beside each other and files put together stay readable.

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
        entries.append(_with_scores(entry, scores))
    if not entries and any(map(str.strip, lines)):
        raise ValueError("holds no scores (written by --sim-scores)")
    return entries


Verdict = Literal["fell", "fell within the tolerance", "rose", "as before"]


@dataclass(frozen=True)
class Change:
    """How one score of one test changed between two runs, over the seeds that both have.

    Attributes
    ----------
    test, assertion, score
        Which score.
    n_pairs
        How many pairs of equal scene and seed.
    before, after
        Means over the pairs.
    gain
        Mean of the pairs' differences, + for better.
    interval
        95 % confidence interval of ``gain`` (Student's t); ``None`` for a single pair.
    p_fell
        How often equal code would show such a fall, or a larger one (exact or resampled sign flips of the
        differences); for fewer than 5 pairs, by Student's t.
    verdict
        What to make of it.
    """

    test: str
    assertion: str
    score: str
    n_pairs: int
    before: float
    after: float
    gain: float
    interval: tuple[float, float] | None
    p_fell: float
    verdict: Verdict = "as before"


@dataclass(frozen=True)
class Refusal:
    """Scores that cannot be compared, and why."""

    test: str
    assertion: str
    reason: str


def compare(
    before: Sequence[Entry], after: Sequence[Entry], *, tolerance: float = TOLERANCE
) -> tuple[list[Change], list[Refusal]]:
    """Compare two runs by common random numbers: each scene and seed with itself.

    A score fell when its mean fell by more than ``tolerance`` and equal code would hardly show it: over all scores
    together, sign flips of the differences call at most 5 % of runs of equal code (Holm's correction). Of a single
    pair, and of fewer than five, there is no such proof: there the tolerance decides, and for two to four pairs a t test
    beside it.

    Parameters
    ----------
    before, after
        Entries of either run; of several attempts, and of several runs in one file, the last counts.
    tolerance
        In the score's own unit.

    Returns
    -------
    changes, refusals
        One change a test and score that both runs have; what cannot be compared, with the reason. Tests that only one
        run has appear in neither.
    """
    old = {entry.pairs_with: entry for entry in before}
    new = {entry.pairs_with: entry for entry in after}
    gains: dict[tuple[str, str, str], list[tuple[float, float, float]]] = {}
    for pair in new.keys() & old.keys():
        for name, value in new[pair].scores.items():
            was = old[pair].scores.get(name, math.nan)
            if math.isfinite(value) and math.isfinite(was):
                sign = -1 if name in new[pair].at_most else 1
                row = (new[pair].test, new[pair].assertion, name)
                gains.setdefault(row, []).append((was, value, sign * (value - was)))
    changes = _judge([_measure(row, sorted(values)) for row, values in sorted(gains.items())], tolerance)
    return changes, _refusals(old.values(), new.values(), {(test, assertion) for test, assertion, _ in gains})


def describe(changes: Sequence[Change], refusals: Sequence[Refusal]) -> list[str]:
    """Lay out a comparison as lines: what fell, what rose, how many stayed, what cannot be compared."""
    lines: list[str] = []
    for verdict in ("fell", "fell within the tolerance", "rose"):
        rows = [change for change in changes if change.verdict == verdict]
        lines += [f"{verdict}:"] if rows else []
        for change in sorted(rows, key=lambda change: change.gain):
            seeds = f"{change.n_pairs} seed{'s' if change.n_pairs > 1 else ''}"
            move = f"{change.before:.4g} -> {change.after:.4g}"
            width = "no interval" if change.interval is None else "95 % [{:+.4f}, {:+.4f}]".format(*change.interval)
            lines.append(
                f"  {change.test}  {change.assertion}.{change.score}  {move} "
                f"(gain {change.gain:+.4f}, {width}, {seeds})"
            )
    same = sum(change.verdict == "as before" for change in changes)
    lines.append(f"as before: {same} of {len(changes)} scores")
    lines += ["not comparable:"] if refusals else []
    lines += [f"  {refusal.test}  {refusal.assertion}: {refusal.reason}" for refusal in refusals]
    return lines


def _measure(row: tuple[str, str, str], values: list[tuple[float, float, float]]) -> Change:
    import numpy as np

    was, value, gain = np.array(values).T
    mean = float(gain.mean())
    interval: tuple[float, float] | None = None
    if len(gain) > 1:
        from scipy.stats import t

        half = float(t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / math.sqrt(len(gain)))
        interval = (mean - half, mean + half)
    return Change(*row, len(gain), float(was.mean()), float(value.mean()), mean, interval, _p_fell(gain))


def _p_fell(gain: Any) -> float:
    """Tell how probable such a fall is where the two runs are alike."""
    import numpy as np
    if not gain.any():
        return 1.0
    if len(gain) == 1:
        return 0.0 if gain[0] < 0 else 1.0
    if len(gain) < _FEWEST_SEEDS:
        if gain.std() == 0:
            return 0.0 if gain[0] < 0 else 1.0
        from scipy import stats

        return float(stats.ttest_1samp(gain, 0, alternative="less").pvalue)
    if len(gain) <= _MOST_EXACT:
        signs = np.array(list(product((-1, 1), repeat=len(gain))))
        return float(np.mean(signs @ gain <= gain.sum() + _TIE))
    signs = np.random.default_rng(0).choice((-1, 1), (_RESAMPLES, len(gain)))
    # The observed one counts as a resample, so that p is never 0.
    return float((1 + np.sum(signs @ gain <= gain.sum() + _TIE)) / (1 + _RESAMPLES))


def _judge(changes: Sequence[Change], tolerance: float) -> list[Change]:
    """Give each change its verdict, by Holm's step-down correction over all of them."""
    verdicts: dict[int, Verdict] = {}
    order = sorted(range(len(changes)), key=lambda i: changes[i].p_fell)
    for rank, i in enumerate(order):
        if changes[i].p_fell > LEVEL / (len(changes) - rank):
            break
        verdicts[i] = "fell" if changes[i].gain < -tolerance else "fell within the tolerance"
    for i, change in enumerate(changes):
        low = change.gain if change.interval is None else change.interval[0]
        if low > 0:
            verdicts[i] = "rose"
    return [replace(change, verdict=verdicts.get(i, "as before")) for i, change in enumerate(changes)]


def _refusals(old: Iterable[Entry], new: Iterable[Entry], compared: set[tuple[str, str]]) -> list[Refusal]:
    """Say why scores that both runs have are not compared."""
    known: dict[tuple[str, str], list[Entry]] = {}
    for entry in old:
        known.setdefault((entry.test, entry.assertion), []).append(entry)
    reasons: dict[tuple[str, str], str] = {}
    for entry in new:
        row = (entry.test, entry.assertion)
        if row in compared or row not in known:
            continue
        if all(entry.rule != other.rule for other in known[row]):
            reasons[row] = f"the rule of scoring changed ({known[row][-1].rule} -> {entry.rule})"
        elif all(entry.scene != other.scene for other in known[row]):
            reasons[row] = "its spec changed, or the simulation's version"
        elif all(entry.seed != other.seed for other in known[row]):
            reasons[row] = "no seed in common"
        else:
            reasons[row] = "no score is defined in both"
    return [Refusal(*row, reason) for row, reason in sorted(reasons.items())]


def _with_scores(entry: Entry, scores: Mapping[str, float]) -> Entry:
    return replace(entry, scores=scores)


def _ends_in_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
