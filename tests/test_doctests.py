import doctest
import importlib
import inspect
import pkgutil

import pytest

import pytest_calsim

MODULES = [module.name for module in pkgutil.walk_packages(pytest_calsim.__path__, "pytest_calsim.")]
FINDER = doctest.DocTestFinder()
FUNCTIONS = [name for name in pytest_calsim.__all__ if inspect.isfunction(getattr(pytest_calsim, name))]


def failures(tests):
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    return runner.failures


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_do_what_they_show(name):
    assert failures(FINDER.find(importlib.import_module(name))) == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_of_public_functions_do_what_they_show(name):
    """Doctest does not look for decorated functions in their module."""
    function = getattr(pytest_calsim, name)
    namespace = dict(inspect.unwrap(function).__globals__)
    assert failures(FINDER.find(function, name, globs=namespace)) == 0


SCORING = [name for name in FUNCTIONS if getattr(pytest_calsim, name).__module__.startswith("pytest_calsim.testing.")]


@pytest.mark.parametrize("name", SCORING)
def test_every_public_function_of_scoring_has_an_example(name):
    assert ">>> " in inspect.getdoc(getattr(pytest_calsim, name))


def test_there_are_examples():
    assert len(SCORING) >= 10
