"""Light that belongs to no cell in focus."""
