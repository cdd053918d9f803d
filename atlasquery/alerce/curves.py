"""The queries for measurements of objects: detections, limits, forced photometry, light curves."""

import warnings
from collections.abc import Callable

import msgspec
import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.alerce.base import check_oid, decode_plain, plain_json
from atlasquery.alerce.classes import with_band
from atlasquery.alerce.columns import DETECTION, NON_DETECTION
from atlasquery.alerce.lsstcolumns import BANDS as LSST_BANDS
from atlasquery.alerce.lsstcolumns import DETECTION as LSST_DETECTION
from atlasquery.alerce.lsstcolumns import FORCED as LSST_FORCED
from atlasquery.alerce.objects import ObjectQueries
from atlasquery.alerce.photometry import (
    TIME_SCALE,
    decode_forced,
    light_curve,
    lsst_schema,
    unmask_zero,
    without_fillers,
    ztf_schema,
)
from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
)
from atlasquery.service.inputs import check_window
from atlasquery.tables import Rows, decode_rows, only_of

__all__ = ["LightCurveQueries", "check_times"]


class _Both(msgspec.Struct):
    detections: msgspec.Raw = msgspec.Raw(b"[]")
    non_detections: msgspec.Raw = msgspec.Raw(b"[]")


class LightCurveQueries(ObjectQueries):
    """The queries for measurements."""

    def get_detections(
        self, oid: str | int, *, survey: str = "ztf", cache: bool | None = None
    ) -> Table:
        """Fetch the detections of an object, with all that the survey sends of them.

        Parameters
        ----------
        oid : str or int
            The name of an object of ZTF, or the number of one of LSST.
        survey : {"ztf", "lsst"}, optional
            The survey whose object it is.
        cache : bool, optional
            Whether a stored answer is used, for ``conf.object_seconds``.

        Returns
        -------
        `~astropy.table.Table`
            ZTF: ``band``, ``candid``, ``mjd`` (d, UTC), ``magpsf`` (mag, without the
            sign that ``isdiffpos`` has) and more. LSST: ``mjd`` (d, TAI), ``psfFlux``
            (nJy) and more. What is not known is masked.

        Raises
        ------
        NotFoundError
            If ALeRCE does not know the object.

        Warns
        -----
        NoResultsWarning
            If there are none.

        See Also
        --------
        get_light_curve : The same in the columns that all surveys share.

        References
        ----------
        The route ``/objects/{oid}/detections`` of the ZTF API,
        ``lightcurve_api/detections`` for LSST.

        Examples
        --------
        >>> from atlasquery import Alerce
        >>> Alerce.get_detections("ZTF18aaaaaaa")["magpsf"].unit
        Unit("mag")
        """
        name = check_oid(oid, survey)
        if survey == "lsst":
            rows, when = self._lsst_rows("detections", [name], LSST_DETECTION, cache)
            rows = with_band(unmask_zero(rows), bands=LSST_BANDS)
        else:
            rows, when = self._ztf_rows(name, "detections", DETECTION, cache)
            rows = with_band(rows)
        return self._table(_by_time(rows), when, "get_detections", survey, name)

    def get_non_detections(
        self, oid: str | int, *, survey: str = "ztf", cache: bool | None = None
    ) -> Table:
        """Fetch the exposures that did not show an object.

        Parameters
        ----------
        oid : str or int
            The name of an object of ZTF, or the number of one of LSST.
        survey : {"ztf", "lsst"}, optional
            The survey whose object it is; LSST has none so far.
        cache : bool, optional
            Whether a stored answer is used, for ``conf.object_seconds``.

        Returns
        -------
        `~astropy.table.Table`
            ``band``, ``mjd`` (d), ``diffmaglim`` (mag, the 5-sigma limit).

        Raises
        ------
        NotFoundError
            If ALeRCE does not know the object.

        Warns
        -----
        NoResultsWarning
            If there are none.

        References
        ----------
        The route ``/objects/{oid}/non_detections`` of the ZTF API,
        ``lightcurve_api/non_detections`` for LSST.

        Examples
        --------
        >>> from atlasquery import Alerce
        >>> len(Alerce.get_non_detections("ZTF18aaaaaaa"))
        18
        """
        name = check_oid(oid, survey)
        if survey == "lsst":
            rows, when = self._lsst_rows("non_detections", [name], NON_DETECTION, cache)
        else:
            rows, when = self._ztf_rows(name, "non_detections", NON_DETECTION, cache)
        rows = with_band(rows, bands=LSST_BANDS if survey == "lsst" else None)
        return self._table(_by_time(rows), when, "get_non_detections", survey, name)

    def get_forced_photometry(
        self,
        oid: str | int,
        *,
        survey: str = "ztf",
        start: Time | str | float | None = None,
        end: Time | str | float | None = None,
        cache: bool | None = None,
    ) -> TimeSeries:
        """Fetch the forced photometry of an object.

        Parameters
        ----------
        oid : str or int
            The name of an object of ZTF, or the number of one of LSST.
        survey : {"ztf", "lsst"}, optional
            The survey whose object it is.
        start, end : `~astropy.time.Time`, str or float, optional
            The first and last time; a bare number is an MJD in UTC. The default is all.
        cache : bool, optional
            Whether a stored answer is used, for ``conf.object_seconds``.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            The columns of `get_light_curve`, then those of the survey's forced
            photometry. What the server sends as 100.0 mag, or as 0.0 nJy, is masked.

        Raises
        ------
        NotFoundError
            If ALeRCE does not know the object.

        Warns
        -----
        NoResultsWarning
            If there is none.

        References
        ----------
        The route ``/forced-photometry/{oid}`` of the second version of the light
        curves for ZTF, ``lightcurve_api/forced-photometry`` for LSST.

        Examples
        --------
        >>> from atlasquery import Alerce
        >>> forced = Alerce.get_forced_photometry("ZTF18aaaaaaa")
        >>> int(forced["flux"].mask.sum())
        3
        """
        name = check_oid(oid, survey)
        window = check_times(start, end, survey)
        rows, when = self._forced(name, survey, cache)
        return self._curve([rows], when, "get_forced_photometry", survey, name, window)

    def get_light_curve(
        self,
        oid: str | int,
        *,
        survey: str = "ztf",
        start: Time | str | float | None = None,
        end: Time | str | float | None = None,
        forced: bool = False,
        cache: bool | None = None,
    ) -> TimeSeries:
        """Fetch the light curve of an object: detections and limits together.

        Parameters
        ----------
        oid : str or int
            The name of an object of ZTF, or the number of one of LSST.
        survey : {"ztf", "lsst"}, optional
            The survey whose object it is.
        start, end : `~astropy.time.Time`, str or float, optional
            The first and last time; a bare number is an MJD in UTC. The default is
            the full history.
        forced : bool, optional
            Whether forced photometry is in it too, for one more request; its rows
            have ``forced`` set.
        cache : bool, optional
            Whether stored answers are used, for ``conf.object_seconds``.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            ``time`` (ZTF: UTC, start of the exposure; LSST: TAI, its middle),
            ``band``, ``detection``, ``flux`` and ``flux_err`` (uJy, of the difference,
            signed), ``mag`` and ``mag_err`` (masked for negative fluxes),
            ``limiting_mag``, ``exposure_time`` (30 s where the survey does not send
            it), ``survey``, ``exposure``, ``forced``; then the survey's own, among
            them ZTF's corrected magnitudes.

        Raises
        ------
        NotFoundError
            If ALeRCE does not know the object.

        Warns
        -----
        NoResultsWarning
            If there are no measurements.

        References
        ----------
        The route ``/objects/{oid}/lightcurve`` of the ZTF API,
        ``lightcurve_api/detections`` for LSST.

        Examples
        --------
        >>> from atlasquery import Alerce
        >>> lc = Alerce.get_light_curve("ZTF20aaaaaac")
        >>> lc.colnames[:5], lc.time.scale
        (['time', 'band', 'detection', 'flux', 'flux_err'], 'utc')
        """
        name = check_oid(oid, survey)
        window = check_times(start, end, survey)
        parts, when = self._measured(name, survey, forced, cache)
        return self._curve(parts, when, "get_light_curve", survey, name, window)

    def _measured(self, name, survey: str, forced: bool, cache) -> tuple[list[Rows], float]:
        """Return all rows of an object in the columns of light curves."""
        if survey == "lsst":
            return self._lsst_measured([name], forced, cache)[name]
        (detections, non_detections), when = self._fetch(
            f"objects/{name}/lightcurve", {}, decode=_decode_both, cache=cache, unknown=str(name)
        )
        parts = [
            ztf_schema(detections, kind="detection"),
            ztf_schema(non_detections, kind="non_detection"),
        ]
        if forced:
            parts.append(self._forced_rows(name, cache)[0])
        return parts, when

    def _forced(self, name, survey: str, cache) -> tuple[Rows, float]:
        if survey == "ztf":
            rows, when = self._forced_rows(name, cache)
        else:
            rows, when = self._lsst_rows("forced-photometry", [name], LSST_FORCED, cache)
            rows = lsst_schema(rows, kind="forced")
        if not len(rows):
            # An empty list does not tell "unknown" from "no measurement"; the object itself does.
            self.query_object(name, survey=survey, cache=cache)
        return rows, when

    def _forced_rows(self, name: str, cache) -> tuple[Rows, float]:
        rows, when = self._fetch(
            f"forced-photometry/{name}",
            {"survey_id": "ztf"},
            decode=only_of(decode_forced, "oid", name, "the object"),
            server=self.conf.light_curve_server,
            cache=cache,
            unknown=str(name),
        )
        return ztf_schema(rows, kind="forced"), when

    def _ztf_rows(self, name: str, kind: str, columns, cache) -> tuple[Rows, float]:
        return self._fetch(
            f"objects/{name}/{kind}",
            {},
            decode=lambda body: without_fillers(decode_plain(columns, body)),
            cache=cache,
            unknown=str(name),
        )

    def _lsst_rows(self, kind: str, names: list, columns, cache) -> tuple[Rows, float]:
        """Return rows of objects of LSST.

        "Forced photometry for one oid is cut at 10 rows; sending it twice gives all" (contract).
        """
        sent = names * 2 if kind == "forced-photometry" and len(names) == 1 else names
        rows, when = self._fetch(
            f"lightcurve_api/{kind}",
            {"survey_id": "lsst", "oid": sent},
            decode=only_of(lambda body: decode_plain(columns, body), "oid", names, "the object"),
            server=self.conf.lsst_server,
            cache=cache,
            unknown=", ".join(map(str, names[:3])),
        )
        if not len(rows) and len(names) == 1 and kind != "forced-photometry":
            self.query_object(names[0], survey="lsst", cache=cache)
        return rows, when

    def _lsst_measured(self, names: list, forced: bool, cache) -> dict:
        """Return the parts of each of several objects of LSST, from one batch of each kind."""
        kinds: dict[str, Callable] = {"detections": LSST_DETECTION}
        if forced:
            kinds["forced-photometry"] = LSST_FORCED
        batches = []
        for kind, columns in kinds.items():
            rows, when = self._lsst_rows(kind, names, columns, cache)
            rows = lsst_schema(rows, kind="detection" if kind == "detections" else "forced")
            batches.append((rows, when))
        found = {}
        for name in names:
            parts = [rows.take(rows.values["oid"] == name) for rows, _ in batches]
            found[name] = parts, min(when for _, when in batches)
        return found

    def _curve(self, parts, when: float, query: str, survey: str, name, window) -> TimeSeries:
        meta = self._meta(when, query=query) | {"object": str(name)}
        series = light_curve(parts, survey=survey, window=window, meta=meta)
        if not len(series):
            warnings.warn(f"ALeRCE has no measurement of {name}", NoResultsWarning, stacklevel=4)
        return series


def _decode_both(body: bytes) -> tuple[Rows, Rows]:
    # "lightcurve of an object with neither -> body null" (contract).
    both = msgspec.json.decode(plain_json(body), type=_Both | None) or _Both()
    parts = (DETECTION, both.detections), (NON_DETECTION, both.non_detections)
    detections, non_detections = (without_fillers(decode_rows(*part)) for part in parts)
    return detections, non_detections


def _by_time(rows: Rows) -> Rows:
    return rows.take(np.argsort(rows.values["mjd"], kind="stable"))


def check_times(start, end, survey: str) -> tuple:
    """Return a time window in the time scale of the survey.

    Parameters
    ----------
    start, end : `~astropy.time.Time`, str, float or None
        The bounds; a bare number is an MJD in UTC.
    survey : {"ztf", "lsst"}
        The survey.

    Returns
    -------
    tuple of float or None
        First and last MJD.
    """
    bounds = check_window(start, end)
    if survey == "ztf":
        return bounds
    scale = TIME_SCALE[survey]
    try:
        times = [
            None if b is None else getattr(Time(b, format="mjd", scale="utc"), scale).mjd
            for b in bounds
        ]
    except ValueError as error:
        raise InvalidQueryError(f"start={start!r}, end={end!r}: {error}") from error
    return tuple(times)
