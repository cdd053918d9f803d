"""The metadata of light curves as text: what all share once, and of each what differs."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.misc import yaml

__all__ = ["POSITION", "SharedMeta", "read_meta"]

# The item of a value that JSON has no form for, and that of the position.
YAML, POSITION = "__yaml__", "__position__"


class SharedMeta:
    """The metadata of the first light curve, and of each other one what differs from it.

    Parameters
    ----------
    meta : mapping
        The metadata of the first.
    """

    def __init__(self, meta: Mapping):
        self.lost: set[str] = set()
        self.items = self._plain(meta)

    def difference(self, meta: Mapping) -> str:
        """Return what a light curve has that differs from the first.

        Parameters
        ----------
        meta : mapping
            Its metadata.

        Returns
        -------
        str
            JSON; empty if nothing differs.
        """
        plain, shared = self._plain(meta), self.items
        changed = {k: v for k, v in plain.items() if k not in shared or shared[k] != v}
        absent = [key for key in shared if key not in plain]
        if not changed and not absent:
            return ""
        return json.dumps({"set": changed} | ({"unset": absent} if absent else {}))

    def _plain(self, meta: Mapping) -> dict:
        plain = {}
        for key, value in meta.items():
            if key == "coordinates" and isinstance(value, SkyCoord) and value.isscalar:
                # It is in the columns ra and dec.
                plain[key] = {POSITION: True}
                continue
            try:
                plain[str(key)] = _plain_value(value)
            except Exception:  # Classes unknown to YAML raise different exceptions.
                self.lost.add(f"{key!r} ({type(value).__name__})")
        return plain


def _plain_value(value: Any) -> Any:
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, (np.integer, np.floating, np.bool_, np.str_)):
        return value.item()
    if type(value) in (list, dict):
        items = value.values() if isinstance(value, dict) else value
        keys = value if isinstance(value, dict) else ()
        if all(type(key) is str for key in keys):
            plain = [_plain_value(item) for item in items]
            return dict(zip(keys, plain, strict=True)) if isinstance(value, dict) else plain
    return {YAML: yaml.dump(value)}


def read_meta(shared: Mapping, difference: str | None, position: SkyCoord | None) -> dict:
    """Return the metadata of a light curve.

    Parameters
    ----------
    shared : mapping
        ``items`` of `SharedMeta`.
    difference : str or None
        What it has that differs.
    position : `~astropy.coordinates.SkyCoord` or None
        Its position.

    Returns
    -------
    dict
        The metadata.
    """
    known = json.loads(difference) if difference else {}
    unset = set(known.get("unset", ()))
    items = {key: value for key, value in shared.items() if key not in unset}
    items |= known.get("set", {})
    meta = {key: _value(value, position) for key, value in items.items()}
    return {key: value for key, value in meta.items() if key != "coordinates" or value is not None}


def _value(value: Any, position: SkyCoord | None) -> Any:
    if isinstance(value, dict):
        if YAML in value:
            return yaml.load(value[YAML])
        if POSITION in value:
            return position
        return {key: _value(item, position) for key, item in value.items()}
    return [_value(item, position) for item in value] if isinstance(value, list) else value
