"""Recordings on disk: the file format, and the directory in which a cache keeps files by key.

::

    zarr_array → archive, stored_truth → recording_file → writing → cache_directory

A recording's file is a zip of zarr (format 2) members, stored and not deflated: ``spec.json``, the movie ``observed``
and the truth under ``truth/``. ``zarr.storage.ZipStore`` and xarray open it. Nothing here simulates.
"""
