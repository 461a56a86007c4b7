"""Name the array types that the package works with.

They stand in the lowest layer, so that every module can use the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Floats32", "Image", "Ints", "Ints32", "Keys", "Words"]

Floats = NDArray[np.float64]
"""Float64 numbers: what plans and the truth are computed in."""
Floats32 = NDArray[np.float32]
"""Float32 numbers: what is kept for every frame or pixel."""
Image = NDArray[np.float32]
"""Light at pixels ``(..., height, width)``, float32."""
Ints = NDArray[np.int64]
"""Int64 numbers: indices, counts and starts."""
Ints32 = NDArray[np.int32]
"""Int32 numbers: pixel indices that are kept for every cell."""
Bools = NDArray[np.bool_]
"""Truth values."""
Keys = NDArray[np.uint64]
"""Names of random streams, as 64-bit words."""
Words = NDArray[np.uint64]
"""Words of 64 bits: random ones, or packed tables."""
