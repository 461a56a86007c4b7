"""What the plugin keeps for one run of pytest."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_calsim.plugin.announcements import Announcer
from pytest_calsim.plugin.reports import SimReporter

__all__ = ["SimSession", "session_of", "start"]


@dataclass(frozen=True)
class SimSession:
    """The objects that hooks and fixtures share."""

    reporter: SimReporter
    announcer: Announcer


_SESSION = pytest.StashKey[SimSession]()


def start(config: pytest.Config) -> SimSession:
    """Make them for a run that begins."""
    session = SimSession(SimReporter(config), Announcer())
    config.stash[_SESSION] = session
    return session


def session_of(config: pytest.Config) -> SimSession:
    """Find those of a run."""
    return config.stash[_SESSION]
