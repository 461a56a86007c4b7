"""Define the hooks: from options and marks to specs, before anything is simulated."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.plugin.item_data import CASE, REFUSED
from pytest_calsim.plugin.options import add_options, cache_root, settings_of

__all__ = [
    "pytest_addoption",
    "pytest_cmdline_main",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
]

_MARK = (
    "sim(*presets, overrides=None, seed=None, add=(), drop=(), sweep=None, seeds=None): what sim_recording gives this "
    "test; marks on its class and module are merged, the nearest wins; several presets, a sweep or seeds make "
    "several tests"
)
"""What ``pytest --markers`` says of the mark."""

_REFUSED_TESTS = pytest.StashKey[dict[str, str]]()


class _PlainImports:
    """Import the package's modules as Python does.

    pytest rewrites the assert statements of every module that comes with a plugin.
    That compiles each module anew in a fresh environment: a third of a second in the first test.
    The package raises its own errors, so rewriting gives nothing.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("pytest_calsim."):
            return None
        return PathFinder.find_spec(fullname, path, target)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys; keep pytest from compiling the package a second time."""
    add_options(parser)
    if not any(isinstance(finder, _PlainImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PlainImports())


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark; refuse wrong options; listen to scorecards."""
    config.addinivalue_line("markers", _MARK)
    settings = settings_of(config)
    if config.option.collectonly:
        return  # nothing runs, so there is nothing to report
    from pytest_calsim.plugin.session import start  # start-up: not when pytest only collects

    session = start(config)
    config.pluginmanager.register(session.reporter, "calsim-reporter")
    session.reporter.baseline()
    if settings.sim_replay is not None:
        from pytest_calsim.plugin.replay import Replay, read_failure  # start-up: only where it is asked for

        try:
            failure = read_failure(settings.sim_replay)
        except ValueError as error:
            origin = settings.origins["sim_replay"]
            raise pytest.UsageError(f"{origin} = {str(settings.sim_replay)!r} {error}") from None
        config.pluginmanager.register(Replay(failure, session.reporter.note), "calsim-replay")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Look after the cache and list presets, where asked to."""
    settings = settings_of(config)
    wanted = {"clear": settings.sim_cache_clear, "show": settings.sim_cache_show, "verify": settings.sim_cache_verify}
    jobs = [job for job, is_wanted in wanted.items() if is_wanted]
    if hasattr(config, "workerinput") or not (jobs or settings.sim_presets):
        return None
    from pytest_calsim.plugin.cache_commands import (  # start-up: only where it is asked for
        list_presets,
        look_after_cache,
    )

    status = look_after_cache(cache_root(config), jobs)
    return list_presets(settings.sim_preset_dir) if settings.sim_presets else status


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make several tests of one whose marks name several presets, a sweep or seeds."""
    if CASE not in metafunc.fixturenames:
        return
    settings = settings_of(metafunc.config)
    if settings.sim_replay is not None:
        return  # there is one recording
    from pytest_calsim.plugin.marks import request_by_marks  # start-up: only for tests that use it
    from pytest_calsim.plugin.requests import cases  # start-up: only for tests that use it

    try:
        made = cases(request_by_marks(metafunc.definition), settings.sim_seeds)
    except SpecError:
        return  # pytest_collection_finish says what is wrong, of this test alone
    if made:
        metafunc.parametrize(CASE, made, ids=[case.name for case in made], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the spec of every selected test, so that a wrong mark is known before anything is simulated."""
    for item in session.items:
        if CASE in getattr(item, "fixturenames", ()):
            from pytest_calsim.plugin.marks import resolve  # start-up: only for tests that use it

            resolve(item)
            if REFUSED in item.stash:
                session.config.stash.setdefault(_REFUSED_TESTS, {})[item.nodeid] = item.stash[REFUSED]
    if settings_of(session.config).sim_artifacts is not None:
        from pytest_calsim.plugin.replay import print_blobs  # start-up: only where it is asked for

        for item in session.items:
            print_blobs(item)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose marks cannot be simulated, before its fixtures are set up."""
    if REFUSED in item.stash:
        pytest.fail(item.stash[REFUSED], pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the marks that cannot be simulated, with ``--collect-only``; otherwise their tests fail with them."""
    if config.option.collectonly and _REFUSED_TESTS in config.stash:
        from pytest_calsim.plugin.summary import print_refused  # start-up: only where there is something to say

        print_refused(terminalreporter, config.stash[_REFUSED_TESTS])
