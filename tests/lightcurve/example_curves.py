"""Light curves for tests: of given arrays, and of lines of the forced photometry server."""

import astropy.units as u
import numpy as np

from atlasquery.lightcurve import build_light_curve, flux_to_mag
from atlasquery.tables import Column, Rows

META = {
    "survey": "atlas",
    "object": "ATLAS26abc",
    "time_reference": "start",
    "time_reference_position": "topocenter",
    "flux_kind": "difference",
}
# Wire name, name, unit, type of the columns of the forced photometry server that cleaning needs.
FORCED = (
    ("m", "reported_mag", u.mag, float),
    ("dm", "reported_mag_err", u.mag, float),
    ("uJy", "reported_flux", u.uJy, float),
    ("err", "error_code", None, int),
    ("chi/N", "reduced_chi2", None, float),
    ("x", "x", u.pix, float),
    ("y", "y", u.pix, float),
    ("maj", "psf_major", u.pix, float),
    ("min", "psf_minor", u.pix, float),
    ("apfit", "aperture_correction", u.mag, float),
    ("Sky", "sky_brightness", u.mag / u.arcsec**2, float),
)


def light_curve(
    time, flux, flux_err=10.0, band="o", *, survey_columns=None, meta=META, scale="utc", **values
):
    """Build a light curve; a flux of NaN is masked, and what is not given is as of ATLAS."""
    time = np.atleast_1d(np.asarray(time, float))
    n = len(time)
    flux = np.broadcast_to(np.asarray(flux, float), n).copy()
    flux_err = np.broadcast_to(np.asarray(flux_err, float), n).copy()
    with np.errstate(all="ignore"):
        detection = flux >= 3 * flux_err
        columns = {
            "band": np.broadcast_to(np.asarray(band), n).copy(),
            "detection": detection,
            "flux": flux,
            "flux_err": flux_err,
            "mag": np.where(detection, flux_to_mag(flux), np.nan),
            "mag_err": np.where(detection, 1.0857 * flux_err / flux, np.nan),
            "limiting_mag": flux_to_mag(5 * flux_err),
            "exposure_time": np.full(n, 30.0),
            "survey": np.full(n, "atlas"),
            "exposure": _exposures(time),
        }
    for name, given in values.items():
        columns[name] = np.broadcast_to(np.asarray(given), n).copy()
    rows = Rows(length=n)
    for name, array in (survey_columns or {}).items():
        unit = {wire[1]: wire[2] for wire in FORCED}.get(name)
        array = np.broadcast_to(np.asarray(array), n).copy()
        mask = np.isnan(array) if array.dtype.kind == "f" else np.zeros(n, bool)
        kind = {"f": float, "i": int, "b": bool, "U": str}[array.dtype.kind]
        rows.add(Column(name, kind, unit=unit), array, mask)
    return build_light_curve(time, columns, rows, scale=scale, meta=dict(meta))


def _exposures(time):
    """Name exposures by their time; others of the same time have another name."""
    names, seen = [], {}
    for t in time:
        name = f"01a{t:.4f}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return np.array(names, dtype="U24")


def forced(text):
    """Parse lines of the forced photometry server."""
    lines = text.strip().splitlines()
    names = lines[0].removeprefix("###").split()
    columns = zip(*map(str.split, lines[1:]), strict=True)
    table = {name: list(values) for name, values in zip(names, columns, strict=True)}
    magnitude = np.array(table["m"], float)
    # The flux is printed in whole uJy; the magnitude has more digits.
    flux = np.sign(magnitude) * 10 ** ((23.9 - np.abs(magnitude)) / 2.5)
    survey_columns = {name: np.array(table[wire], kind) for wire, name, _, kind in FORCED}
    return light_curve(
        np.array(table["MJD"], float),
        flux,
        np.array(table["duJy"], float),
        np.array(table["F"]),
        survey_columns=survey_columns,
        limiting_mag=np.array(table["mag5sig"], float),
        exposure=np.array(table["Obs"]),
    )
