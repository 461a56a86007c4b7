"""Run the command line: ``python -m pytest_calsim presets | simulate | export | score | cache | notebooks``.

Built on argparse: six commands with a few options each need no further dependency.
Each command imports what it needs itself, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import ast
import json
import logging
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_calsim.errors import CalsimError, StoreError

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        The words behind the program's name; those of this process by default.

    Returns
    -------
    int
        The exit status: 0, or 1 when something could not be done, which is then said in one line on stderr.
        Arguments that are wrong end the process with status 2, as argparse does.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read the output has read enough, as `head` does; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CalsimError, OSError, ValueError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"pytest_calsim: {told}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pytest_calsim", description="Simulated miniscope recordings.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--preset-dir",
        type=Path,
        default=os.environ.get("PYTEST_SIM_PRESET_DIR") or None,
        metavar="DIR",
        help="a folder of your own presets (default: PYTEST_SIM_PRESET_DIR)",
    )

    changes = argparse.ArgumentParser(add_help=False)
    changes.add_argument("--seed", type=int, metavar="N", help="the preset with this seed")
    changes.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="PATH=VALUE",
        help="the preset with a field changed, e.g. --set acquisition.duration_s=20; may be given several times",
    )
    changes.add_argument("--drop", action="append", default=[], metavar="KIND", help="the preset without a step")
    recording = "a saved recording, the spec.json of a failed test, or a preset"

    presets = commands.add_parser("presets", help="list the presets, or all values of one", parents=[folder])
    presets.add_argument("preset", nargs="?", help="list this preset's values, by the paths that overrides take")
    presets.add_argument("--parts", action="store_true", help="list the parts that presets are made of")
    presets.set_defaults(run=_presets)

    simulate = commands.add_parser("simulate", help="simulate a preset and save it", parents=[changes, folder])
    simulate.add_argument("preset", nargs="+", help="a preset, a preset file (.toml), or several parts in order")
    simulate.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="where to save it")
    simulate.add_argument("-v", "--verbose", action="store_true", help="say how long each step took")
    simulate.set_defaults(run=_simulate)

    export = commands.add_parser("export", help="write a movie for another program", parents=[changes, folder])
    export.add_argument("recording", help=recording)
    export.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="the file or folder to write")
    export.add_argument(
        "--format",
        metavar="FORMAT",
        help="tiff, npy, zarr, nwb, avi, mp4 or miniscope (default: as the name of the output ends)",
    )
    export.set_defaults(run=_export)

    score = commands.add_parser("score", help="measure what a pipeline found", parents=[changes, folder])
    score.add_argument("recording", help=recording)
    score.add_argument(
        "estimate",
        type=Path,
        help="footprints or labels (.npy), arrays by name (.npz), a folder of suite2p's or of minian's results",
    )
    score.add_argument("--units", choices=["detectable", "in_focus", "all"], default="detectable", help="whom to count")
    score.add_argument("--min-iou", type=float, default=0.5, metavar="IOU", help="lowest IoU of a match (default: 0.5)")
    score.add_argument("--json", type=Path, metavar="FILE", help="write every number to FILE too")
    score.add_argument("--report", type=Path, metavar="FILE", help="write a page with pictures to FILE too (.html)")
    score.set_defaults(run=_score)

    cache = commands.add_parser("cache", help="look after the cache of recordings")
    cache.add_argument("job", choices=["show", "verify", "clear"])
    cache.add_argument("--dir", type=Path, metavar="DIR", help="its folder (default: the user's cache folder)")
    cache.set_defaults(run=_cache)

    notebooks = commands.add_parser("notebooks", help="copy the teaching notebooks (the extra teaching)")
    notebooks.add_argument("folder", type=Path, help="where to; it is made if it is missing")
    notebooks.set_defaults(run=_notebooks)
    return parser


def _assignment(text: str) -> tuple[str, object]:
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise argparse.ArgumentTypeError(f"{text!r} must be PATH=VALUE")
    try:
        return path, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return path, {"true": True, "false": False}.get(value, value)


def _presets(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import list_presets, print_line
    from pytest_calsim.spec.presets import load_preset

    if options.preset is None:
        return list_presets(options.preset_dir, parts=options.parts)
    for path, value in load_preset(options.preset, extra_dir=options.preset_dir).fields().items():
        print_line(f"{path} = {value!r}")
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line

    _refuse_existing(options.output)
    with _steps_timed(options.verbose):
        recording = _simulated(options.preset, options)
    began = time.perf_counter()
    recording.save(options.output)
    if options.verbose:
        print_line(f"painted and saved in {time.perf_counter() - began:.3f} s")
    print_line(f"{options.output}: {_described(recording)}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line
    from pytest_calsim.recording.exports.cached_file import MOVIE_FORMATS, format_named, format_of

    movie_format = options.format or format_of(options.output)
    if movie_format is None:
        known = ", ".join(f"{name} ({known.suffix or 'a folder'})" for name, known in MOVIE_FORMATS.items())
        raise StoreError(f"{options.output}: its name tells no format; give --format: {known}")
    chosen = format_named(movie_format)  # a wrong name is refused before anything is simulated
    _refuse_existing(options.output)
    recording = _recording(options)
    chosen.write(recording, options.output)
    print_line(f"{options.output}: {movie_format}, {_described(recording)}")
    return 0


def _score(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line
    from pytest_calsim.testing.estimate_files import read_estimate
    from pytest_calsim.testing.score import score

    if options.report is not None:
        _refuse_existing(options.report)
    recording = _recording(options)
    _, height, width = recording.frames.shape
    estimate = read_estimate(options.estimate, (height, width))
    scores = score(estimate, recording, min_iou=options.min_iou, units=options.units)
    for line in str(scores).splitlines():
        print_line(line)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(scores.as_dict(), indent=2) + "\n", "utf-8")
    if options.report is not None:
        from pytest_calsim.testing.plots import save_report  # which needs matplotlib

        save_report(options.report, estimate, recording, min_iou=options.min_iou, units=options.units)
    return 0


def _cache(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import look_after_cache
    from pytest_calsim.recording.cache import default_root

    root: Path = options.dir or default_root()
    if root.is_file():
        raise StoreError(f"{root}: is a file; give the folder of a cache")
    return look_after_cache(root, [options.job]) or 0


def _notebooks(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line
    from pytest_calsim.recording.exports.notebooks import copy_notebooks

    for path in copy_notebooks(options.folder):
        print_line(str(path))
    print_line(f"to open them: jupyter lab {options.folder}")
    return 0


def _refuse_existing(path: Path) -> None:
    """Refuse to replace a file before anything is simulated for it."""
    if os.path.lexists(path):
        raise StoreError(f"{path}: exists already; choose another name, or remove it")


def _recording(options: argparse.Namespace) -> Recording:
    """Open a saved recording, or simulate what a failed test or a preset asks for."""
    from pytest_calsim.plugin.replay import read_failure
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.recording.simulate import simulate

    path = Path(options.recording)
    if path.suffix in (".zip", ".json") and not path.exists():
        raise StoreError(f"{path}: no such file")
    if path.suffix == ".toml" or not path.is_file():
        return _simulated([options.recording], options)
    changed = options.seed is not None or options.set or options.drop
    if changed:
        raise StoreError(f"{path}: --seed, --set and --drop change presets; this is a recording as it is")
    if path.suffix == ".json":
        try:
            return simulate(read_failure(path).load_spec())
        except ValueError as error:
            raise StoreError(f"{path}: {error}") from None
    return Recording.load(path)


def _simulated(names: Sequence[str], options: argparse.Namespace) -> Recording:
    from pytest_calsim.recording.simulate import simulate
    from pytest_calsim.spec.presets import compose_presets, load_preset

    # Of one name, "optics/miniscope_v4" is a part of presets, and "folder/mine.toml" the file of a whole one.
    is_part = "/" in names[0] and not names[0].endswith(".toml")
    make = compose_presets if len(names) > 1 or is_part else load_preset
    spec = make(*names, overrides=dict(options.set), seed=options.seed, drop=options.drop, extra_dir=options.preset_dir)
    return simulate(spec)


def _described(recording: Recording) -> str:
    frames, height, width = recording.frames.shape
    spec = recording.spec
    return f"{frames} frames of {height} x {width} px, seed {spec.seed}, key {spec.key()[:12]}"


@contextmanager
def _steps_timed(wanted: bool) -> Generator[None]:
    """Print what the simulation logs at level DEBUG: how long each step took."""
    logger = logging.getLogger("pytest_calsim")
    handler = logging.StreamHandler(sys.stdout)
    level = logger.level
    if wanted:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
