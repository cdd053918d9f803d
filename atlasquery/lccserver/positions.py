"""Write positions as the server takes them, and read those of a table."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.cones import Cone
from atlasquery.service.inputs import check_coordinates, suggest

__all__ = ["LARGEST_MATCH", "check_table", "cone_text", "match_radius", "match_text"]

#: "xmd <= 0 or >= 30 silently becomes 3.0 arcsec" (contract).
LARGEST_MATCH = 30.0
# The largest below it that is sent, with nine decimals: a nanoarcsecond.
WIDEST_MATCH = 29.999999999
# "|Dec| >= 90 is refused" (contract); this is nearer to the pole than any catalogue can tell.
HIGHEST = 90 - 1e-9
# "RA or Dec exactly 0.0 are dropped silently" (contract); this is 4 microarcsec from it.
NEXT_TO_ZERO = 1e-9
DIGITS = 10
# Arcseconds by which a cross-match is wider than asked: it is cut here, by the true positions.
MARGIN = 0.01
RA_NAMES = ("ra", "ra_icrs", "raj2000", "_raj2000", "ra_j2000", "radeg", "ra_deg")
DEC_NAMES = (
    "dec", "decl", "de_icrs", "dec_icrs", "dej2000", "_dej2000", "dec_j2000", "decdeg", "dec_deg",
    "dedeg",
)  # fmt: skip


def _degrees(ra: float, dec: float) -> tuple[str, str]:
    """Return a position as text: "negative RA, RA 360, leading +, exponents" are refused."""
    lon = f"{ra % 360:.{DIGITS}f}"
    # What is a little less than 360 may be written as 360.
    lon = f"{0:.{DIGITS}f}" if lon.startswith("360") else lon
    lat = min(max(dec, -HIGHEST), HIGHEST)
    return lon, f"{lat:.{DIGITS}f}"


def cone_text(cone: Cone) -> str:
    """Return a cone as the server takes it.

    Parameters
    ----------
    cone : Cone
        Up to 60 arcmin wide.

    Returns
    -------
    str
        ``"ra dec radius"`` in degrees and arcmin.
    """
    lon, lat = _degrees(cone.ra, cone.dec)
    return f"{lon} {lat} {cone.radius / 60:.8f}"


def match_text(ra: np.ndarray, dec: np.ndarray, start: int) -> str:
    """Return rows of a cross-match as the server takes them, under names of our own.

    "Duplicate ids become id_2", and it takes few letters (contract): the row is the name.

    Parameters
    ----------
    ra, dec : `~numpy.ndarray`
        Degrees.
    start : int
        The number of the first row.

    Returns
    -------
    str
        A line for each row.
    """
    lines = []
    for n, (lon, lat) in enumerate(zip(ra, dec, strict=True), start=start):
        a, d = _degrees(lon, lat)
        # The server takes a zero for nothing.
        a = f"{NEXT_TO_ZERO:.{DIGITS}f}" if float(a) == 0 else a
        d = f"{NEXT_TO_ZERO:.{DIGITS}f}" if float(d) == 0 else d
        lines.append(f"q{n} {a} {d}")
    return "\n".join(lines)


def match_radius(arcsec: float) -> str:
    """Return the radius of a cross-match as the server takes it, a little wider.

    Parameters
    ----------
    arcsec : float
        Above 0 and below 30.

    Returns
    -------
    str
        Arcseconds.
    """
    wider = min(arcsec + MARGIN, (arcsec + LARGEST_MATCH) / 2, WIDEST_MATCH)
    return f"{wider:.9f}"


def check_table(
    positions: SkyCoord | Table, ids: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the positions of a cross-match, and their names.

    Parameters
    ----------
    positions : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        The positions.
    ids : str, sequence or None
        A name for each, or the column that has them.

    Returns
    -------
    ra, dec : `~numpy.ndarray`
        Degrees, flat.
    names : `~numpy.ndarray` or None
        Texts or whole numbers.

    Raises
    ------
    InvalidQueryError
        If there is no position in it, or the names do not fit.
    """
    table = positions if isinstance(positions, Table) else None
    if table is not None:
        positions = _positions_of(table)
    ra, dec, _ = check_coordinates(positions)
    if not len(ra):
        raise InvalidQueryError("positions is empty: give at least one")
    return ra, dec, _check_names(ids, table, len(ra))


def _positions_of(table: Table) -> SkyCoord:
    for column in table.itercols():
        if isinstance(column, SkyCoord):
            return column
    by_name = {name.lower(): name for name in table.colnames}
    found = [
        next((by_name[n] for n in names if n in by_name), None) for names in (RA_NAMES, DEC_NAMES)
    ]
    if None in found:
        raise InvalidQueryError(
            f"positions is a table without a column of SkyCoord, or ra and dec; it has "
            f"{', '.join(table.colnames[:20])}"
        )
    angles = []
    for name in found:
        column = table[name]
        if np.ma.is_masked(column):
            where = int(np.argmax(np.ma.getmaskarray(column)))
            raise InvalidQueryError(f"positions has a masked {name} in row {where}")
        unit = getattr(column, "unit", None) or u.deg
        try:
            angles.append(u.Quantity(np.asarray(column, dtype=float), unit).to(u.deg))
        except (u.UnitsError, ValueError, TypeError) as error:
            raise InvalidQueryError(
                f"positions has a column {name} that is no angle in degrees: {error}"
            ) from error
    try:
        return SkyCoord(*angles)
    except ValueError as error:
        raise InvalidQueryError(f"positions has a value that is no position: {error}") from error


def _check_names(ids: object, table: Table | None, length: int) -> np.ndarray | None:
    if ids is None:
        return None
    if isinstance(ids, str):
        if table is None or ids not in table.colnames:
            known = [] if table is None else table.colnames
            raise InvalidQueryError(f"ids={ids!r} is no column of positions{suggest(ids, known)}")
        ids = table[ids]
    # A set has no order, and bytes would be numbers.
    if isinstance(ids, (bytes, set, frozenset, dict)) or not np.iterable(ids):
        raise InvalidQueryError(
            f"ids={ids!r:.100} should be a list or an array with a name for each position, or a "
            "column of positions"
        )
    values = [v.item() if isinstance(v, np.generic) else v for v in list(ids)]
    if len(values) != length:
        raise InvalidQueryError(f"ids has {len(values)} names for {length} positions")
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return np.array([str(v) for v in values], dtype=np.str_)
    for n, value in enumerate(values):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise InvalidQueryError(f"ids has {value!r} in row {n}: give texts or whole numbers")
    return np.array([str(v) for v in values], dtype=np.str_)
