"""What absorbs light between the cells and the objective: blood vessels."""
