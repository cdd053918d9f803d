"""Open the envelope that each answer of SkyPortal comes in: the only place that knows it."""

from typing import Any

import msgspec

from atlasquery.exceptions import RemoteServiceError, TableParseError

__all__ = ["EnvelopeError", "open_envelope"]


class EnvelopeError(RemoteServiceError):
    """An error that the server itself has written into its envelope: it did not do what was asked.

    An answer that is no envelope at all, such as a page of a gateway, says nothing of that.
    """


class _Envelope(msgspec.Struct):
    # A newer server may have other keys, which are left alone.
    status: Any = None
    message: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def open_envelope(body: bytes) -> bytes:
    """Return the data of an answer, still as JSON.

    Parameters
    ----------
    body : bytes
        The answer: ``{"status": "success", "data": ..., "version": ...}``.

    Returns
    -------
    bytes
        What stands under ``data``; ``null`` where a success has none.

    Raises
    ------
    EnvelopeError
        If it is an error, whatever its HTTP status.
    TableParseError
        If it is no envelope.
    """
    envelope = msgspec.json.decode(body, type=_Envelope)
    if envelope.status in ("error", "fail"):
        raise EnvelopeError(
            f"SkyPortal answered with an error: {envelope.message}",
            service="SkyPortal",
            reason=str(envelope.message),
        )
    if envelope.data is msgspec.UNSET:
        if envelope.status != "success":
            raise TableParseError("it has neither status nor data", service="SkyPortal")
        return b"null"
    return bytes(envelope.data)
