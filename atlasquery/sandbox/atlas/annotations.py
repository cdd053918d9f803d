"""What people and programs know about the objects: classes, names, lists, scores."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..facts import Facts, letters, pick
from ..sky import MJD_REF, SyntheticSky
from .database import Database
from .dates import iso_dates
from .exposures import Exposures
from .sherlock import sherlock

__all__ = ["CLASS_BITS", "TNS", "annotate", "object_entries", "tns_names"]

CLASS_BITS = {
    "ORPHAN": 1, "VS": 2, "CV": 2, "NT": 4, "AGN": 8, "SN": 16, "UNCLEAR": 32, "HPM": 32,
    "BS": 512,
}  # fmt: skip
# Custom lists: which objects are in them, by number or by topic. List 74 stays empty.
_GROUP_NAMES = {
    2: "mookodi", 6: "Ken", 14: "salt", 16: "mookodi_live", 17: "mookodi_peak", 40: "CV",
    56: "mdwarf", 72: "heloise", 73: "vra", 74: "empty",
}  # fmt: skip
_GROUP_EVERY = {2: 4, 73: 9, 6: 25, 72: 31}
_GROUP_TOPICS = {40: "main", 56: "m_dwarf"}
_COMMENTS = (None, None, "nice rise", 'near galaxy nucleus; checked \u00b1 5"')
_SURVEYS = ("ATLAS", "ZTF", "Pan-STARRS", "GOTO")
TNS = "Transient Name Server"


def annotate(
    database: Database,
    rng: np.random.Generator,
    sky: SyntheticSky,
    objects: dict,
    detections: dict,
    exposures: Exposures,
) -> list[str]:
    """Fill every table but those of the measurements.

    Parameters
    ----------
    database : Database
        The database to fill.
    rng : numpy.random.Generator
        Source of chance, as the sky had it for its facts.
    sky : SyntheticSky
        The objects.
    objects : dict
        Their columns: ids, positions, topics, kinds.
    detections : dict
        Columns of the table ``detections``.
    exposures : Exposures
        The exposures.

    Returns
    -------
    list of str
        The TNS names given.
    """
    start = np.array([one.curve.start for one in sky])
    # The facts of the sky once more: what follows needs others than an object has.
    facts = Facts(rng, objects["kind"], objects["topic"], start)
    counted = dict(zip(*np.unique(detections["object_id"], return_counts=True), strict=True))
    found = [int(counted.get(identifier, 0)) for identifier in objects["id"]]
    tables = {
        "objects": object_entries(rng, objects, facts, found),
        "statistics": _statistics(rng, objects, facts, detections, exposures),
        "external_crossmatches": _names(rng, sky, facts),
        **_scores(rng, objects, facts),
        "group_definitions": {"id": _GROUP_NAMES.keys(), "name": _GROUP_NAMES.values()},
        "object_groups": _groups(objects),
    }
    for name, columns in tables.items():
        database.insert(name, columns)
    for name, columns in sherlock(rng, objects, facts).items():
        database.insert(name, columns)
    return [name for name in facts.tns if name]


def object_entries(
    rng: np.random.Generator, objects: dict, facts: Facts, found: Sequence[int]
) -> dict:
    """Describe the objects as the catalogue does.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    objects : dict
        Columns of the objects.
    facts : Facts
        What is known of them.
    found : sequence of int
        Number of detections of each.

    Returns
    -------
    dict
        Columns of the table ``objects``.
    """
    count = len(facts.start)
    numbers = facts.numbers + 1
    return {
        "id": objects["id"],
        "followup_id": numbers,
        "followup_flag_date": iso_dates(facts.start + 3),
        "detection_id": numbers,
        "ra": objects["ra"],
        "dec": objects["dec"],
        "object_classification": [CLASS_BITS[cls] for cls in facts.classes],
        "sherlockClassification": [
            cls if known else None
            for cls, known in zip(facts.classes, facts.classified, strict=True)
        ],
        # Some empty strings stand for null, as on the real server.
        "observation_status": [
            "" if spectrum is None and n % 17 == 3 else spectrum
            for n, spectrum in enumerate(facts.spectra)
        ],
        "htm16id": objects["htm16id"],
        "jtindex": np.full(count, 91),
        "images_id": numbers,
        "date_inserted": iso_dates(facts.start - 1),
        "date_modified": iso_dates(np.minimum(MJD_REF, facts.start + 10)),
        "processing_flags": np.full(count, 0x0420),
        "updated_by": ["eyeball"] * count,
        "detection_list_id": facts.lists,
        "survey_field": ["ATLAS"] * count,
        "followup_counter": 700 + numbers - 1,
        "atlas_designation": facts.names,
        "other_designation": facts.tns,
        "current_trend": [None if n % 2 else "fading 00.28 (o-o)" for n in range(count)],
        "local_comments": [pick(rng, _COMMENTS) for _ in range(count)],
        "ndetections": found,
        "vra": facts.rank,
        "rb_pix": np.where(np.arange(count) % 13 == 12, np.nan, rng.uniform(0, 1, count)),
    }


def _statistics(
    rng: np.random.Generator, objects: dict, facts: Facts, detections: dict, exposures: Exposures
) -> dict:
    """First and latest detection of each object; a few objects have no row at all."""
    columns: defaultdict[str, list] = defaultdict(list)
    order = np.argsort(detections["object_id"], kind="stable")
    grouped = detections["object_id"][order]
    mjd = exposures.columns["mjd"]
    band = exposures.columns["filter"]
    for n, identifier in enumerate(objects["id"].tolist()):
        begin, end = np.searchsorted(grouped, [identifier, identifier + 1])
        mine = order[begin:end]
        if not len(mine) and n % 100 == 99:
            continue
        row = {"id": identifier, "external_crossmatches": facts.tns[n]}
        if len(mine):
            at = detections["exposure_id"][mine] - 1
            for word, k in (("earliest", int(np.argmin(at))), ("latest", int(np.argmax(at)))):
                row[f"{word}_mjd"] = float(mjd[at[k]])
                row[f"{word}_mag"] = abs(float(detections["mag"][mine[k]]))
                row[f"{word}_filter"] = band[at[k]]
            row["ra_avg"] = float(np.mean(detections["ra"][mine]))
            row["dec_avg"] = float(np.mean(detections["dec"][mine]))
            row["rms"] = round(rng.uniform(0.05, 0.5), 3)
        for name in (
            "id", "ra_avg", "dec_avg", "earliest_mjd", "earliest_mag", "earliest_filter",
            "latest_mjd", "latest_mag", "latest_filter", "external_crossmatches", "rms",
        ):  # fmt: skip
            columns[name].append(row.get(name))
    return columns


def _names(rng: np.random.Generator, sky: SyntheticSky, facts: Facts) -> dict:
    """Names of the objects elsewhere: TNS, ZTF, Pan-STARRS."""
    rows: list[dict] = []
    dates = iso_dates(facts.start)
    for n, one in enumerate(sky):
        first = len(rows)
        if facts.tns[n]:
            rows.append(_tns_name(rng, facts, n, dates[n]))
        if one.ztf_name:
            rows.append({
                "external_designation": one.ztf_name, "matched_list": "ZTF Objects",
                "mag": rng.uniform(17, 20), "separation": rng.uniform(0, 0.5),
                "url": f"https://lasair-ztf.lsst.ac.uk/object/{one.ztf_name}",
            })  # fmt: skip
        if one.lsst_id:
            rows.append({
                "external_designation": str(one.lsst_id), "matched_list": "LSST Objects",
                "separation": rng.uniform(0, 0.3),
                "url": f"https://lasair.lsst.ac.uk/objects/{one.lsst_id}",
            })  # fmt: skip
        if n % 10 == 0:
            rows.append({
                "external_designation": f"PS{facts.year[n]:02d}{letters(300 + n)}",
                "discoverer": "Pan-STARRS", "matched_list": "The PS1 Transients",
                "separation": 0.4,
            })  # fmt: skip
        for row in rows[first:]:
            row["transient_object_id"] = one.atlas_id
    return {name: [row.get(name) for row in rows] for name in _NAME_COLUMNS}


def tns_names(rng: np.random.Generator, objects: dict, facts: Facts) -> dict:
    """Name the objects that TNS has.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    objects : dict
        Columns of the objects.
    facts : Facts
        What is known of them.

    Returns
    -------
    dict
        Columns of the table ``external_crossmatches``.
    """
    dates = iso_dates(facts.start)
    rows = [
        {**_tns_name(rng, facts, n, dates[n]), "transient_object_id": int(objects["id"][n])}
        for n, name in enumerate(facts.tns)
        if name
    ]
    return {name: [row.get(name) for row in rows] for name in _NAME_COLUMNS}


def _tns_name(rng: np.random.Generator, facts: Facts, n: int, date: str | None) -> dict:
    """Describe an object as TNS does, which has a name of it."""
    spectrum = facts.spectra[n]
    z = facts.redshift[n] if spectrum else None
    return {
        "external_designation": facts.tns[n], "type": spectrum,
        "host_galaxy": facts.hosts[n] if facts.crossmatched[n] else None,
        "mag": rng.uniform(17, 19.5), "discoverer": str(pick(rng, _SURVEYS)),
        "matched_list": TNS, "other_info": facts.names[n],
        "separation": rng.uniform(0, 2.5), "host_z": z, "object_z": z,
        "url": f"https://wis-tns.org/object/{facts.tns[n]}",
        "disc_date": date, "disc_filter": "orange-ATLAS",
    }  # fmt: skip


_NAME_COLUMNS = (
    "transient_object_id", "external_designation", "type", "host_galaxy", "mag", "discoverer",
    "matched_list", "other_info", "separation", "url", "host_z", "object_z", "disc_date",
    "disc_filter",
)  # fmt: skip


def _scores(rng: np.random.Generator, objects: dict, facts: Facts) -> dict[str, dict]:
    """Give the Virtual Research Assistant's scores, ranks and list of work."""
    scores: defaultdict[str, list] = defaultdict(list)
    ranks: defaultdict[str, list] = defaultdict(list)
    dates = [iso_dates(facts.start + 0.1 + k) for k in range(3)]
    for n in np.flatnonzero(~np.isnan(facts.rank)).tolist():
        identifier, rank = int(objects["id"][n]), round(float(facts.rank[n]), 4)
        # The first row of an object is the machine's, the later ones are a person's.
        for k in range(1 + n % 3):
            person = k > 0
            row = {
                "transient_object_id": identifier,
                "preal": rng.random(), "pgal": rng.random(),
                "pfast": None if person else rng.random(),
                "rank": rank if person else None,
                "rank_alt1": rank * 0.9 if person else None,
                "is_gal_cand": n % 2 if person else None,
                "timestamp": dates[k][n],
                "apiusername": "writer", "username": "eyeballer" if person else None,
                "debug": int(n % 40 == 5),
            }  # fmt: skip
            for name, value in row.items():
                scores[name].append(value)
        ranks["transient_object_id"].append(identifier)
        ranks["rank"].append(rank)
        ranks["rank_alt1"].append(rank * 0.9)
        ranks["is_gal_cand"].append(n % 2)
        ranks["timestamp"].append(dates[0][n])
    todo = slice(1, None, 5)
    return {
        "vra_scores": scores,
        "vra_rank": ranks,
        "vra_todo": {
            "transient_object_id": objects["id"][todo], "timestamp": iso_dates(facts.start[todo]),
        },
    }  # fmt: skip


def _groups(objects: dict) -> dict:
    pairs = [
        (identifier, group)
        for n, (identifier, topic) in enumerate(
            zip(objects["id"].tolist(), objects["topic"], strict=True)
        )
        for group in [
            *(group for group, every in _GROUP_EVERY.items() if n % every == 0),
            *(group for group, listed in _GROUP_TOPICS.items() if topic == listed),
        ]
    ]
    identifiers, groups = zip(*pairs, strict=True)
    return {"transient_object_id": identifiers, "object_group_id": groups}
