"""Say what to simulate: the Spec, its paths, presets and versions."""
