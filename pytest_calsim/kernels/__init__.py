"""Inner loops in C, compiled when the package is installed, and the typed Python functions that call them."""
