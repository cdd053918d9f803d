"""All that ATLAS knows of one object, each product built when it is first asked for."""

from functools import cached_property

import msgspec
from astropy.coordinates import SkyCoord
from astropy.table import Row, Table
from astropy.timeseries import TimeSeries

from atlasquery.atlas.columns import (
    CROSSMATCH,
    DETECTION,
    FORCED,
    NON_DETECTION,
    SHERLOCK_CLASSIFICATION,
    SHERLOCK_CROSSMATCH,
)
from atlasquery.atlas.display import source_html, source_text
from atlasquery.atlas.items import Item, object_rows, product_rows
from atlasquery.atlas.photometry import forced_light_curve, light_curve, light_curve_meta
from atlasquery.exceptions import TableParseError
from atlasquery.shown import harmless
from atlasquery.tables import build_table

__all__ = ["AtlasSource"]


class AtlasSource:
    """An object of the ATLAS Transient Server with its light curve and cross-matches.

    Made by `AtlasClass.get_source`. Each product is decoded when it is first
    asked for, and kept.

    Parameters
    ----------
    item : dict of str to `msgspec.Raw`
        The server's item.
    window : tuple of float or None
        The first and last MJD asked for.
    meta : dict
        Where it came from.
    """

    def __init__(self, item: Item, *, window: tuple, meta: dict):
        self._item = item
        self._window = window
        self._meta = meta

    @cached_property
    def info(self) -> Row:
        """The catalogue entry: a row with the columns of `AtlasClass.get_objects`."""
        return build_table(object_rows([self._item]), meta=self._meta)[0]

    @cached_property
    def _identity(self) -> "_Identity":
        # The whole entry with its units and masks takes longer to build than a light curve.
        try:
            return _identity.decode(self._item["object"])
        except msgspec.ValidationError as error:
            raise TableParseError(
                f"ATLAS sent an object that could not be read: {error}"
            ) from error

    @property
    def atlas_id(self) -> int:
        """The 19-digit id."""
        return self._identity.id

    @property
    def name(self) -> str:
        """The ATLAS designation, or the id where there is none yet."""
        return self._identity.atlas_designation or str(self.atlas_id)

    @cached_property
    def coordinates(self) -> SkyCoord:
        """The position, ICRS."""
        ra, dec = self._identity.ra, self._identity.dec
        if ra is None or dec is None:
            raise TableParseError(f"ATLAS sent no position of {self.atlas_id}")
        return SkyCoord(ra, dec, unit="deg")

    @cached_property
    def light_curve(self) -> TimeSeries:
        """The detections and non-detections, a row for each exposure."""
        return light_curve(
            product_rows(DETECTION, [self._item], "lc"),
            product_rows(NON_DETECTION, [self._item], "lcnondets"),
            atlas_id=self.atlas_id,
            window=self._window,
            meta=self._light_curve_meta(),
        )

    @cached_property
    def forced_photometry(self) -> TimeSeries:
        """The forced photometry at the object's position, a row for each measurement."""
        rows = product_rows(FORCED, [self._item], "fp")
        return forced_light_curve(rows, window=self._window, meta=self._light_curve_meta())

    @cached_property
    def sherlock_classifications(self) -> Table:
        """The classification by Sherlock, with its reasons in words."""
        return self._table(SHERLOCK_CLASSIFICATION, "sherlock_classifications")

    @cached_property
    def sherlock_crossmatches(self) -> Table:
        """The catalogued objects that Sherlock matched, best first."""
        return self._table(SHERLOCK_CROSSMATCH, "sherlock_crossmatches")

    @cached_property
    def tns_crossmatches(self) -> Table:
        """The entries of the Transient Name Server at the position."""
        return self._table(CROSSMATCH, "tns_crossmatches")

    @cached_property
    def external_crossmatches(self) -> Table:
        """The names in other surveys."""
        return self._table(CROSSMATCH, "external_crossmatches")

    def plot(self, **options):
        """Draw the light curve, with forced photometry where there is some.

        Parameters
        ----------
        **options
            What `atlasquery.lightcurve.plot` takes.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes drawn on.
        """
        from atlasquery.lightcurve import plot

        forced = self.forced_photometry
        options.setdefault("title", self._title())
        return plot(self.light_curve, forced=forced if len(forced) else None, **options)

    def _table(self, columns, product: str) -> Table:
        return build_table(product_rows(columns, [self._item], product), meta=dict(self._meta))

    def _light_curve_meta(self) -> dict:
        place = self.coordinates if self._has_position() else None
        return light_curve_meta(self.name, self.atlas_id, place, self._window, self._meta)

    def _has_position(self) -> bool:
        return self._identity.ra is not None and self._identity.dec is not None

    def _title(self) -> str:
        tns = _text(self.info["tns_name"])
        kind = _text(self.info["spec_type"]) or _text(self.info["sherlock_class"])
        prefix = "SN" if kind.startswith("SN ") else "AT"
        return "  ".join(filter(None, (self.name, tns and f"{prefix} {tns}", kind)))

    def __repr__(self) -> str:
        where = self.coordinates.to_string("hmsdms", precision=1)
        return harmless(f"<AtlasSource {self.atlas_id} {self._title()} at {where}>")

    def __str__(self) -> str:
        return source_text(self)

    def _repr_html_(self) -> str:
        return source_html(self)


def _text(value: object) -> str:
    """Return a masked text as an empty one."""
    return "" if getattr(value, "mask", False) else str(value)


class _Identity(msgspec.Struct):
    id: int
    ra: float | None = None
    dec: float | None = None
    atlas_designation: str | None = None


_identity = msgspec.json.Decoder(_Identity)
