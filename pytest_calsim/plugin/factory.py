"""Recordings on request: what ``sim_recording_factory`` is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_calsim.errors import SpecError
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.recording.recording import Recording
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step

__all__ = ["RecordingFactory"]


class RecordingFactory:
    """Calls give recordings, each simulated once and kept in the cache.

    Session-scoped, so it may be used in fixtures of any scope and inside ``@given``.
    """

    def __init__(self, cache: RecordingCache, preset_dir: Path | None = None) -> None:
        self._cache = cache
        self._preset_dir = preset_dir

    def __call__(
        self,
        preset_or_spec: str | Spec,
        *,
        overrides: Mapping[str, Any] | None = None,
        seed: int | None = None,
        add: Iterable[Step | Mapping[str, Any]] = (),
        drop: Iterable[str] = (),
    ) -> Recording:
        """The recording of a preset or Spec.

        Parameters
        ----------
        preset_or_spec
            The name of a preset, or a Spec.
        overrides, seed, add, drop
            Changes, as in :meth:`Spec.edit <pytest_calsim.Spec.edit>`.

        Raises
        ------
        SpecError
            For an unknown preset or path (naming the nearest), or a value that cannot be simulated.
        """
        __tracebackhide__ = True
        changes: dict[str, Any] = {"overrides": overrides, "seed": seed, "add": tuple(add), "drop": tuple(drop)}
        try:
            if isinstance(preset_or_spec, str):
                spec = load_preset(preset_or_spec, extra_dir=self._preset_dir, **changes)
            elif any((overrides, seed is not None, changes["add"], changes["drop"])):
                spec = preset_or_spec.edit(**changes)
            else:  # what is odd about it was said when it was made
                spec = preset_or_spec
        except SpecError as error:
            raise SpecError(str(error)) from None
        return self._cache.get(spec, label=preset_or_spec if isinstance(preset_or_spec, str) else "")
