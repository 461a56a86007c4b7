"""Make minian's environment, once, and run its suite in it. Needs only Python 3.11 and pip.

Usage: python tests/recovery/run.py [pytest arguments]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-minian"
# xarray 2026.9 breaks minian's saving on zarr 2; zarr 3 breaks its import.
PINS = ["minian[numba]==2.0.2", "xarray<2026.9", "zarr<3"]


def main() -> int:
    """Return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, arguments = parser.parse_known_args()
    if sys.version_info[:2] != (3, 11):
        print(f"minian 2.0.2 is pinned for Python 3.11; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = ENVIRONMENT / "ready"
    if not ready.exists() or ready.read_text() != repr(PINS):
        print(f"making {ENVIRONMENT.name} (2 GB, a few minutes) ...", flush=True)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINS, "-e", str(ROOT)], check=True)
        ready.write_text(repr(PINS))
    command = [python, "-m", "pytest", str(Path(__file__).parent), "-m", "slow", "-v", *arguments]
    # dask has threads of its own: those of linear algebra are turned off, as in minian's notebook.
    alone = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    return subprocess.run(command, check=False, env=os.environ | alone).returncode


if __name__ == "__main__":
    sys.exit(main())
