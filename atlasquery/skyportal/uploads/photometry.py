"""Upload light curves: no row lost, none twice, the outcome of each; and undo an upload."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import InputWarning, InvalidQueryError, attach
from atlasquery.lightcurve.schema import Conventions
from atlasquery.service.failures import check_on_error
from atlasquery.service.write_outcomes import WriteOutcome, report_failures
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_text
from atlasquery.skyportal.reads.names import each_source, find_group_ids, find_instrument
from atlasquery.skyportal.uploads.rows import PreparedRows, prepare_rows
from atlasquery.skyportal.uploads.sender import PhotometrySender, UploadRecord, bodies, upload_table
from atlasquery.skyportal.uploads.undo import (
    UndoPlan,
    Uploaded,
    is_missing_permission,
    read_uploads,
)
from atlasquery.skyportal.writes.changes import (
    Change,
    attempt_change,
    change_each,
    record_stop,
)
from atlasquery.tables import convert_json
from atlasquery.warn import warn

__all__ = ["undo_upload", "upload_photometry"]

# How many rows a message names.
NAMED = 3
# Reference positions that are light-minutes away from the observatory.
POSITIONS = {"barycenter": "at the barycentre", "heliocenter": "at the Sun"}

Groups = int | str | Sequence | None


def upload_photometry(
    self: SkyPortalQuery,
    lc: Table,
    source_id: str | int,
    instrument: int | str,
    groups: Groups = None,
    *,
    origin: str | None = None,
    bands: Mapping[str, str] | None = None,
    flagged: str | None = None,
    altdata: Sequence[str] = (),
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Upload a light curve to a source.

    Fluxes are sent as such, signed, in µJy of the AB system, so that nothing is lost;
    where only a limit is known, the limit with its sigma. To upload the same light
    curve again changes nothing.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve of any survey, with ``time``, ``band``, and ``flux`` with
        ``flux_err``, ``mag`` with ``mag_err``, or ``limiting_mag``, these in AB.
        Times are sent in UTC, whatever their scale.
    source_id : str or int
        The source, which the server must have; see `save_source`.
    instrument : int or str
        The instrument by name or number.
    groups : int, str or sequence, optional
        Groups by name or number that see it, or ``"all"``. By default the server shows it
        to the account's own group only.
    origin : str, optional
        Where it comes from, such as ``"fp"``. The server takes the same point of two
        origins for two points.
    bands : mapping of str to str, optional
        The server's names of bands, such as ``{"o": "atlaso"}``. Those of ATLAS, ZTF
        and LSST are known, and so are bands that are filters of the instrument.
    flagged : {"send", "skip"}, optional
        What to do with the rows that `~atlasquery.lightcurve.clean` has flagged as bad;
        must be said where there are some.
    altdata : sequence of str, optional
        Columns of `lc` to go with each point, such as ``["exposure"]``.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; the instrument, and
        names of groups, are looked up anyway.
    on_error : {"raise", "warn"}, optional
        With ``"raise"`` nothing is sent if there are rows that cannot be, and an
        error that has the table as ``result`` is raised after the last row if some
        were not stored. With ``"warn"`` such rows are left out, and the table is
        returned with a warning.

    Returns
    -------
    `~astropy.table.Table`
        A row for each of `lc`, in its order:

        ========= ===== ============================================================
        row       int   number of the row in `lc`
        mjd       d     what is sent as its time, in UTC; masked where unknown
        filter    str   the server's name of its band
        ok        bool  whether it is on the server now; masked where unknown
        id        int   the server's number of it
        new       bool  False where it was there before; masked where unknown
        upload_id str   what `undo_upload` takes; masked where the server gave none
        message   str   why it was not stored, and what else there is to say
        ========= ===== ============================================================

        Rows that the server cannot tell apart have one ``id``. With `dry_run` also
        ``payload``, what would be sent of each, and ``meta["shared"]``, what
        would be sent with all of them. ``meta["upload_ids"]`` has all upload ids.

    Raises
    ------
    InvalidQueryError
        If `lc` is not a light curve, has rows that cannot be sent, or flagged rows and no
        `flagged`; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some rows are not known to be stored.

    Warns
    -----
    InputWarning
        If the times are of the barycentre or the Sun, which are not converted; and of
        rows that were not stored, with ``on_error="warn"``.

    Notes
    -----
    Rows go in requests of at most 10,000 and 10 MB; with groups of fewer, as the server's
    database takes 65,535 values at once, four for each row and group, the account's
    own among them. The server stores all of a request or nothing. Of one that it has in
    part already, what is missing is sent again, and what is there is sent as an update,
    which stores no point twice and adds groups; so is one whose response was lost; if that
    is lost too, the photometry is read back. A point counts as new if it was not there
    before and belongs to this account afterwards.

    A point whose flux or error has changed, as after a new reduction, is another point
    to the server: undo the upload of the old one.

    The limit of a row with a flux error is not sent: the server shows 5 errors
    instead. Name ``limiting_mag`` in `altdata` to keep that of the exposure.

    References
    ----------
    The ``photometry`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas, SkyPortal
    >>> from atlasquery.lightcurve import clean
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = clean(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> lc = lc[(lc["band"] == "o") | (lc["band"] == "c")]
    >>> plan = SkyPortal.upload_photometry(
    ...     lc, "ATLAS24abc", "ATLAS", flagged="skip", dry_run=True
    ... )
    >>> len(plan) == len(lc)
    True
    """
    check_on_error(on_error)
    source = each_source([source_id])[0]
    if origin is not None and (not isinstance(origin, str) or not origin.strip()):
        raise InvalidQueryError(f"origin={origin!r:.80} should be a string that is not empty")
    origin = None if origin is None else check_text(origin, "origin")
    found = find_instrument(self, instrument)
    prepared = prepare_rows(
        lc,
        instrument=str(found.get("name") or found["id"]),
        filters=convert_json(found.get("filters"), list[str] | None, f"the filters of {instrument}")
        or (),
        bands=bands,
        flagged=flagged,
        altdata=altdata,
    )
    if not len(prepared):
        raise InvalidQueryError("lc has no rows to upload")
    shared = {
        "obj_id": source,
        "instrument_id": int(found["id"]),
        "group_ids": find_group_ids(self, groups, all_allowed=True),
        "origin": origin,
    }
    shared = {key: value for key, value in shared.items() if value is not None}
    about = {"query": "upload_photometry", "source_id": source, "instrument_id": found["id"]}
    if "time_reference" in lc.meta:
        conventions = Conventions.of(lc.meta)
        about["time_reference"] = conventions.time_reference
        _warn_of_position(conventions)
    record = UploadRecord(prepared)
    if dry_run:
        return upload_table(record, self._meta(time.time(), **about), shared)
    if on_error == "raise":
        _refuse_unsendable(prepared)
    self._auth(required=True)
    table = _send_rows(self, record, shared, about)
    failures = record.failures()
    report_failures(self.service, table, failures, record.outcomes, on_error, what="rows")
    return table


def _send_rows(
    client: SkyPortalQuery, record: UploadRecord, shared: dict, about: dict[str, Any]
) -> Table:
    """Send the rows; return the outcome of each, also when that is stopped."""
    sender = PhotometrySender(client, shared, record)
    try:
        for body, rows in bodies(record.prepared, shared):
            sender.send(body, rows)
    except KeyboardInterrupt as stop:
        record.stopped()
        table = upload_table(record, client._meta(time.time(), **about))
        _remember(client, table)
        attach(stop, result=table, note="The outcome of each row is in sys.last_value.result.")
        raise
    table = upload_table(record, client._meta(time.time(), **about))
    _remember(client, table)
    return table


def undo_upload(
    self: SkyPortalQuery, upload: Table | str, *, dry_run: bool = False, on_error: str = "raise"
) -> Table:
    """Undo an upload of photometry.

    Only points that the upload created are deleted: those that were new, that are still
    the same measurement, and that belong to this account, all of which is read from the
    server before anything is deleted. The points of other accounts, and those that were
    there before the upload, stay.

    Parameters
    ----------
    upload : `~astropy.table.Table` or str
        What `upload_photometry` returned, or some of its rows; it may come from a file.
        Or the upload id of an upload of this very client.
    dry_run : bool, optional
        Whether to delete nothing, and return what would be sent; what is there is
        read anyway.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not undone: raise an error
        that has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        A row for each request, and for each point that none is sent for:
        ``source_id`` (``"upload ..."`` or ``"point N"``), ``ok``, ``id`` and
        ``message``. What was undone before is ``ok``, what stays is not. Where an
        answer was lost the source's photometry is read back. With `dry_run` also
        ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If it is no upload, nothing in it was new or it is not known what was, or it
        is an upload id that this client does not know: the server does not say whose
        its points are.
    LoginError
        If there is no login.
    WriteError
        If some were not undone.

    Warns
    -----
    InputWarning
        If there are rows of which it is not known whether they were new: they stay.

    Notes
    -----
    An upload whose points are all verified is deleted with one request where the account
    has the permission "Delete bulk photometry", which on most instances only
    administrators have. Without it the points are deleted one by one, at the pace that
    the server allows (five a second); their number is logged.

    References
    ----------
    The ``photometry/{id}`` and ``photometry/bulk_delete`` endpoints of the API of
    SkyPortal, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import Atlas, SkyPortal
    >>> lc = Atlas.get_light_curve(1063629090302540900)  # doctest: +SKIP
    >>> table = SkyPortal.upload_photometry(lc, "ATLAS24abc", "ATLAS")  # doctest: +SKIP
    >>> SkyPortal.undo_upload(table)["ok"].all()  # doctest: +SKIP
    True
    >>> SkyPortal.undo_upload("ea3d0c22-df35-426c-813b-5c6979caf12b")
    Traceback (most recent call last):
        ...
    atlasquery.exceptions.InvalidQueryError: upload='ea3d...' is not the id of an upload ...
    """
    check_on_error(on_error)
    uploaded = _uploaded(self, upload)
    if uploaded.doubtful:
        warn(
            f"{uploaded.doubtful} rows stay: it is not known whether they were there before "
            "the upload",
            InputWarning,
        )
    if not uploaded.points and uploaded.doubtful:
        raise InvalidQueryError(
            f"it is not known which of the {uploaded.doubtful} rows of upload were new, as "
            "where its response was lost: there is nothing to undo without the risk of "
            "deleting what was there before"
        )
    if not uploaded.points:
        raise InvalidQueryError("upload has no row that was new: there is nothing to undo")
    self._auth(required=True)
    plan = UndoPlan(self, uploaded)
    about = {"query": "undo_upload", "upload_of": uploaded.source}
    if dry_run:
        changes = [*plan.bulk, *plan.single]
        return change_each(self, changes, settled=plan.settled, dry_run=True, **about)
    _undo_at_once(self, plan, about)
    plan.announce()
    return change_each(
        self, plan.single, settled=plan.settled, dry_run=False, on_error=on_error, **about
    )


def _undo_at_once(client: SkyPortalQuery, plan: UndoPlan, about: dict) -> None:
    """Delete by upload id; where the token may not, leave it to single requests."""
    while plan.bulk:
        try:
            outcome = attempt_change(client, plan.bulk[0], time.time())
        except KeyboardInterrupt as stop:
            rest = [*plan.bulk, *plan.single]
            ahead = [Change(what, "", "") for what, _ in plan.settled]
            done = [one for _, one in plan.settled]
            record_stop(client, stop, [*ahead, *rest], done, about)
            raise
        if is_missing_permission(outcome):
            # The account has the permission, and its token has not.
            plan.single += plan.one_by_one(plan.bulk)
            return
        plan.settled.append((plan.bulk.pop(0).about, outcome))
        if outcome.stop:
            untried = WriteOutcome(False, f"Not tried: {outcome.stop}", stop=outcome.stop)
            plan.settled += [(one.about, untried) for one in plan.bulk]
            return


def _remember(client: SkyPortalQuery, table: Table) -> None:
    """Keep what each upload id has created, for `undo_upload` by its id."""
    for upload in table.meta["upload_ids"]:
        client._uploads[upload] = read_uploads(table[table["upload_id"].filled("") == upload])


def _uploaded(client: SkyPortalQuery, upload: Table | str) -> Uploaded:
    """Return what an upload created, given as its table or by an id that is remembered."""
    if not isinstance(upload, str):
        return read_uploads(upload)
    known = client._uploads.get(upload)
    if known is None:
        raise InvalidQueryError(
            f"upload={upload!r:.80} is not the id of an upload of this client, and the server "
            "does not say whose points an id has: give the table that upload_photometry "
            "returned, which write_table keeps in a file"
        )
    return known


def _warn_of_position(conventions: Conventions) -> None:
    """Warn of times that were not taken at the observatory: only their scale is converted."""
    if position := POSITIONS.get(conventions.position):
        warn(
            f"the times of lc are {conventions.note or position}: they are uploaded as they are, "
            "while those of other surveys on SkyPortal are of the observatory, up to 8.3 minutes "
            "apart",
            InputWarning,
        )


def _refuse_unsendable(prepared: PreparedRows) -> None:
    bad = prepared.unsendable()
    if not bad:
        return
    named = "; ".join(f"row {row}: {reason}" for row, reason in bad[:NAMED])
    others = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    raise InvalidQueryError(
        f"{len(bad)} of the {len(prepared)} rows of lc cannot be sent: {named}{others}. Leave them "
        "out, or say on_error='warn' to send the others; dry_run=True shows all"
    )
