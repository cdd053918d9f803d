"""Upload light curves: no row lost, none twice, each with what became of it; and undo it."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from astropy.table import Column, Table

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NotFoundError,
    RemoteServiceError,
    WriteError,
)
from atlasquery.service.failures import check_on_error
from atlasquery.skyportal.changes import Change, ChangeQueries, Outcome
from atlasquery.skyportal.packets import Packets, read_packets
from atlasquery.skyportal.references import ReferenceQueries, each_source
from atlasquery.skyportal.sending import (
    Ledger,
    PhotometrySender,
    bodies,
    fate_table,
    points_of,
)
from atlasquery.skyportal.words import check_text

__all__ = ["UploadQueries"]

# How many rows a message names.
NAMED = 3
# What the server says to an upload id of which it has no photometry.
NO_UPLOAD = "Invalid bulk upload id"
# What ``meta["time_reference"]`` says of times that were not taken at the observatory.
ELSEWHERE = ("barycent", "heliocent", "at the sun")

Groups = int | str | Sequence | None


class UploadQueries(ChangeQueries, ReferenceQueries):
    """The methods that upload photometry and take it back."""

    def upload_photometry(
        self,
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
            names of groups, are looked up all the same.
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
            If `lc` is no light curve, has rows that cannot be sent, or has flagged rows of
            which nothing is said; nothing was sent.
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
        Rows go in requests of at most 10,000 and 10 MB. The server stores all of a request
        or nothing. One that it has in part already, or whose answer was lost, is sent
        once more as an update, which stores no point twice; if that is lost too, the
        photometry is read back.

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
            raise InvalidQueryError(f"origin={origin!r:.80} should be a text that is not empty")
        origin = None if origin is None else check_text(origin, "origin")
        found = self._find_instrument(instrument)
        packets = read_packets(
            lc,
            instrument=str(found.get("name") or found["id"]),
            filters=found.get("filters") or (),
            bands=bands,
            flagged=flagged,
            altdata=altdata,
        )
        if not len(packets):
            raise InvalidQueryError("lc has no rows to upload")
        shared = {
            "obj_id": source,
            "instrument_id": int(found["id"]),
            "group_ids": self._group_ids(groups, all_allowed=True),
            "origin": origin,
        }
        shared = {key: value for key, value in shared.items() if value is not None}
        about = {"query": "upload_photometry", "source_id": source, "instrument_id": found["id"]}
        if reference := lc.meta.get("time_reference"):
            about["time_reference"] = str(reference)
            _warn_of_elsewhere(str(reference))
        ledger = Ledger(packets)
        if dry_run:
            return fate_table(ledger, self._meta(time.time(), **about), shared)
        if on_error == "raise":
            _refuse_unsendable(packets)
        self._auth(required=True)
        sender = PhotometrySender(self, shared, ledger)
        try:
            for body, rows in bodies(packets, shared):
                sender.send(body, rows)
        except KeyboardInterrupt as stop:
            ledger.stopped()
            stop.result = fate_table(ledger, self._meta(time.time(), **about))
            stop.add_note("What became of each row is in sys.last_value.result.")
            raise
        table = fate_table(ledger, self._meta(time.time(), **about))
        self._report(table, ledger.failures(), ledger.outcomes, on_error, what="rows", depth=4)
        return table

    def undo_upload(
        self, upload: str | Table, *, dry_run: bool = False, on_error: str = "raise"
    ) -> Table:
        """Take back photometry that was uploaded.

        Parameters
        ----------
        upload : str or `~astropy.table.Table`
            An upload id; or what `upload_photometry` returned, of which all is taken
            back that was new, and nothing that was there before.
        dry_run : bool, optional
            Whether to send nothing, and return what would be sent.
        on_error : {"raise", "warn"}, optional
            What to do after the last when some were not taken back: raise an error
            that has the table as ``result``, or return the table with a warning.

        Returns
        -------
        `~astropy.table.Table`
            A row for each request: ``source_id`` (``"upload ..."`` or ``"point N"``),
            ``ok``, ``id`` and ``message``. What was taken back before is ``ok``. Where an
            answer was lost the source's photometry is read back; of an upload id alone
            nobody knows the source, and ``ok`` is masked. With `dry_run` also ``method``,
            ``endpoint`` and ``payload``.

        Raises
        ------
        InvalidQueryError
            If it is no upload, or nothing in it was new; nothing was sent.
        LoginError
            If there is no login.
        NotFoundError
            If nothing of an upload id is there: it may have been taken back before, or be
            none of this instance, which the server does not tell apart.
        WriteError
            If some were not taken back.

        Warns
        -----
        InputWarning
            If there are rows of which it is not known whether they were new: they stay.

        References
        ----------
        The ``photometry/bulk_delete`` endpoint of the API of SkyPortal,
        https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> plan = SkyPortal.undo_upload("ea3d0c22-df35-426c-813b-5c6979caf12b", dry_run=True)
        >>> print(plan["method"][0], plan["endpoint"][0])
        DELETE photometry/bulk_delete/ea3d0c22-df35-426c-813b-5c6979caf12b
        """
        if isinstance(upload, str):
            uploads, points, source = {upload: []}, [], None
        else:
            uploads, points = _new_of(upload)
            source = upload.meta.get("source_id")
        refusals: list[RemoteServiceError] = []
        changes = [
            self._taking_back(
                f"upload {_checked(one)}", f"bulk_delete/{one}", source, numbers, refusals
            )
            for one, numbers in uploads.items()
        ]
        changes += [
            self._taking_back(f"point {number}", str(number), source, [number], refusals)
            for number in points
        ]
        try:
            return self._change_each(
                changes, dry_run=dry_run, on_error=on_error, query="undo_upload"
            )
        except WriteError as error:
            missing = isinstance(upload, str) and refusals and _no_upload(refusals[0])
            if not missing:
                raise
            place = {name: getattr(missing, name) for name in ("status", "url", "reason")}
            words = error.failures[0][1]
        raise NotFoundError(f"upload={upload!r}: {words}", service=self.service, **place)

    def _taking_back(
        self, about: str, path: str, source: str | None, numbers: Sequence[int], refusals: list
    ) -> Change:
        """Return what takes photometry back; refusals are put into the list."""
        look = self._looker_for_none(source, numbers)
        point = numbers[0] if about.startswith("point") else None
        return Change(
            about,
            "DELETE",
            f"photometry/{path}",
            done=lambda data: Outcome(
                True, data if data and isinstance(data, str) else "Taken back.", point
            ),
            look=look,
            refused=_gone_before(look, refusals),
        )

    def _looker_for_none(
        self, source: str | None, numbers: Sequence[int]
    ) -> Callable[[float], Outcome] | None:
        """Return what looks whether points are gone, where it is known whose they are."""
        if source is None or not numbers:
            return None

        def look(began: float) -> Outcome:
            left = {point["id"] for point in points_of(self, source)} & set(numbers)
            words = f"{len(left)} of {len(numbers)} points are still there"
            return Outcome(not left, words)

        return look


def _gone_before(look: Callable | None, refusals: list) -> Callable:
    """Return what finds out whether a refusal means that there is nothing left to take back."""

    def refused(error: RemoteServiceError) -> Outcome | None:
        refusals.append(error)
        if look is not None and look(0.0).ok:
            return Outcome(True, f"Was taken back before: nothing of it is there ({error.reason})")
        if look is None and _no_upload(error):
            return Outcome(
                False,
                "SkyPortal has nothing of this upload (any more): it was taken back before, or the "
                f"id is of another instance or of none. Nothing was changed ({error.reason})",
            )
        return None

    return refused


def _no_upload(error: RemoteServiceError) -> RemoteServiceError | None:
    return error if NO_UPLOAD in (error.reason or "") else None


def _checked(upload: str) -> str:
    # What is no id could be part of another path.
    if not (upload.isascii() and upload.replace("-", "").isalnum()):
        raise InvalidQueryError(
            f"upload={upload!r:.80} is no upload id, such as 'ea3d0c22-df35-426c-813b-5c6979caf12b'"
        )
    return upload


def _new_of(table: Table) -> tuple[dict[str, list[int]], list[int]]:
    """Return the points of each upload of a table, and those that were new without one."""
    needed = ("row", "ok", "id", "new", "upload_id")
    if not isinstance(table, Table) or not set(needed) <= set(table.colnames):
        raise InvalidQueryError(
            "upload should be an upload id, or the table that upload_photometry returned"
        )
    uploads: dict[str, list[int]] = {}
    points: dict[int, None] = {}
    doubtful = 0
    # Files keep masks and texts each in their own way.
    for number, new, upload in zip(*(_values(table[name]) for name in needed[2:]), strict=True):
        if number is None:
            continue
        if upload:
            uploads.setdefault(str(upload), []).append(int(number))
        elif new is None:
            doubtful += 1
        elif new:
            points[int(number)] = None
    if doubtful:
        warnings.warn(
            f"{doubtful} rows stay: it is not known whether they were there before the upload",
            InputWarning,
            stacklevel=4,
        )
    if not uploads and not points:
        raise InvalidQueryError("upload has no row that was new: there is nothing to take back")
    return uploads, list(points)


def _values(column: Column) -> list:
    """Return the values of a column, None where they are masked."""
    mask = np.broadcast_to(getattr(column, "mask", False), len(column))
    values = np.asarray(column).tolist()
    return [None if gone else value for value, gone in zip(values, mask, strict=True)]


def _warn_of_elsewhere(reference: str) -> None:
    """Warn of times that were not taken at the observatory: only their scale is converted."""
    if any(place in reference.lower() for place in ELSEWHERE):
        warnings.warn(
            f"the times of lc are {reference}: they are uploaded as they are, while those "
            "of other surveys on SkyPortal are of the observatory, up to 8.3 minutes apart",
            InputWarning,
            stacklevel=4,
        )


def _refuse_unsendable(packets: Packets) -> None:
    bad = packets.unsendable()
    if not bad:
        return
    named = "; ".join(f"row {row}: {reason}" for row, reason in bad[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    raise InvalidQueryError(
        f"{len(bad)} of the {len(packets)} rows of lc cannot be sent: {named}{more}. Leave them "
        "out, or say on_error='warn' to send the others; dry_run=True shows all"
    )
