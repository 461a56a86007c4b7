"""What a test says of a pipeline: assertions, scores, strategies, sweeps."""
