"""Definitions of columns in a file: their types, and from descriptions units, times, roles."""

import contextlib
import functools
import json
import re
from dataclasses import dataclass

import astropy.units as u

from atlasquery.service.inputs import MJD_0

__all__ = ["Definition", "TimeSystem", "definitions"]

# The first characters of numpy's names of types.
KINDS = {"f": float, "i": int, "u": int, "b": bool, "?": bool, "U": str, "S": str, "a": str}
NAMED_KINDS = {"float": float, "double": float, "int": int, "bool": bool, "str": str}
# Units in brackets that astropy does not know.
WORDS = {
    "J2000 decimal degrees": u.deg,
    "decimal degrees": u.deg,
    "degrees": u.deg,
    "days": u.day,
    "seconds": u.s,
    "pixels": u.pix,
    "px": u.pix,
}
BRACKETS = re.compile(r"\[([^\[\]]{1,40})\]")
NUMBER = r"2[34]\d{5}(?:\.\d+)?"
JULIAN = re.compile(r"julian date|\b[BHMR]?JD(?:_?(?:TDB|UTC|TT|TAI))?\b|\bB[KT]JD\b", re.I)
# "JD = 2400000.0 + RJD" and "BJD - 2454833".
OFFSETS = (
    re.compile(rf"=\s*({NUMBER})\s*\+"),
    re.compile(rf"JD\w*\s*[-\u2212]\s*({NUMBER})"),
    re.compile(rf"=[^=]*\+\s*({NUMBER})"),
)
# The dates that Kepler's and TESS's own Julian dates, BKJD and BTJD, count from.
MISSIONS = {"K": 2454833.0, "T": 2457000.0}
SCALES = ("tdb", "utc", "tai", "tt")
ERROR = re.compile(r"\b(errors?|err|uncertaint(?:y|ies)|sigma|standard deviation|scatter)\b", re.I)
APERTURE = re.compile(r"\bapertures?\s+#?([\w.]+)", re.I)


@dataclass(frozen=True)
class TimeSystem:
    """The system of a column of times.

    Parameters
    ----------
    offset : float
        What is added to the numbers for a Julian date, in days.
    scale : str
        The time scale.
    stated : bool
        Whether the file names the scale.
    position : str
        Position for which the times are: ``"barycentre"``, ``"heliocentre"`` or ``"observatory"``.
    """

    offset: float
    scale: str
    stated: bool
    position: str


@dataclass(frozen=True)
class Definition:
    """One column of a file.

    Parameters
    ----------
    name : str
        Its name.
    kind : type or None
        `float`, `int`, `str` or `bool`; None if the file does not say.
    unit : `~astropy.units.UnitBase` or None
        Its unit.
    about : str
        The server's description.
    aperture : str
        The aperture that it was measured in, if any.
    role : str
        ``"time"``, ``"mag"``, ``"mag_err"``, ``"band"``, ``"exposure_time"`` or nothing.
    times : TimeSystem or None
        The system of its times.
    """

    name: str
    kind: type | None
    unit: u.UnitBase | None
    about: str
    aperture: str
    role: str
    times: TimeSystem | None

    @property
    def ab(self) -> bool:
        """Whether the file says that it holds AB magnitudes."""
        return bool(re.search(r"\bAB\b", self.about))


@functools.lru_cache(maxsize=64)
def definitions(text: str) -> tuple[Definition, ...]:
    """Read the definitions of columns in the header of a file.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    tuple of Definition
        In the order of the columns.

    Raises
    ------
    ValueError
        If it is not JSON, or the columns are not numbered from 0.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, dict) or not found:
        raise ValueError("the definitions of columns should be a JSON object")
    entries = {name: e if isinstance(e, dict) else {} for name, e in found.items()}
    numbers = {name: entry.get("colnum", n) for n, (name, entry) in enumerate(entries.items())}
    if sorted(numbers.values(), key=str) != sorted(range(len(numbers)), key=str):
        raise ValueError(f"the columns are not numbered from 0 to {len(numbers) - 1}: {numbers}")
    return tuple(
        _definition(name, entries[name]) for name in sorted(numbers, key=lambda name: numbers[name])
    )


def _definition(name: str, entry: dict) -> Definition:
    desc = entry.get("desc")
    about = desc if isinstance(desc, str) else ""
    kind = _kind(entry.get("dtype"))
    times = _time_system(about) if kind is float else None
    role = _role(about, kind) if times is None else "time"
    unit = u.day if times else _unit(about)
    if unit is None and role in ("mag", "mag_err"):
        unit = u.mag
    named = APERTURE.search(about)
    aperture = named[1].rstrip(".") if named else name.rpartition("_")[2] if "_" in name else ""
    return Definition(name, kind, unit, about, aperture, role, times)


def _kind(dtype: object) -> type | None:
    text = dtype.lstrip("<>=|") if isinstance(dtype, str) else ""
    for named, kind in NAMED_KINDS.items():
        if text.startswith(named):
            return kind
    return KINDS.get(text[:1]) if re.fullmatch(r"[a-zA-Z?]\d*", text) else None


def _role(about: str, kind: type | None) -> str:
    words = about.lower()
    if kind is float and re.search(r"\bmag(nitude)?s?\b", words):
        return "mag_err" if ERROR.search(words) else "mag"
    if kind is float and re.search(r"\bexposure time\b", words):
        return "exposure_time"
    if kind is str and re.search(r"\b(filter|passband|bandpass|band)\b", words):
        return "band"
    return ""


def _unit(about: str) -> u.UnitBase | None:
    for inside in BRACKETS.findall(about):
        if inside.strip() in WORDS:
            return WORDS[inside.strip()]
        with contextlib.suppress(ValueError, TypeError):
            return u.Unit(re.sub(r"\be-", "electron", inside.strip()))
    return None


def _time_system(about: str) -> TimeSystem | None:
    """Return the system of times, if a description is that of times."""
    if not JULIAN.search(about) or ERROR.search(about):
        return None
    # The server's own descriptions write "Baryocentric".
    barycentric = re.search(r"\bBJD|\bB[KT]JD|bar[iy]o?centric", about, re.I)
    heliocentric = re.search(r"\bHJD|heliocentric", about, re.I)
    stated = [s for s in SCALES if re.search(rf"(?:\b|_){s}\b", about, re.I)]
    position = "barycentre" if barycentric else "heliocentre" if heliocentric else "observatory"
    scale = stated[0] if stated else "tdb" if barycentric else "utc"
    offset = next((float(m[1]) for rule in OFFSETS if (m := rule.search(about))), None)
    if offset is None and (named := re.search(r"\bB([KT])JD\b", about)):
        offset = MISSIONS[named[1]]
    if offset is None:
        modified = re.search(r"\bMJD\b|modified julian", about, re.I)
        reduced = re.search(r"\bRJD\b|reduced julian", about, re.I)
        offset = MJD_0 if modified else 2400000.0 if reduced else 0.0
    return TimeSystem(offset, scale, bool(stated), position)
