"""What all queries to SkyPortal share: the token, the pace, the envelope, the errors."""

import contextlib
import dataclasses
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from atlasquery.exceptions import LoginError, NotFoundError, RemoteServiceError, TableParseError
from atlasquery.service import ServiceQuery
from atlasquery.service.astroquery_request import DAMAGED
from atlasquery.service.credentials import Credentials, store_in_keyring
from atlasquery.service.http_errors import is_envelope, is_page, server_message
from atlasquery.service.inputs import check_secret_text
from atlasquery.service.pace import PaceGate, pace_of
from atlasquery.service.query import Payload
from atlasquery.service.quota import Limit
from atlasquery.service.secrets import NoAuth, Secret, TokenAuth
from atlasquery.service.transport import Policy, exchange
from atlasquery.skyportal import conf as settings
from atlasquery.skyportal.payloads.values import as_json, params_of
from atlasquery.tables import Rows, check_times

__all__ = [
    "EnvelopeError",
    "SkyPortalQuery",
    "open_envelope",
]


class EnvelopeError(RemoteServiceError):
    """An error that the server itself has written into its envelope: it did not do what was asked.

    A response that is no envelope at all, such as a page of a gateway, says nothing of that.
    """


class _ResponseEnvelope(msgspec.Struct):
    # A newer server may have other keys, which are left alone.
    status: Any = None
    message: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def open_envelope(body: bytes) -> bytes:
    """Return the data of a response, still as JSON.

    Parameters
    ----------
    body : bytes
        The response: ``{"status": "success", "data": ..., "version": ...}``.

    Returns
    -------
    bytes
        What stands under ``data``; ``null`` where a success has none.

    Raises
    ------
    EnvelopeError
        If it is an error, whatever its HTTP status.
    TableParseError
        If it is no envelope.
    """
    envelope = msgspec.json.decode(body, type=_ResponseEnvelope)
    if envelope.status in ("error", "fail"):
        raise EnvelopeError(
            f"SkyPortal answered with an error: {envelope.message}",
            service="SkyPortal",
            reason=str(envelope.message),
        )
    if envelope.data is msgspec.UNSET:
        if envelope.status != "success":
            raise TableParseError("it has neither status nor data", service="SkyPortal")
        return b"null"
    return bytes(envelope.data)


# Never cached or logged: see docs/servers/skyportal.rst, "The profile lists all tokens".
PROFILE = "internal/profile"
# They may bring along what opens something else: the account at a telescope, the key of a
# service, the word by which it delivers results.
UNSTORED = re.compile(
    r"internal/.*|(allocation|analysis_service)(/.*)?|obj/([^/]+/)?analysis(/\d+)?", re.I
)
# What a route says of an id that it does not know, by status.
UNKNOWN = {
    400: (
        "Invalid ID",
        "Invalid object ID",
        "No instrument with ID",
        "Could not load instrument",
        "Cannot find ObservingRun",
        "Could not find a PhotStat",
        "Comment has no attachment",
        "Comment resource ID does not match",
    ),
    403: (
        "Insufficient permissions",
        "Cannot access this Analysis",
        "Could not find any accessible comments",
    ),
}


class _ProfileAuth(TokenAuth):
    """Signs the question for the profile, of whose response no word is shown."""

    def conceal(self, words: bytes) -> bytes:
        """Return other words: those of the server may be tokens."""
        return b"(not quoted)"


class TokenAccount(msgspec.Struct):
    """The account of a token.

    Parameters
    ----------
    id : int
        Its number.
    permissions : list of str
        What it may do; a token may have fewer of them.
    """

    # Of all that the profile has, these alone: the tokens in it are not decoded.
    id: int
    permissions: list[str] = []


class SkyPortalQuery(ServiceQuery):
    """Base of the queries to a SkyPortal instance.

    Parameters
    ----------
    server : str, optional
        The address of the instance, or of its API.
    token : str, optional
        A token of the user's; without one, what the instance shows to all is read.
    """

    service = "SkyPortal"
    title = "SkyPortal"
    environment = "ATLASQUERY_SKYPORTAL"
    conf = settings
    # See docs/servers/skyportal.rst, "The header is ``token``, lower case".
    token_scheme = "token"  # noqa: S105
    # See docs/servers/skyportal.rst, "Anonymous reading".
    login_required = False
    _checks_logins = True

    def __init__(self, server: str | None = None, token: str | None = None):
        # Wrapped at once: a traceback shows the variables of its frames.
        secret = Secret(token) if isinstance(token, str) else token
        del token
        super().__init__(server)
        check_secret_text("token", secret)
        self.name = "SkyPortal"
        self._judged = threading.local()
        # What this client has uploaded, by upload id.
        self._uploads: dict = {}
        if secret is not None:
            super().login(token=secret)

    @property
    def server(self) -> str:
        """The address of the API, ending in ``/api/``; read when it is used."""
        return _api(super().server)

    def login(
        self,
        *,
        token: str | None = None,
        config_file: str | os.PathLike | None = None,
        store: bool = False,
    ) -> bool:
        """Log in with a token, and ask the server whether it knows it.

        Parameters
        ----------
        token : str, optional
            A token, from the page of your profile. By default it comes from the
            environment variable ``ATLASQUERY_SKYPORTAL_TOKEN``, the configuration
            file or the keyring.
        config_file : path-like, optional
            A YAML file with ``token``, readable by its owner only; and ``base_url``,
            the server to use.
        store : bool, optional
            Whether to keep the token in the keyring of this machine. The default is to
            keep it in memory only.

        Returns
        -------
        bool
            True: a login that fails raises.

        Raises
        ------
        LoginError
            If the server does not know the token, or there is none.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.login()  # with the token of ATLASQUERY_SKYPORTAL_TOKEN
        True
        """
        with self._login_lock:
            super().login(token=token, config_file=config_file)
            credentials = self._credentials
            if not self._knows(credentials.token):
                self._forget()
                raise LoginError(
                    f"SkyPortal at {self.server} does not know the token from {credentials.source} "
                    "(status 401). Copy it again from the page of your profile there; it may "
                    "have been deleted, or be of another instance.",
                    service=self.service,
                    status=401,
                    url=self.server + PROFILE,
                )
            self._accepted_token = credentials.token
            if store:
                store_in_keyring(self._keyring_name(), credentials)
        return True

    def _find(self, *args: Any, **kwargs: Any) -> Credentials:
        found = super()._find(*args, **kwargs)
        return dataclasses.replace(found, server=_api(found.server)) if found.server else found

    def _knows(self, token: Secret | None) -> bool:
        """Return whether the server knows a token.

        Its response lists all tokens of the user: nothing of it is kept or quoted.
        """
        status, kind = self._ask_profile(token)
        if status in (200, 401) and "json" in kind.lower():
            return status == 200
        raise RemoteServiceError(
            f"SkyPortal at {self.server} did not say whether it knows the token: it answered "
            f"{PROFILE} with status {status}, {kind or 'no content type'}. Is conf.server the "
            "address of its API?",
            service=self.service,
            status=status,
            url=self.server + PROFILE,
        )

    def _ask_profile(self, token: Secret | None) -> tuple[int, str]:
        try:
            response = self._profile(token)
        except RemoteServiceError as error:
            if error.status is None:
                raise
            return error.status, "which is no word on it"
        return response.status_code, response.headers.get("Content-Type", "")

    def _profile(self, token: Secret | None) -> requests.Response:
        """Return the profile, which lists all tokens of the user: for no log, store or error."""
        return exchange(
            self._session,
            self.service,
            Policy.from_conf(self.conf),
            self._gate(token, "GET"),
            repeat=True,
            method="GET",
            url=self.server + PROFILE,
            auth=_ProfileAuth(token, self.token_scheme) if token else NoAuth(),
            headers={"Accept": "application/json"},
        )

    def _account_of_token(self) -> "TokenAccount":
        """Return the account that the token is of, as the server says now."""
        _, token = self._auth(required=True)
        response = self._profile(token)
        status = response.status_code
        account = _decode_account(response.content) if status == 200 else None
        del response
        if account is None:
            raise RemoteServiceError(
                f"SkyPortal at {self.server} did not say whose the token is: it answered {PROFILE} "
                f"with status {status}.",
                service=self.service,
                status=status,
                url=self.server + PROFILE,
            )
        return account

    def _gate(self, token: Secret | None, method: str) -> PaceGate:
        rate = self.conf.requests_per_second
        if self._uncounted or rate <= 0:
            return PaceGate(self._clock, None)
        # By the token: see docs/servers/skyportal.rst, "Five requests a second".
        account = self._account(token, Limit(0, 1.0))
        return PaceGate(self._clock, pace_of(account, 1.0 / rate, self.conf.burst))

    @staticmethod
    def _is_final(response: requests.Response) -> bool:
        # An envelope is the response to a wrong request too: see docs/servers/skyportal.rst, "What
        # a status means". A page of a gateway is not, and may be gone at the next try.
        if response.status_code != 500:
            return False
        try:
            return is_envelope(msgspec.json.decode(response.content))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    def _renew(self, refused: Secret | None) -> bool:
        # A missing permission is a 401 too: see docs/servers/skyportal.rst, "What a status means".
        try:
            self._judged.known = self._knows(refused)
        except RemoteServiceError:
            return False
        return False if self._judged.known else super()._renew(refused)

    def _send_signed(self, method: str, url: str, **request: Any) -> tuple:
        self._judged.known = None
        try:
            return super()._send_signed(method, url, **request)
        except LoginError as error:
            if error.status == 401:
                refusal: LoginError = self._not_allowed(error, method)
            elif error.status == 403 and not is_page(error.reason):
                refusal = self._forbidden(error)
            else:
                raise
        raise refusal from None

    def _forbidden(self, error: LoginError) -> LoginError:
        """Return what a 403 means: the server has it for single objects and for bad input too."""
        return LoginError(
            f"SkyPortal refused the request at {error.url} (status 403): {error.reason} It answers "
            "so to what this account may not see or do, to what is not there, and to input that "
            "it cannot take; the login itself is known.",
            service=self.service,
            status=403,
            url=error.url,
            reason=error.reason,
        )

    def _not_allowed(self, error: LoginError, method: str) -> LoginError:
        """Return what a 401 means: no token, one that is not known, or a missing permission."""
        status = f"(status 401: {error.reason})"
        if self._judged.known:
            message = (
                f"The SkyPortal token from {self._credentials.source} is known to the server, but "
                f"does not have the permission for {method} {error.url} {status}. Ask an "
                "administrator of the instance, or create a token with that permission on the page "
                "of your profile."
            )
        elif not self._credentials.token:
            message = (
                f"This SkyPortal shows {error.url} to nobody without a token {status}. "
                f"{self._how_to_log_in(None)}"
            )
        else:
            doubt = ", or the permission is missing" if self._judged.known is None else ""
            message = (
                f"SkyPortal at {self.server} does not know the token{doubt} {status}. "
                f"{self._after_refusal()}"
            )
        return LoginError(
            message, service=self.service, status=401, url=error.url, reason=error.reason
        )

    def _how_to_log_in(self, username: str | None) -> str:
        return (
            f"Make a token on the page of your profile there, and call {self.name}.login(token=...)"
            f" or set {self.environment}_TOKEN."
        )

    def _after_refusal(self) -> str:
        return (
            f"It came from {self._credentials.source}. Copy it again from the page of your "
            "profile there; it may have been deleted, or be of another instance."
        )

    def _read(self, path: str, payload: dict, *, cache: bool | None = None, **how: Any) -> tuple:
        return super()._read(
            path, payload, cache=False if UNSTORED.fullmatch(path) else cache, **how
        )

    def _decode(self, response: requests.Response, decode: Callable, **how: Any) -> Any:
        context: dict[str, Any] = {
            "service": self.service,
            "status": response.status_code,
            "url": response.url,
        }
        try:
            return super()._decode(response, decode, **how)
        except TableParseError as error:
            path = response.url.partition("?")[0].removeprefix(self.server)
            if not UNSTORED.fullmatch(path):
                raise
            cause = error.__cause__
            # Its message would quote the response.
            failure: RemoteServiceError = TableParseError(
                f"SkyPortal answered {response.url} with something else than expected ({cause}). "
                "The response is not quoted: it may hold credentials.",
                **context,
            )
        except RemoteServiceError as error:
            if error.status is not None:
                raise
            cause, message = None, server_message(response)
            failure = EnvelopeError(
                f"SkyPortal answered {response.url} with an error (status "
                f"{response.status_code}): {message}",
                reason=message,
                **context,
            )
        # Out here, or the first error would still be held by this one.
        raise failure from cause

    def _fetch(
        self,
        path: str,
        params: dict | None = None,
        *,
        decode: Callable,
        lifetime: float | None = None,
        cache: bool | None = None,
        unknown: str = "",
    ) -> tuple:
        """Read from the server, and open the envelope.

        Parameters
        ----------
        path : str
            What is read, below the address of the API; ids in it are quoted by `in_path`.
        params : dict, optional
            By the server's names; see `params_of`.
        decode : callable
            Takes the data of the envelope as JSON, returns what the caller wants.
        lifetime : float, optional
            Seconds for which a cached response counts; ``conf.object_seconds`` by default.
        cache : bool, optional
            Whether cached responses are used.
        unknown : str, optional
            What is not there when the server reports that: ``"source ZTF24abc"``.

        Returns
        -------
        decoded : object
            What `decode` returned.
        when : float
            The Unix time at which the server answered.
        """

        def opened(body: bytes) -> object:
            found = decode(open_envelope(body))
            rows = found[0] if isinstance(found, tuple) else found
            if isinstance(rows, Rows):
                # Later nobody knows which answer it was, or what else was asked for with it.
                check_times(rows)
            return found

        with self._naming(unknown):
            return self._read(
                path,
                params_of(params or {}),
                decode=opened,
                lifetime=self.conf.object_seconds if lifetime is None else lifetime,
                cache=cache,
                method="GET",
            )

    def _query_payload(self, path: str, params: dict | None = None) -> Payload:
        """Return what a read sends: its ``url``, and parameters by the server's names."""
        return {"url": self.server + path, **params_of(params or {})}

    @contextlib.contextmanager
    def _naming(self, unknown: str) -> Iterator[None]:
        """Name what the server does not have in the error."""
        try:
            yield
        except (RemoteServiceError, LoginError) as error:
            if unknown and self._says_unknown(error):
                raise NotFoundError(
                    f"SkyPortal has no {unknown}, or none that this account may see (status "
                    f"{error.status}: {error.reason})",
                    service=self.service,
                    status=error.status,
                    url=error.url,
                    reason=error.reason,
                ) from None
            raise

    @staticmethod
    def _says_unknown(error: RemoteServiceError | LoginError) -> bool:
        reason = error.reason or ""
        if error.status == 404:
            # A page is of another server, or of another address than the API's.
            return not is_page(reason)
        return any(words in reason for words in UNKNOWN.get(error.status or 0, ()))

    def _change(
        self, method: str, path: str, payload: object = None, *, dry_run: bool = False
    ) -> Any:
        """Change something on the server: sent once, repeated only where it was not taken.

        Parameters
        ----------
        method : {"POST", "PUT", "PATCH", "DELETE"}
            The HTTP method.
        path : str
            What is changed, below the address of the API.
        payload : object, optional
            What is sent as JSON; arrays and times are turned into it, NaN is refused.
        dry_run : bool, optional
            Whether to send nothing, and return what would be sent.

        Returns
        -------
        object
            The data of the response, decoded; for a dry run a dict with ``method``,
            ``url`` and ``json``.
        """
        body = None if payload is None else as_json(payload)
        if dry_run:
            return {"method": method, "url": self.server + path, "json": body}
        try:
            response = self._write(path, body, method=method, json=True)
        finally:
            # Cached responses may be outdated now, even after a timeout.
            self._store.clear()
        return self._decode(response, lambda text: msgspec.json.decode(open_envelope(text)))


def _decode_account(body: bytes) -> TokenAccount | None:
    try:
        return msgspec.json.decode(open_envelope(body), type=TokenAccount)
    except (*DAMAGED, RemoteServiceError, TableParseError):
        # Its message would quote the profile.
        return None


def _api(address: str) -> str:
    """Return the address of the API of an instance whose own address was given."""
    address = address if address.endswith("/") else address + "/"
    return address + "api/" if urlsplit(address).path == "/" else address
