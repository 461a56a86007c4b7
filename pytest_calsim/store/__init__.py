"""Recordings on disk: the format, and the cache that workers share.

::

    files → zarr2 → manifest → writing, folder → disk (save and load)
                                               → shelf, turns → cache
"""
