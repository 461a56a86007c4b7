"""What people hand over (NumPy, xarray, pandas, dask, sparse), made plain arrays, with its labels followed or refused."""
