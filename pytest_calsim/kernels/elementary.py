"""Elementary functions that give the same bits on every processor, with every compiler and every version of NumPy.

NumPy's own differ in the last digit between processors. Where such a digit could decide something discrete, a plan
uses these. Their accuracy stands in ``c/elementary.h``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.types import Floats

__all__ = ["asin", "cos", "exp", "log", "log1p", "power", "sin"]


_power = Kernel(
    "elementary_pow", n=int, x=array(np.float64, "n"), y=array(np.float64, "n"), out=output(np.float64, "n")
)


def _function(name: str) -> Callable[[Floats | float], Floats]:
    function = Kernel(f"elementary_{name}", n=int, x=array(np.float64, "n"), out=output(np.float64, "n"))

    def evaluate(x: Floats | float) -> Floats:
        values = np.asarray(x, np.float64)
        flat = np.ascontiguousarray(values).ravel()
        out = np.empty_like(flat)
        function(x=flat, out=out)
        return out.reshape(values.shape)

    evaluate.__name__ = name
    evaluate.__doc__ = f"Compute {name}(x) of a float64 array of any shape."
    return evaluate


exp = _function("exp")
log = _function("log")
log1p = _function("log1p")
sin = _function("sin")
cos = _function("cos")
asin = _function("asin")


def power(x: Floats | float, y: Floats | float) -> Floats:
    """Compute x to the power y of two float64 arrays, broadcast against each other; x is not negative."""
    bases, exponents = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    flat = np.ascontiguousarray(bases).ravel()
    out = np.empty_like(flat)
    _power(x=flat, y=np.ascontiguousarray(exponents).ravel(), out=out)
    return out.reshape(bases.shape)
