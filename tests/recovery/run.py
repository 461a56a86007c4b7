"""Make the environment of a pipeline, once, and run its suite in it. Needs only Python 3.11 and pip.

Usage: python tests/recovery/run.py [--pipeline minian|suite2p] [pytest arguments]

minian reads videos with ffmpeg, which must be on PATH for the tests of that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = {
    "light": ["scikit-image>=0.22", "oasis-deconv>=0.3"],
    # xarray 2026.9 breaks minian's saving on zarr 2; zarr 3 breaks its import.
    "minian": ["minian[numba]==2.0.2", "xarray<2026.9", "zarr<3", "av>=12"],
    "suite2p": ["suite2p==1.1.0", "tifffile"],
}
"""What the environment of each pipeline holds beside this package."""

# dask and torch have threads of their own: those of linear algebra are turned off, as in minian's notebook.
ALONE = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")


def environment(pipeline: str) -> Path:
    """Return the interpreter of a pipeline's environment, which is made if need be."""
    folder = ROOT / f".venv-{pipeline}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    wanted = repr(REQUIREMENTS[pipeline])
    if not ready.exists() or ready.read_text() != wanted:
        print(f"making {folder.name} (up to 2 GB, a few minutes) ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS[pipeline], "-e", str(ROOT)], check=True)
        ready.write_text(wanted)
    return python


def main() -> int:
    """Return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", choices=["minian", "suite2p"], default="minian")
    given, arguments = parser.parse_known_args()
    if sys.version_info[:2] != (3, 11):
        print(f"the pipelines are pinned for Python 3.11; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    command = [environment(given.pipeline), "-m", "pytest", str(Path(__file__).parent), "-m", "slow", "-v", *arguments]
    return subprocess.run(command, check=False, env=os.environ | ALONE).returncode


if __name__ == "__main__":
    sys.exit(main())
