"""Lines that a person should see while a test runs: past pytest's capture, at once."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

__all__ = ["Announcer"]

_FIRST_AFTER_S = 2.0
"""What takes less is not worth a line."""
_EACH_S = 1.0
"""A person at a terminal sees the seconds count."""
_LONGEST_PAUSE_S = 60.0
"""A log gets lines at growing intervals, up to this one: CI services end jobs that are silent for minutes."""


class Announcer:
    """Writes to the terminal's stderr as it was before pytest captured it (as pytest's own faulthandler does)."""

    def __init__(self) -> None:
        self._stream, self._own = _uncaptured(sys.stderr)
        self._guard = threading.Lock()

    def say(self, line: str) -> None:
        """Write one line now."""
        self._write(f"\nsim: {line}\n")

    @contextmanager
    def simulating(self, what: str) -> Generator[None]:
        """Announce a simulation once it takes more than 2 s, then how long it has taken, then its end."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(what, done), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def close(self) -> None:
        """Close the stream, if it was opened here."""
        if self._own:
            self._stream.close()

    def _watch(self, what: str, done: threading.Event) -> None:
        began = time.monotonic()
        watched = self._stream.isatty()
        pause_s = _FIRST_AFTER_S
        announced = False
        while not done.wait(pause_s):
            text = f"simulating {what}, {time.monotonic() - began:.0f} s"
            if not announced or not watched:
                self.say(text)
            else:  # over the line that is there
                self._write(f"\x1b[A\x1b[Ksim: {text}\n")
            announced = True
            pause_s = _EACH_S if watched else min(4 * pause_s, _LONGEST_PAUSE_S)
        if announced:
            self.say(f"simulated {what} in {time.monotonic() - began:.1f} s")

    def _write(self, text: str) -> None:
        # A terminal that has gone must not fail a test.
        with self._guard, suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _uncaptured(stream: TextIO) -> tuple[TextIO, bool]:
    """Duplicate a stream's file; give the stream itself where it has none."""
    try:
        file = os.dup(stream.fileno())
    except (OSError, AttributeError, ValueError):
        return stream, False
    return open(file, "w", encoding=stream.encoding, errors="backslashreplace"), True
