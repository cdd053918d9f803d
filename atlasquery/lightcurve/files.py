"""Write light curves to files and read them back equal."""

import os
from pathlib import Path

from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.tables.files import read_table, write_table

__all__ = ["read", "write"]


def write(lc: TimeSeries, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write a light curve to a file.

    `read` returns an equal one: columns with their types, units, descriptions
    and masks, times with their scale, and ``meta`` with the history. The file is
    there whole or not at all.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve of any survey, with any columns.
    path : path-like
        The file. Its extension says the format: ``.ecsv``, ``.fits``, ``.fit``,
        ``.fits.gz``, ``.vot``, ``.xml`` (VOTable), ``.parquet`` or ``.csv`` (ECSV
        with commas).
    overwrite : bool, optional
        Whether a file that is there is replaced. The default is to refuse.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Raises
    ------
    InvalidQueryError
        If `lc` is no time series, the extension is not known, or the file is there.
    ImportError
        If pyarrow is not there for Parquet: it comes with ``atlasquery[parquet]``.

    Warns
    -----
    InputWarning
        If an item of ``meta`` cannot be written to a file.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import read, write
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = Atlas.get_light_curve(found["atlas_id"][0])
    >>> path = write(lc, "lc.fits")
    >>> again = read("lc.fits")
    >>> again.time.scale, again["flux"].unit, again.meta["object"]
    ('utc', Unit("uJy"), 'ATLAS26zy')
    """
    if not isinstance(lc, TimeSeries):
        raise InvalidQueryError(
            f"lc should be a TimeSeries, not {type(lc).__name__}; atlasquery.tables.write_table "
            "writes any table"
        )
    return write_table(lc, path, overwrite=overwrite)


def read(path: str | os.PathLike) -> TimeSeries:
    """Read a light curve that `write` has written.

    Parameters
    ----------
    path : path-like
        The file; its extension says the format.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As it was written. A file of another program will do where it has a
        column ``time`` that astropy reads as `~astropy.time.Time`.

    Raises
    ------
    InvalidQueryError
        If the extension is not known, the file is not of its format, or it has no
        column ``time`` with a scale.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import read, write
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> path = write(Atlas.get_light_curve(found["atlas_id"][0]), "lc.ecsv")
    >>> len(read(path))
    428
    """
    table = read_table(path)
    if isinstance(table, TimeSeries):
        return table
    if "time" not in table.colnames or not isinstance(table["time"], Time):
        has = "is not a Time with a scale" if "time" in table.colnames else "is not there"
        raise InvalidQueryError(
            f"path={str(path)!r} is no light curve: its column 'time' {has}; read_table reads any "
            "table"
        )
    return TimeSeries(table)
