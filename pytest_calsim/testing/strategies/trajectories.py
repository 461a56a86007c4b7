"""Paths of the tissue."""

from __future__ import annotations

from hypothesis import strategies as st

from pytest_calsim.testing.strategies.acquisitions import at_least
from pytest_calsim.testing.strategies.fields import finite_floats

__all__ = ["trajectories"]


def trajectories(frames: int = 20, *, max_shift_um: float = 10.0) -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    """Draw paths (dy, dx) of the tissue, one pair a frame, µm, as ``brain_motion.trajectory_um`` takes them.

    They shrink to stillness.

    Parameters
    ----------
    frames
        How many, 1 or more.
    max_shift_um
        Largest displacement along either axis.

    Raises
    ------
    SpecError
        When there are no frames.
    """
    at_least("frames", frames, 1)
    shift = finite_floats(-max_shift_um, max_shift_um)
    return st.lists(st.tuples(shift, shift), min_size=frames, max_size=frames).map(tuple)
