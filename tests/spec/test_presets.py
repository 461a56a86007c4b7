"""Presets: data built from data, found wherever the package is installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.spec.presets import compose_presets, load_preset, preset_names, preset_parts, preset_summary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shelf(tmp_path):
    """A folder of presets; ``shelf(name, text)`` puts one there."""

    def write(name, text):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return tmp_path

    return write


SCOPE = """
summary = "a scope"
[acquisition]
fps = 10
[acquisition.image_sensor]
height_px = 16
width_px = 24
[steps.vignette]
corner_fraction = 0.5
exponent = 4
"""

WHOLE = """
summary = "the whole"
sources = ["a measurement"]
extends = ["scopes/small", "conditions/leaky"]
seed = 3
[acquisition]
duration_s = 2
[acquisition.image_sensor]
width_px = 32
[steps.vignette]
corner_fraction = 0.9
"""


def test_files_are_applied_in_order_and_merged_key_by_key(shelf):
    shelf("scopes/small", SCOPE)
    shelf("conditions/leaky", "[acquisition]\nfps = 20\n[steps.leakage]\nlevel = 2\n")
    folder = shelf("whole", WHOLE)

    spec = load_preset("whole", extra_dir=folder)

    acquisition = spec.acquisition
    assert (acquisition.fps, acquisition.duration_s) == (20, 2)  # the later file wins
    assert (acquisition.image_sensor.height_px, acquisition.image_sensor.width_px) == (16, 32)
    assert spec.kinds == ("leakage", "vignette")
    vignette = spec.step("vignette")
    assert (vignette.corner_fraction, vignette.exponent) == (0.9, 4)
    assert spec.seed == 3
    assert preset_summary("whole", extra_dir=folder) == "the whole"


def test_parts_are_not_on_offer(shelf):
    shelf("scopes/small", SCOPE)
    folder = shelf("whole", WHOLE)
    assert "whole" in preset_names(folder)
    assert not any("/" in name or name == "small" for name in preset_names(folder))
    with pytest.raises(SpecError, match="unknown preset 'scopes/small'"):
        load_preset("scopes/small", extra_dir=folder)


def test_drop_takes_a_step_out_of_what_came_before(shelf):
    shelf("scopes/small", SCOPE)
    shelf("conditions/flat", 'drop = ["vignette"]\n[steps.leakage]\n')
    folder = shelf("whole", 'extends = ["scopes/small", "conditions/flat"]')
    assert load_preset("whole", extra_dir=folder).kinds == ("leakage",)


def test_changes_are_those_of_spec_edit(shelf):
    folder = shelf("whole", SCOPE)
    spec = load_preset(
        "whole",
        overrides={"acquisition.fps": 5},
        seed=9,
        add=[{"kind": "leakage", "level": 1}],
        drop=["vignette"],
        extra_dir=folder,
    )
    assert (spec.acquisition.fps, spec.seed, spec.kinds) == (5, 9, ("leakage",))


def test_a_users_preset_extends_and_hides_the_packages(shelf):
    folder = shelf("mine", 'extends = ["tiny"]\nseed = 7\n')
    assert load_preset("mine", extra_dir=folder) == load_preset("tiny", seed=7)
    shelf("tiny", "summary = 'another'\nseed = 1\n")
    assert load_preset("tiny", extra_dir=folder).kinds == ()


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_preset_by_the_path_of_its_file(shelf, monkeypatch, as_path):
    shelf("scopes/small", SCOPE)
    shelf("leaky", "extends = ['scopes/small']\n[steps.leakage]\n")
    folder = shelf("lone", "extends = ['leaky', 'tiny']\nseed = 5\n")
    spec = load_preset(as_path(folder / "lone.toml"), overrides={"acquisition.fps": 15})
    assert (spec.seed, spec.acquisition.fps) == (5, 15)
    assert {"leakage", "vignette", "place_neurons"} <= set(spec.kinds)
    monkeypatch.chdir(folder.parent)
    assert load_preset(as_path(f"{folder.name}/lone.toml"), overrides={"acquisition.fps": 15}) == spec


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without", "with"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_files_of_windows_making(tmp_path, mark, end):
    (tmp_path / "mine.toml").write_bytes(
        mark + end.join([b'summary = "mine"', b'extends = ["tiny"]', b"seed = 2", b""])
    )
    assert load_preset("mine", extra_dir=tmp_path) == load_preset("tiny", seed=2)
    assert preset_summary("mine", extra_dir=tmp_path) == "mine"


@pytest.mark.parametrize("summary", ['"one\\ntwo"', '"""\n  one\n  two\n"""', '"one\\r\\n\\ttwo"', '"  one two "'])
def test_a_summary_is_one_line(shelf, summary):
    folder = shelf("mine", f"summary = {summary}")
    assert preset_summary("mine", extra_dir=folder) == "one two"


@pytest.mark.parametrize(
    "content",
    [b"[build-system]\nrequires = []\n", b"summary = 3\n", b"not toml", b"\xff\xfe", b"a = 1\n\n[b]\nc = '\n"],
    ids=["foreign", "type", "syntax", "bytes", "lines"],
)
def test_a_file_that_is_no_preset_harms_no_other(shelf, content):
    folder = shelf("mine", 'extends = ["tiny"]')
    (folder / "bad.toml").write_bytes(content)
    assert load_preset("mine", extra_dir=folder) == load_preset("tiny")
    with pytest.raises(SpecError, match=r"^preset file .*bad\.toml: ") as caught:
        preset_summary("bad", extra_dir=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../presets/tiny", "/tiny", "", ".", "scopes/../tiny", "scopes", "tiny/"])
def test_no_name_leads_out_of_the_folders(name):
    with pytest.raises(SpecError, match=r"^unknown preset "):
        load_preset(name)
    with pytest.raises(SpecError, match=r"^unknown preset "):
        compose_presets("tiny", name)


def test_presets_are_composed_as_extends_does(shelf):
    shelf("scopes/small", SCOPE)
    shelf("conditions/leaky", "[acquisition]\nfps = 20\n[steps.leakage]\nlevel = 2\n")
    folder = shelf("whole", 'extends = ["scopes/small", "conditions/leaky"]\n')
    composed = compose_presets("scopes/small", "conditions/leaky", extra_dir=folder)
    assert composed == load_preset("whole", extra_dir=folder)
    changed = compose_presets(
        "scopes/small",
        "conditions/leaky",
        overrides={"leakage.level": 3},
        seed=4,
        add=["illumination"],
        drop=["vignette"],
        extra_dir=folder,
    )
    assert changed.kinds == ("illumination", "leakage")
    assert (changed.seed, changed.step("leakage").level, changed.acquisition.fps) == (4, 3, 20)
    # The later one wins, and what both extend is applied again.
    assert compose_presets("conditions/leaky", "scopes/small", extra_dir=folder).acquisition.fps == 10
    assert compose_presets("tiny") == load_preset("tiny")


def test_every_part_of_the_package_has_a_name_and_is_composed():
    parts = preset_parts()
    assert parts == tuple(sorted(parts))
    assert {part.split("/")[0] for part in parts} == {"scopes", "regions", "conditions"}
    scopes = [part for part in parts if part.startswith("scopes/")]
    regions = [part for part in parts if part.startswith("regions/")]
    for scope in scopes:
        for region in regions:
            assert "place_neurons" in compose_presets(scope, region).kinds


def test_a_composition_that_cannot_be_is_one_line():
    with pytest.raises(
        SpecError, match=r"^unknown preset 'scopes/miniscope_v5'; did you mean 'scopes/miniscope_v4'\?$"
    ):
        compose_presets("scopes/miniscope_v5", "regions/ca1")
    with pytest.raises(SpecError, match=r"^compose_presets\(\) has no name; give presets or parts: conditions/"):
        compose_presets()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("whole", "extends = ['wole']", r"whole\.toml: extends unknown preset 'wole'; did you mean 'whole'\?$"),
        (
            "whole",
            "extends = ['whole']",
            r"whole\.toml: presets extend each other in a circle, whole -> whole: take one of these out of `extends`$",
        ),
        ("whole", "seed = = 1", r"preset file .*whole\.toml: Invalid value.*$"),
        ("whole", "stepz = 1", r"whole\.toml: unknown key 'stepz'; did you mean 'steps'\?$"),
        ("whole", "extends = 'tiny'", r"whole\.toml: extends = 'tiny' must be a list$"),
        ("whole", "extends = [3]", r"whole\.toml: extends = \[3\] must be a list of texts$"),
        ("whole", "[steps]\nleakage = 3", r"whole\.toml: steps\.leakage = 3 must be a table of the step's fields$"),
        ("whole", "drop = ['leakage']", r"whole\.toml: drops 'leakage', which is not there; none are known$"),
        ("whole", "[steps.leakige]", r"whole\.toml\): .*unknown step kind 'leakige'; did you mean 'leakage'\?$"),
        (
            "whole",
            "[steps.leakage]\nlevle = 1",
            r"whole\.toml\): .*leakage\.levle: no such field; did you mean 'level'\?$",
        ),
        ("whole", "[acquisition]\nfps = -1", r"whole\.toml\): acquisition\.fps = -1: .*greater than or equal.*$"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name(shelf, name, text, line):
    folder = shelf(name, text)
    with pytest.raises(SpecError, match=line) as caught:
        load_preset(name, extra_dir=folder)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_one_line():
    with pytest.raises(SpecError, match=r"^unknown preset 'tinny'; did you mean 'tiny'\?$"):
        load_preset("tinny")
    with pytest.raises(SpecError, match=r"^preset folder '/nowhere' does not exist: create it, or correct the path$"):
        preset_names("/nowhere")
    with pytest.raises(SpecError, match=r"^preset folder '.*' is a file: give its folder$"):
        preset_names(__file__)


@pytest.mark.parametrize("name", [3, None, ["tiny"], b"tiny"])
def test_what_is_no_name_is_told_so(name):
    for call in (load_preset, preset_summary, compose_presets):
        with pytest.raises(SpecError, match=r"^a preset is its name, such as 'tiny', or the path of its file, not "):
            call(name)
    with pytest.raises(TypeError, match="extra_dir = 3 is no path"):
        load_preset("tiny", extra_dir=3)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_it_is_and_is_a_spec(name):
    assert len(preset_summary(name)) > 20
    assert load_preset(name).stages[-1] == "sensor"


def test_the_presets_for_ci_are_8_bit():
    for name in ("tiny", "static", "moving", "miniscope_v4_ca1"):
        assert load_preset(name).acquisition.image_sensor.bit_depth == 8


def test_no_two_files_say_the_same():
    texts = [path.read_text("utf-8") for path in (ROOT / "presets").rglob("*.toml")]
    assert len(set(texts)) == len(texts)


@pytest.mark.slow
def test_a_wheel_carries_the_presets(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(installed)
    code = "import pytest_calsim.spec.presets as p; print(p.__file__, *p.preset_names()); p.load_preset('tiny')"
    env = {"PYTHONPATH": str(installed), "PATH": ""}
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True, cwd=tmp_path
    )
    where, *names = run.stdout.split()
    assert where.startswith(str(installed))
    assert tuple(names) == preset_names()
