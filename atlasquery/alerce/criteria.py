"""Criteria for objects: the arguments of users, checked, as the parameters of the servers."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_choice, check_coordinates, check_radius, check_window

__all__ = ["ALL", "CHOOSES", "ORDERS", "check_order", "cone_params", "criteria_params"]

#: What objects can be ordered by: name here, and on the wire. The server refuses all others.
ORDERS = {
    "ztf": {
        "oid": "oid",
        "n_det": "ndet",
        "first_mjd": "firstmjd",
        "last_mjd": "lastmjd",
        "duration": "deltajd",
        "ra": "meanra",
        "dec": "meandec",
        "ra_err": "sigmara",
        "dec_err": "sigmadec",
        "g_r_max": "g_r_max",
        "g_r_max_corr": "g_r_max_corr",
        "g_r_mean": "g_r_mean",
        "g_r_mean_corr": "g_r_mean_corr",
        "probability": "probability",
        "class_name": "class_name",
        "classifier_name": "classifier_name",
        "classifier_version": "classifier_version",
        "ranking": "ranking",
    },
    "lsst": {
        "oid": "oid",
        "n_det": "n_det",
        "first_mjd": "firstmjd",
        "last_mjd": "lastmjd",
        "probability": "probability",
    },
}
#: The word for all ranks of a class.
ALL = "all"
# What, when it is sent, leaves out the objects that nobody has classified.
CHOOSES = {"classifier", "class", "class_name", "ranking", "probability"}
# A cone with a zero is ignored: see docs/servers/alerce.rst, "A zero switches the cone off".
FULL_TURN, NEARLY_ZERO = 360.0, 1e-12


def cone_params(ra: float, dec: float, arcsec: float) -> dict:
    """Return what is sent for a cone.

    Parameters
    ----------
    ra, dec : float
        Degrees.
    arcsec : float
        The radius.

    Returns
    -------
    dict
        Without zeros, for which the server would send its entire catalogue.
    """
    return {"ra": float(ra) or FULL_TURN, "dec": float(dec) or NEARLY_ZERO, "radius": arcsec}


def criteria_params(
    *,
    survey: str,
    coordinates: SkyCoord | None,
    radius: Angle | None,
    classifier: str | None,
    classifier_version: str | None,
    class_name: str | None,
    ranking: int | str | None,
    probability: float | None,
    n_det: int | tuple | None,
    first_detection: tuple | None,
    last_detection: tuple | None,
) -> dict:
    """Return what is sent for criteria, or refuse them.

    Parameters
    ----------
    survey : {"ztf", "lsst"}
        The survey.
    coordinates : `~astropy.coordinates.SkyCoord` or None
        The centre of a cone.
    radius : `~astropy.coordinates.Angle` or None
        Its radius.
    classifier, classifier_version, class_name : str or None
        Which classification is meant.
    ranking : int, "all" or None
        Its rank. All ranks are asked for one by one.
    probability : float or None
        Its least probability.
    n_det : int, tuple of int or None
        The least number of detections, or the least and the greatest.
    first_detection, last_detection : tuple of `~astropy.time.Time` or None
        The first and last time, each of which may be None.

    Returns
    -------
    dict
        Parameters of the survey's own API.
    """
    lsst = survey == "lsst"
    names = {"classifier": classifier, "classifier_version": classifier_version}
    names["class_name" if lsst else "class"] = class_name
    for name, text in (*names.items(), ("class_name", class_name)):
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise InvalidQueryError(f"{name}={text!r} should be a name; see list_classifiers()")
    _check_classification(lsst, classifier, classifier_version, class_name)
    params: dict = {name: text.strip() for name, text in names.items() if text is not None}
    if isinstance(ranking, str):
        check_choice(ranking, name="ranking", known=(ALL,))
        if class_name is None:
            raise InvalidQueryError(
                "ranking='all' needs a class_name; get_probabilities has all classes of an object"
            )
    elif ranking is not None:
        params["ranking"] = _whole("ranking", ranking, least=1)
    if probability is not None:
        if not _is_number(probability) or not 0 <= probability <= 1:
            raise InvalidQueryError(f"probability={probability!r} should be from 0 to 1")
        if probability:
            # A zero brings a row for each class: see docs/servers/alerce.rst, "Classes, ranks and
            # probabilities".
            params["probability"] = float(probability)
    if n_det is not None:
        params["n_det" if lsst else "ndet"] = _counts(n_det)
    for name, wire in (("first_detection", "firstmjd"), ("last_detection", "lastmjd")):
        window = {"first_detection": first_detection, "last_detection": last_detection}[name]
        if window is not None:
            params[wire] = _times(name, window, scale="tai" if lsst else "utc")
    if (coordinates is None) != (radius is None):
        missing = "coordinates" if coordinates is None else "radius"
        raise InvalidQueryError(f"{missing} is missing: a cone has a centre and a radius")
    if coordinates is not None:
        ra, dec, shape = check_coordinates(coordinates)
        if shape != ():
            raise InvalidQueryError(
                "coordinates hold several positions, where one is taken; query_region takes many"
            )
        params |= cone_params(ra[0], dec[0], check_radius(radius))
    return params


def _check_classification(
    lsst: bool, classifier: str | None, version: str | None, class_name: str | None
) -> None:
    if version is not None and classifier is None:
        raise InvalidQueryError(
            f"classifier_version={version!r} needs a classifier; see list_classifiers()"
        )
    if lsst and version is not None:
        raise InvalidQueryError(
            "classifier_version is not taken for survey='lsst': its server knows no such parameter"
        )
    if lsst and class_name is not None and classifier is None:
        # The server would fail with status 500 and say nothing.
        raise InvalidQueryError(
            f"class_name={class_name!r} needs a classifier for survey='lsst'; see "
            "list_classifiers(survey='lsst')"
        )


def check_order(order_by: str | None, descending: bool, survey: str) -> bool:
    """Return whether an order is another one than that of names, or refuse it.

    Parameters
    ----------
    order_by : str or None
        A column; None for that of names.
    descending : bool
        Whether the greatest comes first.
    survey : {"ztf", "lsst"}
        The survey.

    Returns
    -------
    bool
        True for an order in which the pages of the servers overlap.
    """
    if order_by is not None:
        check_choice(order_by, name="order_by", known=ORDERS[survey])
    return order_by not in (None, "oid") or bool(descending)


def order_params(survey: str, order_by: str | None, descending: bool) -> dict:
    """Return what is sent for an order, which is always sent: without it pages overlap.

    Parameters
    ----------
    survey : {"ztf", "lsst"}
        The survey.
    order_by : str or None
        A column; None for that of names.
    descending : bool
        Whether the greatest comes first.

    Returns
    -------
    dict
        Column and direction.
    """
    order_by = "oid" if order_by is None else order_by
    check_choice(order_by, name="order_by", known=ORDERS[survey])
    mode = "DESC" if descending else "ASC"
    return {"order_by": ORDERS[survey][order_by], "order_mode": mode}


def _is_number(value: object) -> bool:
    return isinstance(value, (Real, np.floating, np.integer)) and not isinstance(value, bool)


def _whole(name: str, value: object, *, least: int) -> int:
    if not isinstance(value, (Integral, np.integer)) or isinstance(value, bool) or value < least:
        raise InvalidQueryError(f"{name}={value!r} should be a whole number from {least}")
    return int(value)


def _counts(value: object) -> list[int]:
    """Return one number, the least, or two, the least and the greatest."""
    if not isinstance(value, (tuple, list)):
        return [_whole("n_det", value, least=0)]
    if len(value) != 2:
        raise InvalidQueryError(
            f"n_det={value!r} should be a number, or the least and the greatest"
        )
    least = 0 if value[0] is None else _whole("n_det", value[0], least=0)
    if value[1] is None:
        return [least]
    greatest = _whole("n_det", value[1], least=0)
    if greatest < least:
        raise InvalidQueryError(f"n_det={value!r} has its greatest before its least")
    return [least, greatest]


def _times(name: str, window: Any, *, scale: str) -> list[float]:
    """Return one MJD, the first, or two, the first and the last, in the survey's time scale."""
    if isinstance(window, Time) and window.shape == (2,):
        window = (window[0], window[1])
    if not isinstance(window, (tuple, list)) or len(window) != 2:
        raise InvalidQueryError(
            f"{name}={window!r:.100} should be a pair (start, end), of which one may be None"
        )
    start, end = check_window(*window)
    bounds = [0.0 if start is None else start] + ([] if end is None else [end])
    if start is None and end is None:
        raise InvalidQueryError(f"{name}=(None, None) is no bound: leave it out")
    if scale == "utc":
        return bounds
    # Leap seconds are not known for dates that long before the survey.
    return [
        float(getattr(Time(b, format="mjd", scale="utc"), scale).mjd) if b else b for b in bounds
    ]
