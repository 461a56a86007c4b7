"""Describe the instrument: acquisition, the grid that tissue is painted on, units."""
