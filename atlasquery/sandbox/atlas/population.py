"""Objects of the ATLAS server besides those of the one sky, as many as a test of a bot needs.

Their catalogue entries are in the tables. Their light curves are computed from the seed when they
are asked for, together with those of a few neighbours, so that a server of many thousand objects
starts quickly and stays small.
"""

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..curves import Curve, draw_curve, fluxes, magnitude_of
from ..facts import Facts
from ..positions import htm_id, object_id, offset
from ..sky import FIRST_FIELD, MJD_REF, POINTINGS, SEASON_DAYS, generator
from ..sky import objects as sky_of
from .annotations import object_entries, tns_names
from .database import Database, cells_of
from .exposures import LIMIT_SIGMA, Exposures, observe
from .photometry import (
    REPEAT,
    SCORE_COLUMNS,
    SCORES,
    detection_table,
    forced_table,
    position_scatter,
)
from .schema import TABLES
from .sherlock import classifications

__all__ = ["Population", "insert_population"]

# What the objects are.
_SHARES = {
    "supernova": 0.36, "variable": 0.24, "agn": 0.1, "orphan": 0.1, "mover": 0.1, "m_dwarf": 0.06,
    "quiet": 0.04,
}  # fmt: skip
# Well inside the images of a field.
_FIELD_ARCSEC = 2.2 * 3600
# Neighbours that are measured together, and how many such patches are kept.
_PATCH = 64
_KEPT = 12
# Every third object has forced photometry.
_FORCED_EVERY = 3
# Numbers of their forced measurements begin here, with so many of each object.
_FIRST_FORCED, _MOST_FORCED = 1_000_000_000, 10_000
# Streams of random numbers.
_PLACES, _LIGHT, _NOISE, _DETAILS, _MARKS, _AGAIN, _WORDS = range(30, 37)


class PatchRows(NamedTuple):
    """The rows of a table, those of each object of a patch together and sorted by time.

    Attributes
    ----------
    columns : dict of str to list
        The columns.
    begins : list of int
        The first row of each object, and the number of rows.
    """

    columns: dict[str, list]
    begins: list[int]

    def between(self, begin: int, end: int, names: Sequence[str]) -> list[dict]:
        """Return some rows.

        Parameters
        ----------
        begin, end : int
            The first one, and the one after the last.
        names : sequence of str
            The columns.

        Returns
        -------
        list of dict
            A dictionary for each row.
        """
        cells = zip(*(self.columns[name][begin:end] for name in names), strict=True)
        return [dict(zip(names, row, strict=True)) for row in cells]


class Patch:
    """Neighbouring objects, which are measured together.

    Parameters
    ----------
    seed : int
        Seed of the sky.
    number : int
        Number of the patch.
    objects : dict
        Arrays ``id``, ``ra``, ``dec``, ``kind``, ``pointing`` and ``number`` of the objects.
    exposures : Exposures
        The exposures.
    """

    def __init__(self, seed: int, number: int, objects: dict, exposures: Exposures):
        self.objects = objects
        self._stream = (seed, number)
        self._exposures = exposures
        pointing = int(objects["pointing"][0])
        self._seen = exposures.of_pointing[pointing]
        taken = exposures.conditions[pointing]
        season = exposures.columns["mjd"][self._seen][taken.in_season]
        # What lasts for minutes shines on a night without clouds.
        _, first = np.unique(np.floor(season), return_index=True)
        rng = self._random(_LIGHT)
        bounds, nights = (MJD_REF - SEASON_DAYS, MJD_REF), season[first].tolist()
        self.curves: list[Curve] = [
            draw_curve(rng, kind, bounds, nights) for kind in objects["kind"]
        ]
        rng, noise = self._random(_NOISE), np.empty((len(self.curves), len(self._seen)))
        # The last season first, so that its noise is the same however far the history goes back.
        for part in (taken.in_season, ~taken.in_season):
            noise[:, part] = rng.standard_normal((len(noise), int(np.count_nonzero(part))))
        self._sigma = taken.sigma
        self._flux = fluxes(self.curves, taken.middle, taken.band) + self._sigma * noise
        quiet = np.array([kind == "quiet" for kind in objects["kind"]])
        self._found = (np.abs(self._flux) > LIMIT_SIGMA * self._sigma) & ~quiet[:, np.newaxis]

    def _random(self, stream: int) -> np.random.Generator:
        seed, number = self._stream
        return generator(seed, stream, number)

    def summary(self) -> dict[str, np.ndarray]:
        """Return what catalogue entries need of the light curves.

        Returns
        -------
        dict of str to numpy.ndarray
            For each object ``start``, when its light curve begins (MJD in TAI), ``found``, its
            number of detections, and ``ra`` and ``dec``, their mean; index and magnitude of the
            first and the last of them: ``earliest``, ``earliest_mag``, ``latest``, ``latest_mag``.
        """
        of, _ = np.nonzero(self._found)
        count = np.count_nonzero(self._found, axis=1)
        scatter = position_scatter(self._random(_DETAILS), len(of))
        east, north = (np.bincount(of, one, len(count)) / np.maximum(count, 1) for one in scatter)
        ra, dec = offset(self.objects["ra"], self.objects["dec"], east, north)
        every = np.arange(len(count))
        summary = {
            "start": np.array([curve.start for curve in self.curves]), "found": count,
            "ra": ra, "dec": dec,
        }  # fmt: skip
        last = self._found.shape[1] - 1
        for word, column in (
            ("earliest", self._found.argmax(axis=1)),
            ("latest", last - self._found[:, ::-1].argmax(axis=1)),
        ):
            summary[word] = self._seen[column]
            summary[f"{word}_mag"] = magnitude_of(self._flux[every, column])
        return summary

    @functools.cached_property
    def detections(self) -> PatchRows:
        """The detections, as they leave on the wire."""
        of, column = np.nonzero(self._found)
        cells = self._exposures.columns
        scores = np.array([SCORES[curve.kind] for curve in self.curves], dtype=float)[of]
        scores += self._random(_MARKS).normal(0, 25, (len(of), len(SCORE_COLUMNS)))
        at = self._seen[column]
        table = detection_table(self._random(_DETAILS), self.objects, {
            "object_index": of, "exposure": at, "flux": self._flux[self._found],
            "sigma": self._sigma[column], "scores": scores,
        }, self._exposures)  # fmt: skip
        exposed = ("mjd", "exptime", "filter", "zp", "expname", "pointing", "mag5sig")
        kinds = TABLES["exposures"].columns
        columns = {
            **_cells(table, "detections"),
            **{name: cells_of(np.asarray(cells[name])[at], kinds[name]) for name in exposed},
            "id": table["object_id"].tolist(),
            "atlas_metadata_id": table["exposure_id"].tolist(),
        }
        return PatchRows(columns, self._begins(of))

    @functools.cached_property
    def forced(self) -> PatchRows:
        """The forced photometry, as its table has it."""
        mjd = self._exposures.columns["mjd"][self._seen]
        start = np.array([curve.start for curve in self.curves])[:, np.newaxis]
        numbers = self.objects["number"]
        near = ((mjd >= start - 30) & (mjd < start + 90)) | self._found
        near &= (numbers % _FORCED_EVERY == 0)[:, np.newaxis]
        rng = self._random(_AGAIN)
        again = self._flux + REPEAT * self._sigma * rng.standard_normal(self._flux.shape)
        of, column = np.nonzero(near)
        table = forced_table(rng, self.objects, {
            "object_index": of, "exposure": self._seen[column], "flux": again[near],
            "sigma": self._sigma[column],
        }, self._exposures)  # fmt: skip
        table["id"] = _FIRST_FORCED + numbers[of] * _MOST_FORCED + column
        return PatchRows(_cells(table, "forced"), self._begins(of))

    @functools.cached_property
    def exposures(self) -> dict[str, tuple[float, float]]:
        """Exposure time and aperture correction of each exposure, by its name."""
        cells, kinds = self._exposures.columns, TABLES["exposures"].columns
        names, *numbers = (
            cells_of(np.asarray(cells[name])[self._seen], kinds[name])
            for name in ("expname", "exptime", "apfit")
        )
        return dict(zip(names, zip(*numbers, strict=True), strict=True))

    def _begins(self, of: np.ndarray) -> list[int]:
        return np.searchsorted(of, np.arange(len(self.curves) + 1)).tolist()


class Population:
    """The objects beyond those of the one sky.

    Parameters
    ----------
    seed : int
        Seed of the sky.
    history : {"season", "full"}
        How far back the exposures go.
    count : int
        Number of these objects.

    Examples
    --------
    >>> many = Population(20261116, "season", 100)
    >>> identifier = int(many.ids[0])
    >>> identifier in many, 5 in many
    (True, False)
    >>> [row["mag"] for row in many.detections(identifier, ["mag"], 61340)][:2]
    [17.8206, 17.7573]
    """

    def __init__(self, seed: int, history: str, count: int):
        self.seed = seed
        self._history = history
        self._count = count
        fields = len(POINTINGS) - FIRST_FIELD
        self._fields = [count * field // fields for field in range(fields + 1)]
        # First and last number of each patch; none reaches over the border of a field.
        self._patches = [
            (begin, min(begin + _PATCH, last))
            for first, last in zip(self._fields, self._fields[1:], strict=False)
            for begin in range(first, last, _PATCH)
        ]
        self._patch = functools.lru_cache(maxsize=_KEPT)(self._measured)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, identifier: object) -> bool:
        return self._count > 0 and identifier in self._numbers

    @functools.cached_property
    def ids(self) -> np.ndarray:
        """The ids of the objects, by number."""
        taken = {one.atlas_id for one in sky_of(self.seed)}
        ids = []
        for ra, dec in zip(*(axis.tolist() for axis in self.positions), strict=True):
            identifier = object_id(ra, dec)
            while identifier in taken:
                identifier += 100
            taken.add(identifier)
            ids.append(identifier)
        return np.array(ids, dtype=np.int64)

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        return {identifier: number for number, identifier in enumerate(self.ids.tolist())}

    @functools.cached_property
    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions; neighbours in a field have numbers near each other, as their ids are."""
        found = []
        for field, (first, last) in enumerate(zip(self._fields, self._fields[1:], strict=False)):
            rng = generator(self.seed, _PLACES, field)
            distance = _FIELD_ARCSEC * np.sqrt(rng.random(last - first))
            angle = rng.uniform(0, 2 * np.pi, last - first)
            centre_ra, centre_dec = POINTINGS[FIRST_FIELD + field]
            east, north = distance * np.sin(angle), distance * np.cos(angle)
            ra, dec = offset(centre_ra, centre_dec, east, north)
            order = np.argsort(ra)
            found.append((ra[order], dec[order]))
        ra, dec = (np.concatenate(axis) for axis in zip(*found, strict=True))
        return ra, dec

    @functools.cached_property
    def kinds(self) -> list[str]:
        """The families of their light curves, by number."""
        rng = generator(self.seed, _PLACES, len(POINTINGS))
        return rng.choice(list(_SHARES), self._count, p=list(_SHARES.values())).tolist()

    def _objects(self, begin: int, end: int) -> dict:
        """Return the columns of the objects of a field."""
        ra, dec = (axis[begin:end] for axis in self.positions)
        (field,) = np.searchsorted(self._fields, [begin], side="right") - 1
        return {
            "id": self.ids[begin:end], "ra": ra, "dec": dec, "kind": self.kinds[begin:end],
            "number": np.arange(begin, end),
            "pointing": np.full(end - begin, FIRST_FIELD + field),
        }  # fmt: skip

    def _measured(self, number: int) -> Patch:
        objects = self._objects(*self._patches[number])
        return Patch(self.seed, number, objects, self.exposures)

    @property
    def exposures(self) -> Exposures:
        """The exposures of the survey."""
        return observe(self.seed, self._history)

    def fields(self) -> Iterator[tuple[dict, dict]]:
        """Go through the objects, one field after the other.

        Yields
        ------
        objects : dict
            Columns of the objects of a field.
        light : dict
            What `Patch.summary` says of them.
        """
        for first, last in zip(self._fields, self._fields[1:], strict=False):
            if first == last:
                continue
            light = [
                self._measured(number).summary()
                for number, (begin, _) in enumerate(self._patches)
                if first <= begin < last
            ]
            objects = self._objects(first, last)
            yield (
                {**objects, "htm16id": htm_id(objects["ra"], objects["dec"])},
                {name: np.concatenate([one[name] for one in light]) for name in light[0]},
            )

    def detections(self, identifier: int, names: Sequence[str], after: float) -> list[dict]:
        """Return the detections of an object, in order of time.

        Parameters
        ----------
        identifier : int
            Id of one of these objects.
        names : sequence of str
            Names on the wire, in the order wanted.
        after : float
            MJD after which they are.

        Returns
        -------
        list of dict
            A row for each detection.
        """
        patch, index = self._of(identifier)
        rows = patch.detections
        begin, end = rows.begins[index : index + 2]
        return rows.between(bisect_right(rows.columns["mjd"], after, begin, end), end, names)

    def forced(self, identifier: int, since: float) -> list[dict]:
        """Return the forced photometry of an object, in order of time.

        Parameters
        ----------
        identifier : int
            Id of one of these objects.
        since : float
            MJD at which it begins.

        Returns
        -------
        list of dict
            A row for each measurement, as the table ``forced`` has them.
        """
        patch, index = self._of(identifier)
        rows, table = patch.forced, TABLES["forced"]
        begin, end = rows.begins[index : index + 2]
        begin = bisect_left(rows.columns["mjd_obs"], since, begin, end)
        found = rows.between(begin, end, table.wire)
        for name in table.of_type("BOOLEAN"):
            for row in found:
                row[name] = bool(row[name])
        return found

    def conditions(self, identifier: int) -> dict[str, tuple[float, float]]:
        """Return what fluxes of forced photometry of an object depend on.

        Parameters
        ----------
        identifier : int
            Id of one of these objects.

        Returns
        -------
        dict of str to tuple of float
            Exposure time and aperture correction of each exposure, by its name.
        """
        patch, _ = self._of(identifier)
        return patch.exposures

    def _of(self, identifier: int) -> tuple[Patch, int]:
        """Return the patch that an object is in, and its index there."""
        number = self._numbers[identifier]
        index = bisect_right(self._patches, number, key=lambda patch: patch[0]) - 1
        return self._patch(index), number - self._patches[index][0]


def insert_population(database: Database, population: Population) -> None:
    """Insert the catalogue entries of a population.

    Parameters
    ----------
    database : Database
        The sandbox's data.
    population : Population
        The objects.
    """
    first = len(sky_of(population.seed))
    for objects, light in population.fields():
        rng = generator(population.seed, _WORDS, int(objects["pointing"][0]))
        facts = Facts(rng, objects["kind"], objects["kind"], light["start"], first)
        first += len(light["start"])
        # The VRA has ranked none of them.
        facts.rank[:] = np.nan
        for table, columns in {
            "objects": object_entries(rng, objects, facts, light["found"]),
            "statistics": _statistics(rng, objects, facts, light, population.exposures),
            "external_crossmatches": tns_names(rng, objects, facts),
            "sherlock_classifications": classifications(objects, facts),
        }.items():
            database.insert(table, columns)


def _statistics(
    rng: np.random.Generator, objects: dict, facts: Facts, light: dict, exposures: Exposures
) -> dict:
    """Return the rows of first and latest detections; what was never detected has empty ones."""
    seen = light["found"] > 0
    rms = np.round(rng.uniform(0.05, 0.5, len(seen)), 3)
    numbers = {"ra_avg": light["ra"], "dec_avg": light["dec"], "rms": rms}
    columns: dict = {"id": objects["id"], "external_crossmatches": facts.tns}
    for word in ("earliest", "latest"):
        at = light[word]
        numbers[f"{word}_mjd"] = exposures.columns["mjd"][at]
        numbers[f"{word}_mag"] = light[f"{word}_mag"]
        columns[f"{word}_filter"] = [
            str(band) if known else None
            for band, known in zip(exposures.bands[at], seen, strict=True)
        ]
    return {
        **columns,
        **{name: np.where(seen, values, np.nan) for name, values in numbers.items()},
    }


def _cells(table: dict, name: str) -> dict[str, list]:
    kinds = TABLES[name].columns
    return {column: cells_of(values, kinds[column]) for column, values in table.items()}
