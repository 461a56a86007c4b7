"""Absorb light between the cells and the objective, by blood vessels."""
