"""The two numbers in every cache key beside the steps' own versions."""

__all__ = ["SIM_VERSION", "STORE_FORMAT"]

SIM_VERSION = 4
"""Rises whenever the bits of any recording change."""

STORE_FORMAT = 2
"""Rises whenever the layout of a stored recording changes."""
