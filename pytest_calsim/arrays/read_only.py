"""Share arrays among several owners, none of whom can write them."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["freeze_arrays", "read_only"]

_T = TypeVar("_T", bound=np.generic)


def read_only(array: NDArray[_T]) -> NDArray[_T]:
    """Return a view of an array that cannot be written.

    The array itself stays as it is: its owner may still write it.
    """
    view = array.view()
    view.flags.writeable = False
    return view


def freeze_arrays(instance: object) -> None:
    """Replace each array among an instance's attributes by a view that cannot be written.

    Call it in the ``__post_init__`` of a frozen dataclass.
    """
    attributes = vars(instance)
    for name, value in attributes.items():
        if isinstance(value, np.ndarray):
            # A frozen dataclass refuses assignment, even by its own methods; its dictionary does not.
            attributes[name] = read_only(cast("NDArray[Any]", value))
