"""``atlasquery skyportal``: sources of a SkyPortal instance, such as Fritz."""

import functools
from typing import TYPE_CHECKING

import click

from atlasquery.cli.command import Code, Command
from atlasquery.cli.options import (
    Output,
    Service,
    output_options,
    rows_option,
    service_options,
    window_options,
)
from atlasquery.cli.output import deliver, drop_query_index

if TYPE_CHECKING:
    from atlasquery.skyportal import SkyPortalClass

__all__ = ["skyportal"]


@click.group()
def skyportal() -> None:
    r"""Search a SkyPortal instance, and fetch its light curves.

    \b
    Examples:
      atlasquery skyportal cone 150.1 +2.21 65arcsec
      atlasquery skyportal sources --group 3 --max-rows 50
      atlasquery skyportal lightcurve ZTF24abcdefg -o lc.ecsv

    The server is that of ATLASQUERY_SKYPORTAL_SERVER, and the token that of
    ATLASQUERY_SKYPORTAL_TOKEN.
    """


skyportal.help = (skyportal.help or "").replace("\\b\n", "\b\n")


def _client(service: Service) -> "SkyPortalClass":
    from atlasquery.skyportal import SkyPortalClass

    return service.client(SkyPortalClass)


_sub = functools.partial(skyportal.command, cls=Command)


@_sub("cone")
@click.argument("words", nargs=-1, required=True, metavar="POSITION RADIUS")
@rows_option
@service_options
@output_options
def cone(words: tuple[str, ...], max_rows: int | None, service: Service, output: Output) -> Code:
    r"""Find the saved sources within RADIUS of POSITION.

    \b
    Example:
      atlasquery skyportal cone 10:00:03 +02:12:17 30 arcsec
    """
    from atlasquery.cli.positions import read_centre

    centre, radius = read_centre(words, hint="for a name see skyportal source")
    found = _client(service).query_region(centre, radius, max_rows=max_rows, cache=service.cache)
    drop_query_index(found)
    return deliver(found, output)


@_sub("sources")
@click.option("--name", metavar="TEXT", help="Part of the name.")
@click.option("--group", "groups", type=int, multiple=True, help="Number of a group.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS",
    help="Class with its taxonomy, such as 'Sitewide Taxonomy: Ia'.",
)
@click.option("--sort", metavar="COLUMN", help="Column to sort by; -COLUMN for descending order.")
@window_options
@rows_option
@service_options
@output_options
def sources(
    name: str | None,
    groups: tuple[int, ...],
    classes: tuple[str, ...],
    sort: str | None,
    start: float | str | None,
    end: float | str | None,
    max_rows: int | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the saved sources that meet criteria.

    \b
    Example:
      atlasquery skyportal sources --group 3 --start 2026-09-01 -o sources.ecsv
    """
    found = _client(service).query_criteria(
        source_id=name, group_ids=list(groups) or None, classifications=list(classes) or None,
        start=start, end=end, sort_by=sort.strip().lstrip("-") if sort else None,
        descending=bool(sort and sort.strip().startswith("-")), max_rows=max_rows,
        cache=service.cache,
    )  # fmt: skip
    return deliver(found, output)


@_sub("source")
@click.argument("source_id", metavar="NAME")
@service_options
@output_options
def source(source_id: str, service: Service, output: Output) -> Code:
    """Fetch one source by its name on the instance."""
    return deliver(_client(service).get_source(source_id.strip(), cache=service.cache), output)


@_sub("lightcurve")
@click.argument("source_id", metavar="NAME")
@window_options
@service_options
@output_options
def lightcurve(
    source_id: str,
    start: float | str | None,
    end: float | str | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Fetch the light curve of a source, of all instruments.

    \b
    Example:
      atlasquery skyportal lightcurve ZTF24abcdefg -o lc.fits
    """
    found = _client(service).get_photometry(
        source_id.strip(), start=start, end=end, cache=service.cache
    )
    return deliver(found, output)


@_sub("groups")
@service_options
@output_options
def groups(service: Service, output: Output) -> Code:
    """List the groups that the token may see."""
    return deliver(_client(service).list_groups(cache=service.cache), output)
