"""Judge a pipeline: assertions, scores, strategies, sweeps."""
