"""Events of the General Coordinates Network, their sky maps, and the galaxies in them."""

from atlasquery.skyportal.events import galaxies, gcn_events

__all__ = ["galaxies", "gcn_events"]
