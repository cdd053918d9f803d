"""Finding charts: the sky around a target as an observer at a telescope sees it."""

import html
import re
from numbers import Integral
from typing import Any

import msgspec
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_choice, check_coordinates
from atlasquery.service.positions import format_degrees
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id, degrees, iso
from atlasquery.skyportal.reads.files import Picture, read_picture
from atlasquery.skyportal.reads.names import source_path
from atlasquery.skyportal.reads.sources import get_position
from atlasquery.skyportal.tables.columns import FACILITY, OFFSET_STAR, POSITION
from atlasquery.tables import Rows, build_table, decode_rows

__all__ = ["get_finding_chart", "get_offset_stars", "list_facilities"]

IMAGES = ("ps1", "desi", "dss", "ztfref")
FILE_TYPES = ("png", "pdf")
RELEASES = {"dr3": "gaia_dr3", "dr2": "gaia_dr2"}
# Arcmin, and offset stars, that the server draws.
SIZES, STARS = (2.0, 15.0), (0, 4)


OFFSET = re.compile(r'(-?[\d.]+)"? *([EWNS])')


class _Offsets(msgspec.Struct):
    starlist_info: list[dict]
    starlist_str: str | None = None


def get_finding_chart(
    self: SkyPortalQuery,
    target: SkyCoord | str | int | None = None,
    *,
    gaia: str | int | None = None,
    gaia_release: str = "dr3",
    image_size: Angle = "4 arcmin",
    image: str = "ps1",
    facility: str = "Keck",
    offset_stars: int = 3,
    obstime: Time | str | None = None,
    use_ztfref: bool = True,
    file_type: str = "png",
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Picture:
    """Fetch a finding chart, with offset stars.

    The server fetches the image from elsewhere while one waits; see ``conf.timeout``.

    Parameters
    ----------
    target : `~astropy.coordinates.SkyCoord`, str or int, optional
        A position, or the name of an object on this instance, of which its mean
        position is taken.
    gaia : str or int, optional
        The number of a star of Gaia, whose proper motion counts, in place of a target.
    gaia_release : {"dr3", "dr2"}, optional
        The release of Gaia that has the number.
    image_size : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        How wide the image is, from 2 to 15 arcmin.
    image : {"ps1", "desi", "dss", "ztfref"}, optional
        Where the image comes from.
    facility : str, optional
        The telescope, which decides on the offset stars; see `list_facilities`.
    offset_stars : int, optional
        How many are marked, from 0 to 4.
    obstime : `~astropy.time.Time` or str, optional
        When it is observed, for proper motions. By default now.
    use_ztfref : bool, optional
        Whether positions of stars come from ZTF's catalogue where it has them.
    file_type : {"png", "pdf"}, optional
        The format.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    Picture
        With ``data`` (bytes), ``kind`` and ``save(path)``; a notebook shows it.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be.
    NotFoundError
        If there is no such object.
    RemoteServiceError
        If the server cannot draw it, in its own words.

    References
    ----------
    The route ``GET /api/unsourced_finder``, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> chart = SkyPortal.get_finding_chart("ZTF24abcdefg", file_type="pdf")
    >>> chart
    <Picture Finding chart of ZTF24abcdefg: pdf, ... bytes>
    >>> chart.save("ZTF24abcdefg").name  # doctest: +SKIP
    'ZTF24abcdefg.pdf'
    """
    sent = {
        "imsize": _size(image_size),
        "facility": facility,
        "image_source": check_choice(image, name="image", known=IMAGES),
        "use_ztfref": bool(use_ztfref),
        "obstime": None if obstime is None else iso(obstime, "obstime"),
        "type": check_choice(file_type, name="file_type", known=FILE_TYPES),
        "num_offset_stars": _stars(offset_stars),
    }
    release = check_choice(gaia_release, name="gaia_release", known=RELEASES)
    if (target is None) == (gaia is None):
        raise InvalidQueryError("give a target or gaia, the number of a star: one of them")
    if gaia is not None:
        number = str(gaia).strip() if isinstance(gaia, (str, Integral)) else ""
        if not number.isdecimal():
            raise InvalidQueryError(
                f"gaia={gaia!r:.100} should be a number, as int or str: a float loses digits"
            )
        where: dict[str, Any] = {"location_type": RELEASES[release], "catalog_id": number}
        about = f"Gaia {release.upper()} {number}"
    elif get_query_payload and isinstance(target, (str, Integral)):
        # The position of a source is requested first.
        return get_position(self, check_source_id(target, name="target"), get_query_payload=True)
    else:
        ra, dec, about = _where(self, target, cache)
        where = {"location_type": "pos", "ra": ra, "dec": dec}
    params = {**where, **sent}
    if get_query_payload:
        return self._query_payload("unsourced_finder", params)
    return read_picture(
        self,
        "unsourced_finder",
        params,
        f"Finding chart of {about}",
        cache=cache,
        unknown="",
        query="get_finding_chart",
        target=about,
    )


def list_facilities(
    self: SkyPortalQuery, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """List the telescopes for which the instance draws finding charts.

    Parameters
    ----------
    cache : bool, optional
        Whether a cached response is used, for ``conf.table_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        ``name``, ``radius`` (deg, of the field of offset stars), ``mag_limit``,
        ``mag_min`` (mag, their faintest and brightest), ``min_separation`` (arcsec).

    References
    ----------
    The route ``GET /api/finder_chart/facilities``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> SkyPortal.list_facilities()["name"].tolist()
    ['Keck', 'P200']
    """
    if get_query_payload:
        return self._query_payload("finder_chart/facilities")
    rows, when = self._fetch(
        "finder_chart/facilities",
        decode=_decode_facilities,
        lifetime=self.conf.table_seconds,
        cache=cache,
    )
    return build_table(rows, meta=self._meta(when, query="list_facilities"))


def get_offset_stars(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    facility: str = "Keck",
    offset_stars: int = 3,
    obstime: Time | str | None = None,
    use_ztfref: bool = True,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Fetch the stars from which a telescope can be offset to a source.

    The server asks Gaia for them while one waits; see ``conf.timeout``.

    Parameters
    ----------
    source_id : str or int
        The name of an object on this instance.
    facility : str, optional
        The telescope, which decides on the stars and the form of the list; see
        `list_facilities`.
    offset_stars : int, optional
        How many stars, from 0 to 4.
    obstime : `~astropy.time.Time` or str, optional
        When it is observed, for proper motions. By default now.
    use_ztfref : bool, optional
        Whether positions of stars come from ZTF's catalogue where it has them.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        First the source, then the stars: ``name``, ``ra``, ``dec`` (deg), ``mag`` (mag),
        ``offset_east``, ``offset_north`` (arcsec, from the star to the source),
        ``position_angle`` (deg), and ``starlist``, its line in the list of the
        telescope. ``meta["starlist"]`` is that list. What the source has not is masked.

    Raises
    ------
    NotFoundError
        If there is no such object.
    RemoteServiceError
        If the server has no stars, in its own words.

    References
    ----------
    The route ``GET /api/sources/{id}/offsets``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> stars = SkyPortal.get_offset_stars("ATLAS24abc")
    >>> print(stars["name"][1], stars["offset_east"].quantity[1])
    ATLAS24abc_k1 3.872 arcsec
    """
    name = check_source_id(source_id)
    path = source_path(name, "offsets")
    params = {
        "facility": facility,
        "num_offset_stars": _stars(offset_stars),
        "obstime": None if obstime is None else iso(obstime, "obstime"),
        "use_ztfref": bool(use_ztfref),
    }
    if get_query_payload:
        return self._query_payload(path, params)
    (rows, starlist), when = self._fetch(
        path,
        params,
        decode=_decode_offsets,
        cache=cache,
        unknown=f"object {name}",
    )
    meta = self._meta(when, query="get_offset_stars", object=name, facility=facility)
    return build_table(rows, meta={**meta, "starlist": starlist})


def _where(client: SkyPortalQuery, target: object, cache: bool | None) -> tuple[float, float, str]:
    """Return the position of a target in degrees, and what it is called."""
    if isinstance(target, (str, Integral)):
        name = check_source_id(target, name="target")
        rows, _ = client._fetch(
            source_path(name, "position"),
            decode=lambda text: decode_rows(POSITION, b"[" + text + b"]"),
            cache=cache,
            unknown=f"object {name}",
        )
        return float(rows.values["ra"][0]), float(rows.values["dec"][0]), name
    ra, dec, shape = check_coordinates(target)
    if shape != ():
        raise InvalidQueryError(f"target has {ra.size} positions: a chart has one")
    return float(ra[0]), float(dec[0]), format_degrees(ra[0], dec[0])


def _size(value: object) -> float:
    """Return the width of an image in arcmin."""
    # A tenth of a microarcsec is rounding.
    arcmin = round(degrees(value, "image_size") * 60.0, 9)
    if not SIZES[0] <= arcmin <= SIZES[1]:
        raise InvalidQueryError(f"image_size={value!s} should be from 2 to 15 arcmin")
    return arcmin


def _stars(value: Any) -> int:
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or not STARS[0] <= int(value) <= STARS[1]:
        raise InvalidQueryError(f"offset_stars={value!r:.100} should be from 0 to 4")
    return int(value)


def _offset(text: object) -> float | None:
    """Return an offset such as ``3.872" E`` in arcsec to the east or north."""
    found = OFFSET.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    return float(found[1]) * (1 if found[2] in "EN" else -1)


def _decode_offsets(text: bytes) -> tuple[Rows, str]:
    """Return the source and its offset stars, and the list for the telescope."""
    found = msgspec.json.decode(text, type=_Offsets)
    rows = [
        {**star, "dras": _offset(star.get("dras")), "ddecs": _offset(star.get("ddecs"))}
        for star in found.starlist_info
        # The lists of some telescopes begin with a line that names their columns.
        if star.get("name") is not None
    ]
    # It is made for web pages.
    starlist = html.unescape(found.starlist_str or "").replace("\xa0", " ")
    return decode_rows(OFFSET_STAR, msgspec.json.encode(rows)), starlist


def _decode_facilities(text: bytes) -> Rows:
    found = msgspec.json.decode(text, type=dict[str, dict])
    named = [{"name": name, **values} for name, values in found.items()]
    return decode_rows(FACILITY, msgspec.json.encode(named))
