"""The one sky of the sandbox: about 500 objects that each of its services sees.

`objects` returns them, the same for the same seed. Each knows its name in every service and the
true flux at any time, so that what the services measure agrees within their errors: `flux` takes
the middle of the exposure in TAI, and every service turns that into its kind of time stamp.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curves import Curve, draw_curve, flux_of
from .facts import Facts, letters
from .positions import angular_distance, object_id, offset, unit_vectors

__all__ = [
    "CADENCE_DAYS", "FIRST_FIELD", "MJD_REF", "PLACES", "POINTINGS", "SEASON_DAYS", "SEED",
    "TAI_MINUS_UTC", "SkyObject", "SyntheticSky", "atlas_nights", "barycentric_julian_date",
    "generator", "nearest_pointings", "objects", "tai_of_utc",
]  # fmt: skip

#: The seed of the sky where none is given.
SEED = 20261116
#: The night of the newest data, MJD; everything in the sky is dated before it.
MJD_REF = 61360.0
#: Days before `MJD_REF` in which things happen.
SEASON_DAYS = 250.0
#: Nights between two visits of ATLAS to a place.
CADENCE_DAYS = 2
#: Seconds, since 2017.
TAI_MINUS_UTC = 37.0
_TT_MINUS_TAI = 32.184
_DAY = 86400.0

#: Where the topics of the sky lie, degrees.
PLACES = {
    "main": (150.0, 2.2),
    "ra_zero": (0.0, 10.0),
    "north_pole": (120.0, 89.97),
    "south_pole": (300.0, -89.97),
    "crowded": (83.6, -5.4),
}
# None of these may lie near RA 180, dec +10: the plain mean of positions on both sides of RA 0.
_FIELDS = (
    (23.4, -31.0), (47.9, 18.6), (64.2, -12.3), (105.7, 33.1), (128.3, -20.8), (171.6, 55.4),
    (196.1, -8.9), (213.8, 27.5), (234.5, -41.2), (258.0, 61.7), (281.9, 8.4), (317.3, -25.6),
    (339.6, 36.2), (8.1, -62.5),
)  # fmt: skip
#: Centres of the fields of all surveys, degrees.
POINTINGS = np.array([*PLACES.values(), *_FIELDS])
FIRST_FIELD = len(PLACES)

# Topics around a place: number of objects, innermost and outermost distance in arcsec.
_CLUSTERS = {
    "main": ("main", 12, 20, 295),
    "wide": ("main", 80, 320, 4300),
    "ra_zero": ("ra_zero", 12, 20, 280),
    "north_pole": ("north_pole", 8, 20, 250),
    "south_pole": ("south_pole", 8, 20, 250),
    "crowded": ("crowded", 160, 5, 295),
}
# Topics scattered over the fields of the surveys.
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
# Every so many of the variables one is an active nucleus.
_AGN_EVERY = 4
# What each survey sees of the sky, degrees of declination.
_ZTF_SOUTH, _LSST_NORTH = -31.0, 15.0
_SEEN_BY_ALL = ("supernova", "orphan", "variable", "agn", "mover")
_FIRST_LSST = 313853499000000123
# Streams of random numbers.
_PLACEMENT, _LIGHT, _WORDS, _REFERENCE, _NAMES = 0, 1, 4, 8, 9


@dataclass(frozen=True)
class SkyObject:
    """An object of the synthetic sky.

    Attributes
    ----------
    number : int
        Its index in the sky.
    kind : str
        ``supernova``, ``orphan`` (a supernova without a host), ``variable``, ``agn``, ``mover``,
        ``m_dwarf`` or ``quiet``, which nobody detects.
    topic : str
        Why it is there: a place, or the kind.
    ra, dec : float
        Position in degrees, ICRS; of a mover, where it is while it is seen.
    pointing : int
        Index of its field in `POINTINGS`.
    atlas_id : int
        Id of 19 digits of the ATLAS Transient Server.
    atlas_name, tns_name : str or None
        Its ATLAS designation and its TNS name without a prefix; None if it has none.
    ztf_name, lsst_id, lcc_name, skyportal_id : str, int or None
        Its name in ALeRCE's ZTF and LSST databases, the LCC-Server and SkyPortal; None where it
        is not seen.
    mpc_name : str or None
        Designation of a mover.
    redshift : float or None
        Of what is beyond the Galaxy.
    spectral_type : str or None
        Class of its spectrum, as TNS has it: of what was observed.
    sherlock_class : str
        Class of the catalogued source that it lies on.
    period : float or None
        Period in days of a variable.
    motion : tuple of float
        Motion of a mover east and north, arcsec a day; (0, 0) of all others.
    reference_mag : float
        AB magnitude in ATLAS o of the light that the reference images hold already.
    curve : Curve
        Its light curve.
    seed : int
        Seed of the sky that it is in.
    """

    number: int
    kind: str
    topic: str
    ra: float
    dec: float
    pointing: int
    atlas_id: int
    atlas_name: str | None
    tns_name: str | None
    ztf_name: str | None
    lsst_id: int | None
    lcc_name: str | None
    skyportal_id: str | None
    mpc_name: str | None
    redshift: float | None
    spectral_type: str | None
    sherlock_class: str
    period: float | None
    motion: tuple[float, float]
    reference_mag: float
    curve: Curve
    seed: int

    def flux(self, mjd_tai_middle: Any, band: Any) -> np.ndarray:
        """Return the true difference flux at the object's position.

        Parameters
        ----------
        mjd_tai_middle : float or numpy.ndarray
            Middle of the exposure, MJD in TAI.
        band : str or numpy.ndarray of str
            ``c``, ``o`` and the others of ATLAS; ``g``, ``r``, ``i`` of ZTF; ``u``, ``g``, ``r``,
            ``i``, ``z``, ``y`` of LSST.

        Returns
        -------
        numpy.ndarray
            Signed difference flux in uJy.
        """
        return self.curve.flux(mjd_tai_middle, band)

    def total_flux(self, mjd_tai_middle: Any, band: Any) -> np.ndarray:
        """Return the whole flux, with the light that the reference images hold.

        Of a mover it is the flux in an aperture that moves along, at any time.

        Parameters
        ----------
        mjd_tai_middle : float or numpy.ndarray
            Middle of the exposure, MJD in TAI.
        band : str or numpy.ndarray of str
            The band, as of `flux`.

        Returns
        -------
        numpy.ndarray
            Flux in uJy.
        """
        if self.kind == "mover":
            return flux_of(self.curve.parameters["peak"]) * np.ones(np.shape(mjd_tai_middle))
        return self.flux(mjd_tai_middle, band) + self.reference_flux(band)

    def reference_flux(self, band: Any) -> np.ndarray:
        """Return the flux that the reference images hold.

        Parameters
        ----------
        band : str or numpy.ndarray of str
            The band, as of `flux`.

        Returns
        -------
        numpy.ndarray
            Flux in uJy; 0 for a mover.
        """
        flux = 0.0 if self.kind == "mover" else flux_of(self.reference_mag)
        return np.full(np.shape(band), flux)

    def position(self, mjd_tai: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return where the object is.

        Parameters
        ----------
        mjd_tai : float or numpy.ndarray
            Times, MJD in TAI.

        Returns
        -------
        tuple of numpy.ndarray
            Right ascension and declination in degrees.
        """
        middle = self.curve.start + self.curve.parameters.get("stay", 0.0) / 2
        since = np.asarray(mjd_tai, dtype=float) - middle
        return offset(self.ra, self.dec, self.motion[0] * since, self.motion[1] * since)

    @property
    def tns_title(self) -> str | None:
        """The name in TNS with its prefix: SN of what is a supernova by its spectrum, else AT."""
        if self.tns_name is None:
            return None
        supernova = (self.spectral_type or "").startswith(("SN ", "SLSN"))
        return f"{'SN' if supernova else 'AT'} {self.tns_name}"

    @property
    def names(self) -> dict[str, str]:
        """The names by service: atlas, tns, ztf, lsst, lcc, skyportal, mpc; those that it has."""
        names = {
            "atlas": self.atlas_name, "tns": self.tns_name, "ztf": self.ztf_name,
            "lsst": self.lsst_id, "lcc": self.lcc_name, "skyportal": self.skyportal_id,
            "mpc": self.mpc_name,
        }  # fmt: skip
        return {service: str(name) for service, name in names.items() if name is not None}


class SyntheticSky:
    """All objects of the synthetic sky; a sequence of them.

    Parameters
    ----------
    seed : int
        Seed of everything random.
    members : tuple of SkyObject
        The objects by number.
    """

    def __init__(self, seed: int, members: tuple[SkyObject, ...]):
        self.seed = seed
        self._members = members
        self.ra = np.array([one.ra for one in members])
        self.dec = np.array([one.dec for one in members])

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, number: int) -> SkyObject:
        return self._members[number]

    def __iter__(self) -> Iterator[SkyObject]:
        return iter(self._members)

    def __repr__(self) -> str:
        return f"<SyntheticSky of {len(self)} objects, seed {self.seed}>"

    def of_kind(self, *kinds: str) -> list[SkyObject]:
        """Return the objects of some kinds.

        Parameters
        ----------
        *kinds : str
            The kinds, such as ``"supernova"``.

        Returns
        -------
        list of SkyObject
            The objects.
        """
        return [one for one in self._members if one.kind in kinds]

    def near(self, ra: float, dec: float, radius_arcsec: float) -> list[SkyObject]:
        """Return the objects around a position, the nearest first.

        Parameters
        ----------
        ra, dec : float
            The position in degrees.
        radius_arcsec : float
            The radius.

        Returns
        -------
        list of SkyObject
            The objects.
        """
        distance = angular_distance(self.ra, self.dec, ra, dec)
        order = np.argsort(distance, kind="stable")
        return [self._members[n] for n in order if distance[n] <= radius_arcsec]

    def named(self, name: str | int) -> SkyObject:
        """Return the object that has a name or an id in any service.

        Parameters
        ----------
        name : str or int
            The name, in any case of letters.

        Returns
        -------
        SkyObject
            The object.

        Raises
        ------
        KeyError
            No object has this name.
        """
        return self._by_name[str(name).strip().lower()]

    @functools.cached_property
    def _by_name(self) -> dict[str, SkyObject]:
        found: dict[str, SkyObject] = {}
        for one in self._members:
            for name in (str(one.atlas_id), *one.names.values()):
                found.setdefault(name.lower(), one)
        return found


def objects(seed: int = SEED) -> SyntheticSky:
    """Return the objects of the sky.

    Parameters
    ----------
    seed : int, optional
        Seed of everything random.

    Returns
    -------
    SyntheticSky
        The objects, the same ones for each call with this seed.
    """
    return _objects(seed)


# The cache of `objects` itself would tell a call without a seed from one with the seed that it has.
@functools.lru_cache(maxsize=4)
def _objects(seed: int) -> SyntheticSky:
    placement, light = generator(seed, _PLACEMENT), generator(seed, _LIGHT)
    topics, ra, dec = _place(placement)
    kinds = [_kind(placement, number, topic) for number, topic in enumerate(topics)]
    pointings = nearest_pointings(ra, dec)
    curves = [
        _curve(seed, light, number, kind, int(pointing))
        for number, (kind, pointing) in enumerate(zip(kinds, pointings, strict=True))
    ]
    start = np.array([curve.start for curve in curves])
    facts = Facts(generator(seed, _WORDS), kinds, topics, start)
    rows = zip(kinds, topics, ra.tolist(), dec.tolist(), pointings.tolist(), curves, strict=True)
    taken: set[int] = set()
    return SyntheticSky(
        seed, tuple(_member(seed, n, row, facts, taken) for n, row in enumerate(rows))
    )


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Return a source of random numbers, the same for the same arguments.

    Parameters
    ----------
    seed : int
        Seed of the sky.
    *stream : int
        Which of its streams: numbers of a purpose, a survey, an object.

    Returns
    -------
    numpy.random.Generator
        The source.
    """
    words = (seed, *stream)
    # A list is converted number by number, which takes longer than to draw from it.
    short = all(0 <= word < 1 << 32 for word in words)
    return np.random.default_rng(np.array(words, np.uint32) if short else words)


def _place(rng: np.random.Generator) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Topics and positions of the objects."""
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
    return topic, np.array(ra), np.array(dec)


def _kind(rng: np.random.Generator, number: int, topic: str) -> str:
    if number % _QUIET_EVERY == _QUIET_EVERY - 1:
        return "quiet"
    if topic == "wrap0":
        # It needs many detections, so that they straddle RA 0.
        return "variable"
    kind = topic if topic in _MIXTURE else str(rng.choice(list(_MIXTURE), p=[*_MIXTURE.values()]))
    return "agn" if kind == "variable" and number % _AGN_EVERY == 0 else kind


def _curve(seed: int, rng: np.random.Generator, number: int, kind: str, pointing: int) -> Curve:
    season, nights = (MJD_REF - SEASON_DAYS, MJD_REF), atlas_nights(pointing).tolist()
    if kind != "agn":
        return draw_curve(rng, kind, season, nights)
    # Its draws come from elsewhere, so that the other objects are the same with and without it.
    draw_curve(rng, "variable", season, nights)
    return draw_curve(generator(seed, _LIGHT, number), kind, season, nights)


def _member(seed: int, number: int, row: tuple, facts: Facts, taken: set[int]) -> SkyObject:
    """Put an object together from its columns."""
    kind, topic, ra, dec, pointing, curve = row
    atlas_id = object_id(ra, dec)
    while atlas_id in taken:
        atlas_id += 100
    taken.add(atlas_id)
    seen = kind in _SEEN_BY_ALL
    year = f"{facts.year[number]:02d}"
    ztf = f"ZTF{year}{_seven(seed, number)}" if seen and dec > _ZTF_SOUTH else None
    atlas = facts.names[number]
    random = generator(seed, _REFERENCE, number)
    motion = (0.0, 0.0)
    if kind == "mover":
        # It crosses one point spread function of ATLAS while it stays on the spot.
        angle = float(random.uniform(0, 2 * np.pi))
        speed = 4.0 / curve.parameters["stay"]
        motion = (speed * math.sin(angle), speed * math.cos(angle))
    return SkyObject(
        number=number, kind=kind, topic=topic, ra=ra, dec=dec, pointing=pointing,
        atlas_id=atlas_id, atlas_name=atlas, tns_name=facts.tns[number], ztf_name=ztf,
        lsst_id=_FIRST_LSST + 4096 * number if seen and dec < _LSST_NORTH else None,
        lcc_name=f"SKY-{number:07d}" if seen and kind != "mover" else None,
        skyportal_id=(ztf or atlas) if seen else None,
        mpc_name=f"20{year} {_designation(number)}" if kind == "mover" else None,
        redshift=float(facts.redshift[number]) if kind in ("supernova", "agn") else None,
        spectral_type=facts.spectra[number], sherlock_class=facts.classes[number],
        period=curve.parameters.get("period"), motion=motion,
        reference_mag=_reference_mag(random, kind, curve), curve=curve, seed=seed,
    )  # fmt: skip


def _seven(seed: int, number: int) -> str:
    """Draw the seven letters of a ZTF name; the last three count the objects."""
    drawn = generator(seed, _NAMES, number).integers(0, 26, 4)
    return "".join(chr(97 + k) for k in drawn.tolist()) + letters(703 + number)


def _designation(number: int) -> str:
    """Write the half-month, letter and count of a minor planet."""
    return f"W{chr(65 + number % 24 + (number % 24 >= 8))}{number // 24}"


def _reference_mag(rng: np.random.Generator, kind: str, curve: Curve) -> float:
    if kind in ("variable", "agn"):
        # Bright enough that the difference never takes more than there is.
        return float(curve.parameters["peak"] - rng.uniform(1.6, 2.2))
    return float(rng.uniform(17.5, 19.5) if kind == "m_dwarf" else rng.uniform(19.5, 22.0))


def atlas_nights(pointing: int) -> np.ndarray:
    """Return when ATLAS begins to visit a place, on each night of the last season.

    Parameters
    ----------
    pointing : int
        Index of the place in `POINTINGS`.

    Returns
    -------
    numpy.ndarray
        MJD in UTC.
    """
    nights = np.arange(int(MJD_REF - SEASON_DAYS), int(MJD_REF), CADENCE_DAYS)
    return nights + 0.3 + (pointing % 17) * 0.012


def nearest_pointings(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the index of the pointing nearest to each position.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Positions in degrees.

    Returns
    -------
    numpy.ndarray
        Indices into `POINTINGS`.
    """
    return np.argmax(unit_vectors(ra, dec) @ unit_vectors(*POINTINGS.T).T, axis=1)


def tai_of_utc(mjd_utc_start: Any, exposure_time: Any = 0.0) -> Any:
    """Return the middle in TAI of exposures whose start is given in UTC.

    Parameters
    ----------
    mjd_utc_start : float or numpy.ndarray
        MJD in UTC, since 2017.
    exposure_time : float or numpy.ndarray, optional
        Exposure time in seconds.

    Returns
    -------
    float or numpy.ndarray
        MJD in TAI.
    """
    return mjd_utc_start + (TAI_MINUS_UTC + np.asarray(exposure_time) / 2) / _DAY


def barycentric_julian_date(mjd_tai: Any, ra: float, dec: float) -> np.ndarray:
    """Return the barycentric Julian date in TDB, seen from the centre of the Earth.

    Parameters
    ----------
    mjd_tai : float or numpy.ndarray
        MJD in TAI.
    ra, dec : float
        Position of the object in degrees.

    Returns
    -------
    numpy.ndarray
        JD in TDB, to 0.1 ms but for the 40 microseconds of a double.
    """
    import erfa

    day = np.asarray(mjd_tai, dtype=float)
    tt = day + _TT_MINUS_TAI / _DAY
    tdb = tt + erfa.dtdb(2400000.5, tt, 0.0, 0.0, 0.0, 0.0) / _DAY
    _, barycentric = erfa.epv00(2400000.5, tdb)
    # Light takes 499.004784 s for an astronomical unit.
    delay = (barycentric["p"] @ unit_vectors(ra, dec)) * 499.00478383615643
    return tdb + delay / _DAY + 2400000.5
