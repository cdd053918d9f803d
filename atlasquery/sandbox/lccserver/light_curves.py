"""Light curves of the embedded LCC-Server, and the files that it writes of them."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..curves import magnitude_of
from ..sky import SEED, SkyObject, barycentric_julian_date, generator
from ..surveys import measurements
from .catalogs import Row, sky_object

__all__ = ["DEFINED", "csvlc", "make_zip", "packed", "values"]

#: Type, meaning and format of each column.
DEFINED = {
    "rjd": ("f8", "time of observation in Reduced Julian date (JD = 2400000.0 + RJD)", "%.7f"),
    "bjd": ("f8", "time of observation in Baryocentric Julian date (BJD_TDB)", "%.7f"),
    "stf": ("i8", "the telescope ID of the observing station", "%i"),
    "flt": ("U8", "filter used", "%s"),
    "aim_000": ("f8", "instrument magnitude measured in aperture 000", "%.5f"),
    "aim_001": ("f8", "instrument magnitude measured in aperture 001", "%.5f"),
    "aie_000": ("f8", "error associated with instrumental magnitude in aperture 000", "%.5f"),
    "aie_001": ("f8", "error associated with instrumental magnitude in aperture 001", "%.5f"),
    "aep_000": ("f8", "EPD magnitude measured in aperture 000", "%.5f"),
    "aep_001": ("f8", "EPD magnitude measured in aperture 001", "%.5f"),
}
# As the light curves of the sky have it, too.
_EXPOSURE_TIME = {"exp": ("f8", "exposure time in seconds", "%.3f")}
# Stream of random numbers: the second aperture.
_WIDE = 31


def values(row: Row, seed: int = SEED) -> dict[str, Any]:
    """Return the columns of the light curve of an object.

    Parameters
    ----------
    row : dict
        Its row of the catalogue.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    dict
        An array or a list by the name of each column.
    """
    one = sky_object(row, seed)
    return _synthetic(row) if one is None else _of_sky(one, seed)


def _synthetic(row: Row) -> dict[str, Any]:
    """Draw magnitudes of no real variability."""
    n = row["ndet"]
    rng = np.random.default_rng(int(row["gaia_id"]) % 2**32)
    days = np.sort(rng.uniform(0, 120, n)) + 57000.0
    mag = row["sdssr"] + rng.normal(0, 0.1, n)
    return {
        "rjd": days, "bjd": days + 2400000.0 + 0.0027, "stf": 5 + np.arange(n) % 3,
        "flt": ["" if k % 11 == 0 else "rg"[k % 2] for k in range(n)],
        "aim_000": mag + 0.01, "aim_001": mag + 0.02,
        "aie_000": np.full(n, 0.01), "aie_001": np.full(n, 0.02), "aep_000": mag,
        "aep_001": np.where(np.arange(n) % 23 == 5, np.nan, mag + 0.005),
    }  # fmt: skip


def _of_sky(one: SkyObject, seed: int) -> dict[str, Any]:
    """Return total fluxes of an object of the sky, in AB magnitudes, in two apertures."""
    seen = measurements(one, "hat", seed)
    flux = seen.flux + seen.reference_flux
    error = 2.5 / np.log(10) * seen.flux_error / np.abs(flux)
    mag = np.where(flux > 0, magnitude_of(flux), np.nan)
    # The larger aperture holds more of the sky, and all of the noise of the smaller one.
    wide = mag + 0.5 * error * generator(seed, _WIDE, one.number).standard_normal(len(mag))
    return {
        # Both are the middle: nothing says which instant of the exposure the real columns have.
        "rjd": seen.mjd + 0.5, "bjd": barycentric_julian_date(seen.middle, one.ra, one.dec),
        "stf": 5 + seen.exposure % 3, "flt": seen.band.tolist(), "exp": seen.exposure_time,
        "aim_000": mag, "aim_001": wide, "aie_000": error, "aie_001": 1.2 * error,
        # The trends that EPD removes are not simulated.
        "aep_000": mag, "aep_001": wide,
    }  # fmt: skip


def csvlc(
    info: Mapping[str, Any],
    columns: Mapping[str, Iterable],
    *,
    defined: Mapping[str, tuple[str, str, str]] = DEFINED,
    mark: str = "#",
    separator: str = ",",
) -> bytes:
    """Return a file as the server writes it, not compressed.

    Parameters
    ----------
    info : mapping
        The object's metadata.
    columns : mapping
        The columns, of one length.
    defined : mapping, optional
        Type, meaning and format of each column.
    mark : str, optional
        The character that comments begin with.
    separator : str, optional
        The character between two values.

    Returns
    -------
    bytes
        The file.
    """
    names = list(columns)
    described = {
        name: {"colnum": n, "dtype": defined[name][0], "desc": defined[name][1]}
        for n, name in enumerate(names)
    }
    metadata = {key: {"val": value, "desc": key} for key, value in info.items()}

    def marked(data: object) -> list[str]:
        return [f"{mark} {line}" for line in json.dumps(data, indent=2).split("\n")]

    lines = ["LCC-CSVLC-V1", mark, separator, f"{mark} OBJECT METADATA", *marked(metadata), mark]
    lines += [f"{mark} COLUMN DEFINITIONS", *marked(described), mark, f"{mark} LIGHTCURVE"]
    for row in zip(*columns.values(), strict=True):
        fields = []
        for name, value in zip(names, row, strict=True):
            try:
                fields.append(defined[name][2] % value)
            except (TypeError, ValueError):
                # What its server does with a nan where an integer should be.
                fields.append(str(value))
        lines.append(separator.join(fields))
    return ("\n".join(lines) + "\n").encode()


def packed(row: Row, seed: int = SEED) -> bytes:
    """Return the file of an object, as it is served.

    Parameters
    ----------
    row : dict
        Its row of the catalogue.
    seed : int, optional
        Seed of the sky.

    Returns
    -------
    bytes
        The compressed file.
    """
    columns = values(row, seed)
    info = {"objectid": row["objectid"], "ra": row["ra"], "decl": row["decl"],
            "ndet": len(columns["bjd"]), "jmag": row["jmag"], "network": "HN"}  # fmt: skip
    return gzip.compress(csvlc(info, columns, defined=DEFINED | _EXPOSURE_TIME), 6, mtime=0)


def make_zip(members: Mapping[str, bytes], *, manifest: bool = True) -> bytes:
    """Return a ZIP of files.

    Parameters
    ----------
    members : mapping of str to bytes
        Their contents by their names.
    manifest : bool, optional
        Whether to add the list of names that the server adds.

    Returns
    -------
    bytes
        The ZIP.
    """
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        if manifest:
            archive.writestr("lczip-manifest.json", json.dumps(list(members)))
    return body.getvalue()
