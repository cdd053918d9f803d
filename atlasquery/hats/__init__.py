"""HATS catalogues: light curves of many objects for LSDB, and for any reader of Parquet."""

from atlasquery.hats.check import check_hats
from atlasquery.hats.reader import HatsLightCurves, read_hats, stack_frame
from atlasquery.hats.writer import to_hats

__all__ = ["HatsLightCurves", "check_hats", "read_hats", "stack_frame", "to_hats"]
