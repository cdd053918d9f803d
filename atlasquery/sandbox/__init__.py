"""An embedded ATLAS Transient Server to develop and test against.

`Sandbox` answers the whole API of the real server over HTTP on loopback, with a synthetic
sky, and with the real server's quirks. It shares no code with the clients of atlasquery.

Examples
--------
>>> from atlasquery.sandbox import Sandbox
>>> box = Sandbox().start()  # doctest: +SKIP
>>> box.url, box.token  # doctest: +SKIP
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
from .atlas.server import Sandbox

__all__ = ["Account", "Exchange", "Sandbox"]
