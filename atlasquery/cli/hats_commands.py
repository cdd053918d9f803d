"""``atlasquery hats``: a HATS catalogue of light curves that were downloaded."""

from pathlib import Path

import click

from atlasquery.cli.command import Code, Failure, command
from atlasquery.cli.options import UserPath

__all__ = ["hats"]


@command()
@click.argument("directory", type=UserPath(file_okay=False))
@click.argument("path", type=UserPath(file_okay=False))
@click.option("--name", help="Name of the catalogue; by default that of PATH.")
@click.option("--forced", is_flag=True, help="Write forced photometry, not detections and limits.")
@click.option("--overwrite", is_flag=True, help="Replace an existing catalogue.")
def hats(directory: Path, path: Path, name: str | None, forced: bool, overwrite: bool) -> Code:
    r"""Write the light curves of a download as a HATS catalogue.

    DIRECTORY is that of 'atlasquery download', PATH that of the catalogue. LSDB opens it;
    pandas, polars and DuckDB read its files. It appears when it is complete. Call it again to
    resume an interrupted run.

    \b
    Examples:
      atlasquery hats nightly nightly_hats
      atlasquery hats nightly nightly_hats --name atlas --overwrite
    """
    if path.exists() and not overwrite:
        raise Failure(f"{path} exists already; --overwrite replaces it", Code.USAGE)
    from atlasquery.atlas import AtlasClass
    from atlasquery.hats import read_hats, to_hats

    source = AtlasClass().read_sources(directory, "forced_photometry") if forced else directory
    written = to_hats(source, path, name=name, overwrite=overwrite)
    click.echo(f"{len(read_hats(written))} objects in {path}")
    return Code.FOUND
