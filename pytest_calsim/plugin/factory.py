"""Recordings on request: what ``sim_recording_factory`` is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath

from pytest_calsim.errors import SpecError
from pytest_calsim.plugin.requests import PresetSource
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.recording.recording import Recording
from pytest_calsim.spec.paths import listed
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step

__all__ = ["RecordingFactory"]


class RecordingFactory:
    """Calls give recordings, each simulated once and kept in the cache.

    Session-scoped, so it may be used in fixtures of any scope and inside ``@given``.
    """

    def __init__(
        self, cache: RecordingCache, source: PresetSource, *, on_request: Callable[[Spec, str], None] | None = None
    ) -> None:
        self._cache = cache
        self._source = source
        self._on_request = on_request

    def __call__(
        self,
        preset_or_spec: str | PathLike[str] | Spec,
        *,
        overrides: Mapping[str, object] | None = None,
        seed: int | None = None,
        add: Iterable[Step | Mapping[str, object] | str] = (),
        drop: Iterable[str] = (),
    ) -> Recording:
        """Return the recording of a preset or Spec.

        Parameters
        ----------
        preset_or_spec
            The name of a preset, the path of its file (from the root of the project), or a Spec.
        overrides, seed, add, drop
            Changes, as in :meth:`Spec.edit <pytest_calsim.Spec.edit>`.

        Raises
        ------
        SpecError
            For an unknown preset or path (naming the nearest), or a value that cannot be simulated.
        """
        __tracebackhide__ = True
        if isinstance(preset_or_spec, PathLike):
            preset_or_spec = fspath(preset_or_spec)
        if not isinstance(preset_or_spec, str | Spec):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SpecError(
                f"sim_recording_factory takes the name of a preset, or a Spec, not {preset_or_spec!r}: "
                "of several, call it for each"
            )
        steps = listed(add, "add")
        kinds = listed(drop, "drop")
        changed = bool(overrides or seed is not None or steps or kinds)
        label = preset_or_spec if isinstance(preset_or_spec, str) else ""
        try:
            # What is odd about a spec was said when it was made, and may be what is changed here.
            spec = self._source.load(label, quiet=changed) if isinstance(preset_or_spec, str) else preset_or_spec
            if changed:
                spec = spec.edit(overrides, seed=seed, add=steps, drop=kinds)
        except SpecError as error:
            raise SpecError(str(error)) from None
        if self._on_request is not None:
            self._on_request(spec, label)
        return self._cache.get(spec, label=label)
