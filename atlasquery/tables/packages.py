"""Packages that only some functions need."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str, *, reason: str = "this needs") -> Any:
    """Return a package that not every installation has.

    Parameters
    ----------
    module : str
        Its module.
    extra : str
        The extra of this package that installs it.
    reason : str, optional
        Beginning of the message: what needs it.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ImportError
        If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = package.replace("_", "-")
        raise ImportError(
            f"{reason} {install}: pip install 'atlasquery[{extra}]' ({error})", name=package
        ) from error
