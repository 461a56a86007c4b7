"""Measure every preset, and write the gallery page from the measurements. Needs the `examples` extra.

Usage: python docs/make_gallery.py [preset ...]     (without names: all of them, some ten minutes)

Measurements are kept in `docs/data/preset_cards.json`; the page is written whole each time. Pictures are made by
`make_pictures.py`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pytest_calsim import Estimate, Recording, Spec, load_preset, plan, preset_names, score, simulate
from pytest_calsim.errors import SpecWarning
from pytest_calsim.steps.cells.cell_activity import Activity

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "examples"))
from light_pipeline import find_cells, move, put_back, register  # noqa: E402

CARDS = DOCS / "data" / "preset_cards.json"
PAGE = DOCS / "gallery.md"

WHOLE_PX = 256
PART_PX = 128
"""The light pipeline and the photon transfer get so much of a side that is longer than ``WHOLE_PX``."""

SEEDS = 5

PLOTS = {
    "frame": "`frame()`",
    "max_projection": "`max_projection()`",
    "contours": "`contours()`",
    "contours_compared": "`contours(comparison)`: a third of the cells left out, and two made up",
    "traces": "`traces()`",
    "traces_compared": "`traces(comparison=comparison)`",
    "shifts_compared": "`shifts(comparison)`",
    "detection": "`detection_curve()`",
    "detection_compared": "`detection_curve(comparison)`",
    "footprint": "`footprint(unit)`",
    "placement": "`placement()`",
    "fields": "`fields()`",
    "layers": "`layers()`",
}
"""What `recording.plot` draws: the call, by the name of the picture that `make_pictures.py` makes of it."""

INTRODUCTION = f"""# Gallery

Every preset, as the package ships it. Left: one frame. Middle: the largest rise above the mean over the recording, cell-sized structure only, motion undone by the true shifts. Right: true traces. Contrast is stretched in each.

How to read a card:

- *Contrast at rest* and *transient* are of the cells in focus: a cell's own light at rest, and in its typical transient, over all other light in its brightest pixel. Medians.
- *Brightness over the field* is the 99th over the 1st percentile of the expected image, black level taken off. About 2.5 in real movies; `grin_low_na_ca1` has more by its relay's fall-off: without its vignette 2.3, without its uneven light 2.5.
- *Photon transfer* is the slope of the variance in time over the mean, of silent cells without motion, divided by the sensor's own gain: 1 when the noise is what the gain says.
- *Recall of the light pipeline*: of the example suite's pipeline on {SEEDS} seeds, on {PART_PX} × {PART_PX} pixels of the larger sensors. It says how hard a recording is, not what a real pipeline reaches. No preset is tuned to it, and no test asks for it.
- Times are of one core of the machine that the page on [performance](performance.md) names.

This page is written by `python docs/make_gallery.py`, its pictures by `python docs/make_pictures.py`.

The truth of `miniscope_v4_ca1`, over its mean:

![The cells of miniscope_v4_ca1 over its mean: detectable, not detectable, outside the field of view](pictures/truth.png)
"""  # noqa: E501  (a paragraph is one line)

ABOUT_PLOTS = """## Pictures of a recording

What `recording.plot` draws of `moving` ([how to](how-to/look-and-export.md)), in matplotlib's default style and in its dark one. Written by `python docs/make_pictures.py plots`.
"""  # noqa: E501


# --- measurements ------------------------------------------------------------------------------------------------


def measured(name: str) -> dict[str, Any]:
    """Return all that a preset's card says in figures."""
    spec = load_preset(name)
    recording = simulate(spec)
    cells = recording.truth.cells
    return {
        "shape": recording.frames.shape,
        "in_view": int(cells["in_fov"].sum()),
        "detectable": int(cells["detectable"].sum()),
        "cpu_s": round(seconds_to_simulate(spec), 1),
        **contrast(recording),
        "photon_transfer": round(photon_transfer(spec), 2),
        "found": [found_of_detectable(spec.edit(seed=seed)) for seed in range(SEEDS)],
    }


def seconds_to_simulate(spec: Spec) -> float:
    """Return the CPU time from a spec to its file, s."""
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        simulate(spec).save(Path(folder) / "recording.zarr.zip")
    return time.process_time() - begin


def contrast(recording: Recording) -> dict[str, float]:
    """Return contrasts in the brightest pixel of each cell in focus, and the expected image's range."""
    scene = plan(recording.spec)
    truth = recording.truth
    cells = truth.cells
    light = scene.expected_light().ravel().astype(float)
    fields = scene.gain_of_fields().ravel().astype(float)
    typical = scene.require(Activity).typical_transient
    amplitude = cells["amplitude"].to_numpy()
    focused = (cells["in_fov"] & cells["soma_in_focus"] & (cells["fov_fraction"] > 0.99)).to_numpy()
    rest: list[float] = []
    transient: list[float] = []
    for unit in np.flatnonzero(focused):
        pixels, values = truth.A_observed.unit(int(unit))
        pixel = pixels[values.argmax()]
        gain = values.max() * fields[pixel]
        other = light[pixel] - amplitude[unit] * gain
        rest.append(amplitude[unit] * gain / other)
        transient.append(typical[unit] * gain / other)
    (low, high) = np.percentile(scene.expected_codes() - black_level(recording.spec), [1, 99])
    return {
        "rest": round(float(np.median(rest)), 3),
        "transient": round(float(np.median(transient)), 3),
        "p99_over_p1": round(float(high / low), 2) if low > 0 else None,
    }


def black_level(spec: Spec) -> float:
    """Return the code of a dark pixel."""
    sensor = spec.acquisition.image_sensor
    return sensor.black_level_adu * 2.0 ** (sensor.bit_depth - sensor.adc_bit_depth)


def part_of_sensor(spec: Spec) -> Spec:
    """Return the same preset on the middle of a large sensor."""
    sensor = spec.acquisition.image_sensor
    cut = {name: PART_PX for name in ("height_px", "width_px") if getattr(sensor, name) > WHOLE_PX}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)  # the motion is large for a small field
        return spec.edit({f"acquisition.image_sensor.{name}": px for name, px in cut.items()})


def photon_transfer(spec: Spec) -> float:
    """Return the slope of the variance between frames over the mean code, relative to the sensor's own gain."""
    silent = {"acquisition.duration_s": 5, "cell_activity.dff_per_spike": 0}
    still = part_of_sensor(spec).edit(silent, drop=sorted({"brain_motion"} & set(spec.kinds)))
    movie = simulate(still).observed.values.astype(float)
    variance = (np.diff(movie, axis=0) ** 2).mean(axis=0) / 2
    slope = np.polyfit(movie.mean(axis=0).ravel(), variance.ravel(), 1)[0]
    sensor = spec.acquisition.image_sensor
    return float(slope / (sensor.gain_adu_per_e * 2.0 ** (sensor.bit_depth - sensor.adc_bit_depth)))


def found_of_detectable(spec: Spec) -> tuple[int, int]:
    """Return how many detectable cells the light pipeline finds, and of how many; it registers what moves."""
    recording = simulate(part_of_sensor(spec))
    movie = recording.observed
    if recording.truth.shifts is None:
        estimate = Estimate(A=find_cells(movie).clip(0))
    else:
        correction = register(movie)
        frames, part = move(movie, correction)
        footprints = put_back(find_cells(frames).clip(0), part, movie.shape[1:])
        estimate = Estimate(A=footprints, shifts=correction, convention="correction")
    n_detectable = len(recording.truth.detectable_subset())
    recall = score(estimate, recording).as_dict().get("footprints.recall", 0.0)
    return round(recall * n_detectable), n_detectable


# --- the page ----------------------------------------------------------------------------------------------------


def page(cards: dict[str, dict[str, Any]]) -> str:
    """Return the gallery page from the measurements of all presets."""
    parts: set[str] = set()
    sections = [INTRODUCTION]
    for name in preset_names():
        table = preset_table(name)
        parts |= {part for part in table.get("extends", []) if "/" in part}
        sections.append(card(name, table, cards[name]))
    sections.append("## What they are made of\n")
    for part in sorted(parts):
        table = preset_table(part)
        base = "".join(f" It extends `{name}`." for name in table.get("extends", []))
        sections.append(f"**`{part}`**. {table['summary']}.{base}\n\n{sources(table)}")
    sections.append(ABOUT_PLOTS)
    for name, call in PLOTS.items():
        light = f"![{name}](pictures/plots/{name}.png)"
        sections.append(f"{call}\n\n{light} ![{name}, dark](pictures/plots/{name}_dark.png)\n")
    return "\n".join(sections).rstrip() + "\n"


def card(name: str, table: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return one preset's section."""
    acquisition = load_preset(name).acquisition
    (frames, height, width) = facts["shape"]
    made_of = ", ".join(f"`{part}`" for part in table.get("extends", []))
    if table.keys() & {"acquisition", "steps", "drop"}:
        made_of += ", and changes of its own"
    over = facts["p99_over_p1"]
    recalls = [found / of for found, of in facts["found"] if of]
    counts = ", ".join(f"{found} of {of}" for found, of in facts["found"])
    rows = {
        "asked for by": f'`@pytest.mark.sim("{name}")`',
        "movie": f"{frames} frames of {height} × {width} px at {acquisition.fps:g} fps, "
        f"{acquisition.image_sensor.bit_depth} bit",
        "cells in view": f"{facts['in_view']}, {facts['detectable']} of them detectable",
        "to simulate and store it": f"{facts['cpu_s']:.1f} CPU s",
        "contrast at rest, transient": f"{100 * facts['rest']:.1f} %, {100 * facts['transient']:.1f} %",
        "brightness over the field": "dark between the cells" if over is None else f"{over:.2f}",
        "photon transfer": f"{facts['photon_transfer']:.2f}",
        "recall of the light pipeline": f"median {np.median(recalls):.2f} ({counts})",
        "made of": made_of,
    }
    lines = [f"## {name}", "", f"{table['summary']}.", "", f"![{name}](pictures/presets/{name}.png)", ""]
    lines += ["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows.items()), "", sources(table)]
    return "\n".join(lines).rstrip() + "\n"


def sources(table: dict[str, Any]) -> str:
    """Return the sources of a preset's figures, a line each."""
    return "".join(f"- {source}\n" for source in table.get("sources", []))


def preset_table(name: str) -> dict[str, Any]:
    """Return a preset's own file, without what it extends."""
    return tomllib.loads((DOCS.parent / "presets" / f"{name}.toml").read_text(encoding="utf-8"))


def main() -> None:
    """Measure the presets named, or all, and write the page."""
    cards = json.loads(CARDS.read_text(encoding="utf-8")) if CARDS.exists() else {}
    wanted = sys.argv[1:] or preset_names()
    unknown = set(preset_names()) - cards.keys() - set(wanted)
    if unknown:
        sys.exit(f"nothing is known of {', '.join(sorted(unknown))}: run without names, which measures all presets")
    for name in wanted:
        cards[name] = measured(name)
        print(name, cards[name], flush=True)
        CARDS.write_text(json.dumps(dict(sorted(cards.items())), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(cards), encoding="utf-8")


if __name__ == "__main__":
    main()
