"""The closure law: the layers of truth, combined by the formula of docs/physics.md, are the noise-free movie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import FEW, KINDS, MANY, SMALL, scene_of

from pytest_calsim import strategies as sims

PLAIN = ["render", "background_cells", "neuropil", "bleaching", "illumination", "vignette", "leakage", "vasculature"]


def keys(t):
    """Keys' cubic convolution with a = -1/2, by distance."""
    t = np.abs(t)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def displaced(image, shift, margin, shape):
    """The sensor's window onto a displaced canvas, by one dense matrix per axis."""
    rows = np.arange(shape[0])[:, None] + margin - shift[0]
    columns = np.arange(shape[1])[:, None] + margin - shift[1]
    by_row = keys(rows - np.arange(image.shape[0]))
    by_column = keys(columns - np.arange(image.shape[1]))
    return np.maximum(by_row @ image.astype(float) @ by_column.T, 0)


def spline(u):
    """The cubic B-spline, by distance in nodes."""
    u = np.abs(u)
    return np.where(u < 1, 2 / 3 - u**2 + u**3 / 2, np.where(u < 2, (2 - u) ** 3 / 6, 0))


def smooth_layer(scene, artifact, frame):
    """Images on nodes times their sources' light, behind vessels, on the canvas: one source after the other."""
    light = artifact.gains(frame, frame + 1)[:, 0].astype(float)
    at = [np.arange(n) - (n - 1) / 2 for n in scene.canvas.shape]
    image = np.zeros(scene.canvas.shape)
    for images in artifact.spline_images:
        step = 2.0**images.level
        for i, source in enumerate(images.source.tolist()):
            values, row, column = images.patches.patch(i)
            by_row, by_column = (
                spline(positions[:, None] / step - first - np.arange(n))
                for positions, first, n in zip(at, (row, column), values.shape, strict=True)
            )
            image += light[source] * (by_row @ values.astype(float) @ by_column.T)
    return image if artifact.transmission is None else image * artifact.transmission


def closes(spec):
    scene = scene_of(spec)
    truth = {name: np.asarray(v.values, float) for name, v in scene.truth().items() if hasattr(v, "values")}
    footprints = scene.truth().get("A_observed")
    noise_free = [stage for stage in scene.stages if stage != "sensor"]
    rows, columns = scene.canvas.window.slices
    margin = scene.canvas.margin_px
    shape = scene.canvas.sensor_shape
    for frame in range(scene.n_frames):

        def stage(name, canvas=False, frame=frame):
            return scene.paint(frame, frame + 1, name, canvas=canvas)[0].astype(float)

        def close(found, expected, *parts):
            largest = max([np.abs(expected).max(), *(np.abs(part).max() for part in parts)])
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * largest + 1e-30)

        tissue = np.zeros(scene.canvas.shape)
        if "render" in noise_free:
            tissue = stage("render", canvas=True)
            bleached = truth["bleaching"][:, frame] if "bleaching" in truth else 1.0
            light = truth["C"][:, frame] * bleached
            cells = (footprints.csr.T.astype(float) @ light).reshape(shape) if len(light) else np.zeros(shape)
            halo = tissue[rows, columns] - cells
            assert halo.min() >= -4e-6 * max(tissue.max(), cells.max(), 1e-30)  # the halo is light, never shade
        if "background_cells" in noise_free:
            layer = smooth_layer(scene, scene.artifacts["background_cells"], frame)
            close(stage("background_cells", canvas=True), tissue + layer, layer)
            tissue = stage("background_cells", canvas=True)
        if "neuropil" in noise_free:
            layers = np.tensordot(truth["neuropil_temporal"][:, frame], truth["neuropil_spatial"], 1)
            layers += smooth_layer(scene, scene.artifacts["neuropil"], frame)[rows, columns]
            close(stage("neuropil"), tissue[rows, columns] + layers, layers)
            tissue = stage("neuropil", canvas=True)
        image = tissue[rows, columns]
        if "brain_motion" in noise_free:
            image = displaced(tissue, truth["shifts"][frame], margin, shape)
            close(stage("brain_motion"), image, tissue)
        # V · [I · M(F)] + L
        image = image * truth.get("illumination", 1.0) * truth.get("vignette", 1.0) + truth.get("leakage", 0.0)
        if noise_free:
            close(stage(noise_free[-1]), image, tissue)


@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), PLAIN, KINDS], ids=lambda kinds: "-".join(kinds)[:30])
@FEW
@given(data=st.data())
def test_closure(kinds, data):
    closes(data.draw(sims.specs(kinds=kinds, **SMALL)))


@pytest.mark.slow
@MANY
@given(spec=sims.specs())
def test_closure_for_many(spec):
    closes(spec)
