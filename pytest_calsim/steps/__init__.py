"""The physics, in the order of light: cells, tissue, motion, light, sensor. One step, one file."""
