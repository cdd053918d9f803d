"""Plots that commands write to files."""

import io
from pathlib import Path
from typing import Any

import click

from atlasquery.cli.command import Code, Failure

__all__ = ["PICTURES", "save_picture", "use_matplotlib"]

#: The formats of plots.
PICTURES = (".png", ".pdf", ".svg")


def use_matplotlib() -> None:
    """Let matplotlib draw into files, whatever screen there is.

    Raises
    ------
    Failure
        If it is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        hint = "plots need matplotlib: pip install 'atlasquery[plotting]'"
        raise Failure(hint, Code.MACHINE) from error
    mpl.use("agg")


def save_picture(axes: Any, path: Path) -> None:
    """Write a figure to a file, completely or not at all, and print its name.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Axes of the figure.
    path : `~pathlib.Path`
        The file.
    """
    from atlasquery.service.files import write_atomic

    picture = io.BytesIO()
    axes.figure.savefig(picture, dpi=150, format=path.suffix.lower().lstrip("."))
    write_atomic(path, picture.getvalue())
    click.echo(str(path))
