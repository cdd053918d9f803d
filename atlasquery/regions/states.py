"""Regions as plain values, for files that keep a search."""

from typing import Any

import numpy as np

from atlasquery.regions.moc import Moc
from atlasquery.regions.region import Region
from atlasquery.regions.shapes import Circle, Ellipse, Polygon, Shape, Union, Without

__all__ = ["region_of_state", "state_of_region"]


def state_of_region(region: Region) -> dict:
    """Return what a file keeps of a region.

    Parameters
    ----------
    region : Region
        The region.

    Returns
    -------
    dict
        Plain values, which JSON keeps exactly.
    """
    if isinstance(region, Shape):
        return region.state
    moc = region.moc()
    ranges = np.asarray(moc.to_depth29_ranges, dtype=np.uint64).tolist()
    return {"kind": "moc", "ranges": ranges, "order": int(moc.max_order), "name": region.name}


def region_of_state(state: dict[str, Any]) -> Region:
    """Return a region from what a file has kept of it.

    Parameters
    ----------
    state : dict
        What `state_of_region` returns.

    Returns
    -------
    Region
        The same region.

    Raises
    ------
    ValueError
        If it is not a region.
    """
    kind = state["kind"]
    if kind == "moc":
        ranges = np.array(state["ranges"], dtype=np.int64).reshape(-1, 2)
        return Moc(ranges, state["order"], name=state["name"])
    return _shape(state)


def _shape(state: dict[str, Any]) -> Shape:
    kind = state["kind"]
    if kind == "circle":
        return Circle(state["ra"], state["dec"], state["arcsec"])
    if kind == "ellipse":
        width, height = state["axes"]
        return Ellipse(state["ra"], state["dec"], (width, height), state["angle"])
    if kind == "polygon":
        return Polygon(np.array(state["ra"]), np.array(state["dec"]), state["name"])
    if kind not in ("without", "union"):
        raise ValueError(f"{kind!r} is not a kind of region")
    parts = [_shape(part) for part in state["parts"]]
    return Without(state["name"], *parts) if kind == "without" else Union(parts)
