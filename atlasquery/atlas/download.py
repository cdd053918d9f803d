"""Bulk reads into files: downloads that can be resumed, whatever ended the program."""

import itertools
import os
from typing import Literal, overload

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery, Ids
from atlasquery.atlas.bulk import WORTH_A_BAR, check_bulk, chunked_reads, estimated_requests
from atlasquery.atlas.collection import known_items
from atlasquery.atlas.download_directory import DownloadDirectory, check_age, read_dataset
from atlasquery.atlas.download_update import (
    UPDATES,
    UpdatePlan,
    not_looked_at,
    plan_update,
    read_update,
)
from atlasquery.atlas.parquet_files import KINDS, require_pyarrow
from atlasquery.atlas.stored_light_curves import StoredLightCurves
from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.service.failures import deliver, some
from atlasquery.service.inputs import check_choice
from atlasquery.service.pool import progress_bar
from atlasquery.warn import warn

__all__ = ["download_sources", "read_sources"]

# The kinds of light curves that are built from files.
CURVES = ("light_curves", "forced_photometry")


def download_sources(
    self: AtlasQuery,
    atlas_ids: Ids,
    directory: str | os.PathLike,
    *,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    on_error: str = "warn",
    max_age: u.Quantity | None = None,
    update: str | None = None,
    look_back: u.Quantity | str = "7 d",
    progress: bool = True,
) -> Table:
    """Download many objects to Parquet files, or resume an earlier download.

    The directory has a folder for each kind of row (``objects``,
    ``detections``, ``non_detections``, ``forced``, ``sherlock_crossmatches``,
    ``sherlock_classifications``, ``crossmatches``) and a manifest of the
    valid files. Objects that are in the directory are not requested again, whatever
    ended the call that fetched them; those that failed are tried again. With
    `update` only what is new of them is requested.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The 19-digit ids; one given twice is requested once.
    directory : path-like
        The directory, ``~`` for your home; it is created if it does not exist.
        Later calls may add other ids to it.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time of the rows; a bare number is an MJD. The
        default is the full history. They are the same for all of a directory.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched.
    max_age : `~astropy.units.Quantity` or str, optional
        Objects fetched longer ago than this are fetched again. By default
        they are kept. With `update`, those that were looked at longer ago than
        this are looked at again, by default all.
    update : {None, "changed", "all"}, optional
        Whether stored objects are looked at again. ``"all"`` asks for the
        rows since the last one of each, for 500 objects in a request, and for its
        catalogue entry and cross-matches. ``"changed"`` first takes the lists on which
        they are, with a request for each, and asks only for objects that have a later
        detection or another catalogue entry there.
    look_back : `~astropy.units.Quantity` or str, optional
        With `update`, the time before the last row of an object from which on its
        rows are replaced by those that the server has now, so that rows which were
        late are found. Earlier rows are kept as they are.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    `~astropy.table.Table`
        A row for each id, in the order requested: ``atlas_id``; ``status``
        (``"fetched"``; ``"kept"`` from an earlier call; ``"stale"`` if an
        earlier one could not be renewed; ``"failed"``); the number of rows of
        each kind; ``reason`` where it failed. With `update` there are
        three more kinds of status (``"updated"``; ``"checked"`` if the
        server had nothing new; ``"unchanged"`` if its list had nothing new, so that it was not
        asked for), and columns ``new_rows`` (rows added to the light curve) and ``since`` (Time;
        masked where not asked); ``meta["not_looked_at"]`` names the changes that were not seen.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be, the directory was begun with
        another `start` or `end` or from another server, or another process writes
        to it; or the directory cannot be used. Nothing was sent.
    IncompleteResultError
        If some objects failed, with ``on_error="raise"``; ``result`` is the table.
    LoginError
        If there is no login, or the server refuses it before any object arrived.
    QuotaError
        If no request is left in the hour, and ``conf.on_quota`` is not ``"wait"``;
        nothing was sent. Or if the server reports it before any object arrived.
    ImportError
        If pyarrow is missing: it comes with ``atlasquery[parquet]``.

    Warns
    -----
    LargeQueryWarning
        If there are more requests to send than are left in the hour: with
        ``conf.on_quota = "wait"`` it will wait, otherwise the rest fails, and a
        later call fetches it.
    InputWarning
        If some objects failed, or a file was damaged or removed, whose objects are
        then fetched again.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"]
    >>> done = Atlas.download_sources(ids, "nightly")
    >>> done["status"].tolist()
    ['fetched', 'fetched']
    >>> Atlas.download_sources(ids, "nightly")["status"].tolist()
    ['kept', 'kept']
    >>> Atlas.download_sources(ids, "nightly", update="all")["status"].tolist()
    ['checked', 'checked']
    >>> entries = Atlas.read_sources("nightly", "objects")
    >>> entries["name"].tolist()
    ['ATLAS26zy', 'ATLAS26zz']
    """
    require_pyarrow()
    ids, window = check_bulk(atlas_ids, start, end, on_error)
    age, days = check_age(max_age), _check_look_back(look_back)
    if update is not None:
        check_choice(update, name="update", known=UPDATES)
    # The login may name the server, whose rows are not mixed with another's.
    self._auth(required=False)
    with DownloadDirectory(
        directory, window=window, server=self.server, clock=self._clock
    ) as downloads:
        if downloads.damaged:
            warn(_damage(downloads.damaged), InputWarning)
        todo = downloads.missing(ids, None if update else age)
        plan = UpdatePlan()
        if update:
            stored = downloads.stored(ids, age)
            plan = plan_update(self, stored, downloads, window, update=update, look_back=days)
            downloads.keep_unchanged(plan.unchanged)
        if todo or plan.since:
            _announce(self, todo, plan, window)
            _download(self, todo, plan, window, downloads, progress)
        table, failures = downloads.summary(ids, plan.since if update else None)
        if update:
            table.meta["not_looked_at"] = not_looked_at(plan)
    return deliver(
        table,
        failures,
        on_error=on_error,
        service=self.service,
        total=len(ids),
    )


@overload
def read_sources(
    self: AtlasQuery,
    directory: str | os.PathLike,
    kind: Literal["light_curves", "forced_photometry"] = "light_curves",
) -> StoredLightCurves: ...
@overload
def read_sources(self: AtlasQuery, directory: str | os.PathLike, kind: str) -> Table: ...
def read_sources(
    self: AtlasQuery, directory: str | os.PathLike, kind: str = "light_curves"
) -> StoredLightCurves | Table:
    """Read light curves, or the rows of one kind, fetched by `download_sources`.

    Parameters
    ----------
    directory : path-like
        The directory.
    kind : str, optional
        ``"light_curves"`` or ``"forced_photometry"`` for the light curves by id that
        `get_light_curves` and ``forced_photometry`` of sources are; or, for the
        rows of all objects as they were sent, ``"objects"``, ``"detections"``,
        ``"non_detections"``, ``"forced"``, ``"sherlock_crossmatches"``,
        ``"sherlock_classifications"`` or ``"crossmatches"``.

    Returns
    -------
    `~atlasquery.atlas.StoredLightCurves` or `~astropy.table.Table`
        A mapping of light curves, each built from the files when it is accessed. Or
        the rows of all objects, with ``atlas_id`` first; units, descriptions
        and masks as from the server. Columns that this version does not know
        hold strings, JSON where the server sent another type.

    Raises
    ------
    InvalidQueryError
        If there is no such kind, or nothing was downloaded to the directory.
    TableParseError
        If a file is damaged.
    ImportError
        If pyarrow is missing: it comes with ``atlasquery[parquet]``.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> ids = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"]
    >>> _ = Atlas.download_sources(ids, "nightly")
    >>> detections = Atlas.read_sources("nightly", "detections")
    >>> detections.colnames[:4], detections["signed_mag"].unit
    (['atlas_id', 'time', 'band', 'signed_mag'], Unit("mag"))
    >>> curves = Atlas.read_sources("nightly")
    >>> curves[ids[0]].meta["object"], curves[ids[0]]["flux"].unit
    ('ATLAS26zy', Unit("uJy"))
    """
    require_pyarrow()
    check_choice(kind, name="kind", known=(*CURVES, *KINDS))
    if kind in CURVES:
        return StoredLightCurves(directory, forced=kind == "forced_photometry")
    return read_dataset(directory, kind)


def _announce(client: AtlasQuery, ids: list[int], plan: UpdatePlan, window: tuple) -> None:
    """Announce the cost of new objects and of an update."""
    concurrency = client.conf.concurrency
    n = estimated_requests(len(ids), window[0], concurrency) + plan.requests(concurrency)
    total = len(ids) + len(plan.since)
    cost = f"up to {n} requests for {total} objects, and more if some fail"
    client._announce(n, cost, logged=n > 1, resumable=True)


def _download(
    client: AtlasQuery,
    ids: list[int],
    plan: UpdatePlan,
    window: tuple,
    downloads: DownloadDirectory,
    progress: bool,
) -> None:
    total = len(ids) + len(plan.since)
    done = 0
    with progress_bar(total, shown=progress and total >= WORTH_A_BAR) as bar:
        for is_new, chunk in itertools.chain(
            ((True, chunk) for chunk in chunked_reads(client, ids, lambda part: window[0], False)),
            ((False, chunk) for chunk in read_update(client, plan)),
        ):
            failures: list = []
            known = list(known_items(chunk, client, failures))
            if is_new:
                downloads.add(known, failures)
            else:
                downloads.update(known, failures, plan.since)
            done += len(chunk.ids)
            bar.update(done)
            del chunk, known


def _check_look_back(look_back: u.Quantity | str) -> float:
    seconds = check_age(look_back, name="look_back")
    if seconds is None:
        raise InvalidQueryError("look_back=None should be a time with its unit, such as '7 d'")
    return seconds / 86400


def _damage(damaged: list[tuple[str, int]]) -> str:
    objects = sum(count for _, count in damaged)
    return (
        f"damaged or gone: {some([name for name, _ in damaged])}; {objects} objects were in these "
        "files, and are fetched again when they are requested"
    )
