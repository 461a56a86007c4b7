"""The shared library: which level is chosen, what its calls refuse, and that it stands on its own."""

import ctypes
import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_calsim.kernels import elementary, library

SOURCE = Path(library.__file__).parent / "c"
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


EXP = {"n": int, "x": library.array(np.float64, "n"), "out": library.output(np.float64, "n")}


def test_arrays_of_another_kind_are_refused():
    function = library.Kernel("elementary_exp", **EXP)
    x = np.zeros(4)
    out = np.zeros(4)
    function(x=x, out=out)
    assert out.tolist() == [1, 1, 1, 1]
    frozen = out.copy()
    frozen.flags.writeable = False
    for wrong in (x.astype(np.float32), np.zeros(8)[::2]):
        with pytest.raises(ctypes.ArgumentError, match="array must have"):
            function(x=wrong, out=out)
    for wrong in (x[None], np.zeros(())):
        with pytest.raises(ValueError, match=r"x has shape \((1, 4)?\); its number of axes must be 1"):
            function(x=wrong, out=out)
    with pytest.raises(ctypes.ArgumentError, match="WRITEABLE"):
        function(x=x, out=frozen)


def test_parameters_are_given_by_name_in_any_order():
    function = library.Kernel("elementary_exp", **EXP)
    x = np.zeros(4)
    out = np.zeros(4)
    function(out=out, x=x, n=4)
    assert out.tolist() == [1, 1, 1, 1]
    for wrong in ({"x": x}, {"x": x, "out": out, "more": 1}, {"n": 4, "y": x, "out": out}):
        with pytest.raises(TypeError, match=f"elementary_exp takes x, out; it was given {', '.join(wrong)}$"):
            function(**wrong)


def test_arrays_that_disagree_in_a_size_are_refused():
    function = library.Kernel("elementary_exp", **EXP)
    with pytest.raises(ValueError, match=r"out has shape \(3,\), not \(4,\)"):
        function(x=np.zeros(4), out=np.zeros(3))
    with pytest.raises(ValueError, match=r"x has shape \(4,\), not \(3,\)"):
        function(x=np.zeros(4), out=np.zeros(4), n=3)


def test_an_axis_may_have_one_more_than_a_size_or_a_fixed_length():
    starts = {"units": int, "start": library.array(np.int64, "units + 1"), "box": library.array(np.int32, "units", 4)}
    function = library.Kernel("elementary_exp", **starts)
    start = np.zeros(4, np.int64)
    box = np.zeros((3, 4), np.int32)
    assert function.check(start=start, box=box) == {"units": 3}
    assert function.check(box=box) == {"units": 3}
    for wrong in (box[:, :3], box[:2]):
        with pytest.raises(ValueError, match=r"box has shape .*, not \(3, 4\)"):
            function.check(start=start, box=wrong)
    with pytest.raises(ValueError, match=r"start has shape \(0,\), not \(1,\)"):
        function.check(start=start[:0], box=box[:0])


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A package with the fewest C files that make a library, and the library."""
    pytest.importorskip("hatchling")
    from pytest_calsim.kernels import build

    if not build.system_compiler():
        pytest.skip("no compiler here")
    source = tmp_path / "c"
    source.mkdir()
    for name in ("common.h", "level.c", "elementary.h", "elementary.c"):
        shutil.copy(SOURCE / name, source)
    path = build.build_library(source, tmp_path / "lib", None, lambda line: None)
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    assert library.library_path() == path
    return source


def test_a_library_of_the_present_sources_is_loaded(small):
    assert library._library.__wrapped__()["calsim_level"]


@pytest.mark.parametrize("change", ["edited", "added", "removed"])
def test_a_library_of_other_sources_is_refused(small, change):
    if change == "edited":
        (small / "elementary.h").write_bytes((small / "elementary.h").read_bytes() + b"\n")
    elif change == "added":
        (small / "more.c").write_text("int more;")
    else:
        (small / "elementary.c").unlink()
    message = r"lib/calsim_kernels.*checksum \d+, expected \d+.*run `python -m pytest_calsim.kernels.build`"
    with pytest.raises(ImportError, match=message):
        library._library.__wrapped__()


@pytest.mark.skipif(not shutil.which("cc"), reason="no compiler here")
def test_a_library_without_a_checksum_is_refused(small):
    """As they were compiled until there was one."""
    old = small.parent / "old.c"
    old.write_text('const char *calsim_level(void) { return "base"; }')
    subprocess.run(["cc", "-shared", "-fPIC", str(old), "-o", str(library.library_path())], check=True)
    with pytest.raises(ImportError, match=r"checksum None, expected \d+.*kernels.build"):
        library._library.__wrapped__()


def declared_in_python():
    """Every kernel that a module declares: what it returns, and its parameters by name."""
    found = {}

    def declare(name, *, returns=None, **parameters):
        found[name] = returns, parameters

    paths = [path for path in sorted(SOURCE.parent.glob("*.py")) if "import Kernel, " in path.read_text()]
    for path in paths:  # once as they are: modules that import each other must not find the stand-in
        importlib.import_module(f"pytest_calsim.kernels.{path.stem}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "Kernel", declare)
        for path in paths:
            runpy.run_path(str(path))
    return found


def declared_in_c():
    """Every kernel that the preprocessor sees in the C files, laid out in the same way, with types as C writes them."""
    from pytest_calsim.kernels import build

    found = {}
    for path in sorted(SOURCE.glob("*.c")):
        command = [*build.system_compiler(), "-E", "-P", "-DLEVEL=here", "-DSOURCES=0u", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.replace("_Bool", "bool")
        for returns, name, listed in re.findall(r"(\w+) (\w+)_here\(([^)]*)\)\s*{", text):
            parameters = [parameter.replace("restrict ", "").split() for parameter in listed.split(",")]
            found[name] = returns, {words[-1].lstrip("*"): " ".join(words) for words in parameters}
    return found


C_NUMBERS = {bool: "bool", int: "i64", float: "f64", np.uint64: "u64", np.float32: "f32"}
C_ELEMENTS = {"b1": "bool", "u1": "u8", "u2": "u16", "i4": "i32", "i8": "i64", "u8": "u64", "f4": "f32", "f8": "f64"}


def in_c(name, kind):
    """A parameter as C declares it."""
    if kind in C_NUMBERS:
        return f"{C_NUMBERS[kind]} {name}"
    element = C_ELEMENTS.get(np.dtype(kind.dtype).str[1:], "c64")
    return f"{element} *{name}" if kind.written else f"const {element} *{name}"


def test_python_declares_every_kernel_as_c_does():
    """Names, order, types and constness: a wrong one would read or write elsewhere."""
    build = pytest.importorskip("pytest_calsim.kernels.build", reason="needs hatchling", exc_type=ImportError)
    if not build.system_compiler():
        pytest.skip("no compiler here")
    python = declared_in_python()
    c = declared_in_c()
    del c["poisson_chances"]  # for a test
    assert sorted(python) == sorted(c)
    for name, (returns, parameters) in python.items():
        assert [in_c(*each) for each in parameters.items()] == list(c[name][1].values()), name
        assert C_NUMBERS.get(returns, "void") == c[name][0], name


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
