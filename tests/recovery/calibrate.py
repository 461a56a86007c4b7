"""Calibrate what ``detectable`` means: run pipelines on simulated movies and see which cells they find.

Usage: python tests/recovery/calibrate.py [--pipelines light minian suite2p] [--movies N] [--python NAME=PATH ...]

Needs Python 3.11, for minian. Each pipeline runs in an environment that is made for it once (``.venv-NAME`` beside the
package), or in the interpreter given by ``--python``. Estimates are kept in ``.calibration`` by pipeline and movie, so
that an interrupted run goes on where it was. All pipelines on all 30 movies take about an hour on two cores. The report
goes to ``.calibration/report.json`` and, as text, to the terminal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
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


class Movie(NamedTuple):
    """One recording: ``static`` with a seed, and so many times its light and its cells."""

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
    """Return 30 movies of 12 seeds, three levels of light and two densities, not all combined."""
    usual = [Movie(seed, 1, 1) for seed in range(12)]
    dim = [Movie(seed, 0.25, 1) for seed in range(6)]
    bright = [Movie(seed, 4, 1) for seed in range(6, 12)]
    crowded = [Movie(seed, 1 if seed % 2 else 0.25, 2) for seed in range(0, 12, 2)]
    return [movie for group in zip(usual[:6], usual[6:], dim, bright, crowded, strict=True) for movie in group]


# --- pipelines, in their own environments ----------------------------------------------------------------------------


def light(movie: Any, folder: Path) -> Any:
    """Run the pipeline of ``docs/examples``."""
    sys.path.insert(0, str(ROOT / "docs" / "examples"))
    from light_pipeline import find_cells

    return find_cells(movie)


def minian(movie: Any, folder: Path) -> Any:
    """Run the chain of ``minian_pipeline.py``."""
    sys.path.insert(0, str(HERE))
    from minian_pipeline import find_cells

    return find_cells(movie, folder)["A"].transpose("unit_id", "height", "width").values


def suite2p(movie: Any, folder: Path) -> Any:
    """Run suite2p without registration, at the settings that suit cells of 7 px and GCaMP6f."""
    import suite2p as package
    import tifffile

    tifffile.imwrite(folder / "movie.tif", movie.values.astype(np.int16))
    settings = package.default_settings()
    settings["fs"] = 20.0
    settings["tau"] = 0.3
    settings["torch_device"] = "cpu"
    settings["run"]["do_registration"] = 0
    settings["detection"]["threshold_scaling"] = 0.5
    settings["detection"]["sparsery_settings"]["spatial_scale"] = 1
    package.run_s2p(db={"data_path": [str(folder)], "save_path0": str(folder), "nplanes": 1}, settings=settings)
    plane = folder / "suite2p" / "plane0"
    from pytest_calsim import Estimate

    stat = np.load(plane / "stat.npy", allow_pickle=True)
    return np.asarray(Estimate.from_suite2p(stat, shape=movie.shape[1:]).A)


PIPELINES: dict[str, Callable[[Any, Path], Any]] = {"light": light, "minian": minian, "suite2p": suite2p}


def work(pipeline: str, movie: Movie, target: Path) -> None:
    """Run a pipeline on a movie and keep its footprints, in this process."""
    from pytest_calsim import simulate

    with tempfile.TemporaryDirectory() as folder:
        found = np.asarray(PIPELINES[pipeline](simulate(movie.spec).observed, Path(folder)), np.float32)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = target.with_suffix(".part.npz")
    np.savez_compressed(written, A=found)
    written.replace(target)  # a killed run leaves no half of a file


# --- running them -----------------------------------------------------------------------------------------------------


def estimate(pipeline: str, movie: Movie, python: Path) -> Any:
    """Return what a pipeline finds in a movie, float32 ``(unit, height, width)``: kept, or found now."""
    target = KEPT / pipeline / f"{movie.key}.npz"
    if not target.exists():
        print(f"{pipeline} on {movie.key} ...", flush=True)
        command = [python, __file__, "--work", pipeline, *map(str, movie), str(target)]
        subprocess.run(command, check=True, env=os.environ | ALONE)
    with np.load(target) as kept:
        return kept["A"]


def cells(movie: Movie, estimates: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each planted cell in view, with the pipelines that find it (IoU ≥ 0.5)."""
    from pytest_calsim import hungarian_match, simulate

    truth = simulate(movie.spec).truth
    found = {}
    for name, footprints in estimates.items():
        pairs = hungarian_match(footprints, truth.A_observed).matched_pairs(0.5) if len(footprints) else ()
        found[name] = {cell for _, cell in pairs}
    table = truth.cells
    for cell in table.index[table.in_fov]:
        numbers = {name: float(table.loc[cell, name]) for name in ("snr", "snr_peak")}
        by = {name: cell in those for name, those in found.items()}
        yield {**movie._asdict(), "cell": int(cell), **numbers, "detectable": bool(table.detectable[cell]), "by": by}


def report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up which cells were found."""
    from detection_curve import Curve, area, shares, split_half_error, threshold

    from pytest_calsim.simulation.detectability import DETECTABLE_SNR_PEAK, DETECTION_RULE
    from pytest_calsim.spec.versions import SIM_VERSION

    names = list(rows[0]["by"])
    by = {name: np.array([row["by"][name] for row in rows]) for name in names}
    votes = sum(found.astype(int) for found in by.values())
    most = votes >= (2 if len(names) > 2 else 1)
    peak, snr, seed = (np.array([row[name] for row in rows]) for name in ("snr_peak", "snr", "seed"))
    judged = (peak >= JUDGED[0]) & (peak <= JUDGED[1])
    detectable = np.array([row["detectable"] for row in rows])
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
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        name, seed, times_light, density, target = given.work
        work(name, Movie(int(seed), float(times_light), float(density)), Path(target))
        return
    pythons = {name: Path(path) for name, path in (pair.split("=", 1) for pair in given.python)}
    pythons |= {name: environment(name) for name in given.pipelines if name not in pythons}
    rows: list[dict[str, Any]] = []
    for movie in movies()[: given.movies]:
        rows += cells(movie, {name: estimate(name, movie, pythons[name]) for name in given.pipelines})
    text = json.dumps(report(rows), indent=2)
    KEPT.mkdir(exist_ok=True)
    (KEPT / "report.json").write_text(text)
    (KEPT / "cells.json").write_text(json.dumps(rows))
    print(text)


if __name__ == "__main__":
    main()
