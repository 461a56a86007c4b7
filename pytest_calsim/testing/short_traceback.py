"""Refusals and verdicts that are raised at the caller's line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from pytest_calsim.errors import EstimateError, RecoveryError

__all__ = ["short_traceback"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def short_traceback(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a public function: what it refuses or finds wrong is raised without the frames inside.

    Those two errors speak of what the caller gave, and their message says it all. A pipeline's own error stays their
    cause. Any other error is a fault of ours and keeps its traceback.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        __tracebackhide__ = True  # pytest shows the caller's line instead of this one
        try:
            return function(*args, **kwargs)
        except (EstimateError, RecoveryError) as error:
            raise error.with_traceback(None) from error.__cause__

    return call
