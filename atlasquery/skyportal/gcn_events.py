"""The queries for events of the General Coordinates Network, and their sky maps."""

import gzip
import io
import warnings
import zlib

import astropy.units as u
import msgspec
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.skyportal.criteria import time_range
from atlasquery.skyportal.envelope import open_envelope
from atlasquery.skyportal.nested import decode_flat
from atlasquery.skyportal.paging import PagedQueries
from atlasquery.skyportal.words import in_path, iso, params_of, word
from atlasquery.tables import Column, Columns, Nested, Rows, Timestamp, build_table

__all__ = ["GcnEventQueries"]

#: An event.
EVENT = Columns(
    "an event",
    Column("id", int, about="Number of the event on this instance.", required=True),
    Column("dateobs", Timestamp, about="Time of the event, which is its name here."),
    Column("aliases", Nested, about="Other names."),
    Column("tags", Nested, about="Tags, such as the instrument and the kind of event."),
    Column("localizations", Nested, about="Names of its sky maps."),
    Column("trigger_id", str, about="Number that the instrument gave it."),
    Column("gcn_notices", Nested, to="notices", about="Types of the notices on it."),
    Column("tach_id", str, about="Number in the archive of circulars."),
    Column("sent_by_id", int, about="Number of who entered it."),
    Column("circulars", Nested, about="Circulars on it, as JSON."),
    Column("properties", Nested, about="What the instrument says of it, as JSON."),
    Column("created_at", Timestamp, about="When it came to this instance."),
    Column("modified", Timestamp, about="When it was last changed."),
    *(
        Column(wire, Nested)
        for wire in (
            *("gcn_triggers", "observationplan_requests", "event_users_ids", "gcnevent_users"),
            *("comments", "summaries", "survey_efficiency_analyses", "lightcurve", "gracesa"),
            *("gracedb_log", "gracedb_labels", "detectors"),
        )
    ),
)
LISTS = {
    "aliases": "",
    "tags": "",
    "localizations": "localization_name",
    "gcn_notices": "notice_type",
}
GZIP = b"\x1f\x8b"
FITS = b"SIMPLE  ="
# Units of the columns of sky maps, which old ones do not say.
MAP_UNITS = {
    "PROBDENSITY": u.sr**-1,
    "DISTMU": u.Mpc,
    "DISTSIGMA": u.Mpc,
    "DISTNORM": u.Mpc**-2,
    "PROB": u.dimensionless_unscaled,
}
ABOUT = {
    "UNIQ": "Pixel of HEALPix with its size: 4 * 4**order + index, nested.",
    "PROBDENSITY": "Probability for each steradian.",
    "PROB": "Probability in the pixel.",
    "DISTMU": "Location of the distance in this direction; not finite where there is none.",
    "DISTSIGMA": "Scale of the distance in this direction.",
    "DISTNORM": "Norm of the distance in this direction.",
}


class GcnEventQueries(PagedQueries):
    """The queries for events."""

    def query_gcn_events(
        self,
        *,
        start: Time | str | float | None = None,
        end: Time | str | float | None = None,
        tags: str | list | None = None,
        without_tags: str | list | None = None,
        name: str | None = None,
        max_rows: int | None = None,
        cache: bool | None = None,
        get_query_payload: bool = False,
    ) -> Table:
        """Find events of the General Coordinates Network, the latest first.

        Parameters
        ----------
        start, end : `~astropy.time.Time`, str or float, optional
            The time window of the events; a bare number is an MJD in UTC.
        tags, without_tags : str or list of str, optional
            Tags of which an event has at least one, or none: ``["GRB", "Fermi"]``.
        name : str, optional
            The begin of the time that names the event, or a part of an alias.
        max_rows : int, optional
            How many events are returned at most, -1 for all. The default is
            ``conf.max_rows``.
        cache : bool, optional
            Whether stored answers are used, for ``conf.list_seconds``.
        get_query_payload : bool, optional
            Whether to return what would be sent, and send nothing.

        Returns
        -------
        `~astropy.table.Table`
            ``id``, ``dateobs`` (`~astropy.time.Time`), ``aliases``, ``tags``,
            ``localizations`` (names of sky maps, for `get_localization`), ``notices``
            and more; lists are joined by comma and space.

        Raises
        ------
        InvalidQueryError
            If a criterion cannot be.

        Warns
        -----
        NoResultsWarning
            If there is no event.
        MaxResultsWarning
            If there are more.

        References
        ----------
        The route ``GET /api/gcn_event``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.query_gcn_events(start="2024-01-01", tags="GRB", get_query_payload=True)
        {'startDate': '2024-01-01T00:00:00.000', 'gcnTagKeep': 'GRB', ...}
        """
        window = {}
        if start is not None or end is not None:
            window = time_range((start, end), "start, end", "startDate", "endDate")
        kept, left = _words(tags, "tags"), _words(without_tags, "without_tags")
        if name is not None:
            name = word(name, "name") if isinstance(name, str) else iso(name, "name")[:19]
        params = {
            **window,
            "gcnTagKeep": kept,
            "gcnTagRemove": left,
            "partialdateobs": name,
            "sortBy": "dateobs",
            "sortOrder": "desc",
            # Notices are long texts, of which the types are enough.
            "excludeNoticeContent": True,
        }
        sent = params_of(params)
        if get_query_payload:
            return sent
        found = self._pages(
            "gcn_event",
            sent,
            key="events",
            decode=lambda text: decode_flat(EVENT, text, LISTS),
            max_rows=max_rows,
            cache=cache,
            what="events",
            depth=4,
        )
        rows = _really(found.rows, kept, left)
        if not len(rows):
            warnings.warn("SkyPortal has no such events", NoResultsWarning, stacklevel=3)
        told = {key: sent[key] for key in sent.keys() - {"sortBy", "sortOrder"}}
        return build_table(rows, meta=self._meta(found.when, query="query_gcn_events", **told))

    def get_localization(
        self, event: Time | str, name: str | None = None, *, cache: bool | None = None
    ) -> Table:
        """Fetch a sky map of an event.

        Parameters
        ----------
        event : `~astropy.time.Time` or str
            The time of the event, which is its name here.
        name : str, optional
            The name of one of its sky maps; by default that which came last.
        cache : bool, optional
            Whether stored answers are used, for ``conf.table_seconds``.

        Returns
        -------
        `~astropy.table.Table`
            The columns of the map: of one of many resolutions ``UNIQ``,
            ``PROBDENSITY`` (1/sr), and ``DISTMU``, ``DISTSIGMA`` (Mpc), ``DISTNORM``
            (1/Mpc2) where it has distances; of one of equal pixels ``PROB``. ``meta`` has
            its header, and ``name``, ``dateobs``, ``multi_order``.

        Raises
        ------
        NotFoundError
            If there is no such event, or no such sky map.

        See Also
        --------
        query_gcn_events : For the events and the names of their sky maps.

        References
        ----------
        The route ``GET /api/localization/{dateobs}/name/{name}/download``. Multi-order
        maps: Fernique et al. 2014, IVOA Recommendation MOC 1.0.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> sky_map = SkyPortal.get_localization("2018-01-16T00:36:53")  # doctest: +SKIP
        >>> sky_map["PROBDENSITY"].unit  # doctest: +SKIP
        Unit("1 / sr")
        """
        # The server knows an event by its second.
        dateobs = iso(event, "event")[:19]
        if name is None:
            name = self._latest_map(dateobs, cache)
        elif not isinstance(name, str) or not name.strip():
            raise InvalidQueryError(f"name={name!r:.100} should be the name of a sky map")
        path = f"localization/{in_path(dateobs)}/name/{in_path(name)}/download"
        sky_map, when = self._fetch(
            path,
            decode=decode_sky_map,
            lifetime=self.conf.table_seconds,
            cache=cache,
            unknown=f"sky map {name} of {dateobs}",
            file=True,
        )
        known = self._meta(when, query="get_localization", dateobs=dateobs, name=name)
        sky_map.meta = {**sky_map.meta, **known, "multi_order": "UNIQ" in sky_map.colnames}
        return sky_map

    def _latest_map(self, dateobs: str, cache: bool | None) -> str:
        """Return the name of the sky map of an event that came last."""
        found, _ = self._fetch(
            f"gcn_event/{in_path(dateobs)}",
            {"excludeNoticeContent": True},
            decode=_decode_maps,
            lifetime=self.conf.list_seconds,
            cache=cache,
            unknown=f"event {dateobs}",
        )
        if not found:
            raise NotFoundError(
                f"SkyPortal has no sky map of the event {dateobs}",
                service=self.service,
                url=self.server,
            )
        return max(found)[-1]


def _words(value: object, name: str) -> list[str] | None:
    if value is None:
        return None
    found = [value] if isinstance(value, str) else list(value)
    # Of one with a comma the server would make two; an empty list is no question.
    word(found, name)
    return found


def _really(rows: Rows, kept: list[str] | None, left: list[str] | None) -> Rows:
    """Return the events that have the tags: an older server calls the filters otherwise."""
    if not kept and not left:
        return rows
    tags = [set(one.split(", ")) for one in rows.values["tags"].tolist()]
    good = [
        (not kept or bool(has.intersection(kept))) and not has.intersection(left or ())
        for has in tags
    ]
    return rows.take(np.array(good, dtype=bool))


def _decode_maps(text: bytes) -> list[tuple[str, int, str]]:
    """Return when the sky maps of an event came, their numbers and names."""
    event = msgspec.json.decode(text)
    maps = event.get("localizations") if isinstance(event, dict) else None
    found = [one for one in maps or () if isinstance(one, dict) and one.get("localization_name")]
    return [
        (str(one.get("created_at") or ""), int(one.get("id") or 0), one["localization_name"])
        for one in found
    ]


def decode_sky_map(body: bytes) -> Table:
    """Return a sky map of a FITS file.

    Parameters
    ----------
    body : bytes
        The file, as it is or by gzip.

    Returns
    -------
    `~astropy.table.Table`
        Its first table, with units.

    Raises
    ------
    RemoteServiceError
        If it is the envelope of an error.
    TableParseError
        If it is no such file.
    """
    if body.lstrip()[:1] == b"{":
        open_envelope(body)
    try:
        body = gzip.decompress(body) if body.startswith(GZIP) else body
        if not body.startswith(FITS):
            raise TableParseError(f"the sky map is no FITS file: {body[:40]!r}")
        with warnings.catch_warnings(), fits.open(io.BytesIO(body), memmap=False) as hdus:
            # 'pix-1' is a unit of HEALPix, and none of FITS.
            warnings.simplefilter("ignore", u.UnitsWarning)
            # The end of the file is missing, of which astropy only warns.
            warnings.simplefilter("error", fits.verify.VerifyWarning)
            warnings.filterwarnings("error", message=".*truncated")
            hdu = next(one for one in hdus if isinstance(one, fits.BinTableHDU))
            sky_map = Table.read(hdu)
    except StopIteration:
        raise TableParseError("the sky map has no table") from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, Warning) as error:
        raise TableParseError(f"the sky map could not be read: {error}") from error
    sky_map.meta.pop("comments", None)
    for name in sky_map.colnames:
        column = sky_map[name]
        if name in MAP_UNITS and (column.unit is None or str(column.unit) in ("pix-1", "1 / pix")):
            column.unit = MAP_UNITS[name]
        if name in ABOUT:
            column.description = ABOUT[name]
    return sky_map
