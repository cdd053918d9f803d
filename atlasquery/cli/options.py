"""Options that several commands share, passed as one object."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from atlasquery.cli.command import Code, Failure

__all__ = [
    "Output",
    "Service",
    "UserPath",
    "check_path",
    "check_span",
    "output_options",
    "region_options",
    "rows_option",
    "service_options",
    "time",
    "window_options",
]


class UserPath(click.Path):
    """A path, of which ``~`` is the home directory where the shell has left it.

    Parameters
    ----------
    **options
        What `click.Path` takes.
    """

    def __init__(self, **options: Any):
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path that was typed.

        Parameters
        ----------
        value : str
            What was typed.
        param : `click.Parameter`
            The argument.
        ctx : `click.Context`
            The context.

        Returns
        -------
        `~pathlib.Path`
            The path.
        """
        if isinstance(value, str) and value.startswith("~"):
            # A user that does not exist is left for the error about the file.
            value = os.path.expanduser(value)  # noqa: PTH111
        return super().convert(value, param, ctx)


@dataclass(frozen=True)
class Service:
    """How a service is used.

    Parameters
    ----------
    server : str, optional
        Its address, where it is not the configured one.
    cache : bool, optional
        False where cached responses are not used; None leaves it to the configuration.
    wait : bool, optional
        Whether to wait when the quota of the hour is used up.
    """

    server: str | None = None
    cache: bool | None = None
    wait: bool = False

    def client(self, kind: Any) -> Any:
        """Make a client.

        Parameters
        ----------
        kind : type
            The class of the service, which takes ``server``.

        Returns
        -------
        object
            The client.
        """
        if self.wait:
            waiting = kind.conf.set_temp("on_quota", "wait")
            click.get_current_context().with_resource(waiting)
        return kind(server=self.server)


@dataclass(frozen=True)
class Output:
    """Where a result goes.

    Parameters
    ----------
    path : `~pathlib.Path`, optional
        A file; its extension says the format.
    overwrite : bool, optional
        Whether to replace an existing file.
    json : bool, optional
        Whether to print one JSON document.
    full : bool, optional
        Whether a terminal shows all rows and columns.
    """

    path: Path | None = None
    overwrite: bool = False
    json: bool = False
    full: bool = False


rows_option = click.option(
    "--max-rows", type=int, metavar="N", help="Maximum number of rows; -1 for all."
)


def service_options(function: Callable) -> Callable:
    """Give a command ``--server``, ``--no-cache`` and ``--wait``, as an argument ``service``.

    Parameters
    ----------
    function : callable
        The callback of a command.

    Returns
    -------
    callable
        The same, with options.
    """

    @click.option("--server", metavar="URL", help="URL of another server.")
    @click.option("--no-cache", is_flag=True, help="Do not use the cache.")
    @click.option("--wait", is_flag=True, help="Wait when the hourly quota is used up.")
    @functools.wraps(function)
    def wrapped(*args: Any, server: str | None, no_cache: bool, wait: bool, **rest: Any) -> Any:
        service = Service(server, False if no_cache else None, wait)
        return function(*args, service=service, **rest)

    return wrapped


def output_options(function: Callable) -> Callable:
    """Give a command ``-o``, ``--overwrite``, ``--json`` and ``--all``, as ``output``.

    Parameters
    ----------
    function : callable
        The callback of a command.

    Returns
    -------
    callable
        The same, with options.
    """

    @click.option(
        "-o",
        "--output",
        "path",
        type=UserPath(dir_okay=False),
        help="File to write: .ecsv, .fits, .vot, .parquet or .csv.",
    )
    @click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("--all", "full", is_flag=True, help="Show all rows and columns on a terminal.")
    @functools.wraps(function)
    def wrapped(
        *args: Any, path: Path | None, overwrite: bool, as_json: bool, full: bool, **rest: Any
    ) -> Any:
        if path and as_json:
            raise click.UsageError("give --json or -o, not both", click.get_current_context())
        if path:
            check_path(path, overwrite)
        return function(*args, output=Output(path, overwrite, as_json, full), **rest)

    return wrapped


def check_path(path: Path, overwrite: bool, extensions: tuple[str, ...] = ()) -> None:
    """Refuse a file that cannot be written before a request is spent on it.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    overwrite : bool
        Whether to replace an existing one.
    extensions : tuple of str, optional
        Those that say a format; by default those of tables.

    Raises
    ------
    Failure
        If its name does not give the format, it is there, or has no directory.
    """
    from atlasquery.tables.files import EXTENSIONS

    extensions = extensions or EXTENSIONS
    if not path.name.lower().endswith(extensions):
        known = ", ".join(extensions)
        raise Failure(f"{path} should end in one of {known}, which gives the format", Code.USAGE)
    if path.exists() and not overwrite:
        raise Failure(f"{path} exists already; --overwrite replaces it", Code.USAGE)
    if not path.parent.is_dir():
        raise Failure(f"{path.parent} is not a directory", Code.USAGE)


def check_span(text: str, option: str) -> Any:
    """Return a duration as typed.

    Parameters
    ----------
    text : str
        Such as ``"1 d"`` or ``"12 h"``.
    option : str
        Where it was typed, for messages.

    Returns
    -------
    `~astropy.units.Quantity`
        The time.

    Raises
    ------
    Failure
        If it is not a time with its unit, or not above zero.
    """
    import astropy.units as u

    try:
        span = u.Quantity(text.strip()).to(u.d)
    except (TypeError, ValueError, u.UnitConversionError):
        span = None
    if span is None or not 0 < span.value < float("inf"):
        right = "should be a time with its unit, such as '1 d'"
        raise Failure(f"{option} {text!r} {right}", Code.USAGE)
    return span


def window_options(function: Callable) -> Callable:
    """Give a command ``--start`` and ``--end``.

    Parameters
    ----------
    function : callable
        The callback of a command.

    Returns
    -------
    callable
        The same, with options.
    """
    for name, which in (("--end", "Last"), ("--start", "First")):
        text = f"{which} time: an MJD, or a date such as 2026-09-01 (UTC)."
        option = click.option(name, metavar="TIME", callback=time, help=text)
        function = option(function)
    return function


def time(ctx: click.Context, param: click.Parameter, value: str | None) -> float | str | None:
    """Return a time as typed: a bare number is an MJD.

    Parameters
    ----------
    ctx : `click.Context`
        The context.
    param : `click.Parameter`
        The option.
    value : str or None
        What was typed.

    Returns
    -------
    float, str or None
        What the methods of a service take.
    """
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def region_options(function: Callable) -> Callable:
    """Give a command ``--region`` and ``--credible``.

    Parameters
    ----------
    function : callable
        The callback of a command.

    Returns
    -------
    callable
        The same, with options.
    """
    options = (
        click.option(
            "--credible",
            type=float,
            metavar="LEVEL",
            help="Credible level of the sky map of --region, such as 0.9.",
        ),
        click.option(
            "--region",
            metavar="FILE",
            help="Region instead of a position: a sky map, a MOC, or a .reg file of DS9.",
        ),
    )
    for option in options:
        function = option(function)
    return function
