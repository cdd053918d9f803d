"""Send writes one by one, decide by the server's message, and read back after a lost response."""

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
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
    attach,
)
from atlasquery.service.failures import check_on_error
from atlasquery.service.pool import run_all
from atlasquery.service.write_outcomes import (
    WriteOutcome,
    is_refusal,
    may_be_unfinished,
    report_failures,
)

__all__ = ["ADD", "MOVE", "RANK", "REMOVE", "SCORE", "TODO", "WriteKind", "write_each"]


# A status of 201 is not success: see docs/servers/atlas.rst, "201 is not success".
CREATED = "Row created."
DUPLICATE = "Duplicate row. Cannot add row."
NO_MEMBER = "Object group ID does not exist or object ID does not exist."
DELETED = "Row deleted."

# Seconds by which the server's clock may differ from ours; and when it mistakes the time zone.
CLOCK_DIFFERENCE = 600.0
TIME_ZONE_DIFFERENCE = 90000.0
# Columns of 32 bits are returned with six digits; values below their range may become 0.
ROUNDED, TINY = 1e-5, float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class WriteKind:
    """A kind of write.

    Parameters
    ----------
    endpoint : str
        Its path below the address of the server.
    look : callable
        Takes the client and the lost write; reads back, and returns whether it was done and
        what the server has.
    already : dict of str to str, optional
        The messages for "this is the case already": the server's, and ours.
    stale : tuple of str, optional
        The kinds of cached responses that it makes outdated.
    """

    endpoint: str
    look: Callable[[AtlasQuery, "LostWrite"], tuple[bool | None, str]]
    already: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ("list",)


class LostWrite(NamedTuple):
    """A write whose response did not arrive.

    Attributes
    ----------
    payload : dict
        What was sent.
    error : Exception
        The error that came instead of the response.
    began : float
        The Unix time at which the call began.
    same : int
        Number of earlier writes with the same payload in this call.
    """

    payload: dict
    error: Exception
    began: float
    same: int


class _WriteResponse(msgspec.Struct):
    info: str


_info = msgspec.json.Decoder(_WriteResponse)
_dicts = msgspec.json.Decoder(list[dict])


def write_each(
    client: AtlasQuery,
    kind: WriteKind,
    payloads: list[dict],
    dry_run: bool,
    on_error: str,
    **about: object,
) -> Table:
    """Send one request for each payload; return a table with the outcome of each."""
    check_on_error(on_error)
    if not payloads and not dry_run:
        return _table(payloads, [], client._meta(time.time(), **about))
    if dry_run:
        return _dry_run(client, kind, payloads, about)
    client._auth(required=True)
    n = len(payloads)
    client._announce(n, f"{n} writes", logged=n > 1 and client.quota().limit > 0)
    outcomes: list[WriteOutcome] = []
    try:
        _send_all(client, kind, payloads, outcomes)
    except KeyboardInterrupt as stop:
        _note_stop(stop, payloads, outcomes)
        attach(stop, result=_table(payloads, outcomes, client._meta(time.time(), **about)))
        raise
    table = _table(payloads, outcomes, client._meta(time.time(), **about))
    ids = table["atlas_id"].tolist()
    failures = [(i, o.message) for i, o in zip(ids, outcomes, strict=True) if not o.ok]
    report_failures(client.service, table, failures, outcomes, on_error)
    return table


def _dry_run(client: AtlasQuery, kind: WriteKind, payloads: list[dict], about: dict) -> Table:
    outcomes = [WriteOutcome(None, "Dry run: not sent.")] * len(payloads)
    table = _table(payloads, outcomes, client._meta(time.time(), **about))
    sent = [msgspec.json.encode(payload).decode() for payload in payloads]
    table["endpoint"] = np.array([kind.endpoint] * len(payloads), dtype=np.str_)
    table["payload"] = np.array(sent, dtype=np.str_)
    table["endpoint"].description = "Where it would be sent."
    table["payload"].description = "What would be sent, as JSON."
    return table


def _send_all(
    client: AtlasQuery, kind: WriteKind, payloads: list[dict], outcomes: list[WriteOutcome]
) -> None:
    """Send one after the other; append the outcome of each to `outcomes`."""
    began = client._clock.now()

    def attempt(payload: dict) -> None:
        stop = outcomes[-1].stop if outcomes else None
        if stop:
            outcomes.append(WriteOutcome(False, f"Not tried: {stop}", stop=stop))
            return
        before = zip(payloads, outcomes, strict=False)
        outcomes.append(_attempt(client, kind, payload, before, began))

    run_all(attempt, payloads, concurrency=1)


def _attempt(
    client: AtlasQuery, kind: WriteKind, payload: dict, before: Iterable, began: float
) -> WriteOutcome:
    """Send one write; return its outcome, whatever happens."""
    try:
        response = client._write(kind.endpoint, payload)
        deleted = response.status_code == 204
        words = DELETED if deleted else client._decode(response, _info.decode).info
    except (LoginError, QuotaError) as error:
        return WriteOutcome(False, str(error), stop=error)
    except (RemoteServiceError, TimeoutError, TableParseError) as error:
        if not error.sent:
            return WriteOutcome(False, f"Not sent: {error}", stop=error)
        if is_refusal(error):
            return _refused(kind, error)
        same = sum(o.ok is True for other, o in before if other == payload)
        return _look_again(client, kind, LostWrite(payload, error, began, same))
    except Exception as error:
        return WriteOutcome(None, f"Unknown: {error}", stop=error)
    finally:
        client._note_write(kind.stale)
    return _judge(kind, words)


def _look_again(client: AtlasQuery, kind: WriteKind, lost: LostWrite) -> WriteOutcome:
    """Read back whether a write whose response did not arrive was done."""
    why, look = lost.error, partial(kind.look, client)
    unfinished = may_be_unfinished(why)
    try:
        ok, words = look(lost)
        if ok is False and unfinished:
            client._clock.sleep(client.conf.backoff)
            ok, words = look(lost)
    except Exception as error:
        message = f"Unknown: response lost ({why}), and it could not be read back ({error})"
        return WriteOutcome(None, message, stop=error)
    if ok is False and unfinished:
        ok, words = None, f"{words}, but the server may still be working on it"
    unknown = "Unknown: " if ok is None else ""
    return WriteOutcome(ok, f"{unknown}response lost; read back: {words} ({why})")


def _fresh(client: AtlasQuery, endpoint: str, payload: dict) -> list[dict]:
    found, _ = client._read(endpoint, payload, decode=_dicts.decode, lifetime=0.0, cache=False)
    return found


def _look_for_member(client: AtlasQuery, lost: LostWrite) -> tuple[bool, str]:
    rows = _fresh(client, "objectgroupslist/", {"objectid": lost.payload["objectid"]})
    on = any(row["object_group_id"] == lost.payload["objectgroupid"] for row in rows)
    return on, "on the list" if on else "not on the list"


def _look_for_no_member(client: AtlasQuery, lost: LostWrite) -> tuple[bool, str]:
    on, words = _look_for_member(client, lost)
    return not on, words


def _look_for_list(client: AtlasQuery, lost: LostWrite) -> tuple[bool, str]:
    asked = objects_payload([lost.payload["objectid"]], METADATA_ONLY)
    (item,) = _fresh(client, "objects/", asked)
    if isinstance(item["object"], str):
        return False, item["object"]
    number = item["object"]["detection_list_id"]
    return number == lost.payload["objectlist"], f"on the detection list {number}"


def _look_for_todo(client: AtlasQuery, lost: LostWrite) -> tuple[bool, str]:
    rows = _fresh(client, "vratodolist/", {"objects": str(lost.payload["objectid"])})
    return bool(rows), "on the list" if rows else "not on the list"


def _look_for_rank(client: AtlasQuery, lost: LostWrite) -> tuple[bool, str]:
    payload, values = lost.payload, ("rank", "rank_alt1", "is_gal_cand")
    rows = _fresh(client, "vraranklist/", {"objects": str(payload["objectid"])})
    same = any(_same_values(row, payload, values) and _same_time(row, payload) for row in rows)
    return same, "this rank is stored" if same else "this rank is not stored"


def _look_for_score(client: AtlasQuery, lost: LostWrite) -> tuple[bool | None, str]:
    """Look for the row; if the call gave no time, for one of about now."""
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
        seconds = [_seconds_outside(row, lost.began, client._clock.now()) for row in alike]
        near = [row for row, off in zip(alike, seconds, strict=True) if off <= CLOCK_DIFFERENCE]
        doubtful = [
            row
            for row, off in zip(alike, seconds, strict=True)
            if CLOCK_DIFFERENCE < off <= TIME_ZONE_DIFFERENCE
        ]
    # Rows that this very call has written before do not count.
    if len(near) > lost.same:
        return True, f"these scores are stored, time {near[-1]['timestamp']}"
    if doubtful:
        return None, f"the same scores are stored, but of {doubtful[-1]['timestamp']}"
    return False, "these scores are not stored"


def _note_stop(stop: KeyboardInterrupt, payloads: list[dict], outcomes: list[WriteOutcome]) -> None:
    """Add the outcomes of all writes to Ctrl-C in the middle of one."""
    done, rest = len(outcomes), len(payloads) - len(outcomes)
    if rest:
        outcomes.append(WriteOutcome(None, "Unknown: stopped before ATLAS had responded"))
        outcomes += [WriteOutcome(False, "Not tried: stopped")] * (rest - 1)
    stop.add_note(
        f"ATLAS had responded to {done} of {len(payloads)} writes; the one for "
        f"{payloads[min(done, len(payloads) - 1)]['objectid']} may be done too. The outcome of "
        "each is in sys.last_value.result."
    )


def _judge(kind: WriteKind, words: str) -> WriteOutcome:
    if words in kind.already:
        return WriteOutcome(True, f"{kind.already[words]} ({words})")
    return WriteOutcome(words in (CREATED, DELETED), words)


def _refused(kind: WriteKind, error: RemoteServiceError) -> WriteOutcome:
    # {"objectgroupid": 74, "objectid": 1001..., "info": "Object group ID does not exist ..."}
    words = re.sub(r"^(?:object\w*: \d+ )+", "", error.reason or "")
    if words in kind.already:
        return _judge(kind, words)
    # A wrong address is wrong for all of them.
    wrong_address = error.status != 400
    return WriteOutcome(
        False,
        str(error) if wrong_address else words,
        stop=error if wrong_address else None,
    )


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
        rounded = float(np.float32(sent))
    return math.isclose(rounded, stored, rel_tol=ROUNDED, abs_tol=TINY)


def _same_time(row: dict, payload: dict) -> bool:
    if "insertdate" not in payload:
        return True
    sent = dt.datetime.fromisoformat(payload["insertdate"]).timestamp()
    return _seconds_outside(row, sent, sent) <= 1


def _seconds_outside(row: dict, first: float, last: float) -> float:
    """Return how many seconds a row lies before the first or after the last of two times."""
    stored = dt.datetime.fromisoformat(row["timestamp"])
    if stored.tzinfo is None:
        stored = stored.replace(tzinfo=dt.UTC)
    return max(first - stored.timestamp(), stored.timestamp() - last)


def _table(payloads: list[dict], outcomes: list[WriteOutcome], meta: dict) -> Table:
    table = Table(meta=meta)
    table["atlas_id"] = np.array([payload["objectid"] for payload in payloads], dtype=np.int64)
    ok = [outcome.ok for outcome in outcomes]
    table["ok"] = MaskedColumn([bool(o) for o in ok], mask=[o is None for o in ok], dtype=bool)
    table["message"] = np.array([outcome.message for outcome in outcomes], dtype=np.str_)
    table["atlas_id"].description = "ATLAS object id."
    table["ok"].description = "Whether the server has it now; masked if unknown."
    table["message"].description = "Message of the server, or of the client."
    return table


ADD = WriteKind("objectgroups/", _look_for_member, {DUPLICATE: "Already on the list."})
REMOVE = WriteKind("objectgroupsdelete/", _look_for_no_member, {NO_MEMBER: "Was not on the list."})
MOVE = WriteKind("objectdetectionlist/", _look_for_list, stale=("list", "object"))
SCORE = WriteKind("vrascores/", _look_for_score)
TODO = WriteKind("vratodo/", _look_for_todo, {DUPLICATE: "Already on the list."})
# Here "Duplicate row" means that a value was missing and nothing was stored.
RANK = WriteKind("vrarank/", _look_for_rank, stale=("list", "object"))
