"""From photons to recorded codes."""
