"""Packages that only some functions need."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str) -> Any:
    """Return a package that not every installation has.

    Parameters
    ----------
    module : str
        Its module.
    extra : str
        The extra of this package that installs it.

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
        raise ImportError(
            f"this needs {module.split('.')[0]}: pip install 'atlasquery[{extra}]' ({error})"
        ) from error
