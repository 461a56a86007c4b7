"""Pictures of a recording and its truth. Matplotlib is imported when the first one is drawn."""
