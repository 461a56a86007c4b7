"""One reader a pipeline: from its own results to the arguments of an ``Estimate``."""
