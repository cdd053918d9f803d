"""Keyrings for the tests: one that is a dictionary, one that fails."""

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class MemoryKeyring(KeyringBackend):
    """A keyring that is a dictionary."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


class FailingKeyring(KeyringBackend):
    """A keyring that nobody unlocks, or that has an exception of its own."""

    priority = 1

    def __init__(self, error=None):
        super().__init__()
        self.error = error or KeyringLocked("locked")

    def get_password(self, service, username):
        raise self.error

    set_password = delete_password = lambda self, service, username, password=None: (
        self.get_password(service, username)
    )
