"""The command line: ``python -m pytest_calsim``."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pytest_calsim import Recording, load_preset, preset_names, preset_parts, preset_summary, score, simulate
from pytest_calsim.__main__ import main
from pytest_calsim.plugin.replay import Failure
from pytest_calsim.recording.cache import RecordingCache

SHORT = ["--set", "acquisition.duration_s=0.2"]


def test_presets(capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(preset_names())
    assert all(preset_summary(line.split()[0]) in line for line in lines)


def test_values_of_a_preset(capsys):
    assert main(["presets", "moving"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"acquisition.fps = 20.0", "brain_motion.max_shift_um = 10.0", "seed = 0"} <= set(lines)
    assert len(lines) == len(load_preset("moving").fields())


@pytest.mark.parametrize("unbuffered", ["1", ""], ids=["while it prints", "when it ends"])
def test_who_has_read_enough_hears_no_complaint(unbuffered):
    words = [sys.executable, "-m", "pytest_calsim", "presets", "moving"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_parts(capsys):
    assert main(["presets", "--parts"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(preset_parts())


def test_presets_of_ones_own(capsys, tmp_path):
    (tmp_path / "mine.toml").write_text("summary = 'first\\nsecond'\n".replace("\\n", "\\n"), "utf-8")
    (tmp_path / "theirs.toml").write_text("[tool]\n", "utf-8")
    assert main(["presets", "--preset-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "theirs" in out
    assert "unknown key 'tool'" in out


def test_presets_of_ones_own_by_the_environment(capsys, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("extends = ['tiny']\n[acquisition]\nfps = 9\n", "utf-8")
    monkeypatch.setenv("PYTEST_SIM_PRESET_DIR", str(tmp_path))
    assert main(["presets", "mine"]) == 0
    assert "acquisition.fps = 9.0" in capsys.readouterr().out.splitlines()
    (tmp_path / "nearer").mkdir()
    assert main(["presets", "mine", "--preset-dir", str(tmp_path / "nearer")]) == 1  # what is typed counts


def test_simulate(capsys, tmp_path):
    target = tmp_path / "recording"
    assert main(["simulate", "tiny", "-o", str(target), "--seed", "3", "--drop", "sensor", *SHORT]) == 0
    spec = load_preset("tiny", overrides={"acquisition.duration_s": 0.2}, seed=3, drop=["sensor"])
    assert Recording.load(target).spec == spec
    assert f"seed 3, key {spec.key()[:12]}" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["acquisition.focal_depth_um=auto", "acquisition.focal_depth_um=120.5", "seed=7"])
def test_values_are_numbers_where_they_look_like_it(tmp_path, text):
    assert main(["simulate", "tiny", "-o", str(tmp_path / "r"), "--set", text, *SHORT]) == 0
    path, _, value = text.partition("=")
    found = Recording.load(tmp_path / "r").spec.model_dump()
    for part in path.split("."):
        found = found[part]
    assert str(found) == value


def test_simulate_parts_in_order(tmp_path):
    size = ["--set", "acquisition.image_sensor.height_px=32", "--set", "acquisition.image_sensor.width_px=32"]
    arguments = ["scopes/miniscope_v4", "regions/ca1", "-o", str(tmp_path / "r"), *SHORT, *size]
    assert main(["simulate", *arguments]) == 0
    assert Recording.load(tmp_path / "r").observed.shape[1:] == (32, 32)


def test_simulate_says_how_long_each_step_took(capsys, tmp_path):
    assert main(["simulate", "tiny", "-v", "-o", str(tmp_path / "r"), *SHORT]) == 0
    *timed, saved, last = capsys.readouterr().out.splitlines()
    spec = load_preset("tiny")
    assert sorted(line.split()[1] for line in timed) == sorted(spec.kinds)
    assert all(line.startswith("planned ") and line.endswith(" s") for line in timed)
    assert saved.startswith("painted and saved in ")
    assert last.startswith(str(tmp_path / "r"))
    # The next command is quiet again.
    assert main(["simulate", "tiny", "-o", str(tmp_path / "r2"), *SHORT]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.fixture
def spec():
    return load_preset("tiny", overrides={"acquisition.duration_s": 2}, seed=3)


@pytest.fixture(params=["saved", "failure", "preset"])
def source(request, spec, tmp_path):
    """The arguments that name one and the same recording."""
    if request.param == "preset":
        return ["tiny", "--seed", "3", "--set", "acquisition.duration_s=2"]
    if request.param == "saved":
        simulate(spec).save(tmp_path / "saved")
        return [str(tmp_path / "saved")]
    Failure("test_it.py::test_it", spec.model_dump(mode="json"), spec.key()).write(tmp_path / "spec.json")
    return [str(tmp_path / "spec.json")]


def test_export(source, spec, capsys, tmp_path):
    assert main(["export", *source, "-o", str(tmp_path / "movie.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "movie.npy"), simulate(spec).observed.values)
    assert f"npy, 40 frames of 64 x 64 px, seed 3, key {spec.key()[:12]}" in capsys.readouterr().out


def test_export_by_the_formats_name(tmp_path):
    assert main(["export", "tiny", "-o", str(tmp_path / "movie"), "--format", "zarr", *SHORT]) == 0
    assert (tmp_path / "movie" / "observed").is_dir()


def test_score(source, spec, capsys, tmp_path):
    recording = simulate(spec)
    found = recording.truth.A_observed.dense()[:2]
    np.save(tmp_path / "found.npy", found)
    written = ["--json", str(tmp_path / "new" / "s.json"), "--report", str(tmp_path / "r.html")]
    assert main(["score", *source, str(tmp_path / "found.npy"), "--units", "all", "--min-iou", "0.7", *written]) == 0
    expected = score(found, recording, units="all", min_iou=0.7)
    assert capsys.readouterr().out == f"{expected}\n"
    assert json.loads((tmp_path / "new" / "s.json").read_text("utf-8")) == expected.as_dict()
    assert "<html" in (tmp_path / "r.html").read_text("utf-8")


def test_cache(capsys, tmp_path):
    RecordingCache(tmp_path).get(load_preset("tiny", overrides={"acquisition.duration_s": 0.2}), label="tiny")
    assert main(["cache", "show", "--dir", str(tmp_path)]) == 0
    assert "1 recordings" in capsys.readouterr().out
    assert main(["cache", "verify", "--dir", str(tmp_path)]) == 0
    assert main(["cache", "clear", "--dir", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["simulate", "tinny", "-o", "r"], "unknown preset 'tinny'; did you mean 'tiny'?"),
        (["simulate", "tiny", "-o", "r", "--set", "acquisition.fpss=3"], "did you mean 'fps'?"),
        (["simulate", "tiny", "-o", "r", "--drop", "sensr"], "did you mean 'sensor'?"),
        (["presets", "--preset-dir", "/nowhere"], "preset folder '/nowhere' does not exist"),
        (["simulate", "no.toml", "-o", "r"], "preset file no.toml: No such file or directory"),
        (["export", "tiny", "-o", "movie.mov"], "movie.mov: its name tells no format; give --format: tiff (.tif), "),
        (["export", "tiny", "-o", "movie", "--format", "tif"], "no movie format 'tif': did you mean 'tiff'?"),
        (["export", "tinny", "-o", "movie.npy"], "unknown preset 'tinny'; did you mean 'tiny'?"),
        (["export", "here.json", "-o", "movie.npy"], "here.json: is not the spec.json of a failed test"),
        (["export", "here.json", "-o", "movie.npy", "--seed", "1"], "--seed, --set and --drop change presets"),
        (["export", "gone.zarr.zip", "-o", "movie.npy"], "gone.zarr.zip: no such file"),
        (["simulate", "tiny", "-o", "here.json"], "here.json: exists already; choose another name, or remove it"),
        (["export", "tiny", "-o", "here.json", "--format", "npy"], "here.json: exists already"),
        (["score", "tiny", "nowhere.npy", "--report", "here.json"], "here.json: exists already"),
        (["cache", "show", "--dir", "here.json"], "here.json: is a file; give the folder of a cache"),
        (["notebooks", "here.json"], "here.json: File exists"),
        (["score", "tiny", "nowhere.npy"], "nowhere.npy: no such file or folder"),
        (["score", "tiny", "here.json"], "here.json: is neither .npy nor .npz"),
    ],
)
def test_what_cannot_be_done_is_one_line(capsys, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.json").write_text("{}", "utf-8")
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("pytest_calsim: ")
    assert said.count("\n") == 1
    assert line in said


@pytest.mark.parametrize(
    "arguments", [[], ["simulte"], ["cache", "eat"], ["simulate", "tiny", "-o", "r", "--set", "x"]]
)
def test_wrong_arguments_are_argparses_business(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m pytest_calsim" in capsys.readouterr().err


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('pytest_calsim', run_name='__main__')\n"
        "except SystemExit: print('numpy' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "False False"
