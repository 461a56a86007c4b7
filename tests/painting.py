"""Paint with single artifacts, as a scene does with all of them."""

import numpy as np

from pytest_calsim.simulation.fusion import fuse


def paint_block(artifacts, images, start, canvas):
    """The pictures of frames from ``start`` on after some artifacts acted on copies of them."""
    images = np.array(images, np.float32)
    for one in fuse(artifacts, canvas):
        images = one.run(images, start, dark=False)
    return images


def paint(artifact, image, frame, canvas):
    """The picture of one frame after one artifact acted on a copy of it."""
    return paint_block([artifact], image[np.newaxis], frame, canvas)[0]


def photon_rate(photons, fps=20.0, pixel_size_um=4.8 / 2.9):
    """The rate per unit of light (``sensor.photon_rate_per_s_um2``) that gives so many photons per pixel and frame."""
    return photons * fps / pixel_size_um**2
