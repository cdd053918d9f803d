"""Updates of downloads: which stored objects are asked for, and from when on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery
from atlasquery.atlas.bulk import chunked_reads, estimated_requests, fitting_objects
from atlasquery.atlas.download_directory import DownloadDirectory, StoredObject, read_dataset
from atlasquery.atlas.list_names import DETECTION_LISTS
from atlasquery.atlas.lists import list_payload, list_rows
from atlasquery.exceptions import RemoteServiceError, TableParseError, TimeoutError
from atlasquery.service.chunks import Chunk
from atlasquery.service.inputs import UNIX_MJD
from atlasquery.tables import build_table

__all__ = ["UPDATES", "UpdatePlan", "not_looked_at", "plan_update", "read_update"]

UPDATES = ("changed", "all")
# Lists from which few objects return: they have only grown since the survey began, and are too
# large for a request.
GROWING = ("garbage", "attic", "stars", "agn", "movers", "pm_stars", "duplicates")
# What a list and the catalogue entry of an object both have.
SHARED = (
    "name", "tns_name", "list_id", "followup_flag_date", "spec_type", "sherlock_class",
    "vra_rank", "real_bogus", "date_modified",
)  # fmt: skip
# Objects whose rows are requested from about the same time on share requests: an object is asked
# for its rows of at most this many times as many days as it has to be.
BUCKET = 4.0
# Time stamps are written with six digits, and dates with whole seconds.
SAME_DAY, SAME_DATE = 1e-5, 2.0


@dataclass
class UpdatePlan:
    """What is asked for in an update.

    Parameters
    ----------
    since : dict of int to float
        For each object to ask for, the MJD from which on its rows are; -inf for all.
    stored : dict of int to StoredObject
        What is known of each object.
    unchanged : list of int
        The objects of which a list has nothing new.
    """

    since: dict[int, float] = field(default_factory=dict)
    stored: Mapping[int, StoredObject] = field(default_factory=dict)
    unchanged: list[int] = field(default_factory=list)

    def groups(self) -> list[list[int]]:
        """Return the ids in groups with about the same time, those of one file together.

        Those come first that were not looked at for the longest time, as the quota of an hour
        may end before the others.

        Returns
        -------
        list of list of int
            The ids.
        """
        newest = max(self.since.values(), default=0.0)
        checked = [self.stored[atlas_id].checked for atlas_id in self.since]
        middle = (max(checked) + min(checked)) / 2 if checked else 0.0
        found: dict[tuple[bool, int], list[int]] = {}
        for atlas_id, mjd in self.since.items():
            days = min(newest - mjd, 1e6) if np.isfinite(newest) else 0.0
            bucket = int(np.log(days + 1) / np.log(BUCKET))
            key = self.stored[atlas_id].checked > middle, bucket
            found.setdefault(key, []).append(atlas_id)
        return [
            sorted(ids, key=lambda atlas_id: self.stored[atlas_id].chunk)
            for _, ids in sorted(found.items())
        ]

    def start_of(self, ids: Iterable[int]) -> float | None:
        """Return the first MJD to ask for.

        Parameters
        ----------
        ids : iterable of int
            The ids of a request.

        Returns
        -------
        float or None
            None for all rows.
        """
        first = min(self.since[atlas_id] for atlas_id in ids)
        return first if np.isfinite(first) else None

    def requests(self, concurrency: int) -> int:
        """Return the largest number of requests if none fails.

        Parameters
        ----------
        concurrency : int
            Number of requests at a time.

        Returns
        -------
        int
            An estimate.
        """
        return sum(_estimate(len(ids), self.start_of(ids), concurrency) for ids in self.groups())


def plan_update(
    client: AtlasQuery,
    stored: Mapping[int, StoredObject],
    downloads: DownloadDirectory,
    window: tuple,
    *,
    update: str,
    look_back: float,
) -> UpdatePlan:
    """Return what to ask for, which takes a request for each list that is worth one.

    Parameters
    ----------
    client : AtlasQuery
        Client that sends the requests.
    stored : mapping of int to StoredObject
        The objects to look at.
    downloads : DownloadDirectory
        Where they are.
    window : tuple of float or None
        The first and last MJD of the rows in the directory.
    update : str
        One of `UPDATES`.
    look_back : float
        Days before the last row of an object from which on its rows are requested again.

    Returns
    -------
    UpdatePlan
        The plan.
    """
    since = {}
    for atlas_id, one in stored.items():
        mjd = -np.inf if one.last is None else one.last - look_back
        since[atlas_id] = mjd if window[0] is None else max(mjd, window[0])
    plan = UpdatePlan(since, stored)
    if update == "changed" and plan.requests(client.conf.concurrency) > 2:
        plan.unchanged = _unchanged(client, plan, downloads, window, look_back)
        for atlas_id in plan.unchanged:
            del plan.since[atlas_id]
    return plan


def read_update(client: AtlasQuery, plan: UpdatePlan) -> Iterator[Chunk]:
    """Iterate over the responses.

    Parameters
    ----------
    client : AtlasQuery
        Client that sends the requests.
    plan : UpdatePlan
        What to ask for.

    Yields
    ------
    Chunk
        Some of the ids, with their response or error.
    """
    for ids in plan.groups():
        first = fitting_objects(plan.start_of(ids))
        yield from chunked_reads(client, ids, plan.start_of, False, first=first)


def not_looked_at(plan: UpdatePlan) -> list[str]:
    """Return what an update cannot see, as sentences.

    Parameters
    ----------
    plan : UpdatePlan
        What was asked for.

    Returns
    -------
    list of str
        One for each kind of change that may have been missed.
    """
    found = []
    if plan.since:
        found.append(
            f"{len(plan.since)} objects: rows of light curves and forced photometry before "
            "'since', of which the server cannot say whether they were revised, added or deleted"
        )
    if plan.unchanged:
        found.append(
            f"{len(plan.unchanged)} objects 'unchanged': their list has no later detection and no "
            "other catalogue entry; non-detections, forced photometry, detections before the "
            "last, and cross-matches were not looked at"
        )
    return found


def _estimate(count: int, start: float | None, concurrency: int) -> int:
    return min(
        estimated_requests(count, start, concurrency),
        concurrency * int(np.ceil(count / fitting_objects(start) / concurrency)),
    )


def _unchanged(
    client: AtlasQuery,
    plan: UpdatePlan,
    downloads: DownloadDirectory,
    window: tuple,
    look_back: float,
) -> list[int]:
    """Return the objects whose list entries are not newer than what is stored."""
    entries = read_dataset(downloads.path, "objects")
    entries = entries[np.isin(entries["atlas_id"], list(plan.stored))]
    numbers = np.ma.filled(np.ma.asarray(entries["list_id"]), -1)
    found: list[int] = []
    for one in DETECTION_LISTS:
        members = entries[numbers == one.number]
        ids = members["atlas_id"].tolist()
        alone = UpdatePlan({i: plan.since[i] for i in ids}, plan.stored)
        # An object on no list is requested itself, as are a few objects of a list.
        if one.name in GROWING or alone.requests(client.conf.concurrency) <= 2:
            continue
        try:
            rows, _ = list_rows(client, one, list_payload(one), None)
        except (RemoteServiceError, TableParseError, TimeoutError):
            continue
        listed = build_table(rows, meta={})
        seen = _last_known(plan.stored, window, look_back)
        found += _not_newer(members, listed, plan.stored, seen)
    return found


def _last_known(
    stored: Mapping[int, StoredObject], window: tuple, look_back: float
) -> dict[int, float]:
    """Return the MJD up to which detections of each object are known or outside the window."""
    start, end = window
    known = {}
    for atlas_id, one in stored.items():
        mjds = [mjd for mjd in (one.detected, start) if mjd is not None]
        # Nothing is new in a window that had ended long before it was looked at.
        over = end is not None and one.checked / 86400 + UNIX_MJD - look_back > end
        known[atlas_id] = np.inf if over else max(mjds, default=-np.inf)
    return known


def _not_newer(
    members: Table, listed: Table, stored: Mapping[int, StoredObject], seen: Mapping[int, float]
) -> list[int]:
    """Return the ids of entries with which the rows of their list agree."""
    row_of = {int(atlas_id): n for n, atlas_id in enumerate(listed["atlas_id"])}
    members = members[[int(atlas_id) in row_of for atlas_id in members["atlas_id"]]]
    ids = members["atlas_id"].tolist()
    listed = listed[[row_of[atlas_id] for atlas_id in ids]]
    same = np.ones(len(ids), bool)
    for name in SHARED:
        if name in members.colnames and name in listed.colnames:
            same &= _equal(members[name], listed[name])
    latest: np.ndarray = np.ma.filled(np.ma.asarray(listed["latest_mjd"], float), np.nan)
    known = np.array([seen[atlas_id] for atlas_id in ids])
    # Without a detection in the list there should be none here either.
    none = np.array([stored[atlas_id].detected is None for atlas_id in ids], bool)
    same &= np.where(np.isnan(latest), none, latest <= known + SAME_DAY)
    return [atlas_id for atlas_id, agrees in zip(ids, same, strict=True) if agrees]


def _equal(one: Any, other: Any) -> np.ndarray:
    """Return where two columns have the same values, or both have none."""
    absent = [np.broadcast_to(getattr(column, "mask", False), len(one)) for column in (one, other)]
    if isinstance(one, Time) and isinstance(other, Time):
        near = np.abs((one - other).to_value("s")) < SAME_DATE
    else:
        near = np.ma.getdata(one) == np.ma.getdata(other)
    return np.where(absent[0] | absent[1], absent[0] == absent[1], np.ma.filled(near, False))
