"""Regions of the sky: shapes, polygons, MOCs and sky maps."""

from atlasquery.regions.base import Region
from atlasquery.regions.region import read_region

__all__ = ["Region", "read_region"]
