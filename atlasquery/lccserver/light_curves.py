"""The queries for light curves: of one object, of all of a dataset, of a file."""

import os
import warnings
from functools import partial
from pathlib import Path

import astropy.units as u
from astropy.table import Table
from astropy.timeseries import TimeSeries
from astroquery import cache_conf

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.catalogue import check_collections, read_collections
from atlasquery.lccserver.csvlc import CsvLightCurve, parse_csvlc
from atlasquery.lccserver.curve_files import (
    Wanted,
    check_objectid,
    gather_curves,
    read_single,
    wait_for_dataset,
    wanted_rows,
)
from atlasquery.lccserver.datasets import check_setid
from atlasquery.lccserver.photometry import Choice, Prepared, prepare
from atlasquery.lccserver.searches import query_criteria
from atlasquery.lccserver.sending import check_timeout
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.collection import Collection as Products
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.warn import warn

__all__ = ["get_light_curve", "get_light_curves", "read"]


class Collection(LightCurveDisplay, Products):
    """Light curves of many objects by name, in the order of the rows of their dataset.

    Made by `LCCServerClass.get_light_curves`. Their files are read already; each becomes a
    table of its own when it is asked for.

    Parameters
    ----------
    what : str
        What its values are.
    key : callable
        Turns a name as a user gives it into a name as it is kept.
    """

    def __getitem__(self, object_id):
        made = super().__getitem__(object_id)
        if isinstance(made, Prepared):
            made = self._products[self._key(object_id)] = made.build()
        return made


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
) -> TimeSeries:
    """Fetch the light curve of an object.

    The server makes the file of a light curve when a search finds its object for the
    first time. Where that has not happened, this makes it happen, with a search for
    this object alone.

    Parameters
    ----------
    objectid : str
        The name of the object, as in the column ``objectid`` of searches.
    collection : str
        The collection that it is of.
    mag_column : str, optional
        The column of the file whose magnitudes become ``mag``, such as ``"aep_001"``;
        by default the one that the collection names as its own, else the first.
    time_column : str, optional
        The column whose times become ``time``; by default those at the barycentre of
        the solar system, where there are any.
    magsys : {"AB", "Vega"}, optional
        The system of the magnitudes, if you know it: files do not say. Without it there
        is no ``flux``.
    cache : bool, optional
        Whether a stored file is used, for ``conf.light_curve_seconds``.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        The columns of `~atlasquery.lightcurve.SCHEMA`, then all columns of the file under
        their own names and with their units. ``time`` is in TDB for barycentric dates;
        ``meta["time_reference"]`` says what is known of it. ``band`` is the filter;
        ``flux`` and ``flux_err`` (uJy, of the object itself) are masked unless the
        magnitudes are AB; ``limiting_mag`` is masked and ``exposure_time`` NaN where the
        file does not have them. ``meta`` has ``magsys``, ``mag_column``,
        ``mag_err_column``, ``time_column``, ``coordinates`` and ``objectinfo``.

    Raises
    ------
    InvalidQueryError
        If there is no such collection or column; nothing was sent for it.
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
    (chosen,) = check_collections(_one(collection), known)
    one = Wanted.of(name, chosen, known)

    def make(one: Wanted, parsed: CsvLightCurve, when: float) -> Prepared:
        return _curve(self, one, parsed, when, choice, "get_light_curve")

    try:
        return read_single(self, one, make=make, cache=cache).build()
    except NotFoundError as error:
        # What is not there is not made yet; what is not known is refused otherwise.
        if error.status != 404:
            raise
    _have_made(self, one)
    return read_single(self, one, make=make, cache=False).build()


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
) -> Collection:
    """Fetch the light curves of all objects of a dataset, or of some of them.

    They come in the ZIP that the server makes of a dataset. Of more than 500 objects it
    makes none: then they are fetched in several ZIPs, of which each is asked for with a
    cross-match. What was fetched is kept as it arrives, so that a call after one that
    was killed goes on where that was.

    Parameters
    ----------
    dataset : `~astropy.table.Table` or str
        The result of a search, or rows of it, with the columns ``objectid`` and
        ``collection``; or the name of a dataset, for all of its rows.
    mag_column, time_column, magsys : str, optional
        As of `get_light_curve`.
    directory : path-like, optional
        Where the ZIPs are left, however many objects there are, each as
        ``lightcurves-<setid>.zip``; a later call uses them. What comes in no ZIP, as its
        position is not in `dataset`, is left there under its own name. By default they
        are kept in the cache.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait while the server collects the light curves; a bare number is in
        seconds. By default ``conf.wait_seconds``.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched: raise an
        error that has the rest as ``result``, or return the rest with a warning.
    cache : bool, optional
        Whether what was fetched before is used.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    Collection
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
        If the server still collects the light curves; call again to go on.

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
    if isinstance(dataset, str):
        setids = [check_setid(dataset)]
        rows = wait_for_dataset(self, setids[0], seconds).rows
        wanted = wanted_rows(rows.values, known)
    else:
        wanted, setids = _of_table(dataset, known)
    names = _names(wanted)
    found = Collection("TimeSeries", key=partial(_full_name, names))
    if not wanted:
        warn("the dataset has no objects", NoResultsWarning)
        return found

    def make(one: Wanted, parsed: CsvLightCurve, when: float) -> Prepared:
        return _curve(self, one, parsed, when, choice, "get_light_curves")

    outcomes = gather_curves(
        self, wanted, setids, make, folder=folder, timeout=seconds, cache=cache, progress=progress
    )
    for one, outcome in zip(wanted, outcomes, strict=True):
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
        total=len(wanted),
    )


def read(
    self: LCCServerQuery,
    source: str | bytes | os.PathLike,
    *,
    mag_column: str | None = None,
    time_column: str | None = None,
    magsys: str | None = None,
) -> TimeSeries:
    """Read the file of a light curve that is there already.

    Parameters
    ----------
    source : path-like or bytes
        A file of the format LCC-CSVLC-V1, or what is in one, packed by gzip or not.
    mag_column, time_column, magsys : str, optional
        As of `get_light_curve`; a file alone does not say which magnitudes the
        collection names as its own, so the first are taken.

    Returns
    -------
    `~astropy.timeseries.TimeSeries`
        As `get_light_curve` returns.

    Raises
    ------
    TableParseError
        If it is no such file, breaks off, or a line is not as its header says; the
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


def _curve(
    client: LCCServerQuery, one: Wanted, parsed: CsvLightCurve, when: float, choice, query: str
) -> Prepared:
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


def _have_made(client: LCCServerQuery, one: Wanted) -> None:
    """Let the server make the file of an object, with a search that finds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        found = query_criteria(
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


def _one(collection: object) -> str:
    if not isinstance(collection, str):
        raise InvalidQueryError(
            f"collection={collection!r:.100} should be the name of one collection"
        )
    return str(collection)


def _folder(directory: object) -> Path | None:
    if directory is None:
        return None
    folder = Path(directory)
    if not folder.is_dir():
        raise InvalidQueryError(f"directory={str(folder)!r} is no directory: make it first")
    return folder


def _of_table(table: object, known) -> tuple[list[Wanted], list[str]]:
    """Return the objects that a table names, and the datasets that it is of."""
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
    return wanted_rows(values, known), [check_setid(one) for one in setids if one]


def _names(wanted: list[Wanted]) -> dict[str, str]:
    """Return what each object is called, by all that it may be asked for by."""
    collections: dict[str, set] = {}
    for one in wanted:
        collections.setdefault(one.objectid, set()).add(one.collection)
    names = {}
    for one in wanted:
        short = len(collections[one.objectid]) == 1
        names[one.full_name] = one.objectid if short else one.full_name
        if short:
            names[one.objectid] = one.objectid
    return names
