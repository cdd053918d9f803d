"""Image stamps and alert packets, as the servers of ZTF and of LSST send them."""

import gzip
import io
import math
from typing import NoReturn

import numpy as np

from .contents import Contents, LSSTObject
from .searches import Params, refuse

__all__ = ["lsst_stamp", "send_ztf_file", "stamp_fits", "stamp_image"]

_KINDS = ("science", "template", "difference")


def stamp_image(kind: str, seed: int) -> np.ndarray:
    """Return a stamp: a galaxy, and a supernova that is not in the template.

    Parameters
    ----------
    kind : {"science", "template", "difference"}
        Which of the three.
    seed : int
        Seed of the noise.

    Returns
    -------
    numpy.ndarray
        63 by 63 pixels of float32.
    """
    y, x = np.mgrid[:63, :63] - 31.0
    galaxy = 900 * np.exp(-np.hypot(x - 4, (y + 3) * 1.6) / 6)
    star = 1500 * np.exp(-(x**2 + y**2) / 5)
    noise = np.random.default_rng(seed).normal(0, 12, (63, 63))
    parts = {"science": 300 + galaxy + star, "template": 300 + galaxy, "difference": star}
    return (parts[kind] + noise).astype("f4")


def stamp_fits(kind: str, seed: int) -> bytes:
    """Return a stamp of ZTF as the server writes it.

    Parameters
    ----------
    kind : {"science", "template", "difference"}
        Which of the three.
    seed : int
        Seed of the noise.

    Returns
    -------
    bytes
        FITS in gzip, with a first card that does not follow the standard.
    """
    cards = ["SIMPLE  =  T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += ["NAXIS1  =                   63", "NAXIS2  =                   63"]
    cards += ["BUNIT   = 'DN      '", "END"]
    header = "".join(card.ljust(80) for card in cards)
    data = stamp_image(kind, seed).astype(">f4").tobytes()
    return gzip.compress(_padded(header.encode(), b" ") + _padded(data, b"\0"))


def _padded(data: bytes, fill: bytes) -> bytes:
    return data.ljust(math.ceil(len(data) / 2880) * 2880, fill)


def send_ztf_file(contents: Contents, path: str, params: Params) -> NoReturn:
    """Send a stamp or an alert packet of ZTF.

    Parameters
    ----------
    contents : Contents
        The objects.
    path : str
        ``get_stamp`` or ``get_avro``.
    params : dict of str to list of str
        The parameters of the query.

    Raises
    ------
    RefusedRequest
        Always, with the file or an error.
    """
    oid, candid = params.get("oid", [""])[0], params.get("candid", [""])[0]
    if not candid:
        reply = {"candid": "Alert id Missing required parameter in the query string"}
        refuse(400, {"errors": reply, "message": "Input payload validation failed"})
    one = contents.ztf.get(oid)
    rows = one.detections() if one is not None else []
    if candid not in {row["candid"] for row in rows if row["has_stamp"]}:
        hint = "You have requested this URI [/get_stamp] but did you mean /get_avro ?"
        refuse(404, {"message": f"AVRO not found. {hint}"})
    if path == "get_avro":
        refuse(200, _packet(oid, candid), "app/avro+binary")
    kind = params.get("type", [""])[0]
    if kind not in _KINDS:
        reply = {"type": f"Stamp type The value {kind!r} is not a valid choice for 'type'."}
        refuse(400, {"errors": reply, "message": "Input payload validation failed"})
    refuse(200, stamp_fits(kind, int(candid) % 1000), "application/fits+gzip")


def _packet(oid: str, candid: str) -> bytes:
    """Return an alert packet of few fields."""
    import fastavro

    fields = [{"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"}]
    schema = {"type": "record", "name": "alert", "fields": fields}
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"objectId": oid, "candid": int(candid)}])
    return file.getvalue()


def lsst_stamp(objects: list[LSSTObject], params: Params) -> bytes | None:
    """Return a stamp of LSST: the image with its WCS, the variance, and the PSF.

    Parameters
    ----------
    objects : list of LSSTObject
        The objects that were named.
    params : dict of str to list of str
        The parameters of the query.

    Returns
    -------
    bytes or None
        FITS in gzip; None where the measurement is not a detection of one of the objects.
    """
    number = int(params.get("measurement_id", ["0"])[0])
    for one in objects:
        if any(row["measurement_id"] == number for row in one.measurements(forced=False)):
            kind = params["stamp_type"][0].removeprefix("cutout").lower()
            return _lsst_fits(kind, *one.position)
    return None


def _lsst_fits(kind: str, ra: float, dec: float) -> bytes:
    from astropy.io import fits

    first = fits.PrimaryHDU(stamp_image(kind, 1))
    first.header.update({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 32.0, "CRPIX2": 32.0,
        "CRVAL1": ra, "CRVAL2": dec, "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -0.2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.2 / 3600, "BUNIT": "nJy",
    })  # fmt: skip
    y, x = np.mgrid[:25, :25] - 12.0
    psf = np.exp(-(x**2 + y**2) / 8)
    parts = [first, fits.ImageHDU(np.full((63, 63), 144.0, "f4"), name="VARIANCE")]
    parts.append(fits.ImageHDU((psf / psf.sum()).astype("f4"), name="PSF"))
    file = io.BytesIO()
    fits.HDUList(parts).writeto(file)
    return gzip.compress(file.getvalue())
