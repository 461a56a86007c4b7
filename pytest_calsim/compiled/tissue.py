"""All light of the tissue, row by row onto several frames at a time.

Patches of a thousand cells, and a dozen frames, are far more than a processor's cache holds: each row is finished for
all frames while it is at hand, and what frames share is read once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["add_layers", "add_tissue"]

Floats32 = NDArray[np.float32]
Ints32 = NDArray[np.int32]
Ints64 = NDArray[np.int64]


@compiled
def add_tissue(
    row_start: Ints64,
    unit: Ints32,
    left: Ints32,
    begin: Ints64,
    lit: Floats32,
    light: Floats32,
    wide: Floats32,
    row_node: Ints64,
    row_weight: Floats32,
    transmission: Floats32,
    layers: Floats32,
    weights: Floats32,
    dark: bool,
    images: Floats32,
) -> None:
    """Add cells, their halo and background layers to each image; at every pixel in this order, units in theirs.

    Parameters
    ----------
    row_start
        Where each image row's spans begin ``(image row + 1,)``.
    unit, left, begin, lit
        From :func:`~pytest_calsim.compiled.spans.lay_spans`; ``begin`` has one more.
    light
        Of each unit in each image ``(unit, image)``.
    wide
        The halo at coarse rows and at each column of the image ``(image, coarse row, width)``.
    row_node, row_weight
        The first of the four coarse rows of each image row, and their weights ``(height, 4)``.
    transmission
        What multiplies the halo ``(height, width)``; an empty one is absent.
    layers, weights
        Background ``(layer, height, width)``, and its share in each image ``(image, layer)``.
    dark
        Whether there is no light yet, whatever the images hold.
    images
        ``(image, height, width)``.
    """
    width = images.shape[2]
    for r in range(images.shape[1]):
        if dark:
            for f in range(images.shape[0]):
                line = images[f, r]
                for c in range(width):
                    line[c] = 0
        for k in range(row_start[r], row_start[r + 1]):
            pixels = lit[begin[k] : begin[k + 1]]
            for f in range(images.shape[0]):
                gain = light[unit[k], f]
                line = images[f, r, left[k] : left[k] + pixels.shape[0]]
                for c in range(pixels.shape[0]):
                    line[c] += gain * pixels[c]
        n = row_node[r]
        w0, w1, w2, w3 = row_weight[r, 0], row_weight[r, 1], row_weight[r, 2], row_weight[r, 3]
        for f in range(images.shape[0]):
            line = images[f, r]
            first, second, third, fourth = wide[f, n], wide[f, n + 1], wide[f, n + 2], wide[f, n + 3]
            if transmission.size == 0:
                for c in range(width):
                    line[c] += w0 * first[c] + w1 * second[c] + w2 * third[c] + w3 * fourth[c]
            else:
                through = transmission[r]
                for c in range(width):
                    line[c] += through[c] * (w0 * first[c] + w1 * second[c] + w2 * third[c] + w3 * fourth[c])
        _add_layers_to_row(r, layers, weights, images)


@compiled
def add_layers(layers: Floats32, weights: Floats32, images: Floats32) -> None:
    """Add Σ_k weights[f, k] · layers[k] to each image f in place, layer after layer."""
    for r in range(images.shape[1]):
        _add_layers_to_row(r, layers, weights, images)


@compiled
def _add_layers_to_row(r: int, layers: Floats32, weights: Floats32, images: Floats32) -> None:
    for f in range(images.shape[0]):
        line = images[f, r]
        for k in range(layers.shape[0]):
            weight, layer = weights[f, k], layers[k, r]
            for i in range(line.shape[0]):
                line[i] += weight * layer[i]
