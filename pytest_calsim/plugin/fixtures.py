"""Define the fixtures. Their needs are imported when a test asks for them."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, cast

import pytest

from pytest_calsim.errors import MissingExtraError, PlacementWarning, StoreError
from pytest_calsim.plugin.item_data import REFUSED, RESOLVED
from pytest_calsim.plugin.options import OFF, cache_root, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_calsim.plugin.factory import RecordingFactory
    from pytest_calsim.plugin.requests import Case
    from pytest_calsim.plugin.session import SimSession
    from pytest_calsim.recording.cache import RecordingCache
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.spec.spec import Spec

__all__ = ["_sim_case", "sim_cache", "sim_movie_file", "sim_recording", "sim_recording_factory", "sim_spec"]


@pytest.fixture(scope="session")
def sim_cache(pytestconfig: pytest.Config) -> RecordingCache:
    """Return the cache of recordings that all tests and workers share (``--sim-cache``)."""
    from pytest_calsim.recording.cache import RecordingCache  # start-up: only for tests that use it

    session = _session(pytestconfig)
    root = cache_root(pytestconfig)
    if root is None and settings_of(pytestconfig).sim_cache != OFF:
        session.reporter.note("cache: there is no home directory to keep recordings in; give --sim-cache=DIR, or 'off'")
    cache = RecordingCache(
        root,
        max_bytes=settings_of(pytestconfig).sim_cache_max_size,
        say=session.announcer.say,
        announce=session.announcer.simulating,
        note=lambda line: session.reporter.note(f"cache: {line}"),
    )
    session.reporter.watch(cache)
    return cache


@pytest.fixture(scope="session")
def sim_recording_factory(pytestconfig: pytest.Config, sim_cache: RecordingCache) -> RecordingFactory:
    """Return recordings on request: ``sim_recording_factory("moving", overrides={"acquisition.fps": 10})``."""
    from pytest_calsim.plugin.factory import RecordingFactory  # start-up: only for tests that use it
    from pytest_calsim.plugin.marks import preset_source  # start-up: only for tests that use it

    reporter = _session(pytestconfig).reporter
    return RecordingFactory(sim_cache, preset_source(pytestconfig), on_request=reporter.recorded)


@pytest.fixture
def _sim_case(request: pytest.FixtureRequest) -> Case | None:
    """Return which of its marks' cases this test is (parametrized by ``pytest_generate_tests``)."""
    return getattr(request, "param", None)


@pytest.fixture
def sim_spec(request: pytest.FixtureRequest, _sim_case: Case | None) -> Spec:
    """Return the spec that this test's ``sim`` marks ask for; the project's default preset without a mark."""
    item = cast("pytest.Item", request.node)
    if RESOLVED not in item.stash:  # requested by name while the test runs
        from pytest_calsim.plugin.marks import resolve  # start-up: only for tests that use it

        resolve(item)
        if REFUSED in item.stash:
            pytest.fail(item.stash[REFUSED], pytrace=False)
    _warn(item, item.stash[RESOLVED].warnings)
    return item.stash[RESOLVED].spec


@pytest.fixture
def sim_recording(request: pytest.FixtureRequest, sim_spec: Spec, sim_cache: RecordingCache) -> Recording:
    """Return the simulated recording that this test's ``sim`` marks ask for: ``.observed``, ``.truth``, ``.spec``."""
    from pytest_calsim.spec.spec import Spec  # start-up: only for tests that use it

    if not isinstance(sim_spec, Spec):  # pyright: ignore[reportUnnecessaryIsInstance]
        pytest.fail(
            f"sim_recording: this test's own sim_spec is {sim_spec!r} and must be a Spec, such as load_preset('tiny'); "
            "parametrize('sim_spec', [...], indirect=True) takes presets by name",
            pytrace=False,
        )
    item = cast("pytest.Item", request.node)
    resolved = item.stash.get(RESOLVED, None)
    # A test may override sim_spec, and no mark knows what with.
    label = resolved.label if resolved is not None and resolved.spec == sim_spec else ""
    _session(item.config).reporter.recorded(sim_spec, label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlacementWarning)
        recording = sim_cache.get(sim_spec, label=label)
    # Said for each test, also of a recording that was simulated for another, or is in the cache.
    _warn(item, [PlacementWarning(note) for note in recording.notes])
    return recording


@pytest.fixture
def sim_movie_file(
    request: pytest.FixtureRequest,
    sim_recording: Recording,
    sim_cache: RecordingCache,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the movie of ``sim_recording`` as a file: TIFF, or the format that ``indirect`` parametrization names.

    It is written once and shared: copy it before changing it.
    """
    from pytest_calsim.recording.exports.cached_file import movie_file  # start-up: only for tests that use it
    from pytest_calsim.store.cache_directory import MOVIES  # start-up: only for tests that use it

    movie_format: str = getattr(request, "param", "tiff")
    try:
        if sim_cache.root is not None:
            try:
                return movie_file(sim_recording, movie_format, sim_cache.root / MOVIES)
            except StoreError:
                pass  # a disk that takes no file: the test gets a file that is not shared
        return movie_file(sim_recording, movie_format, tmp_path_factory.mktemp("sim_movie"))
    except (MissingExtraError, StoreError, ValueError) as error:
        refused = str(error)
    # Outside, as pytest would print the error that was caught before the one that is raised.
    pytest.fail(f"sim_movie_file: {refused}", pytrace=False)


def _session(config: pytest.Config) -> SimSession:
    from pytest_calsim.plugin.session import session_of  # start-up: not when pytest only collects

    return session_of(config)


def _warn(item: pytest.Item, oddities: Iterable[Warning]) -> None:
    """Give the warnings of a test's spec and recording at the test's own line."""
    function = inspect.unwrap(getattr(item, "function", _warn))
    code = getattr(function, "__code__", None)
    line = 1 if code is None else code.co_firstlineno
    for oddity in oddities:
        warnings.warn_explicit(oddity, type(oddity), str(item.path), line)
