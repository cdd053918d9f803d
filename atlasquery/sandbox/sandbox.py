"""The sandbox: servers of all services on loopback, on one synthetic sky."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from .atlas.accounts import Account
from .atlas.application import Exchange
from .atlas.server import AtlasSandbox
from .sky import SEED, SyntheticSky, objects

if TYPE_CHECKING:
    from .alerce.server import AlerceSandbox
    from .forcedphot.server import ForcedSandbox
    from .lccserver.server import LCCSandbox
    from .skyportal.server import SkyPortalSandbox

__all__ = ["SERVICES", "Sandbox"]

#: The services of the sandbox.
SERVICES = ("atlas", "forcedphot", "alerce", "lccserver", "skyportal")


class ServiceServer(Protocol):
    """What the servers have in common."""

    @property
    def url(self) -> str:
        """The address."""
        ...

    def environment(self) -> dict[str, str]:
        """Return the environment that points a client to the server."""
        ...

    def stop(self) -> None:
        """Stop to listen, and end all threads."""


class Sandbox:
    """Embedded servers of the services that atlasquery has clients for.

    They answer over HTTP on loopback, with the quirks of the real servers. All see one synthetic
    sky of about 500 objects: a supernova has its light curve in ATLAS and its forced photometry,
    in ZTF and LSST at ALeRCE, on an LCC-Server and in SkyPortal, with fluxes that agree, and its
    name in each. Use it as a context manager, or call `start` and `stop`; `use` also points all
    clients of this process at it.

    Parameters
    ----------
    path : path-like, optional
        File to keep the data of the ATLAS server in; what is written there is found again. By
        default all is in memory and gone at the end.
    services : str or iterable of str, optional
        ``"all"``, or the names of some: ``"atlas"``, ``"forcedphot"``, ``"alerce"``,
        ``"lccserver"``, ``"skyportal"``. By default the ATLAS Transient Server alone.
    seed : int, optional
        Seed of the sky and of the tokens.
    history : {"season", "full"}, optional
        Exposures of ATLAS of the last 250 days, or of nine years: then an object has about three
        thousand non-detections, as real ones have.
    objects : int, optional
        Number of objects of the ATLAS server; by default the 501 of the sky of all services. The
        others, such as those of ``objects=10_000``, are in the ATLAS server only, in fourteen
        fields: their light curves are computed when they are asked for.
    user_rate, auth_rate : str, optional
        Quota of each user of the ATLAS server, and of each address for logging in, such as
        ``"100/hour"``. ``"shipped"`` is what the real server is shipped with; None is no limit.
    latency : float, optional
        Seconds to wait before each response of the ATLAS server.
    runtime : float, optional
        Seconds that a task of forced photometry takes.
    host : str, optional
        Address that the ATLAS server listens on.
    port : int, optional
        Port that the ATLAS server listens on; 0 takes a free one. The others take free ones.

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

    All services, for the clients of this process:

    >>> with Sandbox(services="all").use() as box:
    ...     print(box.services)
    ('atlas', 'forcedphot', 'alerce', 'lccserver', 'skyportal')
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        services: str | Iterable[str] = "atlas",
        seed: int = SEED,
        history: str = "season",
        objects: int | None = None,
        user_rate: str | None = None,
        auth_rate: str | None = None,
        latency: float = 0.0,
        runtime: float = 0.2,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self._services = _names(services)
        if isinstance(runtime, bool) or not isinstance(runtime, int | float) or not runtime >= 0:
            raise ValueError(f"runtime={runtime!r} is not a number of seconds")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed!r} is not a whole number of zero or more")
        self._runtime = float(runtime)
        self._seed = seed
        self._atlas: AtlasSandbox | None = None
        if "atlas" in self._services:
            self._atlas = AtlasSandbox(
                path, seed=seed, history=history, objects=objects, user_rate=user_rate,
                auth_rate=auth_rate, latency=latency, host=host, port=port,
            )  # fmt: skip
            # That of a file, if there is one.
            self._seed = int(self._atlas.manifest["seed"])
        elif path is not None:
            raise ValueError(f"path={path!r} is for the ATLAS server, which is not in services")
        elif objects is not None:
            raise ValueError(
                f"objects={objects!r} is for the ATLAS server, which is not in services"
            )
        self._running: dict[str, ServiceServer] = {}
        self._replaced: dict[str, str | None] = {}

    def __repr__(self) -> str:
        count = len(self.sky if self._atlas is None else self._atlas.manifest["all_ids"])
        if not self._running:
            state = "stopped"
        elif self._services == ("atlas",):
            state = self.url
        else:
            state = f"of {', '.join(self._services)}"
        return f"<Sandbox {state}, {count} objects>"

    def __enter__(self) -> "Sandbox":
        """Start the servers."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop the servers."""
        self.stop()

    def start(self) -> "Sandbox":
        """Start to listen; does nothing when the servers run already.

        Returns
        -------
        Sandbox
            The sandbox itself.

        Raises
        ------
        ValueError
            The host or the port cannot be used.
        """
        if self._running:
            return self
        try:
            for name in self._services:
                self._running[name] = self._started(name)
        except BaseException:
            self.stop()
            raise
        return self

    def _started(self, name: str) -> ServiceServer:
        """Start one server; its module is imported only now."""
        if name == "atlas":
            return self.atlas.start()
        if name == "forcedphot":
            from .forcedphot.server import ForcedSandbox

            return ForcedSandbox(runtime=self._runtime, seed=self._seed)
        if name == "alerce":
            from .alerce.server import AlerceSandbox

            return AlerceSandbox(seed=self._seed)
        if name == "lccserver":
            from .lccserver.server import LCCSandbox

            return LCCSandbox(seed=self._seed)
        from .skyportal.example import fill
        from .skyportal.server import SkyPortalSandbox

        server = SkyPortalSandbox()
        fill(server.state, self._seed)
        return server

    def stop(self) -> None:
        """Stop all servers, and give back the environment that `use` has changed.

        The data of the ATLAS server stay, and `start` begins again.
        """
        for name, value in self._replaced.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._replaced.clear()
        for server in self._running.values():
            server.stop()
        self._running.clear()

    def use(self) -> "Sandbox":
        """Start, and point all clients of this process at the sandbox until `stop`.

        Returns
        -------
        Sandbox
            The sandbox itself, which can be used as a context manager.

        Examples
        --------
        >>> from atlasquery.alerce import Alerce
        >>> from atlasquery.sandbox import Sandbox
        >>> with Sandbox(services=["alerce"]).use() as box:
        ...     Alerce.server == box.environment()["ATLASQUERY_ALERCE_SERVER"]
        True
        """
        self.start()
        for name, value in self.environment().items():
            self._replaced.setdefault(name, os.environ.get(name))
            os.environ[name] = value
        return self

    def environment(self) -> dict[str, str]:
        """Return the environment that points the clients to these servers.

        Returns
        -------
        dict of str to str
            ``ATLASQUERY_ATLAS_SERVER``, ``ATLASQUERY_ATLAS_TOKEN`` (the reader's), and those of
            the other services.

        Raises
        ------
        RuntimeError
            The servers do not run.
        """
        found: dict[str, str] = {}
        for name in self._services:
            found |= self._server(name).environment()
        return found

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services."""
        return self._services

    @property
    def sky(self) -> SyntheticSky:
        """The objects that all services see, with their true fluxes and their names."""
        return objects(self._seed)

    @property
    def atlas(self) -> AtlasSandbox:
        """The ATLAS Transient Server, whether it runs or not."""
        if self._atlas is None:
            raise _missing("atlas", self._services)
        return self._atlas

    @property
    def forcedphot(self) -> "ForcedSandbox":
        """The ATLAS forced photometry server."""
        return cast("ForcedSandbox", self._server("forcedphot"))

    @property
    def alerce(self) -> "AlerceSandbox":
        """The servers of ALeRCE."""
        return cast("AlerceSandbox", self._server("alerce"))

    @property
    def lccserver(self) -> "LCCSandbox":
        """The LCC-Server."""
        return cast("LCCSandbox", self._server("lccserver"))

    @property
    def skyportal(self) -> "SkyPortalSandbox":
        """The SkyPortal instance."""
        return cast("SkyPortalSandbox", self._server("skyportal"))

    def _server(self, name: str) -> ServiceServer:
        if name not in self._services:
            raise _missing(name, self._services)
        if name not in self._running:
            raise RuntimeError("the sandbox is not running: call start() or use it in a with block")
        return self._running[name]

    # What follows is that of the ATLAS server, for those who need no other one.

    @property
    def url(self) -> str:
        """The URL of the ATLAS server's API, with a trailing slash.

        Raises
        ------
        RuntimeError
            The server does not run.
        """
        return self.atlas.url

    @property
    def users(self) -> dict[str, Account]:
        """The users of the ATLAS server by name, each with its password and its present token."""
        return self.atlas.users

    @property
    def token(self) -> str:
        """The token of ``reader`` of the ATLAS server, who may read."""
        return self.atlas.token

    @property
    def writer_token(self) -> str:
        """The token of ``writer`` of the ATLAS server, who may write."""
        return self.atlas.writer_token

    @property
    def manifest(self) -> dict:
        """The contents of the ATLAS server: users, ids by topic, positions, counts, names."""
        return self.atlas.manifest

    @property
    def requests(self) -> list[Exchange]:
        """The requests that the ATLAS server answered, in order."""
        return self.atlas.requests

    def add_object(self, ra: float | None = None, dec: float | None = None, **chosen: Any) -> int:
        """Add an object of your choice to the ATLAS server, such as a case a bot must decide.

        Parameters
        ----------
        ra, dec : float, optional
            The position in degrees; by default within a quarter of a degree of 150 +2.2.
        **chosen
            What else is chosen, as of
            `~atlasquery.sandbox.atlas.server.AtlasSandbox.add_object`.

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
        return self.atlas.add_object(ra, dec, **chosen)

    def clear_requests(self) -> None:
        """Forget the requests that the ATLAS server answered."""
        self.atlas.clear_requests()

    def advance(self, seconds: float) -> None:
        """Move the ATLAS server's clock on: tokens expire, quotas come back.

        Parameters
        ----------
        seconds : float
            How far.
        """
        self.atlas.advance(seconds)

    def expire(self, token: str) -> None:
        """Let a token of the ATLAS server expire now.

        Parameters
        ----------
        token : str
            The token.

        Raises
        ------
        ValueError
            No user has this token.
        """
        self.atlas.expire(token)


def _names(services: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of the services chosen, each once, in the order of `SERVICES`."""
    if services == "all":
        return SERVICES
    chosen = [services] if isinstance(services, str) else services
    if isinstance(chosen, Mapping) or not isinstance(chosen, Iterable):
        chosen = [str(chosen)]
    names = list(chosen)
    unknown = [name for name in names if name not in SERVICES]
    if unknown or not names:
        raise ValueError(f"services={services!r} should be 'all', or some of {', '.join(SERVICES)}")
    return tuple(name for name in SERVICES if name in names)


def _missing(name: str, services: tuple[str, ...]) -> ValueError:
    return ValueError(
        f"this sandbox has no {name}, only {', '.join(services)}: start it with "
        f'Sandbox(services="all") or services=["{name}", ...]'
    )
