"""Not used, the plugin costs nothing."""

import re
import subprocess
import sys

HEAVY = ("numpy", "scipy", "pydantic", "xarray", "zarr", "numba", "pandas", "platformdirs", "filelock")


def test_collecting_a_project_that_does_not_use_it_imports_nothing_heavy(pytester, monkeypatch):
    # zarr has a pytest plugin of its own, which imports zarr and numpy in every run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(
        f"""
        import sys

        def pytest_unconfigure(config):
            assert config.pluginmanager.hasplugin("calsim")
            print("loaded:", sorted(name for name in {HEAVY} if name in sys.modules))
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("x", range(3))
        def test_it(x, tmp_path):
            pass
        """
    )
    for arguments in (["--collect-only"], []):
        result = pytester.runpytest_subprocess("-p", "calsim", "-p", "hypothesispytest", *arguments)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["loaded: []"])


def test_importing_hypothesis_imports_nothing_heavy(tmp_path):
    code = f"import sys, hypothesis; print(sorted(name for name in {HEAVY} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.strip() == "[]"


def test_the_package_and_the_plugin_import_nothing_heavy(tmp_path):
    code = f"import sys, pytest_calsim.plugin; print(sorted(name for name in {HEAVY} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.strip() == "[]"


def test_the_package_is_not_compiled_again_to_rewrite_its_asserts(pytester):
    # pytest marks every module of a distribution with a plugin; an editable installation hides its modules from it.
    pytester.makeconftest(
        """
        import sys
        from _pytest.assertion.rewrite import AssertionRewritingHook

        def pytest_configure(config):
            config.pluginmanager.rewrite_hook.mark_rewrite("pytest_calsim", "helper_of_the_test")

        def pytest_unconfigure(config):
            ours = {name: module for name, module in sys.modules.items() if name.startswith("pytest_calsim.")}
            rewritten = [name for name, module in ours.items() if isinstance(module.__loader__, AssertionRewritingHook)]
            # The hooks themselves are imported before they can say so.
            late = [name for name in rewritten if not name.startswith(("pytest_calsim.plugin", "pytest_calsim.errors"))]
            print("modules:", len(ours) > 60, "rewritten:", late)
        """
    )
    pytester.makepyfile(helper_of_the_test="def check(x): assert x == 2")
    pytester.makepyfile(
        """
        import pytest
        from helper_of_the_test import check

        @pytest.mark.sim("tiny")
        def test_it(sim_recording):
            with pytest.raises(AssertionError, match="assert 1 == 2"):
                check(1)
        """
    )
    result = pytester.runpytest_subprocess("-W", "ignore::pytest.PytestAssertRewriteWarning")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["modules: True rewritten: []"])


def test_collecting_makes_no_reporter_and_no_specs(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure(config):
            print("ours:", sorted(name for name in sys.modules if name.startswith("pytest_calsim")))
        """
    )
    pytester.makepyfile("def test_it(tmp_path): pass")
    result = pytester.runpytest_subprocess("-p", "calsim", "--collect-only")
    ours = ["", ".errors", ".plugin", *(f".plugin.{name}" for name in ("fixtures", "hooks", "item_data", "options"))]
    assert [line for line in result.outlines if line.startswith("ours: ")] == [
        f"ours: {[f'pytest_calsim{name}' for name in ours]}"
    ]


def test_a_run_that_does_not_use_it_says_nothing(pytester, monkeypatch):
    pytester.makepyfile("def test_it(tmp_path): pass\ndef test_fails(): assert False")
    lines = []
    for arguments in ([], ["-p", "no:calsim"]):
        result = pytester.runpytest_subprocess("-p", "no:randomly", *arguments)
        lines.append([line for line in result.outlines if "plugins: " not in line and not re.search(r" in \d", line)])
        assert not result.errlines
    assert lines[0] == lines[1]
