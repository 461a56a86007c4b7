"""Arrays that several owners share."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_only"]

_T = TypeVar("_T", bound=np.generic)


def read_only(array: NDArray[_T]) -> NDArray[_T]:
    """Return a view that cannot be written, whatever the array allows."""
    view = array.view()
    view.flags.writeable = False
    return view
