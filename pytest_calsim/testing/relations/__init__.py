"""Relations between what a pipeline finds in two recordings that differ in one thing."""
