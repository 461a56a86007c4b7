"""Import the optional packages of the extras ``files``, ``plot`` and ``teaching``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pytest_calsim.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional package.

    Raises
    ------
    MissingExtraError
        When it is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is installed, and one that it needs is not
        package = module.split(".")[0]
        message = f"{purpose} needs {package}, which is not installed: pip install 'pytest-calsim[{extra}]'"
        raise MissingExtraError(message, name=package) from None
