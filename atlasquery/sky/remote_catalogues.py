"""Catalogues of archives, read through the services of astroquery and through pyvo.

Each service compares positions in a different way, so each is asked with a slightly larger radius
for the objects near positions in ICRS, with the number of the position in each row; the caller
computes the separations. Nothing is read from or written to the cache of astroquery, which also
stores responses that are error pages.
"""

import contextlib
import inspect
import io
import re
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import FK5, ICRS, SkyCoord
from astropy.table import Table

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    LargeQueryWarning,
    MaxResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service import ServiceQuery
from atlasquery.service.inputs import column_names, suggest
from atlasquery.service.position_columns import LONGITUDE, angle_columns
from atlasquery.service.tap import TapSession, plain_strings, run_adql, typed_tap_errors
from atlasquery.sky import conf
from atlasquery.sky.archive_requests import (
    Answer,
    ArchiveRows,
    ArchiveTargets,
    Catalogue,
    ask_in_chunks,
    read_votable,
    typed_errors,
)
from atlasquery.sky.proper_motion import PERSPECTIVE
from atlasquery.sky.sky_positions import EPOCH_WORDS, PM_DEC, PM_RA
from atlasquery.warn import warn

__all__ = ["find_catalogue"]

# Arcseconds that are added to each radius: services compare rounded positions, or in FK5, which
# is up to 29 mas away from ICRS.
MARGIN = 0.1
# The largest proper motion of a star in arcsec/yr, that of Barnard's star, and a little more.
FASTEST = 10.5
# Epochs of the positions of catalogues in Julian years, and how sure that is.
GAIA_EPOCH, SIMBAD_EPOCH, XMATCH_EPOCH = 2016.0, 2000.0, 2000.0
# Of tables of VizieR whose rows do not have it, by the start of their names.
TABLE_EPOCHS = {
    "I/355/": 2016.0, "I/350/": 2016.0, "I/345/": 2015.5, "I/337/": 2015.0,
    "I/311/": 1991.25, "I/239/": 1991.25,
}  # fmt: skip
# Years between the epochs of the oldest catalogue with proper motions, Hipparcos, and of the
# newest.
EPOCHS = (1991.25, 2017.5)
# Rows of one response of VizieR and CDS XMatch at most.
LARGEST_ANSWER = 2_000_000
# CDS XMatch refuses more, in arcsec; stars up to this proper motion in arcsec/yr are found there.
LARGEST_XMATCH = 180.0
XMATCH_FASTEST = 1.0
# Positions in one request to VizieR, and single requests that take long.
VIZIER_ROWS = 500
MANY = 100
# Seconds between two questions whether a job has finished.
POLL = 0.5
NAMES = ("gaia", "simbad", "ned", "vizier:<table>", "xmatch:<table>")
# NED's message when it has no object there.
NOTHING = re.compile(r"\bno\b[\w\s]*\bfound\b|\bno (objects?|results?)\b", re.I)
VIZIER_TABLE = re.compile(r"[\w.+/&-]+")


def find_catalogue(catalogue: Any) -> Catalogue | None:
    """Return the catalogue that a name or a service means.

    Parameters
    ----------
    catalogue : object
        The argument of `crossmatch`.

    Returns
    -------
    Catalogue or None
        None for a local one.

    Raises
    ------
    InvalidQueryError
        If a name is not known, or a service cannot be asked by position.
    """
    if isinstance(catalogue, str):
        return _named_catalogue(catalogue)
    if isinstance(catalogue, SkyCoord) or column_names(catalogue) is not None:
        return None
    if isinstance(catalogue, type) and hasattr(catalogue, "query_region"):
        catalogue = catalogue()
    if isinstance(catalogue, ServiceQuery) and hasattr(catalogue, "query_region"):
        return _House(catalogue)
    module = type(catalogue).__module__
    for prefix, known in (
        ("astroquery.gaia", _Gaia),
        ("astroquery.simbad", _Simbad),
        ("astroquery.ipac.ned", _Ned),
        ("astroquery.vizier", _VizierQuery),
    ):
        if module.startswith(prefix):
            return known(catalogue)
    if module.startswith("astroquery.xmatch"):
        raise InvalidQueryError(
            "catalogue: CDS XMatch has many; name one, such as 'xmatch:II/246/out' or "
            "'xmatch:simbad'"
        )
    method = getattr(catalogue, "query_region", catalogue)
    return _Other(method, catalogue) if callable(method) else None


def _named_catalogue(name: str) -> Catalogue:
    kind, _, table = name.strip().partition(":")
    kind, table = kind.lower(), table.strip().strip('"')
    if not table and kind in SERVICES:
        return SERVICES[kind]()
    if kind in ("vizier", "xmatch"):
        if table.lower().startswith("vizier:"):
            table = table[len("vizier:") :]
        if not VIZIER_TABLE.fullmatch(table):
            raise InvalidQueryError(
                f"catalogue={name!r} should name one table of VizieR, such as '{kind}:II/246/out'"
            )
        return _VizierTap(table) if kind == "vizier" else _XMatch(table)
    if VIZIER_TABLE.fullmatch(name) and "/" in name:
        raise InvalidQueryError(
            f"catalogue={name!r} is not known; for a table of VizieR write {'vizier:' + name!r}"
        )
    raise InvalidQueryError(f"catalogue={name!r} is not known{suggest(name, NAMES)}")


# Queries in ADQL that join a catalogue with the uploaded positions.


def _join(
    targets: ArchiveTargets,
    *,
    table: str,
    position: tuple[str, str],
    pm: tuple[str, str] | None,
    frame: str,
    epochs: tuple[float, ...],
) -> str:
    """Return a query for all rows of a table near the uploaded positions.

    An object with a proper motion may be anywhere that it can have moved to, so that each has a
    radius that is larger by its proper motion.
    """
    reach = (targets.radius + MARGIN) / 3600
    position_point = f"POINT({frame}t.ra, t.dec)"
    object_point = f"POINT({frame}{position[0]}, {position[1]})"
    years = targets.years_from(*epochs)
    wide, condition = reach, ""
    if pm is not None and years:
        wide += FASTEST * years * PERSPECTIVE / 3600
        distance = f"DISTANCE({position_point}, {object_point})"
        total = " + ".join(f"{column} * {column}" for column in pm)
        growth = years * PERSPECTIVE / 3.6e6
        # Only columns may be compared with NULL, not expressions.
        unknown = " OR ".join(f"{column} IS NULL" for column in pm)
        condition = (
            f" WHERE {distance} <= {reach:.12g} + {growth:.12g} * SQRT({total})"
            f" OR (({unknown}) AND {distance} <= {reach:.12g})"
        )
    # The names are checked, or declared here.
    circle = f"CIRCLE({frame}t.ra, t.dec, {min(wide, 180):.12g})"
    return (
        f"SELECT t.idx, c.* FROM TAP_UPLOAD.t AS t JOIN {table} AS c "  # noqa: S608
        f"ON 1 = CONTAINS({object_point}, {circle}){condition}"
    )


def _joined_part(table: Table, cut: bool) -> ArchiveRows:
    """Take the number of the position, the first column of a join, out of its rows."""
    number = np.asarray(table[table.colnames[0]], dtype=np.int64)
    table.remove_column(table.colnames[0])
    return ArchiveRows(number, table, cut)


class _Gaia:
    """Gaia DR3, by uploads to the archive of ESA."""

    name, service = "gaia", "the Gaia archive"

    def __init__(self, gaia: Any = None):
        with typed_errors(self.service):
            from astroquery.gaia import GaiaClass, conf as gaia_conf  # isort: skip

            # Otherwise the archive is asked for its messages at once.
            self.gaia = gaia or GaiaClass(show_server_messages=False)
        table = self.gaia.MAIN_GAIA_TABLE or gaia_conf.MAIN_GAIA_TABLE
        self.table = table if isinstance(table, str) else "gaiadr3.gaia_source"

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the sources near positions, with all columns."""
        return ask_in_chunks(targets, conf.upload_rows, self._ask, self.name)

    def _ask(self, chunk: ArchiveTargets) -> ArchiveRows:
        query = _join(
            chunk, table=self.table, position=("c.ra", "c.dec"), pm=("c.pmra", "c.pmdec"), frame="",
            epochs=(GAIA_EPOCH - 1, GAIA_EPOCH + 1),
        )  # fmt: skip
        with (
            typed_errors(self.service),
            _socket_timeout(conf.timeout),
            tempfile.TemporaryDirectory() as folder,
        ):
            # The job's own reader drops the mark that rows were cut: the file has it.
            path = Path(folder) / "rows.vot.gz"
            job = self.gaia.launch_job_async(
                query, upload_resource=chunk.upload(), upload_table_name="t", background=True,
                dump_to_file=True, output_file=str(path),
            )  # fmt: skip
            self._wait(job)
            job.save_results()
            (table, *_), infos = read_votable(path)
        return _joined_part(table, infos.get("QUERY_STATUS", "").startswith("OVERFLOW"))

    def _wait(self, job: Any) -> None:
        end = time.monotonic() + conf.timeout
        while (phase := str(job.get_phase(update=True)).strip().upper()) in (
            *("PENDING", "QUEUED", "EXECUTING"),
        ):
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{self.service} did not finish the job {job.jobid} within {conf.timeout:g} s "
                    "(atlasquery.sky.conf.timeout)",
                    service=self.service,
                )
            time.sleep(POLL)
        if phase != "COMPLETED":
            reason = " ".join(str(job.get_error()).split())
            raise RemoteServiceError(
                f"{self.service} could not run the query ({phase.lower()}): {reason}",
                service=self.service,
                reason=reason,
            )


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limit the time of connections that have no limit, as those of astroquery to Gaia."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


class _Simbad:
    """SIMBAD's table of basic data, by uploads."""

    name, service = "simbad", "SIMBAD"

    def __init__(self, simbad: Any = None):
        if simbad is None:
            with typed_errors(self.service):
                from astroquery.simbad import SimbadClass

                simbad = SimbadClass()
            # Otherwise there is no time limit.
            simbad._session = TapSession(conf.timeout)
        self.simbad = simbad

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the objects near positions, with the columns of SIMBAD's table basic."""
        answer = ask_in_chunks(targets, conf.upload_rows, self._ask, self.name)
        notes = {"catalogue_epoch": "J2000.0, which the documentation of SIMBAD does not confirm"}
        return replace(answer, epoch=SIMBAD_EPOCH, notes=notes)

    def _ask(self, chunk: ArchiveTargets) -> ArchiveRows:
        query = _join(
            chunk, table="basic", position=("c.ra", "c.dec"), frame="'ICRS', ",
            pm=("c.pmra", "c.pmdec"), epochs=(SIMBAD_EPOCH,),
        )  # fmt: skip
        address = self.simbad.tap.baseurl
        with (
            typed_errors(self.service),
            typed_tap_errors(self.service, address, conf.timeout),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            table = self.simbad.query_tap(query, maxrec=self.simbad.hardlimit, t=chunk.upload())
            table = plain_strings(table)
        return _joined_part(table, _overflowed(caught))


def _overflowed(caught: list[warnings.WarningMessage]) -> bool:
    from pyvo.dal import DALOverflowWarning

    kinds = (DALOverflowWarning, MaxResultsWarning)
    return any(issubclass(warning.category, kinds) for warning in caught)


class _VizierTap:
    """A table of VizieR with all columns, by uploads to its TAP service."""

    service = "VizieR (TAP)"

    def __init__(self, table: str):
        self.table = table
        self.name = f"vizier:{table}"

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the rows near positions, with all columns."""
        columns = self._columns()
        position = self._position(columns)
        pm = self._proper_motion(columns)
        epoch = self._epoch(columns, position)
        moving = pm is not None and targets.when is not None
        if moving and epoch is None:
            raise InvalidQueryError(
                f"catalogue='{self.name}' has proper motions, but VizieR does not describe the "
                "epoch of its positions: set epoch=None, or read the table, add a column ref_epoch "
                "and pass that as the catalogue"
            )

        def ask(chunk: ArchiveTargets) -> ArchiveRows:
            query = _join(
                chunk, table=f'"{self.table}"', position=position, pm=pm if moving else None,
                frame="'ICRS', ", epochs=(epoch or GAIA_EPOCH,),
            )  # fmt: skip
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                table = run_adql(
                    conf.vizier_tap_server, query, service=self.service, conf=conf,
                    max_rows=LARGEST_ANSWER, uploads={"t": chunk.upload()},
                )  # fmt: skip
            return _joined_part(table, _overflowed(caught))

        return replace(ask_in_chunks(targets, conf.upload_rows, ask, self.name), epoch=epoch)

    def _columns(self) -> Table:
        names = f"'{self.table}', '\"{self.table}\"'"
        columns = run_adql(
            conf.vizier_tap_server,
            "SELECT column_name, description, unit, ucd "  # noqa: S608 - a checked name
            f"FROM TAP_SCHEMA.columns WHERE table_name IN ({names})",
            service=self.service,
            conf=conf,
        )
        if not len(columns):
            raise NotFoundError(
                f"VizieR has no table {self.table!r}; its tables have names such as 'II/246/out' "
                "or 'J/A+A/649/A1/table1'",
                service=self.service,
                url=conf.vizier_tap_server,
            )
        columns["name"] = [str(name).strip('"') for name in columns["column_name"]]
        columns["text"] = ["" if text is np.ma.masked else str(text)
                           for text in columns["description"]]  # fmt: skip
        columns["mark"] = ["" if ucd is np.ma.masked else str(ucd) for ucd in columns["ucd"]]
        return columns

    def _position(self, columns: Table) -> tuple[str, str]:
        template = Table({str(name): np.empty(0) for name in columns["name"]})
        for name, mark in columns["name", "mark"].iterrows():
            template[str(name)].meta["ucd"] = str(mark)
        found = angle_columns(template)
        if len(found) != 2 or found[0].lower() in LONGITUDE:
            raise InvalidQueryError(
                f"catalogue='{self.name}' has no columns with right ascension and declination"
            )
        return f'c."{found[0]}"', f'c."{found[1]}"'

    def _proper_motion(self, columns: Table) -> tuple[str, str] | None:
        by_name = {str(name).lower(): str(name) for name in columns["name"]}
        ra, dec = (
            next((f'c."{by_name[n]}"' for n in names if n in by_name), None)
            for names in (PM_RA, PM_DEC)
        )
        return None if ra is None or dec is None else (ra, dec)

    def _epoch(self, columns: Table, position: tuple[str, str]) -> float | None:
        for name, text in columns["name", "text"].iterrows():
            if f'c."{name}"' in position and (found := EPOCH_WORDS.search(str(text))):
                return float(found[1])
        return _table_epoch(self.table)


def _table_epoch(table: str) -> float | None:
    known = (epoch for start, epoch in TABLE_EPOCHS.items() if table.startswith(start))
    return SIMBAD_EPOCH if table == "simbad" else next(known, None)


class _XMatch:
    """A table of VizieR or SIMBAD, by uploads to the cross-match service of the CDS."""

    service = "CDS XMatch"

    def __init__(self, table: str):
        self.table = table if table.lower() != "simbad" else "simbad"
        self.name = f"xmatch:{self.table}"

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the objects near positions, with the columns that the service has."""
        if targets.radius + MARGIN > LARGEST_XMATCH:
            raise InvalidQueryError(
                f"catalogue='{self.name}' takes a radius up to {LARGEST_XMATCH - MARGIN:g} arcsec; "
                f"'vizier:{self.table}' takes any"
            )
        with typed_errors(self.service), contextlib.redirect_stdout(io.StringIO()):
            # A line is printed without the package regions.
            from astroquery.xmatch import XMatchClass, conf as xmatch_conf  # isort: skip

        with tempfile.TemporaryDirectory() as folder:
            service = XMatchClass()
            # The class has the values of when it was imported.
            service.URL, service.TIMEOUT = xmatch_conf.url, xmatch_conf.timeout
            # The list of tables is cached for a week, even if it is an error page.
            service.cache_location = folder
            self._check_table(service)
            answer = self._asked(service, targets, targets.radius + MARGIN)
            if _moves(answer.table):
                answer = self._wider(service, targets)
        return replace(answer, epoch=_table_epoch(self.table))

    def _wider(self, service: Any, targets: ArchiveTargets) -> Answer:
        """Ask again, since positions are compared where the objects were in 2000."""
        years = targets.years_from(*EPOCHS) if targets.when else EPOCHS[1] - XMATCH_EPOCH
        years = max(years, EPOCHS[1] - XMATCH_EPOCH)
        radius = min(targets.radius + MARGIN + XMATCH_FASTEST * years, LARGEST_XMATCH)
        fastest = (radius - targets.radius) / years
        warn(
            f"{self.name}: CDS XMatch compares the positions of the year 2000, so objects with "
            f"proper motions above {fastest:.2g} arcsec/yr may be missing; "
            + ("'gaia'" if "355" in self.table else f"'vizier:{self.table}'")
            + " finds them",
            InputWarning,
        )
        answer = self._asked(service, targets, radius)
        return replace(answer, notes={"compared_at": "J2000.0, and cut here"})

    def _check_table(self, service: Any) -> None:
        with typed_errors(self.service):
            tables = service.get_available_tables()
        if "simbad" not in tables:
            raise TableParseError(
                f"{self.service} did not send its list of tables: {' '.join(tables[:3])[:200]}",
                service=self.service,
            )
        if self.table not in tables:
            near = suggest(self.table, [name for name in tables if name[:3] == self.table[:3]])
            raise InvalidQueryError(
                f"catalogue='{self.name}' is not a table of CDS XMatch"
                + (near if "did you mean" in near else f"; 'vizier:{self.table}' may be one")
            )

    def _asked(self, service: Any, targets: ArchiveTargets, radius: float) -> Answer:
        def ask(chunk: ArchiveTargets) -> ArchiveRows:
            # With names of ours: the catalogue's columns of the same name would be renamed.
            upload = chunk.upload("query_idx", "query_ra", "query_dec")
            name = self.table if self.table == "simbad" else f"vizier:{self.table}"
            with typed_errors(self.service):
                table = plain_strings(service.query(
                    upload, name, radius * u.arcsec, colRA1="query_ra", colDec1="query_dec",
                    cache=False,
                ))  # fmt: skip
                number = np.asarray(table["query_idx"], dtype=np.int64)
                table.remove_columns([
                    name for name in table.colnames
                    if name in ("angDist", "query_idx", "query_ra", "query_dec")
                ])  # fmt: skip
            return ArchiveRows(number, table, len(table) >= LARGEST_ANSWER)

        return ask_in_chunks(targets, conf.xmatch_rows, ask, self.name)


def _moves(table: Table) -> bool:
    names = {name.lower() for name in table.colnames}
    return bool(names & set(PM_RA)) and bool(names & set(PM_DEC))


class _VizierQuery:
    """A table of VizieR as a user's `~astroquery.vizier.VizierClass` reads it."""

    service = "VizieR"

    def __init__(self, vizier: Any):
        self.vizier = vizier
        if not isinstance(vizier.catalog, str) and len(vizier.catalog or ()) != 1:
            raise InvalidQueryError(
                "catalogue: Vizier needs one table, such as Vizier(catalog='II/246/out', "
                "row_limit=-1); 'vizier:II/246/out' has all its columns"
            )
        table = vizier.catalog if isinstance(vizier.catalog, str) else vizier.catalog[0]
        self.name = f"vizier:{table}"

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the rows near positions, with the columns that the user chose."""
        return ask_in_chunks(targets, VIZIER_ROWS, self._ask, self.name)

    def _ask(self, chunk: ArchiveTargets) -> ArchiveRows:
        radius = chunk.radius + MARGIN + FASTEST * chunk.years_from(*EPOCHS)
        positions = SkyCoord(chunk.ra, chunk.dec, unit="deg")
        with typed_errors(self.service):
            response = self.vizier.query_region_async(
                positions, radius=radius * u.arcsec, frame="icrs", cache=False
            )
            response.raise_for_status()
            tables, infos = read_votable(response.content)
        if message := infos.get("Error", "") or infos.get("Errors", ""):
            raise RemoteServiceError(
                f"{self.service} refused the query: {message}",
                service=self.service,
                status=response.status_code,
                reason=message,
            )
        if len(tables) > 1:
            names = ", ".join(str(table.meta.get("name", "?")) for table in tables)
            raise InvalidQueryError(
                f"catalogue: {self.name} has {len(tables)} tables, {names}: choose one"
            )
        if not tables:
            return ArchiveRows(np.empty(0, np.int64), Table())
        return self._part(tables[0])

    def _part(self, table: Table) -> ArchiveRows:
        if "_q" not in table.colnames:
            raise TableParseError(
                f"{self.service} sent rows without _q, the number of the position",
                service=self.service,
            )
        number = np.asarray(table["_q"], dtype=np.int64) - 1
        table.remove_column("_q")
        limit = self.vizier.ROW_LIMIT
        return ArchiveRows(number, table, limit > 0 and len(table) >= limit)


# Services that take one position at a time.


class _Other:
    """Any service with ``query_region``, asked for one position after the other."""

    def __init__(self, method: Callable, owner: Any):
        self.method = method
        # That which functools.partial calls, and the object of a method.
        function = getattr(method, "func", method)
        owner = getattr(function, "__self__", owner)
        name = getattr(owner, "name", None) or getattr(function, "__name__", type(owner).__name__)
        self.service = self.name = str(name)
        # The limit of some services of astroquery, which cut in silence.
        limit = getattr(owner, "ROW_LIMIT", None)
        self.limit = limit if isinstance(limit, int) and limit > 0 else None
        needed = [
            name
            for name, parameter in _parameters(method).items()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            and name not in ("coordinates", "coordinate", "radius", "self")
        ]
        # The first parameter is the position, whatever its name.
        if needed and next(iter(_parameters(method))) == needed[0]:
            needed = needed[1:]
        if needed:
            raise InvalidQueryError(
                f"catalogue: {self.name} needs {', '.join(needed)} too; pass "
                f"functools.partial({self.name}.query_region, {needed[0]}=...)"
            )

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the rows near positions."""
        if len(targets) > MANY:
            warn(
                f"{self.name} is asked for one position after the other, {len(targets)} times",
                LargeQueryWarning,
            )
        return ask_in_chunks(targets, 1, self._ask, self.name)

    def _ask(self, chunk: ArchiveTargets) -> ArchiveRows:
        radius = chunk.radius + MARGIN + FASTEST * chunk.years_from(*EPOCHS)
        return self._rows(SkyCoord(chunk.ra[0], chunk.dec[0], unit="deg"), radius * u.arcsec)

    def _rows(self, position: SkyCoord, radius: u.Quantity) -> ArchiveRows:
        with typed_errors(self.service), _no_cache():
            found = self.method(position, radius=radius)
        if found is not None and not isinstance(found, Table):
            if len(found) > 1:
                raise InvalidQueryError(
                    f"catalogue: {self.name} has {len(found)} tables there: choose one"
                )
            found = found[0] if len(found) else None
        table = Table() if found is None else plain_strings(Table(found))
        cut = self.limit is not None and len(table) >= self.limit
        return ArchiveRows(np.zeros(len(table), np.int64), table, cut)


def _no_cache() -> contextlib.AbstractContextManager:
    from astroquery.query import cache_conf  # isort: skip

    return cache_conf.set_temp("cache_active", False)


def _parameters(method: Callable) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return {}


class _Ned(_Other):
    """The NASA/IPAC Extragalactic Database."""

    def __init__(self, ned: Any = None):
        if ned is None:
            with typed_errors("NED"):
                from astroquery.ipac.ned import NedClass

                ned = NedClass()
        super().__init__(ned.query_region, ned)
        self.ned = ned
        self.service, self.name = "NED", "ned"

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the objects near positions."""
        # NED has galaxies, which do not move.
        notes = {"catalogue_frame": "ICRS, which NED calls J2000 and does not confirm"}
        return replace(super().fetch(replace(targets, when=None)), notes=notes)

    def _rows(self, position: SkyCoord, radius: u.Quantity) -> ArchiveRows:
        # Numbers are sent in FK5, 24 mas away: those of ICRS, given as FK5, are sent as they are.
        sent = SkyCoord(FK5(position.ra, position.dec))
        with typed_errors(self.service), _no_cache():
            response = self.ned.query_region_async(sent, radius=radius)
            response.raise_for_status()
            tables, infos = read_votable(response.content)
        message = infos.get("Error", "")
        if message and not NOTHING.search(message):
            raise RemoteServiceError(
                f"{self.service} failed: {message}",
                service=self.service,
                status=response.status_code,
                url=response.url,
                reason=message,
            )
        table = tables[0] if tables else Table()
        return ArchiveRows(np.zeros(len(table), np.int64), table)


class _House:
    """A service of this package, which takes many positions at once."""

    def __init__(self, service: ServiceQuery):
        self.client: Any = service
        self.service = self.name = str(service.name)

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the objects near positions."""
        radius = (targets.radius + MARGIN) * u.arcsec
        positions = SkyCoord(targets.ra, targets.dec, unit="deg", frame=ICRS)
        table = Table(self.client.query_region(positions, radius=radius))
        number = np.asarray(table["query_index"], dtype=np.int64)
        table.remove_columns([
            name for name in ("query_index", "separation") if name in table.colnames
        ])  # fmt: skip
        return Answer(targets.index[number], table)


#: Catalogues that have a name, by what makes them.
SERVICES: dict[str, Callable[[], Catalogue]] = {"gaia": _Gaia, "simbad": _Simbad, "ned": _Ned}
