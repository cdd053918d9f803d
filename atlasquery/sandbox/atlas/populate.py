"""Fill the database of the ATLAS server with what it has of the synthetic sky."""

from collections import defaultdict

import numpy as np

from ..positions import htm_id, object_id
from ..sky import MJD_REF, PLACES, POINTINGS, generator
from ..sky import objects as sky_of
from .annotations import annotate
from .database import Database
from .dates import iso_date
from .exposures import observe
from .photometry import measure
from .population import Population, insert_population

__all__ = ["GENERATED", "POISON_POSITION", "count_rows", "populate"]

#: The topic of objects beyond those of the one sky.
GENERATED = "generated"

# An object with a forced point whose exposure is not in the tables.
POISON_POSITION = (77.7, 33.3)
MISSING_ID = 1999999999999999900


def populate(database: Database, seed: int, history: str, generated: int = 0) -> dict:
    """Fill a database with the sky.

    Parameters
    ----------
    database : Database
        An empty database with its tables.
    seed : int
        Seed of everything random.
    history : {"season", "full"}
        How far back the exposures go.
    generated : int, optional
        Number of objects beyond those of the one sky.

    Returns
    -------
    dict
        The manifest: ids by topic, positions, counts and names for tests.
    """
    sky = sky_of(seed)
    exposures = observe(seed, history)
    objects = {
        "id": np.array([one.atlas_id for one in sky]), "ra": sky.ra, "dec": sky.dec,
        "topic": [one.topic for one in sky], "kind": [one.kind for one in sky],
        "pointing": np.array([one.pointing for one in sky]),
        "htm16id": htm_id(sky.ra, sky.dec), "has_forced": np.arange(len(sky)) % 3 != 2,
    }  # fmt: skip
    curves = [one.curve for one in sky]
    detections, forced = measure(generator(seed, 5), objects, curves, exposures, seed=seed)
    database.insert("pointings", {
        "id": range(len(POINTINGS)), "ra": POINTINGS[:, 0], "dec": POINTINGS[:, 1],
    })  # fmt: skip
    database.insert("exposures", exposures.columns)
    database.insert("detections", detections)
    database.insert("forced", forced)
    names = annotate(database, generator(seed, 4), sky, objects, detections, exposures)
    _poison(database)
    population = Population(seed, history, generated)
    insert_population(database, population)
    return {
        **_manifest(database, objects, population, names), "seed": seed, "history": history,
    }  # fmt: skip


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


def _manifest(database: Database, objects: dict, population: Population, names: list[str]) -> dict:
    ids = [str(identifier) for identifier in [*objects["id"], *population.ids]]
    kinds = [*objects["kind"], *population.kinds]
    topics = defaultdict(list)
    for identifier, topic in zip(
        ids, [*objects["topic"], *[GENERATED] * len(population)], strict=True
    ):
        topics[topic].append(identifier)
    ra, dec = (
        np.concatenate([objects[axis], drawn]).tolist()
        for axis, drawn in zip(("ra", "dec"), population.positions, strict=True)
    )
    positions = zip(ids, ra, dec, strict=True)
    return {
        "n": len(ids),
        "mjd_ref": MJD_REF,
        "ids": dict(topics),
        "clusters": {name: list(centre) for name, centre in PLACES.items()},
        "poison_500": str(object_id(*POISON_POSITION)),
        "missing_id": str(MISSING_ID),
        "no_lc": [i for i, kind in zip(ids, kinds, strict=True) if kind == "quiet"],
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
