"""Text and HTML of objects of ATLAS, for terminals and notebooks."""

import re
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import numpy as np

from atlasquery.lightcurve.sparkline import sparkline
from atlasquery.tables.html import (
    Markup,
    control_free,
    definitions,
    link,
    plain_text,
    position_text,
)

if TYPE_CHECKING:
    from astropy.timeseries import TimeSeries

    from atlasquery.atlas.source import AtlasSource

__all__ = ["source_html", "source_text"]

_many = msgspec.json.Decoder(list[msgspec.Raw] | None)


def source_text(source: "AtlasSource") -> str:
    """Return the description of an object for a terminal.

    Parameters
    ----------
    source : AtlasSource
        The object.

    Returns
    -------
    str
        A line for each known property.
    """
    rows = {"ATLAS id": str(source.atlas_id), **_facts(source)}
    width = max(map(len, rows))
    lines = [f"{name:>{width}}  {value}" for name, value in rows.items() if value]
    return "\n".join([control_free(source._title()), *map(control_free, lines)])


def source_html(source: "AtlasSource") -> str:
    """Return the description of an object for a notebook.

    Parameters
    ----------
    source : AtlasSource
        The object.

    Returns
    -------
    str
        HTML, in which the server's strings are escaped.
    """
    page = object_page(source)
    identifier = link(page, str(source.atlas_id)) if page else str(source.atlas_id)
    rows = {"ATLAS id": identifier, **_facts(source), "Links": _links(source)}
    return definitions(rows, title=source._title(), top=sparkline(source.light_curve))


def object_page(source: "AtlasSource") -> str:
    """Return the address of the server's page of an object.

    Parameters
    ----------
    source : AtlasSource
        The object.

    Returns
    -------
    str
        The address; empty if it is not known.
    """
    # The pages are next to the API: .../sne/atlas4/candidate/1103337110432157700/
    base, api, _ = str(source._meta.get("server", "")).rpartition("api/")
    return f"{base}candidate/{source.atlas_id}/" if api else ""


def _facts(source: "AtlasSource") -> dict[str, str]:
    """Return the known properties of an object, as strings that are not escaped."""
    lc = source.light_curve
    return {
        "Position": position_text(source.coordinates) if source._has_position() else "",
        "Sherlock": _sherlock(source),
        "Nearest match": _nearest(source),
        "TNS": _tns(source),
        "Other names": _other_names(source),
        "Comments": plain_text(_text(source.info["comments"])),
        "Detections": _detections(lc),
        **_peak(lc),
        "Forced photometry": f"{_count(source, 'fp')} measurements",
    }


def _sherlock(source: "AtlasSource") -> str:
    kind = _text(source.info["sherlock_class"])
    table = source.sherlock_classifications
    why = plain_text(_text(table["annotation"][0])) if len(table) else ""
    return ": ".join(filter(None, (kind, why)))


def _nearest(source: "AtlasSource") -> str:
    matches = source.sherlock_crossmatches
    separations = np.ma.filled(np.ma.asarray(matches["separation"]).astype(float), np.nan)
    if not np.isfinite(separations).any():
        return ""
    match = matches[int(np.nanargmin(separations))]
    parts = [
        f"{_text(match['catalogue_id'])} ({_text(match['catalogue'])})",
        f"{float(match['separation']):.2f} arcsec",
    ]
    if redshift := _text(match["redshift"]):
        parts.append(f"z = {float(redshift):.4g}")
    count = f"; {len(matches)} matches in all" if len(matches) > 1 else ""
    return ", ".join(parts) + count


def _tns(source: "AtlasSource") -> str:
    found = source.tns_crossmatches
    entries = []
    for row in islice(found, 3):
        parts = [_text(row["name"]), _text(row["type"])]
        if separation := _text(row["separation"]):
            parts.append(f"{float(separation):.2f} arcsec")
        entries.append(", ".join(filter(None, parts)))
    return "; ".join(entries)


def _other_names(source: "AtlasSource") -> str:
    names = (_text(name) for name in source.external_crossmatches["name"])
    return ", ".join(islice(dict.fromkeys(filter(None, names)), 8))


def _detections(lc: "TimeSeries") -> str:
    found = lc[lc["detection"]]
    text = f"{len(found)}, and {len(lc) - len(found)} exposures without"
    if len(found):
        first, last = (time.to_value("iso", subfmt="date") for time in found.time[[0, -1]])
        text += f"; {first} to {last} (UTC)"
    return text


def _peak(lc: "TimeSeries") -> dict[str, str]:
    mag = np.where(lc["mag"].mask, np.nan, lc["mag"].unmasked.value)
    if not np.isfinite(mag).any():
        return {}
    row = lc[int(np.nanargmin(mag))]
    date = row["time"].to_value("iso", subfmt="date")
    return {"Brightest": f"{row['band']} = {float(np.nanmin(mag)):.2f} mag, {date}"}


def _links(source: "AtlasSource") -> Markup:
    """Return links to pages about an object; no address is taken from the server alone."""
    found = {}
    if page := object_page(source):
        found["ATLAS"] = page
    if re.fullmatch(r"\d{4}[a-z]+", name := _text(source.info["tns_name"]), re.IGNORECASE):
        found["TNS"] = f"https://www.wis-tns.org/object/{quote(name)}"
    if source._has_position():
        position = source.coordinates
        ra, dec = f"{position.ra.deg:.6f}", f"{position.dec.deg:.6f}"
        where = quote(f"{ra}d{position.dec.deg:+.6f}d", safe="")
        found["SIMBAD"] = (
            f"https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={where}&Radius=10&Radius.unit=arcsec"
        )
        found["NED"] = (
            "https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search"
            f"&ra={ra}d&dec={dec}d&radius=0.5&in_csys=Equatorial&in_equinox=J2000.0"
        )
        found["Legacy Surveys"] = (
            f"https://www.legacysurvey.org/viewer?ra={ra}&dec={dec}&zoom=15&mark={ra},{dec}"
        )
    return Markup(" · ".join(link(address, name) for name, address in found.items()))


def _count(source: "AtlasSource", product: str) -> int:
    """Return the number of rows of a product, without decoding them."""
    return len(_many.decode(source._item.get(product, b"null")) or ())


def _text(value: object) -> str:
    """Return a value as a string, empty where it is masked."""
    return "" if getattr(value, "mask", False) else str(value)
