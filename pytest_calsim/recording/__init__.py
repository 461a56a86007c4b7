"""Hold a movie with its ground truth."""
