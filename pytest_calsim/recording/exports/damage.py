"""Spoil a file of a movie in known ways, as disks and acquisition software do."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from pytest_calsim.errors import StoreError, as_path, nearest
from pytest_calsim.recording.extras import require

__all__ = ["Damage", "damage"]

Damage = Literal["truncated", "undecodable_frame", "wrong_fps", "no_frame_count"]
"""Ways in which a file can be spoilt."""

_WRONG_FPS = 1
"""Frames per second that a spoilt header tells."""


def damage(path: str | os.PathLike[str], kind: Damage) -> None:
    """Spoil a file in place, always in the same way.

    Parameters
    ----------
    path
        A file that ``recording.to_*`` wrote.
    kind
        ``"truncated"``: the last third of its bytes is lost; any file. ``"undecodable_frame"``: the bytes of the
        middle frame are noise; AVI and MP4. ``"wrong_fps"``: the header tells 1 frame per second; AVI.
        ``"no_frame_count"``: the header tells 0 frames, as after a crash while recording, and players count them
        by the index; AVI.

    Raises
    ------
    ValueError
        When there is no such kind.
    StoreError
        When there is no such file, or files of its format cannot be spoilt so.

    Examples
    --------
    >>> import tempfile
    >>> from pytest_calsim import damage, load_preset, simulate
    >>> path = Path(tempfile.mkdtemp()) / "movie.npy"
    >>> simulate(load_preset("tiny")).to_npy(path)
    >>> whole = path.stat().st_size
    >>> damage(path, "truncated")
    >>> whole, path.stat().st_size
    (409728, 273152)
    """
    if kind not in get_args(Damage):
        raise ValueError(f"no damage {kind!r}: {nearest(kind, get_args(Damage))}")
    path = as_path(path)
    if not path.is_file():
        raise StoreError(f"{path}: no such file" if not path.exists() else f"{path}: is a folder; name a file in it")
    ways: dict[str, Callable[[Path], None]] = {
        "truncated": _truncate,
        "undecodable_frame": _spoil_middle_frame,
        "wrong_fps": _tell_wrong_fps,
        "no_frame_count": _tell_no_frame_count,
    }
    ways[kind](path)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _spoil_middle_frame(path: Path) -> None:
    av = require("av", "files", "damage")
    if path.suffix.lower() not in (".avi", ".mp4"):
        raise StoreError(f"{path}: has no encoded frames that could be undecodable; AVI and MP4 have")
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    if not places:
        raise StoreError(f"{path}: holds no frame")
    start, size = places[len(places) // 2]
    # Nothing but the frame's own bytes: the container around it still leads to every frame.
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * size)


def _tell_wrong_fps(path: Path) -> None:
    head = _avi_header(path)
    struct.pack_into("<I", head, _field(head, b"avih", 0), 1_000_000 // _WRONG_FPS)  # microseconds per frame
    struct.pack_into("<II", head, _field(head, b"strh", 20), 1, _WRONG_FPS)  # scale, rate
    _write_start(path, head)


def _tell_no_frame_count(path: Path) -> None:
    head = _avi_header(path)
    struct.pack_into("<I", head, _field(head, b"avih", 16), 0)  # total frames
    struct.pack_into("<I", head, _field(head, b"strh", 32), 0)  # length of the stream
    if b"dmlh" in head:
        struct.pack_into("<I", head, _field(head, b"dmlh", 0), 0)  # total frames of all parts (OpenDML)
    _write_start(path, head)


def _avi_header(path: Path) -> bytearray:
    """Read the start of an AVI up to its frames."""
    with path.open("rb") as file:
        head = bytearray(file.read(64 << 10))
    if not (head.startswith(b"RIFF") and head.startswith(b"AVI ", 8)) or b"avih" not in head:
        raise StoreError(f"{path}: is no AVI, whose header alone can be spoilt so")
    frames = head.find(b"movi")
    return head if frames < 0 else head[:frames]


def _field(head: bytearray, chunk: bytes, offset: int) -> int:
    """Find a field of a chunk: 4 bytes of name and 4 of size come before its content."""
    return head.index(chunk) + 8 + offset


def _write_start(path: Path, head: bytearray) -> None:
    with path.open("r+b") as file:
        file.write(head)
