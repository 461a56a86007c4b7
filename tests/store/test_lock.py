"""How long a lock is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_calsim.store import lock


@pytest.mark.parametrize("deadline_s", [0.0, 0.3, 5.0, 600.0])
def test_all_waiting_together_is_as_long_as_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline_s: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(lock, "acquired", lambda _, timeout_s: waits.append(max(0.0, timeout_s)))
    said: list[str] = []
    with lock.simulation_lock(tmp_path / "it", name="it", deadline_s=deadline_s, say=said.append):
        assert sum(waits) == pytest.approx(deadline_s)
    assert waits[0] == 0, "a lock that is free is had at once"
    assert len(said) == 2
