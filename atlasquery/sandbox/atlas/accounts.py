"""Users, groups and tokens of the sandbox, and how a request shows who sends it."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from .database import Database
from .responses import RefusedError, ServerError

__all__ = ["Account", "Accounts", "User"]

_DAY = 86400.0
_CENTURY = 36500 * _DAY
_LONG_AGO = 1577836800.0  # 2020-01-01
# Life of the tokens of users without a group.
_DEFAULT_LIFE = _DAY

_GROUPS = {
    "api_read": {"write_access": False, "token_life": _CENTURY},
    "api_write": {"write_access": True, "token_life": _CENTURY},
    "api_read_short": {"write_access": False, "token_life": _DAY},
    "no_profile_group": None,
}
# User: group, staff, active, has a token, its token is old.
_USERS = {
    "reader": ("api_read", False, True, True, False),
    "reader2": ("api_read", False, True, True, False),
    "writer": ("api_write", False, True, True, False),
    "expired": ("api_read_short", False, True, True, True),
    "staff": (None, True, True, True, False),
    "nogroup": (None, False, True, True, False),
    "badgroup": ("no_profile_group", False, True, True, False),
    "inactive": ("api_read", False, False, True, False),
    "notoken": ("api_read", False, True, False, False),
}


@dataclass(frozen=True)
class Account:
    """A user as the sandbox shows it.

    Attributes
    ----------
    username : str
        Name of the user.
    password : str
        Its password.
    token : str or None
        Its present token.
    """

    username: str
    password: str = field(repr=False)
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class User:
    """A user as the server sees it.

    Attributes
    ----------
    id : int
        Number of the user.
    username : str
        Name of the user.
    is_staff, is_active : bool
        Rights.
    group : str or None
        Name of the group.
    has_profile, write_access : bool
        What the group's profile says.
    token_life : float
        Seconds that tokens of the user live.
    """

    id: int
    username: str
    is_staff: bool
    is_active: bool
    group: str | None
    has_profile: bool
    write_access: bool
    token_life: float

    @property
    def may_write(self) -> bool:
        """Whether the write endpoints are open to the user."""
        return self.write_access or self.is_staff


class Accounts:
    """The users and their tokens.

    Parameters
    ----------
    database : Database
        Where they are kept.
    now : callable
        The server's clock, in seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float]):
        self._database = database
        self._now = now

    def create(self, seed: int) -> None:
        """Create the users, with tokens made from the seed.

        Parameters
        ----------
        seed : int
            Seed of the tokens.
        """
        profiles = [
            (
                name,
                profile is not None,
                *(profile or {"write_access": False, "token_life": _DAY}).values(),
            )
            for name, profile in _GROUPS.items()
        ]
        names, has_profile, write_access, token_life = zip(*profiles, strict=True)
        self._database.insert("groups", {
            "name": names, "has_profile": has_profile, "write_access": write_access,
            "token_life": token_life,
        })  # fmt: skip
        for number, (name, (group, staff, active, has_token, old)) in enumerate(_USERS.items(), 1):
            self._database.insert("users", {
                "id": [number], "username": [name], "password": [f"{name}-password"],
                "group": [group], "is_staff": [staff], "is_active": [active],
            })  # fmt: skip
            if has_token:
                key = hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:40]
                self._store(key, number, _LONG_AGO if old else self._now())

    def all(self) -> dict[str, Account]:
        """Return the users by name, each with its present token.

        Returns
        -------
        dict of str to Account
            The users.
        """
        rows = self._database.fetch(
            "select username, password, key from users left join tokens on user_id = id order by id"
        )
        return {name: Account(name, password, key) for name, password, key in rows}

    def authenticate(self, authorization: str, query_token: str | None) -> User | None:
        """Find who sends a request.

        Parameters
        ----------
        authorization : str
            The Authorization header.
        query_token : str or None
            The ``token`` of the query, which is tried when there is no such header.

        Returns
        -------
        User or None
            The user, None when the request shows no credentials.

        Raises
        ------
        RefusedError
            The credentials are wrong, with the server's message.
        """
        words = authorization.split()
        if words and words[0].lower() == "token":
            if len(words) == 1:
                raise _denied("Invalid token header. No credentials provided.")
            if len(words) > 2:
                raise _denied("Invalid token header. Token string should not contain spaces.")
            return self._of_token(words[1])
        if not query_token:
            return None
        if not re.match(r"^\w+$", query_token):
            raise _denied("Invalid token format.")
        return self._of_token(query_token)

    def check_basic(self, authorization: str) -> User | None:
        """Find who sends a request with HTTP Basic credentials (on auth-token/ only).

        Parameters
        ----------
        authorization : str
            The Authorization header.

        Returns
        -------
        User or None
            The user, None without such credentials.

        Raises
        ------
        RefusedError
            The credentials are wrong.
        """
        words = authorization.split()
        if len(words) != 2 or words[0].lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(words[1]).decode().partition(":")
        except ValueError:
            name = password = ""
        user = self._of_password(name, password)
        if user is None:
            raise RefusedError(403, "Invalid username/password.")
        return user

    def renew(self, username: str, password: str) -> dict | None:
        """Log in: give the present token, or a new one when it has expired.

        Parameters
        ----------
        username, password : str
            Credentials.

        Returns
        -------
        dict or None
            The server's reply; None when the credentials are wrong.

        Raises
        ------
        ServerError
            The user's group has no profile, which the server trips over.
        """
        user = self._of_password(username, password)
        if user is None:
            return None
        with self._database.lock:
            found = self._database.fetch(
                "select key, created from tokens where user_id = ?", (user.id,)
            )
            fresh = not found
            key, created = found[0] if found else (secrets.token_hex(20), self._now())
            if fresh:
                self._store(key, user.id, created)
            if not user.has_profile:
                raise ServerError("the group of the user has no profile")
            if self._now() - created > user.token_life:
                self._database.execute("delete from tokens where user_id = ?", (user.id,))
                key, created, fresh = secrets.token_hex(20), self._now(), True
                self._store(key, user.id, created)
        expires_in = user.token_life - (self._now() - created)
        return {"token": key, "expires_in": expires_in, "refreshed": fresh}

    def expire(self, token: str) -> None:
        """Let a token expire.

        Parameters
        ----------
        token : str
            The token.

        Raises
        ------
        ValueError
            There is no such token.
        """
        found = self._database.fetch("select user_id from tokens where key = ?", (token,))
        if not found:
            raise ValueError("token: no user of the sandbox has this token")
        created = self._now() - self._user_of(found[0][0]).token_life - 1
        self._database.execute("update tokens set created = ? where key = ?", (created, token))

    def _store(self, key: str, user_id: int, created: float) -> None:
        self._database.insert("tokens", {"key": [key], "user_id": [user_id], "created": [created]})

    def _user(self, *, number: int | None = None, name: str | None = None) -> User | None:
        rows = self._database.fetch(
            'select u.id, u.username, u.is_staff, u.is_active, u."group", g.has_profile,'
            ' g.write_access, g.token_life from users u left join groups g on g.name = u."group"'
            " where u.id = ? or u.username = ?",
            (number, name),
        )
        if not rows:
            return None
        user_id, username, staff, active, group, has_profile, write_access, life = rows[0]
        return User(
            user_id, username, bool(staff), bool(active), group,
            has_profile=group is None or bool(has_profile), write_access=bool(write_access),
            token_life=_DEFAULT_LIFE if group is None else life,
        )  # fmt: skip

    def _user_of(self, number: int) -> User:
        """Return the user of a token, whose row refers to one."""
        user = self._user(number=number)
        assert user is not None  # noqa: S101
        return user

    def _of_password(self, username: str, password: str) -> User | None:
        user = self._user(name=username)
        if user is None or not user.is_active:
            return None
        expected = self._database.fetch("select password from users where id = ?", (user.id,))
        return user if secrets.compare_digest(expected[0][0].encode(), password.encode()) else None

    def _of_token(self, key: str) -> User:
        found = self._database.fetch("select user_id, created from tokens where key = ?", (key,))
        if not found:
            raise _denied("Invalid token.")
        user, created = self._user_of(found[0][0]), found[0][1]
        if not user.is_active:
            raise _denied("User inactive or deleted.")
        if not user.has_profile:
            raise _denied(
                "Could not authenticate: Group has no profile. Please contact administrator."
            )
        # Tokens of staff never expire.
        if not user.is_staff and self._now() - created > user.token_life:
            raise _denied("Token has expired.")
        return user


def _denied(words: str) -> RefusedError:
    return RefusedError(401, words)
