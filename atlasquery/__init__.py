"""Time-domain survey services for astronomers, in the style of astroquery.

``from atlasquery import Atlas`` gives a client of the ATLAS Transient Server,
``AtlasForced`` one of the ATLAS forced photometry server, ``Alerce`` one of the
ALeRCE broker, ``LCCServer`` one of the servers of light curve collections, and
``SkyPortal`` one of a SkyPortal instance, that take `~astropy.coordinates.SkyCoord` and
`~astropy.units.Quantity` and return tables and light curves with units.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlasquery.alerce import Alerce, AlerceClass
    from atlasquery.atlas import Atlas, AtlasClass, AtlasSource
    from atlasquery.forcedphot import AtlasForced, AtlasForcedClass, ForcedJobs
    from atlasquery.hats import HatsLightCurves, check_hats, read_hats, to_hats
    from atlasquery.lccserver import LCCQuery, LCCServer, LCCServerClass
    from atlasquery.lightcurve import Alert, read_alert, read_alerts
    from atlasquery.lightcurve.combine import combine
    from atlasquery.regions.readers import read_region
    from atlasquery.sky.crossmatch import crossmatch
    from atlasquery.sky.find import find
    from atlasquery.sky.findings import Findings
    from atlasquery.sky.resolve import Resolved, resolve
    from atlasquery.sky.within import within
    from atlasquery.skyportal import SkyPortal, SkyPortalClass

    __citation__: str
    __version__: str

# Imported on first use (PEP 562), so that importing the package costs nothing.
_LAZY = {
    "Alerce": "atlasquery.alerce",
    "AlerceClass": "atlasquery.alerce",
    "Alert": "atlasquery.lightcurve",
    "Atlas": "atlasquery.atlas",
    "AtlasClass": "atlasquery.atlas",
    "AtlasForced": "atlasquery.forcedphot",
    "AtlasForcedClass": "atlasquery.forcedphot",
    "AtlasSource": "atlasquery.atlas",
    "Findings": "atlasquery.sky.findings",
    "ForcedJobs": "atlasquery.forcedphot",
    "HatsLightCurves": "atlasquery.hats",
    "LCCQuery": "atlasquery.lccserver",
    "LCCServer": "atlasquery.lccserver",
    "LCCServerClass": "atlasquery.lccserver",
    "Resolved": "atlasquery.sky.resolve",
    "SkyPortal": "atlasquery.skyportal",
    "SkyPortalClass": "atlasquery.skyportal",
    "check_hats": "atlasquery.hats",
    "combine": "atlasquery.lightcurve.combine",
    "crossmatch": "atlasquery.sky.crossmatch",
    "find": "atlasquery.sky.find",
    "read_alert": "atlasquery.lightcurve",
    "read_alerts": "atlasquery.lightcurve",
    "read_hats": "atlasquery.hats",
    "read_region": "atlasquery.regions.readers",
    "resolve": "atlasquery.sky.resolve",
    "to_hats": "atlasquery.hats",
    "within": "atlasquery.sky.within",
}

# Written out, as type checkers and editors read it; `_LAZY` has the same names.
__all__ = [
    "Alerce",
    "AlerceClass",
    "Alert",
    "Atlas",
    "AtlasClass",
    "AtlasForced",
    "AtlasForcedClass",
    "AtlasSource",
    "Findings",
    "ForcedJobs",
    "HatsLightCurves",
    "LCCQuery",
    "LCCServer",
    "LCCServerClass",
    "Resolved",
    "SkyPortal",
    "SkyPortalClass",
    "__citation__",
    "__version__",
    "check_hats",
    "combine",
    "crossmatch",
    "find",
    "read_alert",
    "read_alerts",
    "read_hats",
    "read_region",
    "resolve",
    "to_hats",
    "within",
]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("atlasquery")
    if name == "__citation__":
        from importlib.resources import files

        return files("atlasquery").joinpath("CITATION.bib").read_text()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
