"""An ATLAS Transient Server on loopback, full of synthetic data."""

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from cheroot.wsgi import Server as WSGIServer

from ..sky import SEED
from ..sky import objects as sky_of
from .accounts import Account, Accounts
from .application import Application, Exchange
from .database import Database
from .exposures import HISTORIES
from .new_objects import NewObject, insert_object
from .populate import GENERATED, count_rows, populate
from .population import Population
from .throttle import SHIPPED, parse_rate

__all__ = ["AtlasSandbox"]

logger = logging.getLogger(__name__)

_THREADS = 16
# Their catalogue entries take about a second and 20 MB for each ten thousand.
_MOST_OBJECTS = 1_000_000
# Skies made in this process: the second sandbox of a seed is a copy.
_templates: dict[tuple[int, str, int], Database] = {}
_templates_lock = threading.Lock()


class _HTTPServer(WSGIServer):
    """The HTTP server, which reports to `logging` and never prints."""

    # How often the server looks at idle connections, which is also how long `stop` waits.
    expiration_interval = 0.05
    shutdown_timeout = 1

    def clear_stats(self) -> None:
        super().clear_stats()
        # They stay in a dictionary of `logging`, and with them each server that ever was, and
        # its whole sky.
        statistics = getattr(logging, "statistics", {})
        for name, kept in list(statistics.items()):
            if kept is self.stats:
                del statistics[name]

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        logger.log(level, msg, exc_info=traceback)


class AtlasSandbox:
    """An embedded server that speaks the API of the ATLAS Transient Server.

    It answers over HTTP on loopback, with a synthetic sky of about 500 objects, the users
    of a small collaboration, and the quirks of the real server. Use it as a context
    manager, or call `start` and `stop`.

    Parameters
    ----------
    path : path-like, optional
        File to keep everything in; what is written there is found again. By default all
        is in memory and gone at the end.
    seed : int, optional
        Seed of the sky and of the tokens.
    history : {"season", "full"}, optional
        Exposures of the last 250 days, or of nine years: then an object has about three
        thousand non-detections, as real ones have.
    objects : int, optional
        Number of objects; by default the 501 of the one sky. The others are in this server only.
    user_rate, auth_rate : str, optional
        Quota of each user, and of each address for logging in, such as ``"100/hour"``.
        ``"shipped"`` is what the real server is shipped with; None is no limit.
    latency : float, optional
        Seconds to wait before each reply.
    host : str, optional
        Address to listen on.
    port : int, optional
        Port to listen on; 0 takes a free one.

    Raises
    ------
    ValueError
        An argument cannot be used; the message names it.

    Examples
    --------
    >>> from atlasquery.sandbox import Sandbox
    >>> with Sandbox() as box:  # doctest: +SKIP
    ...     print(box.url, len(box.manifest["all_ids"]))
    http://127.0.0.1:43125/api/ 501
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        seed: int = SEED,
        history: str = "season",
        objects: int | None = None,
        user_rate: str | None = None,
        auth_rate: str | None = None,
        latency: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        if history not in HISTORIES:
            raise ValueError(f"history={history!r} is not one of {', '.join(HISTORIES)}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed!r} is not a whole number of zero or more")
        if not isinstance(latency, int | float) or not latency >= 0:
            raise ValueError(f"latency={latency!r} is not a number of seconds")
        if not isinstance(port, int) or not 0 <= port < 65536:
            raise ValueError(f"port={port!r} is not a port number")
        generated = _generated(objects, seed)
        self._rates = {
            "user_rate": _rate(user_rate, "user_rate", SHIPPED["user"]),
            "auth_rate": _rate(auth_rate, "auth_rate", SHIPPED["auth"]),
        }
        self._latency = float(latency)
        self._address = (host, port)
        self._ahead = 0.0
        self._server: _HTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._database = Database(path)
        self._accounts = Accounts(self._database, self._now)
        if self._database.is_new:
            _template(seed, history, generated).copy_to(self._database)
            self._accounts.create(seed)
        self._sky = json.loads(str(self._database.about("manifest")))
        present = len(self._sky["ids"].get(GENERATED, ()))
        if objects is not None and present != generated:
            self._database.close()
            raise ValueError(
                f"objects={objects}, but path={str(path)!r} was created with "
                f"{objects - generated + present}"
            )
        # Files of earlier versions have no others.
        population = Population(self._sky["seed"], self._sky.get("history", history), present)
        self._application = Application(
            self._database,
            self._accounts,
            population,
            self._now,
            latency=self._latency,
            **self._rates,
        )

    def __repr__(self) -> str:
        state = self.url if self._server else "stopped"
        return f"<AtlasSandbox {state}, {len(self._sky['all_ids'])} objects>"

    def __enter__(self) -> "AtlasSandbox":
        """Start the server."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> "AtlasSandbox":
        """Start to listen; does nothing when the server runs already.

        Returns
        -------
        AtlasSandbox
            The server itself.

        Raises
        ------
        ValueError
            The host or the port cannot be used.
        """
        if self._server is not None:
            return self
        server = _HTTPServer(self._address, self._application, numthreads=_THREADS)
        bound: Future[None] = Future()
        # The server's own threads inherit "daemon" from this one, so that a sandbox which was
        # never stopped does not keep the interpreter from ending.
        thread = threading.Thread(
            target=_serve, args=(server, bound), name="atlasquery-sandbox", daemon=True
        )
        thread.start()
        try:
            bound.result()
        except OSError as error:
            host, port = self._address
            raise ValueError(
                f"host={host!r}, port={port} cannot be listened on: {error}"
            ) from error
        self._server, self._thread = server, thread
        return self

    def stop(self) -> None:
        """Stop to listen; the data stay, and `start` begins again."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = self._thread = None
        server.stop()
        thread.join()

    @property
    def url(self) -> str:
        """The URL of the API, with a trailing slash.

        Raises
        ------
        RuntimeError
            The server does not run.
        """
        if self._server is None:
            raise RuntimeError("the sandbox is not running: call start() or use it in a with block")
        host, port = self._server.bind_addr[:2]
        return f"http://{host}:{port}/api/"

    @property
    def users(self) -> dict[str, Account]:
        """The users by name, each with its password and its present token."""
        return self._accounts.all()

    @property
    def token(self) -> str:
        """The token of ``reader``, who may read."""
        return str(self.users["reader"].token)

    @property
    def writer_token(self) -> str:
        """The token of ``writer``, who may write."""
        return str(self.users["writer"].token)

    @property
    def manifest(self) -> dict:
        """The contents of the sandbox: users, ids by topic, positions, counts, names."""
        users = {
            account.username: {"token": account.token, "password": account.password}
            for account in self.users.values()
        }
        return {"users": users, **self._sky}

    @property
    def requests(self) -> list[Exchange]:
        """The requests that were answered, in order."""
        return self._application.exchanges

    def add_object(
        self,
        ra: float | None = None,
        dec: float | None = None,
        *,
        atlas_id: int | str | None = None,
        name: str | None = None,
        tns_name: str | None = None,
        kind: str = "supernova",
        detections: Sequence | None = None,
        forced: bool = True,
        list_id: int | None = 4,
        sherlock_class: str | None = "SN",
        spec_type: str | None = None,
        vra_rank: float | None = None,
        vra_scores: Sequence[Mapping] = (),
        vra_todo: bool = False,
        custom_lists: int | str | Sequence[int | str] = (),
    ) -> int:
        """Add an object of your choice, such as a case that a bot must decide.

        Parameters
        ----------
        ra, dec : float, optional
            The position in degrees; by default within a quarter of a degree of 150 +2.2. Far from
            the sandbox's fields (``manifest["clusters"]``) no image shows it without a detection.
        atlas_id : int or str, optional
            Its 19-digit id; by default that of its position.
        name, tns_name : str, optional
            Its ATLAS designation and its TNS name, such as ``"ATLAS26abc"`` and ``"2026abc"``.
        kind : str, optional
            The family of its light curve: ``"supernova"``, ``"orphan"``, ``"variable"``,
            ``"m_dwarf"``, ``"mover"``, or ``"quiet"``, which has no detection.
        detections : sequence, optional
            Its detections instead, each an MJD, a band, a magnitude (negative where the
            flux is) and, if you like, its error. Then it has no forced photometry.
        forced : bool, optional
            Whether it has forced photometry.
        list_id : int, optional
            The detection list it is on, from 0 to 13; None for none.
        sherlock_class : str, optional
            Sherlock's class; None if it was not classified.
        spec_type : str, optional
            The spectral type.
        vra_rank : float, optional
            The rank that the VRA gives it now.
        vra_scores : sequence of dict, optional
            Its rows of scores, with any of ``preal``, ``pgal``, ``pfast``, ``rank``,
            ``rank_alt1``, ``is_gal_cand``, ``debug``, ``mjd`` and ``username``.
        vra_todo : bool, optional
            Whether it is on the list of what the VRA has to do.
        custom_lists : int, str or sequence, optional
            The custom lists it is on, by name or number; a new number makes a new list.

        Returns
        -------
        int
            Its id, which is in ``manifest["ids"]["added"]`` too.

        Raises
        ------
        ValueError
            If a value is not what it should be; nothing was added.

        Examples
        --------
        >>> from atlasquery.atlas import AtlasClass
        >>> from atlasquery.sandbox import Sandbox
        >>> with Sandbox() as box:
        ...     one = box.add_object(
        ...         vra_scores=[{"preal": 1, "pgal": 0.5, "rank": -1}], custom_lists="mookodi"
        ...     )
        ...     atlas = AtlasClass(server=box.url)
        ...     _ = atlas.login(token=box.token)
        ...     scores = atlas.query_vra_scores(one)
        >>> scores["preal", "pgal", "rank"][0].as_void().tolist()
        (1.0, 0.5, -1.0)
        """
        lists = [custom_lists] if isinstance(custom_lists, (int, str)) else list(custom_lists)
        new = NewObject(
            ra, dec, atlas_id, name, tns_name, kind, detections, forced, list_id, sherlock_class,
            spec_type, vra_rank, vra_scores, vra_todo, lists,
        )  # fmt: skip
        with self._database.lock:
            count = len(self._sky["all_ids"])
            rng = np.random.default_rng([self._sky["seed"], 5, count])
            identifier = insert_object(self._database, new, rng)
            self._sky["ids"].setdefault("added", []).append(str(identifier))
            self._sky["all_ids"].append(str(identifier))
            self._sky["n"] = len(self._sky["all_ids"])
            self._sky["positions"][str(identifier)] = [new.ra, new.dec]
            self._sky["counts"] = count_rows(self._database)
            self._database.execute(
                "update about set value = ? where name = 'manifest'", (json.dumps(self._sky),)
            )
        return identifier

    def clear_requests(self) -> None:
        """Forget the requests answered."""
        self._application.clear()

    def advance(self, seconds: float) -> None:
        """Move the server's clock on: tokens expire, quotas come back.

        Parameters
        ----------
        seconds : float
            How far.
        """
        self._ahead += seconds

    def expire(self, token: str) -> None:
        """Let a token expire now.

        Parameters
        ----------
        token : str
            The token.

        Raises
        ------
        ValueError
            No user has this token.
        """
        self._accounts.expire(token)

    def environment(self) -> dict[str, str]:
        """Return the environment that points a client to this server.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_ATLAS_SERVER`` and ``ATLASQUERY_ATLAS_TOKEN`` (the reader's).
        """
        return {"ATLASQUERY_ATLAS_SERVER": self.url, "ATLASQUERY_ATLAS_TOKEN": self.token}

    def _now(self) -> float:
        return time.time() + self._ahead


def _serve(server: _HTTPServer, bound: Future[None]) -> None:
    try:
        server.prepare()
    except OSError as error:
        bound.set_exception(error)
        return
    bound.set_result(None)
    server.serve()


def _rate(rate: str | None, argument: str, shipped: str) -> tuple[int, int] | None:
    if rate is None:
        return None
    return parse_rate(shipped if rate == "shipped" else rate, argument)


def _generated(objects: int | None, seed: int) -> int:
    """Return how many objects there are beyond those of the one sky."""
    least = len(sky_of(seed))
    if objects is None:
        return 0
    whole = isinstance(objects, int) and not isinstance(objects, bool)
    if not whole or not least <= objects <= _MOST_OBJECTS:
        raise ValueError(
            f"objects={objects!r} is not a whole number from {least}, those that all services "
            f"see, to {_MOST_OBJECTS:,}"
        )
    return objects - least


def _template(seed: int, history: str, generated: int) -> Database:
    """Return the sky of a seed, made once in a process."""
    key = (seed, history, generated)
    with _templates_lock:
        if key not in _templates:
            database = Database()
            database.create()
            manifest = populate(database, seed, history, generated)
            database.insert("about", {"name": ["manifest"], "value": [json.dumps(manifest)]})
            database.index()
            _templates[key] = database
        return _templates[key]
