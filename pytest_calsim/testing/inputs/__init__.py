"""Read what users give (NumPy, xarray, pandas, dask, sparse) as plain arrays; labels are followed or refused."""
