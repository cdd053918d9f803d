"""Classifications of objects: probabilities, features, statistics, and the classifiers."""

import difflib
from urllib.parse import quote

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.alerce.base import AlerceQuery, Oid, check_oid, check_survey, decode_plain
from atlasquery.alerce.columns import (
    BANDS,
    CLASSIFIER,
    FEATURE,
    MAGSTATS,
    PROBABILITY,
)
from atlasquery.alerce.lsst_columns import DIA_OBJECT
from atlasquery.alerce.paging import check_lsst_object, lsst_entry_params, read_lsst_entry
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError
from atlasquery.service.inputs import suggest
from atlasquery.tables import Column, Rows, build_table
from atlasquery.warn import warn

__all__ = [
    "check_class",
    "count_most_classes",
    "find_versions",
    "get_feature",
    "get_features",
    "get_magstats",
    "get_probabilities",
    "list_classes",
    "list_classifiers",
    "object_table",
]

BAND = Column("band", str, about="Filter; g and r together are gr, masked for none.")
CLASSES = Column("classes", str, about="Its classes, with commas between.")
BANDS_OF_FEATURES = ("g", "r", "i", "gr", "")


def get_probabilities(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    classifier: str | None = None,
    classifier_version: str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the probabilities of the classes of an object.

    Parameters
    ----------
    oid : str or int
        The name of an object of ZTF, or the number of one of LSST.
    survey : {"ztf", "lsst"}, optional
        The survey whose object it is.
    classifier, classifier_version : str, optional
        The classifier, and its version; by default all. Versions of LSST are
        numbers in its probabilities and strings in its lists: 201 and ``"2.0.1"``
        are the same here.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``classifier_name``, ``classifier_version``, ``class_name``,
        ``probability``, ``ranking``: by classifier, the likeliest class first.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.
    InvalidQueryError
        If ALeRCE has no such classifier, by its list of them, which is cached.

    Warns
    -----
    NoResultsWarning
        If nobody has classified it.

    References
    ----------
    The route ``/objects/{oid}/probabilities`` of the ZTF API,
    ``probability_api/probability`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> likely = Alerce.get_probabilities("ZTF18aaaaaaa", classifier="stamp_classifier")
    >>> likely["ranking"].tolist()
    [1, 2, 3, 4, 5]
    """
    name = check_oid(oid, survey)
    lsst = survey == "lsst"
    if classifier_version is not None and classifier is None:
        raise InvalidQueryError(f"classifier_version={classifier_version!r} needs a classifier")
    chosen = {"classifier": classifier, "classifier_version": classifier_version}
    route = "lsst_probabilities" if lsst else "probabilities"
    # The server of LSST sends one version of a classifier that has two: all are requested.
    params: dict = {"oid": name, "survey_id": "lsst"}
    if not lsst:
        params = {key: value for key, value in chosen.items() if value is not None}
    if get_query_payload:
        return self._payload(route, params, {"oid": name})
    # A server would report the object as unknown, or send nothing.
    check_class(self, survey, classifier, None if lsst else classifier_version, None)
    try:
        rows, when = self._fetch(
            route,
            params,
            fields={"oid": name},
            decode=lambda body: decode_plain(PROBABILITY, body),
            cache=cache,
            unknown=str(name),
        )
    except NotFoundError as error:
        if not lsst:
            raise
        # An object that nobody has classified is unknown to this route.
        try:
            check_lsst_object(self, name, cache)
        except NotFoundError:
            raise error from None
        rows, when = decode_plain(PROBABILITY, b"[]"), self._clock.now()
    if classifier is not None and len(rows):
        rows = rows.take(rows.values["classifier_name"] == classifier)
    if classifier_version is not None and len(rows):
        versions = rows.values["classifier_version"].tolist()
        rows = rows.take(np.array([_same_version(v, classifier_version) for v in versions]))
    order = ("ranking", "classifier_version", "classifier_name")
    rows = rows.take(np.lexsort([rows.values[key] for key in order]))
    return object_table(self, rows, when, "get_probabilities", survey, name)


def get_features(
    self: AlerceQuery,
    oid: str,
    *,
    band: str | None = None,
    version: str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the features of the light curve of an object of ZTF.

    Parameters
    ----------
    oid : str
        The name of an object of ZTF; ALeRCE serves no features of LSST.
    band : {"g", "r", "i", "gr", ""}, optional
        The band, or ``"gr"`` for those of both, ``""`` for those of none; by
        default all.
    version : str, optional
        The version of the features; by default all.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``name``, ``band``, ``value`` (masked where it could not be computed;
        its unit depends on the feature), ``version``, ``fid``.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``/objects/{oid}/features`` of the ZTF API.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.get_features("ZTF18aaaaaaa", band="g")["name"][0]
    np.str_('Amplitude')
    """
    return _features(self, oid, None, "get_features", band, version, cache, get_query_payload)


def get_feature(
    self: AlerceQuery,
    oid: str,
    name: str,
    *,
    band: str | None = None,
    version: str | None = None,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch one feature of the light curve of an object of ZTF.

    Parameters
    ----------
    oid : str
        The name of an object of ZTF.
    name : str
        The name of the feature, such as ``"Multiband_period"``.
    band, version : str, optional
        As in `get_features`.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row per band and version, with the columns of `get_features`.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If the object has no such feature.

    References
    ----------
    The route ``/objects/{oid}/features/{name}`` of the ZTF API.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> len(Alerce.get_feature("ZTF18aaaaaaa", "Amplitude"))
    2
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidQueryError(f"name={name!r} should be the name of a feature")
    feature = name.strip()
    return _features(self, oid, feature, "get_feature", band, version, cache, get_query_payload)


def _features(
    client: AlerceQuery,
    oid: str,
    feature: str | None,
    query: str,
    band: str | None,
    version: str | None,
    cache: bool | None,
    get_query_payload: bool,
) -> Table:
    """Return the features of an object, or one of them."""
    name = check_oid(oid, "ztf", surveys=False)
    if band is not None and band not in BANDS_OF_FEATURES:
        raise InvalidQueryError(f"band={band!r} is not known{suggest(band, BANDS_OF_FEATURES)}")
    # A name with a slash in it is another route, however it is written.
    alone = feature is not None and "/" not in feature
    route = "feature" if alone else "features"
    fields = {"oid": name, "name": quote(feature or "", safe="")}
    if get_query_payload:
        return client._payload(route, {}, fields)
    rows, when = client._fetch(
        route,
        {},
        fields=fields,
        decode=lambda body: decode_plain(FEATURE, body),
        cache=cache,
        unknown=str(name),
    )
    rows = with_band(rows, after="name")
    chosen = np.ones(len(rows), bool)
    for column, value in {"name": feature, "band": band, "version": version}.items():
        if value is not None:
            chosen &= rows.values[column] == value
    return object_table(client, rows.take(chosen), when, query, "ztf", name)


def get_magstats(
    self: AlerceQuery,
    oid: str | int,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch statistics of the brightness of an object.

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
        ZTF: a row per band, with magnitudes of the difference. LSST: one row, the
        object in the survey's table DiaObject, with fluxes in nJy.

    Raises
    ------
    NotFoundError
        If ALeRCE does not know the object.

    Warns
    -----
    NoResultsWarning
        If there are none.

    References
    ----------
    The route ``/objects/{oid}/magstats`` of the ZTF API; for LSST
    ``object_api/object``, as ``magstat_api/magstats`` rounds to three decimals.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.get_magstats("ZTF18aaaaaaa")["magmean"].unit
    Unit("mag")
    """
    name = check_oid(oid, survey)
    if get_query_payload:
        if survey == "lsst":
            return self._payload("lsst_object", lsst_entry_params(name, extra=True))
        return self._payload("magstats", {}, {"oid": name})
    if survey == "lsst":
        # The route of this name rounds each number to three decimals: positions to 3.6 arcsec.
        entry, when = read_lsst_entry(self, name, cache, extra=True)
        rows = Rows(length=len(entry))
        for column in DIA_OBJECT:
            sent = f"dia_{column.name}" if column.name in ("ra", "dec") else column.name
            rows.add(column, entry.values[sent], entry.masks[sent])
    else:
        rows, when = self._fetch(
            "magstats",
            {},
            fields={"oid": name},
            decode=lambda body: decode_plain(MAGSTATS, body),
            cache=cache,
            unknown=str(name),
        )
        rows = with_band(rows)
    return object_table(self, rows, when, "get_magstats", survey, name)


def list_classifiers(
    self: AlerceQuery,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the classifiers, their versions and classes.

    Parameters
    ----------
    survey : {"ztf", "lsst"}, optional
        The survey whose objects they classify.
    cache : bool, optional
        Whether a cached response is used, for ``conf.classifier_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``classifier_name``, ``classifier_version``, ``classes`` (names with
        commas between).

    References
    ----------
    The route ``/classifiers/`` of the ZTF API, ``classifier_api/classifiers`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.list_classifiers(survey="lsst")["classifier_name"].tolist()
    ['stamp_classifier_rubin']
    """
    if get_query_payload:
        return self._payload(_classifiers_route(survey), {})
    rows, when = _classifiers(self, survey, cache)
    return object_table(self, rows, when, "list_classifiers", survey, None)


def list_classes(
    self: AlerceQuery,
    classifier: str,
    classifier_version: str | None = None,
    *,
    survey: str = "ztf",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> list[str]:
    """List the classes of a classifier.

    Parameters
    ----------
    classifier : str
        The classifier.
    classifier_version : str, optional
        Its version; by default those of all its versions together.
    survey : {"ztf", "lsst"}, optional
        The survey whose objects it classifies.
    cache : bool, optional
        Whether a cached response is used, for ``conf.classifier_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    list of str
        The names of the classes.

    Raises
    ------
    InvalidQueryError
        If ALeRCE has no such classifier or version; the error says which there are.

    References
    ----------
    The route ``/classifiers/`` of the ZTF API, ``classifier_api/classifiers`` for LSST.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> Alerce.list_classes("stamp_classifier")
    ['AGN', 'SN', 'VS', 'asteroid', 'bogus']
    """
    if get_query_payload:
        return self._payload(_classifiers_route(survey), {})
    check_class(self, survey, classifier, classifier_version, None, cache)
    rows, _ = _classifiers(self, survey, cache)
    return _classes(rows, classifier, classifier_version)


def _classifiers_route(survey: str) -> str:
    return "lsst_classifiers" if check_survey(survey) == "lsst" else "classifiers"


def _classifiers(client: AlerceQuery, survey: str, cache: bool | None) -> tuple[Rows, float]:
    return client._fetch(
        _classifiers_route(survey),
        {},
        decode=_decode_classifiers,
        lifetime=client.conf.classifier_seconds,
        cache=cache,
    )


def check_class(
    client: AlerceQuery,
    survey: str,
    classifier: str | None,
    version: str | None,
    class_name: str | None,
    cache: bool | None = None,
) -> None:
    """Raise if there is no such classifier, version or class; the servers send nothing."""
    if classifier is None and class_name is None:
        return
    rows, _ = _classifiers(client, survey, cache)
    names, versions = rows.values["classifier_name"], rows.values["classifier_version"]
    if classifier is not None:
        _refuse("classifier", classifier, names.tolist())
    if version is not None:
        _refuse("classifier_version", version, versions[names == classifier].tolist())
    if class_name is not None:
        _refuse("class_name", class_name, _classes(rows, classifier, version))


def find_versions(
    client: AlerceQuery, classifier: str | None, version: str | None, cache: bool | None
) -> list[tuple[str, str]]:
    """Return pairs of a version and its classifier of ZTF, all or those named."""
    rows, _ = _classifiers(client, "ztf", cache)
    names, versions = (rows.values[f"classifier_{key}"].tolist() for key in ("name", "version"))
    return [
        (known, name)
        for known, name in zip(versions, names, strict=True)
        if classifier in (None, name) and version in (None, known)
    ]


def count_most_classes(client: AlerceQuery, cache: bool | None, survey: str = "ztf") -> int:
    """Return the largest number of classes of a classifier."""
    rows, _ = _classifiers(client, survey, cache)
    return max(len(text.split(", ")) for text in rows.values["classes"].tolist())


def object_table(
    client: AlerceQuery, rows: Rows, when: float, query: str, survey: str, oid: Oid | None
) -> Table:
    """Return the table of a response about an object or a survey; warn if it is empty."""
    meta = client._origin(when, survey, query=query)
    if oid is not None:
        meta["object"] = str(oid)
    if not len(rows):
        warn(
            f"ALeRCE has no such data of {oid or survey}",
            NoResultsWarning,
        )
    return build_table(rows, meta=meta)


def _refuse(name: str, value: str, known: list[str]) -> None:
    known = list(dict.fromkeys(known))
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        right = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"
        raise InvalidQueryError(f"{name}={value!r} is not one of ALeRCE's; {right}")


def _same_version(sent: str, given: object) -> bool:
    """Return whether two versions are the same, as 201 and "2.0.1" are."""
    return sent == str(given) or sent.replace(".", "") == str(given).strip().replace(".", "")


def _classes(rows: Rows, classifier: str | None, version: str | None) -> list[str]:
    chosen = np.ones(len(rows), bool)
    if classifier is not None:
        chosen &= rows.values["classifier_name"] == classifier
    if version is not None:
        chosen &= rows.values["classifier_version"] == version
    together = ", ".join(rows.values["classes"][chosen].tolist())
    return list(dict.fromkeys(together.split(", "))) if together else []


def _decode_classifiers(body: bytes) -> Rows:
    rows = decode_plain(CLASSIFIER, body)
    lists = [msgspec.json.decode(raw, type=list[str] | None) for raw in rows.values["classes"]]
    # Two versions of one name come as one row, whose classes are there twice.
    classes = np.array([", ".join(dict.fromkeys(names or ())) for names in lists], dtype=np.str_)
    found = rows.without(("classes", "classifier_id"))
    found.add(CLASSES, classes, classes == "")
    return found


def with_band(rows: Rows, *, after: str | None = None, bands: dict[int, str] | None = None) -> Rows:
    """Return rows with the name of the band in front, or after a column.

    Parameters
    ----------
    rows : Rows
        With the number of the filter, ``fid``.
    after : str, optional
        The column that it stands after.
    bands : dict, optional
        The names of the numbers; by default those of ZTF.

    Returns
    -------
    Rows
        Not copied.
    """
    names = [(bands or BANDS).get(fid, str(fid)) for fid in rows.values["fid"].tolist()]
    band = np.array(names, dtype=np.str_)
    found = Rows(length=len(rows))
    if after is None:
        found.add(BAND, band, band == "")
    for column in rows.columns:
        found.add(column, rows.values[column.name], rows.masks[column.name])
        if column.name == after:
            found.add(BAND, band, band == "")
    return found
