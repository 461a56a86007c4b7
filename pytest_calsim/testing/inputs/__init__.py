"""What people hand over (NumPy, xarray, pandas, dask, sparse) as plain arrays, its labels followed or refused."""
