"""Compare two runs' scores, seed by seed: what became worse, what better, what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_calsim.plugin.history import Entry

__all__ = ["FAILS", "TOLERANCE", "Change", "Refusal", "compare_runs", "describe_changes"]

LEVEL = 0.05
"""Share of runs of equal code in which anything at all may be said to have fallen."""

FAILS = "the run fails"
"""Start of the line that says that scores became worse, as pytest's own last line counts tests alone."""

TOLERANCE = 0.005
"""Fall of a mean score that is tolerated unless --sim-scores-tolerance says otherwise."""

# Fewer pairs than this have no sign flips that are rarer than the level.
_FEWEST_SEEDS = 5
# All sign flips are counted for up to this many pairs, and a sample of them for more.
_MOST_EXACT = 12
_RESAMPLES = 9_999
# Sums of the same numbers in another order differ by rounding.
_TIE = 1e-12

Verdict = Literal["worse", "worse within the tolerance", "better", "as before"]


@dataclass(frozen=True)
class Change:
    """Change of one score of one test between two runs, over the seeds that both have.

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


class _ScoreName(NamedTuple):
    test: str
    assertion: str
    score: str


class _Pair(NamedTuple):
    """One score of one scene and seed in both runs; the gain is + for better."""

    before: float
    after: float
    gain: float


@dataclass(frozen=True)
class Refusal:
    """Scores that cannot be compared, and why."""

    test: str
    assertion: str
    reason: str


def compare_runs(
    before: Sequence[Entry], after: Sequence[Entry], *, tolerance: float = TOLERANCE
) -> tuple[list[Change], list[Refusal]]:
    """Compare two runs by common random numbers: each scene and seed with itself.

    A score is worse when its mean fell by more than ``tolerance`` and equal code would hardly show it: over all scores
    together, sign flips of the differences call at most 5 % of runs of equal code (Holm's correction). Of a single
    pair, and of fewer than five, there is no such proof: there the tolerance decides, and for two to four pairs a t
    test beside it.

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
    pairs: dict[_ScoreName, list[_Pair]] = {}
    for common in new.keys() & old.keys():
        entry = new[common]
        for score, value in entry.scores.items():
            was = old[common].scores.get(score, math.nan)
            if math.isfinite(value) and math.isfinite(was):
                gain = was - value if score in entry.at_most else value - was
                name = _ScoreName(entry.test, entry.assertion, score)
                pairs.setdefault(name, []).append(_Pair(was, value, gain))
    # Sorted, as sums of the same numbers in another order differ by rounding.
    changes = _judge([_measure(name, sorted(pairs[name])) for name in sorted(pairs)], tolerance)
    compared = {(name.test, name.assertion) for name in pairs}
    return changes, _refusals(old.values(), new.values(), compared)


def describe_changes(changes: Sequence[Change], refusals: Sequence[Refusal]) -> list[str]:
    """Lay out a comparison as lines: what is worse, better and as before, what cannot be compared."""
    lines: list[str] = []
    for verdict in ("worse", "worse within the tolerance", "better"):
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
    worse = sum(change.verdict == "worse" for change in changes)
    lines += [f"{FAILS}: {worse} of {len(changes)} scores became worse"] if worse else []
    return lines


def _measure(name: _ScoreName, pairs: Sequence[_Pair]) -> Change:
    import numpy as np

    was, value, gain = np.array(pairs).T
    mean = float(gain.mean())
    interval: tuple[float, float] | None = None
    if len(gain) > 1:
        from scipy.special import stdtrit

        half = float(stdtrit(len(gain) - 1, 0.975) * gain.std(ddof=1) / math.sqrt(len(gain)))
        interval = (mean - half, mean + half)
    return Change(
        test=name.test,
        assertion=name.assertion,
        score=name.score,
        n_pairs=len(gain),
        before=float(was.mean()),
        after=float(value.mean()),
        gain=mean,
        interval=interval,
        p_fell=_p_fell(gain),
    )


def _p_fell(gain: NDArray[np.float64]) -> float:
    """Tell how probable such a fall is where the two runs are alike."""
    import numpy as np

    if not gain.any():
        return 1.0
    is_alike = len(gain) == 1 or gain.std() == 0
    if len(gain) < _FEWEST_SEEDS and is_alike:  # there is no spread to judge a fall by: any fall counts
        return 0.0 if gain[0] < 0 else 1.0
    if len(gain) < _FEWEST_SEEDS:
        from scipy.special import stdtr

        t = float(gain.mean() * math.sqrt(len(gain)) / gain.std(ddof=1))
        return float(stdtr(len(gain) - 1, t))
    sums = _sign_flips(len(gain)) @ gain
    n_as_low = int(np.count_nonzero(sums <= gain.sum() + _TIE))
    # The observed one is among all flips; beside a sample of them it counts as one more, so that p is never 0.
    return n_as_low / len(sums) if len(gain) <= _MOST_EXACT else (1 + n_as_low) / (1 + len(sums))


@lru_cache(maxsize=1)  # the scores of a run mostly have the same number of seeds
def _sign_flips(n: int) -> NDArray[np.float64]:
    """Give all sign patterns of ``n`` differences as rows, or a sample of them where they are too many."""
    import numpy as np

    if n <= _MOST_EXACT:
        return np.array(list(product((-1.0, 1.0), repeat=n)))
    return np.random.default_rng(0).choice((-1.0, 1.0), (_RESAMPLES, n))


def _judge(changes: Sequence[Change], tolerance: float) -> list[Change]:
    """Give each change its verdict, by Holm's step-down correction over all of them."""
    verdicts: dict[int, Verdict] = {}
    order = sorted(range(len(changes)), key=lambda i: changes[i].p_fell)
    for rank, i in enumerate(order):
        if changes[i].p_fell > LEVEL / (len(changes) - rank):
            break
        verdicts[i] = "worse" if changes[i].gain < -tolerance else "worse within the tolerance"
    for i, change in enumerate(changes):
        low = change.gain if change.interval is None else change.interval[0]
        if low > 0:
            verdicts[i] = "better"
    return [replace(change, verdict=verdicts.get(i, "as before")) for i, change in enumerate(changes)]


def _refusals(old: Iterable[Entry], new: Iterable[Entry], compared: set[tuple[str, str]]) -> list[Refusal]:
    """Say why scores that both runs have are not compared."""
    known: dict[tuple[str, str], list[Entry]] = {}
    for entry in old:
        known.setdefault((entry.test, entry.assertion), []).append(entry)
    refused: dict[tuple[str, str], Refusal] = {}
    for entry in new:
        name = (entry.test, entry.assertion)
        if name in compared or name not in known:
            continue
        others = known[name]
        if all(entry.rule != other.rule for other in others):
            reason = f"the rule of scoring changed ({others[-1].rule} -> {entry.rule})"
        elif all(entry.scene != other.scene for other in others):
            reason = "its spec changed, or the simulation's version"
        elif all(entry.seed != other.seed for other in others):
            reason = "no seed in common"
        else:
            reason = "no score is defined in both"
        refused[name] = Refusal(entry.test, entry.assertion, reason)
    return [refused[name] for name in sorted(refused)]
