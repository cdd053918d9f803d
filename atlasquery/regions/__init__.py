"""Regions of the sky: shapes, polygons, MOCs and probability sky maps, and what is inside."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlasquery.regions.moc import Moc, read_moc
    from atlasquery.regions.readers import read_region
    from atlasquery.regions.region import Region
    from atlasquery.regions.skymap import SkyMap

# Imported on first use (PEP 562): clients need none of it before the first region.
_LAZY = {
    "Moc": "atlasquery.regions.moc",
    "Region": "atlasquery.regions.region",
    "SkyMap": "atlasquery.regions.skymap",
    "read_moc": "atlasquery.regions.moc",
    "read_region": "atlasquery.regions.readers",
}

__all__ = ["Moc", "Region", "SkyMap", "read_moc", "read_region"]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
