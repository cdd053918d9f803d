"""``atlasquery forced``: forced photometry of positions as typed, or of a file of them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlasquery.cli.command import Code, command
from atlasquery.cli.ids import TextOf
from atlasquery.cli.options import Output, UserPath, output_options, window_options
from atlasquery.cli.output import deliver, stack_curves

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.timeseries import TimeSeries

__all__ = ["forced", "read_targets"]


@command()
@click.argument("position", nargs=-1)
@click.option(
    "--file",
    "-f",
    "listing",
    type=UserPath(exists=True, dir_okay=False, allow_dash=True),
    help="File with a position on each line, and optionally a name; - for standard input.",
)
@click.option("--mpc", "mpc_names", multiple=True, metavar="NAME", help="Name of a minor planet.")
@window_options
@click.option(
    "--reduced", is_flag=True, help="Measure on reduced images, not on difference images."
)
@click.option("--comment", help="Comment for the tasks in the server's list.")
@click.option(
    "--save",
    type=UserPath(dir_okay=False),
    help="File of jobs: written at each step, and resumed if it exists.",
)
@click.option("--no-wait", is_flag=True, help="Submit, print the progress, and exit.")
@click.option("--timeout", metavar="TIME", help="How long to wait, such as '2 h' or 600 (s).")
@click.option("--server", metavar="URL", help="URL of another server.")
@output_options
def forced(
    position: tuple[str, ...],
    listing: Any,
    mpc_names: tuple[str, ...],
    start: Any,
    end: Any,
    reduced: bool,
    comment: str | None,
    save: Path | None,
    no_wait: bool,
    timeout: str | None,
    server: str | None,
    output: Output,
) -> Code:
    """Measure ATLAS forced photometry at a POSITION, or at many.

    \b
    Examples:
      atlasquery forced 161.2 +53.7 --start 2020-05-01 -o sn.ecsv
      atlasquery forced -f hosts.txt --save run.json -o curves.ecsv
      atlasquery forced --save run.json -o curves.ecsv    # resumes

    Each position takes about a minute, one after the other. The login is taken from
    ATLASQUERY_FORCED_TOKEN, or from ATLASQUERY_FORCED_USERNAME and ATLASQUERY_FORCED_PASSWORD.
    """  # noqa: D301
    from atlasquery.exceptions import InvalidQueryError
    from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs
    from atlasquery.forcedphot.waiting import check_timeout

    # Before anything is submitted, which a second try would submit again.
    seconds, began = check_timeout(span := _span(timeout)), time.monotonic()
    client = AtlasForcedClass(server=server)
    asked = bool(position or listing or mpc_names)
    if save is not None and save.exists():
        if asked:
            raise InvalidQueryError(
                f"{str(save)!r} holds jobs already: leave the positions out to resume them, or "
                "choose another name"
            )
        # Its server must be the one that is configured: a file does not say where a login goes.
        jobs = ForcedJobs.load(save)
    elif asked:
        lines = None if listing is None else TextOf(listing)
        where, names, planets = read_targets(" ".join(position), lines, mpc_names)
        jobs = client.submit(
            where, mpc_names=planets or None, names=names, start=start, end=end,
            reduced=reduced, comment=comment, save=save, timeout=span,
        )  # fmt: skip
    else:
        raise InvalidQueryError(
            "give a position, --file or --mpc, or a file of jobs that exists with --save"
        )
    if no_wait:
        client.update(jobs)
        return deliver(jobs.table(), output)
    client.wait(jobs, timeout=max(0.0, seconds + began - time.monotonic()))
    curves = client.fetch(jobs, on_error="warn")
    code = deliver(_stacked(curves, jobs.table()["target"].tolist()), output)
    return Code.INCOMPLETE if any(lc is None for lc in curves) else code


def _span(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def read_targets(
    typed: str, listing: Any, mpc_names: tuple[str, ...]
) -> "tuple[SkyCoord | None, list[str] | None, list[str]]":
    """Return the targets to measure.

    Parameters
    ----------
    typed : str
        A position as typed, or nothing.
    listing : file-like or None
        A position a line, as `~atlasquery.service.positions.read_listing` reads it:
        ``150.1 +2.2``, ``10:00:24 +02:12:00`` or ``mpc NAME``, with a name or not.
    mpc_names : tuple of str
        Minor planets.

    Returns
    -------
    coordinates : `~astropy.coordinates.SkyCoord` or None
        The positions.
    names : list of str or None
        Names of the targets; None if no line has a name.
    planets : list of str
        The minor planets.

    Raises
    ------
    InvalidQueryError
        If a line is not a position.
    """
    from astropy.coordinates import SkyCoord

    from atlasquery.service.positions import read_listing

    found = [(_position(typed), "")] if typed else []
    planets = [(name, "") for name in mpc_names]
    if listing is not None:
        positions, listed = read_listing(listing, listing.name)
        found += positions
        planets += [(name, "") for name in listed]
    names = None
    if any(name for _, name in found):
        names = [name or f"{at.ra.deg:.5f}{at.dec.deg:+.5f}" for at, name in found]
        names += [name for name, _ in planets]
    where = None
    if found:
        where = SkyCoord([at.ra for at, _ in found], [at.dec for at, _ in found])
    return where, names, [name for name, _ in planets]


def _position(text: str) -> "SkyCoord":
    # Help and completion do without astropy, which these load.
    from atlasquery.cli.positions import read_position
    from atlasquery.exceptions import InvalidQueryError

    found = read_position(text)
    if found is None:
        raise InvalidQueryError(
            f"{text!r} is not a position, such as '150.1 +2.2' (degrees) or '10:00:24 +02:12:00'"
        )
    return found


def _stacked(curves: "list[TimeSeries | None]", names: list[str]) -> Any:
    """Return the light curves as one table that says of which target each row is."""
    found = [(name, lc) for name, lc in zip(names, curves, strict=True) if lc is not None]
    return found[0][1] if found and len(names) == 1 else stack_curves(found, "target")
