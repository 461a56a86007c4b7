"""Kernels on a processor that this machine does not have: the calls that make whole recordings, replayed in emulation.

A child simulates the recordings of ``tests/simulation/test_digests.py`` and records what each kernel is given and what
it writes. A static C program, cross-compiled with zig, makes the same calls under qemu, and compares every bit.
"""

import ctypes
import functools
import importlib.util
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MOST_CALLS = 12  # of one kernel in one recording

# A parameter's letter in replay.c, how its 8 bytes are packed, and its type in C.
NUMBERS = {
    ctypes.c_int64: ("i", "<q", "int64_t"),
    ctypes.c_uint64: ("u", "<Q", "uint64_t"),
    ctypes.c_double: ("d", "<d", "double"),
    ctypes.c_float: ("f", "<fxxxx", "float"),
    ctypes.c_bool: ("b", "<?xxxxxxx", "bool"),
}
ARRAY = ("p", None, "void *")


class Recorder:
    """Records calls of kernels: their names and types, and a file of the calls."""

    def __init__(self, file):
        self.file = file
        self.lines = []
        self.n_calls = {}
        self.lock = threading.Lock()

    def c_function(self, load, name, kinds, returns):
        """Load a kernel that records its calls."""
        from pytest_calsim.kernels.library import c_type

        function = load(name, kinds, returns)
        types = [NUMBERS.get(c_type(kind), ARRAY) for kind in kinds]
        returned = NUMBERS[c_type(returns)] if returns else None
        number = len(self.lines)
        self.lines.append((name, types, returned))

        def call(*arguments):
            with self.lock:
                self.n_calls[name] = self.n_calls.get(name, 0) + 1
                kept = self.n_calls[name] <= MOST_CALLS
            if not kept:
                return function(*arguments)
            before = [a.tobytes() if isinstance(a, np.ndarray) else None for a in arguments]
            result = function(*arguments)
            parts = [struct.pack("<q", number)]
            for argument, (_, layout, _), bytes_before in zip(arguments, types, before, strict=True):
                if layout:
                    parts.append(struct.pack(layout, argument))
                else:
                    parts += [struct.pack("<q", argument.nbytes), bytes_before, argument.tobytes()]
            parts.append(struct.pack(returned[1], result) if returned else bytes(8))
            with self.lock:
                self.file.write(b"".join(parts))
            return result

        return call

    def header(self):
        """C source that declares the kernels and calls each with an array of arguments."""
        lines = []
        for name, types, returned in self.lines:
            declared = ", ".join(c_type for _, _, c_type in types)
            given = ", ".join(f"arguments[{k}].{letter}" for k, (letter, _, _) in enumerate(types))
            lines.append(f"{returned[2] if returned else 'void'} {name}_base({declared});")
            lines.append(f"static void call_{name}(const Value *arguments, Value *returned) {{")
            kept = f"returned->{returned[0]} = " if returned else "(void)returned; "
            lines.append(f"    {kept}{name}_base({given});")
            lines.append("}")
        lines.append("static const Kernel KERNELS[] = {")
        for name, types, _ in self.lines:
            lines.append(f'    {{"{name}", "{"".join(letter for letter, _, _ in types)}", call_{name}}},')
        return "\n".join([*lines, "};", ""])


def record(folder):
    """Write ``kernels.h`` and ``calls`` of the recordings whose digests are stored."""
    from pytest_calsim.kernels import library

    with open(folder / "calls", "wb") as file:
        recorder = Recorder(file)
        # Before any module asks for a kernel.
        library.c_function = functools.partial(recorder.c_function, library.c_function)
        sys.path.insert(0, str(ROOT / "tests" / "simulation"))
        import test_digests

        for name in test_digests.RECORDINGS:
            recorder.n_calls.clear()
            test_digests.digests(test_digests.recording(name))
    (folder / "kernels.h").write_text(recorder.header())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("qemu-aarch64"), reason="needs qemu-user on Linux")
@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs ziglang")
def test_kernels_give_the_same_bits_on_aarch64(tmp_path):
    from pytest_calsim.kernels import build

    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True)
    sources = [*sorted((ROOT / "pytest_calsim" / "kernels" / "c").glob("*.c")), HERE / "replay.c"]
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]
    command = [*compiler, *build.FLAGS, *build.WARNINGS, "-Werror", "-DLEVEL=base", "-DSOURCES=0", f"-I{tmp_path}"]
    subprocess.run([*command, *map(str, sources), "-o", str(tmp_path / "replay")], check=True)
    command = ["qemu-aarch64", str(tmp_path / "replay"), str(tmp_path / "calls")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 100


if __name__ == "__main__":
    record(Path(sys.argv[1]))
