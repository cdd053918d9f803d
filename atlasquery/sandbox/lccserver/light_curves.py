"""Light curves of the embedded LCC-Server, and the files that it writes of them."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..curves import magnitude_of
from ..sky import SEED, SkyObject, barycentric_julian_date, generator, mjd_utc
from .catalogs import Row, observing_times, sky_object

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
EXPOSURE = 300.0
# Stream of random numbers of the collection's light curves.
_LCC = 31
# Error of a magnitude of a bright object, and the magnitude whose error is a fifth.
_FLOOR, _DEPTH = 0.01, 20.5


def values(row: Row) -> dict[str, Any]:
    """Return the columns of the light curve of an object.

    Parameters
    ----------
    row : dict
        Its row of the catalogue.

    Returns
    -------
    dict
        An array or a list by the name of each column.
    """
    one = sky_object(row)
    return _synthetic(row) if one is None else _of_sky(one)


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


def _of_sky(one: SkyObject) -> dict[str, Any]:
    """Measure the total flux of an object of the sky, in AB magnitudes, at the middle in TAI."""
    rng = generator(SEED, _LCC, one.number)
    middle = observing_times(one)
    band = np.array(["r", "g"])[np.arange(len(middle)) % 2]
    mag = magnitude_of(one.total_flux(middle, band))
    apertures: dict[str, np.ndarray] = {}
    for number, factor in (("000", 1.0), ("001", 1.5)):
        error = factor * np.hypot(_FLOOR, 0.2 * 10 ** (0.4 * (mag - _DEPTH)))
        measured = mag + rng.normal(0, 1, len(mag)) * error
        apertures |= {f"aim_{number}": measured, f"aie_{number}": error}
        # What EPD corrects for is not simulated.
        apertures[f"aep_{number}"] = measured
    return {
        # The middle: nothing says which instant of the exposure the real columns have.
        "rjd": mjd_utc(middle) + 0.5, "bjd": barycentric_julian_date(middle, one.ra, one.dec),
        "stf": 5 + np.arange(len(middle)) % 3, "flt": band.tolist(),
        "exp": np.full(len(middle), EXPOSURE), **apertures,
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


def packed(row: Row) -> bytes:
    """Return the file of an object, as it is served.

    Parameters
    ----------
    row : dict
        Its row of the catalogue.

    Returns
    -------
    bytes
        The compressed file.
    """
    columns = values(row)
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
