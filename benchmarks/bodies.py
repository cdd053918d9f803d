"""Responses to decode: a real object if there is one, otherwise one of the sandbox."""

import gzip
import os
from pathlib import Path

__all__ = ["full_history"]

SHARED = Path(os.environ.get("ATLASQUERY_SHARED", Path(__file__).parents[2] / "shared"))


def full_history() -> tuple[bytes, str]:
    """Return an item of an ``objects/`` response with nine years of history, and its origin."""
    for path in sorted((SHARED / "data" / "atlas").glob("*_sn.json.gz")):
        return gzip.decompress(path.read_bytes()), f"a real object ({path.name})"
    from atlasquery.atlas import AtlasClass
    from atlasquery.sandbox import Sandbox

    with Sandbox(history="full") as box:
        atlas = AtlasClass(server=box.url)
        atlas.login(token=box.token)
        ids = [int(box.manifest["ids"]["supernova"][0])]
        body, _ = atlas._items(ids, cache=False, decode=lambda body: [body])
        return body[0].strip()[1:-1], "an object of the sandbox"
