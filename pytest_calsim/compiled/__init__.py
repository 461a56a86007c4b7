"""Inner loops, compiled by numba and cached on disk. One code path defines the bits."""
