"""Analyses of sources: begun on the server, or made elsewhere and uploaded."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json, in_path
from atlasquery.skyportal.reads.names import (
    check_number_id,
    each_source,
    find_analysis_service,
    find_group_ids,
)
from atlasquery.skyportal.writes.changes import (
    Change,
    change_each,
    is_recent,
    read_fresh,
)

__all__ = ["delete_analysis", "start_analysis", "upload_analysis"]

Groups = int | str | Sequence | None


def start_analysis(
    self: SkyPortalQuery,
    source_ids: str | int | Sequence,
    service: int | str,
    *,
    parameters: Mapping | None = None,
    input_filters: Mapping | None = None,
    groups: Groups = None,
    show_parameters: bool = False,
    show_plots: bool = False,
    show_corner: bool = False,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Begin an analysis of sources.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids; each becomes a separate analysis.
    service : int or str
        The analysis service by name or number.
    parameters : mapping, optional
        What the service takes, by name.
    input_filters : mapping, optional
        Which of the source's data go into it.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default all groups of the account.
    show_parameters, show_plots, show_corner : bool, optional
        Whether the source's page shows them.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not begun: raise an error that
        has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (of the analysis) and ``message``, in the order
        given. Where a response was lost the source's analyses are read back: one of this
        service of the last ten minutes counts as this one. With `dry_run` also
        ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not begun.

    References
    ----------
    The ``obj/{id}/analysis/{service_id}`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.start_analysis(
    ...     "ATLAS24abc", 1, parameters={"source": "salt2"}, dry_run=True
    ... )
    >>> print(plan["endpoint"][0])
    obj/ATLAS24abc/analysis/1
    """
    payload: dict[str, Any] = {
        "show_parameters": show_parameters,
        "show_plots": show_plots,
        "show_corner": show_corner,
    }
    if parameters is not None:
        payload["analysis_parameters"] = _mapping(parameters, "parameters")
    if input_filters is not None:
        payload["input_filters"] = _mapping(input_filters, "input_filters")
    return _post_analyses(
        self, source_ids, service, payload, groups, "analysis", dry_run, on_error, "start_analysis"
    )


def upload_analysis(
    self: SkyPortalQuery,
    source_ids: str | int | Sequence,
    service: int | str,
    analysis: Mapping,
    *,
    message: str = "",
    groups: Groups = None,
    show_parameters: bool = True,
    show_plots: bool = True,
    show_corner: bool = True,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Upload the results of an analysis made elsewhere.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    service : int or str
        An analysis service that takes uploads, by name or number.
    analysis : mapping
        The results: ``inference_data``, ``plots`` and ``results``, each with its
        ``format`` and ``data``.
    message : str, optional
        Metadata of it.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default all groups of the account.
    show_parameters, show_plots, show_corner : bool, optional
        Whether the source's page shows them.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        As in `start_analysis`.

    Returns
    -------
    `~astropy.table.Table`
        As `start_analysis`.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not uploaded.

    References
    ----------
    The ``obj/{id}/analysis_upload/{service_id}`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> fit = {"results": {"format": "json", "data": {"t0": 60310.2}}}
    >>> plan = SkyPortal.upload_analysis("ATLAS24abc", 1, fit, dry_run=True)
    >>> print(plan["endpoint"][0])
    obj/ATLAS24abc/analysis_upload/1
    """
    payload: dict[str, Any] = {
        "analysis": _mapping(analysis, "analysis"),
        "message": message,
        "show_parameters": show_parameters,
        "show_plots": show_plots,
        "show_corner": show_corner,
    }
    return _post_analyses(
        self,
        source_ids,
        service,
        payload,
        groups,
        "analysis_upload",
        dry_run,
        on_error,
        "upload_analysis",
    )


def delete_analysis(
    self: SkyPortalQuery, analysis_id: int, *, dry_run: bool = False, on_error: str = "raise"
) -> Table:
    """Remove an analysis.

    Parameters
    ----------
    analysis_id : int
        The number of the analysis.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `start_analysis`.

    Returns
    -------
    `~astropy.table.Table`
        As `start_analysis`; ``source_id`` is ``"analysis N"``.

    Raises
    ------
    InvalidQueryError
        If it is not a number; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If it was not removed.

    References
    ----------
    The ``obj/analysis/{id}`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.delete_analysis(1, dry_run=True)
    >>> print(plan["method"][0], plan["endpoint"][0])
    DELETE obj/analysis/1
    """
    number = check_number_id(analysis_id, name="analysis_id")
    change = Change(
        f"analysis {number}",
        "DELETE",
        f"obj/analysis/{number}",
        done=lambda data: WriteOutcome(True, "Removed.", number),
        look=lambda began: _look_for_no_analysis(self, number),
    )
    return change_each(self, [change], dry_run=dry_run, on_error=on_error, query="delete_analysis")


def _post_analyses(
    client: SkyPortalQuery,
    source_ids: object,
    service: object,
    payload: dict,
    groups: Groups,
    route: str,
    dry_run: bool,
    on_error: str,
    query: str,
) -> Table:
    sources = each_source(source_ids)
    number = find_analysis_service(client, service)
    if (numbers := find_group_ids(client, groups)) is not None:
        payload["group_ids"] = numbers
    changes = [
        Change(
            source,
            "POST",
            f"obj/{in_path(source)}/{route}/{number}",
            payload,
            done=_begun,
            look=partial(_look_for_analysis, client, source, number),
        )
        for source in sources
    ]
    return change_each(client, changes, dry_run=dry_run, on_error=on_error, query=query)


def _look_for_analysis(
    client: SkyPortalQuery, source: str, service: int, began: float
) -> WriteOutcome:
    rows = [
        row
        for row in read_fresh(client, "obj/analysis", {"objID": source})
        if row.get("obj_id") == source
        and row.get("analysis_service_id") == service
        and is_recent(row, began)
    ]
    if not rows:
        return WriteOutcome(False, "there is no new analysis of this service")
    newest = max(rows, key=lambda row: row["id"])
    return WriteOutcome(
        True, f"there is one, with the status {newest.get('status')!r}", newest["id"]
    )


def _look_for_no_analysis(client: SkyPortalQuery, number: int) -> WriteOutcome:
    exists = any(row.get("id") == number for row in read_fresh(client, "obj/analysis"))
    return WriteOutcome(not exists, "it is still there" if exists else "it is not there", number)


def _mapping(value: object, name: str) -> dict:
    if not isinstance(value, Mapping):
        raise InvalidQueryError(f"{name}={value!r:.80} should be values by name")
    return as_json(value, name)


def _begun(data: object) -> WriteOutcome:
    number = data.get("id") if isinstance(data, dict) else None
    return WriteOutcome(True, "Taken by the server.", number if isinstance(number, int) else None)
