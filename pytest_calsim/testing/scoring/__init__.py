"""Score how well an estimate matches the truth: matching, footprints, traces, spikes, shifts. All are plain arrays."""
