"""All that a server knows of an object: numbers, periods, pictures, and how it is shown."""

import json
from dataclasses import dataclass, field
from html import escape
from numbers import Real

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from atlasquery.exceptions import TableParseError
from atlasquery.lccserver.base import LCCServerQuery
from atlasquery.lccserver.catalogue import check_collections, read_collections
from atlasquery.lccserver.curve_files import check_objectid
from atlasquery.lccserver.light_curves import one_name
from atlasquery.lccserver.pictures import LCCPicture, decode_picture
from atlasquery.redaction import safe_text
from atlasquery.tables import Column, Rows, build_table, float_of
from atlasquery.tables.html import (
    Markup,
    control_free,
    definitions,
    grid,
    plain_text,
    position_text,
)

__all__ = ["FoldedCurve", "LCCObject", "decode_object", "get_object", "object_html", "object_text"]

# See docs/servers/lccserver.rst, "Single objects"; a server may have further ones.
MOST_FOLDED = 20
PERIOD = (
    Column("method", str, about="Method that found the period.", required=True),
    Column("rank", int, about="Its rank among the periods of the method; 0 is the best.",
           required=True),
    Column("period", unit=u.day, about="Period."),
    Column("epoch", unit=u.day, about="Time of phase 0, a Julian date in the light curve's own "
           "system; masked where the server has folded no light curve with it."),
)  # fmt: skip

# Magnitudes to show: those of most catalogues.
MAGNITUDES = ("gaiamag", "sdssg", "sdssr", "sdssi", "jmag", "hmag", "kmag")
SHOWN_PERIODS = 5
# Values of ``objectisvar``, which is null if nobody has looked.
VARIABILITY = {"1": "variable", "2": "not variable", "3": "not clear whether variable"}
IMAGE = "max-width:100%;width:360px;height:auto;margin:2px"


@dataclass(frozen=True)
class FoldedCurve:
    """A light curve folded with a period, as the server has drawn it.

    Parameters
    ----------
    method : str
        The method that found the period.
    period : `~astropy.units.Quantity`
        The period.
    epoch : float or None
        The Julian date of phase 0, in the system of the light curve.
    picture : LCCPicture or None
        The drawing.
    """

    method: str
    period: u.Quantity
    epoch: float | None
    picture: LCCPicture | None

    def _repr_png_(self) -> bytes | None:
        return None if self.picture is None else self.picture.data


@dataclass
class LCCObject:
    """The data of an LCC-Server about an object, with its pictures.

    A notebook shows it.

    Parameters
    ----------
    objectid, collection : str
        Its names.
    info : dict
        Entries of catalogues, under the names of the server; None where nothing is known.
    variability : dict
        Its variability: ``objectisvar``, ``vartags``, ``varisperiodic``,
        ``varperiod`` (d), ``varepoch``, and ``features``, numbers by name.
    periods : `~astropy.table.Table`
        The periods that were found: ``method``, ``rank``, ``period`` and ``epoch`` (d).
    finding_chart : LCCPicture or None
        The sky around it.
    magnitude_series : LCCPicture or None
        Its magnitudes against time.
    periodograms : dict of str to LCCPicture
        By method.
    folded : list of FoldedCurve
        Light curves folded with the best periods.
    comments : str
        Comments of users.
    meta : dict
        The origin of the data.
    """

    objectid: str
    collection: str
    info: dict
    variability: dict
    periods: Table
    finding_chart: LCCPicture | None = None
    magnitude_series: LCCPicture | None = None
    periodograms: dict[str, LCCPicture] = field(default_factory=dict)
    folded: list[FoldedCurve] = field(default_factory=list)
    comments: str = ""
    meta: dict = field(default_factory=dict)

    @property
    def coordinates(self) -> SkyCoord | None:
        """The position; None if the server does not have it."""
        ra, dec = (float_of(self.info.get(name)) for name in ("ra", "decl"))
        known = abs(ra) <= 360 and abs(dec) <= 90
        return SkyCoord(ra, dec, unit="deg") if known else None

    @property
    def pictures(self) -> list[LCCPicture]:
        """The pictures, all of them."""
        folded = [curve.picture for curve in self.folded]
        found = [self.finding_chart, self.magnitude_series, *self.periodograms.values(), *folded]
        return [picture for picture in found if picture is not None]

    def __repr__(self) -> str:
        return safe_text(
            f"<LCCObject {self.objectid} of {self.collection}: {len(self.periods)} periods, "
            f"{len(self.pictures)} pictures>"
        )

    def __str__(self) -> str:
        return object_text(self)

    def _repr_html_(self) -> str:
        return object_html(self)


def get_object(
    self: LCCServerQuery,
    objectid: str,
    collection: str,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> LCCObject:
    """Fetch the data of the server about an object, with its pictures.

    Parameters
    ----------
    objectid : str
        The name of the object, as in the column ``objectid`` of searches.
    collection : str
        Its collection.
    cache : bool, optional
        Whether a cached response is used, for ``conf.cache_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing else: the description of
        the collections, against which names are checked, is read if it is not cached.

    Returns
    -------
    LCCObject
        ``info``, ``variability``, ``periods`` (a table), and as pictures
        ``finding_chart``, ``magnitude_series``, ``periodograms`` (by method) and
        ``folded``. A notebook shows it, and each picture.

    Raises
    ------
    InvalidQueryError
        If there is no such collection.
    NotFoundError
        If the server has no page of it: the object is unknown, or was never looked at
        for periods. It may still have a light curve.

    References
    ----------
    ``GET /api/object`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> star = LCCServer.get_object("SYA-0000001", "synth_alpha")
    >>> star.periods["period"].unit
    Unit("d")
    """
    name = check_objectid(objectid)
    # An unknown collection is a status 500: see docs/servers/lccserver.rst, "Single objects".
    (chosen,) = check_collections(one_name(collection), read_collections(self, cache=None))
    params = {"objectid": name, "collection": chosen}
    if get_query_payload:
        return self._payload("api/object", params)
    found, when = self._fetch(
        "api/object",
        params,
        decode=lambda result: decode_object(result, name, chosen),
        cache=cache,
        unknown=f"a page of {name} in {chosen}: the object is not known, or the server has "
        "never looked for its periods (then get_light_curve has its light curve)",
    )
    found.meta = self._meta(when, query="get_object")
    return found


def decode_object(result: bytes | msgspec.Raw, objectid: str, collection: str) -> LCCObject:
    """Decode the data of a server about an object.

    Parameters
    ----------
    result : bytes
        The result of ``/api/object``.
    objectid, collection : str
        The names requested.

    Returns
    -------
    LCCObject
        With pictures that are PNG images.

    Raises
    ------
    TableParseError
        If it is of another object, or of another form.
    """
    entry = _decode(result)
    if not isinstance(entry, dict):
        raise TableParseError(f"the data about {objectid} are not a JSON object")
    if entry.get("objectid") != objectid:
        raise TableParseError(f"{entry.get('objectid')!r:.100} came in place of {objectid}")
    sent = entry.get("pfmethods") or []
    listed = [str(name) for name in sent] if isinstance(sent, list) else []
    methods = [name for name in listed if isinstance(entry.get(name), dict)]
    folded = [curve for name in methods for curve in _folded(entry[name], name)]
    periodograms = {
        name: decode_picture(entry[name].get("periodogram"), f"periodogram, {name}")
        for name in methods
    }
    return LCCObject(
        objectid,
        collection,
        _dict(entry, "objectinfo"),
        _dict(entry, "varinfo"),
        _periods({name: entry[name] for name in methods}, folded),
        decode_picture(entry.get("finderchart"), "finding chart"),
        decode_picture(entry.get("magseries"), "magnitude series"),
        {name: picture for name, picture in periodograms.items() if picture is not None},
        folded,
        str(entry.get("objectcomments") or ""),
    )


def _decode(result: bytes | msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(result)
    except msgspec.DecodeError as error:
        # The server writes NaN, which is not JSON.
        try:
            return json.loads(bytes(result), parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            raise TableParseError(f"the data about an object could not be read: {error}") from error


def _dict(entry: dict, name: str) -> dict:
    value = entry.get(name)
    return value if isinstance(value, dict) else {}


def _folded(method: dict, name: str) -> list[FoldedCurve]:
    """Return the folded light curves of a method, best first."""
    found = []
    for n in range(MOST_FOLDED):
        curve = method.get(f"phasedlc{n}")
        if not isinstance(curve, dict):
            continue
        period = _number(curve.get("period"))
        about = f"light curve folded with {period:.6g} d, {name}"
        epoch = _number(curve.get("epoch"))
        found.append(
            FoldedCurve(
                name,
                period * u.day,
                None if np.isnan(epoch) else epoch,
                decode_picture(curve.get("plot"), about),
            )
        )
    return found


def _periods(methods: dict[str, dict], folded: list[FoldedCurve]) -> Table:
    """Return the periods of all methods."""
    epochs = {(curve.method, float(curve.period.value)): curve.epoch for curve in folded}
    rows: list[tuple] = []
    for name, entry in methods.items():
        listed = entry.get("nbestperiods")
        values = [_number(value) for value in listed] if isinstance(listed, list) else []
        best = _number(entry.get("bestperiod"))
        if not np.isnan(best) and best not in values:
            values.insert(0, best)
        for rank, period in enumerate(values):
            epoch = epochs.get((name, period))
            rows.append((name, rank, period, np.nan if epoch is None else epoch))
    names, ranks, periods, times = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = Rows(length=len(rows), counts=[len(rows)])
    arrays: tuple[np.ndarray, ...] = (
        np.array(names, str if rows else "U1"),
        np.array(ranks, np.int64),
        np.array(periods, float),
        np.array(times, float),
    )
    for column, array in zip(PERIOD, arrays, strict=True):
        table.add(column, array, np.isnan(array) if array.dtype.kind == "f" else None)
    return build_table(table)


def _number(value: object) -> float:
    return float_of(value)


def object_text(found: "LCCObject") -> str:
    """Return the text of an object for a terminal.

    Parameters
    ----------
    found : LCCObject
        The object.

    Returns
    -------
    str
        A line for each property.
    """
    rows = {**_facts(found), "Pictures": ", ".join(p.about for p in found.pictures)}
    width = max(map(len, rows))
    lines = [f"{name:>{width}}  {value}" for name, value in rows.items() if value]
    lines.insert(0, f"{found.objectid} of {found.collection}")
    return "\n".join(map(control_free, lines))


def object_html(found: "LCCObject") -> str:
    """Return the HTML of an object for a notebook.

    Parameters
    ----------
    found : LCCObject
        The object.

    Returns
    -------
    str
        HTML, in which all text of the server is escaped, and the pictures are PNG images.
    """
    title = f"{found.objectid} of {found.collection}"
    parts: list[str] = [definitions(_facts(found), title=title)]
    if len(found.periods):
        rows = [(row["method"], row["rank"], f"{row['period']:.7g}") for row in found.periods]
        parts.append(grid(("Method", "Rank", "Period (d)"), rows, title="Periods"))
    parts.append(f"<div>{''.join(map(_image, found.pictures))}</div>")
    return "".join(parts)


def _image(picture: "LCCPicture") -> Markup:
    about = escape(picture.about)
    return Markup(f'<img src="{picture.address}" alt="{about}" title="{about}" style="{IMAGE}">')


def _facts(found: "LCCObject") -> dict[str, str]:
    """Return the properties of an object, as strings that are not escaped."""
    position, info, features = found.coordinates, found.info, found.variability.get("features")
    features = features if isinstance(features, dict) else {}
    magnitudes = [f"{name} {info[name]:.3f}" for name in MAGNITUDES if _known(info.get(name))]
    spread = [
        f"{name} {features[name]:.4g}"
        for name in ("median", "mad", "stdev", "amplitude", "stetsonj")
        if _known(features.get(name))
    ]
    return {
        "Position": "" if position is None else position_text(position),
        "Measurements": _words(info.get("ndet")),
        "Magnitudes": ", ".join(magnitudes),
        "Main SIMBAD name": _words(info.get("simbad_best_mainid")),
        "Tags": _words(info.get("objecttags")),
        "Variability": _variability(found.variability),
        "Spread": ", ".join(spread),
        "Periods": _best_periods(found),
        "Comments": _words(found.comments),
    }


def _variability(info: dict) -> str:
    verdict = VARIABILITY.get(str(info.get("objectisvar")))
    return ", ".join(filter(None, (verdict, _words(info.get("vartags")))))


def _best_periods(found: "LCCObject") -> str:
    best = found.periods[:SHOWN_PERIODS]
    return ", ".join(f"{row['period']:.6g} d ({row['method']})" for row in best)


def _known(value: object) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and bool(np.isfinite(float_of(value)))


def _words(value: object) -> str:
    return "" if value is None else plain_text(str(value))
