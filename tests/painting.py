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
