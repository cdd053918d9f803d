"""Queries for scores, ranks and to-do list of the Virtual Research Assistant (VRA)."""

from numbers import Integral
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery, Ids, check_atlas_ids
from atlasquery.atlas.columns import VRA_RANK, VRA_SCORE, VRA_TODO
from atlasquery.atlas.filters import date_sent, dates, since
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning
from atlasquery.service.failures import some
from atlasquery.service.inputs import check_window
from atlasquery.service.query import one_or_all
from atlasquery.tables import Columns, Rows, build_table, decode_rows, only_of
from atlasquery.warn import warn

__all__ = ["query_vra_ranks", "query_vra_scores", "query_vra_todo"]

# The server reads objects one by one, some thousands in a second.
CHUNK = 10000


def query_vra_scores(
    self: AtlasQuery,
    atlas_ids: Ids | None = None,
    *,
    start: Time | str | float | None = None,
    first_id: int | None = None,
    debug: bool = False,
    latest: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch scores of the Virtual Research Assistant.

    An object has a row for each time it was scored. Without ids the whole
    table is returned, from `start` or `first_id` on where these are given.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``, optional
        One or many 19-digit ids; by default all objects.
    start : `~astropy.time.Time`, str or float, optional
        Only rows of that time or later; a bare number is an MJD.
    first_id : int, optional
        Only rows with this ``score_id`` or a higher one: one more than the
        highest of the last call gives the new rows.
    debug : bool, optional
        Whether to fetch the test rows of the VRA's makers instead of the others.
    latest : bool, optional
        Whether only the last row of each object is returned.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``time``, the probabilities ``preal``, ``pgal`` and
        ``pfast``, ``rank``, ``rank_alt1``, ``is_gal_cand``, ``debug``,
        ``api_user``, ``user`` and ``score_id``; in the order of the ids
        requested, then of ``score_id``.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If there is no such row, or none of some of the objects requested.

    References
    ----------
    The ``vrascoreslist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> scores = Atlas.query_vra_scores(latest=True)
    >>> len(set(scores["atlas_id"])) == len(scores)
    True
    >>> new = Atlas.query_vra_scores(first_id=scores["score_id"].max())
    >>> len(new)
    1
    """
    if not isinstance(debug, (bool, np.bool_)):
        raise InvalidQueryError(f"debug={debug!r} should be True or False")
    return _query_vra(self,
        "vrascoreslist/", VRA_SCORE, "score_id", atlas_ids, start, first_id, latest, cache,
        get_query_payload, query="query_vra_scores", debug=bool(debug),
    )  # fmt: skip


def query_vra_todo(
    self: AtlasQuery,
    atlas_ids: Ids | None = None,
    *,
    start: Time | str | float | None = None,
    first_id: int | None = None,
    latest: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the to-do list of the Virtual Research Assistant.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``, optional
        One or many 19-digit ids; by default all objects.
    start : `~astropy.time.Time`, str or float, optional
        Only objects put on the list at that time or later; a bare number is
        an MJD.
    first_id : int, optional
        Only objects with this ATLAS id or a higher one: the rows of this
        list have no other number.
    latest : bool, optional
        Whether only the last row of each object is returned; the server has one.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id`` and ``time``, in the order of the ids requested, else by id.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If there is no such row, or none of some of the objects requested.

    References
    ----------
    The ``vratodolist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> todo = Atlas.query_vra_todo(start="2026-01-01")
    >>> todo.colnames
    ['atlas_id', 'time']
    """
    return _query_vra(self,
        "vratodolist/", VRA_TODO, "atlas_id", atlas_ids, start, first_id, latest, cache,
        get_query_payload, query="query_vra_todo",
    )  # fmt: skip


def query_vra_ranks(
    self: AtlasQuery,
    atlas_ids: Ids | None = None,
    *,
    start: Time | str | float | None = None,
    first_id: int | None = None,
    latest: bool = False,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the ranks that the Virtual Research Assistant gives now.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``, optional
        One or many 19-digit ids; by default all objects.
    start : `~astropy.time.Time`, str or float, optional
        Only objects ranked at that time or later; a bare number is an MJD.
    first_id : int, optional
        Only objects with this ATLAS id or a higher one. The server has no
        such filter, so all rows are fetched and cut locally.
    latest : bool, optional
        Whether only the last row of each object is returned; the server has one.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``time``, ``rank``, ``rank_alt1`` and ``is_gal_cand``, in
        the order of the ids requested, else by id.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If there is no such row, or none of some of the objects requested.

    References
    ----------
    The ``vraranklist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> ranks = Atlas.query_vra_ranks()
    >>> top = ranks[ranks["rank"] > 7]["atlas_id"]
    >>> len(Atlas.query_vra_ranks(top)) == len(top)
    True
    """
    return _query_vra(self,
        "vraranklist/", VRA_RANK, "atlas_id", atlas_ids, start, first_id, latest, cache,
        get_query_payload, query="query_vra_ranks",
    )  # fmt: skip


def _query_vra(
    client: AtlasQuery,
    endpoint: str,
    columns: Columns,
    key: str,
    atlas_ids: Ids | None,
    start: Time | str | float | None,
    first_id: int | None,
    latest: bool,
    cache: bool | None,
    get_query_payload: bool,
    *,
    query: str,
    debug: bool | None = None,
) -> Table:
    ids = None if atlas_ids is None else list(dict.fromkeys(check_atlas_ids(atlas_ids)))
    begin, _ = check_window(start, None)
    first = _check_first(first_id)
    if ids:
        payloads = _payloads_of_objects(ids, debug)
    else:
        with_id = first if endpoint != "vraranklist/" else None
        payloads = [_payload_of_all(begin, with_id)]
    if get_query_payload:
        return one_or_all(payloads)
    rows, when = _vra_rows(client, endpoint, columns, payloads, cache)
    # With objects the server ignores the thresholds, and without them `debug`.
    keep = since(rows, "time", begin)
    keep &= True if first is None else rows.values[key] >= first
    keep &= True if debug is None else rows.values["debug"] == debug
    rows = _in_order(rows.take(keep), key, ids)
    if latest:
        rows = rows.take(_latest(rows, key))
    _warn_of_missing(rows, ids, columns.what)
    return build_table(rows, meta=client._meta(when, query=query))


def _vra_rows(
    client: AtlasQuery, endpoint: str, columns: Columns, payloads: list, cache: bool | None
) -> tuple[Rows, float]:
    def decode(body: bytes) -> tuple[Rows, bytes]:
        return decode_rows(columns, body), body

    def ask(payload: dict) -> tuple:
        ids = payload.get("objects")
        checked = decode
        if ids is not None:
            checked = only_of(decode, "atlas_id", ids.split(","), "the object")
        return client._read(
            endpoint, payload, decode=checked, lifetime=client._lifetime("list"), cache=cache
        )

    responses = [ask(payload) for payload in payloads]
    when = min(when for _, when in responses)
    if len(responses) == 1:
        return responses[0][0][0], when
    return decode_rows(columns, *(body for (_, body), _ in responses)), when


def _check_first(first_id: Any) -> int | None:
    if first_id is None:
        return None
    integer = isinstance(first_id, Integral) and not isinstance(first_id, bool)
    if not integer or not 0 <= int(first_id) < 2**63:
        raise InvalidQueryError(
            f"first_id={first_id!r} should be a whole number of 0 or more, below 2^63"
        )
    return int(first_id)


def _payloads_of_objects(ids: list[int], debug: bool | None) -> list[dict]:
    chunks = [ids[n : n + CHUNK] for n in range(0, len(ids), CHUNK)]
    options = {"debug": "true"} if debug else {}
    return [{"objects": ",".join(map(str, chunk)), **options} for chunk in chunks]


def _payload_of_all(begin: float | None, first: int | None) -> dict:
    payload: dict = {}
    if date := date_sent(begin):
        payload["datethreshold"] = date
    if first is not None:
        payload["idthreshold"] = first
    return payload


def _in_order(rows: Rows, key: str, ids: list[int] | None) -> Rows:
    order = rows.values[key]
    if ids is None:
        return rows.take(np.argsort(order, kind="stable"))
    rank = {one: n for n, one in enumerate(ids)}
    ranks = [rank.get(one, len(ids)) for one in rows.values["atlas_id"].tolist()]
    return rows.take(np.lexsort((order, np.array(ranks, dtype=np.int64))))


def _latest(rows: Rows, key: str) -> np.ndarray:
    """Return the index of the last row of each object: by time, then by number."""
    ids = rows.values["atlas_id"]
    # NaT sorts last, and a row without a time is not the last one.
    when = np.where(rows.masks["time"], np.datetime64("1970-01-01"), dates(rows, "time"))
    order = np.lexsort((rows.values[key], when, ids))
    if not len(ids):
        return order
    return np.sort(order[np.append(ids[order][1:] != ids[order][:-1], True)])


def _warn_of_missing(rows: Rows, ids: list[int] | None, what: str) -> None:
    found = set(rows.values["atlas_id"].tolist())
    what = what.removeprefix("a ").removeprefix("an ")
    missing = [] if ids is None else [one for one in ids if one not in found]
    if missing:
        message = f"ATLAS has no {what} of {some(missing)}"
    elif not found:
        message = f"ATLAS has no {what} that is asked for"
    else:
        return
    warn(message, NoResultsWarning)
