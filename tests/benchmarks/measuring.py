"""Child processes and what they cost: wall time, CPU time and peak memory, as ratios of pairs run side by side."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

QUANTITIES = ("wall_s", "cpu_s", "peak_mb")
# Modules are compiled once, as in any installation, also where the shell that calls forbids it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def environment(name: str, requirements: list[str]) -> Path:
    """The Python of an environment at the repository's root, made when it is not there."""
    folder = ROOT / name
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != repr(requirements):
        print(f"making {name} ...", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        ready.write_text(repr(requirements))
    return python


@dataclass(frozen=True)
class Job:
    """One workload: a script, or a line of Python, run by one Python.

    With ``call``, time is what the workload itself measured around one call; else it is the whole process's.
    ``empties`` is a file or a folder that is removed before and after each run.
    """

    python: Path
    script: str
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    call: bool = False
    empties: Path | None = None

    def run(self) -> dict[str, Any]:
        """Run it in a process of its own: the quantities, and under ``facts`` what it printed."""
        if self.name:
            command = [self.python, HERE / self.script, self.name, json.dumps(self.arguments)]
        else:
            command = [self.python, "-c", self.script]
        self._clean()
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        self._clean()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{self.script} {self.name} ended with {process.returncode}")
        facts = json.loads(printed.splitlines()[-1]) if printed.strip() else {}
        sample = {
            "wall_s": wall_s,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
            "facts": facts,
        }
        if self.call:
            sample |= {"wall_s": facts["wall_s"], "cpu_s": facts["cpu_s"]}
        return sample

    def _clean(self) -> None:
        if self.empties is not None and self.empties.is_file():
            self.empties.unlink()
        elif self.empties is not None:
            shutil.rmtree(self.empties, ignore_errors=True)


def side_by_side(one: Job, other: Job, repeats: int) -> dict[str, Any]:
    """Both jobs in turn, ``repeats`` times: every sample, and the ratios one ÷ other of the pairs."""
    pairs = [_pair(one, other) for _ in range(repeats)]
    return {
        "one": [a for a, _ in pairs],
        "other": [b for _, b in pairs],
        "ratio": {q: [a[q] / b[q] for a, b in pairs] for q in QUANTITIES},
    }


def _pair(one: Job, other: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both in turn. A moment's disturbance counts for more in a short run: where one side takes less than a third of
    the other's time, it runs thrice, and the middle run counts.
    """
    pair = [one.run(), other.run()]
    for i, job in enumerate((one, other)):
        if 3 * pair[i]["wall_s"] < pair[1 - i]["wall_s"]:
            pair[i] = sorted([pair[i], job.run(), job.run()], key=lambda run: run["wall_s"])[1]
    return pair[0], pair[1]


def middle(samples: list[dict[str, Any]], quantity: str) -> float:
    """Median of a quantity over samples."""
    return statistics.median(sample[quantity] for sample in samples)


def spread(values: list[float]) -> str:
    """Median and range, in three digits."""
    texts = [f"{v:.3g}" if v < 1000 else f"{v:.0f}" for v in (statistics.median(values), min(values), max(values))]
    return texts[0] if len(values) == 1 else f"{texts[0]} ({texts[1]}–{texts[2]})"


def busy_cores(seconds: float = 1.0) -> float:
    """How many cores are busy with other work (Linux; elsewhere the load average)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return os.getloadavg()[0]

    def ticks() -> tuple[int, int]:
        numbers = [int(n) for n in stat.read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    (all_before, idle_before) = ticks()
    _ = time.sleep(seconds)
    (all_after, idle_after) = ticks()
    return (os.cpu_count() or 1) * (1 - (idle_after - idle_before) / (all_after - all_before))
