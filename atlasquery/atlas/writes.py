"""Writes to the survey: lists, and the scores, ranks and to-do list of the VRA."""

from astropy.table import Table
from astropy.time import Time

from atlasquery.atlas.base import AtlasQuery, Ids, check_atlas_ids
from atlasquery.atlas.list_names import MOVABLE
from atlasquery.atlas.lists import resolve_list
from atlasquery.atlas.write_payloads import SCORES, payloads, spread_table
from atlasquery.atlas.write_requests import ADD, MOVE, RANK, REMOVE, SCORE, TODO, write_each
from atlasquery.exceptions import InvalidQueryError

__all__ = [
    "add_to_list",
    "add_vra_scores",
    "add_vra_todo",
    "move_to_list",
    "remove_from_list",
    "set_vra_rank",
]

Values = float | list | None


def add_to_list(
    self: AtlasQuery,
    atlas_ids: Ids,
    name: str | int,
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Add objects to a custom list.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids. Each costs a request.
    name : str or int
        A custom list as in `list_lists`, by name or by number.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do after the last write when some were not done: raise an error that
        has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``atlas_id``, ``ok`` and ``message``, in the order given. An object that
        is already on the list is ``ok``, with a ``message``. If a response was
        lost the list is read back; if the outcome remains unknown, ``ok`` is
        masked. With `dry_run` also ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If there is no such custom list, or an id is not valid; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done. A refused login or a used-up quota ends the
        call: it is the cause of the error, and later writes were not tried.

    Warns
    -----
    LargeQueryWarning
        If it will have to wait for requests to be allowed again, with
        ``conf.on_quota = "wait"``.

    References
    ----------
    The ``objectgroups/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> plan = Atlas.add_to_list("1161600211221604900", "mookodi", dry_run=True)
    >>> print(plan["payload"][0])
    {"objectid":1161600211221604900,"objectgroupid":2}
    """
    ids, group = check_atlas_ids(atlas_ids, allow_empty=True), resolve_list(self, name, True)
    sent = [{"objectid": one, "objectgroupid": group.number} for one in ids]
    return write_each(self, ADD, sent, dry_run, on_error, query="add_to_list", list=group.name)


def remove_from_list(
    self: AtlasQuery,
    atlas_ids: Ids,
    name: str | int,
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Remove objects from a custom list.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids. Each costs a request.
    name : str or int
        A custom list as in `list_lists`, by name or by number.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do when some were not done, as in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`. An object that was not on the list is ``ok``, with a
        ``message``.

    Raises
    ------
    InvalidQueryError
        If there is no such custom list, or an id is not valid; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done.

    References
    ----------
    The ``objectgroupsdelete/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> plan = Atlas.remove_from_list("1161600211221604900", "mookodi", dry_run=True)
    >>> print(plan["endpoint"][0])
    objectgroupsdelete/
    """
    ids, group = check_atlas_ids(atlas_ids, allow_empty=True), resolve_list(self, name, True)
    sent = [{"objectid": one, "objectgroupid": group.number} for one in ids]
    about = {"query": "remove_from_list", "list": group.name}
    return write_each(self, REMOVE, sent, dry_run, on_error, **about)


def move_to_list(
    self: AtlasQuery,
    atlas_ids: Ids,
    name: str | int,
    *,
    time: Time | str | float | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Move objects to another detection list.

    The server lets a client move objects to three lists: ``"possible"``
    (which bots use to postpone an object), ``"eyeball"`` and ``"galcand"``.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids. Each costs a request.
    name : str or int
        One of the three, by name or by number (3, 4, 12).
    time : `~astropy.time.Time`, str or float, optional
        When the objects were changed, one for all or one for each; a bare
        number is an MJD. By default the server's now.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do when some were not done, as in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`.

    Raises
    ------
    InvalidQueryError
        If it is not one of the three lists, or an id is not valid; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done.

    References
    ----------
    The ``objectdetectionlist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> plan = Atlas.move_to_list("1161600211221604900", "eyeball", dry_run=True)
    >>> print(plan["payload"][0])
    {"objectid":1161600211221604900,"objectlist":4}
    """
    target = resolve_list(self, name, False)
    if target.number not in MOVABLE:
        raise InvalidQueryError(
            f"name={name!r}: ATLAS lets a client move objects to 'possible' (3), 'eyeball' (4) "
            "and 'galcand' (12) only"
        )
    _, sent = payloads(atlas_ids, {"time": time})
    sent = [{**payload, "objectlist": target.number} for payload in sent]
    return write_each(self, MOVE, sent, dry_run, on_error, query="move_to_list", list=target.name)


def add_vra_scores(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    preal: Values = None,
    pgal: Values = None,
    pfast: Values = None,
    rank: Values = None,
    rank_alt1: Values = None,
    is_gal_cand: bool | list | None = None,
    debug: bool | list | None = None,
    time: Time | str | float | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Add scores to those of the Virtual Research Assistant.

    Each call adds rows, which cannot be removed. So a row whose response
    was lost is not sent again: the scores are read back. If no `time`
    is given, a row with the same values of the last ten minutes counts as this
    one.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids, each of which costs a request. A table or a
        data frame may have any of the columns below.
    preal, pgal, pfast : float or sequence, optional
        Probabilities, from 0 to 1: one for all objects, or one for each. What
        is None or masked is stored as null.
    rank, rank_alt1 : float or sequence, optional
        The rank, and an alternative one.
    is_gal_cand : bool or sequence, optional
        Whether it is a candidate in the Galaxy.
    debug : bool or sequence, optional
        Whether the rows are tests; by default they are not.
    time : `~astropy.time.Time`, str or float, optional
        When the objects were scored, to the second; a bare number is an MJD.
        By default the server's now.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do when some were not done, as in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`.

    Raises
    ------
    InvalidQueryError
        If a value is not valid, a column is not known, or an
        object has no score; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done.

    References
    ----------
    The ``vrascores/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from atlasquery import Atlas
    >>> scores = Table({"atlas_id": [1161600211221604900], "preal": [0.93], "pgal": [0.1]})
    >>> plan = Atlas.add_vra_scores(scores, debug=True, dry_run=True)
    >>> print(plan["payload"][0])
    {"objectid":1161600211221604900,"preal":0.93,"pgal":0.1,"debug":"true"}
    """
    given = {"preal": preal, "pgal": pgal, "pfast": pfast, "rank": rank,
             "rank_alt1": rank_alt1, "is_gal_cand": is_gal_cand, "debug": debug,
             "time": time}  # fmt: skip
    atlas_ids, given = spread_table(atlas_ids, given)
    _, sent = payloads(atlas_ids, given, one_of=SCORES)
    return write_each(self, SCORE, sent, dry_run, on_error, query="add_vra_scores")


def add_vra_todo(
    self: AtlasQuery,
    atlas_ids: Ids,
    *,
    time: Time | str | float | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Put objects on the to-do list of the Virtual Research Assistant.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids. Each costs a request.
    time : `~astropy.time.Time`, str or float, optional
        When they were put there, to the second; a bare number is an MJD. By
        default the server's now.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do when some were not done, as in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`. An object that is already on the list stays there with
        its time, and is ``ok`` with a ``message``.

    Raises
    ------
    InvalidQueryError
        If an id or the time is not valid; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done.

    References
    ----------
    The ``vratodo/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> plan = Atlas.add_vra_todo("1161600211221604900", time="2026-05-01", dry_run=True)
    >>> print(plan["payload"][0])
    {"objectid":1161600211221604900,"insertdate":"2026-05-01T00:00:00Z"}
    """
    _, sent = payloads(atlas_ids, {"time": time})
    return write_each(self, TODO, sent, dry_run, on_error, query="add_vra_todo")


def set_vra_rank(
    self: AtlasQuery,
    atlas_ids: Ids,
    rank: float | list,
    *,
    rank_alt1: float | list,
    is_gal_cand: bool | list,
    time: Time | str | float | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Set the rank that the Virtual Research Assistant gives to objects.

    It replaces the previous rank, and becomes the ``vra_rank`` of the
    object. `rank_alt1` and `is_gal_cand` are stored with it and have no
    default: without them the server responds "Duplicate row" and stores nothing.

    Parameters
    ----------
    atlas_ids : int, str, iterable of them, or table with ``atlas_id``
        One or many 19-digit ids. Each costs a request.
    rank : float or sequence
        The rank: one for all objects, or one for each.
    rank_alt1 : float or sequence
        The alternative rank.
    is_gal_cand : bool or sequence
        Whether it is a candidate in the Galaxy.
    time : `~astropy.time.Time`, str or float, optional
        When they were ranked, to the second; a bare number is an MJD. By
        default the server's now.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do when some were not done, as in `add_to_list`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_to_list`.

    Raises
    ------
    InvalidQueryError
        If a value is not valid; nothing was sent.
    LoginError
        If there is no login; nothing was sent.
    QuotaError
        If it takes more requests than are left in the hour, and
        ``conf.on_quota`` is not ``"wait"``; nothing was sent.
    WriteError
        If some were not done.

    References
    ----------
    The ``vrarank/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> plan = Atlas.set_vra_rank(
    ...     "1161600211221604900", 7.5, rank_alt1=7.1, is_gal_cand=False, dry_run=True
    ... )
    >>> print(plan["payload"][0])
    {"objectid":1161600211221604900,"rank":7.5,"rank_alt1":7.1,"is_gal_cand":0}
    """
    given = {"rank": rank, "rank_alt1": rank_alt1, "is_gal_cand": is_gal_cand, "time": time}
    _, sent = payloads(atlas_ids, given, needed=("rank", "rank_alt1", "is_gal_cand"))
    return write_each(self, RANK, sent, dry_run, on_error, query="set_vra_rank")
