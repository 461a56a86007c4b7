"""Replaying a failed test from the ``spec.json`` that it left: the same recording, the same Hypothesis example."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.plugin.attempts import is_given
from pytest_calsim.plugin.item_data import REFUSED, RESOLVED
from pytest_calsim.plugin.requests import ResolvedRequest
from pytest_calsim.spec.spec import Spec

__all__ = ["Failure", "Replay", "blob_of", "print_blobs", "read_failure"]

_FORMAT = "pytest-calsim failure 1"
_BLOB = re.compile(r"@reproduce_failure\((?P<version>'[^']+'), (?P<blob>b(?:'[^']*'|\"[^\"]*\"))\)")


@dataclass(frozen=True)
class Failure:
    """Data with which a failed test is replayed.

    Attributes
    ----------
    test
        The test to run, as pytest takes it.
    spec
        The spec of the recording, as JSON.
    key
        Its content key: other software versions may give another.
    hypothesis
        Version of Hypothesis and the text of its blob, where the test was a ``@given``.
    """

    test: str
    spec: Mapping[str, object]
    key: str
    hypothesis: tuple[str, str] | None = None

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({"format": _FORMAT, **asdict(self)}, indent=2) + "\n", "utf-8")

    def load_spec(self) -> Spec:
        """Make the spec; raise ``SpecError`` when this version cannot."""
        return Spec.make(self.spec)


def read_failure(path: Path) -> Failure:
    """Read a failure that was written; raise ``ValueError`` in one line for anything else."""
    try:
        given: Any = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    if not isinstance(given, dict) or cast("dict[str, object]", given).get("format") != _FORMAT:
        raise ValueError("is not the spec.json of a failed test (written below --sim-artifacts)")
    fields = {name: value for name, value in cast("dict[str, Any]", given).items() if name != "format"}
    try:
        failure = Failure(**fields)
        test = str(failure.test)
        spec = dict(failure.spec)
        key = str(failure.key)
        hypothesis = failure.hypothesis and (str(failure.hypothesis[0]), str(failure.hypothesis[1]))
    except (TypeError, ValueError, IndexError):
        raise ValueError("is not the spec.json of a failed test: its fields do not fit") from None
    return Failure(test, spec, key, hypothesis)


def print_blobs(item: pytest.Item) -> None:
    """Let Hypothesis print, and so tell us, the blob of a counterexample, where the test is a ``@given``."""
    if not is_given(item):
        return
    from hypothesis import settings

    function: Any = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    # What Hypothesis' own pytest plugin reads and writes; without it a replay has the recording alone.
    current = getattr(function, "_hypothesis_internal_use_settings", None)
    if isinstance(current, settings):
        function._hypothesis_internal_use_settings = settings(current, print_blob=True)


def blob_of(error: BaseException) -> tuple[str, str] | None:
    """Find the blob in the notes that Hypothesis puts on a counterexample's error."""
    for note in getattr(error, "__notes__", ()):
        match = _BLOB.search(note)
        if match is not None:
            return ast.literal_eval(match["version"]), match["blob"]
    return None


def _reproduce(item: pytest.Item, failure: Failure) -> None:
    """Let Hypothesis run the counterexample alone; raise ``SpecError`` where it cannot."""
    import hypothesis

    installed = str(cast("object", hypothesis.__version__))  # pyright: ignore[reportUnknownMemberType]
    if failure.hypothesis is None:
        raise SpecError("the file holds no Hypothesis example; run this test without --sim-replay")
    version, blob = failure.hypothesis
    if version != installed:
        raise SpecError(
            f"the example is Hypothesis {version}'s and cannot be read by {installed}; "
            f"pip install hypothesis=={version}"
        )
    function: Any = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    hypothesis.reproduce_failure(version, ast.literal_eval(blob))(function)


class Replay:
    """Gives the tests of a run the recording of a failure (``--sim-replay``).

    Every test that takes ``sim_recording`` or ``sim_spec`` gets it; of the ``@given`` tests, the one that failed runs
    its counterexample alone.
    """

    def __init__(self, failure: Failure, note: Callable[[str], None]) -> None:
        self.failure = failure
        self._note = note

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Put the recording, or the counterexample, in the place of what each test asks for."""
        for item in session.items:
            try:
                if RESOLVED in item.stash or REFUSED in item.stash:
                    item.stash[RESOLVED] = self._resolved()
                    if REFUSED in item.stash:
                        del item.stash[REFUSED]
                elif is_given(item) and item.nodeid == self.failure.test:
                    _reproduce(item, self.failure)
            except SpecError as error:
                item.stash[REFUSED] = f"sim replay: {error}"

    def _resolved(self) -> ResolvedRequest:
        spec = self.failure.load_spec()
        if spec.key() != self.failure.key:
            self._note("replay: another version wrote this file; the recording may have other bits now")
        return ResolvedRequest("replay", spec)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let a counterexample that does not fail any more pass."""
        try:
            return (yield)
        except Exception as error:
            if type(error).__name__ != "DidNotReproduce" or "completed successfully" not in str(error):
                raise
            self._note(f"replay: {item.nodeid} passes now")
            return None
