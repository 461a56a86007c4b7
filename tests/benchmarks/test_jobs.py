"""The benchmark's own workloads still run, on small sizes; nothing is timed here."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def ours():
    spec = importlib.util.spec_from_file_location("ours", Path(__file__).parent / "ours.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recording(ours, tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "movie"
    assert ours.movie(str(path), side_px=256, frames=20)["units"] > 100
    return str(path)


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("dense", [True, False])
def test_scores(ours, recording, everything, dense):
    assert ours.score(recording, units=30, everything=everything, dense=dense)["matched"] == 30


def test_tiny_comes_from_the_cache(ours, tmp_path):
    assert ours.tiny(str(tmp_path))["shape"] == ours.tiny(str(tmp_path))["shape"]


def test_fixture_and_sensor(ours):
    assert ours.fixture()["shape"] == (40, 128, 128)
    assert ours.sensor_pass(1)["pixels"] == 608**2


def test_facts_of_the_fixture(ours):
    assert ours.facts()["cells"] == 6
