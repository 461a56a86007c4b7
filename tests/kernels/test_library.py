"""The shared library: which level is chosen, what its calls refuse, and that it stands on its own."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pytest_calsim.kernels import elementary, library

BEST = [name for name in library.LEVELS if name <= library.level()]


def run(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize("level", ["v2", "v3", "v4"])
def test_a_level_can_be_forced(level):
    code = "from pytest_calsim.kernels import library; print(library.level())"
    done = run(code, **{library.LEVEL_VARIABLE: level})
    if level not in BEST:
        assert f"{level!r}: this processor runs" in done.stderr
        pytest.skip(f"this processor does not run {level}")
    assert done.stdout == f"{level}\n"


@pytest.mark.parametrize("level", ["v5", "base", "V3"])
def test_an_unknown_level_is_refused(level):
    if level in BEST:
        pytest.skip("this processor has no other level")
    done = run("from pytest_calsim.kernels import elementary", **{library.LEVEL_VARIABLE: level})
    assert f"{library.LEVEL_VARIABLE}={level!r}: this processor runs" in done.stderr


def test_an_empty_variable_forces_nothing():
    done = run("from pytest_calsim.kernels import library; print(library.level())", **{library.LEVEL_VARIABLE: ""})
    assert done.stdout == f"{library.level()}\n"


def test_a_missing_library_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "library_path", lambda: tmp_path / "gone.so")
    with pytest.raises(ImportError, match=r"gone.so.*pip install"):
        library._library.__wrapped__()


def test_arrays_of_another_kind_are_refused():
    function = library.kernel("elementary_exp", int, library.array(np.float64, 1), library.output(np.float64, 1))
    x = np.zeros(4)
    out = np.zeros(4)
    function(4, x, out)
    assert out.tolist() == [1, 1, 1, 1]
    frozen = out.copy()
    frozen.flags.writeable = False
    for wrong in (x.astype(np.float32), x[::2], x[None]):
        with pytest.raises(Exception, match="array must have"):
            function(1, wrong, out)
    with pytest.raises(Exception, match="WRITEABLE"):
        function(4, x, frozen)


def test_a_wrong_shape_is_named():
    library.check_shape("x", np.zeros((2, 3)), 2, 3)
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\), not \(3, 2\)"):
        library.check_shape("x", np.zeros((2, 3)), 3, 2)


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("nm"), reason="needs nm on Linux")
def test_the_library_calls_nothing_whose_bits_differ_between_systems():
    done = subprocess.run(["nm", "-D", "--undefined-only", library.library_path()], capture_output=True, text=True)
    names = set(re.findall(r" U (\w+)", done.stdout))
    if any("asan" in name for name in names):
        pytest.skip("built with sanitizers")
    assert names <= {"malloc", "calloc", "free", "memcpy", "memset", "memmove", "__stack_chk_fail"}


def test_the_gil_is_released():
    """Another thread counts while one kernel runs for long."""
    import threading

    x = np.full(20_000_000, 0.5)
    done = threading.Event()
    counted = 0

    def work():
        elementary.sin(x)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted += 1
    thread.join()
    assert counted > 1000
