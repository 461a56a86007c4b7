"""The content-addressed cache of recordings (skeleton of the public interface)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest_calsim.simulation as simulation
from pytest_calsim.recording import Recording
from pytest_calsim.spec import Spec

__all__ = ["CacheCounters", "CacheEntry", "RecordingCache", "default_root"]


@dataclass
class CacheCounters:
    """What a cache did: each request adds one to ``simulated``, ``hits``, ``waited`` or (damaged on open) ``rebuilt``."""

    simulated: int = 0
    hits: int = 0
    waited: int = 0
    rebuilt: int = 0
    seconds_saved: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """The counters by name, as plain numbers (JSON, xdist's ``workeroutput``)."""
        return dataclasses.asdict(self)

    def add(self, other: CacheCounters) -> None:
        """Add another cache's counters to these."""
        for name, value in other.as_dict().items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class CacheEntry:
    """One stored recording.

    Attributes
    ----------
    key, label, path
        Content key, the name it was asked for under (a preset's; may be empty), and its folder.
    size_bytes, cost_s
        Size on disk, and the seconds that its simulation took (what a hit saves).
    created, used
        Seconds since the epoch of its creation and of its latest use.
    """

    key: str
    label: str
    path: Path
    size_bytes: int
    cost_s: float
    created: float
    used: float


def default_root() -> Path:
    """The user's cache directory for pytest-calsim."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-calsim", appauthor=False))


class RecordingCache:
    """Recordings by spec, simulated once across all processes."""

    def __init__(
        self,
        root: Path | None,
        *,
        max_bytes: int | None = None,
        deadline_s: float = 600.0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.root = root
        self.counters = CacheCounters()
        self._memo: dict[str, Recording] = {}

    def get(self, spec: Spec, *, label: str = "") -> Recording:
        """The recording of a spec: from memory, from disk, or simulated once across all processes."""
        key = spec.key()
        if key in self._memo:
            self.counters.hits += 1
        else:
            self._memo[key] = simulation.simulate(spec)
            self.counters.simulated += 1
        return self._memo[key]

    def entries(self) -> list[CacheEntry]:
        """What is stored, most recently used first."""
        return []

    def clear(self) -> tuple[int, int]:
        """Remove every entry that is not in use; how many were removed and how many kept."""
        return 0, 0

    def evict(self, max_bytes: int | None = None) -> int:
        """Remove what was not used for longest until the rest fits (default: the cache's own limit); how many."""
        return 0

    def sweep(self) -> int:
        """Remove abandoned temporaries and old quarantined entries; how many."""
        return 0

    def verify(self) -> list[str]:
        """Check every byte of every entry, set damaged ones aside; one line a problem."""
        return []
