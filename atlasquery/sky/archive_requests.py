"""Requests to archives for many positions: in chunks, with typed errors, and rows by position."""

import builtins
import contextlib
import http.client
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import requests
from astropy.io import votable
from astropy.table import Table, vstack
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning
from astroquery import exceptions as astroquery_exceptions

from atlasquery.exceptions import (
    IncompleteResultError,
    InvalidQueryError,
    MaxResultsWarning,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.http_errors import server_message
from atlasquery.service.tap import plain_strings
from atlasquery.warn import warn

__all__ = [
    "Answer",
    "ArchiveRows",
    "ArchiveTargets",
    "Catalogue",
    "ask_in_chunks",
    "read_votable",
    "typed_errors",
]


@dataclass(frozen=True)
class ArchiveTargets:
    """Positions that a catalogue is asked for.

    Parameters
    ----------
    index : `~numpy.ndarray`
        Number of each position in the user's list.
    ra, dec : `~numpy.ndarray`
        Degrees (ICRS), at the epoch.
    radius : float
        Arcseconds.
    when : `~astropy.time.Time` or None
        The epoch at which positions are compared, or one for each.
    """

    index: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    radius: float
    when: Time | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice) -> "ArchiveTargets":
        return replace(self, index=self.index[rows], ra=self.ra[rows], dec=self.dec[rows])

    def years_from(self, *epochs: float) -> float:
        """Return the years between the epoch asked for and the most distant of others."""
        if self.when is None:
            return 0.0
        years = np.atleast_1d(self.when.tcb.jyear)
        return max(float(np.max(np.abs(years - epoch), initial=0)) for epoch in epochs)

    def upload(self, *names: str) -> Table:
        """Return a plain table of number, right ascension and declination (deg, ICRS)."""
        columns = (np.arange(len(self), dtype=np.int64), self.ra, self.dec)
        return Table(dict(zip(names or ("idx", "ra", "dec"), columns, strict=True)))


@dataclass(frozen=True)
class Answer:
    """Rows of a catalogue, each with the position that it was found for.

    Parameters
    ----------
    index : `~numpy.ndarray`
        Number of the position in the user's list.
    table : `~astropy.table.Table`
        The rows.
    epoch : float, optional
        Julian year of the positions, if the rows do not have it.
    notes : dict
        What is uncertain about the catalogue, for the metadata.
    """

    index: np.ndarray
    table: Table
    epoch: float | None = None
    notes: dict[str, str] = field(default_factory=dict)


class Catalogue(Protocol):
    """A catalogue that can be asked for the objects near positions."""

    @property
    def name(self) -> str:
        """The name, for messages."""
        ...

    @property
    def service(self) -> str:
        """The service that has it."""
        ...

    def fetch(self, targets: ArchiveTargets) -> Answer:
        """Return the objects near positions."""
        ...


class ArchiveRows(NamedTuple):
    """Rows for some positions.

    Parameters
    ----------
    number : `~numpy.ndarray`
        The number of the position of each row, among these.
    table : `~astropy.table.Table`
        The rows.
    cut : bool, optional
        Whether the service left out rows.
    """

    number: np.ndarray
    table: Table
    cut: bool = False


def ask_in_chunks(
    targets: ArchiveTargets, size: int, ask: Callable[[ArchiveTargets], ArchiveRows], name: str
) -> Answer:
    """Ask for all positions, some at once, and for fewer at once where rows were cut.

    Parameters
    ----------
    targets : ArchiveTargets
        The positions.
    size : int
        Positions that are asked for at once.
    ask : callable
        Returns the rows for some positions.
    name : str
        The catalogue, for messages.

    Returns
    -------
    Answer
        The rows for all.

    Raises
    ------
    IncompleteResultError
        If a request fails after others; ``result`` is the answer so far.
    """
    index: list[np.ndarray] = []
    tables: list[Table] = []
    waiting = [targets[start : start + size] for start in range(0, len(targets), size)]
    while waiting:
        chunk = waiting.pop(0)
        try:
            part = ask(chunk)
        except (RemoteServiceError, TimeoutError, TableParseError) as error:
            if not tables:
                raise
            raise _incomplete(error, name, _stacked(index, tables), [chunk, *waiting]) from error
        if part.cut and len(chunk) > 1:
            half = len(chunk) // 2
            waiting[:0] = [chunk[:half], chunk[half:]]
            continue
        if part.cut:
            warn(
                f"{name}: the service cut the rows near position {chunk.index[0]} after "
                f"{len(part.table)}; use a smaller radius",
                MaxResultsWarning,
            )
        if np.any((part.number < 0) | (part.number >= len(chunk))):
            raise TableParseError(f"{name}: the service sent rows for positions it was not asked")
        index.append(chunk.index[part.number])
        tables.append(part.table)
    return _stacked(index, tables)


def _stacked(index: list[np.ndarray], tables: list[Table]) -> Answer:
    filled = [table for table in tables if len(table)] or tables[:1]
    table = Table()
    if filled:
        table = vstack(filled, metadata_conflicts="silent") if len(filled) > 1 else filled[0]
    table.meta = {}
    return Answer(np.concatenate([np.empty(0, np.int64), *index]), table)


def _incomplete(
    error: Exception, name: str, result: Answer, chunks: list[ArchiveTargets]
) -> IncompleteResultError:
    failed = len(chunks[0])
    later = sum(map(len, chunks[1:]))
    failures = [(chunks[0].index, error), *((chunk.index, "Not tried") for chunk in chunks[1:])]
    return IncompleteResultError(
        f"{name}: the request for {failed} positions failed, and those for {later} others were "
        f"not tried; the rows of all earlier positions are in result: {error}",
        result=result,
        failures=failures,
        service=getattr(error, "service", None),
        status=getattr(error, "status", None),
        reason=getattr(error, "reason", None),
        url=getattr(error, "url", None),
    )


@contextlib.contextmanager
def typed_errors(service: str) -> Iterator[None]:
    """Replace the errors of astroquery and what it uses by those of this package.

    Parameters
    ----------
    service : str
        The name of the service, for messages.

    Yields
    ------
    None

    Raises
    ------
    RemoteServiceError, TimeoutError, TableParseError
        With the service, its message, and its status where that is known.
    """
    known: dict[str, Any] = {"service": service}
    try:
        with warnings.catch_warnings():
            # Units and fields that are not in the standards of VOTables.
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except (RemoteServiceError, InvalidQueryError, TimeoutError, TableParseError):
        raise
    except (requests.Timeout, astroquery_exceptions.TimeoutError, builtins.TimeoutError) as error:
        raise TimeoutError(f"{service} did not answer in time: {error}", **known) from error
    except requests.HTTPError as error:
        raise _http_error(error, service) from error
    except (requests.RequestException, http.client.HTTPException, OSError) as error:
        raise RemoteServiceError(f"{service} cannot be reached: {error}", **known) from error
    except (
        astroquery_exceptions.RemoteServiceError,
        astroquery_exceptions.InvalidQueryError,
        SystemError,
    ) as error:
        reason = " ".join(str(error).split())
        raise RemoteServiceError(f"{service} failed: {reason}", reason=reason, **known) from error
    except Exception as error:
        # Pages instead of a VOTable fail in many ways.
        reason = " ".join(str(error).split())[:300]
        raise TableParseError(
            f"{service} sent a response that is not a table: {reason}", reason=reason, **known
        ) from error


def _http_error(error: requests.HTTPError, service: str) -> RemoteServiceError:
    response = error.response
    if response is None:
        reason, status, url = " ".join(str(error).split()), None, None
        if found := re.search(r"\b([45]\d\d)\b", reason):
            status = int(found[1])
    else:
        reason, status, url = server_message(response), response.status_code, response.url
    number = f" with status {status}" if status else ""
    return RemoteServiceError(
        f"{service} refused the request{number}: {reason}",
        service=service,
        status=status,
        url=url,
        reason=reason,
    )


def read_votable(content: bytes | Path) -> tuple[list[Table], dict[str, str]]:
    """Return the tables of a VOTable, and the values of INFO and PARAM elements by name.

    Parameters
    ----------
    content : bytes or `~pathlib.Path`
        The file.

    Returns
    -------
    tables : list of `~astropy.table.Table`
        The tables, with columns of strings instead of objects.
    infos : dict
        The last value of each name.
    """
    # A path is given as a string, which is then read whether it is compressed or not.
    source = io.BytesIO(content) if isinstance(content, bytes) else str(content)
    file = votable.parse(source, verify="ignore")
    infos = {
        info.name: f"{info.value} {getattr(info, 'content', None) or ''}".strip()
        for info in _infos(file)
    }
    tables = [
        plain_strings(table.to_table(use_names_over_ids=True)) for table in file.iter_tables()
    ]
    return tables, infos


def _infos(element: Any) -> Iterator[Any]:
    yield from element.infos
    # NED has its error in a PARAM.
    yield from element.params
    for resource in element.resources:
        yield from _infos(resource)
        for table in resource.tables:
            yield from table.infos
