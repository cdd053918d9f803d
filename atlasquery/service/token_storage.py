"""Store a renewed token where the user stored the login: the keyring, or a file with a token."""

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
    """Replace a stored token by a renewed one.

    Parameters
    ----------
    service : str
        The name of the login in the keyring.
    found : Credentials
        The login as it was found. One from the environment or arguments is not stored.
    token : Secret
        The new token.
    """
    if found.source == FROM_KEYRING:
        # A keyring that is locked meanwhile is not changed.
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
    """Replace the token in a configuration file atomically, and keep its other content."""
    path = path.resolve()
    about = path.stat()
    if os.name == "posix" and about.st_uid != os.geteuid():
        raise PermissionError(1, "it belongs to another user")
    text = path.read_text()
    content = yaml.safe_load(text)
    before = found.token.reveal() if found.token else None
    now = (content.get("token") or "").strip("\r\n") or None
    if (content.get("username"), now) != (found.username, before):
        # The file has another login by now.
        return
    wanted = {**content, "token": token.reveal()}
    # By replacing the line if that is sufficient, so that comments stay.
    new = re.sub(r"(?m)^token[ \t]*:.*$", f"token: '{token.reveal()}'", text, count=1)
    with contextlib.suppress(yaml.YAMLError):
        if yaml.safe_load(new) != wanted:
            new = yaml.safe_dump(wanted, sort_keys=False)
    # Only our files: those of another program may start with the same name.
    prefix = f".{path.name}.atlasquery-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*.part"):
        # From a process that ended while writing: the file has a token.
        with contextlib.suppress(OSError):
            left.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".part")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(new)
        # Only the owner may read a file with a token.
        Path(temporary).chmod(stat.S_IMODE(about.st_mode) & 0o700)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
