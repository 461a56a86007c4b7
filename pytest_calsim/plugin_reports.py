"""What the reports of a run add up to: the cache line of the summary, and marks that cannot be simulated."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_calsim.plugin_options import cache_root, option

if TYPE_CHECKING:
    from pytest_calsim.store.cache import RecordingCache

__all__ = ["REFUSED", "SimReporter"]

REFUSED = pytest.StashKey[str]()
"""On a test: why what its marks ask for cannot be had."""


class SimReporter:
    """Sends what the cache did along with each test's reports, and sums it up where the reports arrive.

    Reports cross from workers one by one, so what a worker did before it crashed is counted.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cache: RecordingCache | None = None
        self._sent: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._collected: list[pytest.Item] = []

    def watch(self, cache: RecordingCache) -> None:
        """Count what this cache does."""
        self._cache = cache

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the cache's news on the report; let no xfail hide a mark that cannot be simulated."""
        report = yield
        news = self._news()
        if news:
            vars(report)["sim_cache"] = news
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

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Keep the cache within ``--sim-cache-max-size``, once all workers are done."""
        root, max_bytes = cache_root(self._config), option(self._config, "sim_cache_max_size")
        if self._totals and root is not None and max_bytes is not None and not hasattr(self._config, "workerinput"):
            from pytest_calsim.store.cache import RecordingCache

            RecordingCache(root).evict(max_bytes)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the cache line; with ``--collect-only``, the marks that cannot be simulated."""
        if self._config.option.collectonly:
            refused = [item for item in self._collected if REFUSED in item.stash]
            if refused:
                terminalreporter.section("sim marks that cannot be simulated", yellow=True)
            for item in refused:
                terminalreporter.write_line(f"{item.nodeid}: {item.stash[REFUSED]}")
        if self._totals:
            count = {name: round(self._totals.get(name, 0)) for name in ("simulated", "hits", "waited", "rebuilt")}
            did = ", ".join(f"{number} {name}" for name, number in count.items())
            saved = self._totals.get("seconds_saved", 0)
            terminalreporter.write_line(f"sim cache: {did}, {saved:.1f} s saved ({cache_root(self._config) or 'off'})")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the tests that were collected."""
        self._collected = session.items
