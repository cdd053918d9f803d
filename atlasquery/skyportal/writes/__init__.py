"""Writes, a module for each thing that is written, and what they share (``changes``)."""

from atlasquery.skyportal.writes import analyses, assignments, followups, lists, notes, sources

__all__ = ["analyses", "assignments", "followups", "lists", "notes", "sources"]
