"""Serve the options that run no tests: look after the cache, list the presets."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_calsim.errors import SpecError
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.spec.presets import preset_names, preset_parts, preset_summary

__all__ = ["list_presets", "look_after_cache", "print_line"]


def print_line(text: str) -> None:
    """Print a line, with ``?`` for what the terminal's encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def list_presets(preset_dir: Path | None, *, parts: bool = False) -> int:
    """Print every preset on offer, or every part, with its summary or with what is wrong with its file; return 0."""
    names = preset_parts(preset_dir) if parts else preset_names(preset_dir)
    width = max(map(len, names), default=0)
    for name in names:
        try:
            summary = preset_summary(name, extra_dir=preset_dir)
        except SpecError as error:
            summary = f"(cannot be used: {error})"
        print_line(f"{name:<{width}}  {summary}".rstrip())
    return 0


def look_after_cache(root: Path | None, jobs: Sequence[str]) -> int | None:
    """Clear, show and verify the cache, as asked; the exit status, or ``None`` to go on with the tests."""
    if root is None:
        if jobs:
            print_line("sim cache: off")
        return None if jobs in ([], ["clear"]) else 0
    cache = RecordingCache(root)
    if "clear" in jobs:
        removed, kept = cache.clear()
        print_line(f"sim cache: {removed} removed, {kept} could not be removed ({root})")
    if "show" in jobs:
        _show(cache)
    if "verify" in jobs:
        checked = len(cache.entries())
        problems = cache.verify()
        for problem in problems:
            print_line(problem)
        print_line(f"sim cache: {checked} checked, {len(problems)} bad and removed ({root})")
        return 1 if problems else 0
    return 0 if "show" in jobs else None


def _show(cache: RecordingCache) -> None:
    entries = cache.entries()
    now = time.time()
    rows = [("preset", "key", "size", "age", "cost saved by a hit")]
    for entry in entries:
        size = f"{entry.size_bytes / 1e6:.1f} MB"
        age = f"{(now - entry.created) / 3600:.1f} h"
        rows.append((entry.label or "-", entry.key[:12], size, age, f"{entry.cost_s:.1f} s"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print_line("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    total = sum(entry.size_bytes for entry in entries) / 1e6
    print_line(f"sim cache: {len(entries)} recordings, {total:.1f} MB ({cache.root})")
