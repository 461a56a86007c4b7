"""A cached recording in hand: it goes on whatever happens to its entry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from pytest_calsim.recording.recording import Recording
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.folder import Backing, Folder
from pytest_calsim.store.manifest import Manifest

__all__ = ["KeptFolder", "Mender"]

_MENDS = 2


class Mender(Protocol):
    """Who can replace a damaged entry: the cache."""

    def mend(self, spec: Spec, label: str, bad: Folder, reason: str) -> Folder | Recording:
        """A good entry for the spec, or the recording painted on demand."""
        ...

    def paint(self, spec: Spec) -> Recording:
        """The recording without any disk."""
        ...

    def tell(self) -> None:
        """Say what happened, once the recording can go on."""
        ...


class _Painted:
    """Frames painted and truth planned: what serves when no disk does."""

    def __init__(self, recording: Recording, manifest: Manifest) -> None:
        self._recording = recording
        self.manifest = manifest

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        return self._recording.frames.read(start, stop)

    def array(self, path: str) -> NDArray[Any]:
        _, name, *part = path.split("/")
        return getattr(self._recording.truth.arrays[name], part[0] if part else "values")


class KeptFolder:
    """An entry's folder that is mended when something in it turns out damaged or missing, in the middle of a test."""

    def __init__(self, folder: Folder, spec: Spec, label: str, mender: Mender) -> None:
        self.manifest = folder.manifest
        self._folder = folder
        self._spec, self._label, self._mender = spec, label, mender
        self._painted: _Painted | None = None
        self._guard = threading.Lock()

    def __reduce__(self) -> tuple[type[KeptFolder], tuple[Folder, Spec, str, Mender]]:
        return KeptFolder, (self._folder, self._spec, self._label, self._mender)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames, fresh and writable."""
        return self._read(lambda backing: backing.frames(start, stop))

    def array(self, path: str) -> NDArray[Any]:
        """An array of the truth by its path."""
        return self._read(lambda backing: backing.array(path))

    def _read(self, read: Callable[[Backing], NDArray[Any]]) -> NDArray[Any]:
        for _ in range(_MENDS):
            folder = self._folder
            if self._painted is not None:
                return read(self._painted)
            try:
                return read(folder)
            except OSError as error:
                self._mend(folder, str(error))
            self._mender.tell()
        # A disk that damages whatever it is given.
        self._painted = _Painted(self._mender.paint(self._spec), self.manifest)
        return read(self._painted)

    def _mend(self, bad: Folder, reason: str) -> None:
        with self._guard:
            if self._folder is not bad or self._painted is not None:
                return  # another thread was here
            made = self._mender.mend(self._spec, self._label, bad, reason)
            if isinstance(made, Folder):
                self._folder = made
            else:
                self._painted = _Painted(made, self.manifest)
