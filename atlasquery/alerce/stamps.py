"""The queries for image stamps and alert packets."""

import io
import warnings

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from atlasquery.alerce.base import AlerceQuery, check_oid
from atlasquery.alerce.light_curves import get_detections, read_lsst_rows
from atlasquery.alerce.lsst_columns import DETECTION as LSST_DETECTION
from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.inputs import LARGEST_ID
from atlasquery.tables import check_answer, read_by_library
from atlasquery.tables.decompression import LARGEST, open_fits

__all__ = ["get_avro", "get_stamps", "plot_stamps"]

KINDS = ("science", "template", "difference")
# What stands beside an image of LSST, where the HDUs have no names.
BESIDE = ("VARIANCE", "PSF")


def get_stamps(
    self: AlerceQuery,
    oid: str | int,
    candid: int | str | None = None,
    *,
    survey: str = "ztf",
    include_variance_and_psf: bool = False,
    cache: bool | None = None,
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
        Whether what the server sends beside each image comes too: for LSST
        its variance and its PSF; for ZTF there is nothing.
    cache : bool, optional
        Whether stored answers are used, for ``conf.object_seconds``.

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
    alert = _alert(self, name, candid, survey, cache)
    tasks = [(kind, name, alert, survey, cache) for kind in KINDS]
    # Here, as all threads share what is ignored: a first card may have another form.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        images = self._each(lambda task: _stamp(self, *task), tasks, progress=False)
    for image in images:
        if isinstance(image, Exception):
            _refuse_unknown_alert(self, image, name, alert, survey, cache)
            raise image
    stamps, beside = fits.HDUList(), []
    for kind, (image, *others) in zip(KINDS, images, strict=True):
        make = fits.ImageHDU if stamps else fits.PrimaryHDU
        stamps.append(_labelled(make, image, kind.upper(), name, alert))
        beside += [
            _labelled(fits.ImageHDU, other, f"{kind.upper()}_{other.name}", name, alert)
            for other in others
        ]
    stamps.extend(beside if include_variance_and_psf else [])
    return stamps


def plot_stamps(
    self: AlerceQuery,
    oid: str | int,
    candid: int | str | None = None,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
):
    """Draw the image stamps of an alert, in a notebook or out of one.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    candid : int or str, optional
        The alert, as in `get_stamps`.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    cache : bool, optional
        Whether stored answers are used, for ``conf.object_seconds``.

    Returns
    -------
    `~matplotlib.figure.Figure`
        Science, template and difference, each in a range of brightness of its own
        (asinh), with the place of the alert between two lines. As sent: which
        way north is, the stamps do not say.

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
    import matplotlib.pyplot as plt

    stamps = get_stamps(self, oid, candid, survey=survey, cache=cache)
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.5), layout="constrained")
    for ax, hdu in zip(axes, stamps[: len(KINDS)], strict=True):
        ax.imshow(hdu.data, cmap="gray", norm=_brightness(hdu.data), origin="lower")
        _mark_centre(ax, hdu.data.shape)
        ax.set_title(hdu.name.lower())
        ax.set_xticks([])
        ax.set_yticks([])
    header = stamps[0].header
    figure.suptitle(f"{header['OBJECT']}  alert {header['CANDID']}")
    return figure


def get_avro(
    self: AlerceQuery,
    oid: str,
    candid: int | str | None = None,
    *,
    decoded: bool = False,
    cache: bool | None = None,
) -> bytes | dict:
    """Fetch the packet of an alert of ZTF, as the survey sent it.

    Parameters
    ----------
    oid : str
        The name of an object of ZTF; ALeRCE serves no packets of LSST.
    candid : int or str, optional
        The alert; by default the first that has stamps.
    decoded : bool, optional
        Whether to return its content, which takes ``atlasquery[avro]``.
    cache : bool, optional
        Whether stored answers are used, for ``conf.object_seconds``.

    Returns
    -------
    bytes or dict
        An Avro file, or what stands in it: the alert, the object's earlier
        measurements of 30 days, the stamps.

    Raises
    ------
    NotFoundError
        If ALeRCE has no such packet.

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
        _fastavro()
    alert = _alert(self, name, candid, "ztf", cache)
    packet, _ = self._fetch(
        "avro",
        {"oid": name, "candid": alert},
        decode=_decode_avro,
        cache=cache,
        content="avro",
        unknown=f"alert {alert} of {name}",
    )
    return _decode_packet(packet, name, alert) if decoded else packet


def _alert(client: AlerceQuery, name, candid, survey: str, cache) -> int:
    """Return the number of the alert, by default the first that has stamps."""
    if candid is not None:
        return _check_alert(candid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        found = get_detections(client, name, survey=survey, cache=cache)
    with_stamp = found[np.ma.filled(found["has_stamp"], 0).astype(bool)]
    if not len(with_stamp):
        raise NotFoundError(
            f"ALeRCE has no stamps of {name}", service=client.service, url=client.conf.stamp_server
        )
    return int(with_stamp["candid" if survey == "ztf" else "measurement_id"][0])


def _refuse_unknown_alert(
    client: AlerceQuery, error: Exception, name, alert: int, survey: str, cache
) -> None:
    """Raise if what failed is an object or an alert of LSST that ALeRCE does not know."""
    if survey != "lsst" or getattr(error, "status", None) != 500:
        return
    try:
        # It is an error if the object is not known.
        rows, _ = read_lsst_rows(client, "detections", [name], LSST_DETECTION, cache)
    except NotFoundError as unknown:
        raise unknown from error
    except (RemoteServiceError, TableParseError, TimeoutError):
        # What failed first is what is told.
        return
    if alert not in rows.values["measurement_id"]:
        raise NotFoundError(
            f"ALeRCE does not know alert {alert} of {name}",
            service=client.service,
            status=error.status,
            url=error.url,
            reason=error.reason,
        ) from error


def _stamp(client: AlerceQuery, kind: str, name, alert: int, survey: str, cache):
    params = {"oid": name, "candid": alert, "type": kind, "format": "fits"}
    if survey == "lsst":
        params = {"oid": name, "measurement_id": alert, "survey_id": "lsst"}
        params |= {"stamp_type": f"cutout{kind.title()}", "file_format": "fits"}
    image, _ = client._fetch(
        "stamp" if survey == "ztf" else "lsst_stamp",
        params,
        # All kinds are read at once, and share what one answer may have.
        decode=lambda body: _decode_images(body, client.conf.max_answer_bytes // len(KINDS)),
        cache=cache,
        # How LSST's are called is not known; what they are, the decoder sees.
        content="fits" if survey == "ztf" else "",
        unknown=f"alert {alert} of {name}",
        once=survey == "lsst",
    )
    return image


def _check_alert(candid: object) -> int:
    text = candid.strip() if isinstance(candid, str) else candid
    if isinstance(text, str) and text.isdecimal() and text.isascii():
        text = int(text)
    whole = isinstance(text, (int, np.integer)) and not isinstance(text, bool)
    if not whole or not 0 < text <= LARGEST_ID:
        raise InvalidQueryError(
            f"candid={candid!r:.100} should be a whole number, as int or str: a float loses digits"
        )
    return int(text)


def _labelled(make, image, label: str, name, alert: int):
    """Return an image as an HDU of its own, with all that its header says."""
    hdu = make(image.data, image.header.copy(strip=True))
    hdu.name = label
    hdu.header["OBJECT"] = str(name), "object"
    hdu.header["CANDID"] = str(alert), "alert"
    return hdu


def _decode_images(body: bytes, limit: int = LARGEST) -> list:
    """Return the images of a stamp, which comes in gzip: the first one and what is beside it.

    The first card may not be of the standard.
    """
    what = "the FITS file"
    with (
        read_by_library(what),
        open_fits(body, limit=limit, what=what, ignore_missing_simple=True) as file,
    ):
        # HDUs of a file in memory, read whole before it is closed.
        found = [
            fits.ImageHDU(hdu.data, hdu.header, name=hdu.name or label)
            for hdu, label in zip(file, ("", *BESIDE), strict=False)
            if np.ndim(getattr(hdu, "data", None)) == 2 and hdu.data.dtype.kind in "fiu"
        ]
    if not found:
        raise TableParseError("no image in the FITS file")
    return found


def _decode_avro(body: bytes) -> bytes:
    if not body.startswith(b"Obj\x01"):
        raise TableParseError(f"no Avro file, which begins with 'Obj': {body[:20]!r}")
    return body


def _decode_packet(packet: bytes, name: str, alert: int) -> dict:
    """Return the content of a packet, which is of the alert that was asked for."""
    with read_by_library("the Avro file"):
        found = next(iter(_fastavro().reader(io.BytesIO(packet))), None)
    if not isinstance(found, dict):
        raise TableParseError("no alert in the Avro file", service="ALeRCE")
    check_answer(found.get("objectId"), name, "the object of the packet", service="ALeRCE")
    check_answer(found.get("candid"), alert, "the alert of the packet", service="ALeRCE")
    return found


def _fastavro():
    try:
        import fastavro
    except ImportError as error:
        raise ImportError(
            "Alert packets are decoded with fastavro: pip install 'atlasquery[avro]'"
        ) from error
    return fastavro


def _brightness(data: np.ndarray):
    """Return a scale that shows the sky's noise, and what is bright without burning it out."""
    from astropy.visualization import AsinhStretch, ImageNormalize

    known = data[np.isfinite(data)]
    if not known.size:
        return None
    sky, high = np.median(known), np.percentile(known, 99.9)
    noise = 1.4826 * np.median(np.abs(known - sky))
    low = sky - 3 * noise
    return ImageNormalize(vmin=low, vmax=max(high, low + 1e-6), stretch=AsinhStretch(0.15))


def _mark_centre(ax, shape: tuple) -> None:
    """Draw two lines that point at the middle and leave it free."""
    y, x = (n / 2 - 0.5 for n in shape)
    near, far = 0.06 * shape[0], 0.16 * shape[0]
    style = {"color": "#ff8c1a", "lw": 1.8}
    ax.plot([x + near, x + far], [y, y], **style)
    ax.plot([x, x], [y + near, y + far], **style)
