"""How fast, beside minisim and beside the machine's limits; needs only Python and pip.

Usage: python tests/benchmarks/run.py [--only ROW ...] [--repeats N] [--python PATH] [--peer-python PATH] [--list]

Makes two environments at the repository's root when they are not there, runs every row (about half an hour on 2 cores;
an idle machine gives the truest figures), and writes docs/performance.md. Rows are kept in build/benchmarks, so that
``--only`` renews some and keeps the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import ROOT, Job, busy_cores, environment, middle, side_by_side, spread

KEPT = ROOT / "build" / "benchmarks"
PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- figures: written by tests/benchmarks/run.py -->"
END = "<!-- end of figures -->"


class Bench:
    """The two Pythons, a folder for what jobs write, and how often pairs are repeated."""

    def __init__(self, python: Path, peer_python: Path, repeats: int) -> None:
        self.python = python
        self.peer_python = peer_python
        self.repeats = repeats

    def ours(self, name: str, call: bool = False, **arguments: Any) -> Job:
        """A job of pytest-calsim, or one of its limits."""
        return Job(self.python, "ours.py", name, arguments, call)

    def peer(self, name: str, call: bool = False, **arguments: Any) -> Job:
        """A job of minisim."""
        return Job(self.peer_python, "peer.py", name, arguments, call)

    def against_peer(self, ours: Job, peer: Job, repeats: int = 3) -> dict[str, Any]:
        """How many times faster and smaller than minisim: peer ÷ ours."""
        return side_by_side(peer, ours, self.repeats or repeats)

    def against_limit(self, ours: Job, limit: Job, repeats: int = 5) -> dict[str, Any]:
        """How many times the limit: ours ÷ limit."""
        return side_by_side(ours, limit, self.repeats or repeats)


def movie(bench: Bench, call: bool = False, **size: Any) -> Job:
    """Our simulation of a scene, written to disk."""
    path = KEPT / "movie"
    return Job(bench.python, "ours.py", "movie", {"path": str(path), **size}, call, empties=path)


def same_physics(bench: Bench, **size: Any) -> dict[str, Any]:
    """What both pictures hold; stops the row when they are not equal."""
    ours = bench.ours("facts", **size).run()["facts"]
    peer = bench.peer("facts", **size).run()["facts"]
    differences = [key for key in ("bit_depth", "height_px", "width_px") if ours[key] != peer[key]]
    differences += [f"no {effect}" for effect in peer["effects"] if effect not in ours["effects"]]
    differences += [
        f"{key} {ours[key]:.0f} and {peer[key]:.0f}"
        for key, allowed in (("cells", 0.05), ("footprint_px", 0.2))
        if abs(ours[key] / peer[key] - 1) > allowed
    ]
    if differences:
        raise RuntimeError(f"not the same physics: {', '.join(differences)}")
    return {"ours": ours, "peer": peer}


# --- rows --------------------------------------------------------------------------------------------------------


def as_shipped(bench: Bench) -> dict[str, Any]:
    """Each one's own V4 × CA1 with motion, 608² × 600 frames, some 970 cells; ours is `miniscope_v4_ca1` as it is."""
    path = KEPT / "movie"
    ours = Job(bench.python, "ours.py", "preset", {"path": str(path)}, empties=path)
    return bench.against_peer(ours, bench.peer("movie", side_px=608, frames=600), repeats=5)


def v4_ca1(bench: Bench) -> dict[str, Any]:
    """The same with equal physics: ours has footprints as large as minisim's."""
    physics = same_physics(bench, side_px=608)
    size = {"side_px": 608, "frames": 600}
    return bench.against_peer(movie(bench, **size), bench.peer("movie", **size)) | {"physics": physics}


def small_v4_ca1(bench: Bench) -> dict[str, Any]:
    """The same on 256² × 1000 frames."""
    physics = same_physics(bench, side_px=256)
    size = {"side_px": 256, "frames": 1000}
    return bench.against_peer(movie(bench, **size), bench.peer("movie", **size)) | {"physics": physics}


def fixture(bench: Bench) -> dict[str, Any]:
    """minisim's `make_recording()` (128² × 40 frames, 6 cells), from a cold process to the movie in hand."""
    physics = same_physics(bench)
    return bench.against_peer(bench.ours("fixture"), bench.peer("fixture"), repeats=7) | {"physics": physics}


def kept_recordings(bench: Bench) -> tuple[str, str]:
    """Recordings of both to score against; minisim's is made once."""
    ours = KEPT / "scored_ours"
    peer = KEPT / "scored_peer"
    bench.ours("movie", path=str(ours), side_px=608, frames=600).run()
    if not peer.exists():
        bench.peer("prepare", path=str(peer), frames=600).run()
    return str(ours), str(peer)


def scoring(bench: Bench, repeats: int, everything: bool, **only_ours: Any) -> dict[str, Any]:
    ours, peer = kept_recordings(bench)
    how = {"units": 900, "everything": everything, "call": True}
    return bench.against_peer(
        bench.ours("score", path=ours, **how, **only_ours), bench.peer("score", path=peer, **how), repeats
    )


def matching(bench: Bench) -> dict[str, Any]:
    """`hungarian_match` of 900 with 900 footprints on 608²; ours given sparse ones."""
    return scoring(bench, 3, everything=False)


def matching_dense(bench: Bench) -> dict[str, Any]:
    """The same, ours given the estimate as a dense float32 array (1.3 GB)."""
    return scoring(bench, 2, everything=False, dense=True)


def scorecards(bench: Bench) -> dict[str, Any]:
    """minisim's `score` of 900 units × 600 frames; ours by `assert_{footprints,traces,spikes,shifts}_recovered`."""
    return scoring(bench, 2, everything=True)


def sensor(bench: Bench) -> dict[str, Any]:
    """Sensor pass ÷ one float32 normal per pixel from numpy (SFC64), one thread, 608²."""
    return bench.against_limit(
        bench.ours("sensor_pass", call=True, frames=200), bench.ours("normals", call=True, frames=200)
    )


def memory(bench: Bench) -> dict[str, Any]:
    """Sensor pass ÷ one copy of a float32 per pixel in memory, one thread."""
    return bench.against_limit(
        bench.ours("sensor_pass", call=True, frames=200), bench.ours("memory_pass", call=True, frames=200)
    )


def miss(bench: Bench) -> dict[str, Any]:
    """Cold process to `tiny` in hand, not in the cache ÷ importing numpy, scipy, pydantic, xarray and zarr."""
    cache = KEPT / "tiny"
    job = Job(bench.python, "ours.py", "tiny", {"cache": str(cache)}, empties=cache)
    return bench.against_limit(job, Job(bench.python, "import numpy, scipy, pydantic, xarray, zarr"), 9)


def hit(bench: Bench) -> dict[str, Any]:
    """The same from the cache ÷ importing numpy, pydantic, xarray and zarr."""
    job = bench.ours("tiny", cache=str(KEPT / "tiny"))
    job.run()  # fills the cache
    return bench.against_limit(job, Job(bench.python, "import numpy, pydantic, xarray, zarr"), 9)


def threads(bench: Bench) -> dict[str, Any]:
    """One core ÷ two cores: painting and writing 608² × 600 frames."""
    size = {"side_px": 608, "frames": 600, "call": True}
    return side_by_side(movie(bench, cores=1, **size), movie(bench, cores=2, **size), bench.repeats or 3)


def flatness(bench: Bench) -> dict[str, Any]:
    """Peak memory at 6000 frames ÷ at 600 frames, 608²."""
    long, short = (movie(bench, side_px=608, frames=frames) for frames in (6000, 600))
    result = side_by_side(long, short, 1)
    less_traces = []
    for side, frames in (("one", 6000), ("other", 600)):
        sample = result[side][0]
        less_traces.append(sample["peak_mb"] - sample["facts"]["units"] * frames * 8e-6)
    return result | {"less_traces": less_traces}


def scaling(bench: Bench, sizes: list[dict[str, Any]]) -> dict[str, Any]:
    samples = [movie(bench, call=True, side_px=608, **size).run() for size in sizes]
    return {"sizes": sizes, "samples": samples}


def frames(bench: Bench) -> dict[str, Any]:
    """Cost over frames."""
    return scaling(bench, [{"frames": n} for n in (150, 300, 600, 1200, 2400)])


def cells(bench: Bench) -> dict[str, Any]:
    """Cost over cells, 300 frames."""
    return scaling(bench, [{"frames": 300, "density_per_mm3": 1e4 * n} for n in (1, 2, 4, 8, 16)])


# --- the page ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A bound that a row must keep, and in what words."""

    words: str
    value: Callable[[dict[str, Any]], float]
    kept: Callable[[float], bool]


def _median(quantity: str) -> Callable[[dict[str, Any]], float]:
    return lambda row: statistics.median(row["ratio"][quantity])


def _own(quantity: str) -> Callable[[dict[str, Any]], float]:
    return lambda row: middle(row["other"], quantity)


def _again(row: dict[str, Any]) -> float:
    return middle([sample["facts"] for sample in row["one"]], "again_ms")


PEER: list[Callable[[Bench], dict[str, Any]]] = [
    as_shipped,
    v4_ca1,
    small_v4_ca1,
    fixture,
    matching,
    matching_dense,
    scorecards,
]
LIMIT: list[Callable[[Bench], dict[str, Any]]] = [sensor, memory, miss, hit, threads]
OTHER: list[Callable[[Bench], dict[str, Any]]] = [flatness, frames, cells]
ROWS = {row.__name__: row for row in (*PEER, *LIMIT, *OTHER)}

TIMES = {"wall": "wall_s", "CPU": "cpu_s"}

BARS = {
    "as_shipped": [
        Bar("≥ 8 × in CPU time", _median("cpu_s"), lambda v: v >= 8),
        Bar("ours ≤ 500 MB", _own("peak_mb"), lambda v: v <= 500),
    ],
    "matching": [
        Bar("ours ≤ 3 s", _own("wall_s"), lambda v: v <= 3),
        Bar("ours ≤ 1000 MB", _own("peak_mb"), lambda v: v <= 1000),
    ],
    "sensor": [Bar("≤ 0.8 × in CPU time", _median("cpu_s"), lambda v: v <= 0.8)],
    "miss": [Bar("≤ 2 × in CPU time", _median("cpu_s"), lambda v: v <= 2)],
    "hit": [
        Bar("≤ 1.2 × in CPU time", _median("cpu_s"), lambda v: v <= 1.2),
        Bar("again in one session ≤ 5 ms", _again, lambda v: v <= 5),
    ],
    "threads": [Bar("≥ 1.7 ×", _median("wall_s"), lambda v: v >= 1.7)],
    "flatness": [
        Bar("traces apart, within 10 %", lambda r: r["less_traces"][0] / r["less_traces"][1], lambda v: v <= 1.1)
    ],
}


def verdict(name: str, row: dict[str, Any]) -> str:
    """Every bar of a row and whether it was reached."""
    parts = []
    for bar in BARS.get(name, []):
        value = bar.value(row)
        parts.append(f"{bar.words}: {value:.3g}" + ("" if bar.kept(value) else " **not reached**"))
    return "; ".join(parts)


def amounts(samples: list[dict[str, Any]]) -> str:
    """Medians of what the samples took."""
    wall, cpu, peak = (middle(samples, q) for q in ("wall_s", "cpu_s", "peak_mb"))
    pixels = samples[0]["facts"].get("pixels")
    each = f" ({1e9 * cpu / pixels:.2g} ns per pixel)" if pixels else ""
    return f"{wall:.3g} s, {cpu:.3g} CPU s{each}, {peak:.0f} MB"


def comparison(names: list[str], rows: dict[str, Any], heads: tuple[str, str], ratios: dict[str, str]) -> list[str]:
    """Rows of ratios as a table; ``ratios`` are the quantities to show, by column."""
    lines = [
        f"| | {heads[0]} | {heads[1]} | {' | '.join(ratios)} | bar |",
        "|---|---|---|" + "---|" * (len(ratios) + 1),
    ]
    for name in names:
        if name in rows:
            row = rows[name]
            cells = [ROWS[name].__doc__ or "", amounts(row["one"]), amounts(row["other"])]
            cells += [f"{spread(row['ratio'][quantity])} ×" for quantity in ratios.values()]
            lines.append(f"| {' | '.join([*cells, verdict(name, row)])} |")
    return lines


def physics_table(rows: dict[str, Any]) -> list[str]:
    """What both sides' pictures hold."""
    lines = [
        "| row | cells | pixels of a mean footprint above 1 % of its peak | bits | effects |",
        "|---|---|---|---|---|",
    ]
    for name in ("v4_ca1", "small_v4_ca1", "fixture"):
        if name in rows:
            ours = rows[name]["physics"]["ours"]
            peer = rows[name]["physics"]["peer"]
            pairs = [f"{ours[key]:.0f} and {peer[key]:.0f}" for key in ("cells", "footprint_px", "bit_depth")]
            lines.append(f"| {' | '.join([name, *pairs, ', '.join(ours['effects'])])} |")
    return lines


def scaling_table(name: str, row: dict[str, Any]) -> list[str]:
    """Cost per unit of size, from the smallest to the largest size, in CPU time: other work disturbs it least."""
    lines = [
        "| frames | cells | planning | planning per cell | painting and writing | per frame | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, sample in zip(row["sizes"], row["samples"], strict=True):
        frames = size["frames"]
        units = sample["facts"]["units"]
        plan_s = sample["facts"]["plan_cpu_s"]
        lines.append(
            f"| {frames} | {units} | {plan_s:.2f} CPU s | {1000 * plan_s / units:.2f} ms | {sample['cpu_s']:.2f} CPU s "
            f"| {1000 * sample['cpu_s'] / frames:.2f} ms | {sample['peak_mb']:.0f} MB |"
        )
    return [f"{ROWS[name].__doc__}", "", *lines, ""]


def processor() -> str:
    """The processor's model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def figures(rows: dict[str, Any]) -> str:
    """All tables."""
    dates = sorted({row["date"] for row in rows.values()})
    busy = max(row["busy"] for row in rows.values())
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    doubt = " Wall times are then far off and their ratios say little; CPU times hold better." if busy > 0.3 else ""
    lines = [
        f"Measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))} on {machine}. "
        f"Other work kept at most {busy:.1f} of the cores busy when a row began.{doubt}",
        "",
        "## Beside minisim 1.0.3: its cost ÷ ours",
        "",
        *comparison([row.__name__ for row in PEER], rows, ("minisim", "ours"), {**TIMES, "peak memory": "peak_mb"}),
        "",
        "Equal physics, ours and minisim's (a footprint's pixels are those above 1 % of its peak):",
        "",
        *physics_table(rows),
        "",
        "## Beside the limit: first ÷ second",
        "",
        *comparison([row.__name__ for row in LIMIT], rows, ("first", "second"), TIMES),
        "",
        "## Length and number of cells",
        "",
    ]
    if "flatness" in rows:
        row = rows["flatness"]
        long, short = row["less_traces"]
        whole = f"{middle(row['one'], 'peak_mb'):.0f} ÷ {middle(row['other'], 'peak_mb'):.0f} MB"
        lines += [
            f"{ROWS['flatness'].__doc__} {whole}; less units × frames × 8 bytes of traces, {long:.0f} ÷ {short:.0f} MB "
            f"({verdict('flatness', row)}).",
            "",
        ]
    lines += ["![CPU time over frames and over cells, with straight lines through both](pictures/cost.png)", ""]
    for name in ("frames", "cells"):
        if name in rows:
            lines += scaling_table(name, rows[name])
    return "\n".join(lines)


def write_page(rows: dict[str, Any]) -> None:
    """Put the tables between their marks on the page."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{figures(rows)}\n{END}{rest.split(END)[1]}", "utf-8")


def main() -> int:
    """Run the rows that were asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help="renew these rows")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--repeats", type=int, default=0, help="pairs per row, instead of each row's own number")
    parser.add_argument("--python", type=Path, help="a Python that has pytest-calsim")
    parser.add_argument("--peer-python", type=Path, help="a Python that has minisim 1.0.3")
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(f"{name:15} {row.__doc__}" for name, row in ROWS.items()))
        return 0
    bench = Bench(
        asked.python or environment(".venv-calsim", ["-e", str(ROOT)]),
        asked.peer_python or environment(".venv-minisim", ["minisim==1.0.3"]),
        asked.repeats,
    )
    KEPT.mkdir(parents=True, exist_ok=True)
    results = KEPT / "results.json"
    rows: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    for name in asked.only or ROWS:
        print(f"{name}: {ROWS[name].__doc__}", file=sys.stderr, flush=True)
        busy = busy_cores()
        rows[name] = ROWS[name](bench) | {"date": time.strftime("%Y-%m-%d"), "busy": busy}
        results.write_text(json.dumps(rows))
    print(figures(rows))
    write_page(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
