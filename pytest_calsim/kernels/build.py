"""Compile the C kernels when the package is installed: hatchling's build hook.

All of ``c/*.c`` becomes one shared library, without Python.h, so one wheel serves every Python. The compiler is
``$CC``, else the system's, else clang from the PyPI package ``ziglang``, which pip fetches for the build alone.

``python -m pytest_calsim.kernels.build`` compiles for the source tree it stands in; with ``--wheels`` it writes a
wheel for each of :data:`TARGETS` to ``dist`` (needs hatchling and ziglang).

Environment variables
---------------------
CC
    The compiler and its first arguments.
CALSIM_CFLAGS
    More arguments for compiling and linking, for instance ``-fsanitize=address,undefined``.
CALSIM_TARGET
    Cross-compile with zig for another system, one of :data:`TARGETS`.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Errors under CALSIM_CFLAGS=-Werror, as in .ci/run; not for users, whose compilers may know warnings of their own.
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion"]
# Strict IEEE arithmetic, so that bits depend neither on the processor level nor on the compiler. Nobody reads
# floating-point exceptions or errno: without them loops become SIMD code.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0"]


class Target(NamedTuple):
    """A system to compile for: zig's name of it, the wheel's platform tag, and the library's file suffix."""

    zig: str
    tag: str
    suffix: str

    @property
    def x86(self) -> bool:
        """Whether its processors are x86-64."""
        return self.zig.startswith("x86_64")


TARGETS = {
    "linux-x86_64": Target("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64", "so"),
    "linux-aarch64": Target("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64", "so"),
    "macos-x86_64": Target("x86_64-macos.11.0", "macosx_11_0_x86_64", "dylib"),
    "macos-arm64": Target("aarch64-macos.11.0", "macosx_11_0_arm64", "dylib"),
    "windows-x86_64": Target("x86_64-windows-gnu", "win_amd64", "dll"),
}


class CompilerError(Exception):
    """The compiler is missing or refused a file."""


def system_compiler() -> list[str]:
    """Return the command of ``$CC``, or of the first compiler on ``PATH`` that knows the processor levels, or nothing.

    Old compilers do not know them, and macOS has a ``cc`` that only asks for developer tools.
    """
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    if sys.platform == "win32":
        return []
    level = _levels(x86=_is_x86())[-1]
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found and _knows([found, *_level_flags(level, zig=False)]):
            return [found]
    return []


def _knows(command: list[str]) -> bool:
    done = subprocess.run([*command, "-std=c11", "-E", "-x", "c", os.devnull], capture_output=True, check=False)
    return done.returncode == 0


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _levels(*, x86: bool) -> tuple[str, ...]:
    return ("v2", "v3", "v4") if x86 else ("base",)


class Kernels(BuildHookInterface[Any]):
    """Compile into the wheel; for an editable install, beside the Python modules."""

    def dependencies(self) -> list[str]:
        """Ask for zig's clang where it is needed."""
        needs_zig = bool(os.environ.get("CALSIM_TARGET")) or not system_compiler()
        return ["ziglang>=0.13"] if needs_zig else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library and tag the wheel with its platform."""
        if self.target_name != "wheel":  # a source distribution holds the C files alone
            return
        source = Path(self.root, "pytest_calsim", "kernels", "c")
        self._temporary = tempfile.TemporaryDirectory()
        editable = version == "editable"
        folder = source.parent / "lib" if editable else Path(self._temporary.name)
        try:
            target = _chosen_target()
            library = build_library(source, folder, target, self.app.display_info)
        except CompilerError as error:
            self._temporary.cleanup()
            self.app.display_error(f"pytest-calsim could not compile its kernels. {error}")
            raise SystemExit(1) from None
        local = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target.tag if target else local}"
        if not editable:
            build_data["force_include"][str(library)] = f"pytest_calsim/kernels/lib/{library.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the library that is in the wheel now."""
        if self.target_name == "wheel":
            self._temporary.cleanup()


def _chosen_target() -> Target | None:
    name = os.environ.get("CALSIM_TARGET")
    if not name:
        return None
    if name not in TARGETS:
        raise CompilerError(f"CALSIM_TARGET={name!r} is unknown: choose one of {', '.join(TARGETS)}")
    return TARGETS[name]


def build_library(
    source: Path, folder: Path, target: Target | None = None, say: Callable[[str], object] = print
) -> Path:
    """Compile all C files of a folder for every processor level into ``calsim_kernels.so`` (``.dll``, ``.dylib``).

    Parameters
    ----------
    source
        Folder of the C files.
    folder
        Where to write the library.
    target
        Another system, or ``None`` for this one.
    say
        Called with each line of progress.

    Returns
    -------
    Path of the library.

    Raises
    ------
    CompilerError
        If the compiler cannot be run or refuses a file; the message holds its output.
    """
    suffix = target.suffix if target else {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    compiler = [] if target else system_compiler()
    zig = not compiler
    compiler = compiler or [sys.executable, "-m", "ziglang", "cc"]
    if target:
        compiler = [*compiler, "-target", target.zig]
    chosen = shlex.split(os.environ.get("CALSIM_CFLAGS", ""))
    position_independent = [] if suffix == "dll" else ["-fPIC"]
    levels = _levels(x86=target.x86 if target else _is_x86())
    # As in library.py, which refuses a library whose C files have changed since.
    checksum = zlib.crc32(b"".join(path.read_bytes() for path in sorted(source.glob("*.[ch]"))))
    say(f"pytest-calsim: compiling its kernels with {shlex.join(compiler)}, for {', '.join(levels)} ...")

    def compile_one(job: tuple[Path, str]) -> str:
        path, level = job
        written = f"{temporary}/{path.stem}_{level}.o"
        flags = [*FLAGS, *WARNINGS, *position_independent, *_level_flags(level, zig=zig)]
        defined = [f"-DLEVEL={level}", f"-DSOURCES={checksum}u"]
        _run([*compiler, *flags, *defined, *chosen, "-c", str(path), "-o", written])
        return written

    folder.mkdir(exist_ok=True)
    library = folder / f"calsim_kernels.{suffix}"
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(path, level) for path in sorted(source.glob("*.c")) for level in levels]
        # It tells the processor's level, and so must run on the lowest.
        jobs = [job for job in jobs if job[0].stem != "level" or job[1] == levels[0]]
        objects = list(pool.map(compile_one, jobs))
        linked = Path(temporary, library.name)
        _run([*compiler, *chosen, "-shared", *objects, "-o", str(linked)])
        # Replaced whole: a process that has the old library loaded keeps it.
        fresh = library.with_suffix(f".{os.getpid()}.tmp")
        shutil.copyfile(linked, fresh)
        fresh.replace(library)
    return library


def _level_flags(level: str, *, zig: bool) -> list[str]:
    if level == "base":
        return []
    if level == "v4":
        # clang is faster with half-wide registers, gcc with full ones.
        return ["-mcpu=x86_64_v4-prefer_256_bit"] if zig else ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    return [f"-mcpu=x86_64_{level}"] if zig else [f"-march=x86-64-{level}"]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompilerError(f"cannot run the C compiler {command[0]!r}: {error}. Set CC to a C11 compiler") from error
    if done.returncode:
        raise CompilerError(f"the C compiler failed:\n  {shlex.join(command)}\n{done.stderr.strip()}")


def _build_wheels(root: Path) -> None:
    for name in TARGETS:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run(command, cwd=root, env={**os.environ, "CALSIM_TARGET": name}, check=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    if sys.argv[1:] == ["--wheels"]:
        _build_wheels(here.parents[1])
    else:
        print(build_library(here / "c", here / "lib"))
