"""The queries for image stamps and alert packets."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from atlasquery.alerce.base import AlerceQuery, Oid, check_oid
from atlasquery.alerce.light_curves import detections_payload, get_detections, read_lsst_rows
from atlasquery.alerce.lsst_columns import DETECTION as LSST_DETECTION
from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.lightcurve.alert import Alert, read_alert
from atlasquery.lightcurve.alert_schemas import load_fastavro
from atlasquery.lightcurve.stamps import KINDS, decode_images, draw_stamps, stamp_list
from atlasquery.service.inputs import LARGEST_ID
from atlasquery.tables import check_answer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["get_avro", "get_stamps", "plot_stamps"]


def get_stamps(
    self: AlerceQuery,
    oid: str | int,
    candid: int | str | None = None,
    *,
    survey: str = "ztf",
    include_variance_and_psf: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> fits.HDUList:
    """Fetch the image stamps of an alert.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    candid : int or str, optional
        The alert: ``candid`` of ZTF, ``measurement_id`` of LSST. The default is
        the first detection that has stamps.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    include_variance_and_psf : bool, optional
        Whether the other HDUs of each image are returned too: for LSST
        its variance and its PSF; ZTF has none.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        ``SCIENCE``, ``TEMPLATE`` and ``DIFFERENCE``, with the object and the alert in
        their headers, then ``SCIENCE_VARIANCE``, ``SCIENCE_PSF`` and so on. Those of
        LSST have a WCS; ZTF's are 63 x 63 pixels of 1.01 arcsec and have none.

    Raises
    ------
    NotFoundError
        If ALeRCE has no stamps of the object or the alert.

    References
    ----------
    The route ``/get_stamp`` of ALeRCE's stamps, ``stamps_api/stamp`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> stamps = Alerce.get_stamps("ZTF20aaaaaac")
    >>> [hdu.name for hdu in stamps], stamps["SCIENCE"].data.shape
    (['SCIENCE', 'TEMPLATE', 'DIFFERENCE'], (63, 63))
    """
    name = check_oid(oid, survey)
    number = None if candid is None else _check_alert(candid)
    if get_query_payload:
        if number is None:
            return detections_payload(self, name, survey)
        route, kinds = (
            _stamp_route(survey),
            [_stamp_params(kind, name, number, survey) for kind in KINDS],
        )
        return [self._payload(route, params) for params in kinds]
    alert = _find_alert(self, name, survey, cache) if number is None else number
    tasks = [(kind, name, alert, survey, cache) for kind in KINDS]
    # Outside of the threads, which share the filters: a first card may have another form.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        images = self._each(lambda task: _stamp(self, *task), tasks, progress=False)
    for image in images:
        if isinstance(image, Exception):
            _refuse_unknown_alert(self, image, name, alert, survey, cache)
            raise image
    return stamp_list(
        dict(zip(KINDS, images, strict=True)), name, alert, further=include_variance_and_psf
    )


def plot_stamps(
    self: AlerceQuery,
    oid: str | int,
    candid: int | str | None = None,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
) -> "Figure":
    """Draw the image stamps of an alert, in a notebook or outside of one.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    candid : int or str, optional
        The alert, as in `get_stamps`.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.

    Returns
    -------
    `~matplotlib.figure.Figure`
        Science, template and difference, each with a separate range of brightness
        (asinh), with the position of the alert between two lines. The images are
        not rotated: stamps do not have the direction of north.

    Raises
    ------
    NotFoundError
        If ALeRCE has no stamps of the object or the alert.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> figure = Alerce.plot_stamps("ZTF20aaaaaac")
    >>> [ax.get_title() for ax in figure.axes]
    ['science', 'template', 'difference']
    """
    return draw_stamps(get_stamps(self, oid, candid, survey=survey, cache=cache))


def get_avro(
    self: AlerceQuery,
    oid: str,
    candid: int | str | None = None,
    *,
    decoded: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> bytes | Alert:
    """Fetch the packet of an alert of ZTF, as the survey sent it.

    Parameters
    ----------
    oid : str
        The name of an object of ZTF; ALeRCE serves no packets of LSST.
    candid : int or str, optional
        The alert; by default the first that has stamps.
    decoded : bool, optional
        Whether to return it as an `~atlasquery.lightcurve.Alert`, which takes ``atlasquery[avro]``.
    cache : bool, optional
        Whether cached responses are used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    bytes or `~atlasquery.lightcurve.Alert`
        An Avro file; or the alert with its ``light_curve``, which has the object's earlier
        measurements of 30 days, and its ``stamps``. It has the fields of the packet as a
        dictionary has them: ``alert["candidate"]``.

    Raises
    ------
    NotFoundError
        If ALeRCE has no such packet.

    See Also
    --------
    atlasquery.lightcurve.read_alert : The same for a packet from elsewhere.

    References
    ----------
    The route ``/get_avro`` of ALeRCE's stamps.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.get_avro("ZTF20aaaaaac")[:3]
    b'Obj'
    """
    name = check_oid(oid, "ztf", surveys=False)
    if decoded:
        load_fastavro()
    number = None if candid is None else _check_alert(candid)
    if get_query_payload:
        # A dictionary, as of all methods, whatever they return otherwise.
        payload: Any = (
            detections_payload(self, name, "ztf")
            if number is None
            else self._payload("avro", {"oid": name, "candid": number})
        )
        return payload
    alert = _find_alert(self, name, "ztf", cache) if number is None else number
    packet, _ = self._fetch(
        "avro",
        {"oid": name, "candid": alert},
        decode=_decode_avro,
        cache=cache,
        content="avro",
        unknown=f"alert {alert} of {name}",
    )
    if not decoded:
        return packet
    return _decoded_packet(packet, name, alert, self.conf.max_answer_bytes)


def _find_alert(client: AlerceQuery, name: Oid, survey: str, cache: bool | None) -> int:
    """Return the number of the first alert that has stamps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        found = get_detections(client, name, survey=survey, cache=cache)
    with_stamp = found[np.ma.filled(found["has_stamp"], 0).astype(bool)]
    if not len(with_stamp):
        raise NotFoundError(
            f"ALeRCE has no stamps of {name}",
            service=client.service,
            url=client._server_of("stamp_server"),
        )
    return int(with_stamp["candid" if survey == "ztf" else "measurement_id"][0])


def _refuse_unknown_alert(
    client: AlerceQuery, error: Exception, name: Oid, alert: int, survey: str, cache: bool | None
) -> None:
    """Raise if an object or an alert of LSST is not known to ALeRCE, which fails for it."""
    if survey != "lsst" or not isinstance(error, RemoteServiceError) or error.status != 500:
        return
    try:
        # It is an error if the object is not known.
        rows, _ = read_lsst_rows(client, "detections", [name], LSST_DETECTION, cache)
    except NotFoundError as unknown:
        raise unknown from error
    except (RemoteServiceError, TableParseError, TimeoutError):
        # The first failure is reported.
        return
    if alert not in rows.values["measurement_id"]:
        raise NotFoundError(
            f"ALeRCE does not know alert {alert} of {name}",
            service=client.service,
            status=error.status,
            url=error.url,
            reason=error.reason,
        ) from error


def _stamp_route(survey: str) -> str:
    return "stamp" if survey == "ztf" else "lsst_stamp"


def _stamp_params(kind: str, name: Oid, alert: int, survey: str) -> dict:
    if survey == "ztf":
        return {"oid": name, "candid": alert, "type": kind, "format": "fits"}
    params = {"oid": name, "measurement_id": alert, "survey_id": "lsst"}
    return params | {"stamp_type": f"cutout{kind.title()}", "file_format": "fits"}


def _stamp(
    client: AlerceQuery, kind: str, name: Oid, alert: int, survey: str, cache: bool | None
) -> list:
    """Return the image of a stamp, and its other HDUs."""
    image, _ = client._fetch(
        _stamp_route(survey),
        _stamp_params(kind, name, alert, survey),
        # All kinds are read at once, and share the largest size of a response.
        decode=lambda body: decode_images(body, client.conf.max_answer_bytes // len(KINDS)),
        cache=cache,
        # The content type of LSST's is not known; the decoder checks them.
        content="fits" if survey == "ztf" else "",
        unknown=f"alert {alert} of {name}",
        once=survey == "lsst",
    )
    return image


def _check_alert(candid: object) -> int:
    number = candid.strip() if isinstance(candid, str) else candid
    if isinstance(number, str) and number.isdecimal() and number.isascii():
        number = int(number)
    if isinstance(number, (int, np.integer)) and not isinstance(number, bool):
        number = int(number)
        if 0 < number <= LARGEST_ID:
            return number
    raise InvalidQueryError(
        f"candid={candid!r:.100} should be a whole number, as int or str: a float loses digits"
    )


def _decode_avro(body: bytes) -> bytes:
    if not body.startswith(b"Obj\x01"):
        raise TableParseError(f"no Avro file, which begins with 'Obj': {body[:20]!r}")
    return body


def _decoded_packet(packet: bytes, name: Oid, alert: int, limit: int) -> Alert:
    """Return a packet decoded, which is of the alert requested."""
    found = read_alert(packet, max_bytes=limit)
    check_answer(found.object_id, name, "the object of the packet", service="ALeRCE")
    check_answer(found.alert_id, alert, "the alert of the packet", service="ALeRCE")
    return found
