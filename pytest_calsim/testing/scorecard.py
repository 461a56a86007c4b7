"""Hold what an assertion measured: numbers, bounds and reasons, for messages, JUnit and listeners."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_calsim.arrays.html_table import html_table
from pytest_calsim.testing.listeners import LISTENERS

if TYPE_CHECKING:
    from pytest_calsim.spec.spec import Spec

__all__ = ["RULE", "Check", "Scorecard", "Table", "publish", "subscribe"]

RULE = "2"
"""Version of the rules of scoring: scores of two versions are not compared."""


@dataclass(frozen=True)
class Check:
    """One number, held against its bound if it has one.

    Attributes
    ----------
    name
        ``recall``, ``rmse_px``, ...
    value
        What was measured; NaN when there was nothing to measure.
    bound
        The lowest value that passes, or the highest when ``at_most``; ``None``: the number is only reported.
    at_most
        Direction of the bound.
    fraction
        Numerator and denominator, when the value is a share of a count.
    words
        What was counted, and out of what.
    may_be_undefined
        Whether NaN breaks no bound: a precision without estimates. Any other NaN breaks every bound.
    """

    name: str
    value: float
    bound: float | None = None
    at_most: bool = False
    fraction: tuple[int, int] | None = None
    words: str = ""
    may_be_undefined: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bound holds, if there is one."""
        if self.bound is None:
            return True
        if math.isnan(self.value):
            return self.may_be_undefined
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        share = f"{self.fraction[0]}/{self.fraction[1]} = " if self.fraction and self.fraction[1] else ""
        words = f": {self.words}" if self.words else ""
        if self.bound is None:
            value = "undefined" if math.isnan(self.value) else f"{self.value:.2f}"
            return f"{self.name} {share}{value}{words}"
        sign = ("≤" if self.passed else ">") if self.at_most else ("≥" if self.passed else "<")
        value, bound = _apart(self.value, self.bound)
        value = "undefined" if math.isnan(self.value) else value
        return f"{self.name} {share}{value} {sign} {bound}{words}"


def _apart(value: float, bound: float) -> tuple[str, str]:
    """Return both numbers with two decimals, or with as many as it takes to tell them apart."""
    for digits in range(2, 7):
        texts = f"{value:.{digits}f}", f"{bound:.{digits}f}"
        if value == bound or texts[0] != texts[1]:
            return texts
    return repr(value), repr(bound)


@dataclass(frozen=True)
class Table:
    """A short table for a message: the worst rows, and how many there are in all."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int

    def __str__(self) -> str:
        cells = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        left = self.total - len(self.rows)
        more = [f"... and {left} more"] if left else []
        return "\n    ".join([f"  {self.title}", *lines, *more])


@dataclass(frozen=True, eq=False)
class Scorecard:
    """The result of one assertion.

    Attributes
    ----------
    assertion
        What was judged: ``footprints``, ``shifts``, ``traces``, ``spikes``, ``background``.
    checks
        Each number with its bound, if it has one.
    facts
        Further numbers, without a bound.
    tables
        The worst cells, with a reason for each.
    notes
        What else the reader must know.
    spec
        What was simulated, where it is known. A card holds neither the recording nor the estimate, so that many can be
        kept.
    words
        The verdict in words: passed, failed.
    rule
        Version of the rules of scoring.
    """

    assertion: str
    checks: Sequence[Check]
    facts: Mapping[str, float | int | str] = field(default_factory=dict[str, float | int | str])
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    spec: Spec | None = field(default=None, repr=False)
    words: tuple[str, str] = ("recovered", "NOT recovered")
    rule: str = RULE

    @property
    def passed(self) -> bool:
        """Whether every bound holds."""
        return all(check.passed for check in self.checks)

    @property
    def is_unjudged(self) -> bool:
        """Whether no number has a bound, so that nothing was demanded."""
        return all(check.bound is None for check in self.checks)

    def __str__(self) -> str:
        verdict = f"{self.assertion} {self.words[0 if self.passed else 1]}"
        verdict = self.assertion if self.is_unjudged else verdict
        # What failed comes first.
        checks = [f"  {c}" for c in sorted(self.checks, key=lambda c: c.passed)]
        return "\n".join([verdict, *checks, *(f"  {n}" for n in self.notes), *map(str, self.tables)])

    def _repr_html_(self) -> str:
        title = str(self).partition("\n")[0]
        rows = [("✓" if check.passed else "✗", str(check)) for check in sorted(self.checks, key=lambda c: c.passed)]
        notes = [("", note) for note in self.notes]
        tables = [html_table(f"{table.title} ({table.total})", table.rows, table.columns) for table in self.tables]
        return html_table(title, rows + notes) + "".join(tables)

    def as_dict(self) -> dict[str, float | int | str | bool]:
        """Return flat, builtin values for JUnit and others: ``footprints.passed``, ``.recall``, ``.recall.bound``, ...

        What has no bound has no ``.bound``, and a card without any has no ``.passed``.
        """
        flat: dict[str, float | int | str | bool] = {}
        if not self.is_unjudged:
            flat[f"{self.assertion}.passed"] = bool(self.passed)
        for check in self.checks:
            flat[f"{self.assertion}.{check.name}"] = float(check.value)
            if check.bound is not None:
                flat[f"{self.assertion}.{check.name}.bound"] = float(check.bound)
        return flat | {f"{self.assertion}.{name}": _builtin(value) for name, value in self.facts.items()}


def _builtin(value: Any) -> Any:
    """Return NumPy's numbers as Python's own: pytest-xdist can send no others between processes."""
    return value.item() if hasattr(value, "item") else value


def subscribe(listener: Callable[[Scorecard], None]) -> Callable[[], None]:
    """Call ``listener`` with every scorecard, passed or failed, from now on; the returned function ends that."""
    LISTENERS.append(listener)

    def unsubscribe() -> None:
        if listener in LISTENERS:
            LISTENERS.remove(listener)

    return unsubscribe


def publish(card: Scorecard) -> Scorecard:
    """Hand a scorecard to all listeners."""
    for listener in tuple(LISTENERS):  # a copy, as one may end its subscription while it listens
        listener(card)
    return card
