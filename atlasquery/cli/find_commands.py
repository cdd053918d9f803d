"""``atlasquery find`` and ``atlasquery resolve``: all services at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlasquery.cli.command import Code, Failure, command, one_line
from atlasquery.cli.options import (
    Output,
    UserPath,
    check_path,
    output_options,
    region_options,
    time,
)
from atlasquery.cli.output import deliver, drop_query_index, stack_curves
from atlasquery.cli.pictures import PICTURES, save_picture, use_matplotlib

if TYPE_CHECKING:
    from atlasquery.sky import Findings

__all__ = ["find", "resolve"]


def _services(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    names = None if value is None else [name.strip() for name in value.split(",") if name.strip()]
    if names == []:
        raise click.BadParameter("name at least one service", ctx, param)
    return names


services_option = click.option(
    "--services",
    metavar="NAMES",
    callback=_services,
    help="Services to ask, separated by commas: atlas, alerce, lccserver, skyportal, forcedphot. "
    "By default all that are configured, except forcedphot.",
)
timeout_option = click.option(
    "--timeout", type=float, metavar="SECONDS", help="Time limit for each service."
)
cache_option = click.option("--no-cache", is_flag=True, help="Do not use the cache.")


@command()
@click.argument("words", nargs=-1, metavar="[TARGET...]")
@click.option("--radius", metavar="RADIUS", help="Radius with a unit; by default 2arcsec.")
@region_options
@services_option
@click.option(
    "--light-curves",
    "curves",
    metavar="FILE",
    type=UserPath(dir_okay=False),
    help="Write one light curve of all services to this file.",
)
@click.option(
    "--plot",
    "picture",
    metavar="FILE",
    type=UserPath(dir_okay=False),
    help="Plot the light curve to this file: .png, .pdf or .svg.",
)
@click.option(
    "--since",
    metavar="TIME",
    callback=time,
    help="Only what is new since a time: an MJD, or a date such as 2026-09-01 (UTC).",
)
@timeout_option
@cache_option
@output_options
def find(
    words: tuple[str, ...],
    radius: str | None,
    region: str | None,
    credible: float | None,
    services: list[str] | None,
    curves: Path | None,
    picture: Path | None,
    since: float | str | None,
    timeout: float | None,
    no_cache: bool,
    output: Output,
) -> Code:
    r"""Search all services for each TARGET, or in a region.

    A TARGET is a position, a name or an id of any of the services, or a name that Sesame
    knows. If there are several, put those that contain spaces in quotes.

    \b
    Examples:
      atlasquery find ATLAS26zy
      atlasquery find 150.1 +2.2 --radius 5arcsec --light-curves all.ecsv --plot all.png
      atlasquery find "SN 2026ahw" ZTF26onptaab --since 2026-11-01 --json
      atlasquery find --region skymap.fits --credible 0.9 --services alerce,skyportal
    """
    from atlasquery.cli.positions import read_given_region

    area = read_given_region(region, credible, words, missing="a TARGET")
    if area is not None and (curves or picture):
        raise Failure("--light-curves and --plot are for targets, not for a region", Code.USAGE)
    if curves:
        check_path(curves, output.overwrite)
    if picture:
        check_path(picture, output.overwrite, PICTURES)
        use_matplotlib()
    targets: list = read_targets(words) if area is None else [area]
    if picture and len(targets) > 1:
        raise Failure(f"--plot is for one target, and there are {len(targets)}", Code.USAGE)
    from atlasquery.sky import find as ask

    found = ask(
        targets[0] if len(targets) == 1 else targets, radius=radius, services=services,
        light_curves=bool(curves or picture), since=since, timeout=timeout,
        cache=False if no_cache else None,
    )  # fmt: skip
    for name, reason in found.skipped.items():
        click.echo(f"Skipped: {name}: {one_line(reason)}", err=True)
    table = found.objects.copy()
    if len(targets) == 1:
        drop_query_index(table)
    code = deliver(table, output)
    _write_curves(found, targets, curves, picture, output.overwrite)
    return Code.INCOMPLETE if found.failures else code


def _write_curves(
    found: "Findings",
    targets: list[str],
    curves: Path | None,
    picture: Path | None,
    overwrite: bool,
) -> None:
    if not curves and not picture:
        return
    from atlasquery.exceptions import NotFoundError
    from atlasquery.tables.files import write_table

    try:
        together: Any = found.light_curve()
        if curves:
            if len(targets) > 1:
                pairs = [(targets[n], together[n]) for n in together]
                together = stack_curves(pairs, "target")
            write_table(together, curves, overwrite=overwrite)
            click.echo(f"{len(together)} rows in {curves}", err=True)
        if picture:
            save_picture(found.plot(), picture)
    except NotFoundError as error:
        raise Failure(one_line(error), Code.NOTHING) from error


@command()
@click.argument("words", nargs=-1, required=True, metavar="NAME...")
@services_option
@timeout_option
@cache_option
@output_options
def resolve(
    words: tuple[str, ...],
    services: list[str] | None,
    timeout: float | None,
    no_cache: bool,
    output: Output,
) -> Code:
    r"""Show the position and the other names of an object.

    \b
    Examples:
      atlasquery resolve SN 2026ahw
      atlasquery resolve ATLAS26zy ZTF26onptaab "M 31"
    """
    from astropy.table import MaskedColumn, Table

    from atlasquery.sky import resolve as ask

    given = read_targets(words)
    found = ask(given, services=services, timeout=timeout, on_error="warn",
                cache=False if no_cache else None)  # fmt: skip
    table = Table(
        {
            "name": given,
            "ra": MaskedColumn(found.coordinates.ra.deg, mask=~found.known, unit="deg"),
            "dec": MaskedColumn(found.coordinates.dec.deg, mask=~found.known, unit="deg"),
            "source": found.source,
            "names": [", ".join(names) for names in found.names],
        }
    )
    code = deliver(table, output)
    return code if found.known.all() else Code.INCOMPLETE


def read_targets(words: tuple[str, ...]) -> list[str]:
    """Return the targets that were typed.

    Parameters
    ----------
    words : tuple of str
        The arguments: one position or one name of the TNS may be in several.

    Returns
    -------
    list of str
        The targets.
    """
    from atlasquery.atlas.names import tns_name
    from atlasquery.exceptions import InvalidQueryError
    from atlasquery.service.positions import read_position

    given = [" ".join(word.split()) for word in words]
    whole = " ".join(given)
    if len(given) > 1 and not any(" " in word for word in given):
        try:
            if tns_name(whole) or read_position(whole) is not None:
                return [whole]
        except InvalidQueryError:
            # It looks like a position, and is refused as one when it is read again.
            return [whole]
    return given
