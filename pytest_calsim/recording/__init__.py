"""A movie with its ground truth."""
