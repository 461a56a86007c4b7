"""Quick pictures for the notebooks beside this file: light enough to answer a slider at once."""

import base64
import io
import tempfile
import warnings
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, Video
from matplotlib.collections import EllipseCollection
from PIL import Image

from pytest_calsim import plan
from pytest_calsim.errors import SpecWarning

warnings.simplefilter("ignore", SpecWarning)  # out of focus, or much motion: that is what the notebooks show

MOVIES = Path(tempfile.gettempdir()) / "pytest-calsim-notebooks"


def pictures(images, limits=None, side_px=250):
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
        data = base64.b64encode(png.getvalue()).decode()
        shown.append(
            f'<figure style="margin:0; width:{side_px}px; max-width:100%">'
            f'<img alt="{escape(title)}" src="data:image/png;base64,{data}" style="width:100%; image-rendering:pixelated">'
            f"<figcaption>{escape(title)}<br><small>black {low:.3g}, white {high:.3g}</small></figcaption></figure>"
        )
    return HTML(f'<div style="display:flex; flex-wrap:wrap; gap:0.7em">{"".join(shown)}</div>')


def look(spec, frame=0, until=None, canvas=False):
    """Paint one frame after a stage (the last one by default), `(height, width)`."""
    return plan(spec).paint(frame, frame + 1, until, canvas=canvas)[0]


def in_focus(recording, brightness):
    """Add up the cells as they were planted, in focus and unblurred, each with its brightness, `(height, width)`."""
    return (recording.truth.A_planted.csr.T @ brightness).reshape(recording.frames.shape[1:])


def from_top_and_side(spec):
    """Draw the somata from above and from the side, with the sensor's window and the curved focal surface."""
    scene = plan(spec)
    truth = scene.truth()
    x, y, z, radius = (truth[name].values for name in ("x_um", "y_um", "depth_um", "radius_um"))
    height_um, width_um = spec.acquisition.field_size_um
    figure, (top, side) = plt.subplots(2, 1, figsize=(4.5, 5.5), sharex=True, height_ratios=(2, 1))
    for axes, down in ((top, y), (side, z)):
        axes.add_collection(
            EllipseCollection(
                2 * radius, 2 * radius, np.zeros(len(x)), units="xy", offsets=np.column_stack([x, down]),
                offset_transform=axes.transData, facecolors="#56B4E9", edgecolors="black", linewidths=0.3,
            )
        )  # fmt: skip
    top.add_patch(plt.Rectangle((-width_um / 2, -height_um / 2), width_um, height_um, fill=False, edgecolor="#D55E00"))
    across = np.linspace(-width_um, width_um, 101)
    surface = scene.resolved_spec().acquisition.focal_depth_um - spec.acquisition.curvature_shift_um(np.abs(across))
    side.plot(across, surface, color="#D55E00")
    top.set(ylabel="y (µm)", xlim=(-0.75 * width_um, 0.75 * width_um), ylim=(0.75 * height_um, -0.75 * height_um))
    top.set(title=f"{len(x)} cells; the sensor's window", aspect="equal")
    side.set(xlabel="x (µm)", ylabel="depth (µm)", ylim=(max(z.max(), 200), 0), title="the focal surface at y = 0")
    plt.show()


def movie(recording, speed=2, side_px=384):
    """Play a recording. The MP4 is made once, in the system's temporary folder."""
    path = MOVIES / f"{recording.spec.key()[:16]}-{recording.until}-{speed}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        recording.to_mp4(path, speed=speed)
    return Video(
        str(path),
        embed=True,
        width=side_px,
        html_attributes='controls loop muted autoplay playsinline style="max-width:100%; image-rendering:pixelated"',
    )
