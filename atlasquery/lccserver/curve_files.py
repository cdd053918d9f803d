"""Files of light curves: what they are called, and where they come from: one by one, or in ZIPs."""

import contextlib
import hashlib
import os
import re
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from atlasquery.lccserver.datasets import Dataset, read_dataset
from atlasquery.lccserver.download import download
from atlasquery.lccserver.positions import crossmatch
from atlasquery.service.files import write_private
from atlasquery.service.locks import alone
from atlasquery.service.pool import progress_bar, run_all

__all__ = [
    "LightCurveZip",
    "Wanted",
    "check_objectid",
    "gather_curves",
    "read_single",
    "wait_for_dataset",
    "wanted_rows",
]

#: "lczip-manifest.json, which is no light curve" (contract).
MANIFEST = "lczip-manifest.json"
ENDING = "-csvlc.gz"
# Bytes of a member, which is packed in itself.
LARGEST_MEMBER = 1 << 27
ENCRYPTED = 0x1

# Files that are fetched one by one; more of them are asked for in a ZIP. The server counts each
# request, and refuses to go on for two minutes after 600 of them in one.
FEW = 12
# A ZIP is fetched whole; for a small part of it, other ways are shorter.
WORTH_ALL = 0.25
# An object is found at its own place; its neighbours are farther away than the grain of the
# positions in the catalogue.
NEAR = 0.5 * u.arcsec
KEPT_DAYS = 30.0
# Bytes of packed files of a ZIP that are parsed together.
TOGETHER = 1 << 18


class LightCurveZip:
    """A ZIP of light curves, of which nothing is ever written to a path that it names.

    Parameters
    ----------
    source : path-like or file
        The ZIP.
    name : str
        What it is, for messages.

    Raises
    ------
    TableParseError
        If it is none.
    """

    def __init__(self, source: os.PathLike, *, name: str):
        self._name = name
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise TableParseError(f"{name} is no ZIP, or is damaged: {error}") from None
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._zip.infolist():
            self._members.setdefault(info.filename, []).append(info)

    def __enter__(self) -> "LightCurveZip":
        return self

    def __exit__(self, *error) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return sum(name.endswith(ENDING) for name in self._members)

    def unclaimed(self, claimed: Iterable[str]) -> list[str]:
        """Return the members that nobody has asked for.

        Parameters
        ----------
        claimed : iterable of str
            The names of those that somebody has.

        Returns
        -------
        list of str
            Names, without the manifest.
        """
        return sorted(set(self._members) - {*claimed, MANIFEST})

    def read(self, member: str) -> bytes:
        """Return one light curve, as it is packed.

        Parameters
        ----------
        member : str
            Its name.

        Returns
        -------
        bytes
            Whole: the checksum of the ZIP is that of what came.

        Raises
        ------
        TableParseError
            If it is not there, is there twice, is damaged, too large or encrypted.
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
                # The size that the ZIP names may be another than that of what is in it.
                data = file.read(LARGEST_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise TableParseError(f"{member} of {self._name} is damaged: {error}") from None
        if len(data) != info.file_size:
            raise TableParseError(
                f"{member} of {self._name} should have {info.file_size} bytes, and has {len(data)}"
            )
        return data


@dataclass(frozen=True)
class Wanted:
    """An object whose light curve is asked for.

    Parameters
    ----------
    objectid, collection : str
        Its names.
    directory : str
        The folder of the collection, in addresses.
    mag_columns : tuple of str
        The columns that the collection names as its magnitudes.
    ra, dec : float
        Where it is, in degrees; NaN where that is not known.
    """

    objectid: str
    collection: str
    directory: str
    mag_columns: tuple[str, ...] = ()
    ra: float = np.nan
    dec: float = np.nan

    @classmethod
    def of(cls, objectid: str, collection: str, known: Collections, **place) -> "Wanted":
        """Return an object of a collection of the server.

        Parameters
        ----------
        objectid, collection : str
            Its names.
        known : Collections
            Those of the server.
        **place : float
            ``ra`` and ``dec``, degrees.

        Returns
        -------
        Wanted
            With what the collection says of itself.
        """
        return cls(objectid, collection, *_folder_and_magnitudes(collection, known), **place)

    @property
    def full_name(self) -> str:
        """The name by which no other object of the server is called."""
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
        said = parsed.info.get("objectid")
        if said and str(said).split() != self.objectid.split():
            raise TableParseError(f"{self.file_name} is of {said!r}, another object")


def check_objectid(objectid: object) -> str:
    """Return the name of an object, or refuse it.

    Parameters
    ----------
    objectid : str
        What was given.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InvalidQueryError
        If it is no name, or one that an address cannot hold.
    """
    text = str(objectid).strip() if isinstance(objectid, (str, np.str_)) else ""
    if not text or len(text) > 200 or re.search(r"[/\\'\"\x00-\x1f\x7f]|^\.+$", text):
        raise InvalidQueryError(
            f"objectid={objectid!r:.100} is no name of an object, as searches return them"
        )
    return text


def wanted_rows(values: Mapping, known: Collections) -> list[Wanted]:
    """Return the objects that rows of a dataset name, each once.

    Parameters
    ----------
    values : mapping of str to array
        With ``objectid`` and ``collection``, and perhaps ``ra`` and ``dec`` (deg).
    known : Collections
        Those of the server.

    Returns
    -------
    list of Wanted
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
    places = [
        np.ma.filled(np.ma.asarray(values[name]).astype(float), np.nan)
        if name in values
        else np.full(len(names), np.nan)
        for name in ("ra", "dec")
    ]
    with np.errstate(invalid="ignore"):
        # What is no position is as good as none.
        nowhere = ~((np.abs(places[0]) <= 360) & (np.abs(places[1]) <= 90))
    places = [np.where(nowhere, np.nan, values) for values in places]
    found = {}
    for name, owner, ra, dec in zip(names, owners, *(p.tolist() for p in places), strict=True):
        if owner not in about:
            raise InvalidQueryError(
                f"the dataset has {name} of the collection {owner!r}, which this server does not "
                "have: is it the result of another one?"
            )
        one = Wanted(check_objectid(name), owner, *about[owner], ra=ra, dec=dec)
        found.setdefault(one.full_name, one)
    return list(found.values())


def _folder_and_magnitudes(collection: str, known: Collections) -> tuple[str, tuple[str, ...]]:
    row = known.rows.values["collection"].tolist().index(collection)
    folder, columns = (str(known.rows.values[name][row]) for name in ("collection_id", "lcmagcols"))
    return folder, tuple(columns.split(","))


def gather_curves(
    client: LCCServerQuery,
    wanted: list[Wanted],
    setids: list[str],
    make: Callable,
    *,
    folder: Path | None,
    timeout: float,
    cache: bool | None,
    progress: bool,
) -> list:
    """Return for each object what `make` makes of its parsed file, or its error."""
    found: dict[Wanted, object] = {}
    for setid in setids:
        left = {one.member: one for one in wanted if one not in found}
        dataset = wait_for_dataset(client, setid, timeout)
        here = _members(dataset, left)
        if dataset.light_curves and len(here) >= WORTH_ALL * len(dataset.rows):
            path, when = _zip(client, dataset, folder, cache, progress)
            found |= _of_zip(client, path, when, here, make)
    left = [one for one in wanted if one not in found]
    if folder is None:
        found |= _from_store(client, left, make, cache)
        left = [one for one in left if one not in found]
    # Who names a directory wants the ZIPs there, of few objects too.
    if len(left) > (FEW if folder is None else 0):
        _in_parts(client, left, found, make, folder, cache, timeout, progress)
        left = [one for one in left if one not in found]
    if left:
        single = partial(partial(read_single, client), make=make, cache=cache, folder=folder)
        found |= zip(left, _each(client, single, left, progress=progress), strict=True)
    return [found[one] for one in wanted]


def wait_for_dataset(client: LCCServerQuery, setid: str, seconds: float) -> Dataset:
    """Return a dataset when the server is done with it."""
    until = client._clock.now() + seconds
    pause = client.conf.poll_seconds / 8
    while not (dataset := read_dataset(client, setid)).complete:
        if client._clock.now() > until:
            raise TimeoutError(
                f"{client.service} still collects the light curves of dataset {setid} after "
                f"{seconds:g} s. Call again to go on, or give a longer timeout.",
                service=client.service,
            )
        client._clock.sleep(pause)
        pause = min(1.5 * pause, client.conf.longest_poll)
    return dataset


def _zip(
    client: LCCServerQuery,
    dataset: Dataset,
    folder: Path | None,
    cache: bool | None,
    progress: bool,
) -> tuple[Path, float]:
    """Return the ZIP of a dataset, fetched unless it is there, and when it was."""
    path = _place(client, dataset, folder)
    # Not beside a user's file. Of two directories with the same name one waits for the other.
    lock = _kept(client) / f"{path.name}.lock"
    with alone(lock, client.conf.deadline):
        if cache is False or not path.exists():
            with contextlib.ExitStack() as stack:
                _fetch_zip(client, dataset.light_curves, path, stack, progress)
        elif folder is None:
            # What is used is kept.
            path.touch()
    return path, path.stat().st_mtime


def _fetch_zip(
    client: LCCServerQuery, address: str, path: Path, stack: contextlib.ExitStack, progress: bool
):
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
        piece=client.conf.piece_bytes,
        largest=client.conf.largest_zip,
        shown=shown,
    )


def _place(client: LCCServerQuery, dataset: Dataset, folder: Path | None) -> Path:
    if not re.fullmatch(r"/?p/[\w.\-]+\.zip", dataset.light_curves, re.ASCII):
        raise TableParseError(
            f"dataset {dataset.setid} names {dataset.light_curves!r:.100} as its ZIP, which is "
            "no address of this server",
            service=client.service,
        )
    if folder is not None:
        return folder / f"lightcurves-{dataset.setid}.zip"
    kept = _kept(client)
    _remove_old(kept)
    # A ZIP of a private dataset is served again to who may see it only.
    _, token = client._auth(required=client.login_required)
    key = client._cache_key("GET", client.server + dataset.light_curves, {}, token)
    return kept / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.zip"


def _kept(client: LCCServerQuery) -> Path:
    kept = client.cache_location / ZIPS
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kept


def _ask_file(client: LCCServerQuery, path: str, headers: dict | None = None) -> requests.Response:
    """Read a file of the server's; what it does not show is not found."""
    try:
        return client._ask(path, headers={"Accept": "*/*", **(headers or {})})
    except RemoteServiceError as error:
        raise _without_file(client, error, path) or error from None
    except LoginError as error:
        raise _without_file(client, error, path) or error from None


def _without_file(client: LCCServerQuery, error: Exception, path: str) -> NotFoundError | None:
    hidden = error.status == 401 and (error.reason or "").startswith("(an HTML page)")
    if error.status != 404 and not hidden:
        return None
    why = (
        "it does not know what that is of, or does not show it to this key"
        if hidden
        else "it has not made the file, which it does when a search finds the object"
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
    here: list[Wanted],
    make: Callable,
    keep: Callable = lambda one, body: None,
) -> dict:
    """Return what is made of the members of a ZIP; another way is tried for what is not."""
    found: dict = {}
    try:
        archive = LightCurveZip(path, name=path.name)
    except TableParseError:
        # The next call fetches it anew.
        path.unlink()
        raise
    with archive:
        waiting: list[tuple[Wanted, bytes]] = []
        for one in here:
            try:
                waiting.append((one, archive.read(one.member)))
            except TableParseError as error:
                found[one] = error
            if sum(len(body) for _, body in waiting) > TOGETHER:
                found |= _made(waiting, when, make, keep)
                waiting = []
        found |= _made(waiting, when, make, keep)
    damaged = [one for one, made in found.items() if isinstance(made, TableParseError)]
    for one in damaged[:FEW]:
        # The ZIP may have been made while the file was.
        with contextlib.suppress(TableParseError, NotFoundError, RemoteServiceError):
            body, since = _file(client, one, cache=False)
            found[one] = make(one, parse_csvlc(body, name=one.file_name), since)
    return found


def _file(client: LCCServerQuery, one: Wanted, cache: bool | None) -> tuple[bytes, float]:
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
    one: Wanted,
    *,
    make: Callable,
    cache: bool | None,
    folder: Path | None = None,
) -> object:
    """Return what `make` makes of the file of one light curve, fetched alone."""
    began = time.time()
    body, when = _file(client, one, cache)
    try:
        made = make(one, parse_csvlc(body, name=one.file_name), when)
    except TableParseError:
        if when >= began:
            raise
        # What is stored may be damaged.
        body, when = _file(client, one, cache=False)
        made = make(one, parse_csvlc(body, name=one.file_name), when)
    if folder is not None and Path(one.member).name == one.member:
        # Its place in the sky is not known, so that no ZIP could be asked for.
        write_private(folder / one.member, body)
    return made


def _from_store(
    client: LCCServerQuery, left: list[Wanted], make: Callable, cache: bool | None
) -> dict:
    """Return what is made of the files that came in an earlier call."""
    found: dict = {}
    if cache is False or not left:
        return found
    _, token = client._auth(required=client.login_required)
    store, lifetime = client._store, client._shorter(client.conf.light_curve_seconds)
    for one in left:
        stored = store.get(_file_key(client, one, token), lifetime)
        with contextlib.suppress(TableParseError):
            if stored is not None:
                parsed = parse_csvlc(stored[0], name=one.file_name)
                found[one] = make(one, parsed, stored[2])
    return found


def _file_key(client: LCCServerQuery, one: Wanted, token) -> str:
    return client._cache_key("GET", client.server + one.path, {}, token)


def _in_parts(
    client: LCCServerQuery,
    left: list[Wanted],
    found: dict,
    make: Callable,
    folder: Path | None,
    cache: bool | None,
    timeout: float,
    progress: bool,
) -> None:
    """Fetch many files that no ZIP has, by asking for ZIPs that have them.

    "More than 500 rows so no ZIP will ever come" (contract): a cross-match with the
    places of fewer objects has these objects as its result, and a ZIP of them.
    """
    parts: dict[str, list[Wanted]] = {}
    for one in left:
        # "RA or Dec exactly 0.0 are dropped silently" (contract).
        if np.isfinite(one.ra) and np.isfinite(one.dec) and one.ra != 0 and one.dec != 0:
            parts.setdefault(one.collection, []).append(one)
    size = client.conf.zip_rows
    chunks = [ones[n : n + size] for ones in parts.values() for n in range(0, len(ones), size)]
    if folder is None:
        chunks = [chunk for chunk in chunks if len(chunk) > FEW]
    work = partial(partial(_part, client), make=make, folder=folder, cache=cache, timeout=timeout)
    # Not where each is asked for: threads share what is ignored, and the last one to end would
    # put back for good what another had set.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        answers = _each(client, work, chunks, progress=progress)
    for answer in answers:
        if isinstance(answer, (LoginError, QuotaError, TimeoutError)):
            raise answer
        # What a part has not brought is asked for one by one.
        if not isinstance(answer, Exception):
            found |= answer


def _part(
    client: LCCServerQuery,
    chunk: list[Wanted],
    *,
    make: Callable,
    folder: Path | None,
    cache: bool | None,
    timeout: float,
) -> dict:
    _, token = client._auth(required=client.login_required)
    members = {one.member: one for one in chunk}
    # Under which name a directory has the ZIP of these objects, if it does.
    key = client._cache_key("ZIP", client.server, {"members": sorted(members)}, token)
    lifetime = client._shorter(client.conf.light_curve_seconds)
    stored = client._store.get(key, lifetime) if folder and cache is not False else None
    dataset = None
    # The server may have forgotten it by now.
    with contextlib.suppress(NotFoundError):
        dataset = wait_for_dataset(client, stored[0].decode(), timeout) if stored else None
    if dataset is None and (setid := _zipped(client, chunk)):
        dataset = wait_for_dataset(client, setid, timeout)
    if dataset is None or not dataset.light_curves:
        return {}
    here = _members(dataset, members)
    if folder is not None:
        path, when = _zip(client, dataset, folder, cache, False)
        if cache is not False:
            client._store.put(key, dataset.setid.encode(), "text/plain")
        return _of_zip(client, path, when, here, make)

    def keep(one: Wanted, body: bytes) -> None:
        if cache is not False:
            client._store.put(_file_key(client, one, token), body, "application/gzip")

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, f"lightcurves-{dataset.setid}.zip")
        with contextlib.ExitStack() as stack:
            _fetch_zip(client, dataset.light_curves, path, stack, False)
        return _of_zip(client, path, time.time(), here, make, keep)


def _zipped(client: LCCServerQuery, chunk: list[Wanted]) -> str | None:
    """Let the server make a dataset of some objects, and so a ZIP of their light curves."""
    places = SkyCoord([one.ra for one in chunk], [one.dec for one in chunk], unit="deg")
    result = crossmatch(
        client, places, radius=NEAR, collections=[chunk[0].collection], progress=False, cache=False
    )
    return result.meta.get("setid")


def _each(client: LCCServerQuery, work: Callable, tasks: list, *, progress: bool = True) -> list:
    return run_all(
        work,
        tasks,
        concurrency=client.conf.concurrency,
        interrupt=client._clock.interrupt,
        progress=progress,
    )


def _members(dataset: Dataset, wanted: Mapping[str, Wanted]) -> list[Wanted]:
    """Return which of the objects a dataset has, in the order asked for."""
    values = dataset.rows.values
    there = set(zip(values["collection"].tolist(), values["objectid"].tolist(), strict=True))
    return [one for one in wanted.values() if (one.collection, one.objectid) in there]


def _remove_old(folder: Path) -> None:
    oldest = time.time() - KEPT_DAYS * 86400
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                os.unlink(path)


def _made(waiting: list[tuple[Wanted, bytes]], when: float, make: Callable, keep: Callable) -> dict:
    """Return what is made of files, or what is wrong with them."""
    found: dict = {}
    read = parse_together([(one.file_name, body) for one, body in waiting])
    for (one, body), parsed in zip(waiting, read, strict=True):
        try:
            if isinstance(parsed, TableParseError):
                raise parsed
            found[one] = make(one, parsed, when)
            keep(one, body)
        except (TableParseError, InvalidQueryError) as error:
            found[one] = error
    return found
