"""The plan of a search of a region: its cones, what they cost, and whether that is allowed."""

import math

from atlasquery.exceptions import InvalidQueryError
from atlasquery.regions.region import Region
from atlasquery.service.cones import MOST_CONES, Cone, fewest_cones
from atlasquery.service.log import log
from atlasquery.service.query import ServiceQuery

__all__ = ["announce_plan", "format_area", "plan_cones"]

# Seconds of one request to a server whose pace is not known.
LATENCY = 1.0


def plan_cones(
    client: ServiceQuery,
    region: Region,
    *,
    largest: float,
    margin: float = 0.01,
    send: bool = True,
) -> list[Cone]:
    """Return the cones that together see all of a region, or refuse too many.

    Parameters
    ----------
    client : ServiceQuery
        The client that asks, whose configuration has ``max_region_requests``.
    region : Region
        The region.
    largest : float
        The largest radius of a cone, in arcseconds.
    margin : float, optional
        Arcseconds by which each cone is wider than needed.
    send : bool, optional
        Whether they will be sent.

    Returns
    -------
    list of Cone
        None for an empty region.

    Raises
    ------
    InvalidQueryError
        If they are more than ``conf.max_region_requests``.
    """
    from atlasquery.regions.covering import cover_region

    limit = client.conf.max_region_requests if send else MOST_CONES
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidQueryError(
            f"conf.max_region_requests={limit!r} should be a whole number from 1"
        )
    # A plan of very many cones would take long itself.
    least = fewest_cones(region.area.value, largest)
    if least > limit:
        raise _too_many(region, f"at least {least}", client.service, limit, send)
    cones = cover_region(region, largest=largest, margin=margin)
    if len(cones) > limit:
        raise _too_many(region, str(len(cones)), client.service, limit, send)
    return cones


def _too_many(
    region: Region, count: str, service: str, limit: int, send: bool
) -> InvalidQueryError:
    advice = (
        "Set conf.max_region_requests to a higher number, or take a smaller region"
        if send
        else f"A plan has up to {limit}: take a smaller region"
    )
    return InvalidQueryError(
        f"{service}: the {region.name} ({format_area(region)}) takes {count} cone searches, and "
        f"{limit} are allowed; nothing was sent. {advice}; or download tables, and "
        "atlasquery.within(table, region) returns the rows inside."
    )


def format_area(region: Region) -> str:
    """Return the area of a region for messages.

    Parameters
    ----------
    region : Region
        The region.

    Returns
    -------
    str
        Square degrees, or square arcminutes if it is small.
    """
    area = float(region.area.value)
    return f"{area:.4g} deg2" if area >= 0.1 else f"{area * 3600:.3g} arcmin2"


def announce_plan(
    client: ServiceQuery,
    region: Region,
    cones: list[Cone],
    *,
    service: str = "",
    per_second: float = 0.0,
) -> None:
    """Log the cost of a search before it is spent.

    Parameters
    ----------
    client : ServiceQuery
        The client that asks.
    region : Region
        The region.
    cones : list of Cone
        Its cones.
    service : str, optional
        What is asked, if that is not just the service of the client.
    per_second : float, optional
        Requests a second that the server allows; 0 if that is not known.
    """
    seconds = len(cones) * LATENCY / max(client.conf.concurrency, 1)
    if per_second > 0:
        seconds = max(seconds, len(cones) / per_second)
    plural = "es" * (len(cones) != 1)
    log.info(
        f"{service or client.service}: {len(cones)} cone search{plural} for the {region.name} "
        f"({format_area(region)}), each of one request at least: about {_duration(seconds)}"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
