"""The base of all commands: errors of one line, exit codes, negative numbers, warnings."""

import contextlib
import enum
import functools
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from atlasquery import __version__
from atlasquery.redaction import escape_controls, safe_text

__all__ = ["Code", "Command", "Failure", "command", "main", "one_line", "printable"]


class Code(enum.IntEnum):
    """Exit codes of commands, for scripts."""

    FOUND = 0
    NOTHING = 1
    USAGE = 2
    LOGIN = 3
    QUOTA = 4
    SERVICE = 5
    INCOMPLETE = 6
    MACHINE = 7
    BUG = 70
    STOPPED = 130
    # The code of shells for a program whose output pipe was closed.
    PIPE = 141


class Failure(click.ClickException):
    """An error that ends a command with a line and a code.

    Parameters
    ----------
    message : str
        The line.
    code : Code
        The exit code.
    """

    def __init__(self, message: str, code: Code):
        super().__init__(message)
        # click declares it for the class.
        self.exit_code = int(code)  # type: ignore[misc]


class Command(click.Command):
    """A command with errors of one line, that reads ``-20.1`` as a number.

    A callback returns an exit code, or None for success.

    Parameters
    ----------
    *args, **options : object
        As `click.Command` takes.
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        # In a raw docstring the mark that keeps the lines of examples is two characters.
        self.help = self.help and self.help.replace("\\b\n", "\b\n")
        self.params.append(
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.")
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments.

        Parameters
        ----------
        ctx : `click.Context`
            The context.
        args : list of str
            The arguments.

        Returns
        -------
        list of str
            What is left.
        """
        # A declination below zero looks like an option, but none begins with a digit. What
        # reads positions and numbers does not mind the space.
        args = [f" {arg}" if re.match(r"-[\d.]", arg) else arg for arg in args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Parameters
        ----------
        ctx : `click.Context`
            The context.

        Returns
        -------
        int or None
            The exit code.
        """
        debug = ctx.params.pop("debug", False)
        try:
            with _warnings_to_stderr(debug):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if debug:
                click.echo(
                    safe_text("".join(traceback.format_exception(error))), err=True, nl=False
                )
            message, code = _explained(error)
            raise Failure(message, code) from error


command = functools.partial(click.command, cls=Command)


class Main(click.Group):
    """The group of all commands."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command line, and exit.

        Parameters
        ----------
        *args : object
            As `click.Group.main` takes.
        standalone_mode : bool, optional
            Whether to exit.
        **extra : object
            As `click.Group.main` takes.

        Returns
        -------
        object
            What the command returns, where it does not exit.
        """
        main: Callable[..., Any] = super().main
        if not standalone_mode:
            return main(*args, standalone_mode=False, **extra)
        _open_closed_streams()
        try:
            try:
                code = main(*args, standalone_mode=False, **extra)
            except click.exceptions.NoArgsIsHelpError as error:
                click.echo(error.ctx.get_help())
                code = error.exit_code
            # Here, and not when the interpreter ends, which would complain with a code of 120.
            sys.stdout.flush()
        except click.ClickException as error:
            _say("Error", _with_help(error))
            code = error.exit_code
        except click.Abort:
            _say("Error", "stopped")
            code = Code.STOPPED
        except BrokenPipeError:
            code = Code.PIPE
        except OSError as error:
            _say("Error", f"the output could not be written: {error}")
            code = Code.MACHINE
        _forget_unwritable()
        sys.exit(int(code or 0))

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line; the help page is shown here.

        Parameters
        ----------
        *args, **extra : object
            As `click.Command.make_context` takes.

        Returns
        -------
        `click.Context`
            The context.
        """
        with _pipe_as_exit():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the named command.

        Parameters
        ----------
        ctx : `click.Context`
            The context.

        Returns
        -------
        object
            What the command returns.
        """
        with _pipe_as_exit():
            return super().invoke(ctx)


@click.group(
    cls=Main,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 found or done, 1 nothing found, 2 wrong usage, 3 login, 4 quota, "
    "5 service failed, 6 partly failed, 7 file, port or package on this machine, 70 bug, "
    "130 interrupted, 141 pipe closed.",
)
@click.version_option(__version__, prog_name="atlasquery")
def main() -> None:
    """Query time-domain surveys: the ATLAS Transient Server and related services.

    The commands find and resolve ask all services. The commands forced, alerce, lcc and skyportal
    ask the service of this name; all others ask the ATLAS Transient Server. To try them without
    an account, see 'atlasquery sandbox --help'.
    """


def one_line(text: object) -> str:
    """Return a string as one line without control characters.

    Parameters
    ----------
    text : object
        An object with a string, perhaps of a server.

    Returns
    -------
    str
        Without line breaks and control characters.
    """
    return printable(" ".join(str(text).split()))


def printable(text: str) -> str:
    """Return a string whose control characters are shown and not interpreted by a terminal.

    Parameters
    ----------
    text : str
        Perhaps of a server.

    Returns
    -------
    str
        The same but for control characters.
    """
    return escape_controls(text).replace("\t", "\\t").replace("\n", "\\n")


def _explained(error: Exception) -> tuple[str, Code]:
    """Return a line and a code for an error."""
    from atlasquery import exceptions

    # Each class stands before those it is a subclass of.
    codes = (
        (exceptions.StorageError, Code.MACHINE, ""),
        (exceptions.InvalidQueryError, Code.USAGE, ""),
        (exceptions.LoginError, Code.LOGIN, " On the command line: atlasquery login --store"),
        (exceptions.QuotaError, Code.QUOTA, " On the command line: --wait"),
        (exceptions.NotFoundError, Code.NOTHING, ""),
        (exceptions.IncompleteResultError, Code.INCOMPLETE, ""),
        (exceptions.RemoteServiceError, Code.SERVICE, ""),
        (exceptions.TimeoutError, Code.SERVICE, ""),
        (exceptions.TableParseError, Code.SERVICE, ""),
        (OSError, Code.MACHINE, ""),
        (ImportError, Code.MACHINE, ""),
    )
    for kind, code, hint in codes:
        if isinstance(error, kind):
            # A hint is of use where nothing was sent: a server has said what is wrong.
            refused = getattr(error, "status", None) is not None
            return f"{one_line(error)}{'' if refused else hint}", code
    message = f"{type(error).__name__}: {one_line(error)} (a bug of atlasquery: see --debug)"
    return message, Code.BUG


def _with_help(error: click.ClickException) -> str:
    ctx = getattr(error, "ctx", None)
    where = f" (see {ctx.command_path} --help)" if ctx else ""
    return f"{error.format_message()}{where}"


def _say(kind: str, message: object) -> None:
    with contextlib.suppress(OSError):
        click.echo(f"{kind}: {one_line(message)}", err=True)


class _Lines(logging.Formatter):
    """Lines of a log without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_text(super().format(record))


@contextlib.contextmanager
def _warnings_to_stderr(debug: bool) -> Iterator[None]:
    """Let warnings and the log be lines on standard error, so that output is data only."""
    # Importing it replaces how warnings are shown.
    from astropy.utils.exceptions import AstropyWarning
    from astroquery import log

    from atlasquery.service.log import log as ours

    level, handlers, propagate = log.level, log.handlers[:], log.propagate
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_Lines("%(levelname)s: %(message)s"))
    with warnings.catch_warnings():
        # Warnings for users are shown, those for programmers are not.
        warnings.simplefilter("default" if debug else "ignore")
        for kind in (UserWarning, AstropyWarning):
            warnings.simplefilter("default", kind)
        warnings.showwarning = lambda message, *rest, **options: _say("Warning", message)
        log.setLevel("DEBUG" if debug else "WARNING")
        # astropy's own handler writes what is no warning to the output.
        log.handlers[:], log.propagate = [lines], False
        ours_handlers, ours.handlers[:] = ours.handlers[:], []
        try:
            yield
        finally:
            ours.handlers[:] = ours_handlers
            log.setLevel(level)
            log.handlers[:], log.propagate = handlers, propagate


@contextlib.contextmanager
def _pipe_as_exit() -> Iterator[None]:
    """Exit with the code of a closed pipe, instead of that of click."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(Code.PIPE) from None


def _open_closed_streams() -> None:
    """Discard what is written to a stream that the caller closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115


def _forget_unwritable() -> None:
    """Discard what cannot be written, so that Python does not complain at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
