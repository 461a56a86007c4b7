"""From a spec to its planned truth, and from there to pixels."""
