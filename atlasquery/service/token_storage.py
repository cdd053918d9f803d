"""Put a new token where the user keeps the login: a keyring, or a file with a token in it."""

import contextlib
import glob
import os
import re
import stat
import tempfile
from pathlib import Path

import keyring
import yaml

from atlasquery.service.credentials import (
    FROM_KEYRING,
    LAST_USER,
    TOKEN_ACCOUNT,
    Credentials,
)
from atlasquery.service.log import log
from atlasquery.service.secrets import Secret, without_frames

__all__ = ["save_token"]


def save_token(service: str, found: Credentials, token: Secret) -> None:
    """Put a token in place of the one it follows, where the user chose to keep that.

    Parameters
    ----------
    service : str
        The name under which a keyring holds the login.
    found : Credentials
        The login as it was found. That of an environment or of arguments is kept nowhere.
    token : Secret
        The new token.
    """
    if found.source == FROM_KEYRING:
        # A keyring that is locked by now keeps what it has.
        with contextlib.suppress(Exception):
            if keyring.get_password(service, LAST_USER) == found.username:
                keyring.set_password(service, TOKEN_ACCOUNT, token.reveal())
    elif found.token_file is not None:
        try:
            _rewrite(found.token_file, found, token)
        except (OSError, ValueError, yaml.YAMLError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            log.warning(f"The new token was not written to {found.token_file}: {why}")
        except BaseException as error:
            without_frames(error)
            raise


def _rewrite(path: Path, found: Credentials, token: Secret) -> None:
    """Write a configuration file anew, whole or not at all, with all else that it has."""
    path = path.resolve()
    about = path.stat()
    if os.name == "posix" and about.st_uid != os.geteuid():
        raise PermissionError(1, "it belongs to another user")
    text = path.read_text()
    content = yaml.safe_load(text)
    before = found.token.reveal() if found.token else None
    now = (content.get("token") or "").strip("\r\n") or None
    if (content.get("username"), now) != (found.username, before):
        # Somebody has written another login there.
        return
    wanted = {**content, "token": token.reveal()}
    # Line by line where that will do, so that comments stay.
    new = re.sub(r"(?m)^token[ \t]*:.*$", f"token: '{token.reveal()}'", text, count=1)
    with contextlib.suppress(yaml.YAMLError):
        if yaml.safe_load(new) != wanted:
            new = yaml.safe_dump(wanted, sort_keys=False)
    # Files of our own alone: another program's may begin with the same name.
    prefix = f".{path.name}.atlasquery-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*.part"):
        # Of a process that was ended while it wrote: there is a token in it.
        with contextlib.suppress(OSError):
            left.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".part")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(new)
        # Nobody else may read a file that we write a token to.
        Path(temporary).chmod(stat.S_IMODE(about.st_mode) & 0o700)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
