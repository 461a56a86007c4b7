"""Everything pytest-calsim raises or warns, in one tree.

::

    CalsimError
    ├── SpecError(ValueError)           a spec, preset, path or value that cannot be simulated
    ├── EstimateError(ValueError)       an estimate that cannot be scored (shape, NaN, missing argument)
    └── StoreError(OSError)             a recording on disk that cannot be read
    AssertionError
    └── RecoveryError                   a pipeline recovered less than the test demands
    UserWarning
    └── CalsimWarning
        ├── SpecWarning                 legal but odd
        ├── PlacementWarning            fewer cells placed, or dimmer ones, than asked for
        └── CacheWarning                the cache cannot be used, or held something damaged
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

__all__ = [
    "CacheWarning",
    "CalsimError",
    "CalsimWarning",
    "EstimateError",
    "PlacementWarning",
    "RecoveryError",
    "SpecError",
    "SpecWarning",
    "StoreError",
    "nearest",
    "warn_user",
]


class CalsimError(Exception):
    """Base of the errors that pytest-calsim raises on purpose."""


class SpecError(CalsimError, ValueError):
    """A spec, preset, dotted path or value that cannot be simulated."""


class EstimateError(CalsimError, ValueError):
    """An estimate that cannot be scored: wrong shape, NaN, or a missing argument."""


class StoreError(CalsimError, OSError):
    """A recording on disk that is missing, damaged, foreign or of another version, or cannot be written."""


class RecoveryError(AssertionError):
    """A pipeline recovered less of the truth than the test demands.

    Attributes
    ----------
    scorecard
        The numbers, bounds and per-cell reasons behind the verdict.
    """

    def __init__(self, message: str, scorecard: object) -> None:
        super().__init__(message)
        self.scorecard = scorecard


class CalsimWarning(UserWarning):
    """Base of the warnings of pytest-calsim."""


class SpecWarning(CalsimWarning):
    """A spec that is legal but odd."""


class PlacementWarning(CalsimWarning):
    """Fewer cells were placed than asked for, or some could not be made as bright as asked for."""


class CacheWarning(CalsimWarning):
    """The cache cannot be read or written, or held a damaged recording; the recording is right all the same."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint to put behind an unknown name: the nearest right one, else all of them."""
    import difflib  # here, as every run of pytest imports this module

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are known"


_NOT_THE_USER = ("pytest_calsim", "pydantic", "functools", "contextlib")


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the nearest caller outside this package and the libraries that call it back."""
    import inspect  # takes longer to import than this module; pytest has it anyway

    level = 1
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USER:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)
