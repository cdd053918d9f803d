"""Undo an upload of photometry: delete what it created, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from astropy.table import Column, Table

from atlasquery.exceptions import InvalidQueryError, LoginError, RemoteServiceError
from atlasquery.service.log import log
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.uploads.sender import points_of
from atlasquery.skyportal.writes.changes import Change
from atlasquery.tables import convert_json

__all__ = ["UndoPlan", "Uploaded", "is_missing_permission", "read_uploads"]

NEEDED = ("row", "mjd", "filter", "ok", "id", "new", "upload_id")
BULK = "Delete bulk photometry"
# A time goes through JSON, a database and perhaps a file.
SAME_TIME = 1e-7


@dataclass
class Uploaded:
    """What an upload created, as its table has it.

    Parameters
    ----------
    source : str
        The source.
    points : dict of int to tuple
        The time (MJD) and the filter of each new point.
    uploads : dict of int to str
        The upload id of each that has one.
    sizes : dict of str to int
        How many points each upload created.
    doubtful : int
        How many rows may have been there before.
    """

    source: str
    points: dict[int, tuple[float | None, str]] = field(default_factory=dict)
    uploads: dict[int, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    doubtful: int = 0


def read_uploads(table: Table) -> Uploaded:
    """Return what is new in the table of an upload.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `upload_photometry` returned, or some of its rows, from a file too.

    Returns
    -------
    Uploaded
        The points that were new.

    Raises
    ------
    InvalidQueryError
        If it is no such table.
    """
    if not isinstance(table, Table) or not set(NEEDED) <= set(table.colnames):
        raise InvalidQueryError("upload should be the table that upload_photometry returned")
    source = table.meta.get("source_id")
    if not isinstance(source, str) or not source:
        raise InvalidQueryError(
            "upload.meta has no 'source_id', which upload_photometry writes there: without it "
            "nobody can check whose the points are. Set it to the id of the source"
        )
    found = Uploaded(source)
    # Files keep masks and strings each in their own way.
    columns = (_values(table[name]) for name in ("mjd", "filter", "id", "new", "upload_id"))
    for mjd, band, number, new, upload in zip(*columns, strict=True):
        if number is None:
            continue
        if new is None:
            found.doubtful += 1
        elif new:
            found.points[int(number)] = mjd, str(band)
            if upload:
                found.uploads[int(number)] = str(upload)
    names, counts = (table.meta.get(key) for key in ("upload_ids", "upload_points"))
    if isinstance(names, Sequence) and isinstance(counts, Sequence) and len(names) == len(counts):
        found.sizes = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
    return found


class _Owner(msgspec.Struct):
    id: int
    username: str | None = None


class _Shown(msgspec.Struct):
    # A point as it is on the server; servers of 2023 do not say whose it is.
    id: int
    mjd: float
    filter: str
    owner: _Owner | None = None


class UndoPlan:
    """The requests that undo what an upload created, each point verified before.

    Parameters
    ----------
    client : SkyPortalQuery
        Client that sends the request.
    uploaded : Uploaded
        What the upload created.

    Attributes
    ----------
    settled : list of tuple
        ``"point N"`` and the outcome of each point that nothing is sent for.
    bulk : list of Change
        Requests that delete all points of an upload id, where all of them are verified.
    single : list of Change
        Requests that delete one point.
    """

    def __init__(self, client: SkyPortalQuery, uploaded: Uploaded):
        self.client = client
        self.uploaded = uploaded
        account = client._account_of_token()
        points = points_of(client, uploaded.source, includeOwnerInfo=True)
        points = convert_json(points, list[_Shown], f"the photometry of {uploaded.source}")
        existing = {point.id: point for point in points}
        self.settled: list[tuple[str, WriteOutcome]] = []
        self.verified: list[int] = []
        deleted = []
        for number in uploaded.points:
            if number not in existing:
                message = "Was undone before: it is not there."
                self.settled.append((f"point {number}", WriteOutcome(True, message, number)))
                deleted.append(number)
            elif why := self._why_not_ours(number, existing[number], account.id):
                self.settled.append(
                    (f"point {number}", WriteOutcome(False, f"Stays: {why}.", number))
                )
            else:
                self.verified.append(number)
        self.bulk, one_by_one = self._by_upload(deleted, allowed=BULK in account.permissions)
        self.single = [self._deletion(number) for number in one_by_one]

    def announce(self) -> None:
        """Log how many requests are sent, where points go one at a time."""
        n, rate = len(self.single), self.client.conf.requests_per_second
        if n > 1:
            span = f", in about {n / rate:.0f} s" if rate > 0 and n > 2 * rate else ""
            log.info(f"SkyPortal: {n} points are deleted one at a time with {n} requests{span}")

    def one_by_one(self, uploads: Sequence[Change]) -> list[Change]:
        """Return the requests that do what some of `bulk` would.

        Parameters
        ----------
        uploads : sequence of Change
            Of `bulk`.

        Returns
        -------
        list of Change
            One for each point.
        """
        names = {change.about.removeprefix("upload ") for change in uploads}
        return [
            self._deletion(number)
            for number in self.verified
            if self.uploaded.uploads.get(number) in names
        ]

    def _why_not_ours(self, number: int, point: _Shown, account: int) -> str:
        """Return why a point is not one that this account's upload created; empty if it is."""
        mjd, band = self.uploaded.points[number]
        other_time = mjd is None or abs(point.mjd - mjd) > SAME_TIME
        if other_time or point.filter != band:
            return "it is another measurement than the one uploaded"
        if point.owner is not None and point.owner.id != account:
            return f"it belongs to {point.owner.username or 'another account'}"
        if point.owner is None and number not in self.uploaded.uploads:
            return "this server does not say whose it is"
        return ""

    def _by_upload(self, deleted: list[int], *, allowed: bool) -> tuple[list[Change], list[int]]:
        """Return what goes by upload id, where that deletes nothing else, and the points left."""
        members: dict[str, list[int]] = {}
        for number in self.verified:
            members.setdefault(self.uploaded.uploads.get(number, ""), []).append(number)
        single, bulk = members.pop("", []), []
        before = [self.uploaded.uploads.get(number) for number in deleted]
        for upload, numbers in members.items():
            known = len(numbers) + before.count(upload)
            if allowed and len(numbers) > 1 and self.uploaded.sizes.get(upload) == known:
                bulk.append(self._change(f"upload {upload}", f"bulk_delete/{upload}", numbers))
            else:
                single += numbers
        return bulk, single

    def _deletion(self, number: int) -> Change:
        return self._change(f"point {number}", str(number), [number])

    def _change(self, about: str, path: str, numbers: Sequence[int]) -> Change:
        look = self._looker(numbers)
        point = numbers[0] if about.startswith("point") else None

        def refused(error: RemoteServiceError) -> WriteOutcome | None:
            if not look(0.0).ok:
                return None
            why = error.reason
            return WriteOutcome(True, f"Was undone before: nothing of it is there ({why})", point)

        return Change(
            about,
            "DELETE",
            f"photometry/{path}",
            done=lambda data: WriteOutcome(
                True, data if data and isinstance(data, str) else "Undone.", point
            ),
            look=look,
            refused=refused,
        )

    def _looker(self, numbers: Sequence[int]) -> Callable[[float], WriteOutcome]:
        def look(began: float) -> WriteOutcome:
            existing = {point["id"] for point in points_of(self.client, self.uploaded.source)}
            rest = existing & set(numbers)
            return WriteOutcome(not rest, f"{len(rest)} of {len(numbers)} points are still there")

        return look


def is_missing_permission(outcome: WriteOutcome) -> bool:
    """Return whether a write was refused because the token may not do it.

    Parameters
    ----------
    outcome : WriteOutcome
        The outcome of it.

    Returns
    -------
    bool
        True for a status of 401.
    """
    return isinstance(outcome.stop, LoginError) and outcome.stop.status == 401


def _values(column: Column) -> list:
    """Return the values of a column, None where they are masked."""
    mask = np.broadcast_to(getattr(column, "mask", False), len(column))
    values = np.asarray(column).tolist()
    return [None if masked else value for value, masked in zip(values, mask, strict=True)]
