"""The queries for finding charts."""

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy.units import Quantity

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.service.inputs import check_choice, check_coordinates
from atlasquery.skyportal.pictures import Picture, decode_picture
from atlasquery.skyportal.references import check_number_id
from atlasquery.skyportal.source_facts import SourceFactQueries
from atlasquery.skyportal.words import degrees, iso, params_of

__all__ = ["ChartQueries"]

#: The images that a chart can have, and the kinds of file.
IMAGES = ("ps1", "desi", "dss", "ztfref")
KINDS = ("png", "pdf")
# What the server draws, in arcmin, and how many stars it looks for.
SIZES = (2.0, 15.0)
STARS = (0, 4)
CATALOGS = ("gaia_dr3", "gaia_dr2")


class ChartQueries(SourceFactQueries):
    """The queries for finding charts."""

    def get_finding_chart(
        self,
        target: str | int | SkyCoord | None = None,
        *,
        gaia_id: int | str | None = None,
        gaia_release: str = "gaia_dr3",
        size: Quantity | str = "4 arcmin",
        facility: str = "Keck",
        image: str = "ps1",
        offset_stars: int = 3,
        ztf_reference: bool = True,
        time: Time | str | None = None,
        kind: str = "png",
        cache: bool | None = None,
        get_query_payload: bool = False,
    ) -> Picture:
        """Fetch a finding chart, with stars to offset from.

        Parameters
        ----------
        target : str, int or `~astropy.coordinates.SkyCoord`, optional
            A source, whose best position is looked up; or one position.
        gaia_id : int or str, optional
            The number of a star of Gaia, instead of a target.
        gaia_release : {"gaia_dr3", "gaia_dr2"}, optional
            The release that has it.
        size : `~astropy.units.Quantity` or str, optional
            The side of the image, from 2 to 15 arcmin.
        facility : str, optional
            For which the stars are chosen: ``"Keck"``, ``"Shane"``, ``"P200"``, or
            another that the instance has.
        image : {"ps1", "desi", "dss", "ztfref"}, optional
            Where the image comes from.
        offset_stars : int, optional
            How many stars, from 0 to 4.
        ztf_reference : bool, optional
            Whether positions of the stars are from ZTF where it has them.
        time : `~astropy.time.Time` or str, optional
            When it is observed, to which the stars are moved; by default now.
        kind : {"png", "pdf"}, optional
            The kind of file.
        cache : bool, optional
            Whether stored answers are used, for ``conf.table_seconds``.
        get_query_payload : bool, optional
            Whether to return what would be sent, and not ask for the chart.

        Returns
        -------
        Picture
            Which a notebook shows, and ``.save(path)`` writes. Its ``data`` are bytes.

        Raises
        ------
        InvalidQueryError
            If an argument cannot be.
        NotFoundError
            If there is no such source.
        RemoteServiceError
            If the server cannot draw it, in its own words.

        References
        ----------
        The route ``GET /api/unsourced_finder``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from atlasquery import SkyPortal
        >>> place = SkyCoord(150.1163, 2.2058, unit="deg")
        >>> SkyPortal.get_finding_chart(place, size="3 arcmin", get_query_payload=True)["imsize"]
        '3.0'
        """
        if (target is None) == (gaia_id is None):
            raise InvalidQueryError("give a target or a gaia_id, and not both")
        params = {
            "imsize": _arcmin(size),
            "facility": _facility(facility),
            "image_source": check_choice(image, name="image", known=IMAGES),
            "num_offset_stars": _stars(offset_stars),
            "use_ztfref": bool(ztf_reference),
            "obstime": None if time is None else iso(time, "time"),
            "type": check_choice(kind, name="kind", known=KINDS),
        }
        if gaia_id is not None:
            release = check_choice(gaia_release, name="gaia_release", known=CATALOGS)
            number = check_number_id(gaia_id, name="gaia_id")
            params |= {"location_type": release, "catalog_id": number}
            what = f"{release} {number}"
        else:
            place, what = self._place(target, cache)
            params |= {"location_type": "pos", **place}
        sent = params_of(params)
        if get_query_payload:
            return sent
        chart, _ = self._fetch(
            "unsourced_finder",
            sent,
            decode=lambda body: decode_picture(body, f"a finding chart of {what}"),
            lifetime=self.conf.table_seconds,
            cache=cache,
            file=True,
        )
        if chart.kind != kind:
            raise TableParseError(
                f"SkyPortal sent a {chart.kind} where a {kind} was asked for", service=self.service
            )
        return chart

    def _place(self, target: object, cache: bool | None) -> tuple[dict, str]:
        """Return the position of a target, and its name."""
        if not isinstance(target, (str, int)) or isinstance(target, bool):
            ra, dec, shape = check_coordinates(target)
            if shape != ():
                raise InvalidQueryError("target should be one position: a chart shows one")
            place = {"ra": float(ra[0]), "dec": float(dec[0])}
            return place, f"{place['ra']:.5f} {place['dec']:+.5f}"
        found = self.get_position(target, cache=cache)
        if found["ra"].mask[0] or found["dec"].mask[0]:
            raise TableParseError(f"SkyPortal has no position of {target}", service=self.service)
        return {name: float(found[name][0]) for name in ("ra", "dec")}, str(target)


def _arcmin(size: object) -> float:
    arcmin = degrees(size, "size") * 60.0
    if not SIZES[0] - 1e-9 <= arcmin <= SIZES[1] + 1e-9:
        raise InvalidQueryError(f"size={size!s:.50} should be from 2 to 15 arcmin")
    # Degrees are rounded: what is 3 arcmin should be sent so.
    return round(float((arcmin * u.arcmin).value), 9)


def _facility(facility: object) -> str:
    if not isinstance(facility, str) or not facility.strip():
        raise InvalidQueryError(f"facility={facility!r:.50} should be a name, such as 'Keck'")
    return facility.strip()


def _stars(number: object) -> int:
    if number == 0 and not isinstance(number, bool):
        return 0
    found = check_number_id(number, name="offset_stars")
    if found > STARS[1]:
        raise InvalidQueryError(f"offset_stars={number!r} should be from 0 to {STARS[1]}")
    return found
