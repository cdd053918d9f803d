"""Lists of sources that belong to an account, such as its favorites: read, added to, taken from."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json
from atlasquery.skyportal.reads.lists import check_list_name
from atlasquery.skyportal.reads.names import each_source
from atlasquery.skyportal.writes.changes import Change, change_each, read_fresh
from atlasquery.tables import convert_json

__all__ = [
    "add_to_list",
    "remove_from_list",
]

ALREADY = "already exists"
# Of which each entry says how it is searched around.
WATCHLIST = "watchlist"

Ids = str | int | Sequence


class _ListEntry(msgspec.Struct):
    id: int
    obj_id: str
    list_name: str


def add_to_list(
    self: SkyPortalQuery,
    source_ids: Ids,
    list_name: str,
    *,
    params: Mapping | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Put sources on a list of your account.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    list_name : str
        The name of the list, such as ``"favorites"`` or ``"rejected_candidates"``; a new
        one makes a new list.
    params : mapping, optional
        How a source of the ``"watchlist"`` is searched around: ``arcsec`` and
        ``cadence``.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not added: raise an error that has
        the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (of the entry) and ``message``, in the order given.
        What was on the list already is ``ok``. Where a response was lost the list is
        read back. With `dry_run` also ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not added.

    References
    ----------
    The route ``POST /api/listing``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.add_to_list("ATLAS24abc", "favorites", dry_run=True)
    >>> print(plan["payload"][0])
    {"obj_id":"ATLAS24abc","list_name":"favorites"}
    """
    name = check_list_name(list_name)
    shared: dict[str, Any] = {"list_name": name}
    if params is not None:
        shared["params"] = as_json(params, "params")
    elif name == WATCHLIST:
        raise InvalidQueryError(
            "params should have arcsec and cadence for the list 'watchlist', such as "
            "{'arcsec': 2, 'cadence': 1}"
        )

    def addition(source: str) -> Change:
        def refused(error: RemoteServiceError) -> WriteOutcome | None:
            if ALREADY not in (error.reason or ""):
                return None
            found = _look_for_entry(self, source, name)
            return found._replace(ok=True, message="Was on the list already.")

        return Change(
            source,
            "POST",
            "listing",
            {"obj_id": source, **shared},
            done=lambda data: WriteOutcome(True, "Added.", int(data["id"])),
            look=lambda began: _look_for_entry(self, source, name),
            refused=refused,
        )

    changes = [addition(source) for source in each_source(source_ids)]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="add_to_list")


def remove_from_list(
    self: SkyPortalQuery,
    source_ids: Ids,
    list_name: str,
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Take sources off a list of your account.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    list_name : str
        The name of the list.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; the list is read anyway.
    on_error : {"raise", "warn"}, optional
        As in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`; first what was not on the list, which is ``ok``: nothing is sent
        for it.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not taken off.

    References
    ----------
    The route ``DELETE /api/listing/{id}``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.remove_from_list("ZTF24abcdefg", "favorites", dry_run=True)
    >>> print(plan["method"][0], plan["endpoint"][0])
    DELETE listing/1
    """
    name = check_list_name(list_name)
    sources = each_source(source_ids)
    self._auth(required=True)
    entries = {one.obj_id: one.id for one in _entries(self, name)}
    absent = [
        (source, WriteOutcome(True, "Was not on the list."))
        for source in sources
        if source not in entries
    ]

    def removal(source: str) -> Change:
        return Change(
            source,
            "DELETE",
            f"listing/{entries[source]}",
            done=lambda data: WriteOutcome(True, "Removed.", entries[source]),
            look=lambda began: _look_for_no_entry(self, source, name),
        )

    changes = [removal(source) for source in dict.fromkeys(sources) if source in entries]
    return change_each(
        self,
        changes,
        settled=absent,
        dry_run=dry_run,
        on_error=on_error,
        query="remove_from_list",
    )


def _entries(client: SkyPortalQuery, name: str) -> list[_ListEntry]:
    found = read_fresh(client, "listing", {"listName": name})
    found = convert_json(found, list[_ListEntry], f"the list {name}")
    return [one for one in found if one.list_name == name]


def _look_for_entry(client: SkyPortalQuery, source: str, name: str) -> WriteOutcome:
    found = [one.id for one in _entries(client, name) if one.obj_id == source]
    words = "it is on the list" if found else "it is not on the list"
    return WriteOutcome(bool(found), words, found[0] if found else None)


def _look_for_no_entry(client: SkyPortalQuery, source: str, name: str) -> WriteOutcome:
    found = _look_for_entry(client, source, name)
    return found._replace(ok=not found.ok)
