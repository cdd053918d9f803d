"""Embedded servers of all services to develop and test against, on one synthetic sky.

`Sandbox` answers the API of the ATLAS Transient Server over HTTP on loopback, with the real
server's quirks, and with ``services="all"`` also those of ATLAS forced photometry, ALeRCE, an
LCC-Server and SkyPortal. It shares no code with the clients of atlasquery.

Examples
--------
>>> from atlasquery.sandbox import Sandbox
>>> sandbox = Sandbox(services="all").use()  # doctest: +SKIP
"""

try:
    import cheroot  # noqa: F401
    import werkzeug  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the sandbox needs {error.name}: pip install 'atlasquery[sandbox]'", name=error.name
    ) from error

from .atlas.accounts import Account
from .atlas.application import Exchange
from .sandbox import SERVICES, Sandbox

__all__ = ["SERVICES", "Account", "Exchange", "Sandbox"]
