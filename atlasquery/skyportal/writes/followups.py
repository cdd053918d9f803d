"""Requests for follow-up observations: submitted, changed, withdrawn."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError, TableParseError
from atlasquery.service.inputs import suggest
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json
from atlasquery.skyportal.reads.followups import PAGE
from atlasquery.skyportal.reads.names import (
    check_number_id,
    each_number,
    each_source,
    find_group_ids,
)
from atlasquery.skyportal.writes.changes import (
    Change,
    change_each,
    is_recent,
    read_fresh,
)
from atlasquery.tables import check_answer, convert_json

__all__ = ["delete_followup", "submit_followup", "update_followup"]

#: What may keep the server from submitting a request.
CONSTRAINTS = (
    "not_if_duplicates", "source_group_ids", "not_if_classified", "not_if_spectra_exist",
    "not_if_tns_classified", "not_if_tns_reported", "not_if_assignment_exists",
    "ignore_source_group_ids", "ignore_allocation_ids", "radius",
)  # fmt: skip
# The words for a request that is stored, but did not reach the telescope.
FAILED = ("failed", "rejected", "error")
# What the server says of a number that it does not have.
GONE = "Could not retrieve followup request"

Groups = int | str | Sequence | None


class _Request(msgspec.Struct):
    # What a request is stored again with.
    obj_id: str
    allocation_id: int
    id: int | None = None


def submit_followup(
    self: SkyPortalQuery,
    source_ids: str | int | Sequence,
    allocation: int,
    payload: Mapping,
    *,
    groups: Groups = None,
    constraints: Mapping | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Ask for follow-up observations of sources.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids; each becomes a separate request.
    allocation : int
        The number of the allocation whose time is used.
    payload : mapping
        What is asked for, by the names of the instrument's form, such as
        ``{"start_date": ..., "end_date": ..., "priority": 3}``. Times may be
        `~astropy.time.Time`; quantities are refused.
    groups : int, str or sequence, optional
        Groups by name or number that the results are shared with.
    constraints : mapping, optional
        When not to submit it: ``not_if_duplicates``, ``not_if_classified``,
        ``not_if_spectra_exist``, ``not_if_tns_classified``, ``not_if_tns_reported`` (hours),
        ``not_if_assignment_exists``, ``source_group_ids``, ``ignore_source_group_ids``,
        ``ignore_allocation_ids``, ``radius`` (arcsec).
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent; names of groups are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not submitted: raise an error
        that has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (of the request) and ``message``, in the order
        given. A request that the server has stored, but could not pass on to the
        telescope, is not ``ok`` and has an ``id``. Where a response was lost the server is
        asked what it has: the same request of the last ten minutes counts as this one.
        With `dry_run` also ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not submitted.

    References
    ----------
    The ``followup_request`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> asked = {"start_date": "2026-05-02", "end_date": "2026-05-09", "priority": 3}
    >>> plan = SkyPortal.submit_followup("ATLAS24abc", 1, asked, dry_run=True)
    >>> print(plan["endpoint"][0])
    followup_request
    """
    number = check_number_id(allocation, name="allocation")
    if not isinstance(payload, Mapping):
        raise InvalidQueryError(f"payload={payload!r:.80} should be values by name")
    asked = as_json(payload)
    shared = {"allocation_id": number, "payload": asked, **_constraints(constraints)}
    if (numbers := find_group_ids(self, groups)) is not None:
        shared["target_group_ids"] = numbers
    changes = [
        Change(
            source,
            "POST",
            "followup_request",
            {"obj_id": source, **shared},
            done=_submitted,
            look=_request_finder(self, source, number, asked),
            refused=_request_looker(self, source, number, asked),
        )
        for source in each_source(source_ids)
    ]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="submit_followup")


def update_followup(
    self: SkyPortalQuery,
    request_id: int,
    *,
    payload: Mapping | None = None,
    status: str | None = None,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Change a follow-up request.

    Parameters
    ----------
    request_id : int
        The number of the request.
    payload : mapping, optional
        What is asked for from now on, in whole, as in `submit_followup`.
    status : str, optional
        Its status, such as ``"completed"``; set without asking the telescope. Either this
        or `payload` is given.
    groups : int, str or sequence, optional
        Groups by name or number that the results are shared with; with `payload`.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; the request is
        read anyway.
    on_error : {"raise", "warn"}, optional
        As in `submit_followup`.

    Returns
    -------
    `~astropy.table.Table`
        As `submit_followup`.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    RemoteServiceError
        If there is no such request.
    LoginError
        If there is no login.
    WriteError
        If it was not changed.

    References
    ----------
    The ``followup_request`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.update_followup(1, status="completed", dry_run=True)
    >>> print(plan["method"][0], plan["payload"][0])
    PUT {"status":"completed"}
    """
    number = check_number_id(request_id, name="request_id")
    if (payload is None) == (status is None):
        raise InvalidQueryError("give either payload or status")
    if status is not None:
        if groups is not None:
            raise InvalidQueryError("groups goes with payload, not with status")
        sent: dict = {"status": str(status)}
        about = f"request {number}"
    else:
        asked = as_json(payload)
        # The whole request is stored again: what is not given stays as it is.
        now = convert_json(
            read_fresh(self, f"followup_request/{number}"), _Request, f"the request {number}"
        )
        check_answer(now.id, number, "the request", service=self.service)
        about = now.obj_id
        sent = {
            "obj_id": now.obj_id,
            "allocation_id": now.allocation_id,
            "payload": asked,
        }
        if (numbers := find_group_ids(self, groups)) is not None:
            sent["target_group_ids"] = numbers
    change = Change(
        about,
        "PUT",
        f"followup_request/{number}",
        sent,
        done=lambda data: WriteOutcome(True, "Changed.", number),
        look=lambda began: _look_for_update(self, number, sent),
    )
    return change_each(self, [change], dry_run=dry_run, on_error=on_error, query="update_followup")


def delete_followup(
    self: SkyPortalQuery,
    request_ids: int | Sequence[int],
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Withdraw follow-up requests.

    Parameters
    ----------
    request_ids : int or sequence of int
        The numbers of one or many requests.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `submit_followup`.

    Returns
    -------
    `~astropy.table.Table`
        As `submit_followup`; ``source_id`` is ``"request N"``.

    Raises
    ------
    InvalidQueryError
        If a number is none; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not withdrawn.

    References
    ----------
    The ``followup_request`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.delete_followup([1, 2], dry_run=True)
    >>> print(plan["method"][1], plan["endpoint"][1])
    DELETE followup_request/2
    """
    given = each_number(request_ids)
    if not given:
        raise InvalidQueryError("request_ids is empty: give at least one number")

    def withdrawal(number: int) -> Change:
        return Change(
            f"request {number}",
            "DELETE",
            f"followup_request/{number}",
            done=lambda data: WriteOutcome(True, "Withdrawn.", number),
            look=lambda began: _look_for_none(self, number),
        )

    changes = [withdrawal(check_number_id(one, name="request_ids")) for one in given]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="delete_followup")


def _requests_of(
    client: SkyPortalQuery, source: str, allocation: int, asked: object, began: float
) -> list[dict]:
    """Return the requests of a source that are just like one, the newest last."""
    page = read_fresh(client, "followup_request", {"sourceID": source, "numPerPage": PAGE})
    return [
        row
        for row in sorted(page["followup_requests"], key=lambda row: row["id"])
        if row.get("obj_id") == source
        and row.get("allocation_id") == allocation
        and row.get("payload") == asked
        and is_recent(row, began)
    ]


def _request_finder(
    client: SkyPortalQuery, source: str, allocation: int, asked: object
) -> Callable[[float], WriteOutcome]:
    """Return what looks for a request whose response was lost."""

    def look(began: float) -> WriteOutcome:
        rows = _requests_of(client, source, allocation, asked, began)
        if not rows:
            return WriteOutcome(False, "there is no such request")
        return _stored(rows[-1])

    return look


def _request_looker(
    client: SkyPortalQuery, source: str, allocation: int, asked: object
) -> Callable[[RemoteServiceError], WriteOutcome | None]:
    """Return what looks for a request that was refused: it may be stored anyway."""

    def look(error: RemoteServiceError) -> WriteOutcome | None:
        # What was stored before this one has another outcome.
        rows = _requests_of(client, source, allocation, asked, time.time())
        if not rows or not _has_failed(rows[-1].get("status")):
            return None
        stored = _stored(rows[-1])
        return stored._replace(message=f"{error.reason} ({stored.message})")

    return look


def _look_for_update(client: SkyPortalQuery, number: int, sent: dict) -> WriteOutcome:
    now = _request_now(client, number)
    same = all(now.get(key) == sent[key] for key in ("payload", "status") if key in sent)
    return WriteOutcome(same, "it is changed" if same else "it is as it was", number)


def _request_now(client: SkyPortalQuery, number: int) -> dict:
    what = f"the request {number}"
    now = convert_json(read_fresh(client, f"followup_request/{number}"), dict, what)
    check_answer(now.get("id"), number, "the request", service=client.service)
    return now


def _look_for_none(client: SkyPortalQuery, number: int) -> WriteOutcome:
    try:
        now = _request_now(client, number)
    except RemoteServiceError as error:
        if GONE in (error.reason or "") or error.status == 404:
            return WriteOutcome(True, "it is not there", number)
        raise
    gone = "delete" in str(now.get("status", "")).lower()
    return WriteOutcome(gone, f"its status is {now.get('status')!r}", number)


def _constraints(given: Mapping | None) -> dict:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidQueryError(f"constraints={given!r:.80} should be values by name")
    for name in given:
        if name not in CONSTRAINTS:
            raise InvalidQueryError(f"constraints has {name!r}{suggest(name, CONSTRAINTS)}")
    return as_json(given, "constraints")


def _submitted(data: object) -> WriteOutcome:
    """Return the outcome of a request, from the response to it."""
    if isinstance(data, dict) and data.get("id") is None and data.get("message"):
        return WriteOutcome(False, f"Not submitted: {data['message']}")
    if not isinstance(data, dict) or data.get("id") is None:
        # Which says neither that it was stored nor why not: it is read back.
        raise TableParseError("it has no number of the request", service="SkyPortal")
    status = data.get("request_status")
    if _has_failed(status):
        return WriteOutcome(False, f"Stored, but not passed on: {status}", int(data["id"]))
    return WriteOutcome(True, _words_of(status), int(data["id"]))


def _words_of(status: object) -> str:
    return f"Submitted, with the status {status!r}." if status else "Submitted."


def _stored(row: dict) -> WriteOutcome:
    status = row.get("status")
    failed = _has_failed(status)
    words = f"it is stored as request {row['id']} with the status {status!r}"
    return WriteOutcome(not failed, words, int(row["id"]))


def _has_failed(status: object) -> bool:
    return str(status or "").lower().startswith(FAILED)
