"""The sandbox: an ATLAS Transient Server of its own, on loopback, full of synthetic data."""

import json
import logging
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from cheroot.wsgi import Server as WSGIServer

from .accounts import Account, Accounts
from .application import Application, Exchange
from .database import Database
from .exposures import HISTORIES
from .sky import populate
from .throttle import SHIPPED, parse_rate

__all__ = ["Sandbox"]

logger = logging.getLogger(__name__)

_SEED = 20261116
_THREADS = 16
# Skies made in this process: the second sandbox of a seed is a copy.
_templates: dict[tuple[int, str], Database] = {}
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
        for name, kept in list(logging.statistics.items()):
            if kept is self.stats:
                del logging.statistics[name]

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        logger.log(level, msg, exc_info=traceback)


class Sandbox:
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
        seed: int = _SEED,
        history: str = "season",
        user_rate: str | None = None,
        auth_rate: str | None = None,
        latency: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        if history not in HISTORIES:
            raise ValueError(f"history={history!r} is none of {', '.join(HISTORIES)}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed!r} is not a whole number of zero or more")
        if not isinstance(latency, int | float) or not latency >= 0:
            raise ValueError(f"latency={latency!r} is not a number of seconds")
        if not isinstance(port, int) or not 0 <= port < 65536:
            raise ValueError(f"port={port!r} is not a port number")
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
            _template(seed, history).copy_to(self._database)
            self._accounts.create(seed)
        self._sky = json.loads(self._database.about("manifest"))
        self._application = Application(
            self._database, self._accounts, self._now, latency=self._latency, **self._rates
        )

    def __repr__(self) -> str:
        state = self.url if self._server else "stopped"
        return f"<Sandbox {state}, {len(self._sky['all_ids'])} objects>"

    def __enter__(self) -> "Sandbox":
        """Start the server."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> "Sandbox":
        """Start to listen; does nothing when the server runs already.

        Returns
        -------
        Sandbox
            The sandbox itself.

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
        if server is None:
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
        return self.users["reader"].token

    @property
    def writer_token(self) -> str:
        """The token of ``writer``, who may write."""
        return self.users["writer"].token

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

    def clear_requests(self) -> None:
        """Forget what was asked."""
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


def _template(seed: int, history: str) -> Database:
    """Return the sky of a seed, made once in a process."""
    with _templates_lock:
        if (seed, history) not in _templates:
            database = Database()
            database.create()
            manifest = populate(database, seed, history)
            database.insert("about", {"name": ["manifest"], "value": [json.dumps(manifest)]})
            database.index()
            _templates[seed, history] = database
        return _templates[seed, history]
