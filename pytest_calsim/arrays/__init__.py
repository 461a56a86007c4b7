"""Footprints, patches, truth arrays, random streams and parallel work: what all layers above build on."""
