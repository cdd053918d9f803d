"""The queries for candidates: objects that passed a filter, saved or not."""

import warnings

import msgspec
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning
from atlasquery.service.inputs import check_choice
from atlasquery.skyportal.columns import CANDIDATE
from atlasquery.skyportal.criteria import (
    localization_params,
    number_range,
    taxonomy_classes,
    time_range,
)
from atlasquery.skyportal.nested import decode_objects
from atlasquery.skyportal.paging import PagedQueries
from atlasquery.skyportal.words import as_json, check_source_id, in_path, params_of, word
from atlasquery.tables import build_table

__all__ = ["CandidateQueries"]

#: Which candidates are found by whether they are saved; the server's own words.
# The server's names of some criteria.
RENAMED = {"group_ids": "groupIDs", "filter_ids": "filterIDs", "list_name": "listName"}
SAVED_STATUS = (
    "all",
    "savedToAllSelected",
    "savedToAnySelected",
    "savedToAnyAccessible",
    "notSavedToAnyAccessible",
    "notSavedToAnySelected",
    "notSavedToAllSelected",
)


class CandidateQueries(PagedQueries):
    """The queries for candidates."""

    def query_candidates(
        self,
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
            `atlasquery.skyportal.candidates.SAVED_STATUS`.
        start, end : `~astropy.time.Time`, str or float, optional
            When they passed; a bare number is an MJD in UTC.
        classifications : str or list of str, optional
            Classes with their taxonomy, of which they have one: ``"Sitewide
            Taxonomy: Ia"``.
        redshift : tuple of float, optional
            The least and the greatest, each of which may be None.
        list_name : str, optional
            A list of yours, such as ``"rejected_candidates"``.
        annotation_filters : list of dict, optional
            Conditions on annotations: each has ``origin``, ``key``, and ``value`` or
            ``min`` and ``max``.
        localization : str, `~astropy.time.Time` or tuple, optional
            The time of a GCN event, or a pair of it and the name of its sky map; needs
            `start` and `end`.
        probability : float, optional
            The probability that the region of the sky map has, from 0 to 1.
        sort_by_annotation : tuple of str, optional
            The origin and the key of an annotation whose value they are sorted by. By
            default what passed last comes first.
        descending : bool, optional
            Whether the greatest value comes first.
        max_rows : int, optional
            How many candidates are returned at most, -1 for all. The default is
            ``conf.max_rows``.
        cache : bool, optional
            Whether stored answers are used, for ``conf.list_seconds``.
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
        sent = params_of({
            **params_of({"group_ids": group_ids, "filter_ids": filter_ids}, RENAMED),
            "savedStatus": saved_status,
            **window,
            "classifications": taxonomy_classes(classifications, "classifications"),
            **number_range(redshift, "redshift", "minRedshift", "maxRedshift"),
            **params_of({"list_name": list_name}, RENAMED),
            "annotationFilterList": _annotation_filters(annotation_filters),
            **localization_params(localization, probability, window),
            **_annotation_order(sort_by_annotation, descending),
        })  # fmt: skip
        self._limit_rows(max_rows)
        if get_query_payload:
            return sent
        found = self._pages(
            "candidates",
            sent,
            key="candidates",
            decode=lambda text: decode_objects(CANDIDATE, text),
            max_rows=max_rows,
            cache=cache,
            what="candidates",
        )
        if not len(found.rows):
            warnings.warn("SkyPortal has no such candidate", NoResultsWarning, stacklevel=3)
        return build_table(
            found.rows, meta=self._meta(found.when, query="query_candidates", **sent)
        )

    def get_candidate(self, candidate_id: str | int, *, cache: bool | None = None) -> Table:
        """Fetch one candidate.

        Parameters
        ----------
        candidate_id : str or int
            Its name on this instance.
        cache : bool, optional
            Whether a stored answer is used, for ``conf.object_seconds``.

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
        rows, when = self._fetch(
            f"candidates/{in_path(name)}",
            decode=lambda text: decode_objects(CANDIDATE, b"[" + text + b"]"),
            cache=cache,
            unknown=f"candidate {name}",
        )
        return build_table(rows, meta=self._meta(when, query="get_candidate", object=name))


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
    texts = [msgspec.json.encode(as_json(one, "annotation_filters")).decode() for one in conditions]
    return ",".join(texts)
