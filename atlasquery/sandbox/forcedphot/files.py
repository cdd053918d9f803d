"""The files of the forced photometry server: results of the one sky, images, all deterministic."""

import functools
import io
import zipfile
from dataclasses import dataclass

import numpy as np

from ..atlas.exposures import FOOTPRINT_DEG, observe
from ..atlas.photometry import difference_flux
from ..curves import magnitude_of
from ..positions import angular_distance
from ..sky import (
    MJD_REF,
    POINTINGS,
    SEASON_DAYS,
    SEED,
    SkyObject,
    generator,
    nearest_pointings,
    objects,
    tai_of_utc,
)

__all__ = ["DIALECTS", "HEADER", "RAGGED", "fits_bytes", "result_text", "zip_bytes"]

HEADER = (
    "###MJD          m      dm   uJy   duJy F err chi/N     RA       Dec        x        y     maj"
    "  min   phi  apfit mag5sig Sky   Obs"
)
# As in the recorded file that arrives without an error message.
RAGGED = (
    f"{HEADER}\n01a oops this is a ragged diagnostic line with more fields than the header has so "
    "that the parser really complains about it loudly ok\n1 2 3\n"
)
# The survey began in 2015; the exposures away from the fields of the sky end here.
FIRST, LAST = 57230.0, 61364.0
# Other years: a column more, one fewer, another order.
DIALECTS = {
    "today": HEADER[3:].split(),
    "2022": [*HEADER[3:].split()[:17], "PA_DEG", *HEADER[3:].split()[17:]],
    "2019": [name if name != "mag5sig" else "ZP" for name in HEADER[3:].split() if name != "Sky"],
}
# Width of the point spread function, arcsec, and how far a source is measured with another one.
_WIDTH, _BLENDED = 1.6, 6.0
_SAME_SOURCE = 1.5
# Light that the reference image holds where no object of the sky is, uJy.
_REFERENCE = 2500.0
# Streams of random numbers: noise of other positions, a second measurement of an exposure.
_ELSEWHERE, _AGAIN = 13, 14
_REPEAT = 0.15


@dataclass
class _Rows:
    """Columns of a result file that are not the same in all rows."""

    mjd: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    limit: np.ndarray
    band: np.ndarray
    exposure: np.ndarray
    ra: np.ndarray
    dec: np.ndarray


def result_text(
    ra: float,
    dec: float,
    start: float | None = None,
    end: float | None = None,
    *,
    reduced: bool = False,
    dialect: str = "today",
    mpc_name: str | None = None,
    seed: int = SEED,
) -> str:
    """Return a result file.

    In the fields of the sky it has the exposures of the ATLAS server in the last season, and the
    flux of the object at the position, if there is one. Elsewhere, and before, it has exposures
    that no other server knows; elsewhere with a supernova that peaks two months after the start.

    Parameters
    ----------
    ra, dec : float
        The position in degrees; that of a minor planet at the start.
    start, end : float, optional
        First and last MJD.
    reduced : bool, optional
        Measure on the images themselves, with the light of the reference image.
    dialect : str, optional
        A year of `DIALECTS`, for its columns.
    mpc_name : str, optional
        The minor planet that is followed.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    str
        The file.
    """
    first, last = max(start or FIRST, FIRST), min(end or LAST, LAST)
    mover = _mover(mpc_name, seed)
    if mover is not None:
        rows = _followed(mover, seed)
    elif mpc_name is None and (pointing := _field(ra, dec)) is not None:
        rows = _in_field(ra, dec, pointing, reduced=reduced, seed=seed)
    else:
        rows = _elsewhere(ra, dec, first, last, reduced=reduced, moving=mpc_name is not None)
    inside = np.flatnonzero((rows.mjd >= first) & (rows.mjd <= last))
    lines = [HEADER] if dialect == "today" else ["###" + " ".join(DIALECTS[dialect])]
    lines += [_line(rows, n, count, DIALECTS[dialect]) for count, n in enumerate(inside.tolist())]
    return "\n".join(lines) + "\n"


def _mover(mpc_name: str | None, seed: int) -> SkyObject | None:
    named = (one for one in objects(seed).of_kind("mover") if one.mpc_name == mpc_name)
    return next(named, None) if mpc_name else None


def _field(ra: float, dec: float) -> int | None:
    """Return the field of the sky that shows a position."""
    pointing = int(nearest_pointings(np.array([ra]), np.array([dec]))[0])
    distance = float(angular_distance(ra, dec, *POINTINGS[pointing]))
    return pointing if distance < FOOTPRINT_DEG * 3600 else None


def _season(pointing: int, seed: int) -> tuple[_Rows, np.ndarray]:
    """Return the exposures of a field without a flux, and their middle."""
    exposures = observe(seed, "season")
    seen, cells = exposures.of_pointing[pointing], exposures.columns
    mjd = cells["mjd"][seen]
    rows = _Rows(
        mjd=mjd, flux=np.zeros(len(seen)), error=10 ** (-0.4 * (cells["mag5sig"][seen] - 23.9)) / 5,
        limit=cells["mag5sig"][seen], band=np.array([cells["filter"][k] for k in seen]),
        exposure=np.array([cells["expname"][k] for k in seen]), ra=np.zeros(len(seen)),
        dec=np.zeros(len(seen)),
    )  # fmt: skip
    return rows, tai_of_utc(mjd, cells["exptime"][seen])


def _in_field(ra: float, dec: float, pointing: int, *, reduced: bool, seed: int) -> _Rows:
    """Measure a position on the exposures of the ATLAS server."""
    rows, middle = _season(pointing, seed)
    near = [one for one in objects(seed).near(ra, dec, _BLENDED) if one.kind != "quiet"]
    distance = [float(angular_distance(ra, dec, one.ra, one.dec)) for one in near]
    if near and distance[0] < _SAME_SOURCE:
        # The same noise as in the ATLAS server's measurement of the exposure.
        exposures = observe(seed, "season")
        flux, _ = difference_flux(
            near[0].curve, exposures, pointing, seed=seed, number=near[0].number
        )
        noise = flux - near[0].flux(middle, rows.band)
    else:
        noise = rows.error * _noise(ra, dec, len(middle))
    rows.flux = noise + _REPEAT * rows.error * _noise(ra, dec, len(middle), again=True)
    for one, away in zip(near, distance, strict=True):
        light = one.total_flux if reduced and one.kind != "mover" else one.flux
        rows.flux = rows.flux + light(middle, rows.band) * np.exp(-0.5 * (away / _WIDTH) ** 2)
    rows.ra, rows.dec = np.full(len(middle), ra), np.full(len(middle), dec)
    early = _early(ra, dec, reduced, seed)
    return _Rows(**{n: np.concatenate([vars(early)[n], c]) for n, c in vars(rows).items()})


def _followed(one: SkyObject, seed: int) -> _Rows:
    """Measure a minor planet where it is, on the exposures of the field that it crosses."""
    rows, middle = _season(one.pointing, seed)
    rows.ra, rows.dec = one.position(middle)
    noise = rows.error * _noise(one.ra, one.dec, len(middle))
    rows.flux = one.total_flux(middle, rows.band) + noise
    seen = angular_distance(rows.ra, rows.dec, *POINTINGS[one.pointing]) < FOOTPRINT_DEG * 3600
    return _Rows(**{name: column[seen] for name, column in vars(rows).items()})


def _noise(ra: float, dec: float, count: int, *, again: bool = False) -> np.ndarray:
    stream = _AGAIN if again else _ELSEWHERE
    where = int(ra % 360 * 1e5), int((dec + 90) * 1e5)
    return generator(0, stream, *where).standard_normal(count)


@functools.lru_cache(maxsize=4)
def _early(ra: float, dec: float, reduced: bool, seed: int) -> _Rows:
    """Return what was before the last season: an empty place, or its constant light."""
    rows = _grid(ra, dec, FIRST, np.floor(MJD_REF - SEASON_DAYS))
    near = objects(seed).near(ra, dec, _SAME_SOURCE)
    constant = float(near[0].reference_flux("o")) if near and reduced else 0.0
    rows.flux = constant + rows.error * _noise(ra, dec, len(rows.mjd) + 1)[1:]
    return rows


def _grid(ra: float, dec: float, first: float, last: float) -> _Rows:
    """Take four exposures on every second night."""
    seed = abs(int(ra * 1e5) * 7919 + int((dec + 90) * 1e5))
    rng = np.random.default_rng(seed)
    nights = np.arange(np.ceil(first), last, 2.0)
    mjd = (nights[:, None] + 0.25 + np.arange(4) * 0.0125 + rng.uniform(0, 0.002, 4)).ravel()
    mjd = mjd[(mjd >= first) & (mjd <= last)]
    band = np.where((mjd // 4).astype(int) % 3 == 0, "c", "o")
    error = np.round(np.where(band == "c", 16, 22) * rng.lognormal(0, 0.3, len(mjd)) + 1)
    rows = enumerate(zip(mjd, band, strict=True))
    names = [f"{n % 4 + 1:02d}a{int(t)}o{n % 10000:04d}{b}" for n, (t, b) in rows]
    return _Rows(
        mjd=mjd, flux=rng.normal(0, error), error=error,
        limit=23.9 - 2.5 * np.log10(5 * error) + 0.1, band=band, exposure=np.array(names),
        ra=np.full(len(mjd), ra), dec=np.full(len(mjd), dec),
    )  # fmt: skip


def _elsewhere(
    ra: float, dec: float, first: float, last: float, *, reduced: bool, moving: bool
) -> _Rows:
    """Measure a position outside of the fields: a supernova."""
    rows = _grid(ra, dec, first, last)
    phase = rows.mjd - (np.ceil(first) + 60.0)
    shape = np.where(phase < 0, np.exp(-((phase / 12) ** 2)), np.exp(-phase / 35))
    rows.flux = rows.flux + 900.0 * shape + (_REFERENCE if reduced else 0.0)
    if moving:
        rows.ra = (rows.ra + 0.2 * (rows.mjd - first)) % 360
    return rows


def _line(rows: _Rows, n: int, count: int, names: list[str]) -> str:
    mjd, flux, error, band = rows.mjd[n], rows.flux[n], rows.error[n], rows.band[n]
    mag = np.sign(flux) * magnitude_of(flux)
    values = {
        "MJD": f"{mjd:.6f}", "m": f"{mag:.3f}", "dm": f"{error / abs(flux):.3f}",
        "uJy": f"{flux:.0f}", "duJy": f"{error:.0f}", "F": band, "err": "0",
        "chi/N": f"{1 + (count % 7) / 10:.2f}", "RA": f"{rows.ra[n]:.5f}",
        "Dec": f"{rows.dec[n]:.5f}", "x": f"{500 + (count * 37) % 9500:.2f}",
        "y": f"{500 + (count * 91) % 9500:.2f}",
        "maj": "2.53", "min": "2.39", "phi": "-63.4", "apfit": "-0.375",
        "mag5sig": f"{rows.limit[n]:.2f}", "PA_DEG": "12.0", "ZP": "29.1", "Sky": "21.54",
        "Obs": rows.exposure[n],
    }  # fmt: skip
    return " ".join(values[name] for name in names)


def fits_bytes(n: int = 16) -> bytes:
    """Return a small FITS image.

    Parameters
    ----------
    n : int, optional
        Number of pixels on a side.

    Returns
    -------
    bytes
        The file.
    """
    from astropy.io import fits

    file = io.BytesIO()
    fits.PrimaryHDU(np.arange(n * n, dtype="f4").reshape(n, n)).writeto(file)
    return file.getvalue()


def zip_bytes() -> bytes:
    """Return a ZIP file with an image.

    Returns
    -------
    bytes
        The file.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("job/01a59882o0512o.fits"), fits_bytes())
    return file.getvalue()
