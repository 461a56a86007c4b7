"""Versions that are part of every cache key, together with each step's version."""

__all__ = ["SIM_VERSION", "STORE_FORMAT"]

SIM_VERSION = 13
"""Version of what is simulated. Raise it when the bits of any recording change."""

STORE_FORMAT = 2
"""Version of the file. Raise it when the layout of a stored recording changes."""
