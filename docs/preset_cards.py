"""Measure what the gallery says of each preset, kept in `docs/data/preset_cards.json`. Needs the `examples` extra.

Usage: python docs/preset_cards.py [name ...]     (without names: all of them, some minutes)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from pytest_calsim import Spec, load_preset, plan, preset_names, score, simulate
from pytest_calsim.steps.cells.cell_activity import Activity

DOCS = Path(__file__).parent
CARDS = DOCS / "data" / "preset_cards.json"
SIDE_PX = 128
SEEDS = 5


def still(spec: Spec, **sides: int) -> Spec:
    """Return a preset without motion and bleaching, on a part of its sensor."""
    sensor = spec.acquisition.image_sensor
    size = {name: min(px, getattr(sensor, name)) for name, px in sides.items()}
    changes = {f"acquisition.image_sensor.{name}": px for name, px in size.items()}
    return spec.edit(changes, drop=[kind for kind in ("brain_motion", "bleaching") if kind in spec.kinds])


def look(spec: Spec) -> dict[str, float]:
    """Measure contrasts in the middle of each soma that is in focus, and the picture's range, with cells at rest.

    ``rest`` and ``transient`` are a cell's own light at rest and in its median transient, over all other light there.
    """
    scene = plan(spec)
    truth = simulate(spec).truth
    cells = truth.cells
    light = scene.expected_light().ravel().astype(float)
    fields = scene.gain_of_fields().ravel().astype(float)
    typical = scene.require(Activity).typical_transient
    rest = []
    transient = []
    for unit in np.flatnonzero(cells.in_fov & cells.soma_in_focus & (cells.fov_fraction > 0.99)):
        pixels, values = truth.A_observed.unit(int(unit))
        brightest = values.argmax()
        gain = values[brightest] * fields[pixels[brightest]]
        under = light[pixels[brightest]] - cells.amplitude[unit] * gain
        rest.append(cells.amplitude[unit] * gain / under)
        transient.append(typical[unit] * gain / under)
    sensor = spec.acquisition.image_sensor
    black = sensor.black_level_adu * 2.0 ** (sensor.bit_depth - sensor.adc_bit_depth)
    low, high = np.percentile(scene.expected_codes() - black, [1, 99])
    return {
        "rest": float(np.median(rest)),
        "transient": float(np.median(transient)),
        "p99_over_p1": float(high / low) if low > 0 else float("nan"),
    }


def photon_transfer(spec: Spec) -> float:
    """Return the slope of the variance between frames over the mean code, relative to the sensor's own gain."""
    spec = still(spec, height_px=SIDE_PX, width_px=SIDE_PX).edit({"acquisition.duration_s": 5})
    movie = simulate(spec).observed.values.astype(float)
    mean = movie.mean(axis=0).ravel()
    variance = (np.diff(movie, axis=0) ** 2).mean(axis=0).ravel() / 2
    sensor = spec.acquisition.image_sensor
    slope = np.polyfit(mean, variance, 1)[0]
    return float(slope / (sensor.gain_adu_per_e * 2.0 ** (sensor.bit_depth - sensor.adc_bit_depth)))


def recalls(spec: Spec) -> list[float]:
    """Return the light pipeline's recall on a part of the sensor without motion, for five seeds."""
    sys.path.insert(0, str(DOCS / "examples"))
    from light_pipeline import find_cells

    found = []
    for seed in range(SEEDS):
        recording = simulate(still(spec, height_px=SIDE_PX, width_px=SIDE_PX).edit(seed=seed))
        footprints = find_cells(recording.observed)
        found.append(score(footprints.clip(0), recording).as_dict()["footprints.recall"] if len(footprints) else 0.0)
    return found


def main() -> None:
    """Measure the presets named, or all, and keep what is known of the others."""
    cards = json.loads(CARDS.read_text()) if CARDS.exists() else {}
    for name in sys.argv[1:] or preset_names():
        spec = load_preset(name)
        card = look(spec)
        card["photon_transfer"] = photon_transfer(spec)
        cards[name] = {key: round(value, 4) for key, value in card.items()}
        cards[name]["recall"] = [round(recall, 2) for recall in recalls(spec)]
        CARDS.write_text(json.dumps(dict(sorted(cards.items())), indent=1) + "\n")
        print(name, cards[name], flush=True)


if __name__ == "__main__":
    main()
