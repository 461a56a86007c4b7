"""The plugin's options: each a command-line flag, an environment variable and an ini key, in that order of weight."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["add_options", "cache_root", "check_options", "option"]

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)B?")


def _folder_or_off(text: str, base: Path) -> Path | str:
    return "off" if text == "off" else _folder(text, base)


def _folder(text: str, base: Path) -> Path:
    if not text.strip():
        raise ValueError("give a folder")
    return base / Path(text).expanduser()


def _existing_folder(text: str, base: Path) -> Path:
    folder = _folder(text, base)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {str(folder)!r}")
    return folder


def _bytes(text: str, base: Path) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("give a size such as 500MB or 2GB")
    number, unit = match.groups()
    return int(float(number) * _UNITS["k" if unit == "K" else unit])


def _yes_or_no(text: str, base: Path) -> bool:
    if text.lower() in ("1", "yes", "true", "on"):
        return True
    if text.lower() in ("0", "no", "false", "off"):
        return False
    raise ValueError("give yes or no")


@dataclass(frozen=True)
class _Option:
    """One option under its three names; ``parse`` gets the text and the folder that a relative path starts from."""

    name: str
    help: str
    parse: Callable[[str, Path], Any]
    metavar: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return f"PYTEST_{self.name.upper()}"


_OPTIONS = {
    option.name: option
    for option in (
        _Option(
            "sim_cache",
            "where recordings are kept between tests, workers and runs (default: the user's cache folder), or 'off'",
            _folder_or_off,
            "DIR|off",
        ),
        _Option("sim_cache_max_size", "remove what was not used for longest beyond this, e.g. 2GB", _bytes, "SIZE"),
        _Option("sim_cache_clear", "empty the cache of recordings first", _yes_or_no),
        _Option("sim_cache_show", "list what the cache of recordings holds, and exit", _yes_or_no),
        _Option("sim_cache_verify", "check every byte in the cache, remove what is damaged, and exit", _yes_or_no),
        _Option("sim_preset_dir", "a folder of your own presets, one TOML file each", _existing_folder, "DIR"),
        _Option("sim_presets", "list the presets, and exit", _yes_or_no),
    )
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, and the ini key of the default preset."""
    group = parser.getgroup("sim", "simulated recordings (pytest-calsim)")
    for option in _OPTIONS.values():
        if option.metavar:
            group.addoption(option.flag, dest=option.name, metavar=option.metavar, help=option.help)
        else:
            group.addoption(option.flag, dest=option.name, action="store_const", const="yes", help=option.help)
        parser.addini(option.name, f"{option.help} (also {option.flag} and ${option.variable})", default="")
    parser.addini("sim_preset", "the preset of sim_recording in a test that asks for none", default="tiny")


def option(config: pytest.Config, name: str) -> Any:
    """An option's value, or ``None`` when it is not given: flag before environment variable before ini key.

    Raises
    ------
    pytest.UsageError
        For a value that cannot be used, naming where it was given.
    """
    known = _OPTIONS[name]
    here = config.invocation_params.dir
    ini_folder = config.inipath.parent if config.inipath is not None else config.rootpath
    given: tuple[tuple[str, str | None, Path], ...] = (
        (known.flag, config.getoption(name), here),
        (f"${known.variable}", os.environ.get(known.variable) or None, here),
        (f"ini key {name}", config.getini(name) or None, ini_folder),
    )
    for source, text, base in given:
        if text is not None:
            try:
                return known.parse(text, base)
            except (ValueError, RuntimeError) as error:  # RuntimeError: no home directory to expand ~ to
                raise pytest.UsageError(f"{source} = {text!r}: {error}") from None
    return None


def check_options(config: pytest.Config) -> None:
    """Refuse a wrong option before anything else happens."""
    for name in _OPTIONS:
        option(config, name)


def cache_root(config: pytest.Config) -> Path | None:
    """The folder of the cache; ``None`` when it is off."""
    given = option(config, "sim_cache")
    if given is None:
        from pytest_calsim.recording.cache import default_root

        return default_root()
    return None if given == "off" else given
