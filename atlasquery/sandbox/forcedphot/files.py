"""What the double of the forced photometry server sends as files, made up and deterministic."""

import io
import zipfile

import numpy as np

HEADER = (
    "###MJD          m      dm   uJy   duJy F err chi/N     RA       Dec        x        y     maj"
    "  min   phi  apfit mag5sig Sky   Obs"
)
# As in the recorded file that arrives without an error message.
RAGGED = (
    f"{HEADER}\n01a oops this is a ragged diagnostic line with more fields than the header has so "
    "that the parser really complains about it loudly ok\n1 2 3\n"
)
# The survey began in 2015; a season of the made-up sky ends here.
FIRST, LAST = 57230.0, 61364.0
# Other years: a column more, one fewer, another order.
DIALECTS = {
    "today": HEADER[3:].split(),
    "2022": [*HEADER[3:].split()[:17], "PA_DEG", *HEADER[3:].split()[17:]],
    "2019": [name if name != "mag5sig" else "ZP" for name in HEADER[3:].split() if name != "Sky"],
}


def result_text(ra, dec, start=None, end=None, *, reduced=False, dialect="today", moving=False):
    """Return a result file: a supernova that peaks two months after the start."""
    first, last = max(start or FIRST, FIRST), min(end or LAST, LAST)
    seed = abs(int(ra * 1e5) * 7919 + int((dec + 90) * 1e5))
    rng = np.random.default_rng(seed)
    nights = np.arange(np.ceil(first), last, 2.0)
    mjd = (nights[:, None] + 0.25 + np.arange(4) * 0.0125 + rng.uniform(0, 0.002, 4)).ravel()
    mjd = mjd[(mjd >= first) & (mjd <= last)]
    band = np.where((mjd // 4).astype(int) % 3 == 0, "c", "o")
    phase = mjd - (np.ceil(first) + 60.0)
    shape = np.where(phase < 0, np.exp(-((phase / 12) ** 2)), np.exp(-phase / 35))
    flux = 900.0 * shape + (2500.0 if reduced else 0.0)
    error = np.round(np.where(band == "c", 16, 22) * rng.lognormal(0, 0.3, len(mjd)) + 1)
    lines = ["###" + " ".join(DIALECTS[dialect])] if dialect != "today" else [HEADER]
    for n, t in enumerate(mjd):
        value = flux[n] + rng.normal(0, error[n])
        here = ra + (0.2 * (t - first) if moving else 0.0)
        lines.append(_line(t, value, error[n], band[n], here, dec, n, dialect))
    return "\n".join(lines) + "\n"


def _line(mjd, flux, error, band, ra, dec, n, dialect):
    mag = np.sign(flux) * (23.9 - 2.5 * np.log10(abs(flux)))
    site = f"{n % 4 + 1:02d}a"
    limit = 23.9 - 2.5 * np.log10(5 * error) + 0.1
    values = {
        "MJD": f"{mjd:.6f}", "m": f"{mag:.3f}", "dm": f"{error / abs(flux):.3f}",
        "uJy": f"{flux:.0f}", "duJy": f"{error:.0f}", "F": band, "err": "0",
        "chi/N": f"{1 + (n % 7) / 10:.2f}", "RA": f"{ra:.5f}", "Dec": f"{dec:.5f}",
        "x": f"{500 + (n * 37) % 9500:.2f}", "y": f"{500 + (n * 91) % 9500:.2f}",
        "maj": "2.53", "min": "2.39", "phi": "-63.4", "apfit": "-0.375",
        "mag5sig": f"{limit:.2f}", "PA_DEG": "12.0", "ZP": "29.1", "Sky": "21.54",
        "Obs": f"{site}{int(mjd)}o{n % 10000:04d}{band}",
    }  # fmt: skip
    return " ".join(values[name] for name in DIALECTS[dialect])


def fits_bytes(n=16):
    """Return a small FITS image."""
    from astropy.io import fits

    file = io.BytesIO()
    fits.PrimaryHDU(np.arange(n * n, dtype="f4").reshape(n, n)).writeto(file)
    return file.getvalue()


def zip_bytes():
    """Return a zip file with an image."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("job/01a59882o0512o.fits"), fits_bytes())
    return file.getvalue()
