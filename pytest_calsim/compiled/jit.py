"""How the inner loops are compiled: by numba, once for an environment; later processes do without numba.

Numba takes longer to start than a small recording takes to paint. So a compiled function looks for an object file
first, named by all that its machine code depends on: its own code, the functions and constants it uses, its
arguments' types, the versions, the processor. If there is one, llvmlite links it into the process and ctypes calls
it, without the GIL. If there is none, numba compiles the function behind an entry that reads its arguments from slots
of 8 bytes: a number, or the address of an array object, whose fields are part of numpy's binary interface. So nothing
rests on how numba passes arrays. An object must link without numba's runtime, which it does if the function neither
allocates nor raises. Where it does not (or an argument is no array, number or tuple of them, or on Windows), numba's
own dispatcher is called: the same arithmetic, a slow start.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, update_wrapper
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled import machine_code
from pytest_calsim.compiled.calling import (
    CONVENTION,
    FIELDS,
    MASK,
    MISMATCH,
    Signature,
    arrays_are_as_documented,
    text_of_types,
)
from pytest_calsim.compiled.machine_code import MachineCode

__all__ = ["Compilation", "Compiled", "compilation", "compiled", "grid"]

P = ParamSpec("P")
R = TypeVar("R")
_T = TypeVar("_T", bound=np.generic)
Array = np.ndarray[Any, Any]

# NumPy's division (no exception for zero) is what lets loops vectorise, and leaves them nothing to raise.
_OPTIONS = {"nogil": True, "error_model": "numpy"}


class Compilation(NamedTuple):
    """What a process had to compile: how many functions, and the seconds it took."""

    functions: int
    seconds: float


_compilation = Compilation(0, 0.0)
_binding = threading.RLock()


def compilation() -> Compilation:
    """What this process had to compile so far: nothing, where it found all machine code."""
    return _compilation


def _disabled() -> bool:
    return os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"


def compiled(function: Callable[P, R]) -> Compiled[P, R]:
    """Compile on first call. Strict IEEE arithmetic (no fast-math), so that the bits do not depend on the block."""
    return Compiled(function)


def grid(values: NDArray[_T], height: int, width: int) -> NDArray[_T]:
    """The first ``height`` × ``width`` of contiguous values as a grid, without the checks that a compiled function
    would have to raise from.
    """
    return values[: height * width].reshape(height, width)


class Compiled(Generic[P, R]):
    """A function of arrays, numbers and tuples of them, as machine code for each combination of their types."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = cast("FunctionType", function)
        self._callers: list[Callable[..., Any]] = []
        self._bound: dict[str, Callable[..., Any] | None] = {}
        self._dispatchers: dict[bool, Any] = {}
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the machine code for arguments of these types, which is found or made now if this is its first call."""
        values: tuple[Any, ...] = inspect.signature(self.function).bind(*args, **kwargs).args if kwargs else args
        for caller in self._callers:
            result = caller(*values)
            if result is not MISMATCH:
                return result
        return self._bind(values)(*values)

    def __reduce__(self) -> str:
        return self.function.__qualname__

    def _bind(self, values: Sequence[Any]) -> Callable[..., Any]:
        """Find or make machine code for values of such types, or leave them to numba."""
        inspect.signature(self.function).bind(*values)
        types = text_of_types(values)
        with _binding:
            if types not in self._bound:  # else another thread was faster, or it is numba's
                caller = None if _disabled() else self._caller(values, types)
                self._callers += [caller] if caller is not None else []
                self._bound[types] = caller
            return self._bound[types] or self._dispatcher(cache=True)

    def _caller(self, values: Sequence[Any], types: str) -> Callable[..., Any] | None:
        """What calls machine code for such values; None if it takes numba to run it."""
        try:
            signature = Signature(values)
        except TypeError:
            signature = None
        if signature is not None and arrays_are_as_documented() and machine_code.linkable():
            parts = [machine_code.environment(), f"{CONVENTION} {FIELDS}", signature.entry_source(""), types]
            parts += _fingerprint(self.function)
            key = hashlib.sha256("\0".join(parts).encode()).digest()
            name = f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"
            folders = machine_code.folders(self.function.__code__.co_filename)
            code = machine_code.load(folders, name, key)
            if code is None:
                folder = machine_code.writable(folders)
                with _reported(None if folder else folders):
                    code = self._compile(values, signature)
                if folder is not None:
                    machine_code.store(folder, name, key, code)
            with suppress(RuntimeError):  # no machine code, or this process has not all that it needs
                return signature.caller(self.function.__name__, code)
        with _reported(None):
            self._dispatcher(cache=True).compile(_numba_types(values))
        return None

    def _compile(self, values: Sequence[Any], signature: Signature) -> MachineCode:
        """Let numba compile the function and its entry; no code if that takes numba's runtime."""
        numba: Any = importlib.import_module("numba")
        kernel = numba.njit(_numba_types(values), **_OPTIONS)(self._for_numba(cache=False))
        returns = _codes(kernel.nopython_signatures[0].return_type)
        if returns is None:
            return MachineCode(b"", "")
        names = {**signature.names, **_names_in_entries(), "kernel": kernel}
        exec(signature.entry_source(returns), names)
        entry = numba.cfunc(numba.types.int64(numba.types.voidptr), error_model="numpy")(names["entry"])
        try:
            image = machine_code.emit(entry.inspect_llvm(), entry.native_name)
            machine_code.link(image)
        except RuntimeError:
            return MachineCode(b"", "")
        return MachineCode(image, returns)

    def _for_numba(self, *, cache: bool) -> FunctionType:
        """The function, with numba's dispatchers in place of the compiled functions that it calls."""
        function = self.function
        names: dict[str, Any] = dict(function.__globals__)
        for name in _globals_used(function):
            if isinstance(names[name], Compiled):
                names[name] = names[name]._dispatcher(cache=cache)
            elif names[name] is grid and not _disabled():
                names[name] = _names_in_entries()["grid"]
        copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
        copy.__qualname__ = function.__qualname__
        return copy

    def _dispatcher(self, *, cache: bool) -> Any:
        """Numba's own. Its cache on disk misses changes of other modules, so machine code is never made from it."""
        with _binding:
            if cache not in self._dispatchers:
                jit: Any = importlib.import_module("numba").njit
                function = self._for_numba(cache=cache)
                try:
                    self._dispatchers[cache] = jit(cache=cache, **_OPTIONS)(function)
                except RuntimeError:  # no writable place for a cache: compile in memory, once per process
                    self._dispatchers[cache] = jit(**_OPTIONS)(function)
            return self._dispatchers[cache]


# What numba knows.


def _numba_types(values: Sequence[Any]) -> tuple[Any, ...]:
    numba: Any = importlib.import_module("numba")
    types = (numba.typeof(value) for value in values)
    # An entry knows contiguous arrays from others, and none that are contiguous the other way round.
    return tuple(t.copy(layout="A") if getattr(t, "layout", "") == "F" else t for t in types)


def _codes(returned: Any) -> str | None:
    """Code of a returned number, or of a tuple of them in parentheses; "" for None, None for anything else."""
    types: Any = importlib.import_module("numba").types
    if isinstance(returned, types.NoneType):
        return ""
    if isinstance(returned, types.Tuple | types.UniTuple):
        codes = [_codes(item) for item in returned]
        return f"({''.join(map(str, codes))})" if all(code in ("q", "Q", "d") for code in codes) else None
    if isinstance(returned, types.Integer):
        return "q" if returned.signed else "Q"
    return "d" if isinstance(returned, types.Float) else None


@cache
def _names_in_entries() -> dict[str, Any]:
    """What entries call to read array objects, and :func:`grid` for numba."""
    numba: Any = importlib.import_module("numba")
    types, carray, inlined = numba.types, numba.carray, numba.njit(**_OPTIONS)
    n_ints, n_words = FIELDS["flags"] + 1, FIELDS["strides"] + 1
    at_nd, at_flags, at_data = FIELDS["nd"], FIELDS["flags"], FIELDS["data"]
    at_dimensions, at_strides = FIELDS["dimensions"], FIELDS["strides"]

    @importlib.import_module("numba.extending").intrinsic
    def address(context: Any, number: Any) -> Any:  # pyright: ignore[reportUnusedParameter]
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.voidptr(types.uint64), generate

    @inlined
    def unlike(array: Any, ndim: int, flags: int) -> bool:
        ints = carray(address(array), (n_ints,), np.int32)
        return (ints[at_nd] != ndim) | (ints[at_flags] & MASK != flags)

    @inlined
    def data(array: Any) -> Any:
        return address(carray(address(array), (n_words,), np.uint64)[at_data])

    @inlined
    def size(array: Any, axis: int) -> int:
        words = carray(address(array), (n_words,), np.uint64)
        return carray(address(words[at_dimensions]), (axis + 1,), np.int64)[axis]

    @inlined
    def stride(array: Any, axis: int) -> int:
        words = carray(address(array), (n_words,), np.uint64)
        return carray(address(words[at_strides]), (axis + 1,), np.int64)[axis]

    @inlined
    def grid(values: Any, height: int, width: int) -> Any:
        return carray(address(np.uint64(values.ctypes.data)), (height, width), values.dtype)

    functions = {"grid": grid, "address": address, "unlike": unlike, "data": data, "size": size, "stride": stride}
    return {**functions, "carray": carray, "as_strided": np.lib.stride_tricks.as_strided}


@contextmanager
def _reported(nowhere: Sequence[Path] | None) -> Generator[None]:
    """Count and time what numba compiles meanwhile; the first in a process is announced."""
    global _compilation
    event: Any = importlib.import_module("numba.core.event")
    began: list[float] = []

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:  # pyright: ignore[reportUnusedParameter]
            if not began and not _compilation.functions:
                how = f"in every process, as none of {', '.join(map(str, nowhere))} is writable" if nowhere else ""
                how = how or "once for this environment"
                print(f"pytest-calsim: compiling its inner loops, {how} ...", file=sys.stderr, flush=True)
            began.append(time.perf_counter())

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
    if began:
        seconds = _compilation.seconds + time.perf_counter() - began[0]
        _compilation = Compilation(_compilation.functions + 1, seconds)


# What machine code depends on.


def _codes_of(function: FunctionType) -> list[CodeType]:
    codes = [function.__code__]
    for code in codes:
        codes.extend(const for const in code.co_consts if isinstance(const, CodeType))
    return codes


def _globals_used(function: FunctionType) -> list[str]:
    names = {name for code in _codes_of(function) for name in code.co_names}
    return sorted(names & function.__globals__.keys())


def _fingerprint(function: FunctionType) -> Iterator[str]:
    """The function's code, and the values of the globals that it uses; numba's own cache knows the former only."""
    for code in _codes_of(function):
        yield code.co_code.hex()
        yield repr([const for const in code.co_consts if not isinstance(const, CodeType)])
        yield repr((code.co_names, code.co_varnames, code.co_argcount))
    for name in _globals_used(function):
        yield name
        yield _text(function.__globals__[name])


def _text(value: Any) -> str:
    """A constant, or what stands for it."""
    if isinstance(value, Compiled):
        return "\0".join(_fingerprint(value.function))
    if isinstance(value, np.ndarray):
        array = cast("Array", value)
        return f"{array.dtype.str}{array.shape}{array.tobytes().hex()}"
    if isinstance(value, tuple):
        return f"({','.join(map(_text, cast('tuple[Any, ...]', value)))})"
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type):
        kind: Any = value
        return f"{kind.__module__}.{kind.__qualname__}{getattr(kind, '_fields', '')}"
    kind = type(value).__name__
    return f"{kind}:{value!r}" if isinstance(value, bool | int | float | complex | str | np.generic) else kind
