"""Compiling the kernels: with the system's compiler, another one, none that works, and for other systems.

``.ci/run`` makes the wheels of all systems with zig, and tests the one of Linux on x86-64.
"""

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

from pytest_calsim.kernels import build

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "pytest_calsim" / "kernels" / "c"


needs_compiler = pytest.mark.skipif(not build.system_compiler(), reason="no compiler here")


@pytest.fixture
def small(tmp_path):
    """A folder with the fewest C files that make a library."""
    folder = tmp_path / "pytest_calsim" / "kernels" / "c"
    folder.mkdir(parents=True)
    for name in ("common.h", "level.c", "elementary.h", "elementary.c"):
        shutil.copy(SOURCE / name, folder)
    return folder


def test_the_compiler_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("CC", "my-cc --fast 'a b'")
    assert build.system_compiler() == ["my-cc", "--fast", "a b"]


def test_zig_is_asked_for_only_where_there_is_no_compiler(monkeypatch):
    hook = build.Kernels.__new__(build.Kernels)
    monkeypatch.setenv("CC", "cc")
    assert hook.dependencies() == []
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    assert hook.dependencies() == ["ziglang>=0.13"]
    monkeypatch.setenv("CC", "cc")
    monkeypatch.setenv("CALSIM_TARGET", "windows-x86_64")
    assert hook.dependencies() == ["ziglang>=0.13"]


def fake_compilers(folder, monkeypatch, **exit_codes):
    """Programs that are alone on PATH, and that end with some exit code."""
    for name, code in exit_codes.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="scripts for a Unix shell")
def test_compilers_that_do_not_know_the_processor_levels_are_passed_over(tmp_path, monkeypatch):
    fake_compilers(tmp_path, monkeypatch, cc=1, clang=0)
    assert build.system_compiler() == [str(tmp_path / "clang")]
    fake_compilers(tmp_path, monkeypatch, cc=0, gcc=0)
    assert build.system_compiler() == [str(tmp_path / "cc")]
    fake_compilers(tmp_path, monkeypatch, cc=1, gcc=1, clang=1)
    assert build.system_compiler() == []


@needs_compiler
def test_it_says_what_it_does_and_leaves_nothing_else_behind(small, tmp_path):
    said = []
    path = build.build_library(small, tmp_path / "lib", None, said.append)
    assert path.name.startswith("calsim_kernels.")
    assert list((tmp_path / "lib").iterdir()) == [path]
    assert len(said) == 1
    assert said[0].startswith("pytest-calsim: compiling its kernels with ")


def test_a_compiler_that_is_not_there_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.CompilerError, match=r"cannot run the C compiler 'no-such-compiler'.*Set CC"):
        build.build_library(small, tmp_path, None, print)


@needs_compiler
def test_what_the_compiler_refuses_is_shown(small, tmp_path):
    (small / "broken.c").write_text("int f(void) { return nonsense; }")
    with pytest.raises(build.CompilerError, match=r"(?s)the C compiler failed:.*broken.c.*nonsense"):
        build.build_library(small, tmp_path, None, print)
    assert not list(tmp_path.glob("calsim_kernels*"))


def test_an_unknown_target_is_refused(monkeypatch):
    monkeypatch.setenv("CALSIM_TARGET", "amiga")
    with pytest.raises(build.CompilerError, match="CALSIM_TARGET='amiga' is unknown: choose one of linux-x86_64"):
        build._chosen_target()


@pytest.mark.parametrize("name", sorted(build.TARGETS))
def test_what_zig_is_told(name, small, tmp_path, monkeypatch):
    target = build.TARGETS[name]
    commands = []

    def run(command):
        commands.append(command)
        Path(command[command.index("-o") + 1]).touch()

    monkeypatch.setattr(build, "_run", run)
    monkeypatch.setenv("CC", "gcc")
    monkeypatch.setenv("CALSIM_CFLAGS", "-g -Werror")
    path = build.build_library(small, tmp_path / "lib", target, print)
    assert path == tmp_path / "lib" / f"calsim_kernels.{target.suffix}"
    assert all(command[1:5] == ["-m", "ziglang", "cc", "-target"] for command in commands)
    assert all(command[5] == target.zig for command in commands)
    *compiling, linking = commands
    assert {"-shared", "-g"} < set(linking)
    assert all(command.index("-g") > command.index("-g0") for command in compiling)
    assert all(("-fPIC" in command) == (not name.startswith("windows")) for command in compiling)
    levels = sorted(flag for command in compiling for flag in command if flag.startswith("-DLEVEL="))
    # level.c is compiled once, elementary.c for every level.
    expected = ["v2", "v2", "v3", "v4"] if name.endswith("x86_64") else ["base", "base"]
    assert levels == [f"-DLEVEL={level}" for level in expected]
    processors = sorted(flag for command in compiling for flag in command if flag.startswith("-mcpu"))
    assert [flag[:14] for flag in processors] == [f"-mcpu=x86_64_{level}"[:14] for level in expected if level != "base"]


class Application:
    """Where the hook speaks."""

    def __init__(self):
        self.said = []
        self.display_info = self.display_error = self.said.append


def hook_of(root, target_name="wheel"):
    return build.Kernels(str(root), {}, None, None, str(root / "dist"), target_name, Application())


@needs_compiler
def test_a_wheel_holds_the_library_and_the_source_tree_stays_as_it_was(small, tmp_path):
    hook = hook_of(tmp_path)
    data = {"force_include": {}}
    hook.initialize("standard", data)
    ((path, inside),) = data["force_include"].items()
    assert Path(path).is_file()
    assert inside == f"pytest_calsim/kernels/lib/{Path(path).name}"
    assert not (small.parent / "lib").exists()
    assert data["tag"].startswith("py3-none-")
    assert data["pure_python"] is False
    hook.finalize("standard", data, "a.whl")
    assert not Path(path).exists()


@needs_compiler
def test_an_editable_install_finds_the_library_in_the_source_tree(small, tmp_path):
    hook = hook_of(tmp_path)
    data = {"force_include": {}}
    hook.initialize("editable", data)
    hook.finalize("editable", data, "a.whl")
    assert not data["force_include"]
    assert [path.stem for path in (small.parent / "lib").iterdir()] == ["calsim_kernels"]


def test_a_source_distribution_compiles_nothing(small, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    data = {}
    hook = hook_of(tmp_path, "sdist")
    hook.initialize("standard", data)
    hook.finalize("standard", data, "a.tar.gz")
    assert data == {}


def test_a_compiler_that_fails_ends_the_installation_with_one_message(small, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    hook = hook_of(tmp_path)
    with pytest.raises(SystemExit):
        hook.initialize("standard", {"force_include": {}})
    assert hook.app.said[-1].startswith("pytest-calsim could not compile its kernels. cannot run the C compiler")
