"""Saving a recording to a folder of its own, and loading it.

A folder holds ``recording.zarr`` (format 2: ``observed``, and the truth under ``truth/``), ``spec.json`` and
``manifest.json``. It appears whole or not at all.
"""

from __future__ import annotations

import errno
import json
import os
import time
import uuid
from os import PathLike
from pathlib import Path

from pytest_calsim.errors import StoreError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.files import remove, sync_folder
from pytest_calsim.store.folder import Folder, StoredFrames, StoredTruth
from pytest_calsim.store.writing import fill_folder

__all__ = ["publish", "read_recording", "write_recording"]


def publish(work: Path, final: Path) -> bool:
    """Rename a finished folder into place; ``False`` when something is there already."""
    try:
        work.rename(final)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) or os.path.lexists(final):
            return False
        raise
    sync_folder(final.parent)
    return True


def write_recording(recording: Recording, path: str | PathLike[str]) -> None:
    """Write a recording to a new folder, painting block by block on all cores; the movie is never held in memory.

    Raises
    ------
    StoreError
        When the folder exists already or cannot be written.
    """
    final = Path(path)
    if os.path.lexists(final):
        raise StoreError(f"{final}: exists already; choose a new folder")
    work = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir()
        fill_folder(recording, work, label="", started=time.perf_counter())
        if not publish(work, final):
            raise StoreError(f"{final}: exists already; choose a new folder")
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{final}: cannot be written: {error.strerror or error}") from error
    finally:
        remove(work)


def read_recording(path: str | PathLike[str]) -> Recording:
    """Open a saved recording; its chunks are read when asked for, and verified as they are.

    Raises
    ------
    StoreError
        When there is no recording, or it is damaged, foreign or of another version; later too, when a damaged
        chunk is read.
    """
    try:
        folder = Folder.open(Path(path))
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
    manifest = folder.manifest
    spec = Spec.make(json.loads(folder.spec_json))
    if spec.key() != manifest.key:
        raise StoreError(f"{path}: was simulated by another version of its steps; simulate its spec.json anew")
    return Recording(
        spec, StoredFrames(folder), GroundTruth(StoredTruth(folder)), notes=manifest.notes, until=manifest.until
    )
