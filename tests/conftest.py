# In-process pytester runs drop what they imported: numpy, scipy, xarray and zarr do not survive a second import.
import numpy  # noqa: F401
import scipy  # noqa: F401
import xarray  # noqa: F401
import zarr  # noqa: F401

pytest_plugins = ["pytester"]
