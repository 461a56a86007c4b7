"""Name what every source of a movie's frames can do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameSource"]


class FrameSource(Protocol):
    """Source of a movie's frames: painted on demand, or read from disk."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frames, height and width, px."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        ...

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` as a fresh, writable array ``(frame, height, width)``."""
        ...
