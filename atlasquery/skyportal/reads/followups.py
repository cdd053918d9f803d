"""Requests for follow-up observations: found, and planned for a night."""

import time
from typing import Any, TypeAlias

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle
from astropy.io import ascii as ascii_tables
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import NoResultsWarning, RemoteServiceError, TableParseError
from atlasquery.service.http_errors import server_message
from atlasquery.service.inputs import check_choice
from atlasquery.service.pool import run_all
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id, iso, params_of
from atlasquery.skyportal.reads.names import check_number_id, find_instrument, instrument_number
from atlasquery.skyportal.reads.paging import check_limit, read_pages
from atlasquery.skyportal.tables.columns import ASSIGNMENT, FOLLOWUP
from atlasquery.skyportal.tables.decoders import part_of
from atlasquery.tables import (
    Rows,
    build_table,
    decode_json,
    decode_rows,
    read_by_library,
    stack_rows,
)
from atlasquery.warn import warn

__all__ = [
    "PAGE",
    "get_assignments",
    "get_followup_schedule",
    "query_followups",
]


SCHEDULES = ("csv", "pdf", "png")
# What a schedule calls the number of a row, as astropy reads it, and the columns of it renamed.
UNNAMED = ("col0", "col1", "")
SCHEDULE_NAMES = {"object_id": "target"}
# See docs/servers/skyportal.rst, "Pages".
PAGE = 1000


When: TypeAlias = Time | str | float | None


def query_followups(
    self: SkyPortalQuery,
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
    get_query_payload: bool = False,
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
        Requests whose whole time is inside: they ask for observations that begin not
        before the one and end not after the other.
    max_rows : int, optional
        Rows wanted at most, -1 for all; ``conf.max_rows`` by default.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

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
    times = (start, end, observation_start, observation_end)
    params = {
        **_selection(source_id, status, *times),
        "allocationID": _optional_number(allocation, "allocation"),
        "includeObjThumbnails": False,
    }
    check_limit(self, max_rows)
    number = None if instrument is None else instrument_number(instrument)
    if get_query_payload and instrument is not None and number is None:
        # The number of an instrument that is given by its name is requested first.
        return self._query_payload("instrument")
    if get_query_payload:
        return self._query_payload("followup_request", {**params, "instrumentID": number})
    if instrument is not None:
        params["instrumentID"] = find_instrument(self, instrument)["id"]
    found = read_pages(
        self,
        "followup_request",
        {key: value for key, value in params.items() if value is not None},
        key="followup_requests",
        decode=_decode_requests,
        page_size=PAGE,
        max_rows=max_rows,
        cache=cache,
        what="follow-up requests",
    )
    rows, source = found.rows, params["sourceID"]
    if source is not None:
        rows = rows.take(rows.values["source_id"] == source)
    asked = {key: str(value) for key, value in params.items() if value is not None}
    table = build_table(rows, meta=self._meta(found.when, query="query_followups", **asked))
    if not len(table):
        warn("no such follow-up request", NoResultsWarning)
    return table


def get_followup_schedule(
    self: SkyPortalQuery,
    instrument: int | str,
    *,
    source_id: str | int | None = None,
    status: str | None = None,
    start: When = None,
    end: When = None,
    observation_start: When = None,
    observation_end: When = None,
    output: str = "csv",
    get_query_payload: bool = False,
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
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table` or bytes
        For ``"csv"`` the plan: ``request_id``, ``target`` (the id of the source), ``ra``,
        ``dec`` (deg), ``observation_start``, ``observation_end``
        (`~astropy.time.Time`), ``exposure_time`` (s), ``filter``, ``requester`` and what
        else the server has; else the file.

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
    >>> print(plan["target"][0], plan["ra"][0], plan["ra"].unit)
    ATLAS24abc 150.1163 deg
    """
    check_choice(output, name="output", known=SCHEDULES)
    times = (start, end, observation_start, observation_end)
    params = {**_selection(source_id, status, *times), "output_format": output}
    number = instrument_number(instrument)
    if get_query_payload and number is None:
        # The number of an instrument that is given by its name is requested first.
        return self._query_payload("instrument")
    if get_query_payload:
        return self._query_payload(f"followup_request/schedule/{number}", params)
    number = find_instrument(self, instrument)["id"]
    # Planned again each time, from now on.
    response = self._ask(
        f"followup_request/schedule/{number}", params_of(params), headers={"Accept": "*/*"}
    )
    kind = response.headers.get("Content-Type", "")
    if "json" in kind.lower():
        # A file has no envelope: this is an error in one.
        raise RemoteServiceError(
            f"SkyPortal has sent no schedule: {server_message(response)}",
            service=self.service,
            url=response.url,
        )
    if output != "csv":
        return response.content
    with read_by_library("the schedule"):
        table = _decode_schedule(response.content)
    table.meta.update(self._meta(time.time(), query="get_followup_schedule", instrument_id=number))
    return table


class _RunNumber(msgspec.Struct):
    id: int


def get_assignments(
    self: SkyPortalQuery,
    *,
    run_id: int | None = None,
    source_id: str | int | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Read the targets of observing runs.

    Parameters
    ----------
    run_id : int, optional
        The number of a run; by default all runs are read, each with one request.
    source_id : str or int, optional
        The id of a source.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each: ``id``, ``source_id``, ``run_id``, ``priority``, ``status``,
        ``comment``, ``requester``, ``rise_time``, ``set_time``, ``created_at`` and
        ``modified`` (`~astropy.time.Time`), and what a newer server sends besides. What
        the server does not send is masked, such as ``rise_time`` of a source that is
        never up.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If the instance shows them to nobody without a token.
    NotFoundError
        If there is no such run.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    The ``observing_run/{id}`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> targets = SkyPortal.get_assignments(run_id=1)
    >>> str(targets["source_id"][0])
    'ATLAS24abc'
    """
    run = None if run_id is None else check_number_id(run_id, name="run_id")
    source = None if source_id is None else check_source_id(source_id)
    if get_query_payload:
        return self._query_payload("observing_run" if run is None else f"observing_run/{run}")
    rows, when = _targets(self, _run_numbers(self, cache) if run is None else [run], cache)
    if source is not None:
        rows = rows.take(rows.values["source_id"] == source)
    asked = {"run_id": run, "source_id": source}
    table = build_table(rows, meta=self._meta(when, query="get_assignments", **asked))
    if not len(table):
        warn("no such assignment", NoResultsWarning)
    return table


def _run_numbers(client: SkyPortalQuery, cache: bool | None) -> list[int]:
    runs, _ = client._fetch(
        "observing_run",
        decode=lambda text: msgspec.json.decode(text, type=list[_RunNumber]),
        lifetime=client.conf.list_seconds,
        cache=cache,
    )
    return [one.id for one in runs]


def _targets(client: SkyPortalQuery, runs: list[int], cache: bool | None) -> tuple[Rows, float]:
    """Return the targets of runs, each by itself: the list of all takes the server long."""

    def read(run: int) -> tuple[Rows, float]:
        return client._fetch(
            f"observing_run/{run}",
            decode=lambda text: _decode_assignments(_assignments_of(text)),
            lifetime=client.conf.list_seconds,
            cache=cache,
            unknown=f"observing run {run}",
        )

    answers = run_all(
        read, runs, concurrency=client.conf.concurrency, interrupt=client._clock.interrupt
    )
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    parts = [_decode_assignments(b"[]"), *(rows for rows, _ in answers)]
    when = min((when for _, when in answers), default=client._clock.now())
    return stack_rows(*parts), when


def _assignments_of(text: bytes) -> bytes:
    """Return the targets in an observing run."""
    run = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    if "assignments" not in run:
        raise TableParseError("an observing run without its targets", service="SkyPortal")
    return bytes(run["assignments"])


def _decode_assignments(text: bytes) -> Rows:
    """Return assignments without all that the server tells of their source and its owners."""
    nested = (
        "obj", "run", "last_modified_by", "spectra", "photometry", "photometric_series",
        "accessible_group_names",
    )  # fmt: skip
    rows = []
    for row in decode_json(text, list[dict[str, Any]] | None, "the assignments") or []:
        # A source that never rises has an empty text as its time.
        plain = {key: None if value == "" else value for key, value in row.items()}
        plain = {key: value for key, value in plain.items() if key not in nested}
        plain["requester"] = part_of(row, "requester").get("username")
        rows.append(plain)
    return decode_rows(ASSIGNMENT, msgspec.json.encode(rows), undeclared_as_text=True)


def _decode_schedule(body: bytes) -> Table:
    """Return a plan, whose positions the server writes sexagesimally and whose rows it counts."""
    text = body.decode("utf-8", "replace")
    if not text.strip():
        return Table()
    try:
        # As lines: a text of one line would be taken for the name of a file.
        table = ascii_tables.read(text.splitlines(), format="csv", fill_values=[("", "0")])
        # The number of the row has no name.
        table.remove_columns([name for name in table.colnames if name in UNNAMED])
        for name, target in SCHEDULE_NAMES.items():
            if name in table.colnames and target not in table.colnames:
                table.rename_column(name, target)
        if "target" not in table.colnames:
            raise ValueError(f"it has no target, but {', '.join(table.colnames)!r:.100}")
        _read_positions(table)
        for name in ("observation_start", "observation_end"):
            if name in table.colnames:
                table[name] = Time(np.asarray(table[name], str), scale="utc")
    except (ascii_tables.InconsistentTableError, ValueError, TypeError) as error:
        raise TableParseError(f"SkyPortal has sent no schedule: {error}") from error
    if "exposure_time" in table.colnames:
        table["exposure_time"].unit = u.s
    return table


def _read_positions(table: Table) -> None:
    """Turn positions into degrees; servers of 2023 write them so."""
    if not {"ra", "dec"} <= set(table.colnames):
        return
    for name, unit in (("ra", u.hourangle), ("dec", u.deg)):
        values = np.asarray(table[name])
        texts = values.dtype.kind in "US"
        table[name] = Angle(values, unit=unit).to_value(u.deg) if texts else values.astype(float)
        table[name].unit = u.deg


def _decode_requests(text: bytes) -> Rows:
    """Return requests without all that the server tells of their source and its owners."""
    rows = []
    for row in decode_json(text, list[dict[str, Any]], "the follow-up requests"):
        allocation, requester = part_of(row, "allocation"), part_of(row, "requester")
        instrument = part_of(allocation, "instrument")
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


def _selection(
    source_id: str | int | None,
    status: str | None,
    start: When,
    end: When,
    observation_start: When,
    observation_end: When,
) -> dict[str, Any]:
    """Return the criteria of requests by the server's names, None where one is not given."""
    return {
        "sourceID": None if source_id is None else check_source_id(source_id),
        "status": status,
        "startDate": _optional_time(start, "start"),
        "endDate": _optional_time(end, "end"),
        "observationStartDate": _optional_time(observation_start, "observation_start"),
        "observationEndDate": _optional_time(observation_end, "observation_end"),
    }


def _optional_number(value: object, name: str) -> int | None:
    return None if value is None else check_number_id(value, name=name)


def _optional_time(value: When, name: str) -> str | None:
    return None if value is None else iso(value, name)
