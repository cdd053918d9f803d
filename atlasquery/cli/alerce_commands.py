"""``atlasquery alerce``: objects of ZTF and LSST as the ALeRCE broker has them."""

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
    from atlasquery.alerce import AlerceClass

__all__ = ["alerce"]


@click.group()
def alerce() -> None:
    r"""Search the ALeRCE broker, and fetch its light curves.

    \b
    Examples:
      atlasquery alerce cone 150.1 +2.2 30arcsec
      atlasquery alerce search --classifier stamp_classifier --class SN --probability 0.9
      atlasquery alerce lightcurve ZTF26onptaab --forced -o lc.ecsv

    No login is needed.
    """


alerce.help = (alerce.help or "").replace("\\b\n", "\b\n")


def _client(service: Service) -> "AlerceClass":
    from atlasquery.alerce import AlerceClass

    return service.client(AlerceClass)


_sub = functools.partial(alerce.command, cls=Command)


survey_option = click.option(
    "--survey",
    type=click.Choice(["ztf", "lsst"]),
    default="ztf",
    show_default=True,
    help="Survey of the objects.",
)


@_sub("cone")
@click.argument("words", nargs=-1, required=True, metavar="POSITION RADIUS")
@survey_option
@rows_option
@service_options
@output_options
def cone(
    words: tuple[str, ...], survey: str, max_rows: int | None, service: Service, output: Output
) -> Code:
    r"""Find the objects within RADIUS of POSITION.

    \b
    Example:
      atlasquery alerce cone 10:00:03 +02:12:17 30 arcsec --survey lsst
    """
    from atlasquery.cli.positions import read_centre

    centre, radius = read_centre(words, hint="for an object see alerce object")
    found = _client(service).query_region(
        centre, radius, survey=survey, max_rows=max_rows, cache=service.cache
    )
    drop_query_index(found)
    return deliver(found, output)


@_sub("search")
@click.option("--classifier", metavar="NAME", help="Classifier; 'alerce classifiers' lists them.")
@click.option("--class", "class_name", metavar="NAME", help="Class by this classifier.")
@click.option("--probability", type=float, help="Minimum probability of the class.")
@click.option("--ranking", type=int, help="Rank of the class: 1 is the most probable.")
@click.option("--n-det", type=int, metavar="N", help="Minimum number of detections.")
@click.option("--sort", metavar="COLUMN", help="Column to sort by; -COLUMN for descending order.")
@survey_option
@rows_option
@service_options
@output_options
def search(
    classifier: str | None,
    class_name: str | None,
    probability: float | None,
    ranking: int | None,
    n_det: int | None,
    sort: str | None,
    survey: str,
    max_rows: int | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Find the objects that meet criteria.

    \b
    Example:
      atlasquery alerce search --classifier lc_classifier --class SNIa --sort -probability
    """
    found = _client(service).query_criteria(
        survey=survey, classifier=classifier, class_name=class_name, probability=probability,
        ranking=ranking, n_det=n_det, order_by=sort.strip().lstrip("-") if sort else None,
        descending=bool(sort and sort.strip().startswith("-")), max_rows=max_rows,
        cache=service.cache,
    )  # fmt: skip
    return deliver(found, output)


@_sub("object")
@click.argument("oid")
@survey_option
@service_options
@output_options
def object_(oid: str, survey: str, service: Service, output: Output) -> Code:
    """Fetch the catalogue entry of an object."""
    found = _client(service).query_object(oid.strip(), survey=survey, cache=service.cache)
    return deliver(found, output)


@_sub("lightcurve")
@click.argument("oid")
@click.option("--forced", is_flag=True, help="Include forced photometry.")
@window_options
@survey_option
@service_options
@output_options
def lightcurve(
    oid: str,
    forced: bool,
    start: float | str | None,
    end: float | str | None,
    survey: str,
    service: Service,
    output: Output,
) -> Code:
    r"""Fetch the light curve of an object: detections and limits.

    \b
    Example:
      atlasquery alerce lightcurve ZTF26onptaab --start 2026-09-01 -o lc.fits
    """
    found = _client(service).get_light_curve(
        oid.strip(), survey=survey, start=start, end=end, forced=forced, cache=service.cache
    )
    return deliver(found, output)


@_sub("probabilities")
@click.argument("oid")
@click.option("--classifier", metavar="NAME", help="Only this classifier.")
@survey_option
@service_options
@output_options
def probabilities(
    oid: str, classifier: str | None, survey: str, service: Service, output: Output
) -> Code:
    """Fetch the probabilities of the classes of an object."""
    found = _client(service).get_probabilities(
        oid.strip(), survey=survey, classifier=classifier, cache=service.cache
    )
    return deliver(found, output)


@_sub("classifiers")
@survey_option
@service_options
@output_options
def classifiers(survey: str, service: Service, output: Output) -> Code:
    """List the classifiers, their versions and classes."""
    return deliver(_client(service).list_classifiers(survey=survey, cache=service.cache), output)
