"""Make the layers of the interactive figure: ``docs/assets/closure-layers.js``. Needs the extra ``plot``.

Usage: python docs/make_figure.py

Plain JavaScript cannot read the pixels of a picture file when the page is opened from disk, so the layers are in the
script, as pictures in data URLs.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from pytest_calsim import load_preset, plan

TARGET = Path(__file__).parent / "assets" / "closure-layers.js"
FRAMES = slice(0, 80, 2)
SMOOTH = 4
"""Layers without fine detail are stored at this many pixels to one."""

OVERRIDES = {
    "acquisition.duration_s": 4.0,
    "acquisition.image_sensor.height_px": 112,
    "acquisition.image_sensor.width_px": 112,
    "illumination.reference_radius_um": 131,
    "vignette.reference_radius_um": 131,
    "brain_motion.max_shift_um": 9,
    "cell_activity.mean_quiescent_s": 3,
    "vasculature.root_radius_um": 8,
}


def sprite(layer: np.ndarray, every: int = 1) -> dict[str, object]:
    """Put the frames ``(frame, height, width)`` below each other in one picture of 8 bits."""
    frames, height, width = layer.shape
    small = layer.reshape(frames, height // every, every, width // every, every).mean(axis=(2, 4))
    top = float(small.max()) or 1.0
    picture = io.BytesIO()
    codes = np.rint(small.clip(0) / top * 255).astype(np.uint8)
    Image.fromarray(codes.reshape(-1, width // every)).save(picture, format="PNG", optimize=True)
    url = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    return {"url": url, "top": round(top, 5), "frames": frames, "height": height // every, "width": width // every}


def layers() -> dict[str, object]:
    """The parts of the closure formula: light on the canvas per frame, fields on the sensor, shifts in px."""
    scene = plan(load_preset("miniscope_v4_ca1", overrides=OVERRIDES))
    n = scene.n_frames
    stages = [scene.paint(0, n, stage, canvas=True)[FRAMES] for stage in ("render", "background_cells", "neuropil")]
    side = stages[0].shape[1] // SMOOTH * SMOOTH
    cells, background, neuropil = (stage[:, :side, :side] for stage in np.diff([0 * stages[0], *stages], axis=0))
    truth = scene.truth()
    chip = scene.spec.acquisition.image_sensor
    sensor_step = scene.spec.step("sensor")
    return {
        "cells": sprite(cells),
        "background": sprite(background, SMOOTH),
        "neuropil": sprite(neuropil, 2),
        "illumination": sprite(truth["illumination"].values[None]),
        "vignette": sprite(truth["vignette"].values[None]),
        "leakage": sprite(truth["leakage"].values[None]),
        "shifts": np.round(truth["shifts"].values[FRAMES], 2).tolist(),
        "margin": scene.canvas.margin_px,
        "side": chip.width_px,
        "electrons": round(sensor_step.photons_per_unit(scene.spec.acquisition) * chip.quantum_efficiency, 1),
        "read_noise_e": chip.read_noise_e,
        "codes_per_electron": chip.gain_adu_per_e / 2 ** (chip.adc_bit_depth - chip.bit_depth),
        "black_level": chip.black_level_adu / 2 ** (chip.adc_bit_depth - chip.bit_depth),
    }


if __name__ == "__main__":
    TARGET.write_text("// Written by docs/make_figure.py.\nconst CLOSURE_LAYERS = " + json.dumps(layers()) + ";\n")
    print(f"{TARGET.name}  {TARGET.stat().st_size / 1000:.0f} kB")
