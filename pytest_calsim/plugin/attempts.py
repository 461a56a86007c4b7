"""One attempt of one test: what it recorded, and what it scored. Plain values leave it, so that xdist can send them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_calsim.plugin.history import Entry
from pytest_calsim.plugin.marks import case_of

if TYPE_CHECKING:
    import pytest

    from pytest_calsim.spec.spec import Spec
    from pytest_calsim.testing.scorecard import Check, Scorecard

__all__ = ["Attempt", "Tally", "id_without_case", "is_given"]


@dataclass
class Tally:
    """All scorecards of one assertion in one attempt: how many there were, and the worst.

    Attributes
    ----------
    n_scored, n_failed
        How many scorecards, and how many of them broke a bound.
    text
        The worst one's numbers in one line.
    properties
        The worst one's flat values, for JUnit.
    checks
        The worst one's numbers, each with its ``name``, ``value``, ``bound``, ``at_most`` and ``passed``.
    """

    n_scored: int = 0
    n_failed: int = 0
    text: str = ""
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    checks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _worst: tuple[bool, float] = (True, math.inf)
    """Whether the worst one passed, and its smallest margin: of two that failed, the one that missed by more."""

    def add(self, card: Scorecard) -> None:
        """Count a scorecard, and keep it when it is the worst yet."""
        rank = (card.passed, min(map(_margin, card.checks), default=math.inf))
        self.n_scored += 1
        self.n_failed += not card.passed
        if self.n_scored == 1 or rank < self._worst:
            self._worst = rank
            self.text = f"{card.assertion}: " + ", ".join(str(replace(check, words="")) for check in card.checks)
            self.properties = dict(card.as_dict())
            self.checks = [_plain(check) for check in card.checks]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        many = f" (worst of {self.n_scored}; {self.n_failed} failed)" if self.n_scored > 1 else ""
        return {"text": self.text + many, "n_scored": self.n_scored, "checks": self.checks}


def _plain(check: Check) -> dict[str, Any]:
    # pytest-xdist sends no numbers but Python's own between processes.
    return {
        "name": check.name,
        "value": float(check.value),
        "bound": None if check.bound is None else float(check.bound),
        "at_most": bool(check.at_most),
        "passed": bool(check.passed),
    }


class Attempt:
    """Record of one attempt of one test so far."""

    def __init__(self, item: pytest.Item, number: int, began: float) -> None:
        self.item = item
        self.number = number
        self.tallies: dict[str, Tally] = {}
        self.recorded: tuple[Spec, str] | None = None
        self._began = began
        self._entries: list[dict[str, Any]] = []
        self._n_sent = 0

    def add(self, card: Scorecard, *, keep_entry: bool) -> None:
        """Take a scorecard; ``keep_entry`` for the history too."""
        self.tallies.setdefault(card.assertion, Tally()).add(card)
        # A @given draws other scenes in every run, so its scores have no pair in another run.
        if keep_entry and not is_given(self.item):
            seconds = time.perf_counter() - self._began
            entry = Entry.of(_id_without_seed(self.item), card, attempt=self.number, seconds=seconds)
            alike = [
                other for other in self._entries if (other["assertion"], other["key"]) == (entry.assertion, entry.key)
            ]
            self._entries.append(replace(entry, nth=len(alike)).as_dict())

    def new_entries(self) -> list[dict[str, Any]]:
        """Return the entries of the history that were not given before."""
        new = self._entries[self._n_sent :]
        self._n_sent = len(self._entries)
        return new

    def properties(self) -> list[tuple[str, object]]:
        """Return the JUnit properties; their names do not depend on the number of scorecards."""
        found: list[tuple[str, object]] = []
        for assertion, tally in self.tallies.items():
            found += tally.properties.items()
            if tally.n_scored > 1:
                found.append((f"{assertion}.n_scored", tally.n_scored))
        return found


def is_given(item: pytest.Item) -> bool:
    """Say whether a test is a Hypothesis ``@given``."""
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def _id_without_seed(item: pytest.Item) -> str:
    """Return a test's id without the seed that this plugin put there, so that seeds pair between runs."""
    case = case_of(item)
    return _id_without(item, "" if case is None else case.seed_name)


def id_without_case(item: pytest.Item) -> str:
    """Return a test's id without all that this plugin put there, as pytest collects it where nothing is to vary."""
    case = case_of(item)
    return _id_without(item, "" if case is None else case.name)


def _id_without(item: pytest.Item, part: str) -> str:
    name = getattr(item, "originalname", None) or item.name
    if not part or not item.name.startswith(f"{name}["):
        return item.nodeid
    parameters = item.name[len(name) + 1 : -1]
    # Between dashes, so that only a whole parameter is taken out.
    rest = f"-{parameters}-".replace(f"-{part}-", "-", 1)[1:-1]
    return item.nodeid.removesuffix(item.name) + (f"{name}[{rest}]" if rest else name)


def _margin(check: Check) -> float:
    """Return how far a number lies on the good side of its bound, if it has one."""
    if check.bound is None:
        return math.inf
    if math.isnan(check.value):
        return math.inf if check.passed else -math.inf
    return (check.bound - check.value) if check.at_most else (check.value - check.bound)
