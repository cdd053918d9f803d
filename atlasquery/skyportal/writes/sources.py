"""Save sources and candidates: an id that exists keeps the position that it has."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.service.inputs import check_coordinates, suggest
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json, iso
from atlasquery.skyportal.reads.names import (
    check_number_id,
    each_number,
    each_source,
    find_group_ids,
    source_path,
)
from atlasquery.skyportal.writes.changes import Change, change_each, read_fresh
from atlasquery.sphere import separations

__all__ = ["save_candidate", "save_source", "unsave_source"]

# What both routes answer: "RA/Declination must not be null for a new Obj", "RA must not ...".
NEW = "must not be null for a new Obj"
NOT_SAVED = "is not saved to group"
FIRST = "It would be sent first: the server takes it only for an id that it has."
THEN = "It would be sent if the server does not have the id."
# What may be said of an object when it is new.
NUMBERS = (
    "dec_dis", "dec_err", "ra_dis", "ra_err", "redshift", "redshift_error", "score", "t0",
)  # fmt: skip
FLAGS = ("transient", "varstar")
TEXTS = ("mpc_name", "origin", "redshift_origin", "tns_name")
PROPERTIES = tuple(sorted((*NUMBERS, *FLAGS, *TEXTS, "alias", "altdata")))

Groups = int | str | Sequence | None


def save_source(
    self: SkyPortalQuery,
    source_id: str | int,
    coordinates: SkyCoord | None = None,
    *,
    groups: Groups = None,
    dry_run: bool = False,
    on_error: str = "raise",
    **properties: object,
) -> Table:
    """Save a source to groups.

    Parameters
    ----------
    source_id : str or int
        The id that the source has or is to have, of letters, digits and
        ``- _ . +``. The 19 digits of an ATLAS id are one.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        One position in any frame; needed for an id that the server does not have,
        and never sent for one that it has: another position would spoil its index of
        the sky.
    groups : int, str or sequence, optional
        Groups by name or number. By default all groups of the account.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names of
        groups are looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do when it was not saved: raise an error that has the table as
        ``result``, or return the table with a warning.
    **properties : object
        What is known of a new source: ``redshift``, ``redshift_error``, ``alias``,
        ``origin``, ``tns_name``, ``transient``, ``varstar``, ``score``, ``t0`` (MJD) and
        others of the server's.

    Returns
    -------
    `~astropy.table.Table`
        One row: ``source_id``; ``ok``, masked where the server's answer was lost and
        reading back did not tell; ``id`` (masked); ``message``, which says whether the
        source is new, the groups it is saved to, how far an old one is from
        `coordinates`, and that the properties of an old one are as they were.
        With `dry_run` also ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If the id, the position, a property or a group is not what it should be.
    LoginError
        If there is no login.
    WriteError
        If it is not saved; a missing permission is its cause.

    References
    ----------
    The ``sources`` endpoint of the API of SkyPortal, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import SkyPortal
    >>> here = SkyCoord(150.1, 2.2, unit="deg")
    >>> plan = SkyPortal.save_source("ATLAS26xyz", here, groups=3, dry_run=True)
    >>> print(plan["payload"][1])
    {"id":"ATLAS26xyz","ra":150.1,"dec":2.2,"group_ids":[3]}
    """
    source = each_source([source_id])[0]
    position = _position(coordinates)
    payload = {"id": source, "group_ids": find_group_ids(self, groups)}
    payload = {key: value for key, value in payload.items() if value is not None}
    known = _check_properties(properties)
    old = Change(
        source,
        "POST",
        "sources",
        payload,
        done=lambda data: _saved_existing(self, source, data, payload, coordinates, known),
        look=lambda began: _look_for_source(self, source, payload),
        note=FIRST,
    )
    if position is None:
        old.refused = lambda error: _needs_position(error, source)
        return change_each(self, [old], dry_run=dry_run, on_error=on_error, query="save_source")
    new = Change(
        source,
        "POST",
        "sources",
        {"id": source, **position, **payload, **known},
        done=lambda data: _saved(data, payload, "New."),
        look=lambda began: _look_for_source(self, source, payload),
        note=THEN,
    )
    old.refused = lambda error: new if NEW in (error.reason or "") else None
    # The server itself says whether it has the id: it takes no new one without a position.
    changes = [old, new] if dry_run else [old]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="save_source")


def save_candidate(
    self: SkyPortalQuery,
    source_id: str | int,
    coordinates: SkyCoord | None = None,
    *,
    filters: int | Sequence[int],
    passed_at: Time | str | float,
    alert_id: int | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
    **properties: object,
) -> Table:
    """Post an object as a candidate that has passed filters.

    Parameters
    ----------
    source_id : str or int
        The id that the object has or is to have.
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        One position, as in `save_source`.
    filters : int or sequence of int
        The numbers of the filters that it has passed; one candidate is made for each.
    passed_at : `~astropy.time.Time`, str or float
        When it passed; a bare number is an MJD.
    alert_id : int, optional
        The alert that passed.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `save_source`.
    **properties : object
        What is known of a new object, as in `save_source`.

    Returns
    -------
    `~astropy.table.Table`
        As `save_source`; ``id`` is that of the candidate of the first filter, and
        ``message`` names all. The outcome of a lost response stays unknown: the server shows no
        candidate with the time at which it passed.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be.
    LoginError
        If there is no login.
    WriteError
        If it is not posted.

    References
    ----------
    The ``candidates`` endpoint of the API of SkyPortal, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.save_candidate(
    ...     "ATLAS26xyz", filters=1, passed_at="2026-05-01T02:00", dry_run=True
    ... )
    >>> print(plan["payload"][0])
    {"id":"ATLAS26xyz","filter_ids":[1],"passed_at":"2026-05-01T02:00:00.000"}
    """
    source = each_source([source_id])[0]
    position = _position(coordinates)
    given = each_number(filters)
    if not given:
        raise InvalidQueryError("filters is empty: give the number of at least one filter")
    payload: dict[str, Any] = {
        "id": source,
        "filter_ids": [check_number_id(one, name="filters") for one in given],
        "passed_at": iso(passed_at, "passed_at"),
    }
    if alert_id is not None:
        payload["passing_alert_id"] = check_number_id(alert_id, name="alert_id")
    known = _check_properties(properties)
    old = Change(source, "POST", "candidates", payload, done=_posted, note=FIRST)
    old.refused = lambda error: _needs_position(error, source)
    changes = [old]
    if position is not None:
        body = {**payload, **position, **known}
        new = Change(source, "POST", "candidates", body, done=_posted, note=THEN)
        old.refused = lambda error: new if NEW in (error.reason or "") else None
        changes = [old, new] if dry_run else [old]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="save_candidate")


def unsave_source(
    self: SkyPortalQuery,
    source_ids: str | int | Sequence,
    groups: Groups,
    *,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Take sources out of groups that have saved them.

    The object, its photometry and its notes stay on the server.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    groups : int, str or sequence
        The groups by name or number.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names of
        groups are looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not taken out: raise an error that
        has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (masked) and ``message``, in the order given. What
        was not saved to the groups before is ``ok``. Where a response was lost the
        source's groups are read back. With `dry_run` also ``method``, ``endpoint``
        and ``payload``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not taken out.

    References
    ----------
    The ``source_groups`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.unsave_source("ATLAS24abc", 3, dry_run=True)
    >>> print(plan["endpoint"][0], plan["payload"][0])
    source_groups {"objId":"ATLAS24abc","unsaveGroupIds":[3]}
    """
    if groups is None:
        raise InvalidQueryError("groups=None should name the groups that are to lose it")
    found = find_group_ids(self, groups)
    numbers = found if isinstance(found, list) else []

    def removal(source: str) -> Change:
        return Change(
            source,
            "POST",
            "source_groups",
            {"objId": source, "unsaveGroupIds": numbers},
            done=lambda data: WriteOutcome(True, f"Taken out of the groups {numbers}."),
            look=lambda began: _look_for_unsaved(self, source, numbers),
            refused=lambda error: _unsaved_before(self, error, source, numbers),
        )

    changes = [removal(source) for source in each_source(source_ids)]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="unsave_source")


def _look_for_unsaved(client: SkyPortalQuery, source: str, numbers: Sequence[int]) -> WriteOutcome:
    saved = {group["id"] for group in read_fresh(client, source_path(source, "groups"))}
    rest = sorted(saved & set(numbers))
    message = f"it is still saved to the groups {rest}" if rest else "it is in none of them"
    return WriteOutcome(not rest, message)


def _unsaved_before(
    client: SkyPortalQuery, error: RemoteServiceError, source: str, numbers: list[int]
) -> WriteOutcome | None:
    if NOT_SAVED not in (error.reason or ""):
        return None
    found = _look_for_unsaved(client, source, numbers)
    if found.ok:
        return found._replace(message=f"Was in none of the groups {numbers}.")
    return WriteOutcome(False, f"{error.reason} Nothing was changed: {found.message}.")


def _saved_existing(
    client: SkyPortalQuery,
    source: str,
    data: object,
    asked: dict,
    coordinates: SkyCoord | None,
    known: dict,
) -> WriteOutcome:
    """Return the outcome for a source that the server had already."""
    message = "Was there already."
    if known:
        message += f" Not changed: {', '.join(known)}."
    if coordinates is not None:
        message += _distance_note(client, source, coordinates)
    return _saved(data, asked, message)


def _distance_note(client: SkyPortalQuery, source: str, coordinates: SkyCoord) -> str:
    try:
        found = read_fresh(client, source_path(source))
        (ra,), (dec,), _ = check_coordinates(coordinates)
        separation = float(separations(ra, dec, found["ra"], found["dec"]))
    except Exception as error:
        # The source is saved, whatever the error is.
        return f" How far it is from the position given is not known ({error})."
    return f" It is {separation:.2f} arcsec from the position given, which was not sent."


def _look_for_source(client: SkyPortalQuery, source: str, asked: dict) -> WriteOutcome:
    try:
        groups = read_fresh(client, source_path(source)).get("groups")
    except RemoteServiceError as error:
        if error.status == 404:
            return WriteOutcome(False, "there is no such source")
        raise
    if groups is None:
        return WriteOutcome(None, "the server does not show its groups")
    saved = {group["id"] for group in groups}
    missing = set(asked.get("group_ids", ())) - saved
    if missing:
        return WriteOutcome(False, f"it is not saved to the groups {sorted(missing)}")
    return WriteOutcome(True, f"it is saved to the groups {sorted(saved)}")


def _position(coordinates: SkyCoord | None) -> dict | None:
    if coordinates is None:
        return None
    ra, dec, shape = check_coordinates(coordinates)
    if len(ra) != 1:
        raise InvalidQueryError(
            f"coordinates has the shape {shape}: give one position for one source"
        )
    # Checked, for the server takes any: see docs/servers/skyportal.rst, "Saving sources".
    return {"ra": float(ra[0]), "dec": float(dec[0])}


def _check_properties(properties: dict) -> dict:
    for name in properties:
        if name not in PROPERTIES:
            raise TypeError(f"there is no property {name!r}{suggest(name, PROPERTIES)}")
    known = {name: value for name, value in properties.items() if value is not None}
    if isinstance(known.get("t0"), Time):
        # The one time among them is an MJD, and no string.
        known["t0"] = known["t0"].utc.mjd
    for name, value in known.items():
        if (wrong := _wrong_property(name, value)) is not None:
            raise InvalidQueryError(f"{name}={value!r:.100} should be {wrong}")
    # Here, as they are sent only after the server has said that the source is new.
    return {name: as_json(value, name) for name, value in known.items()}


def _wrong_property(name: str, value: Any) -> str | None:
    """Return what a property should be, where it is something else."""
    flag = isinstance(value, (bool, np.bool_))
    if name in NUMBERS and (
        flag or not isinstance(value, (Real, np.floating)) or not math.isfinite(value)
    ):
        return "a finite number" + (", or a Time" if name == "t0" else "")
    if name in FLAGS and not flag:
        return "True or False"
    if name in TEXTS and not isinstance(value, str):
        return "a string"
    return None


def _needs_position(error: RemoteServiceError, source: str) -> WriteOutcome | None:
    if NEW not in (error.reason or ""):
        return None
    return WriteOutcome(False, f"The server does not have {source}: give its coordinates.")


def _saved(data: object, asked: dict, message: str) -> WriteOutcome:
    """Say whether a source is saved to all groups asked for."""
    saved = data.get("saved_to_groups") if isinstance(data, dict) else None
    if not isinstance(saved, list):
        return WriteOutcome(True, f"{message} Saved.")
    # A group that is no more accessible is left out by the server silently.
    missing = sorted(set(asked.get("group_ids", ())) - set(saved))
    if missing:
        return WriteOutcome(False, f"{message} Saved to the groups {saved}, but not to {missing}.")
    return WriteOutcome(True, f"{message} Saved to the groups {saved}.")


def _posted(data: object) -> WriteOutcome:
    numbers = data.get("ids") if isinstance(data, dict) else None
    if not numbers:
        return WriteOutcome(True, "Posted.")
    return WriteOutcome(True, f"Posted as the candidates {numbers}.", int(numbers[0]))
