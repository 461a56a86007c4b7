"""What gives a movie's frames."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameSource"]


class FrameSource(Protocol):
    """Where a movie's frames come from: painted on demand, or read from disk."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height, width."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        ...

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames ``start`` to ``stop`` as a fresh, writable array."""
        ...
