"""Tables of ZTF's forced photometry service at IPAC as light curves."""

import os

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve.schema import (
    MJD_0,
    ZERO_POINT,
    Conventions,
    build_light_curve,
    failed,
    magnitudes,
)
from atlasquery.service.inputs import check_path
from atlasquery.tables import Column, Columns, Rows

__all__ = ["is_ztf_forced", "read_ztf_forced"]

# "null" in the tables; and what stands for a number that could not be computed.
NULL, FILLER = "null", -99999.0
# Signal to noise of a detection.
DETECTED = 5.0
#: A row of a table. Other columns are kept as they are.
ZTF_FORCED = Columns(
    "a row of ZTF's forced photometry",
    Column("field", int, about="Field of ZTF."),
    Column("ccdid", int, about="CCD, from 1 to 16."),
    Column("qid", int, about="Quadrant, from 0 to 3."),
    Column("pid", int, about="Processed image."),
    Column("infobitssci", int, about="Bits of quality of the image."),
    Column("sciinpseeing", unit=u.pix, about="Full width at half maximum of the image."),
    Column("scibckgnd", unit=u.adu, about="Background of the image."),
    Column("scisigpix", unit=u.adu, about="Robust sigma of a pixel of the image."),
    Column("zpmaginpsci", unit=u.mag, about="Zero point of the image."),
    Column("zpmaginpsciunc", unit=u.mag, about="Error of zpmaginpsci."),
    Column("zpmaginpscirms", unit=u.mag, about="Scatter of calibrators about zpmaginpsci."),
    Column("clrcoeff", about="Linear colour coefficient of the calibration."),
    Column("clrcoeffunc", about="Error of clrcoeff."),
    Column("ncalmatches", int, about="Number of calibrators."),
    Column("exptime", unit=u.s, about="Exposure time."),
    Column("adpctdif1", unit=u.arcsec, about="Scatter of the astrometry in right ascension."),
    Column("adpctdif2", unit=u.arcsec, about="Scatter of the astrometry in declination."),
    Column("diffmaglim", unit=u.mag, about="Limit of the difference image."),
    Column("zpdiff", unit=u.mag, about="Zero point of the difference image."),
    Column("programid", int, about="1 public, 2 private, 3 Caltech."),
    Column("jd", unit=u.day, about="Start of the exposure, Julian date."),
    Column("rfid", int, about="Reference image."),
    Column("forcediffimflux", unit=u.adu, about="Flux as sent."),
    Column("forcediffimfluxunc", unit=u.adu, about="Error of forcediffimflux."),
    Column("forcediffimsnr", about="Signal to noise as sent."),
    Column("forcediffimchisq", about="Reduced chi squared of the fit of the profile."),
    Column("forcediffimfluxap", unit=u.adu, about="Flux in an aperture of 9 pixels."),
    Column("forcediffimfluxuncap", unit=u.adu, about="Error of forcediffimfluxap."),
    Column("forcediffimsnrap", about="Signal to noise of forcediffimfluxap."),
    Column("aperturecorr", about="Correction of forcediffimfluxap, a factor."),
    Column("dnearestrefsrc", unit=u.arcsec, about="Distance to the nearest reference source."),
    Column("nearestrefmag", unit=u.mag, about="Magnitude of that source."),
    Column("nearestrefmagunc", unit=u.mag, about="Error of nearestrefmag."),
    Column("nearestrefchi", about="Chi of that source."),
    Column("nearestrefsharp", about="Sharpness of that source."),
    Column("refjdstart", unit=u.day, about="Earliest Julian date of the reference."),
    Column("refjdend", unit=u.day, about="Latest Julian date of the reference."),
    Column("procstatus", str, about="Codes of the processing; 0 is without a warning."),
)
NEEDED = ("jd", "filter", "forcediffimflux", "forcediffimfluxunc", "zpdiff")


def is_ztf_forced(body: bytes) -> bool:
    """Return whether a file is a table of ZTF's forced photometry.

    Parameters
    ----------
    body : bytes
        The file.

    Returns
    -------
    bool
        Whether its first lines name the columns of one.
    """
    return b"forcediffimflux" in body[:20000] and b"zpdiff" in body[:20000]


def read_ztf_forced(source: str | bytes | os.PathLike, *, snr: float = DETECTED) -> TimeSeries:
    r"""Read a table of ZTF's forced photometry service.

    Parameters
    ----------
    source : path-like or bytes
        The file that the service at IPAC sends, or what is in it.
    snr : float, optional
        The signal to noise from which a row is a detection, whatever its sign.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        A row per image, with the columns of `SCHEMA`: ``flux`` and ``flux_err`` (uJy, from
        the zero point of each difference image, with the sign), ``limiting_mag`` (mag), the
        ``pid`` as ``exposure``; then ``forced`` and the columns of the table under their
        names. What is ``null`` or -99999 there is masked. The preset ``"ztf_forced"`` of
        `clean` has the rules of quality of its authors.

    Raises
    ------
    InvalidQueryError
        If there is no such file.
    TableParseError
        If it is not such a table, or a line has another number of values.

    References
    ----------
    Masci et al. 2023, https://arxiv.org/abs/2305.16279;
    https://irsa.ipac.caltech.edu/data/ZTF/docs/forcedphot.pdf

    Examples
    --------
    >>> from atlasquery.lightcurve import read_ztf_forced
    >>> lc = read_ztf_forced(
    ...     b" index, filter, pid, zpdiff, jd, forcediffimflux, forcediffimfluxunc\n"
    ...     b" 0 ZTF_g 1496369082915 26.4 2459250.8690856 100.0 5.0\n"
    ... )
    >>> print(lc["band"][0], lc["flux"][0].round(3), lc["exposure"][0])
    g 10.0 uJy 1496369082915
    """
    if isinstance(source, bytes):
        body, name = source, "the table"
    else:
        path = check_path(source, name="source")
        name = str(path)
        try:
            body = path.read_bytes()
        except OSError as error:
            raise InvalidQueryError(f"source={name!r} cannot be read: {error.strerror}") from error
    names, cells, meta = _lines(body, name)
    texts = dict(zip(names, zip(*cells, strict=True), strict=True)) if cells else {}
    n = len(cells)
    numbers = {
        column: _numbers(texts.get(column, (NULL,) * n), column, name)
        for column in ("jd", "zpdiff", "forcediffimflux", "forcediffimfluxunc", "diffmaglim",
                       "exptime")
    }  # fmt: skip
    scale = 10.0 ** (0.4 * (ZERO_POINT - numbers["zpdiff"]))
    flux, flux_err = numbers["forcediffimflux"] * scale, numbers["forcediffimfluxunc"] * scale
    with np.errstate(invalid="ignore"):
        bad = failed(flux, flux_err) | ~(flux_err > 0)
    flux, flux_err = np.where(bad, np.nan, flux), np.where(bad, np.nan, flux_err)
    with np.errstate(invalid="ignore"):
        detection = np.abs(flux) >= snr * flux_err
    mag, mag_err = magnitudes(flux, flux_err, detection)
    values = {
        "band": np.array(
            [text.removeprefix("ZTF_") for text in texts.get("filter", ())], dtype=str
        ),
        "detection": detection,
        "flux": flux,
        "flux_err": flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "limiting_mag": np.where(np.isnan(flux), np.nan, numbers["diffmaglim"]),
        "exposure_time": numbers["exptime"],
        "survey": np.full(n, "ztf"),
        "exposure": np.array([*texts.get("pid", ("",) * n)], dtype=str),
    }
    if n == 0:
        values |= {key: np.zeros(0, "U1") for key in ("band", "exposure")}
    if np.isnan(numbers["jd"]).any():
        raise TableParseError(f"{name} has a row without jd")
    return build_light_curve(
        numbers["jd"] - MJD_0, values, _own(texts, names, n, name), scale="utc", meta=meta
    )


def _lines(body: bytes, name: str) -> tuple[list[str], list[list[str]], dict]:
    """Return the names of the columns, the values of each line, and what the header says."""
    meta: dict = {"survey": "ztf", **Conventions("start", "difference").meta(),
                  "source": name, "history": []}  # fmt: skip
    names: list[str] = []
    cells: list[list[str]] = []
    asked = {}
    for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            for axis in ("R.A.", "Dec."):
                if f"Requested input {axis} =" in line:
                    asked[axis] = line.partition("=")[2].split()[0]
            continue
        if not names:
            names = [word.strip() for word in line.split(",")]
            missing = [needed for needed in NEEDED if needed not in names]
            if missing:
                raise TableParseError(
                    f"{name} is not a table of ZTF's forced photometry: its line of names has no "
                    f"column {missing[0]}: {line:.100}"
                )
            continue
        values = line.split()
        if len(values) != len(names):
            raise TableParseError(
                f"line {number} of {name} has {len(values)} values where its header has "
                f"{len(names)}: {line:.200}",
                reason=line,
            )
        cells.append(values)
    if not names:
        raise TableParseError(
            f"{name} is not a table of ZTF's forced photometry: it names no columns"
        )
    if len(asked) == 2:
        try:
            coordinates = SkyCoord(float(asked["R.A."]), float(asked["Dec."]), unit="deg")
        except ValueError as error:
            raise TableParseError(f"{name} has an invalid position: {error}") from error
        meta["coordinates"] = coordinates
    return names, cells, meta


def _numbers(values: tuple[str, ...], column: str, name: str) -> np.ndarray:
    try:
        numbers = np.array([np.nan if v == NULL else float(v) for v in values], dtype=float)
    except ValueError as error:
        raise TableParseError(f"{name} has a {column} that is not a number: {error}") from error
    return np.where(numbers == FILLER, np.nan, numbers)


def _own(texts: dict, names: list[str], n: int, name: str) -> Rows:
    """Return the columns of the table: those declared with their units, others as strings."""
    rows = Rows(length=n)
    about = "Forced photometry: measured where the object is."
    rows.add(Column("forced", bool, about=about, required=True), np.ones(n, bool))
    for wire in names:
        if wire in ("index", "filter"):
            continue
        column = ZTF_FORCED.by_wire.get(wire) or Column(wire, str)
        values = texts.get(wire, ())
        if column.kind is str:
            array = np.array(values, dtype=str) if n else np.zeros(0, "U1")
            rows.add(column, array, array == NULL)
            continue
        if column.kind is int:
            mask = np.isnan(_numbers(values, wire, name))
            try:
                sent = [0 if m else int(v) for v, m in zip(values, mask, strict=True)]
                whole = np.array(sent, dtype=np.int64)
            except (ValueError, OverflowError) as error:
                raise TableParseError(f"{name} has a {wire} that is not whole: {error}") from error
            rows.add(column, whole, mask)
            continue
        numbers = _numbers(values, wire, name)
        rows.add(column, numbers, np.isnan(numbers))
    return rows
