"""Point a client to a server of the sandbox through its configuration."""

import contextlib
from collections.abc import Iterator

from atlasquery.sandbox.alerce.server import AlerceSandbox


@contextlib.contextmanager
def configured(server: AlerceSandbox) -> Iterator[AlerceSandbox]:
    """Let ``atlasquery.alerce.conf`` have the addresses of a server."""
    from atlasquery.alerce import conf

    with contextlib.ExitStack() as stack:
        for name, value in server.settings().items():
            stack.enter_context(conf.set_temp(name, value))
        yield server
