"""Compiling the kernels: with the system's compiler, another one, none that works, and for other systems."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

from pytest_calsim.kernels import build

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "pytest_calsim" / "kernels" / "c"
HAS_ZIG = importlib.util.find_spec("ziglang") is not None


@pytest.fixture
def small(tmp_path):
    """A folder with the fewest C files that make a library."""
    folder = tmp_path / "c"
    folder.mkdir()
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


@pytest.mark.skipif(not build.system_compiler(), reason="no compiler here")
def test_it_says_what_it_does_and_leaves_nothing_else_behind(small, tmp_path):
    said = []
    path = build.build_library(small, tmp_path, None, said.append)
    assert path.name.startswith("calsim_kernels.")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["c", path.name])
    assert len(said) == 1
    assert said[0].startswith("pytest-calsim: compiling its kernels with ")


def test_a_compiler_that_is_not_there_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.CompilerError, match=r"cannot run the C compiler 'no-such-compiler'.*Set CC"):
        build.build_library(small, tmp_path, None, print)


@pytest.mark.skipif(not build.system_compiler(), reason="no compiler here")
def test_what_the_compiler_refuses_is_shown(small, tmp_path):
    (small / "broken.c").write_text("int f(void) { return nonsense; }")
    with pytest.raises(build.CompilerError, match=r"(?s)the C compiler failed:.*broken.c.*nonsense"):
        build.build_library(small, tmp_path, None, print)
    assert not list(tmp_path.glob("calsim_kernels*"))


def test_an_unknown_target_is_refused(monkeypatch):
    monkeypatch.setenv("CALSIM_TARGET", "amiga")
    with pytest.raises(build.CompilerError, match="CALSIM_TARGET='amiga' is unknown: choose one of linux-x86_64"):
        build._chosen_target()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ZIG, reason="needs ziglang")
@pytest.mark.parametrize("name", sorted(build.TARGETS))
def test_a_wheel_can_be_made_for_every_system(name, tmp_path):
    """Compile and link for another system; only the one that we are on can be run."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "lib", "docs"))
    shutil.copytree(ROOT / "docs", copy / "docs")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=copy, env={**os.environ, "CALSIM_TARGET": name}, check=True, capture_output=True)
    (wheel,) = (copy / "dist").glob("*.whl")
    assert wheel.name.endswith(f"-py3-none-{build.TARGETS[name].tag}.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert f"pytest_calsim/kernels/lib/calsim_kernels.{build.TARGETS[name].suffix}" in archive.namelist()
