"""One object with all its data, each product built when it is first accessed."""

import gzip
import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import msgspec
from astropy.coordinates import SkyCoord
from astropy.table import Row, Table
from astropy.time import Time
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
from atlasquery.atlas.items import Item, ObjectId, object_rows, product_rows, unknown
from atlasquery.atlas.photometry import (
    forced_light_curve,
    is_on_sky,
    light_curve,
    light_curve_meta,
)
from atlasquery.exceptions import InvalidQueryError, NotFoundError, TableParseError
from atlasquery.redaction import safe_text
from atlasquery.service.inputs import check_path, check_window
from atlasquery.tables import Columns, build_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AtlasSource"]


class AtlasSource:
    """An object of the ATLAS Transient Server with its light curve and cross-matches.

    Returned by `AtlasClass.get_source`. Each product is decoded once, when it is first
    accessed.

    Parameters
    ----------
    item : dict of str to `msgspec.Raw`
        The server's item.
    window : tuple of float or None
        The first and last MJD requested.
    meta : dict
        Metadata: server and time of the response.
    """

    def __init__(self, item: Item, *, window: tuple, meta: dict):
        self._item = item
        self._window = window
        self._meta = meta

    @classmethod
    def read(
        cls,
        path: str | os.PathLike,
        *,
        start: Time | str | float | None = None,
        end: Time | str | float | None = None,
    ) -> "AtlasSource":
        """Read an object from the JSON of the server, as saved by ``atlasapiclient``.

        Parameters
        ----------
        path : path-like
            The file of one object, as from ``save_response_to_json``; ``.gz`` is
            unpacked.
        start, end : `~astropy.time.Time`, str or float, optional
            The first and last time of its light curve; a bare number is an MJD. By
            default all that the file has.

        Returns
        -------
        AtlasSource
            The object, with the products that the file has; ``meta`` names the file.

        Raises
        ------
        InvalidQueryError
            If the file cannot be read, or is not of one object.
        NotFoundError
            If it is the server's response for an unknown object.

        Examples
        --------
        >>> from pathlib import Path
        >>> from atlasquery import AtlasSource
        >>> text = '{"object": {"id": 1100003181021216990, "ra": 150.0, "dec": 2.2}, "lc": []}'
        >>> _ = Path("1100003181021216990.json").write_text(text)
        >>> AtlasSource.read("1100003181021216990.json").atlas_id
        1100003181021216990
        """
        window = check_window(start, end)
        file = check_path(path, name="path")
        item = _one_item(file)
        if message := unknown(item):
            raise NotFoundError(f"{file} holds no object: {message}", reason=message)
        meta = {"service": "ATLAS Transient Server", "file": file.name}
        source = cls(item, window=window, meta=meta)
        try:
            source._identity  # noqa: B018
        except TableParseError as error:
            raise InvalidQueryError(f"path={str(file)!r} is not of an object: {error}") from None
        return source

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
        """The ATLAS designation, or the id if it has none yet."""
        return self._identity.atlas_designation or str(self.atlas_id)

    @cached_property
    def coordinates(self) -> SkyCoord:
        """The position, ICRS."""
        ra, dec = self._identity.ra, self._identity.dec
        if ra is None or dec is None:
            raise TableParseError(f"ATLAS sent no position of {self.atlas_id}")
        if not is_on_sky(ra, dec):
            raise TableParseError(
                f"ATLAS sent a position of {self.atlas_id} that is not on the sky: {ra} {dec}"
            )
        return SkyCoord(ra, dec, unit=u.deg)

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
        """The classification by Sherlock, with its reasons."""
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

    def plot(self, **options: Any) -> "Axes":
        """Plot the light curve, with the forced photometry if there is any.

        Parameters
        ----------
        **options
            Keyword arguments of `atlasquery.lightcurve.plot`.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes drawn on.
        """
        from atlasquery.lightcurve import plot

        forced = self.forced_photometry
        options.setdefault("title", self._title())
        return plot(self.light_curve, forced=forced if len(forced) else None, **options)

    def _table(self, columns: Columns, product: str) -> Table:
        return build_table(product_rows(columns, [self._item], product), meta=dict(self._meta))

    def _light_curve_meta(self) -> dict:
        position = self.coordinates if self._has_position() else None
        return light_curve_meta(self.name, self.atlas_id, position, self._window, self._meta)

    def _has_position(self) -> bool:
        ra, dec = self._identity.ra, self._identity.dec
        return ra is not None and dec is not None and is_on_sky(ra, dec)

    def _title(self) -> str:
        tns = _text(self.info["tns_name"])
        kind = _text(self.info["spec_type"]) or _text(self.info["sherlock_class"])
        prefix = "SN" if kind.startswith("SN ") else "AT"
        return "  ".join(filter(None, (self.name, tns and f"{prefix} {tns}", kind)))

    def __repr__(self) -> str:
        where = "no position"
        if self._has_position():
            where = self.coordinates.to_string("hmsdms", precision=1)
        return safe_text(f"<AtlasSource {self.atlas_id} {self._title()} at {where}>")

    def __str__(self) -> str:
        return source_text(self)

    def _repr_html_(self) -> str:
        return source_html(self)


def _one_item(path: Path) -> Item:
    """Return the only item of a JSON file."""
    right = "should be the JSON of one object, as the server sends it"
    try:
        body = path.read_bytes()
        body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=list[Item] | Item)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidQueryError(f"path={str(path)!r} cannot be read: {reason}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidQueryError(f"path={str(path)!r} {right}: {error}") from error
    items = found if isinstance(found, list) else [found]
    if len(items) != 1 or "object" not in items[0]:
        has = "none with an object" if len(items) == 1 else f"{len(items)} of them"
        raise InvalidQueryError(f"path={str(path)!r} {right}; it has {has}")
    return items[0]


def _text(value: object) -> str:
    """Return a string, empty where it is masked."""
    return "" if getattr(value, "mask", False) else str(value)


class _Identity(msgspec.Struct):
    id: ObjectId
    ra: float | None = None
    dec: float | None = None
    atlas_designation: str | None = None


_identity = msgspec.json.Decoder(_Identity)
