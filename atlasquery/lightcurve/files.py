"""Write light curves to files and read them back equal."""

import os
from collections.abc import Mapping
from pathlib import Path

from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.brokers import from_columns, table_columns
from atlasquery.lightcurve.schema import Conventions
from atlasquery.lightcurve.stacking import stack
from atlasquery.lightcurve.ztf_forced import is_ztf_forced, read_ztf_forced
from atlasquery.service.inputs import check_path
from atlasquery.tables import LightCurve
from atlasquery.tables.files import read_table, write_table

__all__ = ["read", "write"]


def write(lc: TimeSeries | Mapping, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write a light curve to a file, or many as one table.

    `read` returns an equal one: columns with their types, units, descriptions
    and masks, times with their scale, and ``meta`` with the history. The file
    is written completely or not at all.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries` or mapping
        A light curve of any survey, with any columns; or light curves by object, which
        `stack` puts into one table with a column ``object``.
    path : path-like
        The file. Its extension gives the format: ``.ecsv``, ``.fits``, ``.fit``,
        ``.fits.gz``, ``.vot``, ``.xml`` (VOTable), ``.parquet`` or ``.csv`` (ECSV
        with commas).
    overwrite : bool, optional
        Whether to replace an existing file; by default it is refused.

    Returns
    -------
    `~pathlib.Path`
        The file.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a time series or a mapping that `stack` takes, the extension is not known,
        or the file exists.
    ImportError
        If pyarrow, which Parquet needs, is not installed: it comes with ``atlasquery[parquet]``.

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
    if isinstance(lc, Mapping):
        lc = stack(lc)
    if not isinstance(lc, TimeSeries):
        raise InvalidQueryError(
            f"lc should be a TimeSeries, not {type(lc).__name__}; atlasquery.tables.write_table "
            "writes any table"
        )
    return write_table(lc, path, overwrite=overwrite)


def read(path: str | os.PathLike) -> TimeSeries:
    """Read a light curve that `write` has written, or that a broker has exported.

    Parameters
    ----------
    path : path-like
        The file; its extension gives the format: those of `write`; ``.csv`` with
        ALeRCE's detections or the columns that `from_pandas` takes; ``.txt`` of ZTF's
        forced photometry service.

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
    path = check_path(path, name="path")
    if path.suffix.lower() in (".txt", ".tbl", ".dat"):
        return _read_text(path)
    table = read_table(path)
    if isinstance(table, TimeSeries):
        conventions = Conventions.of(table.meta)
        if (
            table.meta.get("time_reference", conventions.time_reference)
            != conventions.time_reference
        ):
            # Earlier versions wrote prose where there are values now.
            table.meta.update(conventions.meta())
        return table
    timed = isinstance(table.columns.get("time"), Time)
    if path.suffix.lower() == ".csv" and "mjd" in table.colnames and not timed:
        columns = table_columns(table)
        return from_columns(columns, meta={"source": str(path)}, name=f"path={str(path)!r}")
    if "time" not in table.colnames or not isinstance(table["time"], Time):
        has = "is not a Time with a scale" if "time" in table.colnames else "is missing"
        raise InvalidQueryError(
            f"path={str(path)!r} is not a light curve: its column 'time' {has}; read_table reads "
            "any table"
        )
    return LightCurve(table)


def _read_text(path: Path) -> TimeSeries:
    body = path.read_bytes()
    if is_ztf_forced(body):
        return read_ztf_forced(path)
    raise InvalidQueryError(
        f"path={str(path)!r} is not a table of ZTF's forced photometry; AtlasForced.read reads "
        "results of the ATLAS forced photometry server, and the extension of other files gives "
        "their format"
    )
