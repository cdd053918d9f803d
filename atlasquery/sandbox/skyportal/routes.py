"""Routes of the embedded SkyPortal: how they are registered, and what a request brings them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..http import Response

if TYPE_CHECKING:
    from .state import PortalState

__all__ = [
    "ROUTES", "PortalCall", "PortalError", "PortalRoute", "envelope", "error_envelope", "html",
    "route",
]  # fmt: skip

VERSION = "1.4.0"
# Names and numbers in the paths of routes.
ID = r"([0-9A-Za-z\-_.+]+)"
NUMBER = r"([0-9]+)"


@dataclass
class PortalCall:
    """A request, as a route sees it.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    method : str
        Such as ``"GET"``.
    path : str
        The path below ``/api/``.
    params : dict of str to str
        The query; of a repeated parameter the last value.
    json : object
        The body, None without one.
    user : dict
        The account that sent it.
    """

    state: "PortalState"
    method: str
    path: str
    params: dict[str, str]
    json: Any
    user: dict[str, Any]

    def number(self, name: str, default: int) -> int:
        """Return a parameter that is a number.

        Parameters
        ----------
        name : str
            The parameter.
        default : int
            What a query without it gives.

        Returns
        -------
        int
            The number.
        """
        value = self.params.get(name)
        return default if value is None else int(value)

    def truth(self, name: str) -> bool:
        """Return a parameter that is true or false.

        Parameters
        ----------
        name : str
            The parameter.

        Returns
        -------
        bool
            False without it.
        """
        return str(self.params.get(name, "")).lower() in ("true", "t", "1", "yes")

    def listed(self, name: str) -> list[str] | None:
        """Return the items of a list that is joined with commas.

        Parameters
        ----------
        name : str
            The parameter.

        Returns
        -------
        list of str or None
            None without it.
        """
        value = self.params.get(name)
        return None if value is None else [part.strip() for part in value.split(",")]


class PortalError(Exception):
    """A response with an error in the envelope.

    Parameters
    ----------
    status : int
        The status.
    message : str
        The message.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class PortalRoute:
    """A route of the API.

    Parameters
    ----------
    method : str
        Such as ``"GET"``.
    pattern : re.Pattern
        What the whole path below ``/api/`` matches.
    function : callable
        Function of a `PortalCall` and the groups of the path. It returns the data of the
        envelope, or a `Response` that is sent as it is.
    permission : str or None
        What the account needs.
    public : bool
        Whether no token is needed.
    """

    method: str
    pattern: re.Pattern[str]
    function: Callable[..., Any]
    permission: str | None
    public: bool


#: All routes; of two that match, the earlier one is used.
ROUTES: list[PortalRoute] = []


def envelope(data: object) -> dict[str, Any]:
    """Return the envelope of a success.

    Parameters
    ----------
    data : object
        The data.

    Returns
    -------
    dict
        The envelope.
    """
    return {"status": "success", "data": data, "version": VERSION}


def error_envelope(message: str) -> dict[str, Any]:
    """Return the envelope of an error.

    Parameters
    ----------
    message : str
        The message.

    Returns
    -------
    dict
        The envelope.
    """
    return {"status": "error", "message": message, "data": {}, "version": VERSION}


def html(status: int, title: str) -> Response:
    """Return a page of nginx, which stands before the server.

    Parameters
    ----------
    status : int
        The status.
    title : str
        Its name.

    Returns
    -------
    Response
        The page.
    """
    text = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>"
    text += (
        f"{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(status, text, "text/html")


def route(
    method: str, pattern: str, *, permission: str | None = None, public: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a route; it may raise `PortalError`.

    Parameters
    ----------
    method : str
        Such as ``"GET"``.
    pattern : str
        Regular expression of the path below ``/api/``.
    permission : str, optional
        What the account needs; status 401 without it.
    public : bool, optional
        Whether no token is needed.

    Returns
    -------
    callable
        The decorator.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.append(PortalRoute(method, re.compile(pattern), function, permission, public))
        return function

    return register
