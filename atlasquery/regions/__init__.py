"""Regions of the sky: probability sky maps and MOCs, and the positions inside."""

from atlasquery.regions.moc import Moc, read_moc
from atlasquery.regions.skymap import SkyMap

__all__ = ["Moc", "SkyMap", "read_moc"]
