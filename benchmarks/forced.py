"""Read result files of the forced photometry server, compared with common readers."""

import io
from functools import partial
from time import process_time

import numpy as np
import pandas as pd
from astropy.io import ascii as astropy_ascii

from atlasquery.forcedphot.photometry import light_curve
from atlasquery.forcedphot.result_file import parse_result
from benchmarks.timing import line
from benchmarks.timing import paired as paired_clock

ROWS = 5000
HEADER = (
    "###MJD          m      dm   uJy   duJy F err chi/N     RA       Dec        x        y     maj"
    "  min   phi  apfit mag5sig Sky   Obs"
)
# Reading only computes, so CPU time is measured.
paired = partial(paired_clock, clock=process_time)


def result_file(rows: int = ROWS) -> bytes:
    """Return a file with this number of rows, in the server's format."""
    rng = np.random.default_rng(1)
    lines = [HEADER]
    for n in range(rows):
        mjd, band, flux, error = 58000 + n / 2, "oc"[n % 2], rng.normal(0, 90), rng.integers(9, 60)
        mag = np.sign(flux) * (23.9 - 2.5 * np.log10(abs(flux)))
        x, y = rng.uniform(100, 10400, 2)
        lines.append(
            f"{mjd:12.6f} {mag:7.3f} {error / abs(flux):6.3f} {flux:5.0f} {error:4d} {band}  0 "
            f"{rng.normal(1.1, 0.1):6.2f} 150.12345 {2.2:9.5f} {x:8.2f} {y:8.2f} "
            f"2.53 2.39 {rng.uniform(-90, 90):5.1f} -0.375 {rng.normal(19.3, 0.3):5.2f} 21.54 "
            f"01a{int(mjd)}o{n % 10000:04d}{band}"
        )
    return "\n".join(lines).encode() + b"\n"


def report() -> list[str]:
    """Read a file of eight years."""
    body = result_file()
    text = body.decode()
    curve = partial(light_curve, snr=5.0, meta={})

    def ours() -> object:
        return parse_result(body)

    def guessed() -> object:
        return astropy_ascii.read(text)

    def pandas() -> object:
        return pd.read_csv(io.BytesIO(body), sep=r"\s+")

    return [
        f"forced photometry: a result file of {ROWS} rows, {len(body) / 1e3:.0f} kB",
        line("parsed, beside astropy.io.ascii.read", *paired(ours, guessed, runs=7), "<= 0.33"),
        line("parsed, beside pandas.read_csv", *paired(ours, pandas, runs=41), "<= 1.00"),
        line(
            "the same with units, masks, signs and limits: a light curve",
            *paired(lambda: curve(parse_result(body)), pandas, runs=41),
            "",
        ),
    ]
