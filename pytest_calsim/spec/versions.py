"""The two numbers in every cache key beside the steps' own versions."""

__all__ = ["SIM_VERSION", "STORE_FORMAT"]

SIM_VERSION = 5
"""Rises whenever the bits of any recording change."""

STORE_FORMAT = 1
"""Rises whenever the layout of a stored recording changes."""
