"""Synthetic sky maps, and their evaluation cell by cell, for tests."""

import io
import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

pytest.importorskip("astropy_healpix", reason="the regions extra is not installed")

from astropy_healpix import healpix_to_lonlat, lonlat_to_healpix

__all__ = ["brute_force", "fits_bytes", "flat_bytes", "multi_order", "nested_of_ring", "positions"]

AREA = np.pi / 3
MARK = (math.inf, 1.0, 0.0)


def multi_order(seed=1, *, orders=(2, 11), split=12, distances=True):
    """Return a map whose cells are split around a random place, order by order, as a Table."""
    rng = np.random.default_rng(seed)
    low, high = orders
    centre = SkyCoord(rng.uniform(0, 360), rng.uniform(-60, 60), unit="deg")
    finished, number = [], np.arange(12 * 4**low)
    for order in range(low, high):
        lon, lat = healpix_to_lonlat(number, 2**order, order="nested")
        near = np.argsort(SkyCoord(lon, lat).separation(centre))[:split]
        finished.append((order, np.delete(number, near)))
        number = (4 * number[near][:, None] + np.arange(4)).ravel()
    finished.append((high, number))
    order = np.concatenate([np.full(len(cells), k) for k, cells in finished])
    number = np.concatenate([cells for _, cells in finished])
    # Densities over many decades, some equal and some zero; in no order of rows.
    density = rng.choice(10.0 ** rng.uniform(0, 3, len(order) // 2), len(order)) * 3.0**order
    density[rng.random(len(order)) < 0.05] = 0.0
    density /= np.sum(density * AREA / 4.0**order)
    rows = rng.permutation(len(order))
    table = Table({"UNIQ": (4 * 4**order + number)[rows]}, meta={"OBJECT": f"S{seed}"})
    table["PROBDENSITY"] = density[rows] * u.sr**-1
    if distances:
        table["DISTMU"] = rng.normal(100, 120, len(order)) * u.Mpc
        table["DISTSIGMA"] = rng.uniform(10, 60, len(order)) * u.Mpc
        table["DISTNORM"] = rng.uniform(1e-5, 1e-4, len(order)) * u.Mpc**-2
        for name, mark in zip(table.colnames[2:], MARK, strict=True):
            table[name][::10] = mark
    return table


def positions(n, seed=2):
    """Return positions over the whole sky, as degrees."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def brute_force(table, ra, dec):
    """Return the row of the cell of each position, and the credible level of each row.

    Cells of each order are computed for themselves by astropy-healpix, and each level is an
    exact sum over the rows that are at least as dense.
    """
    order = np.array([(int(number).bit_length() - 1) // 2 - 1 for number in table["UNIQ"]])
    number = np.asarray(table["UNIQ"]) - 4 * 4**order
    rows = np.full(len(ra), -1)
    for k in np.unique(order):
        by_number = {int(number[row]): row for row in np.flatnonzero(order == k)}
        cells = lonlat_to_healpix(ra * u.deg, dec * u.deg, 2 ** int(k), order="nested")
        for n, cell in enumerate(cells.tolist()):
            rows[n] = by_number.get(cell, rows[n])
    density = np.asarray(table["PROBDENSITY"])
    probability = density * AREA / 4.0**order
    level = np.array([math.fsum(probability[density >= one]) for one in density])
    level[density == density.min()] = 1.0
    return rows, level


def fits_bytes(table, **cards):
    """Return a table as the bytes of a FITS file."""
    hdu = fits.BinTableHDU(Table(table, meta={}))
    for key, value in {**table.meta, **cards}.items():
        hdu.header[key] = value
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def flat_bytes(probability, *, ordering, name="PROB", per_row=1, form="D", **cards):
    """Return a map of one order as the bytes of a FITS file."""
    width = f"{per_row}{form}" if per_row > 1 else form
    shaped = np.reshape(probability, (-1, per_row)) if per_row > 1 else probability
    columns = [
        fits.Column(name, width, unit="pix-1", array=shaped),
        fits.Column("SIGNIFICANCE", width, array=np.zeros_like(shaped)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="HEALPIX")
    header = {"ORDERING": ordering, "COORDSYS": "C", "PIXTYPE": "HEALPIX", **cards}
    for key, value in header.items():
        hdu.header[key] = value
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def nested_of_ring(nside):
    """Return the nested number of each pixel in ring order."""
    lon, lat = healpix_to_lonlat(np.arange(12 * nside**2), nside, order="ring")
    return lonlat_to_healpix(lon, lat, nside, order="nested")
