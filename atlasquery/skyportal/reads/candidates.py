"""The queries for candidates: objects that passed a filter, saved or not."""

import msgspec
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)
from atlasquery.service.inputs import check_choice
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.criteria import (
    localization_params,
    number_range,
    plain_classes,
    time_range,
)
from atlasquery.skyportal.payloads.values import as_json, check_source_id, in_path, params_of, word
from atlasquery.skyportal.reads.names import check_number_id
from atlasquery.skyportal.reads.paging import check_limit, read_pages
from atlasquery.skyportal.tables.columns import CANDIDATE
from atlasquery.skyportal.tables.decoders import decode_objects
from atlasquery.tables import build_table
from atlasquery.warn import warn

__all__ = ["get_candidate", "query_candidates"]

# The server's names of some criteria.
RENAMED = {"group_ids": "groupIDs", "filter_ids": "filterIDs", "list_name": "listName"}
#: How candidates are selected by whether they are saved, by the server's names.
SAVED_STATUS = (
    "all",
    "savedToAllSelected",
    "savedToAnySelected",
    "savedToAnyAccessible",
    "notSavedToAnyAccessible",
    "notSavedToAnySelected",
    "notSavedToAllSelected",
)


def query_candidates(
    self: SkyPortalQuery,
    *,
    group_ids: int | list | None = None,
    filter_ids: int | list | None = None,
    saved_status: str | None = None,
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    classifications: str | list | None = None,
    redshift: tuple | None = None,
    list_name: str | None = None,
    annotation_filters: list | None = None,
    localization: str | tuple | None = None,
    probability: float | None = None,
    detected: tuple | None = None,
    min_detections: int | None = None,
    sort_by_annotation: tuple | None = None,
    descending: bool = False,
    max_rows: int | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find candidates: objects that passed a filter of one of your groups.

    Parameters
    ----------
    group_ids, filter_ids : int or list of int, optional
        Groups and filters, of which they passed one.
    saved_status : str, optional
        Which of them are found by whether they are saved: ``"all"``,
        ``"savedToAnySelected"``, ``"notSavedToAnySelected"`` and others of
        `atlasquery.skyportal.reads.candidates.SAVED_STATUS`.
    start, end : `~astropy.time.Time`, str or float, optional
        When they passed; a bare number is an MJD in UTC.
    classifications : str or list of str, optional
        Classes of which they have one, such as ``"Ia"``: of candidates the server
        compares the name alone, without its taxonomy.
    redshift : tuple of float, optional
        The least and the greatest, each of which may be None.
    list_name : str, optional
        A list of yours, such as ``"rejected_candidates"``.
    annotation_filters : list of dict, optional
        Conditions on annotations: each has ``origin``, ``key``, and ``value`` (a text,
        number, boolean, or what JSON has) or ``min`` and ``max``. A number is
        compared as it is written: 1 is not 1.0 to the server; take ``min`` and
        ``max`` for it.
    localization : str, `~astropy.time.Time` or tuple, optional
        The time of a GCN event, or a pair of it and the name of its sky map: candidates
        inside, detected at any time if `detected` and `min_detections` are not given.
    probability : float, optional
        The probability that the region of the sky map has, from 0 to 1.
    detected : tuple of `~astropy.time.Time`, optional
        A pair for the first detection, not before the one, and the last, not after the
        other; each may be None, but with `localization` both are needed.
    min_detections : int, optional
        How often they are detected at least; by default once where `localization` and
        `detected` are given.
    sort_by_annotation : tuple of str, optional
        The origin and the key of an annotation whose value they are sorted by. By
        default what passed last comes first.
    descending : bool, optional
        Whether the greatest value comes first.
    max_rows : int, optional
        How many candidates are returned at most, -1 for all. The default is
        ``conf.max_rows``.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``id``, ``ra``, ``dec`` (deg), ``redshift``, ``is_source`` (bool),
        ``annotations`` (JSON), ``last_detected_at`` (`~astropy.time.Time`) and
        more, each candidate once.

    Raises
    ------
    InvalidQueryError
        If a criterion cannot be. One that is misspelt is a `TypeError`.

    Warns
    -----
    NoResultsWarning
        If there is no candidate.
    MaxResultsWarning
        If there are more.

    References
    ----------
    The route ``GET /api/candidates``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> found = SkyPortal.query_candidates(
    ...     group_ids=3, saved_status="notSavedToAnySelected", start="2025-01-03"
    ... )
    >>> found["id"].tolist()
    ['ATLAS25c004', 'ATLAS25c003', 'ATLAS25c002']
    """
    if saved_status is not None:
        check_choice(saved_status, name="saved_status", known=SAVED_STATUS)
    given = start is not None or end is not None
    window = time_range((start, end), "start, end", "startDate", "endDate") if given else {}
    sky_map = localization_params(localization, probability, None)
    sent = params_of({
        **params_of({"group_ids": group_ids, "filter_ids": filter_ids}, RENAMED),
        "savedStatus": saved_status,
        **window,
        "classifications": plain_classes(classifications, "classifications"),
        **number_range(redshift, "redshift", "minRedshift", "maxRedshift"),
        **params_of({"list_name": list_name}, RENAMED),
        "annotationFilterList": _annotation_filters(annotation_filters),
        **sky_map,
        **_detections(detected, min_detections, bool(sky_map)),
        **_annotation_order(sort_by_annotation, descending),
    })  # fmt: skip
    check_limit(self, max_rows)
    if get_query_payload:
        return sent
    found = read_pages(
        self,
        "candidates",
        sent,
        key="candidates",
        decode=lambda text: decode_objects(CANDIDATE, text),
        max_rows=max_rows,
        cache=cache,
        what="candidates",
    )
    if not len(found.rows):
        warn("SkyPortal has no such candidate", NoResultsWarning)
    return build_table(found.rows, meta=self._meta(found.when, query="query_candidates", **sent))


def get_candidate(
    self: SkyPortalQuery,
    candidate_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch one candidate.

    Parameters
    ----------
    candidate_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        One row, with the columns of `query_candidates`.

    Raises
    ------
    NotFoundError
        If there is no such candidate, or none that this account may see.

    References
    ----------
    The route ``GET /api/candidates/{id}``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> print(SkyPortal.get_candidate("ATLAS25c003")["redshift"][0])
    0.05
    """
    name = check_source_id(candidate_id, name="candidate_id")
    # The server shows any object here: with its alerts it says which filters it passed.
    path, params = f"candidates/{in_path(name)}", {"includeAlerts": True}
    if get_query_payload:
        return self._query_payload(path, params)
    (rows, filters), when = self._fetch(
        path,
        params,
        decode=_decode_one,
        cache=cache,
        unknown=f"candidate {name}",
    )
    if filters is None:
        _check_candidate(self, name)
    elif not filters:
        raise _no_candidate(self, name)
    return build_table(rows, meta=self._meta(when, query="get_candidate", object=name))


def _check_candidate(client: SkyPortalQuery, name: str) -> None:
    """Ask whether an object is a candidate, where the object itself does not report it."""
    try:
        client._send("HEAD", f"{client.server}candidates/{in_path(name)}", repeat=True)
    except RemoteServiceError as error:
        if error.status == 404:
            raise _no_candidate(client, name) from None
        # An older server has no such question, and answers with candidates only.
        if error.status != 405:
            raise


def _no_candidate(client: SkyPortalQuery, name: str) -> NotFoundError:
    return NotFoundError(
        f"SkyPortal has no candidate {name} that this account may see: the object has passed "
        "none of its filters. get_source reads what is saved",
        service=client.service,
        url=f"{client.server}candidates/{in_path(name)}",
    )


def _decode_one(text: bytes) -> tuple:
    """Return a candidate, and the filters that it has passed; None where they are not sent."""
    entry = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    filters = entry.pop("filter_ids", None)
    entry.pop("passing_alerts", None)
    # Here it is the number of groups that have saved it, in lists whether there is one.
    count = msgspec.json.decode(entry.get("is_source", b"null"))
    if type(count) is int:
        entry["is_source"] = msgspec.Raw(b"true" if count else b"false")
    rows = decode_objects(CANDIDATE, msgspec.json.encode([entry]))
    return rows, None if filters is None else msgspec.json.decode(filters, type=list | None)


def _detections(detected: tuple | None, number: int | None, in_map: bool) -> dict:
    """Return what is sent for the times and the number of detections."""
    sent = time_range(detected, "detected", "firstDetectionAfter", "lastDetectionBefore")
    if number is not None:
        sent["numberDetections"] = check_number_id(number, name="min_detections")
    if not in_map:
        return sent
    if not sent:
        # Otherwise the server asks for all three beside a sky map.
        return {"requireDetections": False}
    if not {"firstDetectionAfter", "lastDetectionBefore"} <= set(sent):
        raise InvalidQueryError(
            f"detected={detected!r:.100} should have both times where localization is given: the "
            "server needs them"
        )
    return {"numberDetections": 1, **sent}


def _annotation_order(by: tuple | None, descending: bool) -> dict:
    if by is None:
        if descending:
            raise InvalidQueryError("descending is of no use without sort_by_annotation")
        return {}
    right = "should be a pair of origin and key, such as ('sherlock', 'separation')"
    pair = isinstance(by, (tuple, list)) and len(by) == 2
    if not pair or not all(isinstance(one, str) and one for one in by):
        raise InvalidQueryError(f"sort_by_annotation={by!r:.100} {right}")
    return {
        "sortByAnnotationOrigin": word(by[0], "sort_by_annotation"),
        "sortByAnnotationKey": word(by[1], "sort_by_annotation"),
        "sortByAnnotationOrder": "desc" if descending else "asc",
    }


def _annotation_filters(conditions: list | None) -> str | None:
    """Return conditions as the server reads them: JSON objects, joined by commas."""
    if conditions is None:
        return None
    conditions = [conditions] if isinstance(conditions, dict) else list(conditions)
    for one in conditions:
        known = isinstance(one, dict) and {"origin", "key"} <= set(one)
        if not known or not ("value" in one or {"min", "max"} <= set(one)):
            raise InvalidQueryError(
                f"annotation_filters={one!r:.100} should have origin and key, and value or min and "
                "max: {'origin': 'sherlock', 'key': 'separation', 'min': 0, 'max': 2}"
            )
    texts = [msgspec.json.encode(_annotation_value(one)).decode() for one in conditions]
    return ",".join(texts)


def _annotation_value(condition: dict) -> dict:
    """Return a condition whose value is text: the server reads numbers and objects as JSON."""
    sent = as_json(condition, "annotation_filters")
    value = sent.get("value", "")
    if value is None:
        raise InvalidQueryError(
            f"annotation_filters={condition!r:.100} has None as value: the server cannot look "
            "for it"
        )
    if not isinstance(value, (str, bool)):
        sent["value"] = msgspec.json.encode(value).decode()
    return sent
