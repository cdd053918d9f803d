"""Objects that a user adds to the sandbox: chosen ids, light curves, scores and lists."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import cast

import numpy as np

from ..curves import KINDS, draw_curve
from ..positions import htm_id, object_id, offset
from ..sky import MJD_REF, PLACES, SEASON_DAYS, atlas_nights, nearest_pointings
from .annotations import CLASS_BITS, TNS
from .database import Database
from .dates import iso_dates
from .exposures import Exposures
from .photometry import measure

__all__ = ["NewObject", "insert_object"]

LARGEST_ID = 2**63 - 1
LISTS = 14
PROBABILITIES = ("preal", "pgal", "pfast")
RANKS = ("rank", "rank_alt1")
SCORES = (*PROBABILITIES, *RANKS, "is_gal_cand", "debug", "mjd", "username")


@dataclass
class NewObject:
    """An object to add; the parameters are those of `Sandbox.add_object`.

    Parameters
    ----------
    ra, dec : float or None
        The position in degrees.
    atlas_id : int, str or None
        The id.
    name, tns_name : str or None
        Its names.
    kind : str
        The family of its light curve.
    detections : sequence or None
        The detections, in place of those of the family.
    forced : bool
        Whether it has forced photometry.
    list_id : int or None
        The detection list.
    sherlock_class, spec_type : str or None
        What it is.
    vra_rank : float or None
        Its rank.
    vra_scores : sequence of mapping
        Its rows of scores.
    vra_todo : bool
        Whether it waits for the VRA.
    custom_lists : sequence of int or str
        The custom lists it is on.
    """

    ra: float | None = None
    dec: float | None = None
    atlas_id: int | str | None = None
    name: str | None = None
    tns_name: str | None = None
    kind: str = "supernova"
    detections: Sequence | None = None
    forced: bool = True
    list_id: int | None = 4
    sherlock_class: str | None = "SN"
    spec_type: str | None = None
    vra_rank: float | None = None
    vra_scores: Sequence[Mapping] = ()
    vra_todo: bool = False
    custom_lists: Sequence[int | str] = field(default_factory=tuple)

    def check(self) -> None:
        """Refuse what the server's tables cannot hold."""
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} should be one of {', '.join(KINDS)}")
        if (self.ra is None) != (self.dec is None):
            raise ValueError("give ra and dec, or neither of them")
        for name, value, least, most in (
            ("ra", self.ra, 0, 360),
            ("dec", self.dec, -90, 90),
            ("vra_rank", self.vra_rank, -math.inf, math.inf),
        ):
            if value is not None:
                _check_number(name, value, least, most)
        known = self.sherlock_class is None or self.sherlock_class in CLASS_BITS
        if not known:
            words = ", ".join(CLASS_BITS)
            raise ValueError(f"sherlock_class={self.sherlock_class!r} should be one of {words}")
        whole = isinstance(self.list_id, Integral) and not isinstance(self.list_id, bool)
        if self.list_id is not None and not (whole and 0 <= self.list_id < LISTS):
            raise ValueError(
                f"list_id={self.list_id!r} should be a detection list, from 0 to {LISTS - 1}, "
                "or None; custom lists are named in custom_lists"
            )
        for n, row in enumerate(self.vra_scores):
            _check_scores(f"vra_scores[{n}]", row)


def _check_number(name: str, value: object, least: float, most: float) -> None:
    real = isinstance(value, Real) and not isinstance(value, bool)
    number = float(cast("float", value)) if real else math.nan
    if not math.isfinite(number) or not least <= number <= most:
        bounds = f" from {least} to {most}" if math.isfinite(least) else ""
        raise ValueError(f"{name}={value!r} should be a finite number{bounds}")


def _check_scores(name: str, row: object) -> None:
    if not isinstance(row, Mapping):
        raise ValueError(f"{name}={row!r} should be a dictionary with any of {', '.join(SCORES)}")
    for key, value in row.items():
        if key not in SCORES:
            raise ValueError(f"{name} has {key!r}, which is not one of {', '.join(SCORES)}")
        if value is not None and key in PROBABILITIES:
            _check_number(f"{name}[{key!r}]", value, 0, 1)
        elif value is not None and key in (*RANKS, "mjd"):
            _check_number(f"{name}[{key!r}]", value, -math.inf, math.inf)


def insert_object(database: Database, new: NewObject, rng: np.random.Generator) -> int:
    """Insert an object and all that is known of it.

    Parameters
    ----------
    database : Database
        The sandbox's data.
    new : NewObject
        The object.
    rng : numpy.random.Generator
        Source of the noise, and of the position where none was given.

    Returns
    -------
    int
        Its id.
    """
    new.check()
    groups = [_group(database, one) for one in new.custom_lists]
    if new.ra is None:
        new.ra, new.dec = (float(x) for x in offset(*PLACES["main"], *rng.uniform(-900, 900, 2)))
    identifier = _identifier(database, new)
    detections, forced, start = _light(database, new, identifier, rng)
    last = _summary(detections, database)
    for table, columns in {
        "objects": _entry(new, identifier, start, len(detections["object_id"])),
        "statistics": {"id": [identifier], "external_crossmatches": [new.tns_name], **last},
        "detections": detections,
        "forced": forced,
        **_annotations(new, identifier, start),
        "object_groups": {
            "transient_object_id": [identifier] * len(groups), "object_group_id": groups,
        },
    }.items():  # fmt: skip
        if columns:
            database.insert(table, columns)
    return identifier


def _identifier(database: Database, new: NewObject) -> int:
    taken = {one for (one,) in database.fetch("select id from objects")}
    if new.atlas_id is None:
        identifier = object_id(float(new.ra or 0.0), float(new.dec or 0.0))
        while identifier in taken:
            identifier += 100
        return identifier
    text = str(new.atlas_id).strip()
    if isinstance(new.atlas_id, float) or not (text.isdecimal() and len(text) == 19):
        raise ValueError(f"atlas_id={new.atlas_id!r} should be a whole number of 19 digits")
    identifier = int(text)
    if identifier in taken or identifier > LARGEST_ID:
        raise ValueError(f"atlas_id={new.atlas_id!r} is the id of another object, or too large")
    return identifier


def _group(database: Database, given: int | str) -> int:
    """Return the number of a custom list; a new number makes a list."""
    names = dict(database.fetch("select lower(name), id from group_definitions"))
    if isinstance(given, str) and not given.strip().isdecimal():
        if given.strip().lower() not in names:
            known = ", ".join(names)
            raise ValueError(
                f"custom_lists has {given!r}; the sandbox has {known}; give a new one by number"
            )
        return names[given.strip().lower()]
    number = int(given)
    if number < 1:
        raise ValueError(f"custom_lists has {given!r}, which should be a number from 1")
    if number not in names.values():
        database.insert("group_definitions", {"id": [number], "name": [f"list {number}"]})
    return number


def _light(
    database: Database, new: NewObject, identifier: int, rng: np.random.Generator
) -> tuple[dict, dict, float]:
    """Return the rows of detections and forced photometry, and when the light curve begins."""
    ra, dec = np.array([new.ra]), np.array([new.dec])
    pointing = int(nearest_pointings(ra, dec)[0])
    if new.detections is not None:
        looked = _looked_at(database, new.detections, pointing)
    exposures = _exposures(database, pointing)
    season = (MJD_REF - SEASON_DAYS, MJD_REF)
    curve = draw_curve(rng, new.kind, season, _clear_nights(exposures, pointing))
    objects = {
        "id": np.array([identifier]), "ra": ra, "dec": dec, "pointing": [0],
        "has_forced": [True],
    }  # fmt: skip
    detections, forced = measure(rng, objects, [curve], exposures)
    forced = forced if new.forced and len(forced["atlas_object_id"]) else {}
    if new.detections is None:
        return detections, forced, curve.start
    start = min((mjd for mjd, _ in looked.values()), default=MJD_REF - 30)
    # Forced photometry of another light curve would contradict them.
    return _given(new, new.detections, identifier, looked, rng), {}, start


def _clear_nights(exposures: Exposures, pointing: int) -> list[float]:
    """Return when the nights begin that show a place."""
    nights = atlas_nights(pointing)
    return nights[np.isin(np.floor(nights), np.floor(exposures.columns["mjd"]))].tolist()


def _exposures(database: Database, pointing: int) -> Exposures:
    names = ("id", "mjd", "exptime", "filter", "zp", "expname", "mag5sig", "apfit")
    rows = database.fetch(
        f"select {', '.join(names)} from exposures where pointing_id = ? order by mjd",  # noqa: S608 - declared names
        (pointing,),
    )
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    texts = ("filter", "expname")
    arrays = {n: list(c) if n in texts else np.array(c) for n, c in columns.items()}
    return Exposures(arrays, [np.arange(len(rows))])


def _looked_at(database: Database, detections: Sequence, pointing: int) -> dict:
    """Take an exposure for each detection; return its time and its index."""
    (last,) = database.fetch("select max(id) from exposures")[0]
    looked: dict[int, tuple] = {}
    columns: dict[str, list] = {}
    for n, row in enumerate(detections):
        try:
            mjd, band, mag, *_ = row
            mjd, band, mag = float(mjd), str(band), float(mag)
        except (TypeError, ValueError):
            mjd = math.nan
        if not math.isfinite(mjd) or not math.isfinite(mag):
            raise ValueError(
                f"detections[{n}]={row!r} should be an MJD, a band and a magnitude, which is "
                "negative where the flux is, such as (61350.3, 'o', 16.9)"
            )
        looked[n] = (mjd, last + 1 + n)
        name = f"01a{int(mjd):05d}o{9000 + n:04d}{band}"
        cells = {
            "id": last + 1 + n, "mjd": mjd, "exptime": 30.0, "filter": band, "zp": 22.1,
            "expname": name, "filename": f"{name}.ddc", "pointing": "TA000N00", "mag5sig": 19.5,
            "date_inserted": iso_dates(np.array([mjd + 0.04]))[0], "apfit": -0.45,
            "pointing_id": pointing,
        }  # fmt: skip
        for key, cell in cells.items():
            columns.setdefault(key, []).append(cell)
    if columns:
        database.insert("exposures", columns)
    return looked


def _given(
    new: NewObject,
    detections: Sequence,
    identifier: int,
    looked: dict,
    rng: np.random.Generator,
) -> dict:
    """Return the rows of the detections that were given."""
    count = len(looked)
    errors = [row[3] if len(row) > 3 else 0.05 for row in detections]
    return {
        "object_id": [identifier] * count,
        "exposure_id": [number for _, number in looked.values()],
        "mag": [float(row[2]) for row in detections],
        "magerr": [float(error) for error in errors],
        "ra": [new.ra] * count,
        "dec": [new.dec] * count,
        **{name: rng.uniform(5, 10500, count) for name in ("x", "y")},
        **{name: np.full(count, 2.2) for name in ("major", "minor")},
        "phi": np.zeros(count),
        **{name: [0] * count for name in ("det", "pvr", "pmv", "pkn", "pno", "pbn", "pcr", "pxt")},
        "ptr": [900] * count,
        "psc": [0] * count,
        "chin": np.ones(count),
        "dup": [0] * count,
        "date_inserted": iso_dates(np.array([mjd + 0.05 for mjd, _ in looked.values()])),
    }


def _summary(detections: dict, database: Database) -> dict:
    """Return the first and the latest detection, as the table of statistics has them."""
    numbers = [int(one) for one in detections["exposure_id"]]
    if not numbers:
        return {}
    marks = ", ".join("?" * len(numbers))
    found = database.fetch(f"select id, mjd, filter from exposures where id in ({marks})", numbers)  # noqa: S608
    times = {number: (mjd, band) for number, mjd, band in found}
    order = sorted(range(len(numbers)), key=lambda n: times[numbers[n]][0])
    row: dict = {
        "ra_avg": [float(np.mean(detections["ra"]))],
        "dec_avg": [float(np.mean(detections["dec"]))],
        "rms": [0.1],
    }  # fmt: skip
    for word, n in (("earliest", order[0]), ("latest", order[-1])):
        mjd, band = times[numbers[n]]
        row[f"{word}_mjd"], row[f"{word}_filter"] = [mjd], [band]
        row[f"{word}_mag"] = [abs(float(detections["mag"][n]))]
    return row


def _entry(new: NewObject, identifier: int, start: float, found: int) -> dict:
    first, later = iso_dates(np.array([start - 1, start + 3]))
    number = identifier % 1_000_000
    return {
        "id": [identifier], "followup_id": [number], "followup_flag_date": [later],
        "detection_id": [number], "ra": [new.ra], "dec": [new.dec],
        "object_classification": [CLASS_BITS.get(new.sherlock_class or "", 0)],
        "sherlockClassification": [new.sherlock_class], "observation_status": [new.spec_type],
        "htm16id": htm_id(np.array([new.ra]), np.array([new.dec])), "jtindex": [91],
        "images_id": [number], "date_inserted": [first], "date_modified": [later],
        "processing_flags": [0x0420], "updated_by": ["eyeball"],
        "detection_list_id": [new.list_id], "survey_field": ["ATLAS"],
        "followup_counter": [number], "atlas_designation": [new.name],
        "other_designation": [new.tns_name], "ndetections": [found], "vra": [new.vra_rank],
        "rb_pix": [0.9],
    }  # fmt: skip


def _annotations(new: NewObject, identifier: int, start: float) -> dict[str, dict]:
    (date,) = iso_dates(np.array([start]))
    tables: dict[str, dict] = {}
    if new.sherlock_class:
        tables["sherlock_classifications"] = {
            "transient_object_id": [identifier], "classification": [new.sherlock_class],
            "annotation": ["Added by hand."], "summary": ["Added by hand"],
            "datelastmodified": [date], "datecreated": [date], "updated": ["0"],
        }  # fmt: skip
    if new.tns_name:
        tables["external_crossmatches"] = {
            "transient_object_id": [identifier], "external_designation": [new.tns_name],
            "type": [new.spec_type], "matched_list": [TNS], "separation": [0.1],
            "other_info": [new.name], "disc_date": [date],
        }  # fmt: skip
    if new.vra_rank is not None:
        tables["vra_rank"] = {
            "transient_object_id": [identifier], "rank": [new.vra_rank],
            "rank_alt1": [new.vra_rank], "is_gal_cand": [0], "timestamp": [date],
        }  # fmt: skip
    if new.vra_todo:
        tables["vra_todo"] = {"transient_object_id": [identifier], "timestamp": [date]}
    if new.vra_scores:
        tables["vra_scores"] = _scores(new, identifier, start)
    return tables


def _scores(new: NewObject, identifier: int, start: float) -> dict:
    columns: dict = {"transient_object_id": [identifier] * len(new.vra_scores)}
    for name in (*PROBABILITIES, *RANKS, "username"):
        columns[name] = [row.get(name) for row in new.vra_scores]
    flags = [row.get("is_gal_cand") for row in new.vra_scores]
    columns["is_gal_cand"] = [None if flag is None else int(flag) for flag in flags]
    columns["debug"] = [int(row.get("debug") or 0) for row in new.vra_scores]
    times = [row.get("mjd") or start + 0.1 + n for n, row in enumerate(new.vra_scores)]
    columns["timestamp"] = iso_dates(np.array(times))
    columns["apiusername"] = ["writer"] * len(times)
    return columns
