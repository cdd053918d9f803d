"""Log in to a service, renew its tokens, and ask for a password only if a person is present."""

import dataclasses
import hashlib
import os
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import requests

from atlasquery.exceptions import InvalidQueryError, LoginError, QuotaError, RemoteServiceError
from atlasquery.service.address import checked_address, server_key
from atlasquery.service.clock import Clock
from atlasquery.service.conf import ServiceConf
from atlasquery.service.credentials import (
    FROM_ARGUMENTS,
    FROM_KEYRING,
    Credentials,
    find_credentials,
    read_config_file,
    store_in_keyring,
)
from atlasquery.service.files import cache_folder
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.inputs import check_secret_text, with_suggestions
from atlasquery.service.locks import alone
from atlasquery.service.log import log
from atlasquery.service.secrets import NoAuth, Secret, TokenAuth
from atlasquery.service.token_storage import save_token

__all__ = ["TokenLogin"]


class _TokenResponse(msgspec.Struct):
    token: str


class TokenLogin:
    """The login of services that exchange a user name and password for a token.

    A separate class, since the metaclass of astroquery replaces ``login`` in each class
    that defines ``_login``, by one that returns None.
    """

    service: str
    environment: str
    #: Path at which a user name and password are exchanged for a token; None if there is none.
    token_path: str | None = None
    #: The word before the token in the header of a request.
    token_scheme = "Token"  # noqa: S105
    #: Whether the login checks a token with the server.
    _checks_logins = False

    if TYPE_CHECKING:
        # ServiceQuery provides these.
        name: str
        conf: ServiceConf
        _authenticated: bool
        _clock: Clock
        _server: str | None

        @property
        def server(self) -> str:
            """The address of the server."""
            ...

        def _post_unsigned(self, path: str, payload: dict) -> requests.Response: ...

        def _refuse_plain_http(self) -> None: ...

    def __init__(self) -> None:
        super().__init__()
        self._credentials = Credentials()
        self._login_lock = ForkSafeLock(threading.RLock)
        # A token that could not be renewed; the other threads do not try again.
        self._dead_token: Secret | None = None
        # The token that the server has accepted, in a query or a login.
        self._accepted_token: Secret | None = None
        # A user who logged out is not logged in again automatically.
        self._logged_out = False
        # The configuration file of the present login, and the server that it names.
        self._file_of_login: str | os.PathLike | None = None
        self._server_of_file: str | None = None

    def _fetch_token(self, username: str, password: Secret) -> Secret:
        """Exchange a user name and password for a token, as Django's REST framework does."""
        if self.token_path is None:
            raise LoginError(f"{self.service} has no login by user name and password")
        payload = {"username": username, "password": password}
        try:
            response = self._post_login(self.token_path, payload)
        except RemoteServiceError as error:
            if error.status != 400:
                raise
            raise LoginError(
                f"{self.service} does not accept the password of {username!r}: {error.reason}",
                service=self.service,
                status=400,
                url=error.url,
                reason=error.reason,
            ) from None
        try:
            return Secret(msgspec.json.decode(response.content, type=_TokenResponse).token)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # The response may have a token, so it is not quoted.
            raise LoginError(
                f"{self.service} answered the login at {self.server}{self.token_path} without a "
                "token. Is conf.server the address of its API?",
                service=self.service,
            ) from None

    def _post_login(self, path: str, payload: dict) -> requests.Response:
        """Send a login; if the server limits logins, wait for a short time."""
        try:
            return self._post_unsigned(path, payload)
        except QuotaError as error:
            wait = error.retry_after
            if wait is not None and wait <= self.conf.max_wait:
                log.info(f"{self.service} accepts the next login in {wait:.0f} s: waiting")
                self._clock.wait(wait)
                return self._post_unsigned(path, payload)
            when = "" if wait is None else f" It accepts the next one in {wait:.0f} s."
            raise QuotaError(
                f"{self.service} accepts no further logins from this address for now (status 429): "
                f"{error.reason}{when} This is the limit of logins, not of requests: the survey's "
                "server allows 10 an hour. Log in less often: set "
                f"{self.environment}_TOKEN in addition to {self.environment}_USERNAME and "
                f"{self.environment}_PASSWORD, or store the login with login(store=True) or in a "
                "config_file that has a token. Or set conf.on_quota = 'wait'.",
                service=self.service,
                status=429,
                url=error.url,
                reason=error.reason,
                retry_after=wait,
            ) from None

    @with_suggestions
    def login(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        token: str | None = None,
        config_file: str | os.PathLike | None = None,
        store: bool = False,
    ) -> bool:
        """Log in to the service.

        Parameters
        ----------
        username : str, optional
            Your user name. Its password comes from the ``password`` argument, the
            environment, the configuration file, the keyring, or a prompt where a
            person is at a terminal.
        password : str, optional
            The password of `username`; better left out where others read your
            notebook or shell history.
        token : str, optional
            A token, in place of a user name. It is not checked here but by the next
            query; until then, the repr of the client says that it is not checked.
        config_file : path-like, optional
            A YAML file with ``token``, or ``username`` and ``password``; and
            ``base_url``, the server to use. The file of ``atlasapiclient`` has this form.
            If a token or a password is given too, only its ``base_url`` is used.
        store : bool, optional
            Whether to store the credentials, and the token that the server returned,
            in the keyring of this machine. The default is to keep them in memory only.

        Returns
        -------
        bool
            True: there is a login to use. One by user name and password that fails
            raises; a token may still be refused by the next query.

        Raises
        ------
        LoginError
            If the server refuses the password, or there are no credentials.
        """
        check_secret_text("username", username)
        given = Credentials(
            username,
            _secret("password", password),
            _secret("token", token),
        )
        if given.password and not given.username:
            raise InvalidQueryError("password is of no use without username")
        with self._login_lock:
            # A login starts from the configured server, not from that of an earlier file.
            self._forget()
            if config_file:
                # As an absolute path: the file is read again when its token expires.
                config_file = Path(config_file).expanduser().absolute()
            if given and config_file:
                # Arguments have priority over the file, except for the server.
                self._use_server_of(read_config_file(config_file))
            found = given or self._look_for(given.username, config_file, prompt=True)
            if not found:
                raise LoginError(self._how_to_log_in(given.username), service=self.service)
            if not found.token:

                def again() -> Credentials:
                    return given or self._look_for(given.username, config_file, prompt=False)

                found = self._with_token(found, again)
            if store:
                store_in_keyring(self._keyring_name(), found)
                if found.password:
                    # A renewed token is stored there too.
                    found = dataclasses.replace(found, source=FROM_KEYRING)
            self._adopt(found)
            self._file_of_login = None if given else config_file
            self._logged_out = False
            if found.token != self._accepted_token and not self._checks_logins:
                log.info(f"{self.service}: the token is not checked yet; the next query does")
        return True

    def _login(self, *args: Any, **kwargs: Any) -> bool:
        # Required by astroquery's abstract base class.
        return self.login(*args, **kwargs)

    def logout(self) -> None:
        """Forget the token and the password. The content of a keyring is not changed."""
        with self._login_lock:
            self._forget()
            self._logged_out = True

    def _forget(self) -> None:
        self._credentials, self._authenticated, self._dead_token = Credentials(), False, None
        self._file_of_login = self._server_of_file = None

    def _adopt(self, found: Credentials) -> None:
        # Bound to the present server: no other server may receive them.
        self._credentials = dataclasses.replace(found, server=self.server)
        self._authenticated, self._dead_token = bool(found), None

    def _look_for(
        self, username: str | None, config_file: str | os.PathLike | None, *, prompt: bool
    ) -> Credentials:
        found = self._find(username, config_file, prompt=prompt)
        self._use_server_of(found)
        return found

    def has_credentials(self) -> bool:
        """Return whether there are credentials to use: nothing is sent, and nobody is asked.

        Returns
        -------
        bool
            True after a login, or if the environment, the configuration file or the keyring has
            a token, or a user name and its password. The server may still refuse them.
        """
        with self._login_lock:
            if self._credentials and self._credentials.server == self.server:
                return True
            return not self._logged_out and bool(self._look_for(None, None, prompt=False))

    def _find(
        self, username: str | None, config_file: str | os.PathLike | None, *, prompt: bool
    ) -> Credentials:
        if config_file:
            return read_config_file(config_file, username)
        return find_credentials(
            self.environment,
            self._keyring_name(),
            username=username,
            config_file=self.conf.config_file,
            prompt=prompt,
        )

    def _use_server_of(self, found: Credentials) -> None:
        """Use the server that a file names, so that its token is sent nowhere else."""
        if not found.server:
            return
        named = checked_address(found.server, f"base_url in {found.source}")
        if self._server is None and not os.environ.get(f"{self.environment}_SERVER"):
            self._server_of_file = named
        elif named != self.server:
            raise InvalidQueryError(
                f"{found.source} has the login of {named}, but {self.name} is set to use "
                f"{self.server}: make another with {type(self).__name__}()"
            )

    def _keyring_name(self) -> str:
        # Separate for each server, so that a sandbox's password is not sent to the survey.
        return f"atlasquery:{self.name}:{self.server}"

    def _with_new_token(self, found: Credentials) -> Credentials:
        if found.username is None or found.password is None:
            raise LoginError(self._how_to_log_in(found.username), service=self.service)
        token = self._accepted_token = self._fetch_token(found.username, found.password)
        save_token(self._keyring_name(), found, token)
        return dataclasses.replace(found, token=token)

    def _with_token(self, found: Credentials, again: Callable) -> Credentials:
        """Return a login with its token, fetched now or by another process."""
        with self._alone(found.username):
            found = again() or found
            return found if found.token else self._with_new_token(found)

    def _alone(self, username: str | None) -> AbstractContextManager[bool]:
        """Lock for one process that fetches a token; the others then find the stored one."""
        whose = hashlib.sha256(f"{server_key(self.server)} {username or ''}".encode()).hexdigest()
        return alone(cache_folder() / f"{whose}.lock", self.conf.deadline)

    def _auth(self, *, required: bool) -> tuple[Callable, Secret | None]:
        """Return what signs a request, and the token that it uses."""
        with self._login_lock:
            if self._credentials and self._credentials.server != self.server:
                self._forget()
            if not self._credentials and not self._logged_out:
                found = self._look_for(None, None, prompt=False)
                if found and not found.token:
                    found = self._with_token(
                        found, lambda: self._look_for(None, None, prompt=False)
                    )
                self._adopt(found)
            token = self._credentials.token
            source = self._credentials.source
        if token:
            self._refuse_plain_http()
            if not re.fullmatch(r"[!-~]+", token.reveal()):
                # The error of http.client would show it.
                raise LoginError(
                    f"The {self.service} token from {source} has a space, a line break or another "
                    "invalid character. Copy it again.",
                    service=self.service,
                )
            return TokenAuth(token, self.token_scheme), token
        if required:
            raise LoginError(self._how_to_log_in(None), service=self.service)
        return NoAuth(), None

    def _renew(self, refused: Secret | None) -> bool:
        """Get a new token in place of one the server refused; true if there is another now."""
        with self._login_lock:
            current = self._credentials
            if current.token != refused:
                return True  # Another thread has renewed it.
            if refused == self._dead_token or current.server != self.server:
                return False
            with self._alone(current.username):
                return self._renew_alone(current, refused)

    def _renew_alone(self, current: Credentials, refused: Secret | None) -> bool:
        # Another process may have stored a new token where the old one was.
        found = self._renewable(current)
        if not current.password or (found and found.username == current.username):
            current = found
        if current.token and current.token != refused:
            self._adopt(current)
            return True
        if not (current.username and current.password):
            self._authenticated = False
            return False
        try:
            renewed = self._with_new_token(current)
        except LoginError:
            self._dead_token, self._authenticated = refused, False
            raise
        if renewed.token == refused:
            self._dead_token, self._authenticated = refused, False
            return False
        self._adopt(renewed)
        return True

    def _renewable(self, current: Credentials) -> Credentials:
        """Return the user's name and password, if they are stored with the token."""
        if current.source == FROM_ARGUMENTS:
            # A user who gave a token must not become another user when it expires.
            return current
        try:
            found = self._find(current.username, self._file_of_login, prompt=False)
            named = found.server and checked_address(found.server, f"base_url in {found.source}")
        except InvalidQueryError:
            # The file of the login was removed; the refusal of the server is what to report.
            return current
        # Without the name of a server, it is the configured one.
        same = named == current.server if named else self._server_of_file is None
        if found and not same:
            raise LoginError(
                f"{self.service} at {current.server} does not accept the token any more, and "
                f"{found.source} now has a login for {named or 'the server of conf.server'}, which "
                f"was not sent there. Call {self.name}.login() to change the server.",
                service=self.service,
                status=401,
            )
        return found

    def _how_to_log_in(self, username: str | None) -> str:
        who = f" for user {username!r}" if username else ""
        return (
            f"{self.service} needs a login, and no credentials were found{who}. Call "
            f"{self.name}.login(), or set {self.environment}_TOKEN, or {self.environment}_USERNAME "
            f"and {self.environment}_PASSWORD."
        )

    def _after_refusal(self) -> str:
        """Return advice for a user whose credentials were refused."""
        source = self._credentials.source
        return (
            f"They came from {source}. Log in again with {self.name}.login(), or set "
            f"{self.environment}_USERNAME and {self.environment}_PASSWORD so that an expired "
            "token is renewed automatically."
        )


def _secret(name: str, value: str | Secret | None) -> Secret | None:
    value = check_secret_text(name, value)
    return Secret(value) if isinstance(value, str) else value
