"""The queries for galaxies of the catalogues that an instance has."""

import warnings

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord, angular_separation
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.service.inputs import check_choice
from atlasquery.skyportal.columns import SEPARATION
from atlasquery.skyportal.criteria import cone_params, localization_params, number_range
from atlasquery.skyportal.nested import decode_flat
from atlasquery.skyportal.paging import PagedQueries
from atlasquery.skyportal.words import params_of
from atlasquery.tables import Column, Columns, Nested, Rows, Timestamp, build_table

__all__ = ["GalaxyQueries"]

#: What galaxies can be sorted by, and the server's word for it.
SORTED_BY = {
    "name": "name",
    "distance": "distmpc",
    "redshift": "redshift",
    "stellar_mass": "mstar",
    "sfr": "sfr_fuv",
    "mag_b": "magb",
    "mag_k": "magk",
}
SOLAR_MASS_A_YEAR = u.solMass / u.yr
# Beyond rounding, in arcsec.
SLACK = 0.01


def _mag(wire: str, band: str, to: str = "") -> Column:
    return Column(wire, unit=u.mag, to=to, about=f"Magnitude in {band}, as the catalogue has it.")


#: A galaxy.
GALAXY = Columns(
    "a galaxy",
    Column("id", int, about="Number of the galaxy on this instance.", required=True),
    Column("name", str, about="Name of the galaxy."),
    Column("alt_name", str, about="Other name."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("redshift", about="Redshift."),
    Column("redshift_error", about="Error of redshift."),
    Column("distmpc", unit=u.Mpc, to="distance", about="Luminosity distance."),
    Column("distmpc_unc", unit=u.Mpc, to="distance_err", about="Error of distance."),
    Column("mstar", unit=u.solMass, to="stellar_mass", about="Mass of its stars."),
    Column("sfr_fuv", unit=SOLAR_MASS_A_YEAR, about="Rate of star formation, from far UV."),
    Column("sfr_w4", unit=SOLAR_MASS_A_YEAR, about="Rate of star formation, from W4."),
    _mag("magb", "B", "mag_b"),
    _mag("magk", "K", "mag_k"),
    _mag("mag_fuv", "far UV"),
    _mag("mag_nuv", "near UV"),
    *(_mag(f"mag_w{n}", f"W{n}") for n in (1, 2, 3, 4)),
    # The unit of a is that of the catalogue, which the server does not say.
    Column("a", about="Semi-major axis, in the unit of the catalogue."),
    Column("b2a", about="Ratio of the axes, minor to major."),
    Column("pa", unit=u.deg, about="Position angle of the major axis, from north to east."),
    Column("btc", about="Bulge-to-total ratio, as the catalogue has it."),
    Column("probability", about="Probability in the sky map, where one was asked for."),
    Column("catalog_id", int, about="Number of its catalogue."),
    Column("catalog_name", str, about="Name of its catalogue."),
    Column("healpix", int, about="Index of the position in a HEALPix map of 2^29 sides, nested."),
    Column("created_at", Timestamp, about="When it came to this instance."),
    Column("modified", Timestamp, about="When it was last changed."),
    Column("catalog", Nested),
)

#: A catalogue of galaxies.
CATALOG = Columns(
    "a catalogue of galaxies",
    Column("catalog_name", str, to="name", about="Name of the catalogue.", required=True),
    Column("catalog_count", int, to="n_galaxies", about="How many galaxies it has."),
    Column("catalog_description", str, to="description", about="What it is."),
    Column("catalog_url", str, to="url", about="Where it came from."),
)


class GalaxyQueries(PagedQueries):
    """The queries for galaxies."""

    def query_galaxies(
        self,
        coordinates: SkyCoord | None = None,
        *,
        radius: Angle | None = None,
        name: str | None = None,
        catalog: str | None = None,
        redshift: tuple | None = None,
        distance: tuple | None = None,
        localization: str | tuple | None = None,
        probability: float | None = None,
        sort_by: str = "name",
        descending: bool = False,
        max_rows: int | None = None,
        cache: bool | None = None,
        get_query_payload: bool = False,
    ) -> Table:
        """Find the galaxies around a position, or that meet other criteria.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`, optional
            One position, in any frame; with `radius`.
        radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
            With a unit, above 0 and up to 90 degrees.
        name : str, optional
            A part of the name, whatever its case.
        catalog : str, optional
            A catalogue, one of `list_galaxy_catalogs`.
        redshift : tuple of float, optional
            The least and the greatest, each of which may be None.
        distance : tuple of `~astropy.units.Quantity`, optional
            The least and the greatest distance, each of which may be None: ``(None, 200 * u.Mpc)``.
        localization : str, `~astropy.time.Time` or tuple, optional
            The time of a GCN event, or a pair of it and the name of its sky map, for
            galaxies inside.
        probability : float, optional
            The probability that the region of the sky map has, above 0 and up to 1.
        sort_by : str, optional
            ``"name"``, ``"distance"``, ``"redshift"``, ``"stellar_mass"``, ``"sfr"``,
            ``"mag_b"`` or ``"mag_k"``; around a position the nearest come first.
        descending : bool, optional
            Whether the greatest comes first.
        max_rows : int, optional
            How many galaxies are returned at most, -1 for all. The default is
            ``conf.max_rows``.
        cache : bool, optional
            Whether stored answers are used, for ``conf.table_seconds``.
        get_query_payload : bool, optional
            Whether to return what would be sent, and send nothing.

        Returns
        -------
        `~astropy.table.Table`
            ``id``, ``name``, ``ra``, ``dec`` (deg), ``redshift``, ``distance`` (Mpc),
            ``stellar_mass`` (solMass), magnitudes and more; with a position also
            ``separation`` (arcsec), by which it is sorted then. What is not known is
            masked.

        Raises
        ------
        InvalidQueryError
            If a criterion cannot be, or none is given.

        Warns
        -----
        NoResultsWarning
            If there is no galaxy.
        MaxResultsWarning
            If there are more; around a position too, what is left out is by `sort_by`.

        References
        ----------
        The route ``GET /api/galaxy_catalog``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from atlasquery import SkyPortal
        >>> place = SkyCoord(0.3805, -5.9846, unit="deg")
        >>> SkyPortal.query_galaxies(place, radius="36 arcsec", get_query_payload=True)["radius"]
        '0.01'
        """
        cone, arcsec = _cone(coordinates, radius)
        # Its galaxies have no time: the window is that of other routes.
        place = localization_params(localization, probability, {"start": "", "end": ""})
        params = {
            **cone,
            "galaxyName": name,
            "catalog_name": catalog,
            **number_range(redshift, "redshift", "minRedshift", "maxRedshift"),
            **number_range(_in_mpc(distance), "distance", "minDistance", "maxDistance"),
            **place,
            # Pages of a list without an order may overlap.
            "sortBy": SORTED_BY[check_choice(sort_by, name="sort_by", known=SORTED_BY)],
            "sortOrder": "desc" if descending else "asc",
        }
        sent = params_of(params)
        if get_query_payload:
            return sent
        found = self._pages(
            "galaxy_catalog",
            sent,
            key="galaxies",
            decode=_decode_galaxies,
            max_rows=max_rows,
            lifetime=self.conf.table_seconds,
            cache=cache,
            what="galaxies",
            depth=4,
        )
        rows = _by_distance(found.rows, cone, arcsec) if cone else found.rows
        if not len(rows):
            warnings.warn("SkyPortal has no such galaxies", NoResultsWarning, stacklevel=3)
        return build_table(rows, meta=self._meta(found.when, query="query_galaxies", **sent))

    def list_galaxy_catalogs(self, *, cache: bool | None = None) -> Table:
        """List the catalogues of galaxies that the instance has.

        Parameters
        ----------
        cache : bool, optional
            Whether a stored answer is used, for ``conf.table_seconds``.

        Returns
        -------
        `~astropy.table.Table`
            ``name``, ``n_galaxies`` and more.

        Warns
        -----
        NoResultsWarning
            If there is none.

        References
        ----------
        The route ``GET /api/galaxy_catalog?catalogNamesOnly=true``.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.list_galaxy_catalogs()["name"][0]  # doctest: +SKIP
        'CLU'
        """
        rows, when = self._fetch(
            "galaxy_catalog",
            {"catalogNamesOnly": True},
            decode=_decode_catalogs,
            lifetime=self.conf.table_seconds,
            cache=cache,
        )
        if not len(rows):
            warnings.warn("SkyPortal has no catalogues", NoResultsWarning, stacklevel=3)
        return build_table(rows, meta=self._meta(when, query="list_galaxy_catalogs"))


def _cone(coordinates, radius) -> tuple[dict, float]:
    if coordinates is None and radius is None:
        return {}, 0.0
    if coordinates is None or radius is None:
        raise InvalidQueryError("coordinates and radius go together: give both, or neither")
    cones, shape, arcsec = cone_params(coordinates, radius)
    if shape != ():
        raise InvalidQueryError("coordinates should be one position here")
    return cones[0], arcsec


def _in_mpc(distance: object) -> object:
    """Return a range of distances as numbers in Mpc, or refuse one without a unit."""
    if distance is None:
        return None
    try:
        found = [
            None if one is None else float(u.Quantity(one).to_value(u.Mpc)) for one in distance
        ]
        low, high = found
    except (TypeError, ValueError, u.UnitsError) as error:
        raise InvalidQueryError(
            f"distance={distance!r:.100} should be a pair of distances with a unit, such as "
            "(None, 200 * u.Mpc)"
        ) from error
    if None not in found and high <= low:
        # The server drops the least one then, without a word.
        raise InvalidQueryError(f"distance={distance!r:.100} should end beyond where it begins")
    return tuple(found)


def _decode_galaxies(text: bytes) -> Rows:
    return decode_flat(GALAXY, text, {})


def _decode_catalogs(text: bytes) -> Rows:
    found = msgspec.json.decode(text)
    if not isinstance(found, list):
        raise TableParseError("the catalogues of galaxies are no list", service="SkyPortal")
    # Older servers send the names alone.
    rows = [{"catalog_name": one} if isinstance(one, str) else one for one in found]
    return decode_flat(CATALOG, msgspec.json.encode(rows), {})


def _by_distance(rows: Rows, cone: dict, arcsec: float) -> Rows:
    """Return galaxies by their distance to a position, and refuse those of elsewhere."""
    place = np.radians([cone["ra"], cone["dec"]])
    there = np.radians(rows.values["ra"]), np.radians(rows.values["dec"])
    separation = np.degrees(angular_separation(*place, *there)) * 3600.0
    if np.any(separation > arcsec * 1.001 + SLACK):
        raise TableParseError(
            f"SkyPortal answered galaxies up to {np.nanmax(separation):.0f} arcsec away when asked "
            f"for {arcsec:g}: it ignored the position",
            service="SkyPortal",
        )
    order = np.lexsort((rows.values["id"], separation))
    rows = rows.take(order)
    found = Rows(length=len(rows))
    found.add(SEPARATION, separation[order], np.isnan(separation[order]))
    for column in rows.columns:
        found.add(column, rows.values[column.name], rows.masks[column.name])
    return found
