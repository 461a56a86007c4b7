"""Gather the reports of a run: scores, failures, news of the cache, the history."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_calsim.plugin.item_data import REFUSED
from pytest_calsim.plugin.options import cache_root, settings_of

if TYPE_CHECKING:
    from pytest_calsim.plugin.attempts import Attempt
    from pytest_calsim.plugin.history import Entry
    from pytest_calsim.recording.cache import RecordingCache
    from pytest_calsim.spec.spec import Spec
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["SimReporter"]

_ATTEMPTS = pytest.StashKey[int]()
_PROPERTIES = pytest.StashKey[list[tuple[str, object]]]()

_KEEPS = (
    "artifacts: --sim-artifacts=DIR keeps the spec, scores, estimate and picture of every failed test, to replay it"
)


class _Running(NamedTuple):
    """The attempt of a test that runs: the test, which attempt it is, from 1, and when it began (perf_counter, s)."""

    item: pytest.Item
    number: int
    began: float


class SimReporter:
    """Sends scores and what the cache did along with each test's reports, and sums up where the reports arrive.

    Reports cross from workers one by one, so what a worker did before it crashed is counted.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings = settings_of(config)
        self._keeps_history = self._settings.sim_scores is not None or self._settings.sim_scores_compare is not None
        # While tests run:
        self._cache: RecordingCache | None = None
        self._sent: dict[str, float] = {}
        self._new_notes: list[str] = []
        self._running: _Running | None = None
        self._attempt: Attempt | None = None
        # What has arrived:
        self.totals: dict[str, float] = {}
        self.notes: dict[str, None] = {}
        self.scores: dict[str, dict[str, Any]] = {}
        self.comparison: list[str] = []
        self._entries: list[dict[str, Any]] = []
        self._before: list[Entry] | None = None

    # --- while tests run ---------------------------------------------------------------------------------------------

    def watch(self, cache: RecordingCache) -> None:
        """Count what this cache does."""
        self._cache = cache

    def note(self, line: str) -> None:
        """Put a line, ``TOPIC: ...``, into the summary: once, even if several workers give it."""
        self._new_notes.append(line)

    def recorded(self, spec: Spec, label: str) -> None:
        """Remember which recording the running test asked for last."""
        attempt = self._started()
        if attempt is not None:
            attempt.recorded = (spec, label)

    def listen(self, card: Scorecard) -> None:
        """Take a scorecard of the running test."""
        attempt = self._started()
        if attempt is not None:
            attempt.add(card, keep_entry=self._keeps_history)

    def _started(self) -> Attempt | None:
        """Make the record of the running attempt, which most tests of most projects never need."""
        if self._attempt is None and self._running is not None:
            from pytest_calsim.plugin.attempts import Attempt  # start-up: only for tests that use it

            self._attempt = Attempt(self._running.item, self._running.number, self._running.began)
        return self._attempt

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin an attempt; those before it do not count any more."""
        number = item.stash.get(_ATTEMPTS, 0) + 1
        item.stash[_ATTEMPTS] = number
        self._running = _Running(item, number, time.perf_counter())
        self._attempt = None
        if number > 1:
            self._started()  # the scores of an earlier attempt are replaced

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the news on the report, and what a failure leaves; let no xfail hide a mark that cannot be simulated."""
        attempt = self._attempt
        if call.excinfo is not None:
            _point_to_the_factory(call.excinfo.value)
        if attempt is not None:
            _put_properties(item, attempt)
        report = yield
        # Attributes of a report that are plain values cross from an xdist worker.
        sent = vars(report)
        sent["sim_cache"] = self._news()
        if attempt is not None:
            sent["sim_attempt"] = attempt.number
            sent["sim_scores"] = {name: tally.as_dict() for name, tally in attempt.tallies.items()}
            sent["sim_entries"] = attempt.new_entries()
            if report.failed and call.excinfo is not None:
                self._keep_failure(attempt, call.excinfo.value, report)
        sent["sim_notes"] = self._new_notes
        self._new_notes = []
        # This wrapper is the outermost, so pytest has already made an xfail of it.
        if call.when == "setup" and REFUSED in item.stash and hasattr(report, "wasxfail"):
            del report.wasxfail
            report.outcome = "failed"
        return report

    def _keep_failure(self, attempt: Attempt, error: BaseException, report: pytest.TestReport) -> None:
        if attempt.recorded is None and not attempt.tallies:
            return  # it has nothing to do with us
        from pytest_calsim.plugin.artifacts import failure_section, summarize  # start-up: only for tests that fail

        if self._settings.sim_artifacts is None and self._config.option.verbose >= 0:
            self.note(_KEEPS)
        summarize(error, report)
        section = failure_section(attempt, error, self._settings.sim_artifacts, self._config.invocation_params.dir)
        if section:
            report.sections.append(("recovery", section))

    def _news(self) -> dict[str, float]:
        """Say what the cache did since this was last asked."""
        if self._cache is None:
            return {}
        now = self._cache.counters.as_dict()
        news = {name: value - self._sent.get(name, 0) for name, value in now.items()}
        self._sent = now
        return {name: value for name, value in news.items() if value}

    # --- where reports arrive ----------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up, on the one process that every report reaches."""
        sent = vars(report)
        for name, value in sent.get("sim_cache", {}).items():
            self.totals[name] = self.totals.get(name, 0) + value
        self.notes |= dict.fromkeys(sent.get("sim_notes", ()))
        if "sim_scores" in sent:
            # Each report has all scores of its attempt so far: the last one that arrives has those that count.
            self.scores[report.nodeid] = sent["sim_scores"]
        self._keep_entries(sent.get("sim_entries", []))

    def _keep_entries(self, entries: list[dict[str, Any]]) -> None:
        """Append to the history at once: a run that is killed loses nothing that it reported."""
        if not entries or hasattr(self._config, "workerinput"):
            return
        from pytest_calsim.plugin import history  # start-up: only where there is something to keep

        self.baseline()  # read before this run's entries may go to the same file
        if not self._entries:
            self._run = history.describe_run(self._config.rootpath)
        entries = [{**entry, "run": self._run} for entry in entries]
        self._entries += entries
        if self._settings.sim_scores is not None:
            try:
                history.append(self._settings.sim_scores, entries)
            except OSError as error:
                reason = error.strerror or error
                self.notes[f"scores: cannot write {self._settings.sim_scores} ({reason})"] = None

    def baseline(self) -> list[Entry]:
        """Read the scores to compare with, once.

        Raises
        ------
        pytest.UsageError
            When the file holds none.
        """
        path = self._settings.sim_scores_compare
        if self._before is None and path is not None:
            from pytest_calsim.plugin import history  # start-up: only where there is something to keep

            try:
                self._before = history.read(path)
            except ValueError as error:
                origin = self._settings.origins["sim_scores_compare"]
                raise pytest.UsageError(f"{origin} = {str(path)!r} {error}") from None
        return self._before or []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare scores once all workers are done; sweep the cache and keep it within ``--sim-cache-max-size``."""
        if hasattr(self._config, "workerinput"):
            return
        if self._settings.sim_scores_compare is not None:
            self._compare(session)
        root = cache_root(self._config) if self.totals else None
        if root is None:
            return
        from pytest_calsim.recording.cache import RecordingCache  # start-up: only for tests that use it

        cache = RecordingCache(root, max_bytes=self._settings.sim_cache_max_size)
        cache.sweep()
        cache.evict()

    def _compare(self, session: pytest.Session) -> None:
        # Start-up: only where a comparison is asked for.
        from pytest_calsim.plugin.history import Entry
        from pytest_calsim.plugin.score_changes import TOLERANCE, compare_runs, describe_changes

        given = self._settings.sim_scores_tolerance
        tolerance = TOLERANCE if given is None else given
        entries = [Entry(**entry) for entry in self._entries]
        changes, refusals = compare_runs(self.baseline(), entries, tolerance=tolerance)
        self.comparison = describe_changes(changes, refusals)
        is_worse = any(change.verdict == "worse" for change in changes)
        # A status that tells of something else that went wrong stays.
        if is_worse and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what there is to say, and put the scores into GitHub's summary of the job."""
        if not (self.totals or self.scores or self.notes or self.comparison):
            return
        from pytest_calsim.plugin import summary  # start-up: only where there is something to say

        scored = {nodeid: scores for nodeid, scores in sorted(self.scores.items()) if scores}
        summary.print_scores(terminalreporter, scored)
        summary.print_comparison(terminalreporter, self.comparison)
        summary.print_cache(terminalreporter, self.totals, cache_root(self._config) if self.totals else None)
        if not hasattr(self._config, "workerinput"):
            self.notes |= dict.fromkeys(summary.write_job_summary(scored, self.comparison))
        for note in self.notes:
            terminalreporter.write_line(f"sim {note}")


def _put_properties(item: pytest.Item, attempt: Attempt) -> None:
    """Put the scores on a test for JUnit, in the place of those that an earlier phase or attempt put there."""
    earlier = item.stash.setdefault(_PROPERTIES, [])
    item.stash[_PROPERTIES] = attempt.properties()
    kept = [pair for pair in item.user_properties if pair not in earlier]
    item.user_properties[:] = [*kept, *item.stash[_PROPERTIES]]


def _point_to_the_factory(error: BaseException) -> None:
    """Say what to do where a fixture of a wider scope, or ``@given``, takes a recording of one test."""
    message = str(error)
    if not any(repr(name) in message or f" {name} " in message for name in ("sim_recording", "sim_spec")):
        return
    hint = "For a recording in a fixture of a wider scope, or inside @given, take sim_recording_factory instead."
    if isinstance(error, pytest.fail.Exception) and "ScopeMismatch" in message:
        error.msg = f"{message}\n{hint}"
    elif type(error).__name__ == "FailedHealthCheck":
        error.add_note(hint)
