"""From criteria of sources and candidates to the parameters of the server, without its traps."""

from collections.abc import Callable, Sequence
from typing import Any

import astropy.units as u
import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_choice, check_coordinates, check_radius
from atlasquery.skyportal.payloads.values import iso, word

__all__ = [
    "SORTED_BY",
    "cone_params",
    "localization_params",
    "magnitude_range",
    "number_range",
    "only_true",
    "plain_classes",
    "sort_params",
    "taxonomy_classes",
    "time_range",
]

#: What sources can be sorted by.
SORTED_BY = ("id", "ra", "dec", "redshift", "saved_at", "alias", "origin")
# Beyond, the server silently finds nothing: see docs/servers/skyportal.rst, "Cones".
LARGEST_RADIUS = 90.0


def cone_params(coordinates: object, radius: object) -> tuple[list[dict], tuple, float]:
    """Return what is sent for cones: right ascension, declination and radius in degrees.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        The centres.
    radius : angle
        With a unit, above 0 and up to 90 degrees.

    Returns
    -------
    cones : list of dict
        For each position.
    shape : tuple
        The shape of `coordinates`.
    arcsec : float
        The radius.

    Raises
    ------
    InvalidQueryError
        If one of them is none, or the radius is one for which the server finds nothing.
    """
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    degrees = arcsec / 3600.0
    if degrees > LARGEST_RADIUS:
        raise InvalidQueryError(
            f"radius={radius!s} should be up to {LARGEST_RADIUS:g} degrees: beyond it the server "
            "finds nothing, silently"
        )
    cones = [
        {"ra": float(a), "dec": float(d), "radius": degrees} for a, d in zip(ra, dec, strict=True)
    ]
    return cones, shape, arcsec


def number_range(
    value: Any, name: str, low: str, high: str, unit: u.UnitBase = u.dimensionless_unscaled
) -> dict:
    """Return what is sent for a range of numbers.

    Parameters
    ----------
    value : tuple of float or None
        The least and the greatest, each of which may be None.
    name : str
        The argument's name, for messages.
    low, high : str
        The server's names of the bounds.
    unit : `~astropy.units.Unit`, optional
        The unit of the numbers, in which quantities are sent.

    Returns
    -------
    dict
        The bounds that are given.
    """

    def number(one: object) -> float:
        if isinstance(one, u.Quantity):
            one = _in_unit(one, unit)
        return float(word(one, name))

    example = "(0.01, 0.1)" if unit == u.dimensionless_unscaled else f"(15, 100), in {unit}"
    # An array of quantities has its unit for all of them.
    value = list(value) if isinstance(value, u.Quantity) and value.shape == (2,) else value
    return _range(value, name, low, high, number, example)


def _in_unit(value: u.Quantity, unit: u.UnitBase) -> float:
    if unit == u.mag and isinstance(value.unit, u.MagUnit):
        # Of any system: which one the server has is its uploaders' affair.
        return value.value
    try:
        return value.to_value(unit)
    except u.UnitsError as error:
        what = "no unit" if unit == u.dimensionless_unscaled else f"the unit {unit}"
        raise ValueError(f"{value} should have {what}") from error


def magnitude_range(value: object, name: str, magnitude: str) -> dict:
    """Return what is sent for a range of magnitudes.

    The server's ``min...`` is the faint bound, and its ``max...`` the bright one: it keeps
    what has a magnitude of at most the one and at least the other.

    Parameters
    ----------
    value : tuple of float or None
        The brightest and the faintest magnitude, each of which may be None.
    name : str
        The argument's name, for messages.
    magnitude : str
        The server's name of the magnitude, such as ``"PeakMagnitude"``.

    Returns
    -------
    dict
        The bounds that are given.
    """
    return number_range(value, name, f"max{magnitude}", f"min{magnitude}", u.mag)


def time_range(value: object, name: str, low: str, high: str) -> dict:
    """Return what is sent for a range of times.

    Parameters
    ----------
    value : tuple of `~astropy.time.Time` or None
        The first and the last, each of which may be None.
    name : str
        The argument's name, for messages.
    low, high : str
        The server's names of the bounds.

    Returns
    -------
    dict
        The bounds that are given.
    """
    return _range(
        value, name, low, high, lambda one: iso(one, name), "('2026-01-01', '2026-02-01')"
    )


def _range(
    value: Any, name: str, low: str, high: str, check: Callable[[Any], Any], example: str
) -> dict:
    if value is None:
        return {}
    right = f"should be a pair such as {example}, of which one may be None"
    pair = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)
    if not pair or len(value) != 2:
        raise InvalidQueryError(f"{name}={value!r:.100} {right}")
    try:
        found: list[Any] = [None if one is None else check(one) for one in value]
    except ValueError as error:
        raise InvalidQueryError(f"{name}={value!r:.100} {right}: {error}") from error
    if found == [None, None]:
        raise InvalidQueryError(f"{name}={value!r:.100} {right}")
    if None not in found and found[1] < found[0]:
        raise InvalidQueryError(f"{name}={value!r:.100} ends before it begins")
    return {key: one for key, one in zip((low, high), found, strict=True) if one is not None}


def only_true(value: bool | None, name: str) -> bool | None:
    """Return what is sent for a filter that can only be switched on.

    Parameters
    ----------
    value : bool or None
        What was given.
    name : str
        The argument's name, for messages.

    Returns
    -------
    bool or None
        True, or None where nothing is sent.

    Raises
    ------
    InvalidQueryError
        If it is False, by which the server does not filter.
    """
    if value is None or value is True or (isinstance(value, np.bool_) and bool(value)):
        return None if value is None else True
    raise InvalidQueryError(
        f"{name}={value!r} should be True, or left out: by False the server does not filter"
    )


def taxonomy_classes(value: Any, name: str) -> str | None:
    """Return classes as the server filters by them.

    Parameters
    ----------
    value : str, sequence of str or None
        Each with its taxonomy: ``"Sitewide Taxonomy: Ia"``.
    name : str
        The argument's name, for messages.

    Returns
    -------
    str or None
        Joined by commas.

    Raises
    ------
    InvalidQueryError
        If one has no taxonomy, for which the server finds nothing.
    """
    if value is None:
        return None
    values = [value] if isinstance(value, str) else list(value)
    for one in values:
        if not isinstance(one, str) or not all(part.strip() for part in f"{one}:".split(":")[:2]):
            raise InvalidQueryError(
                f"{name}={one!r:.100} should name a taxonomy and a class, such as "
                "'Sitewide Taxonomy: Ia'; see list_taxonomies()"
            )
    return word(values, name)


def plain_classes(value: Any, name: str) -> str | None:
    """Return classes as the server compares those of candidates: without their taxonomy.

    Parameters
    ----------
    value : str, sequence of str or None
        Such as ``"Ia"``.
    name : str
        The argument's name, for messages.

    Returns
    -------
    str or None
        Joined by commas.

    Raises
    ------
    InvalidQueryError
        If one has a taxonomy, for which the server finds nothing.
    """
    if value is None:
        return None
    values = [value] if isinstance(value, str) else list(value)
    for one in values:
        if not isinstance(one, str) or not one.strip() or ":" in one:
            plain = one.rpartition(":")[2].strip() if isinstance(one, str) else ""
            raise InvalidQueryError(
                f"{name}={one!r:.100} should be the name of a class without its taxonomy, such as "
                f"{plain or 'Ia'!r}: the server compares nothing else with candidates"
            )
    return word(values, name)


def sort_params(sort_by: str | None, descending: bool) -> dict:
    """Return what is sent for an order.

    Parameters
    ----------
    sort_by : str or None
        One of `SORTED_BY`.
    descending : bool
        Whether the greatest comes first.

    Returns
    -------
    dict
        Empty for the server's own order: what was saved last comes first.
    """
    if sort_by is None:
        if descending:
            raise InvalidQueryError("descending is of no use without sort_by")
        return {}
    check_choice(sort_by, name="sort_by", known=SORTED_BY)
    return {"sortBy": sort_by, "sortOrder": "desc" if descending else "asc"}


def localization_params(localization: Any, probability: float | None, window: dict | None) -> dict:
    """Return what is sent for the sky map of an event.

    Parameters
    ----------
    localization : str, `~astropy.time.Time`, tuple or None
        The time of the event, or a pair of it and the name of one of its sky maps.
    probability : float or None
        The probability that the region of the map has.
    window : dict or None
        The time window, which the server needs with it; None where it needs none.

    Returns
    -------
    dict
        Empty without a map.
    """
    if localization is None:
        if probability is not None:
            raise InvalidQueryError("probability is of no use without localization")
        return {}
    pair = isinstance(localization, (tuple, list))
    when, name = localization if pair and len(localization) == 2 else (localization, None)
    if window is not None and len(window) != 2:
        raise InvalidQueryError(
            "localization needs start and end: the server takes them for the time of detections"
        )
    if probability is not None and not 0 < float(probability) <= 1:
        raise InvalidQueryError(f"probability={probability!r} should be above 0 and up to 1")
    if isinstance(name, str):
        name = word(name, "localization")
    # The server knows an event by its second.
    sent: dict[str, Any] = {
        "localizationDateobs": iso(when, "localization")[:19],
        "localizationName": name,
    }
    if probability is not None:
        sent["localizationCumprob"] = float(probability)
    return {key: value for key, value in sent.items() if value is not None}
