"""Calibrate what ``detectable`` means: run pipelines on simulated movies and see which cells they find.

Usage: python tests/recovery/calibrate.py [--pipelines light minian suite2p] [--movies N] [--python NAME=PATH ...]

Needs Python 3.11, for minian. Each pipeline runs in an environment that is made for it once (``.venv-NAME`` beside the
package), or in the interpreter given by ``--python``. Estimates are kept in ``.calibration`` by pipeline and movie, so
that an interrupted run goes on where it was. All pipelines on all movies take about 50 minutes of one core. The report
goes to ``.calibration/report.json`` and to the terminal, each cell to ``.calibration/cells.csv``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import real_pipelines
import xarray as xr
from detection_curve import Curve, area, shares, split_half_error, threshold
from preparation import registered_by_the_truth
from run import ALONE, REQUIREMENTS, environment

from pytest_calsim import Estimate, EstimateError, Recording, Spec, compare, load_preset, simulate
from pytest_calsim.simulation.detectability import (
    DETECTABLE_SHOWN_FRACTION,
    DETECTABLE_SNR_PEAK,
    DETECTION_RULE,
)
from pytest_calsim.spec.versions import SIM_VERSION

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
KEPT = ROOT / ".calibration"
JUDGED = (2, 12)
"""Range of snr_peak whose cells decide: below it nobody finds a cell, above it everybody does."""


class Movie(NamedTuple):
    """One recording: a preset with a seed, and so many times its light and its cells.

    ``registered``: pipelines get its frames moved by the true shifts; otherwise each registers what moves.
    """

    seed: int
    times_light: float = 1
    times_density: float = 1
    preset: str = "static"
    registered: bool = False

    @property
    def spec(self) -> Spec:
        """Return what is simulated."""
        spec = load_preset(self.preset)
        populations = tuple(
            {**p.model_dump(), "density_per_mm3": self.times_density * p.density_per_mm3}
            for p in spec.step("place_neurons").populations
        )
        chip = spec.acquisition.image_sensor
        more = max(self.times_light, 1.0)  # a chip for more light: it holds more electrons, with as many codes
        changes = {
            "place_neurons.populations": populations,
            "sensor.photon_rate_per_s_um2": self.times_light * spec.step("sensor").photon_rate_per_s_um2,
            "acquisition.image_sensor.full_well_e": more * chip.full_well_e,
            "acquisition.image_sensor.gain_adu_per_e": chip.gain_adu_per_e / more,
        }
        return spec.edit(changes, seed=self.seed)

    @property
    def key(self) -> str:
        """Return a name that changes when any bit of the movie does."""
        digest = hashlib.sha256(f"{SIM_VERSION} {self.spec.model_dump_json()}".encode()).hexdigest()[:10]
        name = f"{self.preset}-registered" if self.registered else self.preset
        return f"{name}-seed{self.seed}-light{self.times_light:g}-density{self.times_density:g}-{digest}"


def movies() -> list[Movie]:
    """Return movies of 24 seeds, three levels of light and two densities, not all combined; and 24 that move, twice."""
    usual = [Movie(seed) for seed in range(24)]
    dim = [Movie(seed, times_light=0.25) for seed in range(4)]
    bright = [Movie(seed, times_light=4) for seed in range(4, 8)]
    crowded = [Movie(seed, times_density=2) for seed in range(8, 12)]
    moving = [Movie(seed, preset="moving", registered=by) for by in (True, False) for seed in range(24)]
    return usual + dim + bright + crowded + moving


# --- pipelines, in their own environments ----------------------------------------------------------------------------


def light(recording: Recording, registered: xr.DataArray | None = None) -> Estimate:
    """Run the pipeline of ``docs/examples``; it registers what moves, unless frames are given that keep still."""
    sys.path.insert(0, str(ROOT / "docs" / "examples"))
    from light_pipeline import find_cells, move, put_back, register

    if registered is not None or not real_pipelines.moves(recording):
        return Estimate(A=find_cells(recording.observed if registered is None else registered).clip(0))
    correction = register(recording.observed)
    frames, part = move(recording.observed, correction)
    footprints = put_back(find_cells(frames).clip(0), part, recording.observed.shape[1:])
    return Estimate(A=footprints, shifts=correction, convention="correction")


def minian(recording: Recording, registered: xr.DataArray | None = None) -> Estimate:
    """Run minian on seeds from a peak-to-noise ratio of 1.45 on: its suite takes more of them."""
    return real_pipelines.minian(recording, registered=registered, min_pnr=1.45)


def suite2p(recording: Recording, registered: xr.DataArray | None = None) -> Estimate:
    """Run suite2p at its own threshold: at half of it, nine units in ten are noise."""
    return real_pipelines.suite2p(recording, threshold_scaling=1, registered=registered)


PIPELINES = {"light": light, "minian": minian, "suite2p": suite2p}


def work(pipeline: str, chosen: list[Movie]) -> None:
    """Run a pipeline on the movies whose estimates are missing, in this process, and keep its footprints and shifts."""
    for movie in chosen:
        target = kept(pipeline, movie)
        if target.exists():
            continue
        started = time.perf_counter()
        recording = simulate(movie.spec)
        frames = registered_by_the_truth(recording) if movie.registered else None
        found = PIPELINES[pipeline](recording, registered=frames)
        arrays = {"A": np.asarray(found.A, np.float32)}
        if frames is not None:
            whole = np.zeros((len(arrays["A"]), *recording.observed.shape[1:]), np.float32)
            whole[:, *(slice(int(frames[axis][0]), int(frames[axis][-1]) + 1) for axis in ("height", "width"))] = (
                arrays["A"]
            )
            arrays = {"A": whole, "shifts": -recording.truth.shifts.values, "convention": np.array("correction")}
        elif found.shifts is not None:
            arrays |= {"shifts": np.asarray(found.shifts), "convention": np.array(found.convention)}
        written = target.with_suffix(".part.npz")
        np.savez_compressed(written, **arrays)
        written.replace(target)  # a killed run leaves no half of a file
        print(f"{pipeline} on {movie.key}: {found.n_units} units, {time.perf_counter() - started:.0f} s", flush=True)


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


def estimate(pipeline: str, movie: Movie) -> Estimate:
    """Return what a pipeline found in a movie."""
    with np.load(kept(pipeline, movie)) as arrays:
        shifts = {name: arrays[name] for name in ("shifts", "convention") if name in arrays}
        if shifts:
            shifts["convention"] = str(shifts["convention"])
        return Estimate(A=arrays["A"], **shifts)


def cells(movie: Movie, pipelines: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each planted cell in view, with the pipelines that find it (IoU ≥ 0.5, in the pipeline's own frame)."""
    recording = simulate(movie.spec)
    found = {}
    for name in pipelines:
        try:
            found[name] = set(compare(estimate(name, movie), recording).cell_of.tolist())
        except EstimateError:  # its shifts are wrong, so its footprints lie nowhere
            found[name] = set()
    table = recording.truth.cells
    # A cell that motion carries out of the picture is neither detectable nor one of the others.
    for cell in table.index[table.in_fov & (table.shown_fraction >= DETECTABLE_SHOWN_FRACTION)]:
        numbers = {name: float(table.loc[cell, name]) for name in ("snr", "snr_peak")}
        by = {name: int(cell in those) for name, those in found.items()}
        yield {**movie._asdict(), "cell": int(cell), **numbers, "detectable": int(table.detectable[cell]), **by}


def report(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Sum up which cells the pipelines found: those of movies that do not move in all, and either preset as it is."""
    usual = [row for row in rows if row["times_light"] == row["times_density"] == 1]
    still = [row for row in usual if row["preset"] == "static"]
    registered = [row for row in usual if row["registered"]]
    own = [row for row in usual if row["preset"] == "moving" and not row["registered"]]
    sets = {
        "static": still,
        "moving, registered by the truth": registered,
        "both": still + registered,
        "moving, registered by each": own,
        "both, registered by each": still + own,
    }
    by_preset = {name: errors(chosen, names) for name, chosen in sets.items() if chosen}
    return of_still_movies([row for row in rows if row["preset"] == "static"], names) | {"presets": by_preset}


def errors(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Count the detectable cells that no pipeline finds, and the others that most of them find."""
    votes = np.array([sum(row[name] for name in names) for row in rows], int)
    detectable = np.array([row["detectable"] for row in rows], bool)
    most = votes >= (2 if len(names) > 2 else 1)
    by = {name: np.array([row[name] for row in rows], bool) for name in names}
    return {
        "detectable, found by each": {name: int(found[detectable].sum()) for name, found in by.items()},
        "detectable, found by none": [int((votes[detectable] == 0).sum()), int(detectable.sum())],
        "not detectable, found by most": [int(most[~detectable].sum()), int((~detectable).sum())],
    }


def of_still_movies(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Sum up which cells the pipelines found in movies that do not move."""
    by = {name: np.array([row[name] for row in rows], bool) for name in names}
    votes = sum(found.astype(int) for found in by.values())
    most = votes >= (2 if len(names) > 2 else 1)
    peak, snr, seed = (np.array([row[name] for row in rows]) for name in ("snr_peak", "snr", "seed"))
    judged = (peak >= JUDGED[0]) & (peak <= JUDGED[1])
    return {
        "versions": {"detection_rule": DETECTION_RULE, "threshold": DETECTABLE_SNR_PEAK, "simulation": SIM_VERSION},
        "pipelines": {name: REQUIREMENTS[name] for name in names},
        "movies": len({(row["seed"], row["times_light"], row["times_density"]) for row in rows}),
        "cells": len(rows),
        "area under the curve": {n: area(x[judged], most[judged]) for n, x in {"snr_peak": peak, "snr": snr}.items()},
        "threshold": threshold(peak, by),
        "reached": {n: {f"{p:g}": Curve.fit(peak, found).at(p) for p in (0.5, 0.8, 0.95)} for n, found in by.items()},
        "calibration error of either half": split_half_error(peak[judged], most[judged], seed[judged]),
        **errors(rows, names),
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
