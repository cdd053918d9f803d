"""What each survey's time stamps, exposure times and sites are: facts, declared as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["SITES", "Site", "exposure_time_sent", "service_name"]


@dataclass(frozen=True)
class Site:
    """The place of a telescope.

    A kilometre changes barycentric times by 3 microseconds, so that positions to a
    kilometre are enough.

    Parameters
    ----------
    name : str
        The name of the observatory.
    longitude, latitude : float
        In degrees, east and north positive, geodetic (WGS84).
    height : float
        In metres.
    """

    name: str
    longitude: float
    latitude: float
    height: float


#: The sites by the survey and the first letters of the name of an exposure, empty for all. ATLAS
#: has five units; a survey or a unit that is not here is taken for the centre of the Earth, which
#: is at most 21 ms away.
SITES: Mapping[tuple[str, str], Site] = {
    ("atlas", "01a"): Site("Mauna Loa", -155.5761, 19.5362, 3427.0),
    ("atlas", "02a"): Site("Haleakala", -156.25701, 20.70755, 3047.0),
    ("atlas", "03a"): Site("Sutherland", 20.81, -32.38, 1800.0),
    ("atlas", "04a"): Site("El Sauce", -70.76, -30.47, 1600.0),
    ("atlas", "05r"): Site("Teide", -16.51, 28.30, 2390.0),
    ("ztf", ""): Site("Palomar", -116.863, 33.356, 1706.0),
    ("lsst", ""): Site("Cerro Pachon", -70.749417, -30.244633, 2647.0),
}
#: Number of letters of an exposure's name that tell the unit.
UNIT_LETTERS = 3

# What the clients of this package call themselves in meta["service"].
_SERVICES = {
    "ATLAS Transient Server": "atlas",
    "ATLAS Forced Photometry Server": "forcedphot",
    "ALeRCE broker": "alerce",
    "LCC-Server": "lccserver",
    "SkyPortal": "skyportal",
}
# Columns that only one kind of file has.
_ZTF_FORCED = "forcediffimflux"
_ATLAS_FORCED = "forced_id"
#: Exposure time that clients fill in where a service sends none: that of ATLAS and of ZTF's public
#: survey, and of most visits of LSST.
USUAL_EXPOSURE = 30.0
# Services whose rows have the exposure time that the survey measured.
_SENDING = frozenset({"atlas", "lccserver", "ztf_forced"})
# Names that uploaders give to forced photometry in SkyPortal.
FORCED_ORIGINS = ("fp", "forced", "forced_photometry", "forced photometry")


def service_name(lc: Any) -> str:
    """Return the short name of the service that sent a light curve.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve.

    Returns
    -------
    str
        ``"atlas"``, ``"forcedphot"``, ``"alerce"``, ``"lccserver"``, ``"skyportal"`` or
        ``"ztf_forced"``; what ``meta["service"]`` has of others, empty where there is nothing.
    """
    title = str(lc.meta.get("service", ""))
    if not title and _ZTF_FORCED in lc.columns:
        return "ztf_forced"
    return _SERVICES.get(title, title)


def is_forced_product(service: str, columns: Mapping) -> bool:
    """Return whether all rows of a light curve are forced photometry.

    Parameters
    ----------
    service : str
        The name of its service.
    columns : mapping
        Its columns.

    Returns
    -------
    bool
        False where a column ``forced`` tells it row by row.
    """
    return service == "forcedphot" or (service == "atlas" and _ATLAS_FORCED in columns)


def exposure_time_sent(service: str, columns: Mapping) -> bool:
    """Return whether a service sends the exposure time of each row.

    Parameters
    ----------
    service : str
        Its name.
    columns : mapping
        The columns of the light curve.

    Returns
    -------
    bool
        Where False, an exposure time of `USUAL_EXPOSURE` may be what the client filled in.
        ATLAS's Transient Server sends it, but not of forced photometry.
    """
    return service in _SENDING and not is_forced_product(service, columns)
