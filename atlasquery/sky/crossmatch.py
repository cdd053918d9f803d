"""Match positions with a catalogue: a table at hand, or one of an astronomical archive."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import erfa
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Column, Table
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
)
from atlasquery.service.inputs import check_radius, check_time, column_names
from atlasquery.sky.archive_requests import Answer, ArchiveTargets, Catalogue
from atlasquery.sky.pairs import Pairs, find_nearest, find_pairs
from atlasquery.sky.proper_motion import PERSPECTIVE, propagate
from atlasquery.sky.remote_catalogues import find_catalogue
from atlasquery.sky.sky_positions import SkyPositions, find_motion, read_positions
from atlasquery.sphere import ARCSEC, position_angles
from atlasquery.warn import warn

__all__ = ["crossmatch"]

# A bare number below this would be an MJD of the years before 1995, so it may be meant as a year.
EARLIEST_MJD = 50000.0
# Indices that a warning shows.
SHOWN = 5
# A cut by a separation that was computed in another way may differ by rounding, in radians.
ROUNDING = 1e-15


def crossmatch(
    left: SkyCoord | Table | Mapping | str,
    catalogue: SkyCoord | Table | str | Any,
    radius: Angle | u.Quantity | str,
    *,
    nearest: bool = False,
    epoch: Time | str | None = None,
) -> Table:
    """Find the objects of a catalogue within a radius of each position.

    Separations are computed here, also for the catalogues of archives, which are asked with a
    slightly larger radius: whatever frame or epoch an archive compares in, the rows are those
    within `radius` of the positions in ICRS, at `epoch` if there is one.

    Parameters
    ----------
    left : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, mapping or str
        Any number of positions in any frame; a table or data frame that has them in a column
        of SkyCoord, or in columns such as ``ra`` and ``dec`` (deg where they have no unit); a
        light curve with ``coordinates`` in its ``meta``, or a mapping of such light curves.
    catalogue : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, str or service
        The same; or ``"gaia"`` (DR3), ``"simbad"``, ``"ned"``, ``"vizier:<table>"`` with all
        columns of a table of VizieR, ``"xmatch:<table>"`` for long lists through the
        cross-match service of the CDS; or a service of astroquery or of this package with
        ``query_region``, or such a method.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str
        The radius with its unit, above 0 and up to 180 degrees.
    nearest : bool, optional
        Whether to return only the nearest object for each position.
    epoch : `~astropy.time.Time` or str, optional
        When to compare the positions, a single time or one for each position of `left`.
        Those with a proper motion are moved to where they are then, by the parallax and
        radial velocity too, where these are known. It needs the epoch of the positions: a
        column ``ref_epoch`` in Julian years, or the ``obstime`` of a SkyCoord.

    Returns
    -------
    `~astropy.table.Table`
        A row for each match, sorted by position and separation:

        ==================== ======== ==================================================
        column               unit     meaning
        ==================== ======== ==================================================
        ``query_index``               row of the position, into the flat `left`
        ``query_id``                  key of the position, if `left` is a mapping
        ``catalogue_index``           row of the object, if the catalogue is local
        ``separation``       arcsec   between the two, at `epoch`
        ``position_angle``   deg      of the object seen from the position, from north
                                      over east (ICRS)
        ``n_within``                  number of objects within `radius` of the position
        ``propagated``                with `epoch`: whether the object's proper motion
                                      is known
        ``ra_at_epoch``      deg      with `epoch`: the position that was compared (ICRS)
        ``dec_at_epoch``     deg
        ==================== ======== ==================================================

        then the columns of the catalogue with their units, under ``catalogue_<name>`` if
        the name is one of these. A position without a match has no row.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.
    RemoteServiceError, TimeoutError
        If an archive failed, with its message.
    IncompleteResultError
        If an archive failed after some of many requests, with ``result`` and ``failures``.

    Warns
    -----
    InputWarning
        If positions are masked or not finite, which match nothing; ``meta`` has their indices.
    MaxResultsWarning
        If an archive cut its rows.
    NoResultsWarning
        If nothing matches.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.table import Table
    >>> from atlasquery import crossmatch
    >>> stars = Table({"ra": [10.0, 10.0003], "dec": [5.0, 5.0], "mag": [15.1, 17.0] * u.mag})
    >>> found = crossmatch(SkyCoord(10.0001, 5.0, unit="deg"), stars, "2 arcsec")
    >>> found["separation"].info.format = ".3f"
    >>> found["catalogue_index", "separation", "n_within", "mag"].pprint()
    catalogue_index separation n_within mag
                      arcsec            mag
    --------------- ---------- -------- ----
                  0      0.359        2 15.1
                  1      0.717        2 17.0
    """
    arcsec = check_radius(radius)
    if not isinstance(nearest, (bool, np.bool_)):
        raise InvalidQueryError(f"nearest={nearest!r} should be True or False")
    query = read_positions(left, name="left", motion=epoch is not None)
    when = _check_epoch(epoch, len(query))
    remote = find_catalogue(catalogue)
    if remote is None:
        known = read_positions(catalogue, name="catalogue", motion=when is not None)
        _warn_of_missing(known, "catalogue")
    _warn_of_missing(query, "left")
    lon, lat, _ = _at_epoch(query, when)
    if remote is None:
        table = _match_local((lon, lat), known, catalogue, arcsec, nearest, when)
    else:
        try:
            table = _match_remote((lon, lat), remote, arcsec, nearest, when)
        except IncompleteResultError as error:
            _finish(error.result, query, remote, arcsec, when)
            raise
    _finish(table, query, remote, arcsec, when)
    if not len(table):
        warn("crossmatch: no object is within the radius of a position", NoResultsWarning)
    return table


def _finish(
    table: Table, query: SkyPositions, remote: Catalogue | None, arcsec: float, when: Time | None
) -> None:
    """Add what is known of the positions and the catalogue."""
    if query.keys is not None:
        table.add_column(query.keys[table["query_index"]], index=1, name="query_id")
    table.meta = _meta(query, remote, arcsec, when) | table.meta


def _check_epoch(epoch: Any, n_positions: int) -> Time | None:
    if epoch is None:
        return None
    if isinstance(epoch, Time):
        if not epoch.isscalar and epoch.size != n_positions:
            raise InvalidQueryError(
                f"epoch has {epoch.size} times for {n_positions} positions: give one, or one for "
                "each position"
            )
        bad = ~np.isfinite(np.ma.filled(np.ma.masked_invalid(np.ravel(epoch.mjd)), np.nan))
        if np.any(bad):
            raise InvalidQueryError(f"epoch is masked or not finite at index {np.argmax(bad)}")
        return epoch if epoch.isscalar else epoch.ravel()
    if isinstance(epoch, (int, float, np.number)) and not epoch >= EARLIEST_MJD:
        raise InvalidQueryError(
            f"epoch={epoch!r} should be a Time, such as Time(2026.5, format='jyear'), a string "
            "such as 'J2026.5' or '2026-07-01', or an MJD of 1996 or later"
        )
    return Time(check_time(epoch, name="epoch"), format="mjd", scale="utc")


def _warn_of_missing(positions: SkyPositions, name: str) -> None:
    missing = positions.missing
    if len(missing):
        shown = ", ".join(map(str, missing[:SHOWN])) + ", ..." * (len(missing) > SHOWN)
        verb = "are" if len(missing) > 1 else "is"
        warn(
            f"{name}: {len(missing)} of {len(positions)} positions {verb} masked or not finite and "
            f"cannot match: index {shown}",
            InputWarning,
        )


def _at_epoch(
    positions: SkyPositions, when: Time | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return longitudes and latitudes at an epoch, and whether the proper motion is known."""
    if when is None or positions.motion is None:
        return positions.lon, positions.lat, np.zeros(len(positions), bool)
    return propagate(positions.lon, positions.lat, positions.motion, when)


def _match_local(
    query: tuple[np.ndarray, np.ndarray],
    known: SkyPositions,
    catalogue: Any,
    arcsec: float,
    nearest: bool,
    when: Time | None,
) -> Table:
    if when is not None and not when.isscalar and known.motion is not None:
        pairs, n_within = _selected(_near_at_any_epoch(query, known, arcsec, when), nearest)
        found = _moved(known, pairs, when)
    else:
        lon, lat, moved = _at_epoch(known, when)
        if nearest:
            pairs, n_within = find_nearest(query, (lon, lat), arcsec * ARCSEC)
        else:
            pairs, n_within = _selected(find_pairs(query, (lon, lat), arcsec * ARCSEC), False)
        found = lon[pairs.right], lat[pairs.right], moved[pairs.right]
    table = _first_columns(query, found, pairs, n_within, when)
    table.add_column(
        Column(pairs.right, description="Row of the object in the catalogue."),
        index=1,
        name="catalogue_index",
    )
    if known.keys is not None:
        _add_columns(table, Table({"id": known.keys[pairs.right]}))
    elif not isinstance(catalogue, (SkyCoord, str)) and column_names(catalogue) is not None:
        _add_columns(table, _rows_of(catalogue, pairs.right))
    else:
        degrees = {"unit": u.deg, "description": "Position of the object (ICRS)."}
        _add_columns(table, Table({
            "ra": Column(np.degrees(known.lon[pairs.right]), **degrees),
            "dec": Column(np.degrees(known.lat[pairs.right]), **degrees),
        }))  # fmt: skip
    return table


def _near_at_any_epoch(
    query: tuple[np.ndarray, np.ndarray], known: SkyPositions, arcsec: float, when: Time
) -> Pairs:
    """Return the pairs that are close at the epoch of the position.

    The radius is larger by the distance that the objects move; fast ones are searched
    separately, so that they do not enlarge the radius of all.
    """
    motion = known.motion
    if motion is None or not len(when):
        return find_pairs(query, (known.lon, known.lat), arcsec * ARCSEC)
    years = when.tcb.jyear
    elapsed = np.maximum(np.abs(years.max() - motion.epoch), np.abs(years.min() - motion.epoch))
    reach = np.where(motion.known, PERSPECTIVE * motion.total * elapsed / 1e3, 0.0)
    speed = np.ceil(np.log2(np.maximum(reach / arcsec, 1)) / 3)
    parts = []
    for value in np.unique(speed):
        rows = np.flatnonzero(speed == value)
        radius = min((arcsec + reach[rows].max()) * ARCSEC, np.pi)
        pairs = find_pairs(query, (known.lon[rows], known.lat[rows]), radius)
        pairs = Pairs(pairs.left, rows[pairs.right], pairs.separation)
        lon, lat, _ = _moved(known, pairs, when)
        separation = erfa.seps(query[0][pairs.left], query[1][pairs.left], lon, lat)
        near = separation <= arcsec * ARCSEC + ROUNDING
        parts.append(Pairs(pairs.left[near], pairs.right[near], separation[near]))
    left, right, separation = map(np.concatenate, zip(*parts, strict=True))
    order = np.lexsort((right, separation, left))
    return Pairs(left[order], right[order], separation[order])


def _moved(
    known: SkyPositions, pairs: Pairs, when: Time
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the position of the object of each pair at the epoch of its position."""
    lon, lat = known.lon[pairs.right], known.lat[pairs.right]
    if known.motion is None:
        return lon, lat, np.zeros(len(lon), bool)
    return propagate(lon, lat, known.motion.take(pairs.right), when[pairs.left])


def _rows_of(catalogue: Any, rows: np.ndarray) -> Table:
    """Return rows of a table, a data frame or a structured array."""
    if not isinstance(catalogue, Table):
        if hasattr(catalogue, "iloc"):
            return Table.from_pandas(catalogue.iloc[rows])
        columns = {str(name): catalogue[name] for name in column_names(catalogue) or ()}
        return Table({name: np.asarray(column)[rows] for name, column in columns.items()})
    table = Table(copy=False)
    for name in catalogue.colnames:
        table[name] = catalogue[name][rows]
    return table


def _selected(pairs: Pairs, nearest: bool) -> tuple[Pairs, np.ndarray]:
    """Return the pairs wanted, and for each the number of pairs of its position."""
    left = pairs.left
    start = np.flatnonzero(np.diff(left, prepend=-1))
    count = np.diff(np.append(start, len(left)))
    if nearest:
        return Pairs(*(column[start] for column in pairs)), count
    return pairs, np.repeat(count, count)


def _first_columns(
    query: tuple[np.ndarray, np.ndarray],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
    pairs: Pairs,
    n_within: np.ndarray,
    when: Time | None,
) -> Table:
    """Return the columns of a match but those of the catalogue."""
    at_left = (query[0][pairs.left], query[1][pairs.left])
    *at_right, moved = found
    table = Table()
    for name, values, unit, about in (
        ("query_index", pairs.left, None, "Row of the position."),
        ("separation", pairs.separation / ARCSEC, u.arcsec, "Between position and object."),
        ("position_angle", np.degrees(position_angles(*at_left, *at_right)), u.deg,
         "Of the object seen from the position, from north over east (ICRS)."),
        ("n_within", n_within, None, "Number of objects within the radius of the position."),
    ):  # fmt: skip
        table[name] = Column(values, unit=unit, description=about)
    if when is not None:
        table["propagated"] = Column(
            moved, description="Whether the proper motion of the object is known."
        )
        for name, values in zip(("ra_at_epoch", "dec_at_epoch"), at_right, strict=True):
            about = "Position of the object at the epoch (ICRS)."
            table[name] = Column(np.degrees(values), unit=u.deg, description=about)
    return table


def _add_columns(table: Table, others: Table) -> None:
    """Add the columns of a catalogue; one whose name is in use gets a prefix."""
    for name in others.colnames:
        free = name
        while free in table.colnames:
            free = f"catalogue_{free}"
        table[free] = others[name]


def _match_remote(
    query: tuple[np.ndarray, np.ndarray],
    remote: Catalogue,
    arcsec: float,
    nearest: bool,
    when: Time | None,
) -> Table:
    index = np.flatnonzero(np.isfinite(query[0]) & np.isfinite(query[1]))
    ra, dec = np.degrees(query[0][index]), np.degrees(query[1][index])
    targets = ArchiveTargets(index, ra, dec, arcsec, when)
    try:
        answer = remote.fetch(targets)
    except IncompleteResultError as error:
        # The rows that arrived, as those of a complete result.
        error.result = _match_answer(query, error.result, remote, arcsec, nearest, when)
        raise
    return _match_answer(query, answer, remote, arcsec, nearest, when)


def _match_answer(
    query: tuple[np.ndarray, np.ndarray],
    answer: Answer,
    remote: Catalogue,
    arcsec: float,
    nearest: bool,
    when: Time | None,
) -> Table:
    """Cut the rows of an archive by separations that are computed here."""
    rows = answer.table
    known = SkyPositions(np.empty(0), np.empty(0))
    if len(rows):
        known = read_positions(rows, name=f"catalogue='{remote.name}'")
        if when is not None:
            motion = find_motion(rows, f"catalogue='{remote.name}'", epoch=answer.epoch)
            known = SkyPositions(known.lon, known.lat, motion)
    at_rows = when if when is None or when.isscalar else when[answer.index]
    lon, lat, moved = _at_epoch(known, at_rows)
    separation = erfa.seps(query[0][answer.index], query[1][answer.index], lon, lat)
    lost = np.flatnonzero(~np.isfinite(separation))
    if len(lost):
        warn(
            f"{remote.name}: {len(lost)} rows without a position are not part of the result",
            InputWarning,
        )
    near = np.flatnonzero(separation <= arcsec * ARCSEC + ROUNDING)
    order = near[np.lexsort((separation[near], answer.index[near]))]
    pairs = Pairs(answer.index[order], order, separation[order])
    pairs, n_within = _selected(pairs, nearest)
    found = lon[pairs.right], lat[pairs.right], moved[pairs.right]
    table = _first_columns(query, found, pairs, n_within, when)
    _add_columns(table, rows[pairs.right] if len(rows) else rows)
    table.meta = dict(answer.notes)
    return table


def _meta(
    query: SkyPositions, remote: Catalogue | None, arcsec: float, when: Time | None
) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "catalogue": "local" if remote is None else remote.name,
        "radius": f"{arcsec:.10g} arcsec",
        "n_positions": len(query),
        "without_position": query.missing.tolist(),
    }
    if remote is not None:
        meta |= {"service": remote.service, "time_of_query": Time.now().isot}
    if when is not None:
        first, last = when.tcb.min().jyear_str, when.tcb.max().jyear_str
        meta["epoch"] = f"{first} (TCB)" if first == last else f"{first} to {last} (TCB)"
    return meta
