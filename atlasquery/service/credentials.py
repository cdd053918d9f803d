"""Find the credentials of a service in the environment, a file, the keyring or by asking."""

import contextlib
import dataclasses
import getpass
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keyring
import keyring.errors
import yaml
from astroquery.utils import system_tools

from atlasquery.exceptions import AuthenticationWarning, InvalidQueryError
from atlasquery.service.secrets import Secret
from atlasquery.warn import warn

__all__ = ["Credentials", "find_credentials", "read_config_file", "store_in_keyring"]

# The account name under which a keyring holds a service's token.
TOKEN_ACCOUNT = "token"  # noqa: S105
LAST_USER = "last-username"
FROM_KEYRING = "the keyring"
FROM_ARGUMENTS, FROM_PROMPT = "the arguments", "the prompt"
# Sources that another process cannot read.
FROM_USER = (FROM_ARGUMENTS, FROM_PROMPT)


@dataclass(frozen=True)
class Credentials:
    """A token, or a user name with its password, or both.

    Parameters
    ----------
    username : str, optional
        The user's name.
    password : Secret, optional
        The password.
    token : Secret, optional
        The token.
    source : str, optional
        Where they were found, for messages.
    server : str, optional
        The server they are for, if a file names it.
    token_file : `~pathlib.Path`, optional
        The file that they are from, if it has a key ``token``.
    """

    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    source: str = FROM_ARGUMENTS
    server: str | None = None
    token_file: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.token or (self.username and self.password))


def find_credentials(
    prefix: str,
    service: str,
    *,
    username: str | None = None,
    config_file: str | os.PathLike | None = None,
    prompt: bool = False,
) -> Credentials:
    """Look for credentials in the environment, a configuration file, the keyring, or ask.

    Parameters
    ----------
    prefix : str
        The start of the environment variables, such as ``ATLASQUERY_ATLAS``.
    service : str
        The name under which they are in the keyring.
    username : str, optional
        The user to find a password for.
    config_file : path-like, optional
        A YAML file with ``token``, or ``username`` and ``password``.
    prompt : bool, optional
        Whether to ask, if a person is at a terminal or in a notebook.

    Returns
    -------
    Credentials
        Credentials; false if nothing was found.
    """
    found = _from_environment(prefix, username)
    named = username or found.username
    if not found and config_file:
        found = read_config_file(config_file, username)
    if not found:
        found = _from_keyring(service, named or found.username)
    if not found and prompt:
        found = _from_person(service, username or found.username)
    return found


def _from_environment(prefix: str, username: str | None) -> Credentials:
    user = os.environ.get(f"{prefix}_USERNAME") or None
    # Credentials of the environment's user are useless for another user.
    if username and user and username != user:
        return Credentials(username)
    return _credentials(
        {
            "username": username or user,
            "password": os.environ.get(f"{prefix}_PASSWORD"),
            "token": None if username and not user else os.environ.get(f"{prefix}_TOKEN"),
        },
        "the environment",
    )


def read_config_file(path: str | os.PathLike, username: str | None = None) -> Credentials:
    """Read credentials from a YAML file.

    Parameters
    ----------
    path : path-like
        The file, with ``token``, or ``username`` and ``password``, and the server
        as ``base_url`` if it is not the one configured.
    username : str, optional
        The user to find a password for.

    Returns
    -------
    Credentials
        The credentials in the file.

    Raises
    ------
    InvalidQueryError
        If there is no such file, or it is not a YAML mapping.
    """
    path = Path(path).expanduser()
    try:
        readable = stat.S_IMODE(path.stat().st_mode) & 0o077
        found, wrong = _parse(path)
    except OSError as error:
        raise InvalidQueryError(
            f"config_file={str(path)!r} cannot be read: {error.strerror}"
        ) from error
    if wrong:
        raise InvalidQueryError(f"config_file={str(path)!r} {wrong}")
    if readable and os.name == "posix":
        warn(
            f"{path} can be read by others: chmod 600 {path}",
            AuthenticationWarning,
        )
    if not username or username == found.username:
        return found
    if found.username:
        return Credentials(username)
    # A token whose user is unknown is useless for a user who was named.
    return dataclasses.replace(found, username=username, token=None)


def _parse(path: Path) -> tuple[Credentials, str]:
    """Return the credentials in a file, or what is wrong with it, without quoting it.

    Nothing is raised here: the parser's error quotes the line, which may be
    the one with the password, and tracebacks show the variables of a function.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, ValueError, RecursionError):
        return Credentials(), "is not YAML"
    if not isinstance(content, Mapping):
        return Credentials(), "should have lines such as 'token: ...' or 'username: ...'"
    for key in ("username", "password", "token", "base_url"):
        if not isinstance(content.get(key), str | None):
            # YAML reads 0123 as 83, and yes as true.
            return Credentials(), f"should have the {key} in quotes"
    found = _credentials(content, str(path))
    file = path.absolute() if "token" in content else None
    return dataclasses.replace(found, server=content.get("base_url"), token_file=file), ""


def _from_keyring(service: str, username: str | None) -> Credentials:
    # A missing or locked keyring is not an error; each backend has different exceptions.
    with contextlib.suppress(Exception):
        last = keyring.get_password(service, LAST_USER)
        named, username = username, username or last
        found = {
            "username": username,
            "password": keyring.get_password(service, username) if username else None,
            # The token belongs to the last user, or to one whose name is unknown.
            "token": (
                keyring.get_password(service, TOKEN_ACCOUNT) if named in (None, last) else None
            ),
        }
        return _credentials(found, FROM_KEYRING)
    return Credentials(username)


def _from_person(service: str, username: str | None) -> Credentials:
    if not person_present():
        return Credentials(username)
    try:
        username = username or input(f"User name for {service}: ").strip()
        password = getpass.getpass(f"Password of {username} for {service}: ")
    except (EOFError, NotImplementedError, RuntimeError):
        # A notebook that runs unattended has a front end but no person.
        return Credentials(username)
    return _credentials({"username": username, "password": password}, FROM_PROMPT)


def person_present() -> bool:
    """Return whether a person can answer a question.

    Returns
    -------
    bool
        True at a terminal and in a notebook.
    """
    with contextlib.suppress(AttributeError, ValueError):
        if sys.stdin.isatty() and sys.stderr.isatty():
            return True
    return system_tools.in_ipynb()


def store_in_keyring(service: str, credentials: Credentials) -> None:
    """Store credentials in the user's keyring.

    Parameters
    ----------
    service : str
        The name under which they are stored.
    credentials : Credentials
        The credentials to store.

    Raises
    ------
    InvalidQueryError
        If this machine has no working keyring.
    """
    try:
        # First, so that a process that ends in between leaves no token with another user's name.
        _forget(service, TOKEN_ACCOUNT)
        if credentials.username and credentials.password:
            name, password = credentials.username, credentials.password
            keyring.set_password(service, name, password.reveal())
            keyring.set_password(service, LAST_USER, name)
        else:
            _forget(service, LAST_USER)
        if credentials.token:
            # In addition to the password, so that not each program has to log in.
            keyring.set_password(service, TOKEN_ACCOUNT, credentials.token.reveal())
        return
    except Exception as error:
        reason = type(error).__name__
    # Raised outside the except clause, since a backend's error may quote the password.
    raise InvalidQueryError(
        "store=True needs a keyring, and this machine has no working one "
        f"({reason}): use the environment or config_file instead"
    )


def _forget(service: str, account: str) -> None:
    """Remove credentials of an earlier login, so that the two are not combined."""
    with contextlib.suppress(keyring.errors.PasswordDeleteError):
        keyring.delete_password(service, account)


def _credentials(found: Mapping, source: str) -> Credentials:
    def secret(name: str) -> Secret | None:
        # Files and shells may add a line break at the end.
        return Secret(found[name].strip("\r\n")) if found.get(name) else None

    username = found.get("username")
    return Credentials(
        str(username) if username else None, secret("password"), secret("token"), source
    )
