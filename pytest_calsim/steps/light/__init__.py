"""Fields fixed to the instrument: illumination, vignette, leakage."""
