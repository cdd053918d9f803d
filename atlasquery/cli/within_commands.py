"""``atlasquery within``: the rows of a table inside a sky map or a MOC."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from atlasquery.cli.command import Code, Failure, command
from atlasquery.cli.options import Output, UserPath, output_options
from atlasquery.cli.output import deliver

if TYPE_CHECKING:
    from atlasquery.regions.region import Region
    from atlasquery.regions.skymap import SkyMap

__all__ = ["within"]


@command()
@click.argument("table", type=UserPath(dir_okay=False), metavar="TABLE")
@click.argument("region", metavar="MAP")
@click.option(
    "--credible",
    type=float,
    metavar="LEVEL",
    help="Only rows inside this credible region of the map, such as 0.9; by default all rows.",
)
@output_options
def within(table: Path, region: str, credible: float | None, output: Output) -> Code:
    r"""Show the rows of TABLE inside MAP: a sky map, or a MOC.

    TABLE is a file with positions: .ecsv, .fits, .vot, .parquet or .csv. MAP is a FITS file with
    a probability sky map, or a MOC in a file or as a string. A sky map adds the probability
    density and the credible level of each row and, if it has them, the distance.

    \b
    Examples:
      atlasquery within galaxies.fits bayestar.multiorder.fits --credible 0.9 -o inside.ecsv
      atlasquery within good.ecsv "3/425 427" --json
    """
    from atlasquery.regions.readers import read_map_or_region
    from atlasquery.sky import within as evaluate
    from atlasquery.tables import read_table

    if not table.exists():
        raise Failure(f"{table} does not exist", Code.USAGE)
    target = read_map_or_region(region, name="MAP")
    found = evaluate(read_table(table), target, credible=credible)
    click.echo(_summary(target, credible), err=True)
    return deliver(found, output)


def _summary(target: "SkyMap | Region", credible: float | None) -> str:
    """Return a line on the map or the region."""
    from atlasquery.regions import SkyMap

    if not isinstance(target, SkyMap):
        return f"{target.name}: {target.area.value:.5g} deg2"
    level = 0.9 if credible is None else credible
    name = target.meta.get("object", "sky map")
    return f"{name}: the {level * 100:g} % region has {target.area(level).value:.5g} deg2"
