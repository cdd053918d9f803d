"""One light curve from those of several services, whose times and fluxes can be compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.checks import check_light_curve
from atlasquery.lightcurve.combine_arrays import CombinedArrays
from atlasquery.lightcurve.combine_rows import (
    CombinedRows,
    InputCurves,
    combine_rows,
    conventions_of,
    count_unsure,
    is_combined,
)
from atlasquery.lightcurve.combine_tables import CombinedTables
from atlasquery.lightcurve.light_curves import LightCurves
from atlasquery.lightcurve.schema import SCHEMA
from atlasquery.lightcurve.time_reference import service_name
from atlasquery.lightcurve.time_scales import SCALES
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.sphere import unit_vectors
from atlasquery.warn import warn

__all__ = ["combine"]

DUPLICATES = ("flag", "drop")
RIGHT = (
    "give a list of light curves of one object or a mapping of services to them; for many "
    "objects a mapping of objects to such lists, or a list of mappings of objects to light curves"
)
# Rows that are worked on together: their arrays stay in the processor's cache.
CHUNK = 1 << 18
# Objects that a message names.
NAMED = 3


@overload
def combine(
    curves: Sequence[TimeSeries] | Mapping[str, TimeSeries],
    *,
    scale: str = ...,
    duplicates: str = ...,
    barycentric: bool = ...,
    coordinates: SkyCoord | None = ...,
) -> TimeSeries: ...
@overload
def combine(
    curves: Sequence[Mapping[Any, TimeSeries]]
    | Mapping[Any, Sequence[TimeSeries]]
    | Mapping[Any, Mapping[str, TimeSeries]],
    *,
    scale: str = ...,
    duplicates: str = ...,
    barycentric: bool = ...,
    coordinates: SkyCoord | Mapping[Any, SkyCoord] | None = ...,
) -> LightCurves: ...
def combine(
    curves: Sequence | Mapping,
    *,
    scale: str = "tai",
    duplicates: str = "flag",
    barycentric: bool = False,
    coordinates: SkyCoord | Mapping[Any, SkyCoord] | None = None,
) -> TimeSeries | LightCurves:
    """Combine light curves of several services into one, with comparable times and fluxes.

    Parameters
    ----------
    curves : sequence or mapping of `~astropy.timeseries.TimeSeries`
        The light curves of one object: a list, or a mapping of services to them, whose keys
        then name the services. For many objects: a mapping of objects to such lists or
        mappings; or a list of mappings of objects to light curves, as
        `~atlasquery.atlas.AtlasClass.get_light_curves` returns them, which are joined by
        their keys. An object may be in only some of them.
    scale : {"tai", "utc", "tt", "tdb"}, optional
        The time scale of the result; where all times are barycentric, TDB by default.
    duplicates : {"flag", "drop"}, optional
        Whether measurements that came twice are marked in ``duplicate_of``, or left out
        and counted in ``meta["history"]``. Nothing else is ever left out.
    barycentric : bool, optional
        Whether times are those at which the light would have reached the barycentre of the
        Solar system (BJD), which are in TDB, whatever `scale` is by default.
    coordinates : `~astropy.coordinates.SkyCoord` or mapping, optional
        The position of the object, or those by object, for `barycentric`. By default
        that in ``meta["coordinates"]``, else the mean of ``ra`` and ``dec`` of its rows.

    Returns
    -------
    `~astropy.timeseries.TimeSeries` or LightCurves
        A row for each row given, sorted by time, or a mapping of such by object:

        =================== ======== ====================================================
        Column              Unit     Meaning
        =================== ======== ====================================================
        time                Time     Middle of the exposure.
        those of `SCHEMA`            As in the light curves given; the limit of all is
                                     5 sigma, AB; without a magnitude of AB no flux.
        measurement                  ``"detection"``, ``"forced"`` photometry, or a
                                     ``"limit"`` where no flux is known.
        service                      Who sent it.
        flux_kind                    ``"difference"``, ``"total"`` or ``"unknown"``.
        magsys                       System of ``mag``: ``"AB"``, ``"Vega"`` or
                                     ``"unknown"``.
        duplicate_of                 Service and exposure (or MJD) of the measurement that
                                     it repeats; masked for all others.
        exposure_time_known          False where ``exposure_time`` is what the survey
                                     usually has, as none was sent.
        time_reference               What the survey's time was: ``"start"`` or
                                     ``"middle"`` of the exposure, ``"mean"`` of a bin, or
                                     ``"unknown"``: this time is taken for the middle.
        flag                         Bits of `Flag`, where light curves were cleaned.
        =================== ======== ====================================================

        Then the columns of each survey under ``survey_column``, such as
        ``atlas_zero_point``, with their types; masked in rows of others.
        ``meta["sources"]`` names the service and query of each light curve.

    Raises
    ------
    InvalidQueryError
        If one is not a light curve, an argument is not one of these, barycentric and other
        times would be mixed, or a position is needed and not known.

    Warns
    -----
    InputWarning
        If it is not known of which moment of an exposure times are, or what fluxes are, beside
        others of the same survey and band of which it is known.

    Notes
    -----
    ATLAS and ZTF give the start of an exposure in UTC, LSST its middle in TAI: mixed without care
    they are 52 s apart. The exposure time of each row counts; where a service sends none it is
    taken from another row of the same exposure, else what the survey usually has. SkyPortal
    has the times that its users uploaded: set ``meta["time_reference"]`` of its light curve if
    you know it.

    A measurement is a duplicate of another one if survey, band, ``measurement`` and ``flux_kind``
    agree, the exposure does, and the flux is equal but for rounding, or without a flux the
    limit. Of ATLAS the name of an exposure decides, never its MJD; a service that does
    not name exposures has copied one of the same time. A forced measurement and a detection of one
    exposure are two measurements; `bin` counts such an exposure once.

    Barycentric times take the site of each exposure, those of ATLAS by the first letters of its
    name, and need no download. They agree with astropy's light_travel_time to 10 microseconds.

    Light curves given in another order, or in parts that overlap, give the same rows.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas, combine
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> name = Atlas.query_region(centre, radius="2 arcmin")["atlas_id"][0]
    >>> lc = combine([Atlas.get_light_curve(name), Atlas.get_forced_photometry(name)])
    >>> lc.time.scale, lc.meta["time_reference"]
    ('tai', 'middle')
    >>> print(lc.meta["history"][-1])
    combine: 612 rows of 2 light curves; ...
    """
    check_choice(scale, name="scale", known=SCALES)
    check_choice(duplicates, name="duplicates", known=DUPLICATES)
    if not isinstance(barycentric, (bool, np.bool_)):
        raise InvalidQueryError(f"barycentric={barycentric!r:.80} should be True or False")
    if barycentric and scale not in ("tai", "tdb"):
        raise InvalidQueryError(
            f"scale={scale!r} is for times at the observatory: with barycentric=True they are in "
            "TDB"
        )
    objects, many = _objects(curves)
    inputs = _inputs(objects)
    _check_positions(inputs, list(objects), many, barycentric)
    given = _given_positions(list(objects), many, coordinates)
    directions = _directions(inputs, objects, many, given) if barycentric else None
    if barycentric or (scale == "tai" and _all_barycentric(inputs)):
        scale = "tdb"
    parts: list[tuple[slice, CurveArrays]] = []
    unsure: list[int] = []

    def combined() -> Iterator[CombinedRows]:
        for part, some in _parts(inputs, directions):
            source = part.columns()
            parts.append((slice(int(part.owner[0]), int(part.owner[-1]) + 1), source))
            found = combine_rows(part, source, scale=scale, directions=some)
            unsure.append(count_unsure(source, found))
            yield found

    rows = CombinedRows.joined(combined(), sum(inputs.lengths))
    _warn_of_times(rows, inputs, many)
    _warn_of_kinds(sum(unsure))
    tables = CombinedTables(
        inputs, rows, scale=scale, barycentric=barycentric, drop=duplicates == "drop"
    )
    if not many:
        return tables.table(0)
    return LightCurves(
        list(objects),
        tables.table,
        what="combined",
        source=CombinedArrays(tables, parts),
        meta=tables.meta,
    )


def _objects(curves: object) -> tuple[dict[Any, list[tuple[str, str, Table]]], bool]:
    """Return name, service and light curve of each object, and whether there are many."""
    if isinstance(curves, Mapping) and curves:
        if all(isinstance(value, Table) for value in curves.values()):
            return {None: _of_one(curves, "curves")}, False
        return {key: _of_one(value, f"curves[{key!r}]") for key, value in curves.items()}, True
    if isinstance(curves, (list, tuple)) and curves:
        if all(isinstance(value, Mapping) for value in curves):
            return _joined(curves), True
        return {None: _of_one(curves, "curves")}, False
    if isinstance(curves, (Mapping, list, tuple)):
        raise InvalidQueryError(f"curves is empty: {RIGHT}")
    raise InvalidQueryError(f"curves is of type {type(curves).__name__}: {RIGHT}")


def _of_one(curves: object, name: str) -> list[tuple[str, str, Table]]:
    """Return name, service and light curve of those of one object."""
    pairs: Iterable[tuple[object, object]]
    if isinstance(curves, Mapping):
        pairs = curves.items()
        for key in curves:
            if not isinstance(key, str) or not key:
                raise InvalidQueryError(
                    f"{name} has the key {key!r}, which should be the name of a service: {RIGHT}"
                )
    elif isinstance(curves, (list, tuple)):
        pairs = enumerate(curves)
    else:
        raise InvalidQueryError(f"{name} is of type {type(curves).__name__}: {RIGHT}")
    found = []
    for key, lc in pairs:
        of = f"{name}[{key!r}]"
        if not isinstance(lc, Table):
            hint = "; give its light_curve" if hasattr(lc, "light_curve") else ""
            raise InvalidQueryError(f"{of} is of type {type(lc).__name__}{hint}: {RIGHT}")
        found.append((of, key if isinstance(key, str) else service_name(lc), lc))
    if not found:
        raise InvalidQueryError(f"{name} is empty: {RIGHT}")
    return found


def _joined(curves: Sequence) -> dict[Any, list[tuple[str, str, Table]]]:
    """Return the light curves of mappings by their keys, in the order in which they come first."""
    found: dict[Any, list[tuple[str, str, Table]]] = {}
    for n, mapping in enumerate(curves):
        for key in mapping:
            of, lc = f"curves[{n}][{key!r}]", mapping[key]
            if not isinstance(lc, Table):
                hint = "; give its light_curve" if hasattr(lc, "light_curve") else ""
                raise InvalidQueryError(f"{of} is of type {type(lc).__name__}{hint}: {RIGHT}")
            found.setdefault(key, []).append((of, service_name(lc), lc))
    if not found:
        raise InvalidQueryError(f"curves is empty: {RIGHT}")
    return found


def _inputs(objects: Mapping) -> InputCurves:
    """Return all light curves, those of an object in an order that is always the same."""
    names, services, tables, owner = [], [], [], []
    known = set()
    for number, given in enumerate(objects.values()):
        for of, service, lc in sorted(given, key=_rank) if len(given) > 1 else given:
            names.append(of)
            services.append(service)
            tables.append(lc)
            owner.append(number)
            if is_combined(lc):
                known |= set(np.asarray(lc["service"]).tolist())
    for of, lc in zip(names, tables, strict=True):
        if "time" not in lc.columns or "exposure" not in lc.columns:
            check_light_curve(lc, *(column.name for column in SCHEMA), name=of)
    return InputCurves(
        tables,
        names,
        np.array(owner),
        services,
        [conventions_of(lc.meta) for lc in tables],
        # The length of a table, and of times, takes ten times as long.
        [lc.columns["exposure"].shape[0] for lc in tables],
        tuple(sorted(known | set(services))),
    )


def _rank(one: tuple[str, str, Table]) -> tuple:
    _, service, lc = one
    meta = lc.meta
    return service, str(meta.get("survey")), str(meta.get("query")), len(lc.columns)


def _parts(inputs: InputCurves, directions: np.ndarray | None) -> Iterable[tuple]:
    """Yield the light curves in parts that no object crosses, and their directions."""
    lengths = np.array(inputs.lengths)
    ends = np.flatnonzero(np.diff(inputs.owner, append=-1) != 0) + 1
    totals = np.cumsum(lengths)[ends - 1]
    marks = np.searchsorted(totals, np.arange(CHUNK, totals[-1], CHUNK))
    edges = np.unique(np.concatenate([[0], ends[marks], [len(lengths)]]))
    for first, last in pairwise(edges.tolist()):
        part = inputs.part(slice(first, last))
        objects = slice(int(part.owner[0]), int(part.owner[-1]) + 1)
        yield part, None if directions is None else directions[objects]


def _check_positions(inputs: InputCurves, keys: list, many: bool, barycentric: bool) -> None:
    """Refuse times of the barycentre beside those of an observatory."""
    if barycentric:
        return
    positions = [known.position for known in inputs.conventions]
    # Where nothing is known it is taken for the observatory.
    positions = ["topocenter" if p == "unknown" else p for p in positions]
    if len(set(positions)) == 1:
        return
    for number in np.unique(inputs.owner).tolist():
        at = np.flatnonzero(inputs.owner == number)
        found = {positions[n]: inputs.names[n] for n in at.tolist()}
        if len(found) > 1:
            of = f" of {keys[number]!r}" if many else ""
            (one, name), (other, another) = list(found.items())[:2]
            raise InvalidQueryError(
                f"the times of {name} are of the {one} and those of {another} of the "
                f"{other}, up to eight minutes apart: combine the light curves{of} with "
                "barycentric=True, or separately"
            )


def _all_barycentric(inputs: InputCurves) -> bool:
    """Return whether all times are of the barycentre, where they are in TDB by convention."""
    return all(conventions_of(lc.meta).position == "barycenter" for lc in inputs.curves)


def _directions(inputs: InputCurves, objects: Mapping, many: bool, given: Mapping) -> np.ndarray:
    """Return a unit vector to each object."""
    found = np.empty((len(objects), 3))
    starts = np.searchsorted(inputs.owner, np.arange(len(objects) + 1))
    for number, key in enumerate(objects):
        position = given.get(key)
        some = inputs.curves[starts[number] : starts[number + 1]]
        if position is None:
            position = next((lc.meta["coordinates"] for lc in some if _is_position(lc.meta)), None)
        if position is not None:
            found[number] = _unit_vector(position)
            if not np.isfinite(found[number]).all():
                of = f" of {key!r}" if many else ""
                raise InvalidQueryError(
                    f"coordinates: the position{of} is masked or not finite, and barycentric times "
                    "need it"
                )
            continue
        mean = _mean_position(some)
        if mean is None:
            of = f" of {key!r}" if many else ""
            raise InvalidQueryError(
                f"the position{of} is needed for barycentric times, and no light curve has it in "
                "meta['coordinates'] or its rows: give coordinates=SkyCoord(...)"
            )
        found[number] = mean
    return found


def _unit_vector(position: SkyCoord) -> tuple[float, float, float]:
    # A transformation takes much longer, even one that changes nothing.
    icrs = position if position.frame.name == "icrs" else position.icrs
    if isinstance(icrs.ra, Masked) and (icrs.ra.mask or icrs.dec.mask):
        return np.nan, np.nan, np.nan
    ra, dec = float(icrs.ra.rad), float(icrs.dec.rad)
    return np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)


def _is_position(meta: Mapping) -> bool:
    position: Any = meta.get("coordinates")
    if not isinstance(position, SkyCoord) or not position.isscalar:
        return False
    return bool(np.isfinite(_unit_vector(position)).all())


def _given_positions(keys: list, many: bool, coordinates: Any) -> dict:
    """Return the positions that the caller gave, by object."""
    if coordinates is None:
        return {}
    right = "a SkyCoord" + (" for each object, or a mapping of objects to them" if many else "")
    if many and isinstance(coordinates, Mapping):
        for key, value in coordinates.items():
            if not isinstance(value, SkyCoord) or not value.isscalar:
                raise InvalidQueryError(f"coordinates[{key!r}] should be one SkyCoord")
        _check_keys(keys, coordinates)
        return dict(coordinates)
    if not isinstance(coordinates, SkyCoord):
        raise InvalidQueryError(f"coordinates={coordinates!r:.80} should be {right}")
    if coordinates.isscalar and not many:
        return {keys[0]: coordinates}
    if not many or coordinates.isscalar or coordinates.shape != (len(keys),):
        raise InvalidQueryError(
            f"coordinates has the shape {coordinates.shape}; it should be {right}"
        )
    return dict(zip(keys, coordinates, strict=True))


def _check_keys(keys: list, coordinates: Mapping) -> None:
    """Refuse keys that are of no object while an object has no position."""
    objects = set(keys)
    without = [key for key in keys if key not in coordinates]
    unknown = [key for key in coordinates if key not in objects]
    if without and unknown:
        as_text = {str(key): key for key in without}
        near = suggest(str(unknown[0]), as_text)
        raise InvalidQueryError(
            f"coordinates has the key {unknown[0]!r}, which is not an object of curves, and no "
            f"position of {without[0]!r}" + (near if "did you mean" in near else "")
        )


def _mean_position(curves: Sequence[Table]) -> np.ndarray | None:
    """Return the direction to the mean of the positions that rows have."""
    total = np.zeros(3)
    for lc in curves:
        surveys = np.unique(np.asarray(lc["survey"])).tolist()
        for prefix in ("", *(f"{survey}_" for survey in surveys)):
            if {f"{prefix}ra", f"{prefix}dec"} <= set(lc.colnames):
                ra, dec = (_degrees(lc[f"{prefix}{axis}"]) for axis in ("ra", "dec"))
                known = np.isfinite(ra) & np.isfinite(dec)
                total += unit_vectors(ra[known], dec[known]).sum(axis=0)
    length = np.linalg.norm(total)
    return total / length if length > 0 else None


def _degrees(column: Any) -> np.ndarray:
    mask = getattr(column, "mask", False)
    values = np.asarray(getattr(column, "unmasked", column), float)
    return np.where(np.asarray(mask), np.nan, values)


def _warn_of_times(rows: CombinedRows, inputs: InputCurves, many: bool) -> None:
    """Warn of times that are not known to be the middle of an exposure."""
    uncertain = rows.uncertain
    n = int(np.count_nonzero(uncertain))
    if not n:
        return
    names = [inputs.known_services[k] for k in np.unique(rows.service[uncertain]).tolist()]
    plural = "s have" if n > 1 else " has"
    warn(
        f"{n} row{plural} a time that may be the start or the middle of the exposure "
        f"({', '.join(name or 'no service' for name in names)}) and was not changed; the column "
        "time_reference, or an exposure_time of NaN, marks such rows. If you know which it is, "
        "set meta['time_reference'] of the light curve before",
        InputWarning,
    )


def _warn_of_kinds(n: int) -> None:
    """Warn of fluxes that are not known to be of a difference, beside others that are known."""
    if not n:
        return
    warn(
        f"{n} row{'s have' if n > 1 else ' has'} a flux that may be a difference or a total "
        "(flux_kind 'unknown'), while it is known for others of the same survey and band: bin "
        "averages them separately. If you know which it is, set meta['flux_kind'] of the light "
        "curve before, or leave such rows out with lc[lc['flux_kind'] != 'unknown']",
        InputWarning,
    )
