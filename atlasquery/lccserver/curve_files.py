"""Files of light curves: what they are called, and where they come from: one by one, or in ZIPs."""

import contextlib
import hashlib
import os
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import astropy.units as u
import numpy as np
import requests
from astropy.coordinates import SkyCoord

from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    NotFoundError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.lccserver.base import ZIPS, LCCServerQuery
from atlasquery.lccserver.catalogue import Collections
from atlasquery.lccserver.csvlc import CsvLightCurve, parse_csvlc, parse_together
from atlasquery.lccserver.datasets import LCCDataset, dataset_payload, read_dataset
from atlasquery.lccserver.download import download
from atlasquery.lccserver.positions import crossmatch
from atlasquery.service.files import write_private
from atlasquery.service.locks import alone
from atlasquery.service.pool import progress_bar, run_all
from atlasquery.service.secrets import Secret
from atlasquery.warn import without_warnings

__all__ = [
    "CurveFile",
    "LightCurveZip",
    "check_objectid",
    "curves_payload",
    "files_of_rows",
    "gather_curves",
    "read_single",
    "wait_for_dataset",
]

ENDING = "-csvlc.gz"
# Bytes of a member, which is a compressed file.
LARGEST_MEMBER = 1 << 27
ENCRYPTED = 0x1

# Largest number of files that are fetched one by one; more of them are requested in a ZIP. The
# server counts each request, and refuses all for two minutes after 600 in one minute.
FEW = 12
# Least fraction of the members of a ZIP for which it is fetched.
WORTH_ALL = 0.25
# Radius around the position of an object in which there is no other one.
NEAR = 0.5 * u.arcsec
CACHE_DAYS = 30.0
# Bytes of compressed files of a ZIP that are parsed together.
TOGETHER = 1 << 18


class LightCurveZip:
    """A ZIP of light curves, whose members are read and never written to disk.

    Parameters
    ----------
    source : path-like or file
        The ZIP.
    name : str
        What it is, for messages.

    Raises
    ------
    TableParseError
        If it is not a ZIP.
    """

    def __init__(self, source: os.PathLike, *, name: str) -> None:
        self._name = name
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise TableParseError(f"{name} is not a ZIP, or is damaged: {error}") from None
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._zip.infolist():
            self._members.setdefault(info.filename, []).append(info)

    def __enter__(self) -> "LightCurveZip":
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return sum(name.endswith(ENDING) for name in self._members)

    def read(self, member: str) -> bytes:
        """Return one light curve, as it is compressed.

        Parameters
        ----------
        member : str
            Its name.

        Returns
        -------
        bytes
            The file, whose checksum is that of the ZIP.

        Raises
        ------
        TableParseError
            If it is missing, is in the ZIP twice, is damaged, too large or encrypted.
        """
        found = self._members.get(member, [])
        if len(found) != 1:
            what = f"holds {len(found)} times" if found else "does not hold"
            raise TableParseError(f"{self._name} {what} {member}")
        info = found[0]
        if info.flag_bits & ENCRYPTED:
            raise TableParseError(f"{member} of {self._name} is encrypted")
        if info.file_size > LARGEST_MEMBER:
            raise TableParseError(
                f"{member} of {self._name} is of {info.file_size >> 20} MiB, more than "
                f"{LARGEST_MEMBER >> 20} MiB"
            )
        try:
            with self._zip.open(info) as file:
                # The size in the directory of the ZIP may be wrong.
                data = file.read(LARGEST_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise TableParseError(f"{member} of {self._name} is damaged: {error}") from None
        if len(data) != info.file_size:
            raise TableParseError(
                f"{member} of {self._name} should have {info.file_size} bytes, and has {len(data)}"
            )
        return data


@dataclass(frozen=True)
class CurveFile:
    """The file of the light curve of an object.

    Parameters
    ----------
    objectid, collection : str
        Its names.
    directory : str
        The folder of the collection, in addresses.
    mag_columns : tuple of str
        The columns that the collection names as its magnitudes.
    ra, dec : float
        Its position, in degrees; NaN if that is not known.
    """

    objectid: str
    collection: str
    directory: str
    mag_columns: tuple[str, ...] = ()
    ra: float = np.nan
    dec: float = np.nan

    @classmethod
    def of(cls, objectid: str, collection: str, known: Collections) -> "CurveFile":
        """Return the file of an object of a collection.

        Parameters
        ----------
        objectid, collection : str
            Its names.
        known : Collections
            Those of the server.

        Returns
        -------
        CurveFile
            With the folder and magnitudes of the collection.
        """
        return cls(objectid, collection, *_folder_and_magnitudes(collection, known))

    @property
    def full_name(self) -> str:
        """The name of the object that no other one at the server has."""
        return f"{self.collection}/{self.objectid}"

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.objectid}{ENDING}"

    @property
    def member(self) -> str:
        """The name of its file in a ZIP."""
        return f"{self.directory}-{self.file_name}"

    @property
    def path(self) -> str:
        """The address of its file at the server."""
        return f"l/{quote(self.directory)}/{quote(self.file_name)}"

    def check(self, parsed: CsvLightCurve) -> None:
        """Refuse the file of another object.

        Parameters
        ----------
        parsed : CsvLightCurve
            A file.

        Raises
        ------
        TableParseError
            If it names another object.
        """
        name = parsed.info.get("objectid")
        if name and str(name).split() != self.objectid.split():
            raise TableParseError(f"{self.file_name} is of {name!r}, another object")


def check_objectid(objectid: object) -> str:
    """Return the name of an object, or refuse it.

    Parameters
    ----------
    objectid : str
        The name.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InvalidQueryError
        If it is not a name, or one that an address cannot hold.
    """
    text = str(objectid).strip() if isinstance(objectid, (str, np.str_)) else ""
    if not text or len(text) > 200 or re.search(r"[/\\'\"\x00-\x1f\x7f]|^\.+$", text):
        raise InvalidQueryError(
            f"objectid={objectid!r:.100} is not the name of an object, as searches return them"
        )
    return text


def files_of_rows(values: Mapping, known: Collections) -> list[CurveFile]:
    """Return the files of the objects in rows of a dataset, each once.

    Parameters
    ----------
    values : mapping of str to array
        With ``objectid`` and ``collection``, and perhaps ``ra`` and ``dec`` (deg).
    known : Collections
        Those of the server.

    Returns
    -------
    list of CurveFile
        In the order of the rows.

    Raises
    ------
    InvalidQueryError
        If a row is of no collection of the server.
    """
    names = np.ma.asarray(values["objectid"]).astype(str).tolist()
    owners = np.ma.asarray(values["collection"]).astype(str).tolist()
    about = {
        owner: _folder_and_magnitudes(owner, known) for owner in set(owners) & set(known.columns)
    }
    positions = [
        np.ma.filled(np.ma.asarray(values[name]).astype(float), np.nan)
        if name in values
        else np.full(len(names), np.nan)
        for name in ("ra", "dec")
    ]
    with np.errstate(invalid="ignore"):
        # Numbers that are not a position count as missing.
        nowhere = ~((np.abs(positions[0]) <= 360) & (np.abs(positions[1]) <= 90))
    positions = [np.where(nowhere, np.nan, values) for values in positions]
    found: dict[str, CurveFile] = {}
    for name, owner, ra, dec in zip(names, owners, *(p.tolist() for p in positions), strict=True):
        if owner not in about:
            raise InvalidQueryError(
                f"the dataset has {name} of the collection {owner!r}, which this server does not "
                "have: is it the result of another one?"
            )
        one = CurveFile(check_objectid(name), owner, *about[owner], ra=ra, dec=dec)
        found.setdefault(one.full_name, one)
    return list(found.values())


def _folder_and_magnitudes(collection: str, known: Collections) -> tuple[str, tuple[str, ...]]:
    row = known.rows.values["collection"].tolist().index(collection)
    folder, columns = (str(known.rows.values[name][row]) for name in ("collection_id", "lcmagcols"))
    return folder, tuple(columns.split(","))


def gather_curves(
    client: LCCServerQuery,
    files: list[CurveFile],
    setids: list[str],
    prepare: Callable,
    *,
    folder: Path | None,
    timeout: float,
    cache: bool | None,
    progress: bool,
) -> list:
    """Return for each file what `prepare` returns for its content, or its error."""
    found: dict[CurveFile, object] = {}

    def missing() -> list[CurveFile]:
        return [one for one in files if one not in found]

    for setid in setids:
        dataset = wait_for_dataset(client, setid, timeout)
        members = _members(dataset, missing())
        if dataset.light_curves and len(members) >= WORTH_ALL * len(dataset.rows):
            path, when = _zip(client, dataset, folder, cache, progress)
            found |= _of_zip(client, path, when, members, prepare)
    if folder is None:
        found |= _from_cache(client, missing(), prepare, cache)
    # With a directory, small ZIPs are saved there too.
    if len(missing()) > (FEW if folder is None else 0):
        _in_parts(client, missing(), found, prepare, folder, cache, timeout, progress)
    if rest := missing():
        single = partial(partial(read_single, client), prepare=prepare, cache=cache, folder=folder)
        found |= zip(rest, _each(client, single, rest, progress=progress), strict=True)
    return [found[one] for one in files]


def curves_payload(client: LCCServerQuery, files: list[CurveFile], setids: list[str]) -> list[dict]:
    """Return what `gather_curves` sends first, as far as nothing is cached."""
    if setids:
        return [dataset_payload(client, setid) for setid in setids]
    if len(files) <= FEW:
        return [client._payload(one.path) for one in files]
    payloads = []
    for chunk in _chunks(client, files):
        payload = _search_again(client, chunk, get_query_payload=True)
        payloads += payload if isinstance(payload, list) else [payload]
    return payloads


def wait_for_dataset(client: LCCServerQuery, setid: str, seconds: float) -> LCCDataset:
    """Return a dataset when it is complete."""
    until = client._clock.now() + seconds
    pause = client.conf.poll_seconds / 8
    while not (dataset := read_dataset(client, setid)).complete:
        if client._clock.now() > until:
            raise TimeoutError(
                f"{client.service} still collects the light curves of dataset {setid} after "
                f"{seconds:g} s. Call again to continue, or give a longer timeout.",
                service=client.service,
            )
        client._clock.sleep(pause)
        pause = min(1.5 * pause, client.conf.longest_poll)
    return dataset


def _zip(
    client: LCCServerQuery,
    dataset: LCCDataset,
    folder: Path | None,
    cache: bool | None,
    progress: bool,
) -> tuple[Path, float]:
    """Return the path of the ZIP of a dataset, which is fetched if it is missing, and its time."""
    path = _zip_path(client, dataset, folder)
    # The lock is not in the directory of the user. Files of one name in two directories share it.
    lock = _cache_folder(client) / f"{path.name}.lock"
    with alone(lock, client.conf.deadline):
        if cache is False or not path.exists():
            with contextlib.ExitStack() as stack:
                _fetch_zip(client, dataset.light_curves or "", path, stack, progress)
        elif folder is None:
            # The oldest files are removed first.
            path.touch()
    return path, path.stat().st_mtime


def _fetch_zip(
    client: LCCServerQuery, address: str, path: Path, stack: contextlib.ExitStack, progress: bool
) -> None:
    bar = None

    def shown(done: int, size: int) -> None:
        nonlocal bar
        if bar is None:
            many = progress and size > 1 << 25
            bar = stack.enter_context(progress_bar(size, shown=many))
        bar.update(done)

    download(
        lambda headers: _ask_file(client, address.lstrip("/"), headers),
        path,
        chunk=client.conf.piece_bytes,
        largest=client.conf.largest_zip,
        shown=shown,
    )


def _zip_path(client: LCCServerQuery, dataset: LCCDataset, folder: Path | None) -> Path:
    address = dataset.light_curves or ""
    if not re.fullmatch(r"/?p/[\w.\-]+\.zip", address, re.ASCII):
        raise TableParseError(
            f"dataset {dataset.setid} names {address!r:.100} as its ZIP, which is "
            "not an address of this server",
            service=client.service,
        )
    if folder is not None:
        return folder / f"lightcurves-{dataset.setid}.zip"
    cached = _cache_folder(client)
    _remove_old(cached)
    # A cached ZIP of a private dataset is for its users only.
    _, token = client._auth(required=client.login_required)
    key = client._cache_key("GET", client.server + address, {}, token)
    return cached / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.zip"


def _cache_folder(client: LCCServerQuery) -> Path:
    cached = client.cache_location / ZIPS
    cached.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cached


def _ask_file(client: LCCServerQuery, path: str, headers: dict | None = None) -> requests.Response:
    """Read a file of the server; raise NotFoundError for a file that it does not show."""
    try:
        return client._ask(path, headers={"Accept": "*/*", **(headers or {})})
    except (RemoteServiceError, LoginError) as error:
        raise _without_file(client, error, path) or error from None


def _without_file(
    client: LCCServerQuery, error: RemoteServiceError | LoginError, path: str
) -> NotFoundError | None:
    """Return the error of a missing file, if an error means that."""
    hidden = error.status == 401 and (error.reason or "").startswith("(an HTML page)")
    if error.status != 404 and not hidden:
        return None
    why = (
        "it does not know the object or dataset, or does not show it to this key"
        if hidden
        else "it has not created the file, which it does when a search finds the object"
    )
    return NotFoundError(
        f"{client.service} has no {path} (status {error.status}): {why}",
        service=client.service,
        status=error.status,
        url=error.url,
        reason=error.reason,
    )


def _of_zip(
    client: LCCServerQuery,
    path: Path,
    when: float,
    members: list[CurveFile],
    prepare: Callable,
    save: Callable = lambda one, body: None,
) -> dict:
    """Return the prepared members of a ZIP; damaged ones are requested one by one."""
    found: dict = {}
    try:
        archive = LightCurveZip(path, name=path.name)
    except TableParseError:
        # The next call fetches it again.
        path.unlink()
        raise
    with archive:
        waiting: list[tuple[CurveFile, bytes]] = []
        for one in members:
            try:
                waiting.append((one, archive.read(one.member)))
            except TableParseError as error:
                found[one] = error
            if sum(len(body) for _, body in waiting) > TOGETHER:
                found |= _prepared(waiting, when, prepare, save)
                waiting = []
        found |= _prepared(waiting, when, prepare, save)
    damaged = [one for one, outcome in found.items() if isinstance(outcome, TableParseError)]
    for one in damaged[:FEW]:
        # The ZIP may have been created at the same time as the file.
        with contextlib.suppress(TableParseError, NotFoundError, RemoteServiceError):
            body, since = _file(client, one, cache=False)
            found[one] = prepare(one, parse_csvlc(body, name=one.file_name), since)
    return found


def _file(client: LCCServerQuery, one: CurveFile, cache: bool | None) -> tuple[bytes, float]:
    """Return one file, and the Unix time at which it came."""
    try:
        return client._read(
            one.path,
            {},
            decode=bytes,
            lifetime=client.conf.light_curve_seconds,
            cache=cache,
            method="GET",
            content="",
        )
    except (RemoteServiceError, LoginError) as error:
        raise _without_file(client, error, one.path) or error from None


def read_single(
    client: LCCServerQuery,
    one: CurveFile,
    *,
    prepare: Callable,
    cache: bool | None,
    folder: Path | None = None,
) -> Any:
    """Return what `prepare` returns for one file, which is fetched alone."""
    began = time.time()
    body, when = _file(client, one, cache)
    try:
        prepared = prepare(one, parse_csvlc(body, name=one.file_name), when)
    except TableParseError:
        if when >= began:
            raise
        # The cached file may be damaged.
        body, when = _file(client, one, cache=False)
        prepared = prepare(one, parse_csvlc(body, name=one.file_name), when)
    if folder is not None and Path(one.member).name == one.member:
        # Its position is not known, so that it could not be in a ZIP.
        write_private(folder / one.member, body)
    return prepared


def _from_cache(
    client: LCCServerQuery, files: list[CurveFile], prepare: Callable, cache: bool | None
) -> dict:
    """Return the prepared files of an earlier call."""
    found: dict = {}
    if cache is False or not files:
        return found
    _, token = client._auth(required=client.login_required)
    store, lifetime = client._store, client._shorter(client.conf.light_curve_seconds)
    for one in files:
        stored = store.get(_file_key(client, one, token), lifetime)
        with contextlib.suppress(TableParseError):
            if stored is not None:
                parsed = parse_csvlc(stored[0], name=one.file_name)
                found[one] = prepare(one, parsed, stored[2])
    return found


def _file_key(client: LCCServerQuery, one: CurveFile, token: Secret | None) -> str:
    return client._cache_key("GET", client.server + one.path, {}, token)


def _chunks(client: LCCServerQuery, files: list[CurveFile]) -> list[list[CurveFile]]:
    """Return the files with a position, by collection, in chunks for a ZIP each."""
    by_collection: dict[str, list[CurveFile]] = {}
    for one in files:
        # Zeros are dropped: see docs/servers/lccserver.rst, "Coordinates of exactly zero".
        if np.isfinite(one.ra) and np.isfinite(one.dec) and one.ra != 0 and one.dec != 0:
            by_collection.setdefault(one.collection, []).append(one)
    size = client.conf.zip_rows
    return [
        ones[n : n + size] for ones in by_collection.values() for n in range(0, len(ones), size)
    ]


def _in_parts(
    client: LCCServerQuery,
    files: list[CurveFile],
    found: dict,
    prepare: Callable,
    folder: Path | None,
    cache: bool | None,
    timeout: float,
    progress: bool,
) -> None:
    """Fetch many files that are in no ZIP, by requesting ZIPs that have them.

    Large datasets have no ZIP (see docs/servers/lccserver.rst, ""background" means three
    things"): a cross-match with the positions of fewer objects has these objects as its
    result, and a ZIP of them.
    """
    chunks = _chunks(client, files)
    if folder is None:
        chunks = [chunk for chunk in chunks if len(chunk) > FEW]
    work = partial(
        partial(_part, client), prepare=prepare, folder=folder, cache=cache, timeout=timeout
    )
    with without_warnings(NoResultsWarning):
        answers = _each(client, work, chunks, progress=progress)
    for answer in answers:
        if isinstance(answer, (LoginError, QuotaError, TimeoutError)):
            raise answer
        # Files that are still missing are requested one by one.
        if not isinstance(answer, Exception):
            found |= answer


def _part(
    client: LCCServerQuery,
    chunk: list[CurveFile],
    *,
    prepare: Callable,
    folder: Path | None,
    cache: bool | None,
    timeout: float,
) -> dict:
    """Return the prepared files of a chunk, from a ZIP that the server creates for it."""
    _, token = client._auth(required=client.login_required)
    # The name of the dataset whose ZIP is in the directory, if it is.
    members = sorted(one.member for one in chunk)
    key = client._cache_key("ZIP", client.server, {"members": members}, token)
    lifetime = client._shorter(client.conf.light_curve_seconds)
    stored = client._store.get(key, lifetime) if folder and cache is not False else None
    dataset = None
    # The server may have removed it.
    with contextlib.suppress(NotFoundError):
        dataset = wait_for_dataset(client, stored[0].decode(), timeout) if stored else None
    if dataset is None and (setid := _search_again(client, chunk).meta.get("setid")):
        dataset = wait_for_dataset(client, setid, timeout)
    if dataset is None or not dataset.light_curves:
        return {}
    here = _members(dataset, chunk)
    if folder is not None:
        path, when = _zip(client, dataset, folder, cache, False)
        if cache is not False:
            client._store.put(key, dataset.setid.encode(), "text/plain")
        return _of_zip(client, path, when, here, prepare)

    def save(one: CurveFile, body: bytes) -> None:
        if cache is not False:
            client._store.put(_file_key(client, one, token), body, "application/gzip")

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, f"lightcurves-{dataset.setid}.zip")
        with contextlib.ExitStack() as stack:
            _fetch_zip(client, dataset.light_curves, path, stack, False)
        return _of_zip(client, path, time.time(), here, prepare, save)


def _search_again(
    client: LCCServerQuery, chunk: list[CurveFile], *, get_query_payload: bool = False
) -> Any:
    """Search for some objects by position, so that the server creates a ZIP of them."""
    positions = SkyCoord([one.ra for one in chunk], [one.dec for one in chunk], unit="deg")
    return crossmatch(
        client,
        positions,
        radius=NEAR,
        collections=[chunk[0].collection],
        progress=False,
        cache=None if get_query_payload else False,
        get_query_payload=get_query_payload,
    )


def _each(client: LCCServerQuery, work: Callable, tasks: list, *, progress: bool = True) -> list:
    return run_all(
        work,
        tasks,
        concurrency=client.conf.concurrency,
        interrupt=client._clock.interrupt,
        progress=progress,
    )


def _members(dataset: LCCDataset, files: list[CurveFile]) -> list[CurveFile]:
    """Return the files whose objects are in a dataset, in their order."""
    values = dataset.rows.values
    objects = set(zip(values["collection"].tolist(), values["objectid"].tolist(), strict=True))
    return [one for one in files if (one.collection, one.objectid) in objects]


def _remove_old(folder: Path) -> None:
    oldest = time.time() - CACHE_DAYS * 86400
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                os.unlink(path)


def _prepared(
    waiting: list[tuple[CurveFile, bytes]], when: float, prepare: Callable, save: Callable
) -> dict:
    """Return what `prepare` returns for files, or their errors."""
    found: dict = {}
    read = parse_together([(one.file_name, body) for one, body in waiting])
    for (one, body), parsed in zip(waiting, read, strict=True):
        try:
            if isinstance(parsed, TableParseError):
                raise parsed
            found[one] = prepare(one, parsed, when)
            save(one, body)
        except (TableParseError, InvalidQueryError) as error:
            found[one] = error
    return found
