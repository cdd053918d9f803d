"""Search for objects of Tiny, and fetch their light curves."""

from collections.abc import Callable

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)
from atlasquery.lightcurve.schema import Conventions, build_light_curve, magnitudes, within
from atlasquery.service import ServiceQuery
from atlasquery.service.inputs import check_coordinates, check_radius, check_window
from atlasquery.sphere import separations
from atlasquery.tables import Column, Rows, build_table, check_answer, decode_json, decode_rows
from atlasquery.tinysurvey.columns import MEASUREMENT, OBJECT
from atlasquery.warn import warn

__all__ = ["get_light_curve", "query_region"]

SEPARATION = Column("separation", unit=u.arcsec, about="Distance from the position.", required=True)
EXPOSURE_TIME = 60.0
UJY_PER_NJY = 1e-3
DETECTED = 5.0  # signal to noise


def query_region(
    self: ServiceQuery,
    coordinates: SkyCoord,
    radius: Angle | u.Quantity | str,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the objects around a position.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position, in any frame.
    radius : `~astropy.units.Quantity`, `~astropy.coordinates.Angle` or str
        The radius, with its unit.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return the parameters without sending them.

    Returns
    -------
    `~astropy.table.Table`
        ``object_id``, ``ra`` and ``dec`` (deg), ``separation`` (arcsec), the nearest first.

    Raises
    ------
    InvalidQueryError
        If the position or the radius is not valid; nothing was sent.
    """
    ra, dec, shape = check_coordinates(coordinates)
    if shape != ():
        raise InvalidQueryError(f"coordinates has the shape {shape}: give one position")
    payload = {"ra": ra[0], "dec": dec[0], "radius": check_radius(radius) / 3600}
    if get_query_payload:
        return payload
    rows, when = _read(self, "objects", payload, lambda body: decode_rows(OBJECT, body), cache)
    distance = separations(ra[0], dec[0], rows.values["ra"], rows.values["dec"])
    rows.add(SEPARATION, distance)
    if not len(rows):
        warn(f"{self.service} has no object within {radius} of the position", NoResultsWarning)
    meta = self._meta(when, query="query_region", radius=str(radius))
    return build_table(rows.take(np.argsort(distance)), meta=meta)


def get_light_curve(
    self: ServiceQuery,
    object_id: str,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    cache: bool | None = None,
) -> TimeSeries:
    """Fetch the light curve of an object.

    Parameters
    ----------
    object_id : str
        The name of the object.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a number is an MJD. The default is the full history.
    cache : bool, optional
        Whether cached responses are used.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The columns of all light curves, then ``seeing`` (arcsec).

    Raises
    ------
    InvalidQueryError
        If a time is not valid; nothing was sent.
    NotFoundError
        If there is no such object.
    """
    window = check_window(start, end)

    def decode(body: bytes) -> Rows:
        response = decode_json(body, LightCurveResponse, "a light curve")
        check_answer(response.id, object_id, "the light curve")
        return decode_rows(MEASUREMENT, response.measurements)

    try:
        rows, when = _read(self, "lightcurve", {"id": object_id}, decode, cache)
    except RemoteServiceError as error:
        if error.status != 404:
            raise
        raise NotFoundError(
            f"{self.service} has no object {object_id!r}",
            service=self.service,
            status=404,
            url=error.url,
            reason=error.reason,
        ) from error
    meta = {
        "survey": "tiny",
        "object": object_id,
        "start": window[0],
        "end": window[1],
        **Conventions("middle", "difference").meta(),
        **self._meta(when),
    }
    return light_curve(within(rows, window, time="mjd"), meta)


class LightCurveResponse(msgspec.Struct):
    """The response; its rows are decoded by the declaration of their columns."""

    id: str
    measurements: msgspec.Raw


def _read(
    client: ServiceQuery, path: str, payload: dict, decode: Callable, cache: bool | None
) -> tuple[Rows, float]:
    return client._read(
        path,
        payload,
        method="GET",
        decode=decode,
        lifetime=client.conf.cache_seconds,
        cache=cache,
    )


def light_curve(rows: Rows, meta: dict) -> TimeSeries:
    """Convert decoded rows to a light curve."""
    n = len(rows)
    # Masked values are NaN here.
    flux, flux_err = rows.values["flux_njy"] * UJY_PER_NJY, rows.values["err_njy"] * UJY_PER_NJY
    with np.errstate(invalid="ignore"):
        detection = flux > DETECTED * flux_err
    mag, mag_err = magnitudes(flux, flux_err, detection)
    values = {
        "band": rows.values["band"],
        "detection": detection,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": np.full(n, np.nan),  # not sent
        "exposure_time": np.full(n, EXPOSURE_TIME),
        "survey": np.full(n, "tiny"),
        "exposure": np.full(n, ""),  # not sent
    }
    survey_columns = rows.without(("mjd", "band"))
    return build_light_curve(rows.values["mjd"], values, survey_columns, scale="utc", meta=meta)
