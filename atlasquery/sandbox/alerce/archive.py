"""What the double has beside tables: stamps, alert packets, catalogues, and a TAP service."""

import gzip
import io
import math
import re
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import numpy as np

from . import lists, sky
from .packets import ztf_packet

FITS = "application/fits+gzip"
VOTABLE = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE>
<FIELD name="oid" datatype="char" arraysize="*"/>
<FIELD name="meanra" datatype="double" unit="deg"/><FIELD name="ndet" datatype="int"/>
<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
ERROR = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="ERROR"></INFO>
<INFO name="ERROR_DETAIL" value=""><DESCRIPTION>{words}</DESCRIPTION></INFO>
<INFO name="ERROR_CODE" value="{code}"></INFO></RESOURCE></VOTABLE>"""


def answer(*args):
    from .server import Answer

    return Answer(*args)


def image(kind, seed):
    """Return a stamp of 63 by 63 pixels: a galaxy, and a supernova that is not in the template."""
    y, x = np.mgrid[:63, :63] - 31.0
    galaxy = 900 * np.exp(-np.hypot(x - 4, (y + 3) * 1.6) / 6)
    star = 1500 * np.exp(-(x**2 + y**2) / 5)
    noise = np.random.default_rng(seed).normal(0, 12, (63, 63))
    parts = {"science": 300 + galaxy + star, "template": 300 + galaxy, "difference": star}
    return (parts[kind] + noise).astype("f4")


def fits_gz(kind, seed):
    """Return a stamp as the server makes them, down to the card that is not of the standard."""
    cards = ["SIMPLE  =  T", "BITPIX  =                  -32", "NAXIS   =                    2"]
    cards += ["NAXIS1  =                   63", "NAXIS2  =                   63"]
    cards += ["BUNIT   = 'DN      '", "END"]
    header = "".join(card.ljust(80) for card in cards)
    header = header.ljust(math.ceil(len(header) / 2880) * 2880).encode()
    data = image(kind, seed).astype(">f4").tobytes()
    return gzip.compress(header + data.ljust(math.ceil(len(data) / 2880) * 2880, b"\0"))


def stamps(path, params, turn):
    oid, candid = params.get("oid", [""])[0], params.get("candid", [None])[0]
    if candid is None:
        reply = {"candid": "Alert id Missing required parameter in the query string"}
        raise answer(400, {"errors": reply, "message": "Input payload validation failed"})
    n = lists._numbers().get(oid)
    known = (
        {row["candid"] for row in sky.detections(n) if row["has_stamp"]} if n is not None else ()
    )
    if candid not in known:
        hint = "You have requested this URI [/get_stamp] but did you mean /get_avro ?"
        raise answer(404, {"message": f"AVRO not found. {hint}"})
    if path == "get_avro":
        raise answer(200, packet(oid, candid), "app/avro+binary")
    kind = params.get("type", [""])[0]
    if kind not in ("science", "template", "difference"):
        reply = {"type": f"Stamp type The value {kind!r} is not a valid choice for 'type'."}
        raise answer(400, {"errors": reply, "message": "Input payload validation failed"})
    raise answer(200, fits_gz(kind, int(candid) % 1000), FITS)


def packet(oid, candid):
    """Return an alert packet as the survey writes it."""
    n = lists._numbers()[oid]
    rows = sky.detections(n)
    row = next(row for row in rows if row["candid"] == candid)
    stamps = {
        kind: fits_gz(kind, int(candid) % 1000) for kind in ("science", "template", "difference")
    }
    return ztf_packet(oid, row, rows + sky.non_detections(n), sky.forced(n), stamps)


def lsst_stamp(path, params, known):
    if path != "stamps_api/stamp":
        raise answer(404, {"detail": "Not Found"})
    numbers = {row["measurement_id"] for n in known for row in sky.lsst_rows(n, forced=False)}
    if int(params.get("measurement_id", ["0"])[0]) not in numbers:
        raise answer(500, "Internal Server Error", "text/plain; charset=utf-8")
    kind = params["stamp_type"][0].removeprefix("cutout").lower()
    raise answer(200, lsst_fits(kind, sky.lsst_entry(known[0])), "application/gzip")


def lsst_fits(kind, entry):
    """Return a stamp of LSST: the image with its WCS, the variance, and the PSF."""
    from astropy.io import fits

    first = fits.PrimaryHDU(image(kind, 1))
    first.header.update({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 32.0, "CRPIX2": 32.0,
        "CRVAL1": entry["meanra"], "CRVAL2": entry["meandec"], "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -0.2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.2 / 3600, "BUNIT": "nJy",
    })  # fmt: skip
    y, x = np.mgrid[:25, :25] - 12.0
    psf = np.exp(-(x**2 + y**2) / 8)
    parts = [first, fits.ImageHDU(np.full((63, 63), 144.0, "f4"), name="VARIANCE")]
    parts.append(fits.ImageHDU((psf / psf.sum()).astype("f4"), name="PSF"))
    file = io.BytesIO()
    fits.HDUList(parts).writeto(file)
    return gzip.compress(file.getvalue())


FIELDS = {
    "GAIA/DR1": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "MagG": ("mag", 17.0),
                 "ErrRA": ("mas", 0.4), "ExcessNoise": (" ", "infinity")},
    "DECaLS": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "Flux_W1": ("nanomaggies", 36.7),
               "Flux_u": ("nanomaggies", "null"), "type": ("null", 2.0)},
    "SDSS/DR10": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "modelMag_g": ("magAB", 18.0),
                  "mjd": ("MJD", 52226.0), "errRA": ("arcse", 0.01)},
    "SpecSDSS": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "z": (" ", 0.1006335),
                 "elodieFeH": ("FeH", 0.1), "elodieLogG": ("logg", 4.4),
                 "velDisp": ("km/s", 199.5)},
}  # fmt: skip
# The names that the server takes, for those that it answers with.
ALIASES = {"GAIADR1": "GAIA/DR1", "SDSSDR10": "SDSS/DR10"}


def catshtm(path, params, turn):
    near = lists.separation(float(params["ra"][0]), float(params["dec"][0]), 150.1, 2.2)
    present = near <= float(params["radius"][0])
    distance = {"distance": ("arcsec", near)}
    if path == "conesearch_all":
        return {"catalogs": [{name: _many(f)} for name, f in FIELDS.items()] if present else []}
    if path == "crossmatch_all":
        # The server may send what lies far beyond the radius.
        return [{name: _single({**f, **distance})} for name, f in FIELDS.items()] if (
            near <= 60) else []  # fmt: skip
    asked = params["catalog"][0]
    name = ALIASES.get(asked, asked)
    if name not in FIELDS:
        raise answer(500, "Internal Server Error", "text/plain; charset=utf-8")
    if path == "conesearch":
        return {name: _many(FIELDS[name])} if present else {}
    return _single({**FIELDS[name], **distance}) if near <= 60 else {}


def _many(fields):
    return {key: {"units": unit, "values": [value, value]} for key, (unit, value) in fields.items()}


def _single(fields):
    return {key: {"unit": unit, "value": value} for key, (unit, value) in fields.items()}


def tap(path, params, body):
    form = parse_qs(body.decode())
    if path != "sync" or not form:
        # Neither capabilities, nor anything by GET.
        raise answer(404, "404 page not found", "text/plain")
    if form.get("LANG") != ["PSQL"]:
        raise answer(400, *refusal(f"Invalid LANG {form.get('LANG', [''])[0]}", 400))
    query = form["QUERY"][0]
    found = re.fullmatch(r"SELECT oid, meanra, ndet FROM object LIMIT (\d+)", query.strip())
    if not found:
        words = f'ERROR: syntax error at or near "{query.split()[0]}" (SQLSTATE 42601)'
        raise answer(500, *refusal(words, 500))
    rows = "".join(
        f"<TR><TD>{r['oid']}</TD><TD>{r['meanra']!r}</TD><TD>{r['ndet']}</TD></TR>"
        for r in lists.objects()[: int(found[1])]
    )
    raise answer(200, VOTABLE.format(rows=rows), "application/x-votable+xml")


def refusal(words, code):
    """Return an error as the server writes it: its message in a separate DESCRIPTION."""
    return ERROR.format(words=escape(words), code=code), "application/xml; charset=utf-8"
