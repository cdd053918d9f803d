"""The queries for light curves: of one object, of all objects of a dataset, from a file."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.table import Table
from astropy.timeseries import TimeSeries
from astroquery import cache_conf

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.catalogue import Collections, check_collections, read_collections
from atlasquery.lccserver.csvlc import CsvLightCurve, parse_csvlc
from atlasquery.lccserver.curve_files import (
    CurveFile,
    check_objectid,
    curves_payload,
    files_of_rows,
    gather_curves,
    read_single,
    wait_for_dataset,
)
from atlasquery.lccserver.datasets import check_setid
from atlasquery.lccserver.photometry import Choice, Prepared, prepare
from atlasquery.lccserver.searches import query_criteria
from atlasquery.lccserver.sending import check_timeout
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.collection import ResultMapping
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.service.inputs import check_path
from atlasquery.service.query import one_or_all
from atlasquery.warn import warn, without_warnings

__all__ = ["DatasetLightCurves", "get_light_curve", "get_light_curves", "one_name", "read"]


class DatasetLightCurves(LightCurveDisplay, ResultMapping):
    """Light curves of many objects by name, in the order of the rows of their dataset.

    Returned by `LCCServerClass.get_light_curves`. Their files are read already; each light
    curve is built when it is first used.

    Parameters
    ----------
    what : str
        What its values are.
    key : callable
        Turns a name as a user gives it into the name of a light curve.
    """

    def __getitem__(self, object_id: object) -> TimeSeries:
        product = super().__getitem__(object_id)
        if isinstance(product, Prepared):
            product = self._products[self._key(object_id)] = product.build()
        return product


def _full_name(names: dict[str, str], name: str) -> str:
    return names.get(name, name)


def get_light_curve(
    self: LCCServerQuery,
    objectid: str,
    collection: str,
    *,
    mag_column: str | None = None,
    time_column: str | None = None,
    magsys: str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> TimeSeries:
    """Fetch the light curve of an object.

    The server creates the file of a light curve when a search finds its object for the
    first time. If there is no file, this method first searches for the object.

    Parameters
    ----------
    objectid : str
        The name of the object, as in the column ``objectid`` of searches.
    collection : str
        Its collection.
    mag_column : str, optional
        The column of the file whose magnitudes become ``mag``, such as ``"aep_001"``;
        by default the one that the collection names, else the first.
    time_column : str, optional
        The column whose times become ``time``; by default those at the barycentre of
        the solar system, where there are any.
    magsys : {"AB", "Vega"}, optional
        The system of the magnitudes, if you know it: files do not name it. Without it there
        is no ``flux``.
    cache : bool, optional
        Whether a cached file is used, for ``conf.light_curve_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing else: the description of
        the collections, against which names are checked, is read if it is not cached.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The columns of `~atlasquery.lightcurve.SCHEMA`, then all columns of the file under
        their own names and with their units. ``time`` is in TDB for barycentric dates;
        ``meta["time_reference"]`` is what is known of it. ``band`` is the filter;
        ``flux`` and ``flux_err`` (uJy, of the object itself) are masked unless the
        magnitudes are AB; ``limiting_mag`` is masked and ``exposure_time`` NaN where the
        file does not have them. ``meta`` has ``magsys``, ``mag_column``,
        ``mag_err_column``, ``time_column``, ``coordinates`` and ``objectinfo``.

    Raises
    ------
    InvalidQueryError
        If there is no such collection or column.
    NotFoundError
        If the collection has no such object, or does not show it to this key.
    TableParseError
        If the file is damaged; the message names the line.

    References
    ----------
    ``/l/<collection>/<objectid>-csvlc.gz`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("sdssr < 9.5", collections="synth_alpha")
    >>> lc = LCCServer.get_light_curve(found["objectid"][0], "synth_alpha")
    >>> lc.time.scale, lc.meta["mag_column"], lc["aep_001"].unit
    ('tdb', 'aep_000', Unit("mag"))
    """
    name = check_objectid(objectid)
    choice = Choice.checked(mag_column, time_column, magsys)
    known = read_collections(self, cache=None)
    (chosen,) = check_collections(one_name(collection), known)
    one = CurveFile.of(name, chosen, known)
    if get_query_payload:
        return self._payload(one.path)

    prepared = _preparer(self, choice, "get_light_curve")
    try:
        return read_single(self, one, prepare=prepared, cache=cache).build()
    except NotFoundError as error:
        # A missing file has status 404; for an unknown object it is another one.
        if error.status != 404:
            raise
    _create_file(self, one)
    return read_single(self, one, prepare=prepared, cache=False).build()


def get_light_curves(
    self: LCCServerQuery,
    dataset: str | Table,
    *,
    mag_column: str | None = None,
    time_column: str | None = None,
    magsys: str | None = None,
    directory: str | os.PathLike | None = None,
    timeout: u.Quantity | float | str | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    progress: bool = True,
    get_query_payload: bool = False,
) -> DatasetLightCurves:
    """Fetch the light curves of all objects of a dataset, or of some of them.

    They come in the ZIP that the server creates for a dataset. For more than 500 objects
    it creates none: then they are fetched in several ZIPs, each of them requested with a
    cross-match. Files are saved as they arrive, so that a call after one that was killed
    resumes it.

    Parameters
    ----------
    dataset : `~astropy.table.Table` or str
        The result of a search, or rows of it, with the columns ``objectid`` and
        ``collection``; or the name of a dataset, for all of its rows.
    mag_column, time_column, magsys : str, optional
        As of `get_light_curve`.
    directory : path-like, optional
        Where the ZIPs are saved, for any number of objects, each as
        ``lightcurves-<setid>.zip``; a later call uses them. A file that is in no ZIP, as its
        position is not in `dataset`, is saved there under its name. By default they
        are in the cache.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait while the server collects the light curves; a bare number is in
        seconds. By default ``conf.wait_seconds``.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched: raise an
        error that has the rest as ``result``, or return the rest with a warning.
    cache : bool, optional
        Whether files of earlier calls are used.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing else: the description of
        the collections, against which names are checked, is read if it is not cached.

    Returns
    -------
    DatasetLightCurves
        A mapping of names to what `get_light_curve` returns, in the order of the rows,
        with ``failures``: name and exception of each object that failed. Where two
        collections have an object of the same name, their names are
        ``collection/objectid``; all can be asked for by that.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``.
    TimeoutError
        If the server still collects the light curves; call again to continue.

    Warns
    -----
    InputWarning
        If some objects failed, with ``on_error="warn"``.
    NoResultsWarning
        If the dataset has no rows.

    References
    ----------
    ``/p/lightcurves-<setid>.zip`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("sdssr < 9.5", collections="synth_alpha")
    >>> curves = LCCServer.get_light_curves(found)
    >>> list(curves) == found["objectid"].tolist()
    True
    """
    choice = Choice.checked(mag_column, time_column, magsys)
    check_on_error(on_error)
    folder = _folder(directory)
    seconds = check_timeout(timeout, self.conf.wait_seconds)
    cache = cache_conf.cache_active if cache is None else cache
    known = read_collections(self, cache=None)
    files: list[CurveFile] = []
    if isinstance(dataset, str):
        setids = [check_setid(dataset)]
    else:
        files, setids = _of_table(dataset, known)
    if get_query_payload:
        return one_or_all(curves_payload(self, files, setids))
    if isinstance(dataset, str):
        files = files_of_rows(wait_for_dataset(self, setids[0], seconds).rows.values, known)
    names = _names(files)
    found = DatasetLightCurves("TimeSeries", key=partial(_full_name, names))
    if not files:
        warn("the dataset has no objects", NoResultsWarning)
        return found

    prepared = _preparer(self, choice, "get_light_curves")
    outcomes = gather_curves(
        self,
        files,
        setids,
        prepared,
        folder=folder,
        timeout=seconds,
        cache=cache,
        progress=progress,
    )
    for one, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Exception):
            found.failures.append((names[one.full_name], outcome))
        else:
            found._products[names[one.full_name]] = outcome
    return deliver(
        found,
        found.failures,
        on_error=on_error,
        service=self.service,
        what="light curves failed",
        total=len(files),
    )


def read(
    self: LCCServerQuery,
    source: str | bytes | os.PathLike,
    *,
    mag_column: str | None = None,
    time_column: str | None = None,
    magsys: str | None = None,
) -> TimeSeries:
    """Read the file of a light curve on this machine.

    Parameters
    ----------
    source : path-like or bytes
        A file of the format LCC-CSVLC-V1, or its content, compressed by gzip or not.
    mag_column, time_column, magsys : str, optional
        As of `get_light_curve`; a file does not name the magnitudes of its collection,
        so the first are taken.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As `get_light_curve` returns.

    Raises
    ------
    TableParseError
        If it is not such a file, breaks off, or a line does not match its header; the
        message has the number of the line.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> lc = LCCServer.read("SYA-0000163-csvlc.gz")  # doctest: +SKIP
    """
    choice = Choice.checked(mag_column, time_column, magsys)
    name = "the light curve"
    if not isinstance(source, bytes):
        path = Path(source)
        name, source = path.name, path.read_bytes()
    return prepare(parse_csvlc(source, name=name), meta={}, name=name, choice=choice).build()


def _preparer(
    client: LCCServerQuery, choice: Choice, query: str
) -> Callable[[CurveFile, CsvLightCurve, float], Prepared]:
    """Return a function that prepares the light curve of a parsed file, and its time."""

    def prepared(one: CurveFile, parsed: CsvLightCurve, when: float) -> Prepared:
        one.check(parsed)
        about = {"collection": one.collection, "object": one.objectid}
        return prepare(
            parsed,
            meta=client._meta(when, query=query) | about,
            name=one.file_name,
            survey=one.collection,
            preferred=one.mag_columns,
            choice=choice,
        )

    return prepared


def _create_file(client: LCCServerQuery, one: CurveFile) -> None:
    """Let the server create the file of an object, with a search that finds it."""
    with without_warnings(NoResultsWarning):
        found: Any = query_criteria(
            client,
            f"(objectid eq '{one.objectid}')",
            collections=[one.collection],
            progress=False,
            cache=False,
        )
    if not len(found):
        raise NotFoundError(
            f"{client.service} has no object {one.objectid} in {one.collection}, or does not "
            "show it to this key",
            service=client.service,
        )
    wait_for_dataset(client, found.meta["setid"], client.conf.wait_seconds)


def one_name(collection: object) -> str:
    """Return the name of one collection, or refuse it."""
    if not isinstance(collection, str):
        raise InvalidQueryError(
            f"collection={collection!r:.100} should be the name of one collection"
        )
    return str(collection)


def _folder(directory: object) -> Path | None:
    if directory is None:
        return None
    folder = check_path(directory, name="directory")
    if not folder.is_dir():
        raise InvalidQueryError(f"directory={str(folder)!r} is not a directory: create it first")
    return folder


def _of_table(table: Any, known: Collections) -> tuple[list[CurveFile], list[str]]:
    """Return the files of the objects of a table, and the datasets that it is from."""
    if not isinstance(table, Table) or not {"objectid", "collection"} <= set(table.colnames):
        raise InvalidQueryError(
            "dataset should be the name of a dataset, or a table with the columns objectid and "
            f"collection, as searches return; it is {type(table).__name__}"
        )
    columns = [
        name
        for name in ("objectid", "collection", "lcfname", "ra", "dec")
        if name in table.colnames
    ]
    values = {name: table[name] for name in columns}
    setid = table.meta.get("setid", [])
    setids = setid.split(",") if isinstance(setid, str) else list(setid)
    return files_of_rows(values, known), [check_setid(one) for one in setids if one]


def _names(files: list[CurveFile]) -> dict[str, str]:
    """Return the name of each object in the result, by all names that it has."""
    collections: dict[str, set] = {}
    for one in files:
        collections.setdefault(one.objectid, set()).add(one.collection)
    names = {}
    for one in files:
        short = len(collections[one.objectid]) == 1
        names[one.full_name] = one.objectid if short else one.full_name
        if short:
            names[one.objectid] = one.objectid
    return names
