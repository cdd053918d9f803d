"""``atlasquery lcc``: collections of light curves, searched and fetched."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlasquery.cli.command import Code, Command, Failure
from atlasquery.cli.options import (
    Output,
    Service,
    UserPath,
    output_options,
    rows_option,
    service_options,
)
from atlasquery.cli.output import deliver, drop_query_index, for_person, show_text, stack_curves

if TYPE_CHECKING:
    from astropy.table import Table

    from atlasquery.lccserver import LCCServerClass

__all__ = ["lcc"]


@click.group()
def lcc() -> None:
    r"""Search an LCC-Server, and fetch its light curves.

    \b
    Examples:
      atlasquery lcc collections
      atlasquery lcc cone 290.0 +45.0 20arcmin --columns sdssr,propermotion
      atlasquery lcc search "sdssr < 13 & propermotion > 50" -o bright.ecsv
      atlasquery lcc lightcurves qbeiD6HI2iw -o curves.ecsv

    No login is needed; the key of an account is read from ATLASQUERY_LCC_TOKEN.
    """


lcc.help = (lcc.help or "").replace("\\b\n", "\b\n")


def _client(service: Service) -> "LCCServerClass":
    from atlasquery.lccserver import LCCServerClass

    return service.client(LCCServerClass)


def _listed(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Split values separated by commas."""
    if value is None:
        return None
    return [word.strip() for word in value.split(",") if word.strip()]


def _search_options(function: Callable) -> Callable:
    """Add the options of all searches to a command."""
    options = (
        click.option("--collections", "-c", metavar="NAMES", callback=_listed,
                     help="Collections to search, separated by commas; by default all."),
        click.option("--columns", metavar="NAMES", callback=_listed,
                     help="Columns to return in addition to names and positions; * for all."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _row_options(function: Callable) -> Callable:
    """Add options for order and number of rows to a command."""
    options = (
        click.option(
            "--sort", metavar="COLUMN", help="Column to sort by; -COLUMN for descending order."
        ),
        rows_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


filter_option = click.option(
    "--filter", "filters", metavar="TEXT", help="Filter, as FILTER of 'lcc search'."
)


def _columns(names: list[str] | None) -> list[str] | str | None:
    return "*" if names == ["*"] else names


def _sub(name: str, kind: type[Command] = Command) -> Callable:
    return lcc.command(name, cls=kind)


class _OfDataset(Command):
    """A command of a dataset: its name comes first, and may look like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Servers make names up: of 64 datasets one begins with a hyphen. The space goes later.
        known = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        if args and re.fullmatch(r"-[\w-]{10}", args[0]) and args[0] not in known:
            args = [f" {args[0]}", *args[1:]]
        return super().parse_args(ctx, args)


def _plain(ctx: click.Context, param: click.Parameter, value: str) -> str:
    return value.strip()


@_sub("collections")
@service_options
@output_options
def collections(service: Service, output: Output) -> Code:
    """List the collections of the server."""
    found = _client(service).list_collections(cache=service.cache)
    if for_person(output):
        found = found["collection", "nobjects", "name", "last_updated"]
    return deliver(found, output)


@_sub("columns")
@click.argument("names", nargs=-1, metavar="[COLLECTION]...")
@service_options
@output_options
def columns(names: tuple[str, ...], service: Service, output: Output) -> Code:
    """List the columns of collections, for filters and results."""
    chosen = list(names) or None
    return deliver(_client(service).list_columns(chosen, cache=service.cache), output)


@_sub("cone")
@click.argument("words", nargs=-1, required=True, metavar="POSITION RADIUS")
@_search_options
@filter_option
@service_options
@output_options
def cone(
    words: tuple[str, ...],
    collections: list[str] | None,
    columns: list[str] | None,
    filters: str | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the objects within RADIUS of POSITION, nearest first.

    POSITION is two numbers in degrees, a sexagesimal position, or one with units; RADIUS has
    a unit: arcsec, arcmin or deg.

    \b
    Example:
      atlasquery lcc cone 290.0 +45.0 20arcmin -c synth_alpha --columns sdssr
    """
    from atlasquery.cli.positions import read_centre

    centre, radius = read_centre(words, hint="for a name see lcc text --resolve")
    found: Any = _client(service).query_region(
        centre, radius=radius, filters=filters, collections=collections,
        columns=_columns(columns), cache=service.cache,
    )  # fmt: skip
    drop_query_index(found)
    return deliver(_short(found, output), output)


@_sub("search")
@click.argument("filters", metavar="FILTER")
@_search_options
@_row_options
@service_options
@output_options
def search(
    filters: str,
    collections: list[str] | None,
    columns: list[str] | None,
    sort: str | None,
    max_rows: int | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the objects whose columns meet a FILTER.

    \b
    Example:
      atlasquery lcc search "sdssr < 13 & objecttags ct 'eclipsing'" --sort sdssr
    """
    found = _client(service).query_criteria(
        filters, collections=collections, columns=_columns(columns), sort=sort,
        max_rows=max_rows, cache=service.cache,
    )  # fmt: skip
    return deliver(_short(found, output), output)


@_sub("text")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@click.option(
    "--resolve", is_flag=True, help="TEXT is the name of an object; Sesame finds its position."
)
@_search_options
@filter_option
@_row_options
@service_options
@output_options
def text(
    words: tuple[str, ...],
    resolve: bool,
    collections: list[str] | None,
    columns: list[str] | None,
    filters: str | None,
    sort: str | None,
    max_rows: int | None,
    service: Service,
    output: Output,
) -> Code:
    """Find the objects by words in names, tags and other text."""
    found = _client(service).query_text(
        " ".join(words), resolve=resolve, filters=filters, collections=collections,
        columns=_columns(columns), sort=sort, max_rows=max_rows, cache=service.cache,
    )  # fmt: skip
    return deliver(_short(found, output), output)


@_sub("crossmatch")
@click.argument("table", type=UserPath(exists=True, dir_okay=False))
@click.argument("radius", nargs=-1, required=True)
@click.option("--ids", metavar="COLUMN", help="Column of names in TABLE to copy to the result.")
@_search_options
@filter_option
@service_options
@output_options
def crossmatch(
    table: Path,
    radius: tuple[str, ...],
    ids: str | None,
    collections: list[str] | None,
    columns: list[str] | None,
    filters: str | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the objects near each position of TABLE.

    TABLE is a file with the columns ra and dec.

    \b
    Example:
      atlasquery lcc crossmatch hosts.ecsv 2arcsec --ids name -o matches.ecsv
    """
    found = _client(service).crossmatch(
        _positions(table), "".join(radius), ids=ids, filters=filters, collections=collections,
        columns=_columns(columns), cache=service.cache,
    )  # fmt: skip
    return deliver(_short(found, output), output)


@_sub("datasets")
@click.option("--max-rows", type=int, default=1000, help="Number of the newest datasets to list.")
@service_options
@output_options
def datasets(max_rows: int, service: Service, output: Output) -> Code:
    """List the newest datasets that are visible."""
    found = _client(service).list_datasets(max_rows=max_rows, cache=service.cache)
    return deliver(found, output)


@_sub("dataset", _OfDataset)
@click.argument("setid", callback=_plain)
@service_options
@output_options
def dataset(setid: str, service: Service, output: Output) -> Code:
    """Fetch a dataset, the result of a search, by its id."""
    found = _client(service).get_dataset(setid, cache=service.cache)
    return deliver(_short(found, output), output)


@_sub("object")
@click.argument("objectid")
@click.argument("collection")
@click.option(
    "--pictures",
    "-d",
    type=UserPath(file_okay=False),
    help="Directory for the server's plots of the object.",
)
@click.option("--overwrite-pictures", is_flag=True, help="Replace existing pictures.")
@service_options
@output_options
def object_(
    objectid: str,
    collection: str,
    pictures: Path | None,
    overwrite_pictures: bool,
    service: Service,
    output: Output,
) -> Code:
    """Show what the server has on an object.

    With -o, --json or a pipe the result is the table of its periods.
    """
    found = _client(service).get_object(objectid, collection, cache=service.cache)
    if pictures is not None:
        _save(found.pictures, pictures, objectid, overwrite_pictures)
    if for_person(output):
        show_text(str(found))
        return Code.FOUND
    return deliver(found.periods, output)


@_sub("lightcurve")
@click.argument("objectid")
@click.argument("collection", required=False)
@click.option("--mag", "mag_column", metavar="COLUMN", help="Column of magnitudes to use.")
@service_options
@output_options
def lightcurve(
    objectid: str, collection: str | None, mag_column: str | None, service: Service, output: Output
) -> Code:
    r"""Fetch a light curve, or read the file of one.

    \b
    Examples:
      atlasquery lcc lightcurve SYA-0000001 synth_alpha -o lc.fits
      atlasquery lcc lightcurve SYA-0000001-csvlc.gz -o lc.fits
    """
    client = _client(service)
    if collection is None:
        if not Path(objectid).is_file():
            raise Failure(
                f"{objectid} is not a file; for an object, name its collection", Code.USAGE
            )
        return deliver(client.read(objectid, mag_column=mag_column), output)
    found = client.get_light_curve(objectid, collection, mag_column=mag_column, cache=service.cache)
    return deliver(found, output)


@_sub("lightcurves", _OfDataset)
@click.argument("setid", callback=_plain)
@click.option("--mag", "mag_column", metavar="COLUMN", help="Column of magnitudes to use.")
@service_options
@output_options
def lightcurves(setid: str, mag_column: str | None, service: Service, output: Output) -> Code:
    """Fetch all light curves of a dataset, as one table.

    The first column is the object of each row.
    """
    curves = _client(service).get_light_curves(
        setid, mag_column=mag_column, on_error="warn", cache=service.cache
    )
    stacked = stack_curves(list(curves.items()), "objectid")
    if len(curves):
        stacked.meta["setid"] = setid
    code = deliver(stacked, output)
    return Code.INCOMPLETE if curves.failures else code


def _short(found: Any, output: Output) -> "Table":
    """Leave out, for a person, what each row of a server repeats."""
    if not for_person(output):
        return found
    repeated = {"lcfname", "owner", "visibility", "sharedwith"}
    return found[[name for name in found.colnames if name not in repeated]]


def _positions(path: Path) -> Any:
    from astropy.table import Table

    from atlasquery.exceptions import InvalidQueryError

    try:
        return Table.read(path)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidQueryError(f"{path} is not a readable table: {reason}") from None


def _save(pictures: list, folder: Path, objectid: str, overwrite: bool) -> None:
    """Write images under names of their content."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, picture in enumerate(pictures):
        words = re.sub(r"[^a-zA-Z0-9]+", "-", picture.about)[:60].strip("-")
        # A name of an object has no slash, which its query has seen to.
        path = folder / f"{objectid}-{n}-{words}.png"
        picture.save(path, overwrite=overwrite)
        click.echo(str(path), err=True)
