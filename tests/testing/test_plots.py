"""The overlay and the report of an estimate."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from pytest_calsim import Estimate, Spec, StoreError, compare, load_preset, save_overlay, save_report, score, simulate
from pytest_calsim.errors import EstimateError, MissingExtraError

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("moving", overrides={"acquisition.duration_s": 4}))


@pytest.fixture(scope="module")
def estimate(recording):
    truth = recording.truth
    noise = np.random.default_rng(0).normal(size=truth.C.shape)
    return Estimate(
        A=truth.A_observed, C=truth.C.values + 0.1 * noise, shifts=-truth.shifts.values, convention="correction"
    )


PNG = b"\x89PNG\r\n\x1a\n"


def test_compare_matches_as_score_does(recording, estimate):
    comparison = compare(estimate, recording)
    numbers = score(estimate, recording).as_dict()
    assert len(comparison.found) == round(numbers["footprints.recall"] * numbers["footprints.n_counted"])
    others = int((np.diff(recording.truth.A_observed.indptr) > 0).sum()) - len(comparison.found)
    told = f"{len(comparison.found)} found, 0 missed, 0 spurious, {others} ignored"
    assert repr(comparison) == f"<TruthComparison: {told}>"
    np.testing.assert_allclose(comparison.shifts, recording.truth.shifts.values, atol=1e-5)


def test_compare_takes_traces_of_named_cells(recording):
    comparison = compare(Estimate(C=recording.truth.C.values[[5, 9]], cells=[5, 9]), recording, units="all")
    assert comparison.cell_of.tolist() == [5, 9]
    assert comparison.found.tolist() == [5, 9]
    assert len(comparison.spurious) == 0


def test_compare_takes_shifts_alone(recording):
    comparison = compare(Estimate(shifts=recording.truth.shifts.values + 3, convention="displacement"), recording)
    np.testing.assert_allclose(comparison.shifts, recording.truth.shifts.values, atol=1e-5)
    assert len(comparison.found) == 0


@pytest.mark.parametrize("given", ["estimate", None, "no footprints", "wrong shifts"])
def test_an_overlay_is_saved_whatever_was_found(given, recording, estimate, tmp_path):
    found = {
        "estimate": estimate,
        "no footprints": Estimate(C=estimate.C),
        "wrong shifts": Estimate(A=estimate.A, shifts=9 * recording.truth.shifts.values, convention="displacement"),
    }.get(given)
    path = tmp_path / "overlay.png"
    path.write_bytes(b"an older one")
    save_overlay(path, found, recording)
    assert path.read_bytes().startswith(PNG)
    assert list(tmp_path.iterdir()) == [path]


SMALL = {"duration_s": 1, "image_sensor": {"height_px": 32, "width_px": 40}}


def test_an_overlay_of_no_cells_is_the_movie(tmp_path):
    recording = simulate(Spec.make({"acquisition": SMALL, "steps": ["leakage", "sensor"]}))
    save_overlay(tmp_path / "overlay.png", Estimate(A=np.ones((1, *recording.frames.shape[1:]))), recording)
    assert (tmp_path / "overlay.png").read_bytes().startswith(PNG)


def test_an_overlay_takes_footprints_in_any_form_and_refuses_what_is_no_recording(recording, estimate, tmp_path):
    bare = tmp_path / "bare.png"
    whole = tmp_path / "whole.png"
    save_overlay(bare, np.asarray(estimate.A), recording)
    save_overlay(whole, Estimate(A=estimate.A), recording)
    assert bare.read_bytes() == whole.read_bytes()
    with pytest.raises(EstimateError, match=r"of type Estimate, which has no \.truth .* mind the order"):
        save_overlay(tmp_path / "overlay.png", recording, estimate)


def test_an_overlay_leaves_pyplot_alone(recording, tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    save_overlay(tmp_path / "overlay.png", None, recording)
    assert pyplot.get_fignums() == before


class Page(HTMLParser):
    """Headings, images and cells of a page; every tag is closed in order."""

    VOID = ("meta", "img", "!doctype")

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.headings = []
        self.images = 0
        self.cells = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.images += tag == "img"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_a_report_has_pictures_and_every_number(recording, estimate, tmp_path):
    path = tmp_path / "report.html"
    scores = save_report(path, estimate, recording)
    text = path.read_text("utf-8")
    page = Page(text)
    assert page.headings == [
        "Outlines",
        "Found, by signal",
        "Worst traces of the cells found",
        "Shifts",
        "Error of the shifts",
        "Shifts",
        "Footprints",
        "Traces",
    ]
    assert page.images == 5
    names = {name.partition(".")[2] for name in scores.as_dict()}
    assert names <= set(page.cells)
    assert f"{scores.as_dict()['traces.pearson']:.3g}" in page.cells
    assert recording.spec.key()[:12] in text
    assert not re.search(r"(src|href)=\"http", text)


def test_a_report_says_what_was_not_scored(recording, estimate, tmp_path):
    wrong = Estimate(A=estimate.A, C=estimate.C, shifts=recording.truth.shifts.values[:5], convention="displacement")
    with pytest.raises(EstimateError):
        save_report(tmp_path / "report.html", wrong, recording)
    assert not list(tmp_path.iterdir())
    unknown = Estimate(A=estimate.A, S=np.zeros((len(estimate.A), 3)))
    save_report(tmp_path / "report.html", unknown, recording)
    assert "not scored: " in (tmp_path / "report.html").read_text("utf-8")


def test_a_report_of_bare_footprints_has_no_traces(recording, tmp_path):
    save_report(tmp_path / "report.html", recording.truth.A_observed, recording)
    assert Page((tmp_path / "report.html").read_text("utf-8")).headings == [
        "Outlines",
        "Found, by signal",
        "Footprints",
    ]


def test_a_report_replaces_nothing_unasked(recording, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        save_report(path, recording.truth.A_observed, recording)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("save", [save_overlay, save_report])
def test_without_matplotlib_one_clear_line(save, recording, estimate, tmp_path, monkeypatch):
    for name in ("matplotlib.figure", "matplotlib.collections", "matplotlib.patheffects"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-calsim\[plot\]'"):
        save(tmp_path / "file", estimate, recording)
    assert not list(tmp_path.iterdir())


def test_notebooks_show_tables(recording, estimate):
    card = score(estimate, recording).cards[0]
    for thing, told in (
        (recording, "80 frames of 128 x 128 px"),
        (recording.truth, "A_observed"),
        (recording.spec, "place_neurons"),
        (card, "recall" if card.assertion == "footprints" else "rmse_px"),
    ):
        html = thing._repr_html_()
        Page(html)
        assert told in html
        assert len(html) < 20_000


def test_tables_escape_what_they_show():
    from pytest_calsim.arrays.html_table import html_table

    html = html_table("<b>", [["a & b", "<script>"]], ["<th>"])
    assert "<script>" not in html
    assert Page(html).cells == ["a & b", "<script>"]
