"""Send writes one by one, judge each by the server's words, and read back what was lost."""

import datetime as dt
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from astropy.table import MaskedColumn, Table

from atlasquery.atlas.base import AtlasQuery, objects_payload
from atlasquery.atlas.items import METADATA_ONLY
from atlasquery.atlas.write_payloads import SCORES
from atlasquery.exceptions import (
    InputWarning,
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
    WriteError,
    attach,
)
from atlasquery.service.failures import check_on_error
from atlasquery.service.pool import run_all
from atlasquery.warn import warn

__all__ = ["ADD", "MOVE", "RANK", "REMOVE", "SCORE", "TODO", "Kind", "write_each"]


# "201 even on failure: read `info`" (contract)
CREATED = "Row created."
DUPLICATE = "Duplicate row. Cannot add row."
NO_MEMBER = "Object group ID does not exist or object ID does not exist."
DELETED = "Row deleted."

# What a gateway says that has lost the server, or waits for it no longer.
GATEWAY = (502, 504)

# How far the server's clock may be from ours; and how far where it takes one zone for another.
CLOCKS = 600.0
ZONES = 90000.0
# Columns of 32 bits come back with six digits; what is below their range may become 0.
ROUNDED, TINY = 1e-5, float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Kind:
    """A kind of write.

    Parameters
    ----------
    endpoint : str
        Where it is sent.
    look : callable
        Takes the client and the lost write; returns whether it was done, read back, and what is
        there.
    already : dict of str to str, optional
        The server's words for "that is so already", and ours.
    stale : tuple of str, optional
        The kinds of stored answers that it makes wrong.
    """

    endpoint: str
    look: Callable[[AtlasQuery, "Lost"], tuple[bool | None, str]]
    already: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ("list",)


class Outcome(NamedTuple):
    """What became of one write.

    Attributes
    ----------
    ok : bool or None
        Whether it is so on the server now; None where that is unknown.
    message : str
        The server's words, or ours.
    stop : Exception or None
        Why no further write is tried.
    """

    ok: bool | None
    message: str
    stop: Exception | None = None


class Lost(NamedTuple):
    """A write whose answer did not arrive.

    Attributes
    ----------
    payload : dict
        What was sent.
    error : Exception
        What came instead of the answer.
    began : float
        The Unix time at which the call began.
    same : int
        How often the same call had written the same before.
    """

    payload: dict
    error: Exception
    began: float
    same: int


class _Said(msgspec.Struct):
    info: str


_info = msgspec.json.Decoder(_Said)
_dicts = msgspec.json.Decoder(list[dict])


def write_each(
    client: AtlasQuery, kind: Kind, payloads: list[dict], dry_run: bool, on_error: str, **about
) -> Table:
    """Send one request for each payload; return the table of what became of them."""
    check_on_error(on_error)
    if not payloads and not dry_run:
        return _table(payloads, [], client._meta(time.time(), **about))
    if dry_run:
        return _rehearsal(client, kind, payloads, about)
    client._auth(required=True)
    n = len(payloads)
    client._announce(n, f"{n} writes", said=n > 1 and client.quota().limit > 0)
    outcomes: list[Outcome] = []
    try:
        _send_all(client, kind, payloads, outcomes)
    except KeyboardInterrupt as stop:
        _note_stop(stop, payloads, outcomes)
        attach(stop, result=_table(payloads, outcomes, client._meta(time.time(), **about)))
        raise
    table = _table(payloads, outcomes, client._meta(time.time(), **about))
    _report_writes(client, table, outcomes, on_error)
    return table


def _rehearsal(client: AtlasQuery, kind: Kind, payloads: list[dict], about: dict) -> Table:
    outcomes = [Outcome(None, "Dry run: not sent.")] * len(payloads)
    table = _table(payloads, outcomes, client._meta(time.time(), **about))
    sent = [msgspec.json.encode(payload).decode() for payload in payloads]
    table["endpoint"] = np.array([kind.endpoint] * len(payloads), dtype=np.str_)
    table["payload"] = np.array(sent, dtype=np.str_)
    table["endpoint"].description = "Where it would be sent."
    table["payload"].description = "What would be sent, as JSON."
    return table


def _send_all(
    client: AtlasQuery, kind: Kind, payloads: list[dict], outcomes: list[Outcome]
) -> None:
    """Send one after the other; add to `outcomes` what became of each."""
    began = client._clock.now()

    def attempt(payload: dict) -> None:
        stop = outcomes[-1].stop if outcomes else None
        if stop:
            outcomes.append(Outcome(False, f"Not tried: {stop}", stop))
            return
        before = zip(payloads, outcomes, strict=False)
        outcomes.append(_attempt(client, kind, payload, before, began))

    run_all(attempt, payloads, concurrency=1)


def _attempt(
    client: AtlasQuery, kind: Kind, payload: dict, before: Iterable, began: float
) -> Outcome:
    """Send one write; whatever happens, say what became of it."""
    try:
        response = client._write(kind.endpoint, payload)
        deleted = response.status_code == 204
        words = DELETED if deleted else client._decode(response, _info.decode).info
    except (LoginError, QuotaError) as error:
        return Outcome(False, str(error), error)
    except (RemoteServiceError, TimeoutError, TableParseError) as error:
        if not error.sent:
            return Outcome(False, f"Not sent: {error}", error)
        if _is_refusal(error):
            return _refused(kind, error)
        same = sum(o.ok is True for other, o in before if other == payload)
        return _look_again(client, kind, Lost(payload, error, began, same))
    except Exception as error:
        return Outcome(None, f"Unknown: {error}", error)
    finally:
        client._note_write(kind.stale)
    return _judge(kind, words)


def _look_again(client: AtlasQuery, kind: Kind, lost: Lost) -> Outcome:
    """Read back whether a write was done whose answer did not arrive."""
    why, look = lost.error, partial(kind.look, client)
    unfinished = _may_be_unfinished(why)
    try:
        ok, words = look(lost)
        if ok is False and unfinished:
            client._clock.sleep(client.conf.backoff)
            ok, words = look(lost)
    except Exception as error:
        message = f"Unknown: answer lost ({why}), and it could not be read back ({error})"
        return Outcome(None, message, error)
    if ok is False and unfinished:
        ok, words = None, f"{words}, but the server may be at it still"
    unknown = "Unknown: " if ok is None else ""
    return Outcome(ok, f"{unknown}answer lost; read back: {words} ({why})")


def _fresh(client: AtlasQuery, endpoint: str, payload: dict) -> list[dict]:
    found, _ = client._read(endpoint, payload, decode=_dicts.decode, lifetime=0.0, cache=False)
    return found


def _look_for_member(client: AtlasQuery, lost: Lost) -> tuple[bool, str]:
    rows = _fresh(client, "objectgroupslist/", {"objectid": lost.payload["objectid"]})
    on = any(row["object_group_id"] == lost.payload["objectgroupid"] for row in rows)
    return on, "on the list" if on else "not on the list"


def _look_for_no_member(client: AtlasQuery, lost: Lost) -> tuple[bool, str]:
    on, words = _look_for_member(client, lost)
    return not on, words


def _look_for_list(client: AtlasQuery, lost: Lost) -> tuple[bool, str]:
    asked = objects_payload([lost.payload["objectid"]], METADATA_ONLY)
    (item,) = _fresh(client, "objects/", asked)
    if isinstance(item["object"], str):
        return False, item["object"]
    number = item["object"]["detection_list_id"]
    return number == lost.payload["objectlist"], f"on the detection list {number}"


def _look_for_todo(client: AtlasQuery, lost: Lost) -> tuple[bool, str]:
    rows = _fresh(client, "vratodolist/", {"objects": str(lost.payload["objectid"])})
    return bool(rows), "on the list" if rows else "not on the list"


def _look_for_rank(client: AtlasQuery, lost: Lost) -> tuple[bool, str]:
    payload, values = lost.payload, ("rank", "rank_alt1", "is_gal_cand")
    rows = _fresh(client, "vraranklist/", {"objects": str(payload["objectid"])})
    same = any(_same_values(row, payload, values) and _same_time(row, payload) for row in rows)
    return same, "this rank is stored" if same else "this rank is not stored"


def _look_for_score(client: AtlasQuery, lost: Lost) -> tuple[bool | None, str]:
    """Look for the row; where the call gave no time, for one of about now."""
    payload = lost.payload
    asked = {"objects": str(payload["objectid"])}
    if payload.get("debug") == "true":
        asked["debug"] = "true"
    alike = [
        row
        for row in _fresh(client, "vrascoreslist/", asked)
        if _same_values(row, payload, SCORES) and _same_time(row, payload)
    ]
    if "insertdate" in payload:
        near, doubtful = alike, []
    else:
        # A call may wait for hours for its requests.
        apart = [_apart(row, lost.began, client._clock.now()) for row in alike]
        near = [row for row, off in zip(alike, apart, strict=True) if off <= CLOCKS]
        doubtful = [row for row, off in zip(alike, apart, strict=True) if CLOCKS < off <= ZONES]
    # Rows that this very call has written before do not count.
    if len(near) > lost.same:
        return True, f"these scores are stored, time {near[-1]['timestamp']}"
    if doubtful:
        return None, f"the same scores are stored, but of {doubtful[-1]['timestamp']}"
    return False, "these scores are not stored"


def _report_writes(
    client: AtlasQuery, table: Table, outcomes: list[Outcome], on_error: str
) -> None:
    ids = table["atlas_id"].tolist()
    failures = [(i, o.message) for i, o in zip(ids, outcomes, strict=True) if not o.ok]
    if not failures:
        return
    unknown = sum(outcome.ok is None for outcome in outcomes)
    message = (
        f"{len(failures)} of {len(ids)} writes are not known to be done"
        + (f" ({unknown} of them may be)" if unknown else "")
        + f"; the first, for {failures[0][0]}: {failures[0][1]}"
    )
    if on_error == "warn":
        warn(message, InputWarning)
        return
    cause = next((outcome.stop for outcome in outcomes if outcome.stop), None)
    known = {name: getattr(cause, name, None) for name in ("status", "url", "reason")}
    raise WriteError(
        f"{message} All are in the error's .result, these in .failures.",
        result=table,
        failures=failures,
        service=client.service,
        **known,
    ) from cause


def _note_stop(stop: KeyboardInterrupt, payloads: list[dict], outcomes: list[Outcome]) -> None:
    """Say what became of all writes when the call was stopped in the middle of one."""
    done, rest = len(outcomes), len(payloads) - len(outcomes)
    if rest:
        outcomes.append(Outcome(None, "Unknown: stopped before ATLAS had answered"))
        outcomes += [Outcome(False, "Not tried: stopped")] * (rest - 1)
    stop.add_note(
        f"ATLAS had answered {done} of {len(payloads)} writes; the one for "
        f"{payloads[min(done, len(payloads) - 1)]['objectid']} may be done too. What became of "
        "each is in sys.last_value.result."
    )


def _judge(kind: Kind, words: str) -> Outcome:
    if words in kind.already:
        return Outcome(True, f"{kind.already[words]} ({words})")
    return Outcome(words in (CREATED, DELETED), words)


def _is_refusal(error: Exception) -> bool:
    """Return whether the server has read the request and not done it."""
    status = error.status if isinstance(error, RemoteServiceError) else None
    return status is not None and 300 <= status < 500


def _may_be_unfinished(error: Exception) -> bool:
    """Return whether the server may still be at what was asked of it.

    It is not where it has answered, be it with an error of its own. A connection that
    breaks, and a gateway that has no answer from the server behind it, say nothing of that.
    """
    return isinstance(error, TimeoutError) or error.status in (None, *GATEWAY)


def _refused(kind: Kind, error: RemoteServiceError) -> Outcome:
    # {"objectgroupid": 74, "objectid": 1001..., "info": "Object group ID does not exist ..."}
    words = re.sub(r"^(?:object\w*: \d+ )+", "", error.reason or "")
    if words in kind.already:
        return _judge(kind, words)
    # A wrong address is wrong for all of them.
    wrong_place = error.status != 400
    return Outcome(False, str(error) if wrong_place else words, error if wrong_place else None)


def _same_values(row: dict, payload: dict, names: tuple[str, ...]) -> bool:
    for name in names:
        sent, stored = payload.get(name), row[name]
        if (sent is None) != (stored is None):
            return False
        if sent is not None and not _same_float(sent, stored):
            return False
    return True


def _same_float(sent: float, stored: float) -> bool:
    with np.errstate(over="ignore", under="ignore"):
        kept = float(np.float32(sent))
    return math.isclose(kept, stored, rel_tol=ROUNDED, abs_tol=TINY)


def _same_time(row: dict, payload: dict) -> bool:
    if "insertdate" not in payload:
        return True
    sent = dt.datetime.fromisoformat(payload["insertdate"]).timestamp()
    return _apart(row, sent, sent) <= 1


def _apart(row: dict, first: float, last: float) -> float:
    """Return how many seconds a row lies before the first or after the last of two times."""
    stored = dt.datetime.fromisoformat(row["timestamp"])
    if stored.tzinfo is None:
        stored = stored.replace(tzinfo=dt.UTC)
    return max(first - stored.timestamp(), stored.timestamp() - last)


def _table(payloads: list[dict], outcomes: list[Outcome], meta: dict) -> Table:
    table = Table(meta=meta)
    table["atlas_id"] = np.array([payload["objectid"] for payload in payloads], dtype=np.int64)
    ok = [outcome.ok for outcome in outcomes]
    table["ok"] = MaskedColumn([bool(o) for o in ok], mask=[o is None for o in ok], dtype=bool)
    table["message"] = np.array([outcome.message for outcome in outcomes], dtype=np.str_)
    table["atlas_id"].description = "ATLAS object id."
    table["ok"].description = "Whether it is so on the server now; masked where unknown."
    table["message"].description = "The server's words, or ours."
    return table


ADD = Kind("objectgroups/", _look_for_member, {DUPLICATE: "Already on the list."})
REMOVE = Kind("objectgroupsdelete/", _look_for_no_member, {NO_MEMBER: "Was not on the list."})
MOVE = Kind("objectdetectionlist/", _look_for_list, stale=("list", "object"))
SCORE = Kind("vrascores/", _look_for_score)
TODO = Kind("vratodo/", _look_for_todo, {DUPLICATE: "Already on the list."})
# Here "Duplicate row" means that a value was missing, and that nothing was stored.
RANK = Kind("vrarank/", _look_for_rank, stale=("list", "object"))
