"""Where files of light curves come from: one by one, in the ZIP of a dataset, in several ZIPs."""

import contextlib
import hashlib
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

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
from atlasquery.lccserver.archive import LightCurveZip
from atlasquery.lccserver.base import ZIPS
from atlasquery.lccserver.csvlc import parse_csvlc, parse_together
from atlasquery.lccserver.datasets import Dataset, DatasetQueries
from atlasquery.lccserver.ranges import download
from atlasquery.lccserver.wanted import Wanted
from atlasquery.service.files import write_private
from atlasquery.service.locks import alone
from atlasquery.service.pool import progress_bar, run_all

__all__ = ["CurveFiles"]

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


class CurveFiles(DatasetQueries):
    """What fetches files of light curves, by the way that takes the fewest requests."""

    def _gathered(
        self,
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
            dataset = self._settled(setid, timeout)
            here = _members(dataset, left)
            if dataset.light_curves and len(here) >= WORTH_ALL * len(dataset.rows):
                path, when = self._zip(dataset, folder, cache, progress)
                found |= self._of_zip(path, when, here, make)
        left = [one for one in wanted if one not in found]
        if folder is None:
            found |= self._from_store(left, make, cache)
            left = [one for one in left if one not in found]
        # Who names a directory wants the ZIPs there, of few objects too.
        if len(left) > (FEW if folder is None else 0):
            self._in_parts(left, found, make, folder, cache, timeout, progress)
            left = [one for one in left if one not in found]
        if left:
            single = partial(self._single, make=make, cache=cache, folder=folder)
            found |= zip(left, self._each(single, left, progress=progress), strict=True)
        return [found[one] for one in wanted]

    def _settled(self, setid: str, seconds: float) -> Dataset:
        """Return a dataset when the server is done with it."""
        until = self._clock.now() + seconds
        pause = self.conf.poll_seconds / 8
        while not (dataset := self._dataset(setid)).complete:
            if self._clock.now() > until:
                raise TimeoutError(
                    f"{self.service} still collects the light curves of dataset {setid} after "
                    f"{seconds:g} s. Call again to go on, or give a longer timeout.",
                    service=self.service,
                )
            self._clock.sleep(pause)
            pause = min(1.5 * pause, self.conf.longest_poll)
        return dataset

    def _zip(
        self, dataset: Dataset, folder: Path | None, cache: bool | None, progress: bool
    ) -> tuple[Path, float]:
        """Return the ZIP of a dataset, fetched unless it is there, and when it was."""
        path = self._place(dataset, folder)
        # Not beside a user's file. Of two directories with the same name one waits for the other.
        lock = self._kept() / f"{path.name}.lock"
        with alone(lock, self.conf.deadline):
            if cache is False or not path.exists():
                with contextlib.ExitStack() as stack:
                    self._fetch_zip(dataset.light_curves, path, stack, progress)
            elif folder is None:
                # What is used is kept.
                path.touch()
        return path, path.stat().st_mtime

    def _fetch_zip(self, address: str, path: Path, stack: contextlib.ExitStack, progress: bool):
        bar = None

        def shown(done: int, size: int) -> None:
            nonlocal bar
            if bar is None:
                many = progress and size > 1 << 25
                bar = stack.enter_context(progress_bar(size, shown=many))
            bar.update(done)

        download(
            lambda headers: self._ask_file(address.lstrip("/"), headers),
            path,
            piece=self.conf.piece_bytes,
            largest=self.conf.largest_zip,
            shown=shown,
        )

    def _place(self, dataset: Dataset, folder: Path | None) -> Path:
        if not re.fullmatch(r"/?p/[\w.\-]+\.zip", dataset.light_curves, re.ASCII):
            raise TableParseError(
                f"dataset {dataset.setid} names {dataset.light_curves!r:.100} as its ZIP, which is "
                "no address of this server",
                service=self.service,
            )
        if folder is not None:
            return folder / f"lightcurves-{dataset.setid}.zip"
        kept = self._kept()
        _remove_old(kept)
        # A ZIP of a private dataset is served again to who may see it only.
        _, token = self._auth(required=self.login_required)
        key = self._cache_key("GET", self.server + dataset.light_curves, {}, token)
        return kept / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.zip"

    def _kept(self) -> Path:
        kept = self.cache_location / ZIPS
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        return kept

    def _ask_file(self, path: str, headers: dict | None = None) -> requests.Response:
        """Read a file of the server's; what it does not show is not found."""
        try:
            return self._ask(path, headers={"Accept": "*/*", **(headers or {})})
        except RemoteServiceError as error:
            raise self._without_file(error, path) or error from None
        except LoginError as error:
            raise self._without_file(error, path) or error from None

    def _without_file(self, error: Exception, path: str) -> NotFoundError | None:
        hidden = error.status == 401 and (error.reason or "").startswith("(an HTML page)")
        if error.status != 404 and not hidden:
            return None
        why = (
            "it does not know what that is of, or does not show it to this key"
            if hidden
            else "it has not made the file, which it does when a search finds the object"
        )
        return NotFoundError(
            f"{self.service} has no {path} (status {error.status}): {why}",
            service=self.service,
            status=error.status,
            url=error.url,
            reason=error.reason,
        )

    def _of_zip(
        self,
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
                body, since = self._file(one, cache=False)
                found[one] = make(one, parse_csvlc(body, name=one.file_name), since)
        return found

    def _file(self, one: Wanted, cache: bool | None) -> tuple[bytes, float]:
        """Return one file, and the Unix time at which it came."""
        try:
            return self._read(
                one.path,
                {},
                decode=bytes,
                lifetime=self.conf.light_curve_seconds,
                cache=cache,
                method="GET",
                content="",
            )
        except (RemoteServiceError, LoginError) as error:
            raise self._without_file(error, one.path) or error from None

    def _single(
        self, one: Wanted, *, make: Callable, cache: bool | None, folder: Path | None = None
    ) -> object:
        began = time.time()
        body, when = self._file(one, cache)
        try:
            made = make(one, parse_csvlc(body, name=one.file_name), when)
        except TableParseError:
            if when >= began:
                raise
            # What is stored may be damaged.
            body, when = self._file(one, cache=False)
            made = make(one, parse_csvlc(body, name=one.file_name), when)
        if folder is not None and Path(one.member).name == one.member:
            # Its place in the sky is not known, so that no ZIP could be asked for.
            write_private(folder / one.member, body)
        return made

    def _from_store(self, left: list[Wanted], make: Callable, cache: bool | None) -> dict:
        """Return what is made of the files that came in an earlier call."""
        found: dict = {}
        if cache is False or not left:
            return found
        _, token = self._auth(required=self.login_required)
        store, lifetime = self._store, self._shorter(self.conf.light_curve_seconds)
        for one in left:
            stored = store.get(self._file_key(one, token), lifetime)
            with contextlib.suppress(TableParseError):
                if stored is not None:
                    parsed = parse_csvlc(stored[0], name=one.file_name)
                    found[one] = make(one, parsed, stored[2])
        return found

    def _file_key(self, one: Wanted, token) -> str:
        return self._cache_key("GET", self.server + one.path, {}, token)

    def _in_parts(
        self,
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
        size = self.conf.zip_rows
        chunks = [ones[n : n + size] for ones in parts.values() for n in range(0, len(ones), size)]
        if folder is None:
            chunks = [chunk for chunk in chunks if len(chunk) > FEW]
        work = partial(self._part, make=make, folder=folder, cache=cache, timeout=timeout)
        # Not where each is asked for: threads share what is ignored, and the last one to end would
        # put back for good what another had set.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoResultsWarning)
            answers = self._each(work, chunks, progress=progress)
        for answer in answers:
            if isinstance(answer, (LoginError, QuotaError, TimeoutError)):
                raise answer
            # What a part has not brought is asked for one by one.
            if not isinstance(answer, Exception):
                found |= answer

    def _part(
        self,
        chunk: list[Wanted],
        *,
        make: Callable,
        folder: Path | None,
        cache: bool | None,
        timeout: float,
    ) -> dict:
        _, token = self._auth(required=self.login_required)
        members = {one.member: one for one in chunk}
        # Under which name a directory has the ZIP of these objects, if it does.
        key = self._cache_key("ZIP", self.server, {"members": sorted(members)}, token)
        lifetime = self._shorter(self.conf.light_curve_seconds)
        stored = self._store.get(key, lifetime) if folder and cache is not False else None
        dataset = None
        # The server may have forgotten it by now.
        with contextlib.suppress(NotFoundError):
            dataset = self._settled(stored[0].decode(), timeout) if stored else None
        if dataset is None and (setid := self._zipped(chunk)):
            dataset = self._settled(setid, timeout)
        if dataset is None or not dataset.light_curves:
            return {}
        here = _members(dataset, members)
        if folder is not None:
            path, when = self._zip(dataset, folder, cache, False)
            if cache is not False:
                self._store.put(key, dataset.setid.encode(), "text/plain")
            return self._of_zip(path, when, here, make)

        def keep(one: Wanted, body: bytes) -> None:
            if cache is not False:
                self._store.put(self._file_key(one, token), body, "application/gzip")

        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, f"lightcurves-{dataset.setid}.zip")
            with contextlib.ExitStack() as stack:
                self._fetch_zip(dataset.light_curves, path, stack, False)
            return self._of_zip(path, time.time(), here, make, keep)

    def _zipped(self, chunk: list[Wanted]) -> str | None:
        """Let the server make a dataset of some objects, and so a ZIP of their light curves."""
        places = SkyCoord([one.ra for one in chunk], [one.dec for one in chunk], unit="deg")
        result = self.crossmatch(
            places, radius=NEAR, collections=[chunk[0].collection], progress=False, cache=False
        )
        return result.meta.get("setid")

    def _each(self, work: Callable, tasks: list, *, progress: bool = True) -> list:
        return run_all(
            work,
            tasks,
            concurrency=self.conf.concurrency,
            interrupt=self._clock.interrupt,
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
