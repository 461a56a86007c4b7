"""The command line: ``python -m pytest_calsim presets | simulate | cache | notebooks``.

Built on argparse: four commands with a few options each need no further dependency.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_calsim.errors import CalsimError

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
        return options.run(options)
    except (CalsimError, OSError) as error:
        print(f"pytest_calsim: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pytest_calsim", description="Simulated miniscope recordings.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    presets = commands.add_parser("presets", help="list the presets")
    presets.add_argument("--parts", action="store_true", help="list the parts that presets are made of")
    presets.add_argument("--preset-dir", type=Path, metavar="DIR", help="a folder of your own presets")
    presets.set_defaults(run=_presets)

    simulate = commands.add_parser("simulate", help="simulate a preset and save the recording")
    simulate.add_argument("preset", nargs="+", help="a preset, a preset file (.toml), or several parts in order")
    simulate.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="where to save it")
    simulate.add_argument("--seed", type=int, metavar="N")
    simulate.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="PATH=VALUE",
        help="change a field, e.g. --set acquisition.duration_s=20; may be given several times",
    )
    simulate.add_argument("--drop", action="append", default=[], metavar="KIND", help="leave a step out")
    simulate.add_argument("--preset-dir", type=Path, metavar="DIR", help="a folder of your own presets")
    simulate.set_defaults(run=_simulate)

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
    from pytest_calsim.plugin.cache_commands import list_presets

    return list_presets(options.preset_dir, parts=options.parts)


def _simulate(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line
    from pytest_calsim.recording.simulate import simulate
    from pytest_calsim.spec.presets import compose_presets, load_preset

    names: list[str] = options.preset
    make = compose_presets if len(names) > 1 or ("/" in names[0] and not names[0].endswith(".toml")) else load_preset
    spec = make(*names, overrides=dict(options.set), seed=options.seed, drop=options.drop, extra_dir=options.preset_dir)
    recording = simulate(spec)
    recording.save(options.output)
    frames, height, width = recording.frames.shape
    print_line(f"{options.output}: {frames} frames of {height} x {width} px, seed {spec.seed}, key {spec.key()[:12]}")
    return 0


def _cache(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import look_after_cache
    from pytest_calsim.recording.cache import default_root

    return look_after_cache(options.dir or default_root(), [options.job]) or 0


def _notebooks(options: argparse.Namespace) -> int:
    from pytest_calsim.plugin.cache_commands import print_line
    from pytest_calsim.recording.exports.notebooks import copy_notebooks

    for path in copy_notebooks(options.folder):
        print_line(str(path))
    print_line(f"to open them: jupyter lab {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
