"""Commands for objects of ATLAS: searches, catalogue entries and light curves."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atlasquery.cli.command import Code, Failure, command
from atlasquery.cli.ids import id_of
from atlasquery.cli.options import (
    Output,
    Service,
    UserPath,
    check_path,
    check_span,
    output_options,
    region_options,
    service_options,
    window_options,
)
from atlasquery.cli.output import deliver, for_person, show_text
from atlasquery.cli.pictures import PICTURES, save_picture, use_matplotlib

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["cone", "lightcurve", "object_", "plot"]

# A name may be of several objects; each one shown whole costs a request.
SHOWN = 3


@command()
@click.argument("words", nargs=-1, metavar="[POSITION RADIUS]")
@click.option("--nearest", is_flag=True, help="Only the object nearest to the position.")
@region_options
@service_options
@output_options
def cone(
    words: tuple[str, ...],
    nearest: bool,
    region: str | None,
    credible: float | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the objects within RADIUS of POSITION, or in a region.

    POSITION is two numbers in degrees, a sexagesimal position, one with units, or a
    name; RADIUS has a unit: arcsec, arcmin or deg. A region takes one search for
    each circle of 300 arcsec that covers it.

    \b
    Examples:
      atlasquery cone 150.0 +2.2 5arcmin
      atlasquery cone 10:00:24 -02:12:00 60 arcsec -o found.fits
      atlasquery cone "10h00m24s +02d12m" 60arcsec --json
      atlasquery cone ATLAS26zy 2arcmin --nearest
      atlasquery cone --region skymap.fits --credible 0.5 -o candidates.ecsv
    """
    from atlasquery.atlas import AtlasClass
    from atlasquery.cli.positions import read_cone, read_given_region, read_position

    target: Any = read_given_region(region, credible, words, missing="POSITION RADIUS")
    radius = None
    if target is None:
        text, radius = read_cone(words)
        target = read_position(text)
    atlas = service.client(AtlasClass)
    if target is None:
        target = _place_of(atlas, text, service.cache)
    found = atlas.query_region(target, radius=radius, nearest=nearest, cache=service.cache)
    # There was one position, or region.
    found.remove_column("query_index")
    return deliver(found, output)


@command("object")
@click.argument("words", nargs=-1, required=True, metavar="NAME")
@service_options
@output_options
def object_(words: tuple[str, ...], service: Service, output: Output) -> Code:
    r"""Show an object by its id or any name.

    A terminal shows a summary; a pipe, a file and --json get the catalogue entry.

    \b
    Examples:
      atlasquery object 1100003181021216990
      atlasquery object SN 2026ahw
      atlasquery object ATLAS26zy --json
    """
    from atlasquery.atlas import AtlasClass

    atlas = service.client(AtlasClass)
    found = atlas.query_object(" ".join(words), cache=service.cache)
    if not for_person(output):
        return deliver(found, output)
    for atlas_id in islice(found["atlas_id"].tolist(), SHOWN):
        show_text(str(atlas.get_source(atlas_id, cache=service.cache)))
    if len(found) > SHOWN:
        show_text(f"and {len(found) - SHOWN} more of that name (--all lists them)")
    return Code.FOUND


@command()
@click.argument("words", nargs=-1, required=True, metavar="NAME")
@click.option("--forced", is_flag=True, help="Forced photometry instead of detections.")
@window_options
@service_options
@output_options
def lightcurve(
    words: tuple[str, ...],
    forced: bool,
    start: float | str | None,
    end: float | str | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Fetch the light curve of an object.

    It has detections, and limits of exposures without a detection.

    \b
    Examples:
      atlasquery lightcurve 1100003181021216990 -o lc.ecsv
      atlasquery lightcurve ATLAS26zy --forced --start 2026-09-01
      atlasquery lightcurve ATLAS26zy --json | jq '.rows[0]'
    """
    from atlasquery.atlas import AtlasClass

    atlas = service.client(AtlasClass)
    one = id_of(atlas, " ".join(words), service.cache)
    fetch = atlas.get_forced_photometry if forced else atlas.get_light_curve
    return deliver(fetch(one, start=start, end=end, cache=service.cache), output)


@command()
@click.argument("words", nargs=-1, required=True, metavar="NAME")
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    type=UserPath(dir_okay=False),
    help="File to write: .png, .pdf or .svg.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--flux", is_flag=True, help="Plot signed fluxes instead of magnitudes.")
@click.option("--no-limits", is_flag=True, help="Leave out the limits.")
@click.option("--forced", is_flag=True, help="Plot forced photometry only.")
@click.option(
    "--bin", "width", metavar="TIME", help="Average in bins of this width, such as '1 d'."
)
@window_options
@service_options
def plot(
    words: tuple[str, ...],
    path: Path,
    overwrite: bool,
    flux: bool,
    no_limits: bool,
    forced: bool,
    width: str | None,
    start: float | str | None,
    end: float | str | None,
    service: Service,
) -> None:
    r"""Plot the light curve of an object to a file.

    \b
    Examples:
      atlasquery plot ATLAS26zy -o ATLAS26zy.png
      atlasquery plot 1100003181021216990 --flux --start 61200 -o flux.pdf
      atlasquery plot ATLAS26zy --forced --bin "1 d" --flux -o nights.png
    """
    check_path(path, overwrite, PICTURES)
    use_matplotlib()
    from atlasquery.atlas import AtlasClass

    span = None if width is None else check_span(width, "--bin")
    atlas = service.client(AtlasClass)
    one = id_of(atlas, " ".join(words), service.cache)
    source = atlas.get_source(one, start=start, end=end, cache=service.cache)
    axes = _drawn(source, forced, span, y="flux" if flux else "mag", limits=not no_limits)
    save_picture(axes, path)


def _drawn(source: Any, forced: bool, span: Any, **options: Any) -> Any:
    """Return the axes of the light curve, or of its forced photometry, binned or not."""
    from atlasquery.lightcurve import bin as average
    from atlasquery.lightcurve import clean, plot

    if not forced and span is None:
        return source.plot(**options)
    lc = source.forced_photometry if forced else source.light_curve
    if forced and not len(lc):
        raise Failure(f"ATLAS has no forced photometry of {source.name} in that time", Code.NOTHING)
    if span is not None:
        lc = average(clean(lc), span)
    return plot(lc, title=source.name, **options)


def _place_of(atlas: Any, name: str, cache: bool | None) -> "SkyCoord":
    """Return where an object of ATLAS is, or else what Sesame knows by that name."""
    from astropy.coordinates import SkyCoord
    from astropy.coordinates.name_resolve import NameResolveError

    from atlasquery.exceptions import NotFoundError

    try:
        found = atlas.query_object(name, cache=cache)
    except NotFoundError as unknown:
        try:
            return SkyCoord.from_name(name)
        except NameResolveError:
            raise unknown from None
    if len(found) > 1 and found.meta["matched_by"] != "position from Sesame":
        raise Failure(f"{name} is the name of {len(found)} objects: give a position", Code.USAGE)
    return SkyCoord(found["ra"][0], found["dec"][0], unit="deg")
