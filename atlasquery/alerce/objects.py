"""Searches for objects: by position, by criteria, by name."""

import threading
from functools import partial

import astropy.units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.alerce.base import (
    AlerceQuery,
    Oid,
    check_oid,
    check_oids,
    check_survey,
    decode_entry,
)
from atlasquery.alerce.batches import ask_in_halves
from atlasquery.alerce.classes import check_class, count_most_classes
from atlasquery.alerce.columns import OBJECT
from atlasquery.alerce.cones import (
    Position,
    cone_payload,
    find_nearest,
    with_separation,
)
from atlasquery.alerce.criteria import ALL, check_order, criteria_params, order_params
from atlasquery.alerce.lsst_columns import OBJECT as LSST_OBJECT
from atlasquery.alerce.lsst_cones import find_around_each, read_unlisted
from atlasquery.alerce.ordering import find_in_order, ranks_below, with_rank
from atlasquery.alerce.paging import (
    LIST_COLUMNS,
    LIST_ROUTE,
    FoundObjects,
    Order,
    check_limit,
    first_rows,
    fixed_order,
    lsst_entry_params,
    one_per_object,
    read_lsst_entry,
    read_pages,
    warn_of_omitted,
)
from atlasquery.exceptions import (
    InputWarning,
    NoResultsWarning,
)
from atlasquery.regions.argument import region_of
from atlasquery.regions.cutting import deliver_region, rows_inside
from atlasquery.regions.plan import announce_plan, plan_cones
from atlasquery.regions.region import Region
from atlasquery.service.failures import check_on_error, deliver, failures_of, some
from atlasquery.service.inputs import check_coordinates, check_radius
from atlasquery.service.positions import format_degrees
from atlasquery.service.query import one_or_all
from atlasquery.tables import (
    Rows,
    build_table,
    check_answers,
    decode_rows,
    rows_as_asked,
    stack_rows,
)
from atlasquery.tables.nearest import with_query_index
from atlasquery.warn import warn

__all__ = ["query_criteria", "query_object", "query_objects", "query_region"]

# Longer lists take the server seconds: see docs/servers/alerce.rst, "Lists of names".
OID_CHUNK = 200
# Largest radius in arcsec of the circles that cover a region: some pages of objects each.
REGION_RADIUS = 3600.0


def query_region(
    self: AlerceQuery,
    coordinates: SkyCoord | Region,
    radius: Angle | u.Quantity | str | None = None,
    *,
    survey: str = "ztf",
    max_rows: int | None = None,
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the objects within a radius of one or many positions, or in a region.

    A region is covered by circles of up to 1 degree, and cut at its border.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord` or region
        One position or an array of any shape, in any frame. Or one region: a shape of
        the package ``regions``, a `mocpy.MOC`, or what
        `~atlasquery.regions.read_region` returns.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius of the circles, with its unit; only for positions.
    survey : {"ztf", "lsst"}, optional
        The survey whose objects are searched.
    max_rows : int, optional
        Largest number of objects of each position, or of the region; -1 for all.
        The default is ``conf.max_rows``. Where there are more, there is a warning,
        and the nearest are returned; the servers cannot order by distance, so that
        this takes some further requests. Of a region the first by ``oid`` are
        returned.
    on_error : {"raise", "warn"}, optional
        What to do when some of many positions failed, after all others came.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``query_index``, ``separation`` (arcsec), and the columns of
        `query_criteria`: a row per object and position, the nearest first, with
        its likeliest classification, or none where nobody has classified it. For a
        region without ``separation``, sorted by ``oid``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be, or a region takes more searches
        than ``conf.max_region_requests``; nothing was sent.
    IncompleteResultError
        If some of many positions failed, with ``result`` and ``failures``.

    Warns
    -----
    MaxResultsWarning
        If there are more objects than `max_rows`.
    NoResultsWarning
        If there is none.

    References
    ----------
    The route ``/objects/`` of the ZTF API, ``object_api/list_objects`` for LSST.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Alerce
    >>> found = Alerce.query_region(SkyCoord(150.1, 2.2, unit="deg"), radius="10 arcsec")
    >>> found.colnames[:5]
    ['query_index', 'separation', 'oid', 'ra', 'dec']
    """
    check_survey(survey)
    check_on_error(on_error)
    limit = check_limit(self, max_rows)
    if (region := region_of(coordinates, radius)) is not None:
        return _query_in(self, survey, region, limit, on_error, cache, get_query_payload)
    ra, dec, shape = check_coordinates(coordinates)
    arcsec = check_radius(radius)
    positions = list(zip(ra.tolist(), dec.tolist(), strict=True))
    if get_query_payload:
        cones = [cone_payload(survey, position, arcsec) for position in positions]
        payloads = [self._payload(LIST_ROUTE[survey], cone) for cone in cones]
        return payloads[0] if shape == () else payloads
    answers = _find_around_each(self, survey, positions, [arcsec] * len(positions), limit, cache)
    failures = failures_of((format_degrees(*position) for position in positions), answers)
    parts, times = [], []
    for n, answer in enumerate(answers):
        if not isinstance(answer, Exception):
            # Of several classifications the likeliest is returned; there is no choice here.
            warn_of_omitted(answer._replace(repeated=0), limit)
            parts.append(with_query_index(answer.rows, n))
            times.append(answer.when)
    none = with_separation(_no_objects(survey), (0.0, 0.0), arcsec)
    rows = stack_rows(*(parts or [with_query_index(none, 0)]))
    meta = self._origin(
        min(times, default=self._clock.now()),
        survey,
        query="query_region",
        radius=str(radius),
    )
    table = build_table(rows, meta=meta)
    if not failures:
        where = "the position" if shape == () else "any of the positions"
        return _warn_if_empty(table, f"object within {radius} of {where}")
    return deliver(
        table,
        failures,
        on_error=on_error,
        service=self.service,
        what="positions failed",
        total=len(positions),
        in_meta=True,
    )


def _query_in(
    client: AlerceQuery,
    survey: str,
    region: Region,
    limit: int | None,
    on_error: str,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return the objects in a region."""
    cones = plan_cones(client, region, largest=REGION_RADIUS, send=not get_query_payload)
    positions, radii = [(cone.ra, cone.dec) for cone in cones], [cone.radius for cone in cones]
    if get_query_payload:
        tasks = zip(positions, radii, strict=True)
        sent = [cone_payload(survey, *task) for task in tasks]
        return one_or_all([client._payload(LIST_ROUTE[survey], each) for each in sent])
    # One search for each survey: two equal lines would look like an error.
    service = f"{client.service} ({survey.upper()})"
    announce_plan(client, region, cones, service=service)
    answers = _find_around_each(client, survey, positions, radii, None, cache)
    failures = failures_of((format_degrees(*position) for position in positions), answers)
    came = [answer for answer in answers if not isinstance(answer, Exception)]
    parts = [_no_objects(survey), *(answer.rows for answer in came)]
    rows, cut = first_rows(rows_inside(region, parts, by=("oid",)), limit)
    when = min((answer.when for answer in came), default=client._clock.now())
    warn_of_omitted(FoundObjects(rows, when, cut), limit)
    meta = client._origin(when, survey, query="query_region", region=region.name)
    table = build_table(rows, meta=meta)
    return deliver_region(client, region, table, failures, on_error=on_error, total=len(cones))


def _find_around_each(
    client: AlerceQuery,
    survey: str,
    positions: list[Position],
    radii: list[float],
    limit: int | None,
    cache: bool | None,
) -> list:
    """Return the objects around each position, or the error of its search."""
    if survey == "lsst":
        return find_around_each(client, positions, radii, limit, cache)
    tasks = list(zip(positions, radii, strict=True))
    return client._each(
        lambda task: find_nearest(client, survey, task[0], task[1], limit, cache), tasks
    )


def query_criteria(
    self: AlerceQuery,
    *,
    survey: str = "ztf",
    classifier: str | None = None,
    classifier_version: str | None = None,
    class_name: str | None = None,
    ranking: int | str | None = None,
    probability: float | None = None,
    n_det: int | tuple | None = None,
    first_detection: tuple[Time, Time] | None = None,
    last_detection: tuple[Time, Time] | None = None,
    coordinates: SkyCoord | None = None,
    radius: Angle | u.Quantity | str | None = None,
    order_by: str | None = None,
    descending: bool = False,
    max_rows: int | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the objects that meet criteria, all of them by default.

    Parameters
    ----------
    survey : {"ztf", "lsst"}, optional
        The survey whose objects are searched.
    classifier, classifier_version, class_name : str, optional
        A classification, as in `list_classifiers`. With any of these, objects
        that nobody has classified are not found; for LSST they never are, as
        its server leaves them out of all lists but that of `query_region`.
    ranking : int or "all", optional
        The rank of the class among those of its classifier: 1 for the likeliest.
        The default is rank 1, as the servers have it, where a classifier or a
        class is named, and for LSST always. ``"all"`` finds the objects that
        have `class_name` at any rank, with a column ``ranking``, for a request
        or more per rank.
    probability : float, optional
        The least probability of the class; 0 is no bound. Without `ranking`, a
        classifier and a class, ZTF's objects are found by a class of any rank.
    n_det : int or tuple of int, optional
        The least number of detections, or the least and the greatest.
    first_detection, last_detection : tuple of `~astropy.time.Time`, optional
        A pair (start, end) for the time of the first and the last detection,
        each of which may be None; a bare number is an MJD in UTC.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        The centre of a circle that the objects are in.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        Its radius, with a unit.
    order_by : str, optional
        A column; by default the name.
    descending : bool, optional
        Whether the greatest comes first; masked values come last in either
        direction.
    max_rows : int, optional
        Largest number of objects, the first in that order; -1 for
        all. The default is ``conf.max_rows``. Of objects with the same value as
        the last one, the server chooses which are among them.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row per object: ``oid``, ``ra``, ``dec`` (deg), ``n_det``,
        ``first_mjd``, ``last_mjd`` and ``duration`` (d), ``class_name``,
        ``classifier_name``, ``probability``, and further ones of the survey.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be, or ALeRCE has no such class or
        classifier by its list of them, which is cached; no search was sent.

    Warns
    -----
    MaxResultsWarning
        If there are more objects than `max_rows`.
    InputWarning
        If objects have several such classifications, of which the likeliest is returned,
        or, in an order by class, probability or rank, the first in that order.
    NoResultsWarning
        If there is no such object.

    References
    ----------
    The route ``/objects/`` of the ZTF API, ``object_api/list_objects`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> found = Alerce.query_criteria(
    ...     classifier="stamp_classifier", class_name="SN", ranking=1, probability=0.3
    ... )
    >>> bool((found["probability"] >= 0.3).all())
    True
    """
    check_survey(survey)
    limit = check_limit(self, max_rows)
    params = criteria_params(
        survey=survey,
        coordinates=coordinates,
        radius=radius,
        classifier=classifier,
        classifier_version=classifier_version,
        class_name=class_name,
        ranking=ranking,
        probability=probability,
        n_det=n_det,
        first_detection=first_detection,
        last_detection=last_detection,
    )
    other = check_order(order_by, descending, survey)
    order = Order(order_by or "oid", bool(descending)) if other else None
    if get_query_payload:
        if ranking == ALL:
            # Other ranks follow, up to the number of classes.
            params["ranking"] = 1
        if order and limit is not None:
            params |= order_params(survey, order_by, descending)
        return self._payload(LIST_ROUTE[survey], fixed_order(survey) | params)
    check_class(self, survey, classifier, classifier_version, class_name)
    if ranking == ALL:
        found = _all_ranks(self, survey, params, order, limit, cache)
    elif order:
        found = find_in_order(self, survey, params, order, limit, cache)
    else:
        found = read_pages(self, survey, params | fixed_order(survey), limit, cache)
    if coordinates is not None:
        (ra,), (dec,), _ = check_coordinates(coordinates)
        # It is an error if the server ignored the position.
        with_separation(found.rows, (ra, dec), check_radius(radius))
    warn_of_omitted(found, limit, order)
    meta = self._origin(found.when, survey, query="query_criteria", **_plain_values(params))
    return _warn_if_empty(build_table(found.rows, meta=meta), "such object")


def query_objects(
    self: AlerceQuery,
    oids: str | int | list,
    *,
    survey: str = "ztf",
    on_error: str = "raise",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the catalogue entries of objects by name.

    Parameters
    ----------
    oids : str, int or sequence
        The names, such as ``"ZTF18acuwwpp"``, or the numbers of LSST objects.
    survey : {"ztf", "lsst"}, optional
        The survey whose objects they are.
    on_error : {"raise", "warn"}, optional
        What to do when some of many names failed, after all others came. A
        request for 200 names that fails is sent in halves, down to the name at fault.
    cache : bool, optional
        Whether cached responses are used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        The columns of `query_criteria`, a row for each name in the order
        given; masked but for ``oid`` where ALeRCE does not know the name.

    Raises
    ------
    InvalidQueryError
        If a name is not one of the survey's; nothing was sent.
    IncompleteResultError
        If some failed, with ``failures`` (name and error of each) and ``result``, in
        which they are masked.

    Warns
    -----
    InputWarning
        If ALeRCE does not know some of the names, or some failed, with
        ``on_error="warn"``: then ``meta["failures"]`` has them.

    References
    ----------
    The route ``/objects/`` of the ZTF API, ``object_api/list_objects`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.query_objects(["ZTF19aaaaaab", "ZTF18aaaaaaa"])["oid"].tolist()
    ['ZTF19aaaaaab', 'ZTF18aaaaaaa']
    """
    names = check_oids(oids, survey)
    check_on_error(on_error)
    distinct = list(dict.fromkeys(names))
    parts = [distinct[n : n + OID_CHUNK] for n in range(0, len(distinct), OID_CHUNK)]
    if get_query_payload:
        route, order = LIST_ROUTE[survey], fixed_order(survey)
        payloads = [self._payload(route, {"oid": part} | order) for part in parts]
        return one_or_all(payloads)
    answers: list[tuple] = []
    hopeless = threading.Event()
    outcomes = self._each(lambda part: _named(self, survey, part, hopeless, cache), parts)
    for part, answer in zip(parts, outcomes, strict=True):
        answers += [(part, answer)] if isinstance(answer, Exception) else answer
    came = [answer for _, answer in answers if not isinstance(answer, Exception)]
    if len(parts) == 1 and not came:
        raise answers[0][1]
    failed = {
        name: answer for part, answer in answers if isinstance(answer, Exception) for name in part
    }
    rows = stack_rows(_no_objects(survey), *(answer.rows for answer in came))
    if survey == "lsst":
        found = set(rows.values["oid"].tolist())
        unlisted = [name for name in distinct if name not in found and name not in failed]
        others, errors = read_unlisted(self, unlisted, cache)
        rows = stack_rows(rows, *others)
        failed |= errors
    failures = [(name, failed[name]) for name in distinct if name in failed]
    rows, missing = rows_as_asked(rows, "oid", names)
    when = min((answer.when for answer in came), default=self._clock.now())
    meta = self._origin(when, survey, query="query_objects")
    table = build_table(rows, meta=meta)
    if unknown := [name for name in missing if name not in failed]:
        warn(
            f"ALeRCE does not know {some(unknown)}: masked in the result",
            InputWarning,
        )
    return deliver(
        table,
        failures,
        on_error=on_error,
        service=self.service,
        total=len(distinct),
        in_meta=True,
    )


def query_object(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the catalogue entry of one object.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        One row with the columns of `query_criteria`. For ZTF the classification
        is masked; `get_probabilities` has it. For LSST the columns of
        `get_magstats` follow, the survey's statistics of the object.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.
    InvalidQueryError
        If it is not a name of the survey's; nothing was sent.

    References
    ----------
    The route ``/objects/{oid}`` of the ZTF API, ``object_api/object`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.query_object("ZTF18aaaaaaa")["n_det"].tolist()
    [3]
    """
    name = check_oid(oid, survey)
    if get_query_payload:
        if survey == "lsst":
            return self._payload("lsst_object", lsst_entry_params(name, extra=True))
        return self._payload("object", {}, {"oid": name})
    if survey == "lsst":
        rows, when = read_lsst_entry(self, name, cache, extra=True)
        rows = _with_class(self, rows, name, cache)
    else:
        rows, when = self._fetch(
            "object",
            {},
            fields={"oid": name},
            decode=partial(decode_entry, OBJECT),
            cache=cache,
            unknown=str(name),
        )
    check_answers(rows.values["oid"], name, "the object", service=self.service)
    meta = self._origin(when, survey, query="query_object")
    return build_table(rows, meta=meta)


def _with_class(client: AlerceQuery, rows: Rows, name: Oid, cache: bool | None) -> Rows:
    """Return the entry of an object of LSST with its classification, which lists have."""
    listed = read_pages(client, "lsst", {"oid": [name]} | fixed_order("lsst"), None, cache, named=1)
    for column in LSST_OBJECT:
        if len(listed.rows) and rows.masks[column.name][0]:
            rows.values[column.name] = listed.rows.values[column.name]
            rows.masks[column.name] = listed.rows.masks[column.name]
    return rows


def _all_ranks(
    client: AlerceQuery,
    survey: str,
    params: dict,
    order: Order | None,
    limit: int | None,
    cache: bool | None,
) -> FoundObjects:
    """Return the objects that have a class at any rank, from a search for each rank."""
    most = ranks_below(params.get("probability"), count_most_classes(client, cache, survey))

    def ask(rank: int) -> FoundObjects:
        sent = params | {"ranking": rank}
        if order is None or order.name in ("ranking", "classifier_version"):
            return read_pages(client, survey, sent | fixed_order(survey), limit, cache)
        return find_in_order(client, survey, sent, order, limit, cache)

    answers = client._each(ask, list(range(1, most + 1)))
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    parts = [with_rank(found.rows, rank) for rank, found in enumerate(answers, start=1)]
    rows, repeated = one_per_object(stack_rows(*parts), order or Order("oid"))
    rows, beyond = first_rows(rows, limit)
    cut = limit is not None and (beyond or any(found.cut for found in answers))
    repeated += sum(found.repeated for found in answers)
    overlap = sum(found.overlap for found in answers)
    return FoundObjects(rows, min(found.when for found in answers), cut, repeated, overlap)


def _named(
    client: AlerceQuery, survey: str, names: list, hopeless: threading.Event, cache: bool | None
) -> list[tuple]:
    """Return the entries of some names, and the errors of those that fail."""

    def ask(part: list) -> FoundObjects:
        sent = {"oid": part} | fixed_order(survey)
        # A request for many names is repeated in halves.
        found = read_pages(client, survey, sent, None, cache, named=len(part), once=len(names) > 1)
        check_answers(found.rows.values["oid"], part, "the object", service=client.service)
        return found

    return ask_in_halves(ask, names, hopeless)


def _no_objects(survey: str) -> Rows:
    return decode_rows(LIST_COLUMNS[survey], b"[]")


def _warn_if_empty(table: Table, what: str) -> Table:
    """Return a table; warn if it has no rows."""
    if not len(table):
        warn(f"ALeRCE has no {what}", NoResultsWarning)
    return table


def _plain_values(params: dict) -> dict:
    """Return the parameters of a query as values that every file format keeps."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in params.items()
    }
