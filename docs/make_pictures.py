"""Make every picture of the documentation. Needs the `plot` extra.

Usage: python docs/make_pictures.py [name ...]     (without names: all of them)
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage

from pytest_calsim import (
    Estimate,
    ImageSensor,
    Recording,
    Spec,
    compare,
    load_preset,
    plan,
    preset_names,
    simulate,
)
from pytest_calsim.errors import SpecWarning
from pytest_calsim.kernels.sensor import Fields, Windows, expose
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.steps.cells.indicators import INDICATORS, time_to_peak

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
DPI = 100
GREEN = "#2ca02c"
ORANGE = "#ff7f0e"
BLUE = "#1f77b4"


def save(figure: Figure, name: str, *, lines: bool = True, greys: int = 96) -> None:
    """Write a figure as a small palette PNG: of its own colours, or of greys under lines in the three colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, facecolor="white")
    plt.close(figure)
    path = PICTURES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(buffer).convert("RGB")
    if lines:
        small = picture.quantize(palette=grey_palette(greys), dither=Image.Dither.NONE)
        small.paste(greys - 1, mask=Image.fromarray(np.asarray(picture).min(axis=2) == 255))  # white stays white
    else:
        small = picture.quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path.relative_to(DOCS)}  {path.stat().st_size / 1000:.0f} kB", flush=True)


def grey_palette(greys: int) -> Image.Image:
    """Greys, and the three colours of lines laid over them."""
    colors = [(v, v, v) for v in np.linspace(0, 255, greys).round().astype(int).tolist()]
    for color in (GREEN, ORANGE, BLUE):
        line = 255 * np.array(matplotlib.colors.to_rgb(color))
        for under in (0, 64, 128, 192, 255):
            colors += [tuple((a * line + (1 - a) * under).astype(int).tolist()) for a in (0.25, 0.5, 0.75, 1.0)]
    picture = Image.new("P", (1, 1))
    picture.putpalette([value for color in colors for value in color])
    return picture


def panels(columns: int, rows: int = 1, side: float = 3.0, title: float = 0.3) -> tuple[Figure, Any]:
    """A figure of square pictures without axes, each with room for a title above it."""
    figure, axes = plt.subplots(rows, columns, figsize=(columns * side, rows * (side + title)), squeeze=False)
    share = title / (side + title)
    figure.subplots_adjust(0.004, 0.004, 0.996, 1 - share / rows, wspace=0.02, hspace=share)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, axes


def show(axis: Any, image: Any, title: str, low: float = 0.5, high: float = 99.8, **options: Any) -> None:
    """A picture in grey, its range cut at two percentiles."""
    bounds = np.percentile(image, [low, high])
    options = {"cmap": "gray", "vmin": bounds[0], "vmax": bounds[1], "interpolation": "antialiased", **options}
    axis.imshow(image, **options)
    axis.set_title(title, fontsize=9, pad=3)


@dataclass
class Projections:
    """What is left of a movie when time is taken out of it."""

    frame: np.ndarray
    mean: np.ndarray
    brightest: np.ndarray


def projections(recording: Recording, mean_of: int = 4) -> Projections:
    """A frame, the mean, and the maximum over time of what is cell-sized; motion undone by the true shifts."""
    movie = recording.observed
    shifts = recording.truth.shifts
    total = 0.0
    dog_total = 0.0
    brightest = -np.inf
    count = 0
    for start in range(0, movie.sizes["frame"] - mean_of + 1, mean_of):
        block = movie[start : start + mean_of].values.astype(np.float32)
        if shifts is not None:
            true = shifts[start : start + mean_of].values
            block = np.stack([ndimage.shift(f, -s, order=1, mode="nearest") for f, s in zip(block, true, strict=True)])
        image = block.mean(axis=0)
        sharp = ndimage.gaussian_filter(image, 1) - ndimage.gaussian_filter(image, 7)
        total = total + image
        dog_total = dog_total + sharp
        count = count + 1
        brightest = np.maximum(brightest, sharp)
    rise = brightest - dog_total / count
    if shifts is not None:  # the rim was not always in view
        seen = np.zeros_like(rise, bool)
        rim = int(np.ceil(np.abs(shifts).max())) + 1
        seen[rim:-rim, rim:-rim] = True
        rise = np.where(seen, rise, rise.min())
    middle = movie[movie.sizes["frame"] // 2].values
    return Projections(middle, total / count, rise)


_SEEN: dict[str, tuple[Recording, Projections]] = {}


def seen(preset: str) -> tuple[Recording, Projections]:
    """A preset's recording and its projections, made once."""
    if preset not in _SEEN:
        recording = simulate(load_preset(preset))
        _SEEN[preset] = recording, projections(recording)
    return _SEEN[preset]


def outlines(axis: Any, recording: Recording) -> None:
    """The planted cells in view: detectable ones in green, the others in orange."""
    cells = recording.truth.cells
    footprints = recording.truth.A_planted
    for unit in np.flatnonzero(cells["in_fov"]):
        image = footprints[int(unit)]
        if image.max() > 0:
            color = GREEN if cells["detectable"][unit] else ORANGE
            axis.contour(image / image.max(), levels=[0.3], colors=[color], linewidths=1.1)


def readme() -> None:
    """What a test gets: a movie, and the answer."""
    recording, p = seen("static")
    cells = recording.truth.cells
    n_detectable = int(cells["detectable"].sum())
    n_others = int(cells["in_fov"].sum()) - n_detectable
    figure, axes = panels(3)
    show(axes[0, 0], p.frame, "one frame of static, as a pipeline gets it")
    show(axes[0, 1], p.brightest, "largest rise above the mean, cell-sized")
    show(axes[0, 2], p.brightest, f"the truth: {n_detectable} detectable (green), {n_others} not")
    outlines(axes[0, 2], recording)
    save(figure, "readme")


def truth() -> None:
    """Truth over the mean projection."""
    recording, p = seen("miniscope_v4_ca1")
    cells = recording.truth.cells
    spec = recording.spec
    canvas = spec.canvas
    margin = spec.canvas.margin_px
    row = canvas.rows(cells["y_um"]) - margin
    column = canvas.columns(cells["x_um"]) - margin
    kinds = {
        "detectable": (cells["detectable"], GREEN),
        "in view, not detectable": (cells["in_fov"] & ~cells["detectable"], ORANGE),
        "outside the field of view": (~cells["in_fov"], BLUE),
    }
    figure, axis = plt.subplots(figsize=(6.2, 6.6))
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93)
    axis.set_axis_off()
    show(axis, p.mean, "")
    for name, (chosen, color) in kinds.items():
        radius_px = cells["radius_um"][chosen] / spec.acquisition.pixel_size_um
        size = (2 * radius_px * 6.1 * 72 / (608 + 2 * margin)) ** 2
        axis.scatter(
            column[chosen], row[chosen], s=size, facecolors="none", edgecolors=color, linewidths=0.8,
            label=f"{name}: {int(chosen.sum())}",
        )  # fmt: skip
    axis.set_xlim(-margin, 608 + margin)
    axis.set_ylim(608 + margin, -margin)
    axis.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=3,
        fontsize=8,
        frameon=False,
        columnspacing=1,
        handletextpad=0.1,
    )
    save(figure, "truth")


def steps() -> None:
    """One frame of miniscope_v4_ca1 after each step is added."""
    frame = 300
    spec = load_preset("miniscope_v4_ca1")
    recording, p = seen("miniscope_v4_ca1")
    clear = simulate(spec.edit(drop=["vasculature"]))
    planted = clear.truth.A_planted.csr
    observed = clear.truth.A_observed.csr
    C = clear.truth.C.values[:, frame]
    rest = clear.truth.cells["amplitude"].to_numpy()
    shape = recording.frames.shape[1:]

    def after(stage: str, of: Recording = recording) -> np.ndarray:
        return of.stage(stage)[frame].values

    pictures = {
        "place_neurons: in focus, at rest": (planted.T @ rest).reshape(shape),
        "cell_activity: some are active": (planted.T @ C).reshape(shape),
        "cell_optics: defocus, tissue": (observed.T @ C).reshape(shape),
        "render: halo of scattered light": after("render", clear),
        "neuropil: the broad glow": after("neuropil", clear),
        "vasculature: shadows": after("neuropil"),
        "brain_motion: moved": after("brain_motion"),
        "illumination: less at the rim": after("illumination"),
        "vignette: less again": after("vignette"),
        "leakage: a little everywhere": after("leakage"),
        "sensor: noise, 8 bits": after("sensor"),
        "(the cells in it, over 30 s)": p.brightest,
    }
    figure, axes = panels(4, 3, side=2.3, title=0.25)
    for axis, (title, image) in zip(axes.flat, pictures.items(), strict=True):
        show(axis, image, title)
    save(figure, "steps", greys=64)


def of_point(defocus_um: float, na: float = 0.3) -> np.ndarray:
    """A point source at some distance below the focus, finely sampled, in clear tissue."""
    spec = Spec.make(
        {
            "acquisition": {
                "fps": 10, "duration_s": 0.1, "focal_depth_um": 100,
                "optics": {"na": na, "magnification": 10},
                "image_sensor": {"height_px": 97, "width_px": 97, "pixel_pitch_um": 4.0},
                "tissue": {
                    "emission_attenuation_um": 1e6, "excitation_attenuation_um": 1e6, "scatter_blur_fraction": 0,
                },
            },
            "steps": [
                {"kind": "place_neurons", "populations": [{"morphology": "bead"}],
                 "positions_um": [[100 + defocus_um, 0, 0]]},
                {"kind": "cell_optics"},
            ],
        }
    )  # fmt: skip
    return simulate(spec).truth.A_observed[0]


def psf() -> None:
    """A point source, off focus by more and more."""
    defoci = [0, 10, 20, 40, 60]
    warnings.simplefilter("ignore", SpecWarning)  # out of focus is what this shows
    figure = plt.figure(figsize=(8.6, 4.6))
    strips = figure.subfigures(2, 1, height_ratios=[1, 1.45])
    axes = strips[0].subplots(1, len(defoci))
    strips[0].subplots_adjust(0.01, 0.02, 0.99, 0.86, wspace=0.05)
    profiles = strips[1].subplots(1, 1)
    strips[1].subplots_adjust(0.08, 0.2, 0.98, 0.97)
    x_um = (np.arange(97) - 48) * 0.4
    for axis, defocus in zip(axes, defoci, strict=True):
        image = of_point(defocus)
        axis.imshow(image, cmap="magma", vmin=0, extent=(x_um[0], x_um[-1]) * 2)
        axis.set_title(f"{defocus} µm: peak {100 * image.max() / of_point(0).max():.3g} %", fontsize=9, pad=3)
        axis.set_axis_off()
        radius = defocus * Acquisition().optics.cone_slope
        (line,) = profiles.plot(x_um, image[48] / image[48].max(), label=f"{defocus} µm: disk radius {radius:.1f} µm")
        for edge in (-radius, radius):
            profiles.axvline(edge, color=line.get_color(), linewidth=0.7, linestyle=":")
    profiles.set(
        xlabel="distance from the axis, µm (dotted: the geometric disk)", ylabel="of its own peak", ylim=(0, 1.05)
    )
    profiles.legend(fontsize=8, title="off focus, NA 0.3", title_fontsize=8)
    save(figure, "psf", lines=False)


def indicators() -> None:
    """The transient of one spike for each indicator."""
    figure, (kernel, exposed) = plt.subplots(1, 2, figsize=(8.6, 3.0), sharey=True)
    figure.subplots_adjust(0.07, 0.17, 0.99, 0.9, wspace=0.06)
    t = np.linspace(-0.1, 1.2, 1300)
    frame = 0.05
    for name, indicator in INDICATORS.items():
        rise, decay = indicator.time_constants_s
        peak_s = time_to_peak(rise, decay)
        peak = np.exp(-peak_s / decay) - np.exp(-peak_s / rise)

        def integral(s: np.ndarray, rise: float = rise, decay: float = decay) -> np.ndarray:
            s = np.maximum(s, 0)
            return decay * (1 - np.exp(-s / decay)) - rise * (1 - np.exp(-s / rise))

        past = np.maximum(t, 0)
        kernel.plot(1000 * t, (np.exp(-past / decay) - np.exp(-past / rise)) / peak, label=name)
        starts = np.arange(-2, 24) * frame - 0.02
        frames = (integral(starts + frame) - integral(starts)) / frame / peak
        exposed.stairs(frames, 1000 * np.append(starts, starts[-1] + frame), linewidth=1.3)
    kernel.set(title="one spike at 0", xlabel="ms", ylabel="ΔF/F, of its peak", xlim=(-100, 1150))
    exposed.set(title="the same, in frames of 50 ms", xlabel="ms", xlim=(-100, 1150))
    kernel.legend(fontsize=8)
    save(figure, "indicators", lines=False)


def photon_transfer() -> None:
    """Variance against mean of the default chip, measured on flat light."""
    chip = ImageSensor(height_px=400, width_px=400, bit_depth=10)
    spec = Spec.make(
        {
            "acquisition": {"image_sensor": chip.model_dump()},
            "steps": [{"kind": "sensor", "photon_rate_per_s_um2": 36_500}],
        }
    )
    sensor = plan(spec).artifacts["sensor"]
    light = np.geomspace(0.003, 5, 26)
    everywhere = Windows.at(np.zeros((2, 2)), (400, 400))
    none = Fields.none((400, 400))
    mean = []
    variance = []
    for level in light:
        flat = np.full((400, 400), level, np.float32)
        pair = expose(np.stack([flat, flat]), everywhere, none, sensor.chip(), 0, sensor.dtype).astype(float)
        mean.append(pair[0].mean() - chip.black_level_adu)
        variance.append((pair[0] - pair[1]).var() / 2)
    mean = np.array(mean)
    gain = chip.gain_adu_per_e
    line = np.geomspace(0.5, 1000, 200)
    figure, axis = plt.subplots(figsize=(5.4, 3.6))
    figure.subplots_adjust(0.13, 0.15, 0.98, 0.98)
    floor = gain**2 * chip.read_noise_e**2 + 1 / 12
    axis.loglog(line, gain * line + floor, color="0.5", label="K·(mean − black) + K²σ² + 1/12")
    axis.axhline(floor, color="0.7", linestyle=":", label="read noise and rounding")
    axis.loglog(mean, variance, "o", color=BLUE, markersize=4, label="measured on two frames of flat light")
    axis.axvline(gain * chip.full_well_e, color=ORANGE, linestyle="--", linewidth=1, label="full well")
    axis.set(xlabel="mean − black, ADU", ylabel="variance in time, ADU²", ylim=(0.3, 300))
    axis.legend(fontsize=8, loc="upper left")
    save(figure, "photon_transfer", lines=False)


def cost() -> None:
    """Cost over frames and over cells, from the tables of the page on performance."""
    page = (DOCS / "performance.md").read_text()
    rows = [
        [cell.split() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:3].strip("| ").isdigit()
    ]
    table = np.array([[float(row[i][0]) for i in (0, 1, 2, 4)] for row in rows])
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2))
    figure.subplots_adjust(0.09, 0.15, 0.98, 0.9, wspace=0.18)
    for axis, size, name, fixed in ((axes[0], 0, "frames", 1), (axes[1], 1, "cells", 0)):
        sizes = table[table[:, fixed] == np.median(table[:, fixed])]
        for column, color, label in ((3, BLUE, "painting and writing"), (2, ORANGE, "planning")):
            line = np.polynomial.Polynomial.fit(sizes[:, size], sizes[:, column], 1, w=1 / sizes[:, column])
            ends = np.array([0, sizes[:, size].max()])
            axis.plot(ends, line(ends), color=color, linewidth=1)
            axis.plot(sizes[:, size], sizes[:, column], "o", color=color, markersize=4, label=label)
        axis.set(xlabel=name, xlim=(0, None), ylim=(0, None))
        other = "cells" if fixed else "frames"
        axis.set_title(f"{sizes[0, fixed]:.0f} {other}", fontsize=9)
    axes[0].set_ylabel("CPU s")
    axes[0].legend(fontsize=8)
    save(figure, "cost", lines=False)


def presets() -> None:
    """A picture for every preset."""
    for name in preset_names():
        preset(name)


def preset(name: str) -> None:
    """One preset's picture in the gallery."""
    recording, p = seen(name)
    figure, axes = panels(3, side=2.6, title=0.25)
    show(axes[0, 0], p.frame, f"one frame (codes {p.frame.min()}-{p.frame.max()})")
    show(axes[0, 1], p.brightest, "largest rise above the mean")
    draw_some_traces(axes[0, 2], recording)
    save(figure, f"presets/{name}", greys=32)


def draw_some_traces(axis: Any, recording: Recording, n: int = 8) -> None:
    """The true ΔF/F of some detectable cells, from the clearest to the faintest, each on a line of its own."""
    truth = recording.truth
    units = truth.detectable_subset()
    ranked = units[np.argsort(-truth.cells["snr_peak"].to_numpy()[units], kind="stable")]
    chosen = ranked[np.linspace(0, len(ranked) - 1, min(n, len(ranked))).astype(int)]
    rest = truth.cells["amplitude"].to_numpy()
    for row, unit in enumerate(chosen):
        course = truth.C[int(unit)].values / rest[unit] - 1
        axis.plot(course / max(course.max(), 1e-9) * 0.9 - row, color=BLUE, linewidth=0.7)
    axis.set_title(f"true traces of {len(chosen)} cells, each to its peak", fontsize=9, pad=3)


def plots() -> None:
    """What `recording.plot` draws, in a light and in a dark style."""
    recording = simulate(load_preset("moving"))
    plot = recording.plot
    comparison = compare(spoilt_estimate(recording), recording)
    unit = int(recording.truth.detectable_subset()[0])
    draw: dict[str, Callable[[], object]] = {
        "frame": plot.frame,
        "max_projection": plot.max_projection,
        "contours": plot.contours,
        "contours_compared": lambda: plot.contours(comparison),
        "traces": plot.traces,
        "traces_compared": lambda: plot.traces(comparison=comparison),
        "shifts_compared": lambda: plot.shifts(comparison),
        "detection": plot.detection_curve,
        "detection_compared": lambda: plot.detection_curve(comparison),
        "footprint": lambda: plot.footprint(unit),
        "placement": plot.placement,
        "fields": plot.fields,
        "layers": plot.layers,
    }
    for style, suffix in (("default", ""), ("dark_background", "_dark")):
        with plt.style.context(style):
            for name, work in draw.items():
                work()
                figure = plt.gcf()
                path = PICTURES / "plots" / f"{name}{suffix}.png"
                path.parent.mkdir(exist_ok=True)
                figure.savefig(path, dpi=55, pil_kwargs={"optimize": True})  # a palette would lose thin lines
                plt.close(figure)


def spoilt_estimate(recording: Recording) -> Estimate:
    """Two thirds of the cells with noisy traces and shifts, and two of no cell."""
    truth = recording.truth
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(truth.n_units)[: 2 * truth.n_units // 3])
    made_up = np.zeros((2, *recording.frames.shape[1:]), np.float32)
    made_up[0, 5:15, 5:15] = 1
    made_up[1, -20:-8, 20:30] = 1
    C = truth.C.values[kept]
    traces = np.concatenate([C + rng.normal(0, 0.2, C.shape), rng.normal(size=(2, C.shape[1]))])
    shifts = truth.shifts.values + rng.normal(0, 0.2, truth.shifts.shape)
    A = np.concatenate([np.asarray(truth.A_observed[kept]), made_up])
    return Estimate(A=A, C=traces, shifts=shifts, convention="displacement")


PICTURE_OF: dict[str, Callable[[], None]] = {
    "readme": readme,
    "steps": steps,
    "truth": truth,
    "psf": psf,
    "indicators": indicators,
    "photon_transfer": photon_transfer,
    "cost": cost,
    "plots": plots,
    "presets": presets,
}


if __name__ == "__main__":
    one_preset = {f"presets/{name}": partial(preset, name) for name in preset_names()}
    choices = PICTURE_OF | one_preset
    for wanted in sys.argv[1:] or PICTURE_OF:
        if wanted not in choices:
            sys.exit(f"no picture {wanted!r}; there are: {', '.join(choices)}")
        choices[wanted]()
