"""Declare and read the plugin's options: command-line flags, then environment variables, then ini keys."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

__all__ = ["Settings", "add_options", "cache_root", "settings_of"]

OFF = "off"
DEFAULT_PRESET = "tiny"

_OFF_WORDS = ("off", "no", "none", "false", "0")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = r"(\d+(?:\.\d+)?)\s*([kKMGT]?)B?"

_Value = Path | str | int | float | bool


class Settings:  # no dataclass, which takes a millisecond of every run of pytest to make
    """The values of all options; what was not given is ``None`` (``False`` for a flag).

    Attributes
    ----------
    sim_cache
        The cache's folder, or ``"off"``.
    sim_cache_max_size
        Bytes that may stay in the cache after the run.
    sim_cache_clear, sim_cache_show, sim_cache_verify, sim_presets
        What to do before the tests, or in place of them.
    sim_preset
        The preset of a test that names none.
    sim_preset_dir
        The user's folder of presets.
    sim_seeds
        How many seeds every test runs with at least.
    sim_artifacts
        Where to write what a failed test leaves.
    sim_replay
        A ``spec.json`` that a failed test left.
    sim_scores, sim_scores_compare
        The files of the score history to append to, and to compare with.
    sim_scores_tolerance
        How much a mean score may fall before the run fails, in the score's own unit.
    origins
        Where each value was given: its flag, ``$VARIABLE`` or ini key.
    """

    sim_cache: Path | str | None = None
    sim_cache_max_size: int | None = None
    sim_cache_clear: bool = False
    sim_cache_show: bool = False
    sim_cache_verify: bool = False
    sim_preset: str | None = None
    sim_preset_dir: Path | None = None
    sim_presets: bool = False
    sim_seeds: int | None = None
    sim_artifacts: Path | None = None
    sim_replay: Path | None = None
    sim_scores: Path | None = None
    sim_scores_compare: Path | None = None
    sim_scores_tolerance: float | None = None

    def __init__(self, values: Mapping[str, _Value], origins: Mapping[str, str]) -> None:
        vars(self).update(values)
        self.origins = dict(origins)


def _path(text: str, base: Path) -> Path:
    if not text.strip():
        raise ValueError("give a path")
    try:
        return base / Path(text).expanduser()
    except RuntimeError:  # no HOME and no such user
        raise ValueError("the home directory is unknown here; give a path without '~'") from None


def _cache(text: str, base: Path) -> Path | str:
    return OFF if text.strip().lower() in _OFF_WORDS else _path(text, base)


def _folder(text: str, base: Path) -> Path:
    folder = _path(text, base)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; give a folder")
    return folder


def _file(text: str, base: Path) -> Path:
    file = _path(text, base)
    if file.is_dir():
        raise ValueError(f"{str(file)!r} is a folder; give a file")
    return file


def _existing(kind: str, parse: Callable[[str, Path], Path]) -> Callable[[str, Path], Path]:
    """Make a parser that also demands that the path is there."""

    def parse_existing(text: str, base: Path) -> Path:
        path = parse(text, base)
        if not path.exists():
            raise ValueError(f"there is no {kind} {str(path)!r}")
        return path

    return parse_existing


def _bytes(text: str, base: Path) -> int:
    match = re.fullmatch(_SIZE, text.strip())
    if match is None:
        raise ValueError("give a size such as 500MB or 2GB")
    number, unit = match.groups()
    return int(float(number) * _UNITS["k" if unit == "K" else unit])


def _count(text: str, base: Path) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise ValueError("give how many, 1 or more")
    return int(text)


def _not_negative(text: str, base: Path) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("give a number, 0 or more")
    return number


def _name(text: str, base: Path) -> str:
    if not text.strip():
        raise ValueError("give the name of a preset, or the path of its file")
    return text.strip()


def _yes_or_no(text: str, base: Path) -> bool:
    if text.lower() in ("1", "yes", "true", "on"):
        return True
    if text.lower() in ("0", "no", "false", "off"):
        return False
    raise ValueError("give yes or no")


class _Option:
    """One option under its three names; ``parse`` gets the text and the folder that a relative path starts from."""

    def __init__(self, name: str, help: str, parse: Callable[[str, Path], _Value], metavar: str = "") -> None:
        self.name = name
        self.help = help
        self.parse = parse
        self.metavar = metavar
        self.flag = "--" + name.replace("_", "-")
        self.variable = f"PYTEST_{name.upper()}"


_OPTIONS = (
    _Option(
        "sim_cache",
        "keep recordings in DIR between tests, workers and runs (default: the user's cache folder), or nowhere: 'off'",
        _cache,
        "DIR|off",
    ),
    _Option(
        "sim_cache_max_size",
        "after the run, delete the least recently used recordings until the cache fits SIZE, e.g. 2GB",
        _bytes,
        "SIZE",
    ),
    _Option("sim_cache_clear", "empty the cache of recordings first", _yes_or_no),
    _Option("sim_cache_show", "list what the cache of recordings holds, and exit", _yes_or_no),
    _Option("sim_cache_verify", "check every byte in the cache, remove what is damaged, and exit", _yes_or_no),
    _Option(
        "sim_preset",
        f"the preset of sim_recording in a test that names none (default: {DEFAULT_PRESET})",
        _name,
        "NAME",
    ),
    _Option("sim_preset_dir", "a folder of your own presets, one TOML file each", _existing("folder", _folder), "DIR"),
    _Option("sim_presets", "list the presets, and exit", _yes_or_no),
    _Option("sim_seeds", "run every test that takes a recording with at least N seeds", _count, "N"),
    _Option("sim_artifacts", "write spec, scorecard, overlay and estimate of every failed test to DIR", _folder, "DIR"),
    _Option(
        "sim_replay",
        "give the tests the recording in FILE, a spec.json below --sim-artifacts",
        _existing("file", _file),
        "FILE",
    ),
    _Option("sim_scores", "append every score of this run to FILE, one line of JSON each", _file, "FILE"),
    _Option(
        "sim_scores_compare",
        "compare this run's scores with those in FILE, seed by seed, and fail when some became worse",
        _existing("file", _file),
        "FILE",
    ),
    _Option(
        "sim_scores_tolerance",
        "how much a mean score may fall before --sim-scores-compare fails, in the score's own unit (default: 0.005)",
        _not_negative,
        "X",
    ),
)

_SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare every option."""
    group = parser.getgroup("sim", "simulated recordings (pytest-calsim)")
    for option in _OPTIONS:
        if option.metavar:
            group.addoption(option.flag, dest=option.name, metavar=option.metavar, help=option.help)
        else:
            group.addoption(option.flag, dest=option.name, action="store_const", const="yes", help=option.help)
        parser.addini(option.name, f"{option.help} (also {option.flag} and ${option.variable})", default="")


def settings_of(config: pytest.Config) -> Settings:
    """Read every option, once a run: flag before environment variable before ini key.

    Raises
    ------
    pytest.UsageError
        For a value that cannot be used, naming where it was given.
    """
    if _SETTINGS not in config.stash:
        config.stash[_SETTINGS] = _read(config)
    return config.stash[_SETTINGS]


def _read(config: pytest.Config) -> Settings:
    here = config.invocation_params.dir
    ini_folder = config.inipath.parent if config.inipath is not None else config.rootpath
    values: dict[str, _Value] = {}
    origins: dict[str, str] = {}
    for option in _OPTIONS:
        # Nearest first: where it may be given, its text there, and the folder that a relative path starts from.
        given: tuple[tuple[str, str | None, Path], ...] = (
            (option.flag, config.getoption(option.name), here),
            (f"${option.variable}", os.environ.get(option.variable) or None, here),
            (f"ini key {option.name}", _ini_text(config, option.name) or None, ini_folder),
        )
        for origin, text, base in given:
            if text is not None:
                try:
                    values[option.name] = option.parse(text, base)
                except ValueError as error:
                    raise pytest.UsageError(f"{origin} = {text!r}: {error}") from None
                origins[option.name] = origin
                break
    return Settings(values, origins)


def _ini_text(config: pytest.Config, name: str) -> str:
    """Read an ini key as text, also where pytest's own TOML table gives it another type."""
    try:
        return str(config.getini(name))
    except (TypeError, pytest.UsageError):
        # From pytest 9 on, [tool.pytest] holds typed values, and getini refuses all but the one type declared.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given: object = config.inicfg[name]  # pyright: ignore[reportDeprecated]
    value: object = getattr(given, "value", given)
    if not isinstance(value, bool | int | float):
        raise pytest.UsageError(f"ini key {name} = {value!r}: give one value")
    return str(value)


def cache_root(config: pytest.Config) -> Path | None:
    """Find the folder of the cache; ``None`` when it is off, or when there is no home to keep it in."""
    given = settings_of(config).sim_cache
    if given is None:
        from pytest_calsim.recording.cache import default_root  # start-up: only for tests that use it

        root = default_root()
        return root if root.is_absolute() else None
    return given if isinstance(given, Path) else None
