"""What the reports of a run add up to: scores, the cache line, marks that cannot be simulated."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_calsim.plugin.options import cache_root, option
from pytest_calsim.testing.scorecard import Scorecard, subscribe

if TYPE_CHECKING:
    from pytest_calsim.recording.cache import RecordingCache

__all__ = ["REFUSED", "SimReporter"]

REFUSED = pytest.StashKey[str]()
"""On a test: why what its marks ask for cannot be had."""


class SimReporter:
    """Sends scores and what the cache did along with each test's reports, and sums up where the reports arrive.

    Reports cross from workers one by one, so what a worker did before it crashed is counted.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cache: RecordingCache | None = None
        self._sent: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._new_notes: list[str] = []
        self._notes: dict[str, None] = {}  # each once, in order
        self._new_scores: list[str] = []
        self._scores: dict[str, list[str]] = {}
        self._collected: list[pytest.Item] = []

    def note(self, message: str) -> None:
        """Take what the cache has to say, for the summary: it fails no test."""
        self._new_notes.append(message)

    def watch(self, cache: RecordingCache) -> None:
        """Count what this cache does."""
        self._cache = cache

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Put every scorecard of a test into its JUnit properties and the summary."""

        def listen(card: Scorecard) -> None:
            item.user_properties.extend(_apart(card, {name for name, _ in item.user_properties}))
            checks = ", ".join(str(replace(check, words="")) for check in card.checks)
            self._new_scores.append(f"{card.assertion}: {checks}")

        unsubscribe = subscribe(listen)
        try:
            return (yield)
        finally:
            unsubscribe()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the news on the report; let no xfail hide a mark that cannot be simulated."""
        report = yield
        # Attributes of a report that are plain values cross from an xdist worker.
        vars(report)["sim_cache"] = self._news()
        vars(report)["sim_notes"], self._new_notes = self._new_notes, []
        vars(report)["sim_scores"], self._new_scores = self._new_scores, []
        if call.when == "setup" and REFUSED in item.stash and hasattr(report, "wasxfail"):
            del report.wasxfail
            report.outcome = "failed"
        return report

    def _news(self) -> dict[str, float]:
        """What the cache did since this was last asked."""
        if self._cache is None:
            return {}
        now = self._cache.counters.as_dict()
        news = {name: value - self._sent.get(name, 0) for name, value in now.items()}
        self._sent = now
        return {name: value for name, value in news.items() if value}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up, on the one process that every report reaches."""
        news: dict[str, float] = getattr(report, "sim_cache", {})
        for name, value in news.items():
            self._totals[name] = self._totals.get(name, 0) + value
        self._notes.update(dict.fromkeys(getattr(report, "sim_notes", [])))
        scores: list[str] = getattr(report, "sim_scores", [])
        if scores:
            self._scores.setdefault(report.nodeid, []).extend(scores)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Once all workers are done, sweep the cache and keep it within ``--sim-cache-max-size``."""
        root = cache_root(self._config) if self._totals else None
        if root is None or hasattr(self._config, "workerinput"):
            return
        from pytest_calsim.recording.cache import RecordingCache

        cache = RecordingCache(root, max_bytes=option(self._config, "sim_cache_max_size"))
        cache.sweep()
        cache.evict()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the scores and the cache line; with ``--collect-only``, the marks that cannot be simulated."""
        say = terminalreporter.write_line
        refused = [item for item in self._collected if REFUSED in item.stash]
        if refused and self._config.option.collectonly:
            terminalreporter.section("sim marks that cannot be simulated", yellow=True)
            for item in refused:
                say(f"{item.nodeid}: {item.stash[REFUSED]}")
        if self._scores and self._config.get_verbosity() >= 0:
            terminalreporter.section("recovery scores")
            for nodeid, lines in sorted(self._scores.items()):
                for line in lines:
                    say(f"{nodeid}  {line}")
        for note in self._notes:
            say(f"sim cache: {note}")
        if self._totals:
            counts = ", ".join(f"{self._totals.get(n, 0):.0f} {n}" for n in ("simulated", "hits", "waited", "rebuilt"))
            saved, place = self._totals.get("seconds_saved", 0), cache_root(self._config) or "off"
            say(f"sim cache: {counts}, {saved:.1f} s saved ({place})")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the tests that were collected."""
        self._collected = session.items


def _apart(card: Scorecard, taken: set[str]) -> list[tuple[str, object]]:
    """A scorecard's flat properties; a second one of the same assertion in a test is ``footprints#2``."""
    prefix, number = card.assertion, 1
    while f"{prefix}.passed" in taken:
        number += 1
        prefix = f"{card.assertion}#{number}"
    return [(prefix + name.removeprefix(card.assertion), value) for name, value in card.as_dict().items()]
