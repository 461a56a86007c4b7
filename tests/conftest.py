# In-process pytester runs drop what they imported, and these do not survive a second import. dask brings
# importlib_metadata, which patches the import system for good.
import contextlib

import hypothesis
import numpy  # noqa: F401
import scipy  # noqa: F401
import xarray  # noqa: F401
import zarr  # noqa: F401

with contextlib.suppress(ImportError):
    import dask.array  # noqa: F401

with contextlib.suppress(ImportError):
    import contourpy  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

# A first example may import; how long anything takes is measured in tests/benchmarks.
hypothesis.settings.register_profile("calsim", deadline=None)
hypothesis.settings.load_profile("calsim")

pytest_plugins = ["pytester"]
