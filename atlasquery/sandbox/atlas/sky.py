"""The synthetic sky: about 500 objects of every kind, the same for the same seed."""

from collections import defaultdict

import numpy as np

from .annotations import annotate
from .database import Database
from .dates import iso_date
from .exposures import FIRST_FIELD, MJD_REF, PLACES, POINTINGS, nearest_pointings, observe
from .photometry import draw_curve, measure
from .positions import htm_id, object_id, offset

__all__ = ["POISON_POSITION", "count_rows", "populate"]

# Topics around a place: number of objects, innermost and outermost distance in arcsec.
_CLUSTERS = {
    "main": ("main", 12, 20, 295),
    "wide": ("main", 80, 320, 4300),
    "ra_zero": ("ra_zero", 12, 20, 280),
    "north_pole": ("north_pole", 8, 20, 250),
    "south_pole": ("south_pole", 8, 20, 250),
    "crowded": ("crowded", 160, 5, 295),
}
# Topics scattered over the fields of the survey.
_SCATTERED = {
    "supernova": 60, "variable": 40, "mover": 20, "m_dwarf": 20, "orphan": 20, "field": 60,
}  # fmt: skip
_FIELD_ARCSEC = 4000
# What the objects of a place are, when the topic itself does not say.
_MIXTURE = {"supernova": 0.5, "variable": 0.2, "m_dwarf": 0.08, "mover": 0.1, "orphan": 0.12}
# Its detections fall on both sides of RA 0.
_WRAP0 = (0.000001, 10.0)
# Every so many objects one has forced photometry only.
_QUIET_EVERY = 50
# An object with a forced point whose exposure is not in the tables.
POISON_POSITION = (77.7, 33.3)
MISSING_ID = 1999999999999999900


def populate(database: Database, seed: int, history: str) -> dict:
    """Fill a database with the sky.

    Parameters
    ----------
    database : Database
        An empty database with its tables.
    seed : int
        Seed of everything random.
    history : {"season", "full"}
        How far back the exposures go.

    Returns
    -------
    dict
        The manifest: ids by topic, positions, counts and names for tests.
    """
    # Separate streams, so that the objects are the same whatever the history.
    placement, light, weather, noise, words = (np.random.default_rng([seed, k]) for k in range(5))
    objects = _place(placement)
    exposures = observe(weather, history)
    objects["kind"] = [_kind(placement, n, topic) for n, topic in enumerate(objects["topic"])]
    season = exposures.columns["mjd"] > MJD_REF - 250
    curves = []
    for kind, pointing in zip(objects["kind"], objects["pointing"], strict=True):
        looks = exposures.of_pointing[pointing]
        looks = looks[season[looks]]
        curves.append(draw_curve(light, kind, exposures.columns["mjd"][looks]))
    detections, forced = measure(noise, objects, curves, exposures)
    database.insert("pointings", {
        "id": range(len(POINTINGS)), "ra": POINTINGS[:, 0], "dec": POINTINGS[:, 1],
    })  # fmt: skip
    database.insert("exposures", exposures.columns)
    database.insert("detections", detections)
    database.insert("forced", forced)
    names = annotate(database, words, objects, curves, detections, exposures)
    _poison(database)
    return _manifest(database, objects, seed, names)


def _place(rng: np.random.Generator) -> dict:
    """Positions, topics and ids of the objects."""
    topic, ra, dec = ["wrap0"], [_WRAP0[0]], [_WRAP0[1]]
    for name, (centre, count, inner, outer) in _CLUSTERS.items():
        # Spread evenly over the area, so that cones of every size find some.
        share = (np.arange(count) + 0.3) / count
        distance = np.sqrt(inner**2 + (outer**2 - inner**2) * share)
        angle = rng.uniform(0, 2 * np.pi, count)
        where = offset(*PLACES[centre], distance * np.sin(angle), distance * np.cos(angle))
        topic += [name] * count
        ra, dec = [*ra, *where[0].tolist()], [*dec, *where[1].tolist()]
    for name, count in _SCATTERED.items():
        field = POINTINGS[rng.integers(FIRST_FIELD, len(POINTINGS), count)]
        where = offset(*field.T, *rng.uniform(-_FIELD_ARCSEC, _FIELD_ARCSEC, (2, count)))
        topic += [name] * count
        ra, dec = [*ra, *where[0].tolist()], [*dec, *where[1].tolist()]
    ids: list[int] = []
    for position in zip(ra, dec, strict=True):
        identifier = object_id(*position)
        while identifier in ids:
            identifier += 100
        ids.append(identifier)
    where = np.array(ra), np.array(dec)
    return {
        "id": np.array(ids), "ra": where[0], "dec": where[1], "topic": topic,
        "pointing": nearest_pointings(*where), "htm16id": htm_id(*where),
        "has_forced": np.arange(len(ids)) % 3 != 2,
    }  # fmt: skip


def _kind(rng: np.random.Generator, number: int, topic: str) -> str:
    if number % _QUIET_EVERY == _QUIET_EVERY - 1:
        return "quiet"
    if topic in _MIXTURE:
        return topic
    # The object on RA 0 needs many detections, so that they straddle it.
    return "variable" if topic == "wrap0" else rng.choice(list(_MIXTURE), p=[*_MIXTURE.values()])


def _poison(database: Database) -> None:
    """Add the object that the server cannot answer for: the exposure of its point is missing."""
    ra, dec = POISON_POSITION
    identifier = object_id(ra, dec)
    inserted = iso_date((MJD_REF - 40587) * 86400)
    database.insert("objects", {
        "id": [identifier], "detection_id": [1], "ra": [ra], "dec": [dec],
        "htm16id": htm_id(np.array([ra]), np.array([dec])), "date_inserted": [inserted],
    })  # fmt: skip
    database.insert("forced", {
        "atlas_object_id": [identifier], "expname": ["01a00000o0000o"], "mjd_obs": [MJD_REF - 5],
        "date_inserted": [inserted],
    })  # fmt: skip


def _manifest(database: Database, objects: dict, seed: int, names: list[str]) -> dict:
    ids = [str(identifier) for identifier in objects["id"]]
    topics = defaultdict(list)
    for identifier, topic in zip(ids, objects["topic"], strict=True):
        topics[topic].append(identifier)
    positions = zip(ids, objects["ra"].tolist(), objects["dec"].tolist(), strict=True)
    return {
        "seed": seed,
        "n": len(ids),
        "mjd_ref": MJD_REF,
        "ids": dict(topics),
        "clusters": {name: list(centre) for name, centre in PLACES.items()},
        "poison_500": str(object_id(*POISON_POSITION)),
        "missing_id": str(MISSING_ID),
        "no_lc": [i for i, kind in zip(ids, objects["kind"], strict=True) if kind == "quiet"],
        "all_ids": ids,
        "tns_names": names[:20],
        "positions": {identifier: [ra, dec] for identifier, ra, dec in positions},
        "counts": count_rows(database),
    }


def count_rows(database: Database) -> dict[str, int]:
    """Count what a database has.

    Parameters
    ----------
    database : Database
        The database.

    Returns
    -------
    dict of str to int
        Rows by what they are.
    """
    tables = {
        "objects": "objects", "exposures": "exposures", "detections": "detections",
        "forced": "forced", "sherlock": "sherlock_classifications",
        "crossmatches": "sherlock_crossmatches", "external": "external_crossmatches",
        "vra_scores": "vra_scores", "vra_todo": "vra_todo", "vra_rank": "vra_rank",
        "object_groups": "object_groups",
    }  # fmt: skip
    return {name: database.count(table) for name, table in tables.items()}
