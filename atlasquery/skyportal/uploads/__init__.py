"""Uploads of photometry and spectra: rows, requests, the outcome of each row, and undo."""

from atlasquery.skyportal.uploads import photometry, spectra

__all__ = ["photometry", "spectra"]
