"""What Sherlock, the survey's catalogue software, says of the objects."""

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from .dates import iso_dates

if TYPE_CHECKING:
    from ..facts import Facts

__all__ = ["classifications", "sherlock"]

_STARS = ("VS", "CV", "BS", "HPM")
_OF_GALAXIES = (
    *("z", "scale", "distance", "distance_modulus", "photoz", "photozerr", "major_axis_arcsec"),
    *("physical_separation_kpc", "direct_distance", "transientabsmag", "z_distance"),
    *("z_distance_modulus", "best_distance", "best_distance_flag", "best_distance_source"),
)
_MPC_PER_Z = 4283.0
_KPC_PER_MPC_ARCSEC = 1000 / 206265


def sherlock(rng: np.random.Generator, objects: dict, facts: "Facts") -> dict[str, dict]:
    """Classify the objects and list the catalogued sources near them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    objects : dict
        Columns of the objects.
    facts : Facts
        Their classes, hosts and redshifts.

    Returns
    -------
    dict of str to dict
        Columns of the tables ``sherlock_classifications`` and ``sherlock_crossmatches``.
    """
    return {
        "sherlock_classifications": classifications(objects, facts),
        "sherlock_crossmatches": _crossmatches(rng, objects, facts),
    }


def classifications(objects: dict, facts: "Facts") -> dict:
    """Classify the objects.

    Parameters
    ----------
    objects : dict
        Columns of the objects.
    facts : Facts
        Their classes and hosts.

    Returns
    -------
    dict
        Columns of the table ``sherlock_classifications``.
    """
    columns: defaultdict[str, list] = defaultdict(list)
    dates = iso_dates(facts.start)
    for n in np.flatnonzero(facts.classified).tolist():
        cls, host, separation = facts.classes[n], facts.hosts[n], facts.apart[n]
        if cls == "ORPHAN":
            annotation = "The transient location is not matched against any known catalogued source"
            summary = "No catalogued match"
        elif cls in _STARS:
            annotation = (
                f"The transient is synonymous with <em>{_source(n)}</em>; "
                "a stellar source found in the GAIA catalogue."
            )
            summary = f'{separation / 20:.1f}" from star in GAIA'
        else:
            annotation = (
                f"The transient is possibly associated with <em>{host}</em>; "
                "a galaxy found in the NED catalogue."
            )
            summary = f'{separation:.1f}" from galaxy in NED'
        columns["transient_object_id"].append(int(objects["id"][n]))
        columns["classification"].append(cls)
        columns["annotation"].append(annotation)
        columns["summary"].append(summary)
        columns["datelastmodified"].append(dates[n])
        columns["datecreated"].append(dates[n])
        columns["updated"].append("0")
    return columns


def _source(number: int) -> str:
    """Make up the 19-digit name of a Gaia source."""
    return f"12376{number * 7919 % 10**14:014d}"


def _crossmatches(rng: np.random.Generator, objects: dict, facts: "Facts") -> dict:
    rows: list[dict] = []
    dates = iso_dates(facts.start)
    for n in np.flatnonzero(facts.crossmatched).tolist():
        star = facts.classes[n] in _STARS
        for rank in range(1, 2 + int(rng.integers(3))):
            row = _crossmatch(rng, objects, facts, n, rank, star)
            rows.append({**row, "datecreated": dates[n]})
    return {name: [row[name] for row in rows] for name in rows[0]}


def _crossmatch(
    rng: np.random.Generator, objects: dict, facts: "Facts", n: int, rank: int, star: bool
) -> dict:
    """Describe one catalogued source near an object; the first rank is the merged one."""
    distance = facts.apart[n] / (20 if star else 1) if rank == 1 else rng.uniform(1, 25)
    angle = rng.uniform(0, 2 * np.pi)
    north, east = distance * np.cos(angle), distance * np.sin(angle)
    cosine = max(0.01, np.cos(np.radians(objects["dec"][n])))
    z = facts.redshift[n] if rank == 1 else rng.uniform(0.01, 0.15)
    merged = not star and rank == 1
    return {
        "transient_object_id": int(objects["id"][n]),
        "catalogue_object_id": facts.hosts[n] if merged else _source(1000 * n + rank),
        "catalogue_table_id": int(rng.integers(10, 80)),
        "separationarcsec": distance,
        "northseparationarcsec": north,
        "eastseparationarcsec": east,
        "association_type": facts.classes[n],
        "catalogue_object_subtype": "multiple" if rank == 1 else None,
        "association_rank": rank,
        "rank": rank,
        "rankscore": 1000.0 + distance + 1000 * (rank - 1),
        "radeg": objects["ra"][n] - east / 3600 / cosine,
        "decdeg": objects["dec"][n] - north / 3600,
        "original_search_radius_arcsec": 60.0,
        "updated": 1,
        "merged_rank": rank,
        **(_star() if star else _galaxy(rng, z, distance, rank)),
        **_brightness(rng, star),
    }


def _galaxy(rng: np.random.Generator, z: float, separation: float, rank: int) -> dict:
    """Return what is known about a galaxy alone."""
    distance = _MPC_PER_Z * z
    modulus = 5 * np.log10(distance * 1e5)
    scale = distance * _KPC_PER_MPC_ARCSEC
    return {
        "catalogue_object_type": "galaxy",
        "catalogue_table_name": "NED/SDSS/PS1" if rank == 1 else "SDSS",
        "catalogue_view_name": "tcs_view_galaxy_ned",
        "catalogue_view_id": 12,
        "search_name": "ned galaxy",
        "z": z,
        "scale": scale,
        "distance": distance,
        "distance_modulus": modulus,
        "photoz": z * 1.05 if rng.random() < 0.5 else None,
        "photozerr": 0.02 if rng.random() < 0.5 else None,
        "physical_separation_kpc": separation * scale,
        "major_axis_arcsec": rng.uniform(5, 120),
        "direct_distance": distance if rank == 1 else None,
        "transientabsmag": 17.5 - modulus,
        "z_distance": distance,
        "z_distance_modulus": modulus,
        "best_distance": distance,
        "best_distance_flag": "direct" if rank == 1 else "z",
        "best_distance_source": "NED",
    }


def _star() -> dict:
    """Return what is known about a star alone: nothing of what makes a galaxy."""
    return {
        **dict.fromkeys(_OF_GALAXIES),
        "catalogue_object_type": "star",
        "catalogue_table_name": "GAIA",
        "catalogue_view_name": "tcs_view_star_gaia",
        "catalogue_view_id": 10,
        "search_name": "gaia star",
    }


def _brightness(rng: np.random.Generator, star: bool) -> dict:
    return {
        "field_g": rng.uniform(12, 20),
        "field_gerr": 0.02,
        "field_r": rng.uniform(12, 20),
        "field_rerr": 0.03,
        "g": rng.uniform(12, 20) if star else None,
        "gerr": 0.002 if star else None,
        "classificationreliability": int(rng.integers(1, 4)),
        "w1": rng.uniform(10, 16),
        "w1err": 0.03,
    }
