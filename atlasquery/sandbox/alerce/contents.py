"""What the servers of ALeRCE hold: objects of ZTF and of LSST, each computed when it is requested.

Objects are of two kinds: the edge cases, with which the real servers fail or surprise, and what
the surveys see of the one sky that all servers of the sandbox share.
"""

import math
from functools import cached_property, lru_cache
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..sky import objects as sky_objects
from .edge_cases import COUNT, LSST_COUNT, EdgeLSST, EdgeZTF
from .one_sky import lsst_objects, ztf_objects
from .rows import Row

__all__ = ["Contents", "LSSTObject", "Places", "ZTFObject", "separation_arcsec"]


class _Placed(Protocol):
    @property
    def position(self) -> tuple[float, float]:
        """The mean position in degrees."""
        ...


class ZTFObject(_Placed, Protocol):
    """An object of ZTF."""

    @property
    def oid(self) -> str:
        """The name."""
        ...

    @property
    def failing(self) -> frozenset[str]:
        """The routes with which the server fails, those of the second version after ``v2/``."""
        ...

    def entry(self) -> Row:
        """Return the entry in the catalogue, as the route of a single object sends it."""
        ...

    def probabilities(self) -> list[Row]:
        """Return a row for each class of each classifier and version."""
        ...

    def detections(self) -> list[Row]:
        """Return the detections, without the keys that are null."""
        ...

    def non_detections(self) -> list[Row]:
        """Return the exposures that do not show the object."""
        ...

    def forced(self) -> list[Row]:
        """Return the forced photometry."""
        ...

    def features(self) -> list[Row]:
        """Return the features of the light curve."""
        ...

    def magstats(self) -> list[Row]:
        """Return the statistics of the magnitudes in each band."""
        ...


class LSSTObject(_Placed, Protocol):
    """An object of LSST."""

    @property
    def oid(self) -> int:
        """The number that the survey gives it."""
        ...

    @property
    def failing(self) -> frozenset[str]:
        """Which of ``probabilities`` and ``forced`` the server fails with."""
        ...

    def entry(self) -> Row:
        """Return the entry in the catalogue, as the route of a single object sends it."""
        ...

    def statistics(self) -> Row:
        """Return the row of the survey's table DiaObject, exact."""
        ...

    def probabilities(self) -> list[Row]:
        """Return a row for each class of each classifier and version."""
        ...

    def measurements(self, *, forced: bool) -> list[Row]:
        """Return the detections or the forced photometry."""
        ...


_Object = TypeVar("_Object", bound=_Placed)


class Contents:
    """The objects of both surveys, by name and by position.

    Nothing is computed before it is requested, and only the entries of the catalogue are kept.

    Parameters
    ----------
    seed : int, optional
        Seed of the one sky; None for the edge cases alone.
    """

    def __init__(self, seed: int | None = None):
        self._seed = seed
        self.entry = lru_cache(maxsize=None)(self._entry)
        self.probabilities = lru_cache(maxsize=None)(self._probabilities)

    @cached_property
    def ztf(self) -> dict[str, ZTFObject]:
        """The objects of ZTF by name."""
        found: list[ZTFObject] = [EdgeZTF(n) for n in range(COUNT)]
        if self._seed is not None:
            found += ztf_objects(sky_objects(self._seed))
        return {one.oid: one for one in found}

    @cached_property
    def lsst(self) -> dict[int, LSSTObject]:
        """The objects of LSST by number."""
        found: list[LSSTObject] = [EdgeLSST(n) for n in range(LSST_COUNT)]
        if self._seed is not None:
            found += lsst_objects(sky_objects(self._seed))
        return {one.oid: one for one in found}

    @cached_property
    def ztf_places(self) -> "Places[ZTFObject]":
        """The objects of ZTF by position."""
        return Places(list(self.ztf.values()))

    @cached_property
    def lsst_places(self) -> "Places[LSSTObject]":
        """The objects of LSST by position."""
        return Places(list(self.lsst.values()))

    def _entry(self, oid: str) -> Row:
        return self.ztf[oid].entry()

    def _probabilities(self, oid: str) -> list[Row]:
        return self.ztf[oid].probabilities()


class Places(Generic[_Object]):
    """Objects by position.

    Parameters
    ----------
    objects : list
        Objects that have a position.
    """

    def __init__(self, objects: list[_Object]):
        self._objects = objects
        positions = np.radians([one.position for one in objects]).reshape(-1, 2)
        self._ra, self._dec = positions.T

    def near(self, ra: float, dec: float, radius: float) -> list[tuple[_Object, float]]:
        """Return the objects within a radius.

        Parameters
        ----------
        ra, dec : float
            The centre in degrees.
        radius : float
            The radius in arcsec.

        Returns
        -------
        list of tuple
            Each object and its distance in arcsec, in the order of the objects.
        """
        distance = _separation(math.radians(ra), math.radians(dec), self._ra, self._dec)
        return [(self._objects[n], float(distance[n])) for n in np.flatnonzero(distance <= radius)]


def separation_arcsec(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the distance of two positions.

    Parameters
    ----------
    ra, dec : float
        A position in degrees.
    other_ra, other_dec : float
        Another position in degrees.

    Returns
    -------
    float
        The distance in arcsec.
    """
    a, d, b, e = map(math.radians, (ra, dec, other_ra, other_dec))
    return float(_separation(a, d, np.array(b), np.array(e)))


def _separation(ra: float, dec: float, other_ra: np.ndarray, other_dec: np.ndarray) -> np.ndarray:
    """Return distances in arcsec of positions in radians, exact for small ones."""
    h = np.sin((other_dec - dec) / 2) ** 2
    h = h + math.cos(dec) * np.cos(other_dec) * np.sin((other_ra - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.minimum(h, 1.0)))) * 3600
