"""Sources and photometry of the one sky in the embedded SkyPortal, as uploaders send them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..sky import SEED, SkyObject, objects
from ..surveys import Measurements, measurement_ids, measurements
from .state import SITE_TIME, PortalState, Row

__all__ = ["add_one_sky"]

ATLAS, ZTF, LSST = 1, 2, 3
# Numbers of the points: so many for each object of the sky, from the first.
_FIRST_POINT, _POINTS_EACH = 1_000_000, 10_000
# Photometry of a supernova begins so many days before its first light.
_BEFORE = 30.0
_CLASSES = {"SN Ia": "Ia", "SN II": "IIP", "SN IIn": "IIP", "SN Ib/c": "Ib", "AGN": "AGN"}
_SUPERNOVAE = ("supernova", "orphan")


def add_one_sky(state: PortalState, seed: int = SEED) -> None:
    """Save what the surveys see of the sky as sources; photometry is stored when it is requested.

    Parameters
    ----------
    state : PortalState
        The state of the instance.
    seed : int, optional
        Seed of the sky.
    """
    state.telescopes[2] = {"id": 2, "name": "Simonyi Survey Telescope", "nickname": "Rubin",
                           "lat": -30.2446, "lon": -70.7494, "elevation": 2647.0,
                           "diameter": 8.4}  # fmt: skip
    state.instruments[LSST] = {
        "id": LSST, "name": "LSST", "telescope_id": 2,
        "filters": [f"lsst{band}" for band in "ugrizy"],
    }  # fmt: skip
    for one in objects(seed):
        name = one.skyportal_id
        if name is None:
            continue
        state.add_source(
            name, one.ra, one.dec, redshift=one.redshift, transient=one.kind in _SUPERNOVAE,
            varstar=one.kind == "variable", is_roid=one.kind == "mover", mpc_name=one.mpc_name,
            alias=[one.atlas_name] if one.atlas_name not in (None, name) else None,
            tns_name=one.tns_title, origin="ZTF" if one.ztf_name else "ATLAS",
        )  # fmt: skip
        found = "AGN" if one.kind == "agn" else _CLASSES.get(one.spectral_type or "")
        if found is not None:
            state.classify(name, found, 1.0)
        state.pending[name] = SkyPhotometry(one)


@dataclass
class SkyPhotometry:
    """The photometry of an object of the sky.

    ATLAS is forced photometry, uploaded in flux with the exposure and its duration. Of ZTF there
    are the alerts in flux with their ``candid``, and limits as magnitudes. Of LSST there are the
    detections, whose middle in TAI is copied to ``mjd`` unchanged.

    Parameters
    ----------
    one : SkyObject
        The object.
    """

    one: SkyObject
    numbers: range = field(init=False)

    def __post_init__(self) -> None:
        first = _FIRST_POINT + _POINTS_EACH * self.one.number
        self.numbers = range(first, first + _POINTS_EACH)

    def fluxes(self) -> list[tuple[float, float | None, float]]:
        """Return time, flux and error of each point.

        Returns
        -------
        list of tuple
            MJD, flux or None, and its error in uJy.
        """
        return [(row["mjd"], row["flux"], row["fluxerr"]) for row in self._rows()]

    def points(self) -> Iterator[Row]:
        """Yield the points.

        Yields
        ------
        dict
            A point, as the instance stores it.
        """
        for number, row in zip(self.numbers, self._rows(), strict=False):
            yield {
                "id": number, "obj_id": self.one.skyportal_id, "limiting_mag": None, "ra": None,
                "dec": None, "ra_unc": None, "dec_unc": None, "created_at": SITE_TIME,
                "group_ids": [3], "upload_id": None, "owner_id": 1, **row,
            }  # fmt: skip

    def _rows(self) -> Iterator[Row]:
        yield from self._atlas()
        if self.one.ztf_name is not None:
            yield from self._ztf()
        if self.one.lsst_id is not None:
            yield from self._lsst()

    def _measured(self, survey: str) -> Measurements:
        points = measurements(self.one, survey)
        if self.one.kind not in _SUPERNOVAE:
            return points
        return points.rows(points.middle > self.one.curve.start - _BEFORE)

    def _atlas(self) -> Iterator[Row]:
        points = self._measured("atlas")
        # Other bands of ATLAS have no filter in SkyPortal.
        points = points.rows(np.isin(points.band, ["c", "o"]))
        columns = (points.mjd, points.band, points.forced_flux, points.flux_error,
                   points.exposure_time, points.exposure)  # fmt: skip
        for mjd, band, flux, error, duration, exposure in _plain(columns):
            yield {
                "mjd": mjd, "filter": f"atlas{band}", "flux": flux, "fluxerr": error,
                "instrument_id": ATLAS, "origin": "fp",
                "altdata": {"exposure_time": duration, "exposure": exposure},
            }  # fmt: skip

    def _ztf(self) -> Iterator[Row]:
        points = self._measured("ztf")
        ids = measurement_ids(points, "ztf", self.one.number)
        columns = (points.mjd, points.band, points.flux, points.flux_error, points.exposure_time,
                   points.limiting_mag, points.detected, ids, points.ra, points.dec)  # fmt: skip
        for mjd, band, flux, error, duration, limit, detected, candid, ra, dec in _plain(columns):
            row = {"mjd": mjd, "filter": f"ztf{band}", "instrument_id": ZTF, "origin": "None"}
            if detected:
                yield row | {
                    "flux": flux, "fluxerr": error, "ra": ra, "dec": dec,
                    "altdata": {"candid": candid, "exptime": duration},
                }  # fmt: skip
            else:
                # A limit of 5 sigma that was uploaded as such.
                error = 10 ** (-0.4 * (limit - 23.9)) / 5
                yield row | {
                    "flux": None, "fluxerr": error, "limiting_mag": limit,
                    "altdata": {"exptime": duration},
                }  # fmt: skip

    def _lsst(self) -> Iterator[Row]:
        points = self._measured("lsst")
        ids = measurement_ids(points, "lsst", self.one.number)
        points, ids = points.rows(points.detected), ids[points.detected]
        columns = (points.mjd, points.band, points.flux, points.flux_error, ids, points.exposure,
                   points.ra, points.dec)  # fmt: skip
        for mjd, band, flux, error, source, visit, ra, dec in _plain(columns):
            yield {
                "mjd": mjd, "filter": f"lsst{band}", "flux": flux, "fluxerr": error,
                "instrument_id": LSST, "origin": "lasair", "ra": ra, "dec": dec,
                "altdata": {"diaSourceId": source, "visit": visit},
            }  # fmt: skip


def _plain(columns: tuple[np.ndarray, ...]) -> Iterator[tuple]:
    """Return the rows of columns, as values that JSON has."""
    return zip(*(column.tolist() for column in columns), strict=True)
