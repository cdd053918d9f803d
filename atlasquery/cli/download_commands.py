"""The command that fetches many objects into files."""

from pathlib import Path

import click

from atlasquery.cli.command import Code, command
from atlasquery.cli.ids import gather_ids, many_ids
from atlasquery.cli.options import Service, UserPath, service_options, window_options

__all__ = ["download"]


@command()
@many_ids
@click.option("-d", "--directory", required=True, type=UserPath(), help="Directory for the files.")
@click.option("-l", "--list", "name", metavar="NAME", help="Fetch the objects of a list.")
@click.option(
    "--max-age",
    metavar="TIME",
    help="Fetch objects again that were fetched longer ago, such as '7 d'.",
)
@click.option(
    "--update",
    type=click.Choice(["changed", "all"]),
    help="Fetch what is new for objects in the directory: those that changed on lists, or all.",
)
@window_options
@service_options
def download(
    ids: tuple[str, ...],
    directory: Path,
    source: Path | None,
    name: str | None,
    max_age: str | None,
    update: str | None,
    start: float | str | None,
    end: float | str | None,
    service: Service,
) -> Code:
    r"""Fetch many objects into Parquet files.

    An ID may be a name; finding it takes requests. Call it again to resume an interrupted
    download.

    \b
    Examples:
      atlasquery download 1100003181021216990 ATLAS26zz -d nightly
      atlasquery download --list good -d nightly --wait
      atlasquery download --list good -d nightly --update changed
      atlasquery cone 150.0 2.2 5arcmin | atlasquery download --from - -d field
    """
    from atlasquery.atlas import AtlasClass

    atlas = service.client(AtlasClass)
    wanted = gather_ids(atlas, ids, source, service.cache)
    if name:
        members = atlas.get_list_members(name.strip(), cache=service.cache)
        wanted += members["atlas_id"].tolist()
    elif not ids and not source:
        raise click.UsageError("give ids, --from or --list", click.get_current_context())
    if not wanted:
        click.echo("There is no id to fetch.", err=True)
        return Code.NOTHING
    done = atlas.download_sources(
        wanted, directory, start=start, end=end, max_age=max_age, update=update
    )
    states = done["status"].tolist()
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    words = ", ".join(f"{count} {state}" for state, count in counts.items())
    click.echo(f"{len(done)} objects in {directory}: {words}")
    return Code.INCOMPLETE if {"failed", "stale"} & set(states) else Code.FOUND
