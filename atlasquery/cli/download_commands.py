"""The command that fetches many objects into files."""

import re
from pathlib import Path
from typing import IO, Any

import click

from atlasquery.cli.command import Code, Failure, command
from atlasquery.cli.options import Service, service_options, window_options

__all__ = ["download"]


@command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-d", "--directory", required=True, type=click.Path(path_type=Path), help="Where to.")
@click.option(
    "-f",
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A file with an id at the start of each line, or a table with atlas_id; - is the input.",
)
@click.option("-l", "--list", "name", metavar="NAME", help="The objects of a list.")
@click.option("--max-age", metavar="TIME", help="Fetch again what is older, such as '7 d'.")
@window_options
@service_options
def download(
    ids: tuple[str, ...],
    directory: Path,
    source: Path | None,
    name: str | None,
    max_age: str | None,
    start: float | str | None,
    end: float | str | None,
    service: Service,
) -> Code:
    r"""Fetch many objects into Parquet files.

    What is there is kept, so that a download that was stopped goes on.

    \b
    Examples:
      atlasquery download 1100003181021216990 1100003241021033830 -d nightly
      atlasquery download --list good -d nightly --wait
      atlasquery cone 150.0 2.2 5arcmin | atlasquery download --from - -d field
    """
    from atlasquery.atlas import AtlasClass

    atlas = service.client(AtlasClass)
    wanted: list[Any] = [identifier.strip() for identifier in ids]
    if source:
        wanted += _read_ids(source)
    if name:
        members = atlas.get_list_members(name.strip(), cache=service.cache)
        wanted += members["atlas_id"].tolist()
    elif not ids and not source:
        raise click.UsageError("give ids, --from or --list", click.get_current_context())
    if not wanted:
        click.echo("There is no id to fetch.", err=True)
        return Code.NOTHING
    done = atlas.download_sources(wanted, directory, start=start, end=end, max_age=max_age)
    states = done["status"].tolist()
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    click.echo(f"{len(done)} objects in {directory}: {said}")
    return Code.INCOMPLETE if {"failed", "stale"} & set(states) else Code.FOUND


def _read_ids(source: Path) -> list[Any]:
    """Return the ids of a file, of a table, or of what is piped in."""
    from atlasquery.tables.files import EXTENSIONS, read_table

    if str(source) != "-" and source.name.lower().endswith(EXTENSIONS):
        table = read_table(source)
        if "atlas_id" not in table.colnames:
            raise Failure(f"{source} has no column atlas_id", Code.USAGE)
        return table["atlas_id"].tolist()
    with click.open_file(str(source)) as file:
        return _leading_ids(file)


def _leading_ids(file: IO[str]) -> list[str]:
    found = []
    for number, line in enumerate(file):
        word = re.split(r"[\s,]", line.strip().strip('"'), maxsplit=1)[0].strip('"')
        # What this command prints to a pipe begins with a line of names.
        if not word or word.startswith("#") or (number == 0 and word == "atlas_id"):
            continue
        found.append(word)
    return found
