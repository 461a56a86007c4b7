import importlib.util
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest

from pytest_calsim.compiled import calling, jit, machine_code
from pytest_calsim.compiled.resample import keys_weights

HEAD = """
import math
from typing import NamedTuple
import numpy as np
from pytest_calsim.compiled.jit import compiled
"""
SCALE = """
@compiled
def scale(values, by, out):
    for i in range(values.shape[0]):
        out[i] = values[i] * by
"""


@pytest.fixture
def load(tmp_path):
    """Import source text as a module anew, as another process would."""
    count = iter(range(100))

    def load(source, name="kernels"):
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(f"{name}_{next(count)}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, jit.Compiled):
                value.function.__module__ = name
        return module

    return load


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(
        machine_code, "folders", lambda source: [Path(source).parent / "__pycache__", tmp_path / "user"]
    )


def objects(folder):
    return sorted(folder.glob("__pycache__/*.calsim-o"))


def compiled_by(call):
    before = jit.compilation().functions
    result = call()
    return result, jit.compilation().functions - before


def scaled(module):
    out = np.empty(3)
    module.scale(np.arange(3.0), 2.0, out)
    return out.tolist()


@pytest.mark.skipif(not machine_code.linkable(), reason="numba's own dispatcher is all there is here")
class TestMachineCode:
    def test_is_kept_beside_the_module_and_found_there(self, load, tmp_path):
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)
        (path,) = objects(tmp_path)
        assert path.name.startswith("kernels.scale-")
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 0)

    def test_needs_nothing_of_numbas_runtime(self, load, tmp_path):
        scaled(load(SCALE))
        image = objects(tmp_path)[0].read_bytes()
        assert b"scale" not in image  # inlined into the entry
        assert not any(name in image for name in (b"NRT_", b"numba_", b"PyErr_"))

    def test_a_later_process_runs_without_numba(self, load, tmp_path):
        scaled(load(SCALE))
        code = """
            import sys, numpy as np
            sys.path.insert(0, {folder!r})
            from kernels import scale
            out = np.empty(3)
            scale(np.arange(3.0), 2.0, out)
            from pytest_calsim.compiled.jit import compilation
            print(out.tolist(), "numba" in sys.modules, compilation().functions)
        """
        code = textwrap.dedent(code).format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (done.stdout.strip(), done.stderr) == ("[0.0, 2.0, 4.0] False 0", "")

    def test_a_change_of_code_constant_table_or_callee_is_noticed(self, load):
        source = """
            OFFSET = 0
            TABLE = np.arange(4.0) * 0
            @compiled
            def moved(x):
                table = 1
                return x + TABLE[table]
            @compiled
            def scale(values, by, out):
                for i in range(values.shape[0]):
                    out[i] = moved(values[i] * by) + OFFSET
        """
        assert compiled_by(lambda: scaled(load(source))) == ([0, 2, 4], 1)
        assert compiled_by(lambda: scaled(load(source)))[1] == 0
        for old, new in (("* by", "* by + 1"), ("OFFSET = 0", "OFFSET = 1"), ("table = 1", "table = 2")):
            assert compiled_by(lambda old=old, new=new: scaled(load(source.replace(old, new))))[1] == 1
        shifted = source.replace("np.arange(4.0) * 0", "np.ones(4)")
        assert compiled_by(lambda: scaled(load(shifted))) == ([1, 3, 5], 1)

    def test_a_change_of_a_callee_in_another_module_is_noticed(self, load, monkeypatch):
        def uses(shift):
            other = load(f"@compiled\ndef moved(x):\n    return x + {shift}\n", "other")
            monkeypatch.setitem(sys.modules, "calsim_other", other)
            return load(SCALE.replace("values[i] * by", "moved(values[i] * by)") + "\nfrom calsim_other import moved\n")

        assert compiled_by(lambda: scaled(uses(0))) == ([0, 2, 4], 1)
        assert compiled_by(lambda: scaled(uses(1))) == ([1, 3, 5], 1)
        assert compiled_by(lambda: scaled(uses(0))) == ([0, 2, 4], 0)

    def test_another_processor_version_or_setting_has_its_own(self, load, monkeypatch):
        scaled(load(SCALE))
        environment = machine_code.environment()
        monkeypatch.setattr(machine_code, "environment", lambda: environment + "+avx1024")
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)

    def test_a_damaged_file_is_never_run(self, load, tmp_path):
        scaled(load(SCALE))
        (path,) = objects(tmp_path)
        sound = path.read_bytes()
        for damaged in (sound[:-1], sound[:20], b"", sound[:99] + bytes([sound[99] ^ 1]) + sound[100:]):
            path.write_bytes(damaged)
            assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)
            assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 0)

    def test_code_that_does_not_link_here_is_left_to_numba(self, load, monkeypatch):
        def link(image):
            raise RuntimeError("symbols not found")

        scaled(load(SCALE))
        monkeypatch.setattr(calling, "link", link)
        assert scaled(load(SCALE)) == [0, 2, 4]

    def test_a_sound_file_of_another_function_is_never_run(self, load, tmp_path):
        module = load(SCALE)
        scaled(module)
        (path,) = objects(tmp_path)
        module.scale(np.arange(3, dtype=np.float32), 2.0, np.empty(3))
        (other,) = set(objects(tmp_path)) - {path}
        path.write_bytes(other.read_bytes())
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)

    def test_what_allocates_is_left_to_numba_and_that_is_remembered(self, load, tmp_path):
        source = """
            @compiled
            def doubled(values):
                return values * 2
        """
        doubled = load(source).doubled
        assert doubled(np.arange(3)).tolist() == [0, 2, 4]
        (path,) = objects(tmp_path)
        assert len(path.read_bytes()) < 64
        emitted = compiled_by(lambda: load(source).doubled(np.arange(3)).tolist())
        assert emitted == ([0, 2, 4], 0)  # numba's own cache has it

    def test_what_raises_is_left_to_numba(self, load):
        source = """
            @compiled
            def checked(x):
                if x < 0:
                    raise ValueError("negative")
                return math.sqrt(x)
        """
        checked = load(source).checked
        assert checked(4.0) == 2
        with pytest.raises(ValueError, match="negative"):
            checked(-1.0)

    def test_a_second_folder_serves_where_the_first_is_read_only(self, load, tmp_path):
        (tmp_path / "__pycache__").write_text("no folder can be made here")
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)
        assert len(list((tmp_path / "user").iterdir())) == 1
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 0)

    def test_processes_that_compile_at_once_leave_one_sound_file(self, load, tmp_path):
        load(SCALE)
        code = f"""
            import sys, numpy as np
            sys.path.insert(0, {str(tmp_path)!r})
            from kernels import scale
            out = np.empty(3)
            scale(np.arange(3.0), 2.0, out)
            print(out.tolist())
        """
        command = [sys.executable, "-c", textwrap.dedent(code)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
        assert [process.communicate()[0].strip() for process in running] == [b"[0.0, 2.0, 4.0]"] * 3
        assert len(objects(tmp_path)) == 1
        assert not list(tmp_path.glob("__pycache__/*.tmp"))
        assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 0)


def test_the_first_compilation_is_announced_once_and_counted(load, capsys, monkeypatch):
    monkeypatch.setattr(jit, "_compilation", jit.Compilation(0, 0.0))
    module = load(SCALE)
    scaled(module)
    module.scale(np.arange(3), 2.0, np.empty(3))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["pytest-calsim: compiling its inner loops, once for this environment ..."]
    assert jit.compilation().functions == 2
    assert jit.compilation().seconds > 0
    scaled(load(SCALE))
    assert jit.compilation().functions == 2


def test_nothing_writable_compiles_in_memory_and_says_so(load, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jit, "_compilation", jit.Compilation(0, 0.0))
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(machine_code, "folders", lambda source: [file / "a", file / "b"])
    assert scaled(load(SCALE)) == [0, 2, 4]
    assert scaled(load(SCALE)) == [0, 2, 4]
    err = capsys.readouterr().err
    assert "in every process" in err
    assert str(file / "b") in err


class TestArguments:
    SOURCE = """
        class Pair(NamedTuple):
            weights: np.ndarray
            factor: float

        @compiled
        def total(a, b, c, d, e, pair, nested, out):
            (f, g), h = nested
            out[0] = a + b + c + e.real
            out[1] = d + e.imag + f
            out[2] = g[0] + (1 if h else 0) + pair.factor * pair.weights[1, 0]
    """

    def test_numbers_arrays_and_nested_tuples(self, load):
        module = load(self.SOURCE)
        out = np.empty(3)
        pair = module.Pair(np.arange(6, dtype=np.int16).reshape(3, 2), np.float32(0.5))
        nested = ((np.int8(-3), np.array([7], np.uint8)), True)
        module.total(-5, 0.25, np.float32(0.5), np.uint64(2**40), 1 - 2j, pair, nested, out)
        assert out.tolist() == [-5 + 0.25 + 0.5 + 1, 2**40 - 2 - 3, 7 + 1 + 0.5 * 2]
        module.total(-5, 0.25, np.float32(0.5), np.uint64(2**40), np.complex64(1 - 2j), pair, nested=nested, out=out)
        assert out[1] == 2**40 - 5

    def test_arrays_of_any_strides(self, load):
        source = """
            @compiled
            def weighted(values):
                total = 0.0
                for r in range(values.shape[0]):
                    for c in range(values.shape[1]):
                        total += values[r, c] * (10 * r + c)
                return total
        """
        weighted = load(source).weighted
        for view in (np.s_[:, :], np.s_[::2, ::-1], np.s_[1:, 1:3], np.s_[:0], np.s_[:1]):
            for writeable in (True, False):
                values = np.random.default_rng(0).random((5, 4))[view]
                values.flags.writeable = writeable
                rows, columns = np.indices(values.shape)
                assert weighted(values) == pytest.approx((values * (10 * rows + columns)).sum())

    def test_types_take_turns(self, load):
        module = load(SCALE)
        for _ in range(3):
            for dtype in (np.float64, np.float32, np.int64):
                out = np.empty(3, dtype)
                module.scale(np.arange(3, dtype=dtype), 2.0, out)
                assert out.tolist() == [0, 2, 4]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [("x + 1", 4), ("x / 2", 1.5), ("np.uint64(x) << np.uint64(62)", 3 << 62 & 2**64 - 1), ("x, x / 2", (3, 1.5))],
    )
    def test_results(self, load, body, expected):
        result = load(f"@compiled\ndef f(x):\n    return {body}\n").f(3)
        assert result == expected
        assert type(result) is type(expected)

    def test_what_has_no_slot_is_left_to_numba(self, load):
        source = """
            @compiled
            def first(values):
                return values[0]
        """
        first = load(source).first
        record = np.array([(1, 2.5)], [("a", int), ("b", float)])
        assert first(record)["b"] == 2.5
        assert first("text") == "t"
        unaligned = np.frombuffer(b"\0" + np.arange(3.0).tobytes(), np.uint8)[1:].view(np.float64)
        assert first(unaligned) == 0

    def test_arrays_in_the_order_of_columns(self, load):
        source = """
            @compiled
            def corner(values):
                return values[0, 1]
        """
        corner = load(source).corner
        values = np.arange(6.0).reshape(2, 3)
        for array in (np.asfortranarray(values), values.T.copy().T, values, values[:, ::2]):
            assert corner(array) == array[0, 1]

    def test_read_only_arrays_are_not_written(self, load):
        values = np.arange(3.0)
        values.flags.writeable = False
        with pytest.raises(numba.TypingError):
            load(SCALE).scale(values, 2.0, values)

    def test_wrong_arguments_are_refused(self, load):
        scale = load(SCALE).scale
        with pytest.raises(TypeError, match="missing"):
            scale(np.arange(3.0))
        out = np.empty(3)
        scale(np.arange(3.0), 2.0, out)
        with pytest.raises(TypeError, match="missing"):
            scale(np.arange(3.0), 2.0)
        with pytest.raises(TypeError, match="unexpected"):
            scale(np.arange(3.0), 2.0, out, oot=out)
        scale(np.arange(3.0), 2, out)
        with pytest.raises(struct.error):
            scale(np.arange(3.0), 2**70, out)


def test_a_grid_is_a_view_of_flat_values(load, tmp_path):
    source = """
    from pytest_calsim.compiled.jit import grid

    @compiled
    def number(flat, height, width):
        cells = grid(flat, height, width)
        for r in range(cells.shape[0]):
            for c in range(cells.shape[1]):
                cells[r, c] += 10 * r + c
    """
    for dtype in (np.float32, np.complex64):
        values = np.full(9, 100, dtype)
        load(source).number(values[1:], 2, 3)
        assert values.tolist() == [100, 100, 101, 102, 110, 111, 112, 100, 100]
    assert len(objects(tmp_path)) == 2, "it takes numba's runtime"
    jit.grid(values[1:], 2, 3)[1] = 0
    assert values.tolist() == [100, 100, 101, 102, 0, 0, 0, 100, 100]


def test_without_compilation_it_is_plain_python(load, monkeypatch):
    code = "from pytest_calsim.compiled.resample import keys_weights as k; out = [0] * 4; k(0.5, out); print(out)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[-0.0625, 0.5625, 0.5625, -0.0625]"


@pytest.mark.parametrize("lacking", [(jit, "arrays_are_as_documented"), (machine_code, "linkable")])
def test_where_machine_code_cannot_be_kept_numba_does_all(load, monkeypatch, tmp_path, lacking):
    monkeypatch.setattr(*lacking, lambda: False)
    assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 1)
    assert compiled_by(lambda: scaled(load(SCALE))) == ([0, 2, 4], 0)
    assert not objects(tmp_path)


def test_pickles_by_name():
    assert pickle.loads(pickle.dumps(keys_weights)) is keys_weights
    assert keys_weights.__name__ == "keys_weights"
    assert keys_weights.__doc__.startswith("Weights of the four pixels")


def test_threads_share_it_and_run_at_once(load):
    source = """
        @compiled
        def meet(mine, other, n):
            for i in range(n):
                mine[0] += 1
                if other[0] > 0:
                    return i
            return -1
    """
    meet = load(source).meet
    flags = np.zeros(1, np.int64), np.zeros(1, np.int64)
    meet(np.zeros(1, np.int64), np.ones(1, np.int64), 10)
    both = threading.Barrier(2)

    def run(mine, other):
        both.wait()
        return meet(mine, other, 10**9)

    with ThreadPoolExecutor(2) as pool:
        # Each waits for the other to begin, which it could not if the first held the GIL.
        assert min(pool.map(run, flags, flags[::-1])) >= 0


def test_threads_bind_the_same_types_once(load):
    module = load(SCALE)
    with ThreadPoolExecutor(4) as pool:
        (results, n) = compiled_by(lambda: list(pool.map(scaled, [module] * 8)))
    assert results == [[0, 2, 4]] * 8
    assert n == 1


@pytest.mark.skipif(not machine_code.linkable(), reason="numba's own dispatcher is all there is here")
def test_a_warm_process_simulates_without_numba(tmp_path):
    code = """
        import sys
        from pytest_calsim import load_preset, simulate
        recording = simulate(load_preset("moving").edit({"acquisition.duration_s": 0.2}))
        recording.observed.values
        print("numba" in sys.modules)
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    outputs = [subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert outputs[1].strip() == "False"
