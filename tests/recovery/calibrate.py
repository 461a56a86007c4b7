"""Calibrate what ``detectable`` means: run pipelines on simulated movies and see which cells they find.

Usage: python tests/recovery/calibrate.py [--pipelines light minian suite2p] [--movies N] [--python NAME=PATH ...]

Needs Python 3.11, for minian. Each pipeline runs in an environment that is made for it once (``.venv-NAME`` beside the
package), or in the interpreter given by ``--python``. Estimates are kept in ``.calibration`` by pipeline and movie, so
that an interrupted run goes on where it was. All pipelines on all 24 movies take about 40 minutes of one core. The
report goes to ``.calibration/report.json`` and to the terminal, each cell to ``.calibration/cells.csv``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from run import ALONE, REQUIREMENTS, environment

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
KEPT = ROOT / ".calibration"
JUDGED = (2, 12)
"""Range of snr_peak whose cells decide: below it nobody finds a cell, above it everybody does."""

SIDE_PX = 96
"""Pixels on each side of a movie: minian takes 3 ms a pixel."""


class Movie(NamedTuple):
    """One recording: ``static`` on 96 x 96 pixels with a seed, and so many times its light and its cells."""

    seed: int
    light: float
    density: float

    @property
    def spec(self) -> Any:
        """Return what is simulated."""
        from pytest_calsim import load_preset

        spec = load_preset("static")
        populations = tuple(
            {**p.model_dump(), "density_per_mm3": self.density * p.density_per_mm3}
            for p in spec.step("place_neurons").populations
        )
        chip = spec.acquisition.image_sensor
        more = max(self.light, 1.0)  # a chip for more light: it holds more electrons, with as many codes
        changes = {
            "place_neurons.populations": populations,
            "sensor.photon_rate_per_s_um2": self.light * spec.step("sensor").photon_rate_per_s_um2,
            "acquisition.image_sensor.height_px": SIDE_PX,
            "acquisition.image_sensor.width_px": SIDE_PX,
            "acquisition.image_sensor.full_well_e": more * chip.full_well_e,
            "acquisition.image_sensor.gain_adu_per_e": chip.gain_adu_per_e / more,
        }
        return spec.edit(changes, seed=self.seed)

    @property
    def key(self) -> str:
        """Return a name that changes when any bit of the movie does."""
        from pytest_calsim.spec.versions import SIM_VERSION

        digest = hashlib.sha256(f"{SIM_VERSION} {self.spec.model_dump_json()}".encode()).hexdigest()[:10]
        return f"seed{self.seed}-light{self.light:g}-density{self.density:g}-{digest}"


def movies() -> list[Movie]:
    """Return 24 movies of 12 seeds, three levels of light and two densities, not all combined."""
    usual = [Movie(seed, 1, 1) for seed in range(12)]
    dim = [Movie(seed, 0.25, 1) for seed in range(4)]
    bright = [Movie(seed, 4, 1) for seed in range(4, 8)]
    crowded = [Movie(seed, 1, 2) for seed in range(8, 12)]
    return usual + dim + bright + crowded


# --- pipelines, in their own environments ----------------------------------------------------------------------------


def light(movie: Any, folder: Path) -> Any:
    """Run the pipeline of ``docs/examples``."""
    sys.path.insert(0, str(ROOT / "docs" / "examples"))
    from light_pipeline import find_cells

    return find_cells(movie)


def minian(movie: Any, folder: Path) -> Any:
    """Run the chain of ``minian_pipeline.py``."""
    from minian_pipeline import find_cells

    return find_cells(movie, folder)["A"].transpose("unit_id", "height", "width").values


def suite2p(movie: Any, folder: Path) -> Any:
    """Run suite2p without registration, at the settings that suit cells of 7 px and GCaMP6f."""
    import torch

    # Some builds of torchvision lack the operators of torch's, which suite2p imports and never calls.
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

    import suite2p as package
    import tifffile

    tifffile.imwrite(folder / "movie.tif", movie.values.astype(np.int16))
    settings = package.default_settings()
    settings["fs"] = 20.0
    settings["tau"] = 0.3
    settings["torch_device"] = "cpu"
    settings["run"]["do_registration"] = 0
    settings["detection"]["sparsery_settings"]["spatial_scale"] = 1
    package.run_s2p(db={"data_path": [str(folder)], "save_path0": str(folder), "nplanes": 1}, settings=settings)
    plane = folder / "suite2p" / "plane0"
    from pytest_calsim import Estimate

    stat = np.load(plane / "stat.npy", allow_pickle=True)
    return np.asarray(Estimate.from_suite2p(stat, shape=movie.shape[1:]).A)


PIPELINES: dict[str, Callable[[Any, Path], Any]] = {"light": light, "minian": minian, "suite2p": suite2p}


def work(pipeline: str, chosen: list[Movie]) -> None:
    """Run a pipeline on the movies whose estimates are missing, in this process, and keep its footprints."""
    from pytest_calsim import simulate

    for movie in chosen:
        target = kept(pipeline, movie)
        if target.exists():
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = np.asarray(PIPELINES[pipeline](simulate(movie.spec).observed, Path(folder)), np.float32)
        written = target.with_suffix(".part.npz")
        np.savez_compressed(written, A=found)
        written.replace(target)  # a killed run leaves no half of a file
        print(f"{pipeline} on {movie.key}: {len(found)} units, {time.perf_counter() - started:.0f} s", flush=True)


def kept(pipeline: str, movie: Movie) -> Path:
    """Return where a pipeline's footprints on a movie are kept."""
    return KEPT / pipeline / f"{movie.key}.npz"


# --- running them -----------------------------------------------------------------------------------------------------


def run(pipeline: str, python: Path, n_movies: int) -> None:
    """Run a pipeline in its environment on the first so many movies, where their estimates are missing."""
    if all(kept(pipeline, movie).exists() for movie in movies()[:n_movies]):
        return
    (KEPT / pipeline).mkdir(parents=True, exist_ok=True)
    command = [python, __file__, "--work", pipeline, "--movies", str(n_movies)]
    subprocess.run(command, check=True, env=os.environ | ALONE)


def footprints(pipeline: str, movie: Movie) -> Any:
    """Return what a pipeline found in a movie, float32 ``(unit, height, width)``."""
    with np.load(kept(pipeline, movie)) as arrays:
        return arrays["A"]


def cells(movie: Movie, pipelines: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each planted cell in view, with the pipelines that find it (IoU ≥ 0.5)."""
    from pytest_calsim import hungarian_match, simulate

    truth = simulate(movie.spec).truth
    found = {}
    for name in pipelines:
        estimated = footprints(name, movie)
        pairs = hungarian_match(estimated, truth.A_observed).matched_pairs(0.5) if len(estimated) else ()
        found[name] = {cell for _, cell in pairs}
    table = truth.cells
    for cell in table.index[table.in_fov]:
        numbers = {name: float(table.loc[cell, name]) for name in ("snr", "snr_peak")}
        by = {name: int(cell in those) for name, those in found.items()}
        yield {**movie._asdict(), "cell": int(cell), **numbers, "detectable": int(table.detectable[cell]), **by}


def report(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Sum up which cells the pipelines found."""
    from detection_curve import Curve, area, shares, split_half_error, threshold

    from pytest_calsim.simulation.detectability import DETECTABLE_SNR_PEAK, DETECTION_RULE
    from pytest_calsim.spec.versions import SIM_VERSION

    by = {name: np.array([row[name] for row in rows], bool) for name in names}
    votes = sum(found.astype(int) for found in by.values())
    most = votes >= (2 if len(names) > 2 else 1)
    peak, snr, seed = (np.array([row[name] for row in rows]) for name in ("snr_peak", "snr", "seed"))
    judged = (peak >= JUDGED[0]) & (peak <= JUDGED[1])
    detectable = np.array([row["detectable"] for row in rows], bool)
    return {
        "versions": {"detection_rule": DETECTION_RULE, "threshold": DETECTABLE_SNR_PEAK, "simulation": SIM_VERSION},
        "pipelines": {name: REQUIREMENTS[name] for name in names},
        "movies": len({(row["seed"], row["light"], row["density"]) for row in rows}),
        "cells": len(rows),
        "area under the curve": {n: area(x[judged], most[judged]) for n, x in {"snr_peak": peak, "snr": snr}.items()},
        "threshold": threshold(peak, by),
        "reached": {n: {f"{p:g}": Curve.fit(peak, found).at(p) for p in (0.5, 0.8, 0.95)} for n, found in by.items()},
        "calibration error of either half": split_half_error(peak[judged], most[judged], seed[judged]),
        "detectable, found by none": float((votes[detectable] == 0).mean()),
        "not detectable, found by most": float(most[~detectable].mean()),
        "curve": {name: shares(peak, found) for name, found in {**by, "most": most}.items()},
    }


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", nargs="+", choices=PIPELINES, default=list(PIPELINES))
    parser.add_argument("--movies", type=int, default=len(movies()), help="the first so many of all")
    parser.add_argument("--python", nargs="*", default=[], metavar="NAME=PATH", help="interpreters that are there")
    parser.add_argument("--work", choices=PIPELINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = movies()[: given.movies]
    if given.work:
        work(given.work, chosen)
        return
    pythons = {name: Path(path) for name, path in (pair.split("=", 1) for pair in given.python)}
    pythons |= {name: environment(name) for name in given.pipelines if name not in pythons}
    for name in given.pipelines:
        run(name, pythons[name], given.movies)
    rows = [row for movie in chosen for row in cells(movie, given.pipelines)]
    text = json.dumps(report(rows, given.pipelines), indent=2)
    KEPT.mkdir(exist_ok=True)
    (KEPT / "report.json").write_text(text)
    with (KEPT / "cells.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})
    print(text)


if __name__ == "__main__":
    main()
