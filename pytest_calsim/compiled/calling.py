"""How arguments reach machine code: a caller checks and packs them, an entry unpacks them for the compiled function.

Both are made as source text for the types of some values. The caller runs at every call, in a microsecond or a few:
it checks the classes and dtypes, and passes one record of 8-byte slots. The entry (compiled by numba together with the
function) reads them; it checks dimensions and flags of the arrays itself, in their array objects.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np

from pytest_calsim.compiled.machine_code import MachineCode, link

__all__ = ["CONVENTION", "FIELDS", "MASK", "MISMATCH", "Signature", "arrays_are_as_documented", "text_of_types"]

Array = np.ndarray[Any, Any]

CONVENTION = 1
"""Rises whenever entries read their slots, or write their results, in another way, or ``grid`` makes its views so."""

MISMATCH: Any = object()
"""What a caller returns to arguments of other types than its own."""

_NUMBERS: dict[type, str] = {
    **dict.fromkeys((bool, int, np.int8, np.int16, np.int32, np.int64), "q"),
    **dict.fromkeys((np.uint8, np.uint16, np.uint32, np.uint64), "Q"),
    **dict.fromkeys((float, np.float32, np.float64), "d"),
}
_COMPLEX = frozenset({complex, np.complex64, np.complex128})
MASK = 0x1 | 0x100 | 0x400
"""NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED, NPY_ARRAY_WRITEABLE."""


class _ArrayObject(ctypes.Structure):
    """How a PyArrayObject begins, a part of numpy's binary interface."""

    _fields_ = (
        ("head", ctypes.c_byte * object.__basicsize__),
        ("data", ctypes.c_void_p),
        ("nd", ctypes.c_int),
        ("dimensions", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("base", ctypes.c_void_p),
        ("descr", ctypes.c_void_p),
        ("flags", ctypes.c_int),
    )


@cache
def arrays_are_as_documented() -> bool:
    """Whether an array object's fields are where an entry looks for them."""
    array = np.zeros((2, 6))[:, ::2]
    seen: Any = _ArrayObject.from_address(id(array))
    layout = tuple(seen.dimensions[:2]) + tuple(seen.strides[:2])
    return (
        ctypes.sizeof(ctypes.c_void_p) == 8
        and (seen.data, seen.nd, seen.flags) == (array.ctypes.data, 2, array.flags.num)
        and layout == array.shape + array.strides
    )


FIELDS: dict[str, int] = {
    **{name: getattr(_ArrayObject, name).offset // 4 for name in ("nd", "flags")},
    **{name: getattr(_ArrayObject, name).offset // 8 for name in ("data", "dimensions", "strides")},
}
"""Places of fields in an array object, in units of their own size (an int's, a pointer's)."""


class Signature:
    """The types of some values: source of a caller that checks and packs such values, and of the entry it calls.

    Raises
    ------
    TypeError
        One of the values is no array, number or tuple of them.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.names: dict[str, Any] = {"int32": np.int32, "int64": np.int64, "uint64": np.uint64, "float64": np.float64}
        self._codes: list[str] = []
        self._checks: list[str] = []
        self._packed: list[str] = []
        self._arrays: list[str] = []
        self._parameters = [f"a{i}" for i in range(len(values))]
        self._arguments = [self._add(value, name) for value, name in zip(values, self._parameters, strict=True)]

    def entry_source(self, returns: str) -> str:
        """``int64 entry(const void *slots)``, which gives 1 for arrays of other dimensions or flags.

        It is for numba to compile, with ``kernel``, ``carray``, ``as_strided`` and the functions ``address`` (a number
        as a pointer), ``unlike``, ``data``, ``size`` and ``stride`` (of array objects) among its globals.
        """
        codes = returns.strip("()")
        items = ["result"] if returns == codes else [f"result[{i}]" for i in range(len(codes))]
        lines = [_views("slots", len(self._codes) + 1)]
        if self._arrays:
            lines.append(f"if {' | '.join(self._arrays)}: return 1")
        lines.append(f"result = kernel({', '.join(self._arguments)})")
        if codes:
            lines.append(_views(f"address(Q[{len(self._codes)}])", len(codes)))
            lines += [f"{code}[{i}] = {item}" for i, (code, item) in enumerate(zip(codes, items, strict=True))]
        return "\n    ".join(["def entry(slots):", *lines, "return 0"])

    def caller(self, name: str, code: MachineCode) -> Callable[..., Any]:
        """A function that calls an object file's entry, or returns ``MISMATCH``."""
        codes = code.returns.strip("()")
        packed, memory, result = self._packed, [], "None"
        if codes:
            packed, memory = [*packed, "addressof(memory)"], [f"memory = create_string_buffer({8 * len(codes)})"]
            result = "unpack(memory)" if codes != code.returns else "unpack(memory)[0]"
        call = f"return mismatch if entry(pack({', '.join(packed)})) else {result}"
        source = "\n    ".join([f"def {name}({', '.join(self._parameters)}):", *self._checks, *memory, call])
        names = {
            **self.names,
            "entry": link(code.image),
            "pack": struct.Struct("=" + "".join(self._codes) + "Q" * bool(codes)).pack,
            "unpack": struct.Struct("=" + codes).unpack,
            "mismatch": MISMATCH,
            "addressof": ctypes.addressof,
            "create_string_buffer": ctypes.create_string_buffer,
        }
        exec(source, names)
        return names[name]

    def _add(self, value: Any, name: str) -> str:
        """What stands for a value in the entry."""
        at = len(self._codes)
        kind = cast("Any", type(value))
        self.names[f"type_{name}"] = kind
        self._checks.append(f"if type({name}) is not type_{name}: return mismatch")
        if kind is np.ndarray:
            return self._add_array(value, name)
        if kind in _COMPLEX:
            self._codes += "dd"
            self._packed += [f"{name}.real", f"{name}.imag"]
            return f"type_{name}(complex(d[{at}], d[{at + 1}]))"
        if kind in _NUMBERS:
            self._codes.append(_NUMBERS[kind])
            self._packed.append(name)
            return f"type_{name}({_NUMBERS[kind]}[{at}])"
        if issubclass(kind, tuple) and value:
            items = [f"{name}_{i}" for i in range(len(value))]
            self._checks += [f"if len({name}) != {len(items)}: return mismatch", f"{', '.join(items)}, = {name}"]
            arguments = ", ".join(map(self._add, value, items))
            return f"type_{name}({arguments})" if hasattr(value, "_fields") else f"({arguments},)"
        raise TypeError(value)

    def _add_array(self, array: Array, name: str) -> str:
        if array.dtype.kind not in "biufc" or not array.dtype.isnative or not array.flags.aligned or not array.ndim:
            raise TypeError(array)
        at = len(self._codes)
        self._codes.append("Q")
        self._packed.append(f"id({name})")
        self.names |= {f"dtype_{name}": array.dtype, f"item_{name}": array.dtype.type}
        self._checks.append(f"if {name}.dtype != dtype_{name}: return mismatch")
        self._arrays.append(f"unlike(Q[{at}], {array.ndim}, {_flags(array)})")
        shape, strides = (
            "(" + "".join(f"{what}(Q[{at}], {i}), " for i in range(array.ndim)) + ")" for what in ("size", "stride")
        )
        values = f"carray(data(Q[{at}]), {shape}, item_{name})"
        return values if array.flags.c_contiguous else f"as_strided({values}, {shape}, {strides})"


def _views(pointer: str, size: int) -> str:
    return "q, Q, d = " + ", ".join(f"carray({pointer}, ({size},), {item})" for item in ("int64", "uint64", "float64"))


def _flags(array: Array) -> int:
    return array.flags.num & MASK


def text_of_types(values: Sequence[Any]) -> str:
    """What two sequences of values have in common if they have the same types, nested ones included."""
    texts: list[str] = []
    for value in values:
        kind = cast("Any", type(value))
        texts.append(f"{kind.__module__}.{kind.__qualname__}")
        if isinstance(value, np.ndarray):
            array = cast("Array", value)
            texts.append(f"[{array.dtype}, {array.ndim}, {_flags(array)}]")
        elif isinstance(value, tuple):
            fields = getattr(cast("Any", value), "_fields", "")
            texts.append(f"{fields}({text_of_types(cast('tuple[Any, ...]', value))})")
    return " ".join(texts)
