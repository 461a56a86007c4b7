"""Hold what the plugin needs during one run of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_calsim.plugin.announcements import Announcer
from pytest_calsim.plugin.reports import SimReporter
from pytest_calsim.testing.listeners import LISTENERS

if TYPE_CHECKING:
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["SimSession", "session_of", "start"]


class SimSession:
    """The objects that hooks and fixtures share."""

    def __init__(self, reporter: SimReporter, announcer: Announcer) -> None:
        self.reporter = reporter
        self.announcer = announcer


_SESSION = pytest.StashKey[SimSession]()
# Runs of this process, the innermost last: a plugin's own tests run pytest inside pytest.
_RUNS: list[SimSession] = []


def start(config: pytest.Config) -> SimSession:
    """Make them for a run that begins, and end them with it."""
    session = SimSession(SimReporter(config), Announcer())
    config.stash[_SESSION] = session
    _RUNS.append(session)

    def listen(card: Scorecard) -> None:
        if _RUNS[-1] is session:
            session.reporter.listen(card)

    LISTENERS.append(listen)
    config.add_cleanup(session.announcer.close)
    config.add_cleanup(lambda: LISTENERS.remove(listen))
    config.add_cleanup(lambda: _RUNS.remove(session))
    return session


def session_of(config: pytest.Config) -> SimSession:
    """Find those of a run."""
    return config.stash[_SESSION]
