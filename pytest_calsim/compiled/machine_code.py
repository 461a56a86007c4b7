"""Object files of compiled functions: made from LLVM code, kept, verified, linked into this process.

Only llvmlite is needed here, which starts in a tenth of numba's time.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.binding

__all__ = ["MachineCode", "emit", "environment", "folders", "link", "linkable", "load", "store", "writable"]

llvm: Any = llvmlite.binding

_ENTRY = "pytest_calsim_entry"
_DIGEST_BYTES = 32
_NUMBA_SETTINGS = ("BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO", "ENABLE_AVX", "LOOP_VECTORIZE", "OPT")
"""Environment variables, behind ``NUMBA_``, that change what numba generates."""


class MachineCode(NamedTuple):
    """An object file, and the codes (of :mod:`struct`) of what its function returns, in parentheses for a tuple."""

    image: bytes
    """Empty where the function needs numba's runtime."""
    returns: str


@cache
def environment() -> str:
    """What machine code depends on beside its function: versions, processor, numba's settings."""
    settings = [f"{name}={os.environ.get('NUMBA_' + name)}" for name in _NUMBA_SETTINGS]
    versions = [sys.version, version("numba"), version("llvmlite")]
    return "\n".join([*versions, llvm.get_default_triple(), *_processor(), *settings])


@cache
def _processor() -> tuple[str, str]:
    """Name and features, as numba chooses them."""
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return os.environ.get("NUMBA_CPU_NAME") or name, os.environ.get("NUMBA_CPU_FEATURES") or features


def emit(code: str, symbol: str) -> bytes:
    """Object file of numba's LLVM code, in which nothing but the function ``symbol`` can be reached.

    Numba's handling of errors and references then falls away wherever the function can neither fail nor allocate.
    """
    module = llvm.parse_assembly(code)
    module.get_function(symbol).name = _ENTRY
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != _ENTRY:
            item.linkage = "internal"
    name, features = _processor()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=3, reloc="pic", codemodel="small"
    )
    # Numba has optimised already: what is left is to see that errors cannot happen, and to drop what is not called.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


_linking = threading.Lock()
_numbers = itertools.count()


@cache
def _linker() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler(use_jit_link=True, suppress_errors=True)


@cache
def linkable() -> bool:
    """Whether object files can be made and linked in memory here: on Linux and macOS, with a recent llvmlite."""
    if sys.platform == "win32" or not hasattr(llvm, "create_pass_builder"):
        return False
    try:
        return _linker() is not None and all(_processor())
    except RuntimeError:
        return False


def link(image: bytes) -> Callable[[bytes], int]:
    """Bring an object file into memory; the function that comes back releases the GIL.

    Raises
    ------
    RuntimeError
        It is empty, or needs symbols that this process does not have (such as those of numba's runtime).
    """
    if not image:
        raise RuntimeError("there is no machine code without numba")
    library = llvm.JITLibraryBuilder().add_object_img(image).add_current_process().export_symbol(_ENTRY)
    with _linking:
        code = library.link(_linker(), f"library {next(_numbers)}")
    address = code[_ENTRY]
    code.detach()  # the code stays where it is as long as the process lives
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(address)


def folders(source: str) -> list[Path]:
    """Where object files of a module may be: beside it, and in the user's cache directory."""
    import platformdirs

    user = Path(platformdirs.user_cache_dir("pytest-calsim", appauthor=False)) / "machine_code"
    return [Path(source).parent / "__pycache__", user]


def writable(places: Sequence[Path]) -> Path | None:
    """The first folder where a file can be made."""
    for folder in places:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def load(places: Sequence[Path], name: str, key: bytes) -> MachineCode | None:
    """What was stored under this key; a file that is not word for word what was stored is as good as absent."""
    for folder in places:
        try:
            content = (folder / _file_name(name, key)).read_bytes()
        except OSError:
            continue
        digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if digest == _digest(key, body):
            returns, _, image = body.partition(b"\n")
            return MachineCode(image, returns.decode())
    return None


def store(folder: Path, name: str, key: bytes, code: MachineCode) -> None:
    """Write a file as a whole or not at all, whatever other processes do and whenever this one ends."""
    body = code.returns.encode() + b"\n" + code.image
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=name, suffix=".tmp", delete=False) as file:
            file.write(_digest(key, body) + body)
        os.chmod(file.name, 0o644)
        os.replace(file.name, folder / _file_name(name, key))
    except OSError:  # the disk is full, or another process holds the same file open: the next process compiles again
        pass


def _digest(key: bytes, body: bytes) -> bytes:
    return hashlib.sha256(key + body).digest()


def _file_name(name: str, key: bytes) -> str:
    return f"{name}-{key.hex()[:24]}.calsim-o"
