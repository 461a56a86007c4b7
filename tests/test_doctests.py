import doctest
import importlib
import pkgutil

import pytest

import pytest_calsim

MODULES = [module.name for module in pkgutil.walk_packages(pytest_calsim.__path__, "pytest_calsim.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_do_what_they_show(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) >= 8
