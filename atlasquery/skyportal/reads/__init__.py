"""Reads, a module for each thing that is read, and how a search is read to its end."""

from atlasquery.skyportal.reads import (
    analyses,
    candidates,
    charts,
    followups,
    instance,
    lists,
    notes,
    photometry,
    sources,
    spectra,
)

__all__ = [
    "analyses",
    "candidates",
    "charts",
    "followups",
    "instance",
    "lists",
    "notes",
    "photometry",
    "sources",
    "spectra",
]
