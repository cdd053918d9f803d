"""Send tables to TOPCAT, Aladin and other programs on the same desktop."""

import contextlib
import importlib
import queue
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.tables.files import write_table

__all__ = ["send"]

MESSAGE = "table.load.votable"
# Maximum time for a program to load a table, in seconds.
PATIENCE = 60


def send(table: Table, client: Any = None) -> list[str]:
    """Send a table to the programs that take tables over SAMP, such as TOPCAT and Aladin.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table, or a light curve.
    client : `!SAMPIntegratedClient`, optional
        A connected client, of ``pyvo.samp`` or ``astropy.samp``. By default one is
        connected for this call.

    Returns
    -------
    list of str
        The names of the programs that have loaded it.

    Raises
    ------
    InvalidQueryError
        If `table` is not a table.
    RemoteServiceError
        If there is no SAMP hub, no program that takes tables, or one of them failed.

    References
    ----------
    https://www.ivoa.net/documents/SAMP/

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> from atlasquery.tables import send
    >>> send(Atlas.query_list("good"))  # doctest: +SKIP
    ['topcat']
    """
    if not isinstance(table, Table):
        raise InvalidQueryError(f"table={table!r:.80} should be an astropy Table")
    with _connected(client) as hub, tempfile.TemporaryDirectory(prefix="atlasquery-") as folder:
        receivers = [r for r in hub.get_subscribed_clients(MESSAGE) if r != hub.get_public_id()]
        if not receivers:
            raise RemoteServiceError(
                "no program that takes tables is connected: start TOPCAT or Aladin", service="SAMP"
            )
        path = write_table(table, Path(folder) / "table.vot")
        message = {
            "samp.mtype": MESSAGE,
            "samp.params": {"url": path.as_uri(), "name": _title(table)},
        }
        # Answered when it is loaded, so that the file can go.
        return [_deliver(hub, receiver, message) for receiver in receivers]


def _deliver(hub: Any, receiver: str, message: dict) -> str:
    name = hub.get_metadata(receiver).get("samp.name", receiver)
    # The hub of astropy and pyvo loses an answer to call_and_wait that comes at once.
    answers: queue.SimpleQueue = queue.SimpleQueue()
    tag = f"atlasquery-{uuid.uuid4()}"
    hub.bind_receive_response(tag, lambda key, sender, tag, answer: answers.put(answer))
    try:
        hub.call(receiver, tag, message)
        answer = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise RemoteServiceError(
            f"{name} did not report within {PATIENCE} s whether it has loaded it", service="SAMP"
        ) from None
    finally:
        hub.unbind_receive_response(tag)
    if answer.get("samp.status") != "samp.ok":
        reason = answer.get("samp.error", {}).get("samp.errortxt", "it gives no reason")
        raise RemoteServiceError(f"{name} did not load it: {reason}", service="SAMP", reason=reason)
    return name


def _title(table: Table) -> str:
    for key in ("object", "list", "query"):
        if table.meta.get(key):
            return str(table.meta[key])
    return "atlasquery"


def _samp() -> ModuleType:
    # It moved from astropy, which deprecates it since version 8, to pyvo 1.9; until then pyvo.samp
    # uses that of astropy and does not have all of it.
    samp = importlib.import_module("pyvo.samp")
    return samp if hasattr(samp, "SAMPHubError") else importlib.import_module("astropy.samp")


@contextlib.contextmanager
def _connected(client: Any) -> Iterator[Any]:
    if client is not None:
        yield client
        return
    samp = _samp()
    client = samp.SAMPIntegratedClient(name="atlasquery", description="Time-domain surveys")
    try:
        client.connect()
    except samp.SAMPHubError as error:
        raise RemoteServiceError(
            f"there is no SAMP hub ({error}): start TOPCAT or Aladin", service="SAMP"
        ) from error
    try:
        yield client
    finally:
        client.disconnect()
