"""Define all errors and warnings of pytest-calsim, in one tree.

::

    CalsimError
    ├── SpecError(ValueError)           a spec, preset, path or value cannot be simulated
    ├── EstimateError(ValueError)       an estimate cannot be scored (shape, NaN, missing argument)
    ├── StoreError(OSError)             a recording on disk cannot be read
    └── MissingExtraError(ImportError)  an optional package is not installed
    AssertionError
    └── RecoveryError                   a pipeline recovered less than the test demands
    UserWarning
    └── CalsimWarning
        ├── SpecWarning                 a spec is legal but odd
        ├── PlacementWarning            fewer cells were placed than requested, or dimmer ones
        └── CacheWarning                the cache cannot be used, or held something damaged
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the one arrow of the package that points up, for type checkers alone
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.testing.estimate import Estimate
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = [
    "CacheWarning",
    "CalsimError",
    "CalsimWarning",
    "EstimateError",
    "MissingExtraError",
    "PlacementWarning",
    "RecoveryError",
    "SpecError",
    "SpecWarning",
    "StoreError",
    "as_path",
    "nearest",
    "warn_user",
]


class CalsimError(Exception):
    """Base of the errors that tell a user what to change."""


class SpecError(CalsimError, ValueError):
    """Tell that a spec, preset, dotted path or value cannot be simulated."""


class EstimateError(CalsimError, ValueError):
    """Tell that an estimate cannot be scored: wrong shape, NaN, or a missing argument."""


class StoreError(CalsimError, OSError):
    """Tell that a recording on disk is missing, damaged, foreign, of another version, or cannot be written."""


class MissingExtraError(CalsimError, ImportError):
    """Tell that a plot or a file format needs an optional package, and how to install it."""


class RecoveryError(AssertionError):
    """Tell that a pipeline recovered less of the truth than the test demands.

    Attributes
    ----------
    scorecard
        The numbers, bounds and per-cell reasons behind the verdict.
    estimate, recording
        What was judged, where it is known: for pictures of the failure.
    baseline
        The estimate and the recording that it was compared with, where two were.
    """

    def __init__(
        self,
        message: str,
        scorecard: Scorecard,
        *,
        estimate: Estimate | None = None,
        recording: Recording | None = None,
        baseline: tuple[Estimate, Recording] | None = None,
    ) -> None:
        super().__init__(message)
        self.scorecard = scorecard
        self.estimate = estimate
        self.recording = recording
        self.baseline = baseline


class CalsimWarning(UserWarning):
    """Base of the warnings of pytest-calsim."""


class SpecWarning(CalsimWarning):
    """Warn of a spec that is legal but odd."""


class PlacementWarning(CalsimWarning):
    """Warn that fewer cells were placed than requested, or that some cannot be made as bright as requested."""


class CacheWarning(CalsimWarning):
    """Warn that the cache cannot be used, or held a damaged recording; the recording that a test gets is right."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the hint that follows an unknown name in a message: the nearest known name, else all of them.

    Parameters
    ----------
    name
        The unknown name.
    known
        The names that would be right.
    """
    import difflib  # here, as every run of pytest imports this module

    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known"


def as_path(given: str | PathLike[str], name: str = "path") -> Path:
    """Return a path, or refuse what is none.

    Parameters
    ----------
    given
        What was given.
    name
        Name of the argument.

    Raises
    ------
    TypeError
        For anything but text and path objects.
    """
    if not isinstance(given, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} = {given!r} is no path: give text or a pathlib.Path")
    return Path(given)


_NOT_THE_USER = ("pytest_calsim", "pydantic", "functools", "contextlib")


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the nearest caller outside this package and the libraries that call it back.

    Parameters
    ----------
    message, category
        As in :func:`warnings.warn`.
    """
    import inspect  # takes longer to import than this module; pytest has it anyway

    level = 1
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USER:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)
