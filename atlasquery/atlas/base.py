"""What all queries to the ATLAS Transient Server share: login, reading, provenance."""

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from astropy.table import Row, Table

from atlasquery.atlas import conf
from atlasquery.atlas.items import check_items, decode_items
from atlasquery.exceptions import (
    LargeQueryWarning,
    NoResultsWarning,
    NotFoundError,
    QuotaError,
    TableParseError,
)
from atlasquery.service import ServiceQuery
from atlasquery.service.failures import some
from atlasquery.service.inputs import check_ids
from atlasquery.service.log import log
from atlasquery.warn import warn

__all__ = [
    "METADATA_CHUNK",
    "AtlasQuery",
    "Id",
    "Ids",
    "check_atlas_ids",
    "is_name",
    "lower_bound",
    "objects_payload",
]

#: What is taken for one object: its id or name, or a row of a table that has it.
Id: TypeAlias = int | str | Row
#: What is taken for many objects: a set or a generator will do too.
Ids: TypeAlias = int | str | Row | Table | Iterable[int | str]
ID_DIGITS = 19
# 20 MB of catalogue entries and cross-matches, 8 kB each.
METADATA_CHUNK = 2500


class AtlasQuery(ServiceQuery):
    """Base of the queries to the ATLAS Transient Server.

    Parameters
    ----------
    server : str, optional
        The address of the API.
    """

    service = "ATLAS"
    title = "ATLAS Transient Server"
    token_path = "auth-token/"  # noqa: S105
    environment = "ATLASQUERY_ATLAS"
    conf = conf

    def __init__(self, server: str | None = None):
        super().__init__(server)
        self.name = "Atlas"
        self._written: dict[str, float] = {}

    def _items(
        self,
        ids: list[int],
        *,
        mjd: float | None = None,
        cache: bool | None = None,
        decode: Callable[[bytes], list] = decode_items,
        divisible: bool = False,
    ) -> tuple[list, float]:
        """Read objects; return what `decode` returns for the response, and when it came."""

        def checked(body: bytes) -> list:
            items = decode(body)
            if len(items) != len(ids):
                raise TableParseError(
                    f"ATLAS returned {len(items)} objects when asked for {len(ids)}"
                )
            if decode is decode_items:
                check_items(items, ids)
            return items

        payload = objects_payload(ids, mjd)
        return self._read(
            "objects/",
            payload,
            decode=checked,
            lifetime=self._lifetime("object"),
            cache=cache,
            divisible=divisible,
        )

    def _announce(
        self,
        requests: int,
        cost: str,
        *,
        logged: bool = True,
        unstored: Callable | None = None,
        resumable: bool = False,
    ) -> None:
        """Announce the cost of a call before it is spent; refuse one that cannot be finished.

        A cost that can be met is only `logged`, where that is worth a line. `unstored`
        counts those of the requests whose responses are not cached. What is
        `resumable` is begun if any request is left.
        """
        quota = self.quota()
        cost = f"ATLAS: {cost}"
        if not quota.limit or requests <= quota.remaining:
            if logged:
                log.info(f"{cost} ({quota})")
            return
        requests = unstored() if unstored else requests
        if requests <= quota.remaining:
            return
        if resumable and quota.remaining and self.conf.on_quota == "raise":
            warn(
                f"{cost}, but {quota.remaining} of {quota.limit} requests are left in this hour: "
                "call again later for what is then missing",
                LargeQueryWarning,
            )
            return
        if self.conf.on_quota == "raise":
            raise QuotaError(
                f"{cost} would be sent, but only {quota.remaining} of {quota.limit} requests are "
                "left in this hour; nothing was sent. Set conf.on_quota = 'wait' to wait for "
                "them, or request less; conf.hourly_limit is what the account is allowed.",
                service=self.service,
            )
        hours = (requests - quota.remaining) / quota.limit
        warn(
            f"{cost}, but {quota.remaining} of {quota.limit} requests are left in this hour: it "
            f"will wait for the rest, about {math.ceil(hours)} h",
            LargeQueryWarning,
        )

    def _not_found(self, ids: list[int], message: str) -> NotFoundError:
        return NotFoundError(
            f"ATLAS does not know {some(ids)}: {message}",
            service=self.service,
            status=200,
            url=self.server + "objects/",
            reason=message,
        )

    def _lifetime(self, kind: str) -> float:
        """Return the seconds for which cached responses are valid: none from before the last write.

        Parameters
        ----------
        kind : {"list", "object"}
            What the response is.

        Returns
        -------
        float
            Seconds.
        """
        written = self._written.get(kind, 0.0)
        with contextlib.suppress(OSError):
            written = max(written, self._last_write_file(kind).stat().st_mtime)
        configured = getattr(self.conf, f"{kind}_seconds")
        return min(configured, max(0.0, time.time() - written))

    def _note_write(self, kinds: Iterable[str]) -> None:
        """Invalidate cached responses of these kinds, in other processes too."""
        for kind in kinds:
            self._written[kind] = now = time.time()
            # Without a directory there are no cached responses.
            with contextlib.suppress(OSError):
                self._last_write_file(kind).touch(mode=0o600)
                os.utime(self._last_write_file(kind), (now, now))

    def _last_write_file(self, kind: str) -> Path:
        return self.cache_location / f"{kind}.written"


def objects_payload(ids: list[int], mjd: float | None) -> dict:
    """Return what is sent for objects.

    Parameters
    ----------
    ids : list of int
        Their ids.
    mjd : float or None
        The lower bound of their light curves.

    Returns
    -------
    dict
        A comma-separated string, and the bound where there is one.
    """
    payload: dict = {"objects": ",".join(map(str, ids))}
    return payload if mjd is None else payload | {"mjd": mjd}


def lower_bound(start: float | None) -> float | None:
    """Return the bound to send, so that nothing at or after `start` is left out.

    The server compares with ``>`` for detections and with six decimals for
    non-detections; rows before `start` are removed by the client.

    Parameters
    ----------
    start : float or None
        MJD.

    Returns
    -------
    float or None
        MJD, up to two seconds earlier.
    """
    return None if start is None else math.floor((start - 1e-5) * 1e6) / 1e6


def is_name(value: object) -> bool:
    """Return whether something given for an id is a name, such as ATLAS26zy or 2026ahw.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        True for a string with letters that is not a number.
    """
    if not isinstance(value, str) or not re.search("[^\\W\\d_]", value):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def check_atlas_ids(
    atlas_ids: object, *, name: str = "atlas_ids", allow_empty: bool = False
) -> list[int]:
    """Return ATLAS ids as integers, or refuse them.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        The ids.
    name : str, optional
        The argument's name, for messages.
    allow_empty : bool, optional
        Whether there may be none, which is a warning.

    Returns
    -------
    list of int
        In the order given.
    """
    ids = check_ids(
        atlas_ids,
        name=name,
        digits=ID_DIGITS,
        hint="; query_object finds the id of a name",
        columns=("atlas_id",),
        allow_empty=allow_empty,
    )
    if not ids:
        warn(f"{name} is empty, so there is nothing to do", NoResultsWarning)
    return ids
