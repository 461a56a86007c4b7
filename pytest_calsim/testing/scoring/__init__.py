"""How well an estimate matches the truth: matching, footprints, traces, spikes, shifts. Knows only arrays."""
