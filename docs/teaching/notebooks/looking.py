"""Quick pictures and sliders for the notebooks beside this file."""

import base64
import gc
import inspect
import io
import tempfile
import warnings
from functools import lru_cache
from html import escape
from pathlib import Path

import ipywidgets
import numpy as np
from IPython.display import HTML, Video
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from pytest_calsim import plan
from pytest_calsim.errors import SpecWarning

warnings.simplefilter("ignore", SpecWarning)  # out of focus, or much motion: that is what the notebooks show

MOVIES = Path(tempfile.gettempdir()) / "pytest-calsim-notebooks"
ORANGE = "#D55E00"
BLUE = "#56B4E9"


class Explorer(ipywidgets.VBox):
    """Sliders above a picture; where there is no kernel (on the site), the picture that they begin with."""

    def __init__(self, sliders, picture):
        super().__init__([*sliders, picture])
        self._first = picture.value

    def _repr_mimebundle_(self, **kwargs):
        return {**super()._repr_mimebundle_(**kwargs), "text/html": self._first}


def explore(draw, **ranges):
    """Draw anew whenever a slider is moved.

    `draw` returns HTML. A range is `(low, high, step)` or a list of choices; the sliders begin at the defaults of
    `draw`.
    """
    picture = ipywidgets.HTML()
    defaults = inspect.signature(draw).parameters
    sliders = {}
    for name, values in ranges.items():
        if isinstance(values, list):
            kind = ipywidgets.Dropdown
            options = {"options": values}
        else:
            kind = ipywidgets.FloatSlider if any(isinstance(v, float) for v in values) else ipywidgets.IntSlider
            options = dict(zip(("min", "max", "step"), values, strict=True))
        options |= {"style": {"description_width": "13em"}, "layout": {"width": "34em", "max_width": "98%"}}
        sliders[name] = kind(value=defaults[name].default, description=name, **options)

    def renew(change=None):
        picture.value = draw(**{name: slider.value for name, slider in sliders.items()}).data

    for slider in sliders.values():
        slider.observe(renew, "value")
    renew()
    gc.freeze()  # what is there by now stays: looking through it for garbage would halt a slider for 0.2 s
    return Explorer(sliders.values(), picture)


def pictures(images, limits=None, side_px=250, note=""):
    """Show grey pictures side by side, each with its title and its range, black to white.

    `limits` is one range for all, which keeps their brightness comparable; without it each has its own.
    """
    shown = []
    for title, image in images.items():
        low, high = np.percentile(image, [0.5, 99.8]) if limits is None else limits
        span = max(high - low, 1e-9)
        grey = np.clip((np.asarray(image, float) - low) / span * 255, 0, 255).astype(np.uint8)
        png = io.BytesIO()
        Image.fromarray(grey).save(png, format="PNG")
        shown.append(
            f'<figure style="margin:0; width:{side_px}px; max-width:100%">'
            f'<img alt="{escape(title)}" src="{data_url(png)}" style="width:100%; image-rendering:pixelated">'
            f"<figcaption>{escape(title)}<br><small>black {low:.3g}, white {high:.3g}</small></figcaption></figure>"
        )
    row = f'<div style="display:flex; flex-wrap:wrap; gap:0.7em">{"".join(shown)}</div>'
    return HTML((f"<p>{escape(note)}</p>" if note else "") + row)


def data_url(png):
    """Return a PNG in memory as a URL that has it inside."""
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def drawn(figure, title):
    """Show a figure of matplotlib. Its margins are given: finding tight ones would draw it twice."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90, pil_kwargs={"compress_level": 1})
    width = round(72 * figure.get_size_inches()[0])
    return HTML(f'<img alt="{escape(title)}" src="{data_url(png)}" style="width:{width}px; max-width:100%">')


def courses(time_s, lines, ylabel, dots=()):
    """Draw named courses over time; `dots` are further (times, height) to mark."""
    figure = Figure(figsize=(7, 2.4))
    axes = figure.subplots(gridspec_kw={"left": 0.09, "right": 0.99, "bottom": 0.2, "top": 0.97})
    for name, course in lines.items():
        axes.plot(time_s, course, linewidth=1, label=name)
    for times, height in dots:
        axes.plot(times, np.full(len(times), height), "k|", markersize=4)
    axes.set(xlabel="time (s)", ylabel=ylabel)
    if len(lines) > 1:
        axes.legend(loc="upper right", fontsize="small")
    return drawn(figure, f"{ylabel} over time")


def from_top_and_side(spec):
    """Draw the somata from above and from the side, with the sensor's window and the curved focal surface."""
    scene = plan(spec)
    truth = scene.truth()
    x, y, z, radius = (truth[name].values for name in ("x_um", "y_um", "depth_um", "radius_um"))
    height_um, width_um = spec.acquisition.field_size_um
    figure = Figure(figsize=(4.6, 6.85))
    margins = {"left": 0.18, "right": 0.97, "bottom": 0.08, "top": 0.94, "hspace": 0.15}
    top, side = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1), gridspec_kw=margins)
    for axes, down in ((top, y), (side, z)):
        axes.add_collection(
            EllipseCollection(
                2 * radius, 2 * radius, np.zeros(len(x)), units="xy", offsets=np.column_stack([x, down]),
                offset_transform=axes.transData, facecolors=BLUE, edgecolors="black", linewidths=0.3,
            )
        )  # fmt: skip
    top.add_patch(Rectangle((-width_um / 2, -height_um / 2), width_um, height_um, fill=False, edgecolor=ORANGE))
    across = np.linspace(-width_um, width_um, 101)
    surface = scene.resolved_spec().acquisition.focal_depth_um - spec.acquisition.curvature_shift_um(np.abs(across))
    side.plot(across, surface, color=ORANGE)
    top.set(ylabel="y (µm)", xlim=(-0.75 * width_um, 0.75 * width_um), ylim=(0.75 * height_um, -0.75 * height_um))
    top.set(title=f"{len(x)} cells, and the sensor's window", aspect="equal")
    side.set(xlabel="x (µm)", ylabel="depth (µm)", ylim=(max(z.max(), 200), 0), title="the focal surface at y = 0")
    return drawn(figure, "cells from above and from the side")


def answer(text):
    """Fold an answer away, until somebody asks for it."""
    lines = "<br>".join(map(escape, text.splitlines()))
    return HTML(f"<details><summary>Show the answer</summary>{lines}</details>")


@lru_cache(maxsize=16)
def planned(spec):
    """Plan a spec, or remember its plan: a slider that changes the frame alone only paints."""
    return plan(spec)


def look(spec, frame=0, until=None):
    """Paint one frame after a stage (the last one by default), `(height, width)`."""
    return planned(spec).paint(frame, frame + 1, until)[0]


def movie(recording, speed=2, side_px=384):
    """Play a recording. Its MP4 is made once, in the system's temporary folder."""
    path = MOVIES / f"{recording.spec.key()[:16]}-{recording.until}-{speed}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        some = [recording.frames.read(i, i + 1) for i in range(0, recording.frames.shape[0], 30)]
        recording.to_mp4(path, speed=speed, limits=tuple(np.percentile(some, [0.5, 99.9])))
    looks = 'controls loop muted autoplay playsinline style="max-width:100%; image-rendering:pixelated"'
    return Video(str(path), embed=True, width=side_px, html_attributes=looks)
