"""Requests for follow-up observations: submitted, watched, changed, withdrawn, scheduled."""

import time
import warnings
from collections.abc import Mapping, Sequence

import msgspec
from astropy.io import ascii as ascii_tables
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, RemoteServiceError
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.skyportal.changes import Change, ChangeQueries, Outcome
from atlasquery.skyportal.envelope import open_envelope
from atlasquery.skyportal.paging import PagedQueries
from atlasquery.skyportal.references import ReferenceQueries, check_number_id, each_source
from atlasquery.skyportal.words import as_json, check_source_id, iso, params_of
from atlasquery.tables import Column, Columns, Rows, Timestamp, build_table, decode_rows

__all__ = ["FollowupQueries"]

#: What may keep the server from submitting a request.
CONSTRAINTS = (
    "not_if_duplicates", "source_group_ids", "not_if_classified", "not_if_spectra_exist",
    "not_if_tns_classified", "not_if_tns_reported", "not_if_assignment_exists",
    "ignore_source_group_ids", "ignore_allocation_ids", "radius",
)  # fmt: skip
SCHEDULES = {"csv": "csv", "pdf": "pdf", "png": "png"}
# "max 1000" (contract)
PAGE = 1000
# The words for a request that is stored, but did not reach the telescope.
FAILED = ("failed", "rejected", "error")
# What the server says of a number that it does not have.
GONE = "Could not retrieve followup request"

FOLLOWUP = Columns(
    "a follow-up request",
    Column("id", int, about="Number of the request.", required=True),
    Column("obj_id", str, to="source_id", about="Id of the source."),
    Column("status", str, about="What became of the request, in the server's words."),
    Column("allocation_id", int, about="Number of the allocation."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("instrument", str, about="Name of the instrument."),
    Column("requester", str, about="Who made the request."),
    Column("requester_id", int, about="Number of who made the request."),
    Column("last_modified_by_id", int, about="Number of who last changed it."),
    Column("comment", str, about="A comment on the request."),
    Column("payload", str, about="What was asked for, as JSON."),
    Column("created_at", Timestamp, about="When the request was made."),
    Column("modified", Timestamp, about="When the request was last changed."),
)

Groups = int | str | Sequence | None
When = Time | str | float | None


class FollowupQueries(ChangeQueries, ReferenceQueries, PagedQueries):
    """The methods for follow-up requests."""

    def submit_followup(
        self,
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
            One or many ids; each becomes a request of its own.
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
            looked up all the same.
        on_error : {"raise", "warn"}, optional
            What to do after the last when some were not submitted: raise an error
            that has the table as ``result``, or return the table with a warning.

        Returns
        -------
        `~astropy.table.Table`
            ``source_id``, ``ok``, ``id`` (of the request) and ``message``, in the order
            given. A request that the server has stored, but could not pass on to the
            telescope, is not ``ok`` and has an ``id``. Where an answer was lost the server is
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
        if (numbers := self._group_ids(groups)) is not None:
            shared["target_group_ids"] = numbers
        changes = [
            Change(
                source,
                "POST",
                "followup_request",
                {"obj_id": source, **shared},
                done=_submitted,
                look=self._request_finder(source, number, asked),
                refused=self._request_looker(source, number, asked),
            )
            for source in each_source(source_ids)
        ]
        return self._change_each(
            changes, dry_run=dry_run, on_error=on_error, query="submit_followup"
        )

    def update_followup(
        self,
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
            read all the same.
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
            # The whole request is stored anew: what is not given stays as it is.
            now = self._fresh(f"followup_request/{number}")
            about = str(now["obj_id"])
            sent = {
                "obj_id": now["obj_id"],
                "allocation_id": now["allocation_id"],
                "payload": as_json(payload),
            }
            if (numbers := self._group_ids(groups)) is not None:
                sent["target_group_ids"] = numbers
        change = Change(
            about,
            "PUT",
            f"followup_request/{number}",
            sent,
            done=lambda data: Outcome(True, "Changed.", number),
            look=lambda began: self._look_for_update(number, sent),
        )
        return self._change_each(
            [change], dry_run=dry_run, on_error=on_error, query="update_followup"
        )

    def delete_followup(
        self,
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
        given = [request_ids] if isinstance(request_ids, (int, str)) else list(request_ids)
        if not given:
            raise InvalidQueryError("request_ids is empty: give at least one number")
        changes = []
        for one in given:
            number = check_number_id(one, name="request_ids")
            changes.append(
                Change(
                    f"request {number}",
                    "DELETE",
                    f"followup_request/{number}",
                    done=lambda data, number=number: Outcome(True, "Withdrawn.", number),
                    look=lambda began, number=number: self._look_for_none(number),
                )
            )
        return self._change_each(
            changes, dry_run=dry_run, on_error=on_error, query="delete_followup"
        )

    def query_followups(
        self,
        *,
        source_id: str | int | None = None,
        allocation: int | None = None,
        instrument: int | str | None = None,
        status: str | None = None,
        start: When = None,
        end: When = None,
        observation_start: When = None,
        observation_end: When = None,
        max_rows: int | None = None,
        cache: bool | None = None,
    ) -> Table:
        """Look for follow-up requests.

        Parameters
        ----------
        source_id : str or int, optional
            The id of a source, in whole: the server takes a part of it for it too, and
            such requests are left out here.
        allocation : int, optional
            The number of an allocation.
        instrument : int or str, optional
            An instrument by name or number.
        status : str, optional
            A part of the status.
        start, end : `~astropy.time.Time`, str or float, optional
            When the request was made; a bare number is an MJD.
        observation_start, observation_end : `~astropy.time.Time`, str or float, optional
            The bounds of the time for which observations were asked.
        max_rows : int, optional
            Rows wanted at most, -1 for all; ``conf.max_rows`` by default.
        cache : bool, optional
            Whether stored answers are used.

        Returns
        -------
        `~astropy.table.Table`
            A row for each request: ``id``, ``source_id``, ``status``, ``allocation_id``,
            ``instrument_id``, ``instrument``, ``requester``, ``comment``, ``payload`` (JSON),
            ``created_at`` and ``modified`` (`~astropy.time.Time`), and what a newer server
            sends besides.

        Raises
        ------
        InvalidQueryError
            If an argument is not what it should be; nothing was sent.
        LoginError
            If the instance shows requests to nobody without a token.

        Warns
        -----
        MaxResultsWarning
            If there are more.
        NoResultsWarning
            If there is none.

        References
        ----------
        The ``followup_request`` endpoint of the API of SkyPortal,
        https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> requests = SkyPortal.query_followups(source_id="ATLAS24abc")
        >>> requests["status"][0]
        np.str_('submitted')
        """
        params = {
            "sourceID": None if source_id is None else check_source_id(source_id),
            "allocationID": _optional_number(allocation, "allocation"),
            "instrumentID": None if instrument is None else self._find_instrument(instrument)["id"],
            "status": status,
            "startDate": _optional_time(start, "start"),
            "endDate": _optional_time(end, "end"),
            "observationStartDate": _optional_time(observation_start, "observation_start"),
            "observationEndDate": _optional_time(observation_end, "observation_end"),
            "includeObjThumbnails": False,
        }
        found = self._pages(
            "followup_request",
            {key: value for key, value in params.items() if value is not None},
            key="followup_requests",
            decode=_decode_requests,
            page_size=PAGE,
            max_rows=max_rows,
            cache=cache,
            what="follow-up requests",
        )
        rows, wanted = found.rows, params["sourceID"]
        if wanted is not None:
            rows = rows.take(rows.values["source_id"] == wanted)
        asked = {key: str(value) for key, value in params.items() if value is not None}
        table = build_table(rows, meta=self._meta(found.when, query="query_followups", **asked))
        if not len(table):
            warnings.warn("no such follow-up request", NoResultsWarning, stacklevel=3)
        return table

    def get_followup_schedule(
        self,
        instrument: int | str,
        *,
        source_id: str | int | None = None,
        status: str | None = None,
        start: When = None,
        end: When = None,
        observation_start: When = None,
        observation_end: When = None,
        output: str = "csv",
    ) -> Table | bytes:
        """Let the server plan the requests of an instrument.

        Parameters
        ----------
        instrument : int or str
            The instrument by name or number.
        source_id : str or int, optional
            A part of the id of the sources.
        status : str, optional
            A part of the status of the requests.
        start, end : `~astropy.time.Time`, str or float, optional
            When the requests were made; a bare number is an MJD.
        observation_start, observation_end : `~astropy.time.Time`, str or float, optional
            When is observed; by default from now for twelve hours.
        output : {"csv", "pdf", "png"}, optional
            A table, or a picture of it.

        Returns
        -------
        `~astropy.table.Table` or bytes
            The plan with the columns that the server has, for ``"csv"``; else the file.

        Raises
        ------
        InvalidQueryError
            If an argument is not what it should be; nothing was sent.
        RemoteServiceError
            If there is nothing to plan.

        References
        ----------
        The ``followup_request/schedule`` endpoint of the API of SkyPortal,
        https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> plan = SkyPortal.get_followup_schedule("ATLAS", observation_start="2026-05-02")
        >>> plan.colnames[0]
        'target'
        """
        check_choice(output, name="output", known=SCHEDULES)
        number = self._find_instrument(instrument)["id"]
        params = {
            "sourceID": None if source_id is None else check_source_id(source_id),
            "status": status,
            "startDate": _optional_time(start, "start"),
            "endDate": _optional_time(end, "end"),
            "observationStartDate": _optional_time(observation_start, "observation_start"),
            "observationEndDate": _optional_time(observation_end, "observation_end"),
            "output_format": output,
        }
        # Planned anew each time, from now on.
        response = self._ask(
            f"followup_request/schedule/{number}", params_of(params), headers={"Accept": "*/*"}
        )
        kind = response.headers.get("Content-Type", "")
        if "json" in kind.lower():
            # A file has no envelope: this is an error in one.
            words = open_envelope(response.content).decode(errors="replace")
            raise RemoteServiceError(
                f"SkyPortal has sent no schedule: {words}", service=self.service, url=response.url
            )
        if output != "csv":
            return response.content
        text = response.content.decode("utf-8")
        table = ascii_tables.read(text, format="csv") if text.strip() else Table()
        table.meta.update(
            self._meta(time.time(), query="get_followup_schedule", instrument_id=number)
        )
        return table

    def _requests_of(self, source: str, allocation: int, asked: object, began: float) -> list[dict]:
        """Return the requests of a source that are just like one, the newest last."""
        page = self._fresh("followup_request", {"sourceID": source, "numPerPage": PAGE})
        return [
            row
            for row in sorted(page["followup_requests"], key=lambda row: row["id"])
            if row.get("obj_id") == source
            and row.get("allocation_id") == allocation
            and row.get("payload") == asked
            and self._recent(row, began)
        ]

    def _request_finder(self, source: str, allocation: int, asked: object):
        """Return what looks for a request whose answer was lost."""

        def look(began: float) -> Outcome:
            rows = self._requests_of(source, allocation, asked, began)
            if not rows:
                return Outcome(False, "there is no such request")
            return _stored(rows[-1])

        return look

    def _request_looker(self, source: str, allocation: int, asked: object):
        """Return what looks for a request that was refused: it may be stored all the same."""

        def look(error: RemoteServiceError) -> Outcome | None:
            try:
                # What was stored before this one has another fate.
                rows = self._requests_of(source, allocation, asked, time.time())
            except Exception:
                return None
            if not rows or not _has_failed(rows[-1].get("status")):
                return None
            stored = _stored(rows[-1])
            return stored._replace(message=f"{error.reason} ({stored.message})")

        return look

    def _look_for_update(self, number: int, sent: dict) -> Outcome:
        now = self._fresh(f"followup_request/{number}")
        same = all(now.get(key) == sent[key] for key in ("payload", "status") if key in sent)
        return Outcome(same, "it is changed" if same else "it is as it was", number)

    def _look_for_none(self, number: int) -> Outcome:
        try:
            now = self._fresh(f"followup_request/{number}")
        except RemoteServiceError as error:
            if GONE in (error.reason or "") or error.status == 404:
                return Outcome(True, "it is not there", number)
            raise
        gone = "delete" in str(now.get("status", "")).lower()
        return Outcome(gone, f"its status is {now.get('status')!r}", number)


def _constraints(given: Mapping | None) -> dict:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidQueryError(f"constraints={given!r:.80} should be values by name")
    for name in given:
        if name not in CONSTRAINTS:
            raise InvalidQueryError(f"constraints has {name!r}{suggest(name, CONSTRAINTS)}")
    return as_json(given, "constraints")


def _submitted(data: object) -> Outcome:
    """Say what became of a request from the answer to it."""
    if not isinstance(data, dict) or data.get("id") is None:
        words = data.get("message") if isinstance(data, dict) else None
        return Outcome(False, f"Not submitted: {words or 'the server gave it no number'}")
    status = data.get("request_status")
    if _has_failed(status):
        return Outcome(False, f"Stored, but not passed on: {status}", int(data["id"]))
    return Outcome(True, _words_of(status), int(data["id"]))


def _words_of(status: object) -> str:
    return f"Submitted, with the status {status!r}." if status else "Submitted."


def _stored(row: dict) -> Outcome:
    status = row.get("status")
    failed = _has_failed(status)
    words = f"it is stored as request {row['id']} with the status {status!r}"
    return Outcome(not failed, words, int(row["id"]))


def _has_failed(status: object) -> bool:
    return str(status or "").lower().startswith(FAILED)


def _decode_requests(text: bytes) -> Rows:
    """Return requests without all that the server tells of their source and its owners."""
    rows = []
    for row in msgspec.json.decode(text):
        allocation, requester = row.get("allocation") or {}, row.get("requester") or {}
        instrument = allocation.get("instrument") or {}
        nested = (
            "obj", "allocation", "requester", "last_modified_by", "watchers", "target_groups",
            "transactions", "transaction_requests", "photometry", "photometric_series", "spectra",
        )  # fmt: skip
        plain = {key: value for key, value in row.items() if key not in nested}
        plain["payload"] = msgspec.json.encode(row.get("payload")).decode()
        plain["requester"] = requester.get("username")
        plain["instrument_id"] = instrument.get("id")
        plain["instrument"] = instrument.get("name")
        rows.append(plain)
    return decode_rows(FOLLOWUP, msgspec.json.encode(rows), undeclared_as_text=True)


def _optional_number(value: object, name: str) -> int | None:
    return None if value is None else check_number_id(value, name=name)


def _optional_time(value: When, name: str) -> str | None:
    return None if value is None else iso(value, name)
