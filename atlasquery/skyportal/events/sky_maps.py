"""Read sky maps: probabilities on HEALPix pixels of one size or of many, in FITS."""

import warnings

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Table
from astropy.units import UnitsWarning

from atlasquery.exceptions import TableParseError
from atlasquery.tables import read_by_library
from atlasquery.tables.decompression import LARGEST, open_fits

__all__ = ["decode_hdus", "decode_sky_map"]

# Header cards that say how the file is laid out, and nothing of the sky.
LAYOUT = ("XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "TTYPE", "TFORM", "TUNIT")


def decode_hdus(body: bytes, limit: int = LARGEST) -> fits.HDUList:
    """Return a FITS file, read whole.

    Parameters
    ----------
    body : bytes
        The file, in gzip or not.
    limit : int, optional
        The bytes that it may have when it is unpacked.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        Independent of any file.

    Raises
    ------
    TableParseError
        If it is none.
    """
    with read_by_library("the FITS file"), warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        file = open_fits(body, limit=limit, what="the FITS file", lazy_load_hdus=False)
        for hdu in file:
            # Read now: a file that breaks off is an error here, and not later.
            _ = getattr(hdu, "data", None)
    return file


def decode_sky_map(body: bytes, limit: int = LARGEST) -> Table:
    """Return a sky map as a table.

    Parameters
    ----------
    body : bytes
        A FITS file.
    limit : int, optional
        The bytes that it may have when it is unpacked.

    Returns
    -------
    `~astropy.table.Table`
        A row for each pixel, with ``PROBDENSITY`` (1 / sr) and ``PROB``; ``UNIQ`` where
        pixels have many sizes, or are of one in nested order. The header is in ``meta``.

    Raises
    ------
    TableParseError
        If it has no table of probabilities.
    """
    hdu = next((one for one in decode_hdus(body, limit) if isinstance(one, fits.BinTableHDU)), None)
    if hdu is None:
        raise TableParseError("no table in the FITS file", service="SkyPortal")
    with read_by_library("the table of the FITS file"), warnings.catch_warnings():
        # Maps write pix-1, which astropy does not have.
        warnings.simplefilter("ignore", UnitsWarning)
        read = Table.read(hdu)
        table = _plain_columns(read, Table(meta={k: v for k, v in hdu.header.items() if _tells(k)}))
    for name in ("UNIQ", "PROBDENSITY", "PROB"):
        if name in table.colnames and table[name].dtype.kind not in "iuf":
            raise TableParseError(f"{name} of the sky map is not of numbers", service="SkyPortal")
    return _with_probabilities(table, hdu.header)


def _plain_columns(read: Table, table: Table) -> Table:
    """Put the columns of a table of pixels into another, a value for each pixel."""
    for column in read.columns.values():
        # Maps of one size may come in rows of 1024 pixels.
        values = np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.asarray(column)
        values = values.reshape(-1).astype(values.dtype.newbyteorder("="))
        table[column.name] = values
        if isinstance(column.unit, u.UnitBase) and not isinstance(column.unit, u.UnrecognizedUnit):
            table[column.name].unit = column.unit
    return table


def _tells(key: str) -> bool:
    return bool(key) and key not in ("COMMENT", "HISTORY") and not key.startswith(LAYOUT)


def _with_probabilities(table: Table, header: fits.Header) -> Table:
    """Add what is missing of probability, its density, and the number of the pixel."""
    if "UNIQ" in table.colnames and "PROBDENSITY" in table.colnames:
        # UNIQ = 4 * 4^order + index, for index < 12 * 4^order.
        order = np.searchsorted(4 * 4 ** np.arange(30), table["UNIQ"], side="right") - 1
        area = 4 * np.pi / (12 * 4.0**order)
        table["PROBDENSITY"].unit = u.sr**-1
        table.add_column(
            table["PROBDENSITY"].value * area,
            name="PROB",
            index=table.colnames.index("PROBDENSITY") + 1,
        )
    elif "PROB" in table.colnames:
        number = len(table)
        nside = round((number / 12) ** 0.5)
        if 12 * nside**2 != number:
            raise TableParseError(
                f"{number} pixels, which no HEALPix map has: it is a part of one",
                service="SkyPortal",
            )
        table["PROB"].unit = None
        table["PROBDENSITY"] = table["PROB"].value * number / (4 * np.pi)
        table["PROBDENSITY"].unit = u.sr**-1
        if str(header.get("ORDERING", "")).strip().upper().startswith("NEST"):
            table.add_column(4 * nside**2 + np.arange(number), name="UNIQ", index=0)
    else:
        raise TableParseError(
            f"no probabilities among {', '.join(table.colnames)}", service="SkyPortal"
        )
    table["PROB"].description = "Probability of the pixel."
    table["PROBDENSITY"].description = "Probability per area."
    return table
