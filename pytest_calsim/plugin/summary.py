"""Write the summary at the end of a run: on the terminal, and in GitHub's summary of the job."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_calsim.plugin.score_changes import FAILS

if TYPE_CHECKING:
    import pytest

__all__ = ["print_cache", "print_comparison", "print_refused", "print_scores", "write_job_summary"]

_COUNTERS = ("simulated", "hits", "waited", "rebuilt")


def print_refused(terminal: pytest.TerminalReporter, refused: Mapping[str, str]) -> None:
    """Print the tests whose marks cannot be simulated, with the reasons."""
    if refused:
        terminal.section("sim marks that cannot be simulated", yellow=True)
        for nodeid, reason in refused.items():
            terminal.write_line(f"{nodeid}: {reason}")


def print_scores(terminal: pytest.TerminalReporter, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Print every test's scores, unless pytest is to be quiet."""
    if scores and terminal.verbosity >= 0:
        terminal.section("recovery scores")
        for nodeid, by_assertion in scores.items():
            for tally in by_assertion.values():
                terminal.write_line(f"{nodeid}  {tally['text']}")


def print_comparison(terminal: pytest.TerminalReporter, lines: Sequence[str]) -> None:
    """Print what became of the scores."""
    if lines:
        terminal.section("score history")
        for line in lines:
            terminal.write_line(line, red=line.startswith(FAILS))


def print_cache(terminal: pytest.TerminalReporter, totals: Mapping[str, float], root: Path | None) -> None:
    """Print what the cache did, unless pytest is to be quiet."""
    if totals and terminal.verbosity >= 0:
        counts = ", ".join(f"{totals.get(name, 0):.0f} {name}" for name in _COUNTERS)
        terminal.write_line(f"sim cache: {counts}, {totals.get('seconds_saved', 0):.1f} s saved ({root or 'off'})")


def write_job_summary(scores: Mapping[str, Mapping[str, Any]], comparison: Sequence[str]) -> list[str]:
    """Append the scores as a Markdown table to the file that GitHub Actions names; what went wrong, in words."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or not (scores or comparison):
        return []
    lines: list[str] = []
    if scores:
        lines += ["### Recovery scores", "", "| test | score | value | bound | |", "|---|---|---:|---:|---|"]
        for nodeid, by_assertion in scores.items():
            for assertion, tally in by_assertion.items():
                lines += _rows(nodeid, assertion, tally)
    if comparison:
        lines += ["", "### Score history", "", "```", *comparison, "```"]
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n\n")
    except OSError as error:
        return [f"report: cannot write the job's summary {path} ({error.strerror or error})"]
    return []


def _rows(nodeid: str, assertion: str, tally: Mapping[str, Any]) -> list[str]:
    test = nodeid.replace("|", "\\|")  # which else ends a cell of the table
    many = f" (worst of {tally['n_scored']})" if tally["n_scored"] > 1 else ""
    rows: list[str] = []
    for check in tally["checks"]:
        limit = "" if check["bound"] is None else f"{'≤' if check['at_most'] else '≥'} {check['bound']:.4g}"
        verdict = "✅" if check["passed"] else "❌"
        rows.append(f"| `{test}` | {assertion}.{check['name']}{many} | {check['value']:.4g} | {limit} | {verdict} |")
    return rows
