"""Send the rows of a light curve in requests, and keep a record of the outcome of each row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import astropy.units as u
import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table

from atlasquery.exceptions import LoginError, RemoteServiceError, TableParseError, TimeoutError
from atlasquery.service.write_outcomes import WriteOutcome, may_be_unfinished
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.reads.names import source_path
from atlasquery.skyportal.uploads.rows import FLUX, LIMIT, PreparedRows, body
from atlasquery.skyportal.writes.changes import (
    DRY,
    ends_all,
    how_it_failed,
    id_column,
    is_refusal,
    message_of,
    read_fresh,
)
from atlasquery.tables import check_answer, convert_json

__all__ = [
    "PhotometrySender",
    "UploadRecord",
    "bodies",
    "most_rows",
    "own_points",
    "points_of",
    "upload_table",
]

# What the server takes in one request: rows, and bytes.
MOST_ROWS = 10000
MOST_BYTES = 10_000_000
TOO_LARGE = 413
# Its database takes so many values in one statement, and so many are stored of each row for each
# group that sees it.
MOST_VALUES = 65535
VALUES_OF_A_GROUP = 4
# All that it says when there are more: a link into the manual of the library that it uses.
TOO_MANY_VALUES = "sqlalche.me/e/"
PATH = "photometry"
# What the server calls a point that was sent without an origin.
NO_ORIGIN = "None"


class UploadRecord:
    """The outcome of each row of a light curve.

    Parameters
    ----------
    prepared : PreparedRows
        The light curve.
    """

    def __init__(self, prepared: PreparedRows):
        self.prepared = prepared
        self.outcomes = [
            WriteOutcome(False, f"Not sent: {reason}.")
            if reason
            else WriteOutcome(False, "Not tried.")
            for reason in prepared.reason
        ]
        self.new: list[bool | None] = [None] * len(prepared)
        self.uploads: list[str] = [""] * len(prepared)
        self.points: dict[str, int] = {}
        self.in_progress: Sequence[int] = ()

    def note(
        self,
        rows: Sequence[int],
        outcomes: Sequence[WriteOutcome],
        new: Sequence[bool | None],
        upload: str = "",
    ) -> None:
        """Write down the outcome of some rows.

        Parameters
        ----------
        rows : sequence of int
            The rows.
        outcomes : sequence of WriteOutcome
            The outcome of each.
        new : sequence of bool or None
            Whether each was new.
        upload : str, optional
            The upload id.
        """
        for row, outcome, fresh in zip(rows, outcomes, new, strict=True):
            self.outcomes[row], self.new[row], self.uploads[row] = outcome, fresh, upload
        if upload:
            self.points[upload] = len(rows)
        self.in_progress = ()

    def stopped(self) -> None:
        """Say that the rows in progress may be stored, and that others were not tried."""
        for row in self.in_progress:
            self.outcomes[row] = WriteOutcome(
                None, "Unknown: stopped before SkyPortal had answered."
            )

    def settle(self) -> None:
        """Give rows that are the same as another the outcome of that one."""
        for row, other in enumerate(self.prepared.same_as):
            if row != other:
                outcome = self.outcomes[other]
                self.outcomes[row] = outcome._replace(
                    message=f"Same as row {other}. {outcome.message}"
                )
                self.new[row], self.uploads[row] = self.new[other], self.uploads[other]

    def failures(self) -> list[tuple[str, str]]:
        """Return the rows that are not known to be stored, but for those left out by choice.

        Returns
        -------
        list of tuple
            ``"row N"`` and why.
        """
        return [
            (f"row {row}", outcome.message)
            for row, outcome in enumerate(self.outcomes)
            if not outcome.ok and not self.prepared.left_out[row]
        ]


def bodies(prepared: PreparedRows, shared: Mapping) -> Iterator[tuple[dict, list[int]]]:
    """Yield the requests that a light curve takes.

    Parameters
    ----------
    prepared : PreparedRows
        The light curve.
    shared : mapping
        What is the same for all rows.

    Yields
    ------
    body : dict
        What is sent.
    rows : list of int
        The rows in it.
    """
    largest = most_rows(shared.get("group_ids"))
    for _, rows in prepared.sent():
        chunks = [rows[n : n + largest] for n in range(0, len(rows), largest)][::-1]
        while chunks:
            chunk = chunks.pop()
            payload = body(prepared, chunk, shared)
            if len(chunk) > 1 and len(json.dumps(payload)) > MOST_BYTES:
                chunks += [chunk[len(chunk) // 2 :], chunk[: len(chunk) // 2]]
                continue
            yield payload, chunk


def most_rows(groups: Sequence[int] | str | None) -> int:
    """Return how many rows the server takes in one request.

    Parameters
    ----------
    groups : sequence of int, str or None
        The groups that are to see them.

    Returns
    -------
    int
        At least 1.
    """
    named = ["all"] if isinstance(groups, str) else set(groups or ())
    # The account's own group always sees them too.
    values = VALUES_OF_A_GROUP * (len(named) + 1)
    return max(1, min(MOST_ROWS, MOST_VALUES // values))


class PhotometrySender:
    """Send requests of photometry, and write down the outcome of their rows.

    A request is posted first, which gives an upload id and stores all of it or nothing.
    Where the server has a part of it, the rest is posted, which are new then beyond doubt,
    and what was there is put, which adds groups to it. Where the response was lost, or the
    server has points that this account may not see, all is put: that stores what is
    missing, and no point twice; new are those that belong to this account afterwards and
    were not there before.

    Parameters
    ----------
    client : SkyPortalQuery
        Client that sends the request.
    shared : mapping
        What is the same for all rows.
    record : UploadRecord
        Where it is written down.
    """

    def __init__(self, client: SkyPortalQuery, shared: Mapping, record: UploadRecord):
        self.client = client
        self.shared = shared
        self.record = record
        self.stop: Exception | None = None

    def send(self, payload: dict, rows: list[int]) -> None:
        """Send one request, unless a former one has ended the call.

        Parameters
        ----------
        payload : dict
            What is sent.
        rows : list of int
            The rows in it.
        """
        if self.stop is not None:
            self._same_for_all(rows, WriteOutcome(False, f"Not tried: {self.stop}", stop=self.stop))
            self.record.settle()
            return
        self.record.in_progress = rows
        try:
            data = self.client._change("POST", PATH, payload)
        except Exception as error:
            self._after_post(error, payload, rows)
        else:
            self._stored(data, rows, [True] * len(rows))
        self.record.settle()

    def _after_post(self, error: Exception, payload: dict, rows: list[int]) -> None:
        if self._is_final(error, rows):
            return
        if _is_too_much(error) and len(rows) > 1:
            # A server whose limit is lower than the one we know, or that adds groups by itself.
            half = len(rows) // 2
            for part in (rows[:half], rows[half:]):
                self.send(body(self.record.prepared, part, self.shared), part)
            return
        if not is_refusal(error):
            # Of a response that was lost it cannot be told what it had stored.
            self._put(payload, rows, None, f" At first: {how_it_failed(error)} ({error}).")
        elif _is_too_much(error):
            self._same_for_all(rows, WriteOutcome(False, str(error)))
        else:
            self._complete(payload, rows)

    def _complete(self, payload: dict, rows: list[int]) -> None:
        """Send what the server has in part: what is missing, and what is there."""
        existing = self._existing()
        if existing is None:
            self._put(payload, rows, None)
            return
        numbers, keys = existing
        present = [row for row in rows if self._key_of_row(row) in keys]
        missing = [row for row in rows if self._key_of_row(row) not in keys]
        if missing and present:
            self._post_missing(missing, numbers)
            if self.stop is None:
                self._put(body(self.record.prepared, present, self.shared), present, numbers)
            else:
                self._same_for_all(present, WriteOutcome(False, f"Not tried: {self.stop}"))
        else:
            self._put(payload, rows, numbers)

    def _post_missing(self, rows: list[int], before: set) -> None:
        payload = body(self.record.prepared, rows, self.shared)
        self.record.in_progress = rows
        try:
            data = self.client._change("POST", PATH, payload)
        except Exception as error:
            if self._is_final(error, rows):
                return
            lost = not is_refusal(error)
            note = f" At first: {how_it_failed(error)} ({error})." if lost else ""
            # A refusal may be due to points that this account may not see.
            self._put(payload, rows, None if lost else before, note)
        else:
            self._stored(data, rows, [True] * len(rows))

    def _put(self, payload: dict, rows: list[int], before: set | None, note: str = "") -> None:
        """Send what may be there in part; what was there before is known, or is not."""
        self.record.in_progress = rows
        try:
            data = self.client._change("PUT", PATH, payload)
        except Exception as error:
            if self._is_final(error, rows, note):
                return
            if is_refusal(error):
                self._same_for_all(
                    rows, WriteOutcome(False, getattr(error, "reason", None) or str(error))
                )
                return
            self._read_back(error, rows)
            return
        self._stored(data, rows, self._which_are_new(_ids(data), before, len(rows)), note)

    def _which_are_new(self, ids: list[int], before: set | None, n: int) -> list[bool | None]:
        """Return for each row whether it was new, None where that cannot be told."""
        if before is None or len(ids) != n:
            return [None] * n
        appeared = set(ids) - before
        created = set()
        if appeared:
            try:
                # The server answers for points that this account could not see before, too.
                found = own_points(self.client, self.shared["obj_id"])
            except Exception:
                # Whatever it is, the rows are stored: that nobody knows which were new is all.
                found = {}
            created = {number for number in appeared if found.get(number) is True}
            appeared -= {number for number in appeared if found.get(number) is False}
        return [True if one in created else None if one in appeared else False for one in ids]

    def _stored(self, data: Any, rows: list[int], new: list, note: str = "") -> None:
        """Write down a response that says that all rows are stored."""
        ids = _ids(data)
        if len(ids) != len(rows):
            count = len(ids) or "no"
            why = TableParseError(f"the response has {count} numbers for {len(rows)} rows")
            self._read_back(why, rows)
            return
        messages = {True: "Stored.", False: "Was there already.", None: "Stored, now or before."}
        outcomes = [
            WriteOutcome(True, messages[fresh] + note, int(number))
            for number, fresh in zip(ids, new, strict=True)
        ]
        self.record.note(rows, outcomes, new, str(data.get("upload_id") or ""))

    def _read_back(self, why: Exception, rows: list[int]) -> None:
        """Look which rows the server has, where it did not report it."""
        unfinished, what = may_be_unfinished(why), how_it_failed(why)
        try:
            numbers = {
                key: point["id"] for point in self._points() for key in self._keys_of_point(point)
            }
        except Exception as error:
            message = f"Unknown: {what} ({why}), and it could not be read back ({error})"
            self._same_for_all(rows, WriteOutcome(None, message))
            return
        outcomes = []
        for row in rows:
            number = numbers.get(self._key_of_row(row))
            if number is not None:
                outcomes.append(
                    WriteOutcome(
                        True,
                        f"Stored, now or before: {what}, and it is there ({why}).",
                        int(number),
                    )
                )
            elif unfinished:
                words = (
                    f"Unknown: {what}; it is not there, but the server may still be working on it"
                )
                outcomes.append(WriteOutcome(None, f"{words} ({why})."))
            else:
                outcomes.append(
                    WriteOutcome(False, f"Not stored: {what}, and it is not there ({why}).")
                )
        self.record.note(rows, outcomes, [None] * len(rows))

    def _existing(self) -> tuple[set, set] | None:
        """Return the numbers and the keys of the source's points, None if they cannot be read."""
        try:
            points = self._points()
            keys = {key for point in points for key in self._keys_of_point(point)}
            return {point["id"] for point in points}, keys
        except Exception:
            # Whatever it is, the rows can still be put, and are new or old for all we know.
            return None

    def _points(self) -> list[dict]:
        return points_of(self.client, self.shared["obj_id"])

    @staticmethod
    def _keys_of_point(point: Mapping) -> list[tuple]:
        where = (point.get("instrument_id"), point.get("origin"), point["filter"], point["mjd"])
        keys = [(*where, point.get("flux"), point.get("fluxerr"))]
        if point.get("flux") is None:
            # Sent as an error without a flux, or as a limit: the server shows both of either.
            keys.append((*where, LIMIT, point.get("limiting_mag")))
        return keys

    def _key_of_row(self, row: int) -> tuple:
        values, form = self.record.prepared.values, self.record.prepared.form[row]
        where = (
            self.shared["instrument_id"],
            self.shared.get("origin", NO_ORIGIN),
            values["filter"][row],
            values["mjd"][row],
        )
        if form == FLUX:
            return (*where, values["flux"][row], values["fluxerr"][row])
        return (*where, LIMIT, values["limiting_mag"][row])

    def _is_final(self, error: Exception, rows: list[int], note: str = "") -> bool:
        """Write down an error after which nothing more can be sent, and report it."""
        known = (LoginError, RemoteServiceError, TimeoutError, TableParseError)
        if ends_all(error):
            outcome = WriteOutcome(False, str(error), stop=error)
        elif not isinstance(error, known):
            outcome = WriteOutcome(None, f"Unknown: {error}", stop=error)
        elif not error.sent:
            outcome = WriteOutcome(False, f"Not sent: {error}", stop=error)
        else:
            return False
        if note:
            # The outcome of the first time, whose response was lost, is not known from this.
            outcome = WriteOutcome(None, f"Unknown.{note} Then: {error}", stop=error)
        self.stop = error
        self._same_for_all(rows, outcome)
        return True

    def _same_for_all(self, rows: list[int], outcome: WriteOutcome) -> None:
        self.record.note(rows, [outcome] * len(rows), [None] * len(rows))


class _Point(msgspec.Struct):
    # What tells points apart; all else is looked at where it is used.
    id: int | None = None


def points_of(client: SkyPortalQuery, source: str, **params: object) -> list[dict]:
    """Return the photometry of a source as it is on the server now.

    Parameters
    ----------
    client : SkyPortalQuery
        Client that sends the request.
    source : str
        The source.
    **params : object
        What else is asked for, by the server's names.

    Returns
    -------
    list of dict
        Its points, as they were sent.
    """
    asked = {"format": "both", "magsys": "ab", "individualOrSeries": "individual", **params}
    points = convert_json(
        read_fresh(client, source_path(source, "photometry"), asked),
        list[dict[str, Any]],
        f"the photometry of {source}",
    )
    convert_json(points, list[_Point], f"the photometry of {source}")
    for point in points:
        check_answer(point.get("obj_id"), source, "the source", service="SkyPortal")
    return points


def own_points(client: SkyPortalQuery, source: str) -> dict[int, bool | None]:
    """Return which points of a source belong to the account of the client.

    Parameters
    ----------
    client : SkyPortalQuery
        Client that sends the request.
    source : str
        The source.

    Returns
    -------
    dict of int to bool or None
        By the number of the point; None where the server does not say whose it is, as
        those of 2023 do not.
    """
    me = client._account_of_token().id
    return {
        point["id"]: _is_owned(point, me)
        for point in points_of(client, source, includeOwnerInfo=True)
    }


def _is_owned(point: Mapping, account: int) -> bool | None:
    owner = point.get("owner")
    number = owner.get("id") if isinstance(owner, Mapping) else None
    return None if number is None else number == account


def _ids(data: object) -> list[int]:
    """Return the numbers of points in a response; none where it has something else."""
    ids = data.get("ids") if isinstance(data, dict) else None
    if not isinstance(ids, list) or not all(isinstance(n, int) for n in ids):
        return []
    return ids


def _is_too_much(error: Exception) -> bool:
    """Return whether the server refuses as many rows at once."""
    reason = getattr(error, "reason", None) or ""
    return getattr(error, "status", None) == TOO_LARGE or (
        is_refusal(error) and TOO_MANY_VALUES in reason
    )


def upload_table(record: UploadRecord, meta: dict, plan: Mapping | None = None) -> Table:
    """Return a table with the outcome of each row, or with what would be sent of it.

    Parameters
    ----------
    record : UploadRecord
        The outcome of each row.
    meta : dict
        Where it comes from.
    plan : mapping, optional
        For a dry run: what would be sent with all rows.

    Returns
    -------
    `~astropy.table.Table`
        As `upload_photometry` describes it.
    """
    prepared, n = record.prepared, len(record.prepared)
    outcomes = record.outcomes
    if plan is not None:
        outcomes = [
            one if reason else WriteOutcome(None, DRY)
            for one, reason in zip(outcomes, prepared.reason, strict=True)
        ]
    mjd = prepared.values["mjd"]
    table = Table(meta=meta)
    table["row"] = np.arange(n)
    table["mjd"] = _column(mjd, np.float64, np.nan, u.d)
    table["filter"] = np.array(prepared.values["filter"], dtype=np.str_)
    table["ok"] = _column([one.ok for one in outcomes], bool, False)
    table["id"] = id_column([one.number for one in outcomes])
    table["new"] = _column(record.new, bool, False)
    table["upload_id"] = _column([text or None for text in record.uploads], np.str_, "")
    table["message"] = np.array([message_of(one) for one in outcomes], dtype=np.str_)
    for name, about in ABOUT.items():
        table[name].description = about
    if plan is None:
        table.meta["upload_ids"] = list(dict.fromkeys(filter(None, record.uploads)))
        table.meta["upload_points"] = [record.points[one] for one in table.meta["upload_ids"]]
        return table
    sent = [
        msgspec.json.encode(prepared.payload(row)).decode() if prepared.form[row] else ""
        for row in range(n)
    ]
    table["payload"] = np.array(sent, dtype=np.str_)
    table["payload"].description = "What would be sent of it, as JSON."
    kinds = {form: {**body(prepared, rows[:1], plan)} for form, rows in prepared.sent()}
    for kind in kinds.values():
        for key in ("mjd", "filter", "flux", "fluxerr", "mag", "magerr", "limiting_mag", "altdata"):
            kind.pop(key, None)
    table.meta["endpoint"] = f"POST {PATH}"
    table.meta["shared"] = kinds
    return table


ABOUT = {
    "row": "Number of the row in the light curve.",
    "mjd": "What is sent as its time, in UTC.",
    "filter": "The server's name of its band.",
    "ok": "Whether it is on the server now; masked where unknown.",
    "id": "The server's number of it.",
    "new": "False where it was there before; masked where unknown.",
    "upload_id": "What undo_upload takes; masked where the server gave none.",
    "message": "Why it was not stored, and what else there is to say.",
}


def _column(values: Sequence, dtype: type, fill: object, unit: object = None) -> MaskedColumn:
    mask = [value is None for value in values]
    plain = [fill if value is None else value for value in values]
    return MaskedColumn(plain, mask=mask, dtype=dtype, unit=unit)
