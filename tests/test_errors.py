"""The tree in the docstring is the tree of the classes."""

import inspect
import re

import pytest

from pytest_calsim import errors

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value) and name in errors.__all__}


def drawn_tree():
    """Each class in the drawing, with the names of its bases there."""
    above = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^ {4}([│ ]*(?:[├└]── )?)(\w+)(?:\((\w+)\))?(?:  |$)", line)
        if match:
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            yield match[2], {above[depth - 1] if depth else None, match[3]} - {None}


def test_every_class_is_drawn_with_its_bases():
    drawn = dict(drawn_tree())
    assert drawn.keys() >= CLASSES.keys()
    for name, error in CLASSES.items():
        bases = {base.__name__ for base in error.__bases__}
        assert drawn[name] in (bases, bases - {"Exception"}), name


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_says_what_it_tells(name):
    first = CLASSES[name].__doc__.split()[0]
    assert first in ("Tell", "Warn", "Base")


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("vignete", ["vignette", "leakage"], "did you mean 'vignette'?"),
        ("xyz", ["leakage", "vignette"], "known: leakage, vignette"),
        ("xyz", [], "none are known"),
        (3, ["leakage"], "known: leakage"),
    ],
)
def test_a_hint_names_the_nearest_or_all(name, known, hint):
    assert errors.nearest(name, known) == hint


@pytest.mark.parametrize("given", [3, None, b"x", ["a"]])
def test_what_is_no_path_is_refused_by_name(given):
    with pytest.raises(TypeError, match=r"^root = .* is no path: give text or a pathlib\.Path$"):
        errors.as_path(given, "root")


def test_text_and_paths_are_paths(tmp_path):
    assert errors.as_path(str(tmp_path)) == errors.as_path(tmp_path) == tmp_path
