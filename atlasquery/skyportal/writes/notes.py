"""What people and bots say of sources: classifications, votes, comments, annotations."""

import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from astropy.coordinates import Angle
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.lightcurve.checks import check_number
from atlasquery.service.inputs import check_choice, check_radius
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json, check_text, in_path
from atlasquery.skyportal.reads.names import (
    check_number_id,
    each_source,
    find_group_ids,
    find_taxonomy,
    source_path,
)
from atlasquery.skyportal.writes.changes import (
    Change,
    change_each,
    is_recent,
    read_fresh,
)

__all__ = [
    "add_annotation",
    "add_classification",
    "add_comment",
    "annotate_from_catalog",
    "vote_classification",
]

# What is sent as the kind of an attachment: the server looks at its name only.
KIND = "application/octet-stream"
VOTES = {"up": 1, "down": -1}
#: The catalogues of which the server itself makes annotations, with its name for the route, and
#: how its default catalogue begins.
CATALOGS = {
    "gaia": ("gaia", "gaiadr3.gaia_source"),
    "wise": ("irsa", "allwise_p3as_psd"),
    "vizier": ("vizier", "VII/290"),
}
# "Annotation already posted.", where a source has one of the same origin.
ALREADY = "already posted"

Ids = str | int | Sequence
Groups = int | str | Sequence | None


def add_classification(
    self: SkyPortalQuery,
    source_ids: Ids,
    classification: str,
    *,
    taxonomy: int | str | None = None,
    probability: float | None = None,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Classify sources.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    classification : str
        A class of the taxonomy, such as ``"Ia"``.
    taxonomy : int or str, optional
        The taxonomy by name or number. By default the one that has the class.
    probability : float, optional
        From 0 to 1.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default all groups of the account.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not done: raise an error that
        has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (of the classification) and ``message``, in the
        order given. Where a response was lost the server is asked what it has; where
        that does not tell either, ``ok`` is masked. The same classification of the
        last ten minutes counts as this one. With `dry_run` also ``method``,
        ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If no taxonomy has the class, or several have; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not done.

    References
    ----------
    The ``classification`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.add_classification("ATLAS24abc", "Ia", probability=0.9, dry_run=True)
    >>> print(plan["payload"][0])
    {"obj_id":"ATLAS24abc","classification":"Ia","taxonomy_id":1,"probability":0.9}
    """
    sources = each_source(source_ids)
    shared = {
        "classification": classification,
        "taxonomy_id": find_taxonomy(self, classification, taxonomy),
    }
    if probability is not None:
        if check_number(probability, name="probability", least=0.0) > 1:
            raise InvalidQueryError(f"probability={probability!r} should be from 0 to 1")
        shared["probability"] = float(probability)
    shared = _with_groups(self, shared, groups)
    changes = [
        Change(
            source,
            "POST",
            "classification",
            {"obj_id": source, **shared},
            done=_numbered("classification_id", "Classified."),
            look=_looker(self, source_path(source, "classifications"), shared),
        )
        for source in sources
    ]
    return change_each(
        self, changes, dry_run=dry_run, on_error=on_error, query="add_classification"
    )


def vote_classification(
    self: SkyPortalQuery,
    classification_id: int,
    vote: str,
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Vote for or against a classification; a later vote replaces an earlier one.

    Parameters
    ----------
    classification_id : int
        The number of a classification, as from `add_classification`.
    vote : {"up", "down"}
        For or against it.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `add_classification`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_classification`; ``source_id`` is ``"classification N"``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If it was not done.

    References
    ----------
    The ``classification/votes`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.vote_classification(1, "up", dry_run=True)
    >>> print(plan["endpoint"][0], plan["payload"][0])
    classification/votes/1 {"vote":1}
    """
    number = check_number_id(classification_id, name="classification_id")
    value = VOTES[check_choice(vote, name="vote", known=VOTES)]
    change = Change(
        f"classification {number}",
        "POST",
        f"classification/votes/{number}",
        {"vote": value},
        done=lambda data: WriteOutcome(True, "Voted.", number),
        look=lambda began: _look_for_vote(self, number, value, began),
    )
    return change_each(
        self, [change], dry_run=dry_run, on_error=on_error, query="vote_classification"
    )


def add_comment(
    self: SkyPortalQuery,
    source_ids: Ids,
    text: str,
    *,
    attachment: str | os.PathLike | tuple[str, bytes] | None = None,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Comment on sources.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    text : str
        The comment.
    attachment : path-like or tuple of str and bytes, optional
        A file to go with it; or a pair of its name and its bytes.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default everybody on the instance: the
        server then shows it to its Sitewide Group.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        As in `add_classification`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_classification`; the same comment of the last ten minutes counts as
        this one, where a response was lost.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not done.

    References
    ----------
    The ``sources/{id}/comments`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.add_comment("ATLAS24abc", "Rising fast.", dry_run=True)
    >>> print(plan["payload"][0])
    {"text":"Rising fast."}
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidQueryError(f"text={text!r:.80} should be a comment that is not empty")
    comment: dict[str, Any] = {"text": text}
    if attachment is not None:
        name, data = _file_of(attachment)
        body = b64encode(data).decode("ascii")
        comment["attachment"] = {"name": name, "body": f"data:{KIND};base64,{body}"}
    payload = _with_groups(self, comment, groups)
    changes = [
        Change(
            source,
            "POST",
            source_path(source, "comments"),
            payload,
            done=_numbered("comment_id", "Commented."),
            look=_looker(self, source_path(source, "comments"), {"text": text}),
        )
        for source in each_source(source_ids)
    ]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="add_comment")


def add_annotation(
    self: SkyPortalQuery,
    source_ids: Ids,
    origin: str,
    data: Mapping,
    *,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Annotate sources with values by name, which filters and tables can use.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    origin : str
        Where the values come from; a source has one annotation of each origin.
    data : mapping
        Numbers, strings and booleans by name. Quantities are refused: name the
        unit in the name. So is NaN, which the server would keep as null: give None,
        or leave the name out.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default all groups of the account.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        As in `add_classification`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_classification`. Where the source has an annotation of the same
        origin it is ``ok`` if that one has the same values.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not done.

    References
    ----------
    The ``sources/{id}/annotations`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.add_annotation(
    ...     "ATLAS24abc", "sherlock", {"class": "SN", "separation_arcsec": 1.2}, dry_run=True
    ... )
    >>> print(plan["payload"][0])
    {"origin":"sherlock","data":{"class":"SN","separation_arcsec":1.2}}
    """
    if not isinstance(origin, str) or not origin.strip():
        raise InvalidQueryError(f"origin={origin!r:.80} should be a string that is not empty")
    if not isinstance(data, Mapping) or not data:
        raise InvalidQueryError(f"data={data!r:.80} should be values by name, at least one")
    values = {"origin": origin, "data": as_json(data, "data")}
    payload = _with_groups(self, values, groups)

    def already(source: str) -> WriteOutcome | None:
        # Servers call it by different names: what counts is whether it is there.
        found = _look_for_row(self, source_path(source, "annotations"), values, 0.0)
        return found._replace(message="Was there already.") if found.ok else None

    def annotation(source: str) -> Change:
        return Change(
            source,
            "POST",
            source_path(source, "annotations"),
            payload,
            done=_numbered("annotation_id", "Annotated."),
            look=_looker(self, source_path(source, "annotations"), values),
            refused=lambda error: already(source),
        )

    changes = [annotation(source) for source in each_source(source_ids)]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="add_annotation")


def annotate_from_catalog(
    self: SkyPortalQuery,
    source_ids: Ids,
    catalog: str,
    *,
    table: str | None = None,
    radius: Angle | str | None = None,
    limiting_mag: float | None = None,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Let the server look for sources in a catalogue, and annotate them with what is there.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    catalog : {"gaia", "wise", "vizier"}
        Where it looks: for Gaia's parallax and magnitudes, for WISE's magnitudes at
        IRSA, or in a catalogue of VizieR.
    table : str, optional
        The table of it; by default ``gaiadr3.gaia_source``, ``allwise_p3as_psd`` or
        ``VII/290``, the Million Quasars.
    radius : `~astropy.units.Quantity`, `~astropy.coordinates.Angle` or str, optional
        How far from the source; by default as the instance is set, mostly 2 arcsec.
    limiting_mag : float, optional
        The faintest star of Gaia, in G (mag); 0 for all. For ``"gaia"`` only.
    groups : int, str or sequence, optional
        Groups by name or number that see it. By default everybody on the instance: the
        server then shows it to its Sitewide Group.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        As in `add_classification`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_classification`. A source that has the annotation already is ``ok``;
        one that has no match is not, and ``message`` is the server's.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not done.

    References
    ----------
    The ``sources/{id}/annotations/gaia``, ``irsa`` and ``vizier`` endpoints of the
    API of SkyPortal, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.annotate_from_catalog(
    ...     "ATLAS24abc", "wise", radius="3 arcsec", dry_run=True
    ... )
    >>> print(plan["endpoint"][0], plan["payload"][0])
    sources/ATLAS24abc/annotations/irsa {"crossmatchRadius":3.0}
    """
    route, begins = CATALOGS[check_choice(catalog, name="catalog", known=CATALOGS)]
    payload: dict = {}
    if table is not None:
        payload["catalog"] = begins = check_text(str(table), "table")
    if radius is not None:
        # In arcseconds here, unlike the radius of a search.
        payload["crossmatchRadius"] = check_radius(radius)
    if limiting_mag is not None:
        if catalog != "gaia":
            raise InvalidQueryError(f"limiting_mag is for 'gaia', and not for {catalog!r}")
        payload["crossmatchLimmag"] = check_number(limiting_mag, name="limiting_mag", least=0)
    payload = _with_groups(self, payload, groups)

    def already(error: RemoteServiceError) -> WriteOutcome | None:
        exists = ALREADY in (error.reason or "")
        return WriteOutcome(True, f"Was there already ({error.reason})") if exists else None

    changes = [
        Change(
            source,
            "POST",
            source_path(source, "annotations", route),
            payload,
            done=lambda data: WriteOutcome(True, f"Annotated from {catalog}."),
            look=partial(_look_for_match, self, source, begins),
            refused=already,
        )
        for source in each_source(source_ids)
    ]
    return change_each(
        self, changes, dry_run=dry_run, on_error=on_error, query="annotate_from_catalog"
    )


def _with_groups(client: SkyPortalQuery, payload: dict, groups: Groups) -> dict:
    numbers = find_group_ids(client, groups)
    return payload if numbers is None else {**payload, "group_ids": numbers}


def _looker(client: SkyPortalQuery, path: str, payload: dict) -> Callable[[float], WriteOutcome]:
    """Return what looks for a row with the values that were sent."""
    asked = {key: value for key, value in payload.items() if key != "group_ids"}
    return partial(_look_for_row, client, path, asked)


def _look_for_row(client: SkyPortalQuery, path: str, asked: dict, began: float) -> WriteOutcome:
    rows = [
        row
        for row in read_fresh(client, path)
        if is_recent(row, began) and all(row.get(key) == value for key, value in asked.items())
    ]
    if not rows:
        return WriteOutcome(False, "it is not there")
    newest = max(rows, key=lambda row: row["id"])
    return WriteOutcome(True, f"it is there, made {newest.get('created_at')}", newest["id"])


def _look_for_vote(client: SkyPortalQuery, number: int, value: int, began: float) -> WriteOutcome:
    votes = read_fresh(client, f"classification/{in_path(number)}").get("votes")
    if votes is None:
        return WriteOutcome(None, "the server shows no votes")
    exists = any(
        vote.get("vote") == value and is_recent({"modified": vote.get("modified")}, began)
        for vote in votes
    )
    return WriteOutcome(exists, f"such a vote is {'there' if exists else 'not there'}", number)


def _look_for_match(client: SkyPortalQuery, source: str, begins: str, began: float) -> WriteOutcome:
    rows = read_fresh(client, source_path(source, "annotations"))
    new = [
        row
        for row in rows
        if str(row.get("origin", "")).startswith(begins) and is_recent(row, began)
    ]
    message = f"it has {len(new)} new annotations of {begins}"
    return WriteOutcome(bool(new), message, new[0]["id"] if new else None)


def _file_of(given: Any) -> tuple[str, bytes]:
    """Return the name of a file without its folders, and its bytes."""
    right = "should be the path of a file, or a pair of its name and its bytes"
    try:
        if isinstance(given, tuple):
            name, data = given[0], bytes(given[1]) if isinstance(given[1], bytes) else None
        else:
            path = Path(given).expanduser()
            name, data = path.name, path.read_bytes()
    except (OSError, TypeError, IndexError) as error:
        raise InvalidQueryError(f"attachment={given!r:.100} {right}: {error}") from error
    if not isinstance(name, str) or not name or not data:
        raise InvalidQueryError(f"attachment={given!r:.100} {right}, of which neither is empty")
    return check_text(name, "attachment"), data


def _numbered(key: str, message: str) -> Callable[[object], WriteOutcome]:
    """Return what takes the id of what was made from the response."""

    def done(data: object) -> WriteOutcome:
        number = data.get(key) if isinstance(data, dict) else None
        return WriteOutcome(True, message, number if isinstance(number, int) else None)

    return done
