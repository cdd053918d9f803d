"""The searches by text and by columns, and what all searches of an LCC-Server share."""

import os
from typing import Any, TypeAlias

import astropy.units as u
from astropy.table import Table

from atlasquery.exceptions import (
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    attach,
)
from atlasquery.lccserver.arguments import (
    check_columns,
    check_count,
    check_sort,
    check_text,
    refuse_joined,
    shared_payload,
)
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.catalogue import check_collections, common_columns, read_collections
from atlasquery.lccserver.columns import Description
from atlasquery.lccserver.datasets import LCCDataset
from atlasquery.lccserver.filters import parse_filter
from atlasquery.lccserver.queries import LCCQuery, Part
from atlasquery.lccserver.results import area_rows, matched_rows, plain_rows, region_rows
from atlasquery.lccserver.sending import Progress, check_timeout, finish_parts, start_parts
from atlasquery.service.failures import check_on_error, deliver, failures_of
from atlasquery.service.inputs import check_max_rows, check_path
from atlasquery.service.query import one_or_all
from atlasquery.tables import build_table
from atlasquery.warn import warn

__all__ = ["Timeout", "check_common", "fetch", "query_criteria", "query_text", "run_search"]

Timeout: TypeAlias = "u.Quantity | float | str | None"


def query_criteria(
    self: LCCServerQuery,
    filters: str,
    *,
    collections: str | list[str] | None = None,
    columns: str | list[str] | None = None,
    sort: str | list | None = None,
    sample: int | None = None,
    max_rows: int | None = None,
    visibility: str = "unlisted",
    wait: bool = True,
    timeout: Timeout = None,
    save: str | os.PathLike | None = None,
    progress: Progress = True,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table | LCCQuery:
    """Find the objects whose columns meet conditions.

    Parameters
    ----------
    filters : str
        An expression of columns, such as ``"sdssr < 13 & propermotion > 50"``, with
        ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``, ``ct`` (contains, whatever the
        case), ``isnull``, ``notnull``, ``&``, ``|``, ``not`` and parentheses; strings
        are in quotes. Or the syntax of the server, ``"(sdssr lt 13)"``. It is checked
        against the columns, and against what the server says it ran.
    collections : str or list of str, optional
        Where to look; by default in all collections.
    columns : str or list of str, optional
        What to return besides the columns of all rows; ``"*"`` for all that `list_columns`
        shows.
    sort : str or list, optional
        A column to sort by, ``"-sdssr"`` for the greatest first, or several.
    sample : int, optional
        How many rows the server picks by chance, before it sorts.
    max_rows : int, optional
        How many rows are returned at most; -1 for all. By default ``conf.max_rows``.
    visibility : {"unlisted", "public", "private", "shared"}, optional
        Who may see the dataset that the server keeps of the result. An unlisted one is
        seen by whoever knows its name.
    wait : bool, optional
        Whether to wait for what the server does in the background. If not, an
        `LCCQuery` is returned, for `fetch`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait for that; a bare number is in seconds. By default
        ``conf.wait_seconds``.
    save : path-like, optional
        A new file in which the query is kept, for `LCCQuery.load`.
    progress : bool or callable, optional
        Whether the server's messages are shown, on a terminal; or what is called with
        each of them, a `~atlasquery.lccserver.stream.StreamLine`.
    cache : bool, optional
        Whether the result of such a search is used again, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and search nothing. The description of the
        collections, against which arguments are checked, is read if it is not cached.

    Returns
    -------
    `~astropy.table.Table` or LCCQuery
        A row per object: ``objectid``, ``ra``, ``dec`` (deg), the requested columns with
        their units, ``collection``, ``lcfname`` and more. ``meta["setid"]`` is the
        name of the dataset, which `get_dataset` takes.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be, or names a column or collection that
        is not there; the search was not sent.
    RemoteServiceError
        If the server failed, or did not run the search that was sent.
    TimeoutError
        If the result is not there in time; ``query`` of the error resumes it.

    Warns
    -----
    MaxResultsWarning
        If more objects match than are returned.
    NoResultsWarning
        If there is none.

    References
    ----------
    ``POST /api/columnsearch`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("10 <= sdssr < 11", columns="sdssr", sort="-sdssr")
    >>> found["sdssr"].unit
    Unit("mag")
    """
    if filters is None:
        raise InvalidQueryError(
            "filters is None: give an expression, such as 'sdssr < 13'; without one the server "
            "searches nothing"
        )
    shared, conditions, recipe = check_common(
        self, filters, collections, columns, sort, sample, max_rows, visibility, cache
    )
    part = Part("api/columnsearch", shared, conditions)
    query = LCCQuery(self.server, "query_criteria", recipe, [part])
    return run_search(self, query, wait, timeout, save, progress, cache, get_query_payload)


def query_text(
    self: LCCServerQuery,
    text: str,
    *,
    resolve: bool = False,
    filters: str | None = None,
    collections: str | list[str] | None = None,
    columns: str | list[str] | None = None,
    sort: str | list | None = None,
    sample: int | None = None,
    max_rows: int | None = None,
    visibility: str = "unlisted",
    wait: bool = True,
    timeout: Timeout = None,
    save: str | os.PathLike | None = None,
    progress: Progress = True,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table | LCCQuery:
    """Find the objects with words in their names, tags and other columns of text.

    Parameters
    ----------
    text : str
        Words, ``"a phrase"`` in double quotes, the beginning of a word ``eclips*``, or
        ``column:"words"`` for one of the columns that `list_columns` shows as
        ``text_search``; 3 characters at least. Words are joined by ``AND`` by default,
        ``OR`` or ``NOT``.
    resolve : bool, optional
        Whether `text` is the name of an object, which the server asks Sesame for.
    filters : str, optional
        Conditions, as in `query_criteria`.
    collections : str or list of str, optional
        Where to look; by default in all collections.
    columns : str or list of str, optional
        What to return besides the columns of all rows and those with text search.
    sort : str or list, optional
        A column to sort by, as in `query_criteria`; by default the most relevant comes
        first in each collection.
    sample : int, optional
        How many rows the server picks by chance, before it sorts.
    max_rows : int, optional
        How many rows are returned at most; -1 for all. By default ``conf.max_rows``.
    visibility : {"unlisted", "public", "private", "shared"}, optional
        Who may see the dataset that the server keeps of the result.
    wait : bool, optional
        Whether to wait for what the server does in the background, as in
        `query_criteria`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait for that; a bare number is in seconds.
    save : path-like, optional
        A new file in which the query is kept.
    progress : bool or callable, optional
        Whether the server's messages are shown, as in `query_criteria`.
    cache : bool, optional
        Whether the result of such a search is used again, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and search nothing. The description of the
        collections, against which arguments are checked, is read if it is not cached.

    Returns
    -------
    `~astropy.table.Table` or LCCQuery
        As `query_criteria` returns, with ``relevance`` (smaller is more relevant),
        ``extra_info`` (JSON), and all columns with text search.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; the search was not sent.
    RemoteServiceError
        If the server failed, or did not run the search that was sent.
    TimeoutError
        If the result is not there in time; ``query`` of the error resumes it.

    Warns
    -----
    MaxResultsWarning
        If more objects match than are returned.
    NoResultsWarning
        If there is none.

    References
    ----------
    ``POST /api/ftsquery`` of the LCC-Server; https://sqlite.org/fts5.html for the words.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_text('objecttags:"eclipsing binary"')
    >>> set(found["objecttags"].tolist())
    {'eclipsing binary, dwarf'}
    """
    shared, conditions, recipe = check_common(
        self, filters, collections, columns, sort, sample, max_rows, visibility, cache
    )
    known = read_collections(self, cache=cache)
    chosen = check_collections(collections, known) or list(known.columns)
    searched = [n for n in known.text_columns[chosen[0]]
                if all(n in known.text_columns[c] for c in chosen)]  # fmt: skip
    words = check_text(text, searched)
    described = common_columns(known, chosen)
    requested = {entry[0] for entry in recipe["columns"]}
    recipe["columns"] += [
        _described(name, described[name])
        for name in searched
        if name in described and name not in requested
    ]
    recipe["text"] = True
    sesame = {"sesame": "true"} if resolve else {}
    if resolve:
        # The server looks around the position of the name.
        refuse_joined(filters, recipe["filtered"])
    part = Part("api/ftsquery", {"ftstext": words, **sesame, **shared}, conditions)
    query = LCCQuery(self.server, "query_text", recipe, [part])
    return run_search(self, query, wait, timeout, save, progress, cache, get_query_payload)


def fetch(
    self: LCCServerQuery,
    query: LCCQuery,
    *,
    timeout: Timeout = None,
    on_error: str = "raise",
    progress: Progress = True,
    cache: bool | None = None,
) -> Table:
    """Wait for a query, and return the table that its search would have returned.

    Parts that were not sent, or have failed, are sent now.

    Parameters
    ----------
    query : LCCQuery
        From a search with ``wait=False``, an error, or `LCCQuery.load`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        How long to wait for what the server does in the background; a bare number is in
        seconds. By default ``conf.wait_seconds``.
    on_error : {"raise", "warn"}, optional
        What to do when some of several searches fail: raise an error that has the rest
        as ``result``, or return the rest with a warning.
    progress : bool or callable, optional
        Whether the server's messages are shown, as in `query_criteria`.
    cache : bool, optional
        Whether stored datasets are used.

    Returns
    -------
    `~astropy.table.Table`
        As the search returns it.

    Raises
    ------
    InvalidQueryError
        If it is not a query, or one of another server.
    TimeoutError
        If the result is not there in time; ``query`` of the error resumes it.

    References
    ----------
    ``GET /set/<setid>?json=1`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> query = LCCServer.query_criteria("sdssr < 10", wait=False)
    >>> len(LCCServer.fetch(query)) == query.parts[0].matches
    True
    """
    if not isinstance(query, LCCQuery):
        raise InvalidQueryError(
            f"query={query!r:.100} should be an LCCQuery; get_dataset takes the name of a dataset"
        )
    if query.server != self.server:
        raise InvalidQueryError(
            f"query is of {query.server}, and {self.name} asks {self.server}: make another "
            f"with {type(self).__name__}({query.server!r})"
        )
    return _finish(self, query, timeout, progress, cache, check_on_error(on_error))


def check_common(
    client: LCCServerQuery,
    filters: str | None,
    collections: str | list[str] | None,
    columns: str | list[str] | None,
    sort: str | list | None,
    sample: int | None,
    max_rows: int | None,
    visibility: str,
    cache: bool | None,
    *,
    sorted_here: bool = False,
) -> tuple[dict, str | None, dict]:
    """Check the arguments of all searches; return the parameters, the SQL, and the recipe."""
    known = read_collections(client, cache=cache)
    chosen = check_collections(collections, known)
    available = common_columns(known, chosen)
    requested = check_columns(columns, available)
    condition = parse_filter(filters, available)
    order = check_sort(sort, available)
    limit = check_max_rows(max_rows, client.conf.max_rows)
    count = check_count(sample, "sample")
    # Columns to sort by are returned too.
    returned = list(
        dict.fromkeys([*requested, *check_columns([n for n, _ in order] or None, available)])
    )
    payload = shared_payload(
        collections=chosen,
        columns=returned if sorted_here else requested,
        filters=condition.sent if condition else None,
        sort=[] if sorted_here else order,
        sample=count,
        limit=None if sorted_here else limit,
        visibility=visibility,
    )
    recipe = {
        "columns": [_described(name, available[name]) for name in returned],
        "sort": [list(term) for term in order],
        "sample": count,
        "limit": limit,
        "filters": filters,
        "filtered": list(condition.columns) if condition else [],
        "collections": chosen,
    }
    return payload, condition.ran if condition else None, recipe


def run_search(
    client: LCCServerQuery,
    query: LCCQuery,
    wait: bool,
    timeout: Timeout,
    save: str | os.PathLike | None,
    progress: Progress,
    cache: bool | None,
    get_query_payload: bool,
    on_error: str = "raise",
) -> Any:
    """Run a search; return its table, the query for `fetch`, or what would be sent."""
    check_on_error(on_error)
    seconds = check_timeout(timeout, client.conf.wait_seconds)
    if get_query_payload:
        payloads = [client._payload(part.path, part.payload) for part in query]
        return one_or_all(payloads)
    if save is not None:
        _refuse_existing(save)
        query.save(save)
    if wait:
        return _finish(client, query, seconds, progress, cache, on_error)
    try:
        answers = start_parts(client, query, cache=cache, progress=progress)
        _refuse(client, query, answers)
    except BaseException as error:
        attach(error, query=query)
        raise
    return query


def _finish(
    client: LCCServerQuery,
    query: LCCQuery,
    timeout: Timeout,
    progress: Progress,
    cache: bool | None,
    on_error: str,
) -> Table:
    seconds = check_timeout(timeout, client.conf.wait_seconds)
    try:
        found = finish_parts(client, query, cache=cache, timeout=seconds, progress=progress)
        _refuse(client, query, found, on_error)
    except BaseException as error:
        # The parts that were found are not lost with the error, or with Ctrl-C.
        attach(error, query=query)
        raise
    table, cut = _table(client, query, found)
    limit = query.recipe.get("limit")
    if cut:
        warn(
            f"{client.service} has more objects than the {limit} of max_rows"
            if cut == "limit"
            else f"{client.service} returned fewer objects than match, "
            f"{_sum(query)}, because of a limit of the server: request less at once, or log in",
            MaxResultsWarning,
        )
    if not len(table):
        warn(
            f"{client.service} has no such object in the collections searched",
            NoResultsWarning,
        )
    return table


def _refuse(client: LCCServerQuery, query: LCCQuery, found: list, on_error: str = "raise") -> None:
    """Raise the error of a part; of several parts the rest is the result."""
    failures = failures_of((f"search {n + 1}" for n in range(len(found))), found)
    if failures:
        deliver(
            _table(client, query, found)[0],
            failures,
            on_error=on_error,
            service=client.service,
            what=f"searches failed; {client.name}.fetch asks for what is missing of .query",
            total=len(found),
        )


def _table(client: LCCServerQuery, query: LCCQuery, found: list) -> tuple[Table, str]:
    """Return the table of a query, and the reason if it has fewer rows than match."""
    recipe = query.recipe
    datasets: list[tuple[int, LCCDataset]] = [
        (n, dataset) for n, dataset in enumerate(found) if isinstance(dataset, LCCDataset)
    ]
    rows = [dataset.rows for _, dataset in datasets]
    if recipe.get("region"):
        found_rows, cut = area_rows(recipe, rows)
    elif query.kind == "query_region":
        found_rows, cut = region_rows(recipe, rows, [recipe["members"][n] for n, _ in datasets])
    elif query.kind == "crossmatch":
        found_rows, cut = matched_rows(recipe, rows), False
    else:
        found_rows, cut = plain_rows(recipe, rows), False
    about = {
        key.removesuffix("_given"): recipe[key]
        for key in ("filters", "radius_given", "region_given", "text")
        if recipe.get(key)
    }
    if recipe["collections"]:
        about["collections"] = ",".join(recipe["collections"])
    meta = client._meta(
        min((dataset.when for _, dataset in datasets), default=client._clock.now()),
        query=query.kind,
        setid=",".join(query.setids),
        **about,
    )
    if len(datasets) == 1 and datasets[0][1].light_curves:
        meta["light_curves"] = datasets[0][1].light_curves
    return build_table(found_rows, meta=meta), _reason(recipe, datasets) or "limit" * cut


def _reason(recipe: dict, datasets: list) -> str:
    """Return why there are fewer rows than match: by the limit of the search or the server."""
    limit, sample = recipe.get("limit"), recipe.get("sample")
    for _, dataset in datasets:
        count = len(dataset.rows)
        if count < (dataset.total if sample is None else min(sample, dataset.total)):
            return "limit" if limit is not None and count == limit else "server"
    return ""


def _described(name: str, description: Description) -> list:
    return [name, description.dtype, description.desc, description.description, description.title]


def _sum(query: LCCQuery) -> int:
    return sum(part.matches or 0 for part in query)


def _refuse_existing(save: object) -> None:
    if check_path(save, name="save").exists():
        raise InvalidQueryError(
            f"save={str(save)!r} exists: resume it with LCCQuery.load, or choose another name"
        )
