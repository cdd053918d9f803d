"""Questions about one sky: what stands above the services and asks all of them."""

from atlasquery.sky.find import find
from atlasquery.sky.findings import Findings
from atlasquery.sky.resolve import Resolved, resolve

__all__ = ["Findings", "Resolved", "find", "resolve"]
