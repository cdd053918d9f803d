"""The services that are asked: who is asked when, by what method, and what its rows mean.

Each class has the same methods: ``search`` finds objects around positions with the client's own
queries, ``add_curves`` fetches their light curves, ``look_up`` finds objects by name.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from atlasquery.alerce import Alerce, AlerceClass
from atlasquery.atlas import Atlas, AtlasClass
from atlasquery.atlas.cones import LARGEST_RADIUS
from atlasquery.atlas.names import atlas_name, query_external_names
from atlasquery.atlas.objects import read_entries
from atlasquery.exceptions import InvalidQueryError, NotFoundError
from atlasquery.forcedphot import AtlasForced, AtlasForcedClass
from atlasquery.lccserver import LCCServer, LCCServerClass
from atlasquery.regions.region import Region
from atlasquery.service import ServiceQuery
from atlasquery.service.cones import cover_cones
from atlasquery.service.inputs import suggest
from atlasquery.service.positions import format_degrees
from atlasquery.sky.names import kind_of, spelled
from atlasquery.sky.shared_searches import AllObjects, partly, search_around
from atlasquery.sky.terms import Entry, Found, Kind, Located
from atlasquery.skyportal import SkyPortal, SkyPortalClass
from atlasquery.skyportal.reads.sources import count_sources

__all__ = ["SERVICES", "SkyService", "chosen_services"]

#: The names of the services, and which are asked only if they are named.
SERVICES = ("atlas", "alerce", "lccserver", "skyportal", "forcedphot")
BY_NAME_ONLY = ("forcedphot",)
OTHER_NAMES = {"lcc": "lccserver", "forced": "forcedphot"}
# Columns of each row that says where an object is, and of the names of a source.
PLACE = ("query_index", "ra", "dec", "separation")
SOURCE = ("id", "tns_name", "alias")
# Largest radius in arcsec of a circle that several positions share.
LARGEST_ALERCE, LARGEST_SKYPORTAL = 300.0, 3600.0
# Larger ones, where SkyPortal is known to have so few sources that each is one page.
LARGER_SKYPORTAL = (18000.0, 72000.0)
# Largest radius in arcsec of a cross-match of an LCC-Server, which takes 5000 positions at once.
LARGEST_MATCH = 29.0
MATCHED_AT_ONCE = 5000
# Seconds for forced photometry: a task takes a minute, and those of an account follow each other.
FORCED_LIMIT = 3600.0


class SkyService(ABC):
    """A service that can be asked, and one survey of it.

    Parameters
    ----------
    client : ServiceQuery
        Client that sends the requests.
    cache : bool, optional
        Whether cached responses are used.
    """

    #: Its name in results.
    name: ClassVar[str]
    #: The survey that it is asked for; empty where the service has one alone.
    survey: str = ""
    #: Kinds of names that it may know.
    kinds: tuple[Kind, ...] = ()
    #: Why it cannot report what changed since a time; empty if it can.
    no_since: ClassVar[str] = ""
    #: Why it cannot search a region; empty if it can.
    no_region: ClassVar[str] = ""
    #: Whether it is asked only with credentials.
    needs_login: ClassVar[bool] = True
    #: Seconds that it has if no time limit is given; None for that of all.
    limit: ClassVar[float | None] = None

    def __init__(self, client: Any, cache: bool | None = None):
        self.client = client
        self.cache = cache

    @property
    def title(self) -> str:
        """The name in messages."""
        return str(self.client.title)

    @property
    def address(self) -> str:
        """The address of its server."""
        return str(self.client.server)

    def reason_to_skip(self, *, named: bool) -> str:
        """Return why it is not asked; empty if it is.

        Parameters
        ----------
        named : bool
            Whether the user named it.

        Returns
        -------
        str
            A sentence that says what to do.
        """
        if self.needs_login and not self.client.has_credentials():
            return str(self.client._how_to_log_in(None))
        return ""

    @abstractmethod
    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Find the objects around positions.

        Parameters
        ----------
        positions : `~astropy.coordinates.SkyCoord`
            One-dimensional.
        radius : float
            Arcseconds.

        Returns
        -------
        Found
            The objects.
        """

    @abstractmethod
    def search_region(self, region: Region) -> Found:
        """Find the objects in a region.

        Parameters
        ----------
        region : Region
            The region.

        Returns
        -------
        Found
            The objects, without separations.
        """

    @abstractmethod
    def add_curves(self, found: Found, start: Time | None) -> None:
        """Fetch the light curves of what was found.

        Parameters
        ----------
        found : Found
            Its objects; gets ``curves``.
        start : `~astropy.time.Time` or None
            The first time.
        """

    def changed(self, found: Found, since: Time, *, curves: bool) -> Found:
        """Return the objects that are new or have new detections since a time.

        Parameters
        ----------
        found : Found
            Objects.
        since : `~astropy.time.Time`
            The time.
        curves : bool
            Whether light curves are wanted; they begin at that time.

        Returns
        -------
        Found
            Some of them.
        """
        keep = np.array([entry.last > since.utc.mjd for entry in found.entries], dtype=bool)
        kept = _rows(found, keep)
        if curves:
            self.add_curves(kept, since)
        return kept

    def look_up(self, names: list[str]) -> dict[str, Located]:
        """Find objects by name.

        Parameters
        ----------
        names : list of str
            Names of its `kinds`.

        Returns
        -------
        dict of str to Located
            Those that it knows.
        """
        return {}


class AtlasService(SkyService):
    """The ATLAS Transient Server."""

    name = "atlas"
    kinds = (Kind.ATLAS_ID, Kind.ATLAS, Kind.TNS, Kind.ZTF, Kind.OTHER)

    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Find objects; their entries and names take one more request.

        Neither the server's other routes nor its lists have all objects: each circle of up to
        300 arcsec costs a request.
        """
        table, failures = partly(
            lambda: self.client.query_region(positions, radius * u.arcsec, cache=self.cache)
        )
        cones = cover_cones(positions.ra.deg, positions.dec.deg, radius, largest=LARGEST_RADIUS)
        table.meta["plan"] = (
            f"{len(cones)} searches of up to {LARGEST_RADIUS:g} arcsec for {len(positions)} "
            "positions, of which the server does one in a request"
        )
        return self._described(table, failures)

    def search_region(self, region: Region) -> Found:
        """Find the objects in a region."""
        return self._described(*partly(lambda: self.client.query_region(region, cache=self.cache)))

    def _described(self, table: Table, failures: list) -> Found:
        ids = list(dict.fromkeys(table["atlas_id"].tolist()))
        names: dict[int, tuple[str, ...]] = {}
        if ids:
            entries, names = read_entries(self.client, ids, self.cache)
            index = {atlas_id: n for n, atlas_id in enumerate(ids)}
            rows = [index[atlas_id] for atlas_id in table["atlas_id"].tolist()]
            for column in ("tns_name", "sherlock_class", "n_detections", "date_inserted"):
                table[column] = entries[column][rows]
        else:
            for column in ("tns_name", "sherlock_class", "n_detections"):
                table[column] = np.ma.MaskedArray([], dtype=str)
        entries_found = [
            Entry(
                row["query_index"], self.name, "atlas", str(row["atlas_id"]),
                row["name"] or (names.get(row["atlas_id"]) or (None,))[0],
                row["ra"], row["dec"], row["separation"], row["sherlock_class"],
                row["n_detections"],
            )
            for row in _dicts(table, *PLACE, "atlas_id", "name", "sherlock_class", "n_detections")
        ]  # fmt: skip
        of_each = [names.get(atlas_id, ()) for atlas_id in table["atlas_id"].tolist()]
        return Found(table, entries_found, of_each, failures=failures)

    def add_curves(self, found: Found, start: Time | None) -> None:
        """Fetch detections, limits and forced photometry, all in the same requests."""
        found.curves = []
        ids = list(dict.fromkeys(found.table["atlas_id"].tolist()))
        if not ids:
            return
        sources, failures = partly(
            lambda: self.client.get_sources(ids, start=start, cache=self.cache, progress=False)
        )
        found.failures += failures
        for atlas_id in found.table["atlas_id"].tolist():
            source = sources.get(atlas_id)
            curves = [] if source is None else [source.light_curve, source.forced_photometry]
            found.curves.append([curve for curve in curves if len(curve)])
        _add_times(found, complete=start is None)

    def changed(self, found: Found, since: Time, *, curves: bool) -> Found:
        """Keep the objects with detections after a time: the server sends what is after it."""
        self.add_curves(found, since)
        new = _after(found.table["date_inserted"], since).tolist() if found.entries else []
        keep = [
            fresh or entry.last > since.utc.mjd
            for fresh, entry in zip(new, found.entries, strict=True)
        ]
        kept = _rows(found, np.array(keep, dtype=bool))
        if not curves:
            kept.curves = None
        return kept

    def look_up(self, names: list[str]) -> dict[str, Located]:
        """Find names: ids and names in other surveys together, designations on lists."""
        ids = {name: [int(name)] for name in names if kind_of(name) is Kind.ATLAS_ID}
        for name in names:
            if kind_of(name) is Kind.ATLAS:
                try:
                    ids[name] = self.client.query_object(name, cache=self.cache)[
                        "atlas_id"
                    ].tolist()
                except NotFoundError:
                    continue
        others = [name for name in names if name not in ids and not atlas_name(name)]
        # The server separates names by commas.
        others = [name for name in others if "," not in name and not name.isdecimal()]
        if others:
            found = query_external_names(self.client, others, cache=self.cache)
            for n, atlas_id in zip(found["query_index"], found["atlas_id"], strict=True):
                ids.setdefault(others[n], []).append(int(atlas_id))
        every = list(dict.fromkeys(one for each in ids.values() for one in each))
        if not every:
            return {}
        try:
            table, aliases = read_entries(self.client, every, self.cache)
        except NotFoundError:
            return {}
        rows = {
            row["atlas_id"]: row
            for row in _dicts(table, "atlas_id", "ra", "dec")
            if row["ra"] is not None
        }
        return {
            name: Located(row["ra"], row["dec"], aliases[each[0]] or (str(each[0]),))
            for name, each in ids.items()
            if (row := rows.get(each[0]))
        }


class AlerceService(SkyService):
    """A survey of ALeRCE.

    Parameters
    ----------
    client : AlerceClass
        The client.
    cache : bool, optional
        Whether cached responses are used.
    survey : {"ztf", "lsst"}, optional
        The survey.
    """

    name = "alerce"
    needs_login = False

    def __init__(self, client: AlerceClass, cache: bool | None = None, survey: str = "ztf"):
        super().__init__(client, cache)
        self.survey = survey
        self.kinds = (Kind.ZTF,) if survey == "ztf" else (Kind.LSST, Kind.ATLAS_ID)

    @property
    def title(self) -> str:
        """The name in messages, with the survey, since each has another server."""
        return f"{self.client.title} ({self.survey.upper()})"

    @property
    def address(self) -> str:
        """The address of the survey's server."""
        return self.client._server_of("server" if self.survey == "ztf" else "lsst_server")

    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Find objects, all of them however many there are."""

        def ask(centres: SkyCoord, arcsec: float) -> Table:
            return self.client.query_region(
                centres, arcsec * u.arcsec, survey=self.survey, max_rows=-1, cache=self.cache
            )

        return self._described(
            *search_around(ask, positions, radius, title=self.title, largest=LARGEST_ALERCE)
        )

    def search_region(self, region: Region) -> Found:
        """Find the objects in a region, all of them."""
        return self._described(
            *partly(
                lambda: self.client.query_region(
                    region, survey=self.survey, max_rows=-1, cache=self.cache
                )
            )
        )

    def _described(self, table: Table, failures: list) -> Found:
        first, last = (self._utc(table[name]) for name in ("first_mjd", "last_mjd"))
        entries = [
            Entry(
                row["query_index"], self.name, self.survey, str(row["oid"]), str(row["oid"]),
                row["ra"], row["dec"], row["separation"], row["class_name"], row["n_det"],
                first[n], last[n],
            )
            for n, row in enumerate(_dicts(table, *PLACE, "oid", "class_name", "n_det"))
        ]  # fmt: skip
        return Found(table, entries, [(entry.object_id,) for entry in entries], failures=failures)

    def _utc(self, column: Any) -> list[float]:
        """Return times of detections as MJD in UTC, NaN where masked."""
        mjd = np.ma.filled(np.ma.asarray(column.astype(float)), np.nan)
        if self.survey == "lsst":
            # Times of LSST are in TAI, those of ZTF in UTC already.
            known = np.isfinite(mjd)
            mjd[known] = Time(mjd[known], format="mjd", scale="tai").utc.mjd
        return mjd.tolist()

    def add_curves(self, found: Found, start: Time | None) -> None:
        """Fetch detections, limits and forced photometry."""
        found.curves = []
        oids = list(dict.fromkeys(found.table["oid"].tolist()))
        if not oids:
            return
        curves, failures = partly(
            lambda: self.client.get_light_curves(
                oids, survey=self.survey, start=start, forced=True, cache=self.cache,
                progress=False,
            )
        )  # fmt: skip
        found.failures += failures
        found.curves = [_known(curves, oid) for oid in found.table["oid"].tolist()]

    def look_up(self, names: list[str]) -> dict[str, Located]:
        """Find names of ZTF, or numbers of LSST."""
        found = self.client.query_objects(
            [int(name) if name.isdecimal() else name for name in names],
            survey=self.survey,
            cache=self.cache,
        )
        return {
            name: Located(row["ra"], row["dec"], (str(row["oid"]),))
            for name, row in zip(names, _dicts(found, "oid", "ra", "dec"), strict=True)
            if row["ra"] is not None
        }


class LCCService(SkyService):
    """An LCC-Server."""

    name = "lccserver"
    kinds = (Kind.LCC,)
    needs_login = False
    no_since = (
        "It does not record when measurements were added, and cannot report what is new since a "
        "time; ask it without since."
    )

    def reason_to_skip(self, *, named: bool) -> str:
        """Return why it is not asked: if no server is set."""
        if not self.client.server.strip("/"):
            return "No server is set: set ATLASQUERY_LCC_SERVER or atlasquery.lccserver.conf.server"
        return ""

    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Find objects, with a cross-match where the radius allows it."""
        matched = radius <= LARGEST_MATCH
        ask = self.client.crossmatch if matched else self.client.query_region
        table, failures = partly(
            lambda: ask(positions, radius * u.arcsec, progress=False, cache=self.cache)
        )
        way = f"cross-matches of up to {MATCHED_AT_ONCE} positions" if matched else "circles"
        table.meta["plan"] = f"{way} for {len(positions)} positions"
        return self._described(table, failures)

    def search_region(self, region: Region) -> Found:
        """Find the objects in a region."""
        return self._described(
            *partly(lambda: self.client.query_region(region, progress=False, cache=self.cache))
        )

    def _described(self, table: Table, failures: list) -> Found:
        entries = [
            Entry(
                row["query_index"], self.name, row["collection"], row["objectid"],
                row["objectid"], row["ra"], row["dec"], row["separation"],
            )
            for row in _dicts(table, *PLACE, "collection", "objectid")
        ]  # fmt: skip
        return Found(table, entries, [(entry.object_id,) for entry in entries], failures=failures)

    def add_curves(self, found: Found, start: Time | None) -> None:
        """Fetch light curves, in a ZIP where there are many."""
        found.curves, table = [], found.table
        if not len(table):
            return
        curves, failures = partly(
            lambda: self.client.get_light_curves(table, progress=False, cache=self.cache)
        )
        found.failures += failures
        found.curves = [
            _known(curves, f"{row['collection']}/{row['objectid']}")
            for row in _dicts(table, "collection", "objectid")
        ]

    def look_up(self, names: list[str]) -> dict[str, Located]:
        """Find names, one search each."""
        found = {}
        for name in names:
            table = self.client.query_criteria(
                f"objectid eq '{name}'", progress=False, cache=self.cache
            )
            if len(table):
                found[name] = Located(float(table["ra"][0]), float(table["dec"][0]), (name,))
        return found


class SkyPortalService(SkyService):
    """A SkyPortal instance."""

    name = "skyportal"
    kinds = (Kind.ATLAS, Kind.TNS, Kind.ZTF, Kind.LSST, Kind.OTHER, Kind.LCC)

    def reason_to_skip(self, *, named: bool) -> str:
        """Return why it is not asked: a named one is also read without a token."""
        return "" if named else super().reason_to_skip(named=named)

    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Find sources, all of them."""

        def ask(centres: SkyCoord, arcsec: float) -> Table:
            return self.client.query_region(
                centres, arcsec * u.arcsec, max_rows=-1, cache=self.cache
            )

        def read() -> Table:
            table = self.client.query_criteria(max_rows=-1, cache=self.cache)
            table.sort("id")
            return table

        everything = AllObjects(
            lambda: count_sources(self.client, self.cache), read,
            int(self.client.conf.page_size), LARGER_SKYPORTAL,
        )  # fmt: skip
        return self._described(
            *search_around(
                ask, positions, radius, title=self.title, largest=LARGEST_SKYPORTAL,
                catalogue=everything,
            )
        )  # fmt: skip

    def search_region(self, region: Region) -> Found:
        """Find the sources in a region, all of them."""
        return self._described(
            *partly(lambda: self.client.query_region(region, max_rows=-1, cache=self.cache))
        )

    def _described(self, table: Table, failures: list) -> Found:
        rows = _dicts(
            table, *PLACE, *SOURCE, "origin", "classifications", "detect_photometry_count"
        )
        entries = [
            Entry(
                row["query_index"], self.name, _survey_of(row), row["id"],
                row["tns_name"] or row["id"], row["ra"], row["dec"], row["separation"],
                row["classifications"], row["detect_photometry_count"],
            )
            for row in rows
        ]  # fmt: skip
        return Found(table, entries, [_source_names(row) for row in rows], failures=failures)

    def add_curves(self, found: Found, start: Time | None) -> None:
        """Fetch all photometry, or the rows that were uploaded after a time."""
        found.curves = []
        ids = list(dict.fromkeys(found.table["id"].tolist()))
        if not ids:
            return
        # The server selects by the time of the exposure, and rows are often uploaded long after it.
        curves, failures = partly(
            lambda: self.client.get_light_curves(ids, cache=self.cache, progress=False)
        )
        found.failures += failures
        found.curves = [_known(curves, each) for each in found.table["id"].tolist()]
        _add_times(found, complete=True)
        if start is not None:
            found.curves = [_uploaded_after(each, start) for each in found.curves]

    def changed(self, found: Found, since: Time, *, curves: bool) -> Found:
        """Keep the sources that were changed, or got photometry, after a time.

        The server's own filter counts changes of the source only.
        """
        self.add_curves(found, None)
        keep, fresh = [], []
        failed = {name for name, _ in found.failures}
        rows = _dicts(found.table, "id", "created_at", "modified", "saved_at")
        for row, measured in zip(rows, found.curves or [], strict=True):
            new = _uploaded_after(measured, since)
            stamps = (row["created_at"], row["modified"], row["saved_at"])
            changed = any(stamp is not None and stamp > since for stamp in stamps)
            # What could not be read may have changed.
            keep.append(bool(new) or changed or row["id"] in failed)
            fresh.append(new)
        found.curves = fresh if curves else None
        return _rows(found, np.array(keep, dtype=bool))

    def look_up(self, names: list[str]) -> dict[str, Located]:
        """Find sources of a name, one request each."""
        found = {}
        for name in names:
            row = self._source(name)
            if row is not None and row["ra"] is not None:
                found[name] = Located(row["ra"], row["dec"], _source_names(row))
        return found

    def _source(self, name: str) -> dict | None:
        if kind_of(name) is Kind.TNS:
            # Any source whose name contains it.
            table = self.client.query_criteria(source_id=name, max_rows=-1, cache=self.cache)
            same = [
                row
                for row in _dicts(table, *SOURCE, "ra", "dec")
                if spelled(name) in map(spelled, (row["id"], row["tns_name"] or ""))
            ]
            return same[0] if same else None
        if not re.fullmatch(r"[\w.+-]+", name):
            # The ids of sources have no blanks.
            return None
        try:
            return _dicts(self.client.get_source(name, cache=self.cache), *SOURCE, "ra", "dec")[0]
        except NotFoundError:
            return None


class ForcedService(SkyService):
    """Forced photometry of ATLAS, which costs a task for each position."""

    name = "forcedphot"
    limit = FORCED_LIMIT
    no_region = "It measures positions, and has no catalogue of objects to search a region in."

    def search(self, positions: SkyCoord, radius: float) -> Found:
        """Measure each position; there is no catalogue to search."""
        return self._measure(positions, None)

    def search_region(self, region: Region) -> Found:
        """Raise an error: see `no_region`."""
        raise InvalidQueryError(self.no_region)

    def _measure(self, positions: SkyCoord, start: Time | None) -> Found:
        curves = self.client.query_position(positions, start=start, progress=False)
        entries, rows = [], []
        for n, curve in enumerate(curves):
            position = positions[n]
            where = float(position.ra.deg), float(position.dec.deg)
            entries.append(Entry(n, self.name, "atlas", format_degrees(*where), None, *where, 0.0))
            rows.append((n, *where, len(curve)))
        table = Table(
            rows=rows or None, names=("query_index", "ra", "dec", "n_rows"),
            dtype=(np.int64, float, float, np.int64), units=(None, u.deg, u.deg, None),
        )  # fmt: skip
        found = Found(table, entries, [()] * len(entries), [[curve] for curve in curves])
        _add_times(found, complete=start is None, count=True)
        return found

    def add_curves(self, found: Found, start: Time | None) -> None:
        """Do nothing: the search has measured them."""

    def measure_since(self, positions: SkyCoord, since: Time) -> Found:
        """Measure each position in the exposures after a time.

        Parameters
        ----------
        positions : `~astropy.coordinates.SkyCoord`
            One-dimensional.
        since : `~astropy.time.Time`
            The time.

        Returns
        -------
        Found
            The positions with measurements.
        """
        found = self._measure(positions, since)
        return _rows(found, found.table["n_rows"] > 0)


def chosen_services(
    services: object, cache: bool | None
) -> tuple[list[SkyService], dict[str, str]]:
    """Return the services to ask, and why others are skipped.

    Parameters
    ----------
    services : None, str, ServiceQuery, or iterable of them
        Names or clients; None for all that are configured.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    chosen : list of SkyService
        One for each service and survey.
    skipped : dict of str to str
        The reason for each service.

    Raises
    ------
    InvalidQueryError
        If one is not a service.
    """
    named = services is not None
    given: list[Any]
    if services is None:
        given = [name for name in SERVICES if name not in BY_NAME_ONLY]
    elif isinstance(services, (str, ServiceQuery)) or not isinstance(services, Iterable):
        given = [services]
    else:
        given = list(services)
    if not given:
        raise InvalidQueryError(f"services is empty: name at least one of {', '.join(SERVICES)}")
    chosen: list[SkyService] = []
    skipped: dict[str, str] = {}
    for each in given:
        parts = _service_of(each, cache)
        if any(part.name == other.name for part in parts for other in chosen):
            raise InvalidQueryError(f"services has {parts[0].name!r} twice")
        try:
            reason = parts[0].reason_to_skip(named=named)
        except InvalidQueryError as error:
            reason = str(error)
        if reason:
            skipped[parts[0].name] = reason
        else:
            chosen += parts
    return chosen, skipped


def _service_of(given: object, cache: bool | None) -> list[SkyService]:
    """Return a service by its name or its client: one for each of its surveys."""
    clients = (
        ("atlas", Atlas, AtlasClass), ("alerce", Alerce, AlerceClass),
        ("lccserver", LCCServer, LCCServerClass), ("skyportal", SkyPortal, SkyPortalClass),
        ("forcedphot", AtlasForced, AtlasForcedClass),
    )  # fmt: skip
    kinds: dict[str, Callable[[Any, bool | None], SkyService]] = {
        "atlas": AtlasService, "lccserver": LCCService, "skyportal": SkyPortalService,
        "forcedphot": ForcedService,
    }  # fmt: skip
    word = given.strip().lower() if isinstance(given, str) else None
    word = OTHER_NAMES.get(word, word) if word is not None else None
    for name, default, kind in clients:
        if word == name or isinstance(given, kind):
            client: Any = default if word else given
            if name == "alerce":
                return [AlerceService(client, cache, survey) for survey in ("ztf", "lsst")]
            return [kinds[name](client, cache)]
    hint = suggest(word, SERVICES) if word is not None else f"; name one of {', '.join(SERVICES)}"
    raise InvalidQueryError(f"services={given!r:.80} is not a service{hint}")


def _dicts(table: Table, *names: str) -> list[dict[str, Any]]:
    """Return some columns of each row as plain values, None where masked; times stay times."""
    columns: dict[str, list] = {}
    for name in names:
        if name == "separation" and name not in table.colnames:
            # What is in a region has no distance from a target.
            columns[name] = [np.nan] * len(table)
            continue
        column = table[name]
        if isinstance(column, Time):
            masked = np.broadcast_to(column.mask, column.shape)
            columns[name] = [None if masked[n] else column[n] for n in range(len(column))]
        else:
            columns[name] = column.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rows(found: Found, keep: np.ndarray) -> Found:
    """Return some of what was found."""
    indices = np.flatnonzero(keep)
    return Found(
        found.table[indices],
        [found.entries[n] for n in indices],
        [found.names[n] for n in indices],
        None if found.curves is None else [found.curves[n] for n in indices],
        found.failures,
    )


def _known(curves: Any, key: object) -> list:
    """Return the light curve of an object in a list; empty without rows or after a failure."""
    curve = curves.get(key)
    return [] if curve is None or not len(curve) else [curve]


def _after(times: Time, since: Time) -> np.ndarray:
    """Return which times are later, false where masked."""
    masked = np.broadcast_to(times.mask, times.shape)
    later = np.asarray(np.ma.getdata(times.utc.mjd)) > since.utc.mjd
    return later & ~masked


def _uploaded_after(curves: list, since: Time) -> list:
    """Return the rows of light curves of SkyPortal that were uploaded after a time."""
    new = [curve[_after(curve["created_at"], since)] for curve in curves]
    return [curve for curve in new if len(curve)]


def _add_times(found: Found, *, complete: bool, count: bool = False) -> None:
    """Set first and last detection of objects from their light curves."""
    for n, (entry, curves) in enumerate(zip(found.entries, found.curves or [], strict=True)):
        times = [curve.time.utc.mjd[np.asarray(curve["detection"])] for curve in curves]
        detected = np.concatenate([np.empty(0), *times])
        if len(detected):
            first = detected.min() if complete else np.nan
            entry = entry._replace(first=float(first), last=float(detected.max()))
        if count and complete:
            entry = entry._replace(n_detections=len(detected))
        found.entries[n] = entry


def _names(*names: str | None) -> tuple[str, ...]:
    """Return names, each in one spelling."""
    known: dict[str, str] = {}
    for name in names:
        if name:
            known.setdefault(spelled(name), name)
    return tuple(known.values())


def _survey_of(row: dict) -> str:
    """Return the survey of a source of SkyPortal, by its name, else where it came from."""
    surveys = {Kind.ATLAS: "atlas", Kind.ZTF: "ztf", Kind.LSST: "lsst"}
    return surveys.get(kind_of(row["id"])) or (row["origin"] or "").lower()


def _source_names(row: dict) -> tuple[str, ...]:
    """Return the names of a source of SkyPortal."""
    return _names(row["id"], row["tns_name"], *(row["alias"] or "").split(", "))
