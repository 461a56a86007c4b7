"""pytest hooks and fixtures. Nothing but pytest and the standard library is imported until a test asks for it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.plugin.marks import CASE, Ask, asked_by_item, asked_by_marks, cases
from pytest_calsim.plugin.options import add_options, cache_root, check_options, option
from pytest_calsim.plugin.reports import REFUSED, SimReporter

if TYPE_CHECKING:
    from pytest_calsim.plugin.factory import RecordingFactory
    from pytest_calsim.recording.cache import RecordingCache
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.spec.spec import Spec

_MARK = (
    "sim(*presets, overrides=None, seed=None, add=(), drop=(), sweep=None, seeds=None): what sim_recording gives this "
    "test; marks on its class and module are merged, the nearest wins; several presets, a sweep or seeds make "
    "several tests"
)


@dataclass(frozen=True)
class _Asked:
    """What one test asks for: a spec under a preset's name, and what is odd about it."""

    label: str
    spec: Spec
    oddities: tuple[Warning, ...]


_ASKED = pytest.StashKey[_Asked]()
_REPORTER = pytest.StashKey[SimReporter]()


# --- options -----------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark; refuse wrong options."""
    config.addinivalue_line("markers", _MARK)
    check_options(config)
    config.stash[_REPORTER] = SimReporter(config)
    config.pluginmanager.register(config.stash[_REPORTER], "calsim-reporter")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Look after the cache and list presets, where asked to."""
    jobs = [job for job in ("clear", "show", "verify") if option(config, f"sim_cache_{job}")]
    presets = option(config, "sim_presets")
    if hasattr(config, "workerinput") or not (jobs or presets):
        return None
    from pytest_calsim.plugin.cache_commands import list_presets, look_after_cache

    status = look_after_cache(cache_root(config), jobs)
    return list_presets(option(config, "sim_preset_dir")) if presets else status


# --- from marks to specs -----------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make several tests of one whose marks name several presets, a sweep or seeds."""
    if CASE not in metafunc.fixturenames:
        return
    try:
        made = cases(asked_by_marks(metafunc.definition))
    except SpecError:
        return  # pytest_collection_finish says what is wrong, of this test alone
    if made:
        names, asks = zip(*made, strict=True)
        metafunc.parametrize(CASE, asks, ids=names, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the spec of every selected test, so that a wrong mark is known before anything is simulated."""
    for item in session.items:
        if CASE in getattr(item, "fixturenames", ()):
            _ask(item)


def _ask(item: pytest.Item) -> None:
    """Put what a test asks for, or why it cannot be had, on the test."""
    config = item.config
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            label, spec = asked_by_item(item).spec(config.getini("sim_preset"), option(config, "sim_preset_dir"))
    except SpecError as error:
        item.stash[REFUSED] = str(error)
    except Exception as error:  # a fault in one test's mark, or in a step of its own, must not stop the others
        item.stash[REFUSED] = f"sim mark: {type(error).__name__}: {error}"
    else:
        item.stash[_ASKED] = _Asked(label, spec, tuple(cast("Warning", w.message) for w in caught))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose marks cannot be simulated, before its fixtures are set up."""
    if REFUSED in item.stash:
        pytest.fail(item.stash[REFUSED], pytrace=False)


# --- fixtures ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sim_cache(pytestconfig: pytest.Config) -> RecordingCache:
    """The cache of recordings that all tests and workers share (``--sim-cache``)."""
    from pytest_calsim.recording.cache import RecordingCache

    max_bytes = option(pytestconfig, "sim_cache_max_size")
    reporter = pytestconfig.stash[_REPORTER]
    say = _speaker(pytestconfig)
    cache = RecordingCache(cache_root(pytestconfig), max_bytes=max_bytes, say=say, note=reporter.note)
    reporter.watch(cache)
    return cache


@pytest.fixture(scope="session")
def sim_recording_factory(pytestconfig: pytest.Config, sim_cache: RecordingCache) -> RecordingFactory:
    """Recordings on request: ``sim_recording_factory("moving", overrides={"acquisition.fps": 10})``."""
    from pytest_calsim.plugin.factory import RecordingFactory

    return RecordingFactory(sim_cache, option(pytestconfig, "sim_preset_dir"))


@pytest.fixture
def _sim_case(request: pytest.FixtureRequest) -> Ask | None:
    """Which of its marks' cases this test is (parametrized by ``pytest_generate_tests``)."""
    return getattr(request, "param", None)


@pytest.fixture
def sim_spec(request: pytest.FixtureRequest, _sim_case: Ask | None) -> Spec:
    """The spec that this test's ``sim`` marks ask for; the project's default preset without a mark."""
    item = cast("pytest.Item", request.node)
    if _ASKED not in item.stash:  # requested by name while the test runs
        _ask(item)
        pytest_runtest_setup(item)
    asked = item.stash[_ASKED]
    for oddity in asked.oddities:
        warnings.warn(oddity, stacklevel=1)
    return asked.spec


@pytest.fixture
def sim_recording(request: pytest.FixtureRequest, sim_spec: Spec, sim_cache: RecordingCache) -> Recording:
    """The simulated recording that this test's ``sim`` marks ask for: ``.observed``, ``.truth``, ``.spec``."""
    return sim_cache.get(sim_spec, label=cast("pytest.Item", request.node).stash[_ASKED].label)


def _speaker(config: pytest.Config) -> Callable[[str], None]:
    """Says a line at once, past pytest's capture."""

    def say(line: str) -> None:
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            print(f"\nsim: {line}", file=sys.stderr, flush=True)

    return say
