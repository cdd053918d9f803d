"""Send the rows of a light curve in requests, and keep a ledger of what became of each row."""

import json
from collections.abc import Iterator, Mapping, Sequence

import astropy.units as u
import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table

from atlasquery.exceptions import (
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.skyportal.changes import DRY, Outcome, is_refusal, may_be_unfinished, what_came
from atlasquery.skyportal.packets import FLUX, LIMIT, Packets, body
from atlasquery.skyportal.references import source_path

__all__ = ["Ledger", "PhotometrySender", "bodies", "fate_table", "points_of"]

# "at most 10,000 rows" and "413: body > 10 MB" (contract)
MOST_ROWS = 10000
LARGEST = 10_000_000
TOO_LARGE = 413
PATH = "photometry"
# What the server calls a point that was sent without an origin.
NO_ORIGIN = "None"


class Ledger:
    """What became of each row of a light curve.

    Parameters
    ----------
    packets : Packets
        The light curve.
    """

    def __init__(self, packets: Packets):
        self.packets = packets
        self.outcomes = [
            Outcome(False, f"Not sent: {reason}.") if reason else Outcome(False, "Not tried.")
            for reason in packets.reason
        ]
        self.new: list[bool | None] = [None] * len(packets)
        self.uploads: list[str] = [""] * len(packets)
        self.under_way: Sequence[int] = ()

    def note(
        self,
        rows: Sequence[int],
        outcomes: Sequence[Outcome],
        new: Sequence[bool | None],
        upload: str = "",
    ) -> None:
        """Write down what became of some rows.

        Parameters
        ----------
        rows : sequence of int
            The rows.
        outcomes : sequence of Outcome
            What became of each.
        new : sequence of bool or None
            Whether each was new.
        upload : str, optional
            The upload id.
        """
        for row, outcome, fresh in zip(rows, outcomes, new, strict=True):
            self.outcomes[row], self.new[row], self.uploads[row] = outcome, fresh, upload
        self.under_way = ()

    def stopped(self) -> None:
        """Say that the rows under way may be stored, and that others were not tried."""
        for row in self.under_way:
            self.outcomes[row] = Outcome(None, "Unknown: stopped before SkyPortal had answered.")

    def settle(self) -> None:
        """Give rows that are the same as another what became of that one."""
        for row, other in enumerate(self.packets.same_as):
            if row != other:
                there = self.outcomes[other]
                self.outcomes[row] = there._replace(message=f"Same as row {other}. {there.message}")
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
            if not outcome.ok and not self.packets.left_out[row]
        ]


def bodies(packets: Packets, shared: Mapping) -> Iterator[tuple[dict, list[int]]]:
    """Yield the requests that a light curve takes.

    Parameters
    ----------
    packets : Packets
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
    for _, rows in packets.sent():
        todo = [rows[n : n + MOST_ROWS] for n in range(0, len(rows), MOST_ROWS)][::-1]
        while todo:
            piece = todo.pop()
            made = body(packets, piece, shared)
            if len(piece) > 1 and len(json.dumps(made)) > LARGEST:
                todo += [piece[len(piece) // 2 :], piece[: len(piece) // 2]]
                continue
            yield made, piece


class PhotometrySender:
    """Send requests of photometry, and write down what became of their rows.

    A request is posted first, which gives an upload id and stores all of it or nothing.
    Where the server has a part of it, or its answer was lost, it is put: that stores
    what is missing, and no point twice.

    Parameters
    ----------
    client : SkyPortalQuery
        Who sends.
    shared : mapping
        What is the same for all rows.
    ledger : Ledger
        Where it is written down.
    """

    def __init__(self, client: object, shared: Mapping, ledger: Ledger):
        self.client = client
        self.shared = shared
        self.ledger = ledger
        self.stop: Exception | None = None

    def send(self, made: dict, rows: list[int]) -> None:
        """Send one request, unless a former one has ended the call.

        Parameters
        ----------
        made : dict
            What is sent.
        rows : list of int
            The rows in it.
        """
        if self.stop is not None:
            self._same_for_all(rows, Outcome(False, f"Not tried: {self.stop}", stop=self.stop))
            self.ledger.settle()
            return
        self.ledger.under_way = rows
        try:
            data = self.client._change("POST", PATH, made)
        except Exception as error:
            self._after_post(error, made, rows)
        else:
            self._stored(data, rows, [True] * len(rows))
        self.ledger.settle()

    def _after_post(self, error: Exception, made: dict, rows: list[int]) -> None:
        if self._is_final(error, rows):
            return
        if getattr(error, "status", None) == TOO_LARGE and len(rows) > 1:
            # A server whose limit is lower than the one we know.
            half = len(rows) // 2
            for part in (rows[:half], rows[half:]):
                self.send(body(self.ledger.packets, part, self.shared), part)
            return
        if not is_refusal(error):
            # Of an answer that was lost it cannot be told what it had stored.
            self._put(made, rows, None, f" At first: {what_came(error)} ({error}).")
        elif error.status == TOO_LARGE:
            self._same_for_all(rows, Outcome(False, str(error)))
        else:
            self._put(made, rows, self._there())

    def _put(self, made: dict, rows: list[int], before: set | None, said: str = "") -> None:
        """Send what may be there in part; what was there before is known, or is not."""
        try:
            data = self.client._change("PUT", PATH, made)
        except Exception as error:
            if self._is_final(error, rows, said):
                return
            if is_refusal(error):
                self._same_for_all(rows, Outcome(False, error.reason or str(error)))
                return
            self._read_back(error, rows)
            return
        ids = data.get("ids") if isinstance(data, dict) else None
        new: list = [None] * len(rows)
        if before is not None and isinstance(ids, list):
            new = [number not in before for number in ids]
        self._stored(data, rows, new, said)

    def _stored(self, data: object, rows: list[int], new: list, said: str = "") -> None:
        """Write down an answer that says that all rows are stored."""
        ids = data.get("ids") if isinstance(data, dict) else None
        ids = [n for n in ids if isinstance(n, int)] if isinstance(ids, list) else []
        if len(ids) != len(rows):
            count = len(ids) or "no"
            why = TableParseError(f"the answer has {count} numbers for {len(rows)} rows")
            self._read_back(why, rows)
            return
        words = {True: "Stored.", False: "Was there already.", None: "Stored, now or before."}
        outcomes = [
            Outcome(True, words[fresh] + said, int(number))
            for number, fresh in zip(ids, new, strict=True)
        ]
        self.ledger.note(rows, outcomes, new, str(data.get("upload_id") or ""))

    def _read_back(self, why: Exception, rows: list[int]) -> None:
        """Look which rows the server has, where it did not say so."""
        unfinished, what = may_be_unfinished(why), what_came(why)
        try:
            there = {
                key: point["id"] for point in self._points() for key in self._keys_of_point(point)
            }
        except Exception as error:
            message = f"Unknown: {what} ({why}), and it could not be read back ({error})"
            self._same_for_all(rows, Outcome(None, message))
            return
        outcomes = []
        for row in rows:
            number = there.get(self._key_of_row(row))
            if number is not None:
                outcomes.append(
                    Outcome(
                        True,
                        f"Stored, now or before: {what}, and it is there ({why}).",
                        int(number),
                    )
                )
            elif unfinished:
                words = f"Unknown: {what}; it is not there, but the server may be at it still"
                outcomes.append(Outcome(None, f"{words} ({why})."))
            else:
                outcomes.append(Outcome(False, f"Not stored: {what}, and it is not there ({why})."))
        self.ledger.note(rows, outcomes, [None] * len(rows))

    def _there(self) -> set | None:
        """Return the numbers of the source's points, None where they cannot be read."""
        try:
            return {point.get("id") for point in self._points()}
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
        values, form = self.ledger.packets.values, self.ledger.packets.form[row]
        where = (
            self.shared["instrument_id"],
            self.shared.get("origin", NO_ORIGIN),
            values["filter"][row],
            values["mjd"][row],
        )
        if form == FLUX:
            return (*where, values["flux"][row], values["fluxerr"][row])
        return (*where, LIMIT, values["limiting_mag"][row])

    def _is_final(self, error: Exception, rows: list[int], said: str = "") -> bool:
        """Write down an error after which nothing more can be sent, and say so."""
        if isinstance(error, (LoginError, QuotaError)):
            outcome = Outcome(False, str(error), stop=error)
        elif not isinstance(error, (RemoteServiceError, TimeoutError, TableParseError)):
            outcome = Outcome(None, f"Unknown: {error}", stop=error)
        elif not error.sent:
            outcome = Outcome(False, f"Not sent: {error}", stop=error)
        else:
            return False
        if said:
            # What became of the first time, whose answer was lost, is not known from this.
            outcome = Outcome(None, f"Unknown.{said} Then: {error}", stop=error)
        self.stop = error
        self._same_for_all(rows, outcome)
        return True

    def _same_for_all(self, rows: list[int], outcome: Outcome) -> None:
        self.ledger.note(rows, [outcome] * len(rows), [None] * len(rows))


def points_of(client: object, source: str) -> list[dict]:
    """Return the photometry of a source as it is on the server now.

    Parameters
    ----------
    client : SkyPortalQuery
        Who asks.
    source : str
        The source.

    Returns
    -------
    list of dict
        Its points, as they were sent.
    """
    asked = {"format": "both", "magsys": "ab", "individualOrSeries": "individual"}
    return client._fresh(source_path(source, "photometry"), asked)


def fate_table(ledger: Ledger, meta: dict, plan: Mapping | None = None) -> Table:
    """Return the table of what became of rows, or of what would be sent of them.

    Parameters
    ----------
    ledger : Ledger
        What became of each row.
    meta : dict
        Where it comes from.
    plan : mapping, optional
        For a dry run: what would be sent with all rows.

    Returns
    -------
    `~astropy.table.Table`
        As `upload_photometry` describes it.
    """
    packets, n = ledger.packets, len(ledger.packets)
    outcomes = ledger.outcomes
    if plan is not None:
        outcomes = [
            one if reason else Outcome(None, DRY)
            for one, reason in zip(outcomes, packets.reason, strict=True)
        ]
    mjd = packets.values["mjd"]
    table = Table(meta=meta)
    table["row"] = np.arange(n)
    table["mjd"] = _column(mjd, np.float64, np.nan, u.d)
    table["filter"] = np.array(packets.values["filter"], dtype=np.str_)
    table["ok"] = _column([one.ok for one in outcomes], bool, False)
    table["id"] = _column([one.number for one in outcomes], np.int64, 0)
    table["new"] = _column(ledger.new, bool, False)
    table["upload_id"] = _column([text or None for text in ledger.uploads], np.str_, "")
    table["message"] = np.array([one.message for one in outcomes], dtype=np.str_)
    for name, about in ABOUT.items():
        table[name].description = about
    if plan is None:
        table.meta["upload_ids"] = list(dict.fromkeys(filter(None, ledger.uploads)))
        return table
    sent = [
        msgspec.json.encode(packets.packet(row)).decode() if packets.form[row] else ""
        for row in range(n)
    ]
    table["payload"] = np.array(sent, dtype=np.str_)
    table["payload"].description = "What would be sent of it, as JSON."
    kinds = {form: {**body(packets, rows[:1], plan)} for form, rows in packets.sent()}
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
