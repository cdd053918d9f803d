"""Objects of the one sky as ALeRCE has them: what ZTF and LSST measured, and what follows from it.

Each row is computed when it is requested, from the measurements that all servers of the sandbox
share: see `atlasquery.sandbox.surveys`.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..curves import magnitude_of
from ..sky import SkyObject, SyntheticSky, generator
from ..surveys import Measurements, measurement_ids, measurements
from .rows import CORRECTION, FEATURES_VERSION, LSST_BANDS, LSST_NULL, Row
from .taxonomy import CLASSIFIERS, LSST_CLASSES

__all__ = ["SkyLSST", "SkyZTF", "lsst_objects", "ztf_objects"]

_FIDS = {"g": 1, "r": 2, "i": 3}
_LSST_NUMBERS = {band: int(number) for number, band in LSST_BANDS.items()}
_NANO = 1e3
_FIRST_NIGHT = 57754
# The error of a magnitude is so many times that of the flux, as a share of it.
_MAG_ERROR = 2.5 / np.log(10)
# Scatter of measured positions, degrees.
_ZTF_SCATTER, _LSST_SCATTER = 0.06 / 3600, 0.02 / 3600
# Forced photometry begins so many days before the first detection.
_BEFORE = 30.0
# One row of so many of forced photometry has no measurement, which ALeRCE sends as 100.
_UNMEASURED_EVERY, _NO_MEASUREMENT = 29, 100.0
_FORCED_MAGNITUDES = ("mag", "e_mag", "mag_corr", "e_mag_corr", "e_mag_corr_ext")
# One detection of LSST of so many was withdrawn later, the first of them after so many.
_WITHDRAWN_EVERY, _FIRST_WITHDRAWN = 20, 11
# Numbers of forced measurements begin here, those of detections lower.
_FORCED_NUMBERS = 100_000_000_000_000_000
# Streams of random numbers.
_POSITIONS, _SCORES, _CLASSES = 40, 41, 42
# The classes of each kind, by the stamp and by the light curve.
_STAMP_CLASS = {
    "supernova": "SN", "orphan": "SN", "variable": "VS", "agn": "AGN", "mover": "asteroid",
}  # fmt: skip
_SUPERNOVA_CLASS = {"SN II": "SNII", "SN IIn": "SNII", "SN Ib/c": "SNIbc", "SLSN-I": "SLSN"}
# Fewer detections are not classified by their light curve.
_LEAST_CLASSIFIED = 6


def ztf_objects(sky: SyntheticSky) -> list["SkyZTF"]:
    """Return the objects of the sky that ZTF has detected.

    Parameters
    ----------
    sky : SyntheticSky
        The sky.

    Returns
    -------
    list of SkyZTF
        In the order of the sky.
    """
    named = (SkyZTF(one) for one in sky if one.ztf_name is not None)
    return [one for one in named if one.n_detections]


def lsst_objects(sky: SyntheticSky) -> list["SkyLSST"]:
    """Return the objects of the sky that LSST has detected.

    Parameters
    ----------
    sky : SyntheticSky
        The sky.

    Returns
    -------
    list of SkyLSST
        In the order of the sky.
    """
    named = (SkyLSST(one) for one in sky if one.lsst_id is not None)
    return [one for one in named if one.n_detections]


class _Seen:
    """An object of the sky that a survey has detected.

    Parameters
    ----------
    one : SkyObject
        The object.
    """

    survey = ""
    scatter = 0.0
    failing: frozenset[str] = frozenset()

    def __init__(self, one: SkyObject):
        self.one = one

    @property
    def position(self) -> tuple[float, float]:
        """The mean position in degrees."""
        if self.one.kind != "mover":
            return self.one.ra, self.one.dec
        points = self._detections()
        return _mean_angle(points.ra), float(np.mean(points.dec))

    @cached_property
    def n_detections(self) -> int:
        """The number of detections."""
        return int(self._points().detected.sum())

    def _points(self) -> Measurements:
        return _measured(self)

    def _detections(self) -> Measurements:
        points = self._points()
        return points.rows(points.detected)

    def _history(self) -> Measurements:
        """Return all exposures from a month before the first detection to the last one."""
        points = self._points()
        seen = points.middle[points.detected]
        return points.rows((points.middle >= seen.min() - _BEFORE) & (points.middle <= seen.max()))

    def _random(self, stream: int) -> np.random.Generator:
        survey = ("ztf", "lsst").index(self.survey)
        return generator(self.one.seed, stream, survey, self.one.number)

    def _measured_positions(self, points: Measurements) -> tuple[list[float], list[float]]:
        """Return the position of each detection, with its error."""
        east, north = self._random(_POSITIONS).normal(0, self.scatter, (2, len(points)))
        ra = (points.ra + east / np.cos(np.radians(points.dec))) % 360
        return ra.tolist(), np.clip(points.dec + north, -90, 90).tolist()

    def _ranked(self, classes: Sequence[str], best: str, stream: int) -> list[Row]:
        """Return a row for each class of a classifier, of which one is the likeliest."""
        rng = generator(self.one.seed, _CLASSES, stream, self.one.number)
        rest = rng.random(len(classes)) ** 3 + 1e-3
        rest[list(classes).index(best)] = 0
        likeliest = rng.uniform(0.55, 0.95)
        probability = rest / rest.sum() * (1 - likeliest)
        probability[list(classes).index(best)] = likeliest
        order = np.argsort(-probability, kind="stable").tolist()
        return [
            {"class_name": name, "probability": float(probability[n]),
             "ranking": order.index(n) + 1}
            for n, name in enumerate(classes)
        ]  # fmt: skip


class SkyZTF(_Seen):
    """An object of the sky in ZTF's database; see `atlasquery.sandbox.alerce.contents.ZTFObject`.

    Parameters
    ----------
    one : SkyObject
        The object.
    """

    survey = "ztf"
    scatter = _ZTF_SCATTER

    @property
    def oid(self) -> str:
        """The name."""
        return str(self.one.ztf_name)

    @property
    def corrected(self) -> bool:
        """Whether the reference has a source at this place, so that total magnitudes are sent."""
        host = self.one.kind == "supernova" and self.one.number % 2 == 0
        return host or self.one.kind in ("variable", "agn")

    def entry(self) -> Row:
        """Return the entry in the catalogue."""
        points, covered = self._detections(), self._points()
        ra, dec = self._measured_positions(points)
        first, last = float(points.mjd.min()), float(points.mjd.max())
        # Detections of three sigma are counted, too.
        weaker = np.abs(covered.flux) > 3 * covered.flux_error
        return {
            "oid": self.oid, "ndethist": str(int(weaker.sum())), "ncovhist": len(covered),
            "mjdstarthist": float(covered.mjd[weaker].min()),
            "mjdendhist": float(covered.mjd[weaker].max()), "corrected": self.corrected,
            "stellar": self.one.kind == "variable", "ndet": len(points), **self._colours(points),
            "firstmjd": first, "lastmjd": last, "deltajd": last - first,
            "meanra": _mean_angle(np.array(ra)), "meandec": float(np.mean(dec)),
            "sigmara": _spread(_unwrapped(np.array(ra))), "sigmadec": _spread(np.array(dec)),
            "step_id_corr": CORRECTION,
        }  # fmt: skip

    def _colours(self, points: Measurements) -> Row:
        found: Row = dict.fromkeys(("g_r_max", "g_r_max_corr", "g_r_mean", "g_r_mean_corr"))
        fluxes = {"": points.flux}
        if self.corrected:
            fluxes["_corr"] = points.flux + points.reference_flux
        for suffix, flux in fluxes.items():
            mags = [magnitude_of(flux[points.band == band]) for band in "gr"]
            if all(len(mag) for mag in mags):
                found[f"g_r_max{suffix}"] = float(mags[0].min() - mags[1].min())
                found[f"g_r_mean{suffix}"] = float(mags[0].mean() - mags[1].mean())
        return found

    def probabilities(self) -> list[Row]:
        """Return the classifications; a few detections are classified by their stamp only."""
        light_curve = self._light_curve_class()
        rows = []
        for stream, (name, version, classes) in enumerate(CLASSIFIERS):
            stamp = name == "stamp_classifier"
            best = _STAMP_CLASS[self.one.kind] if stamp else light_curve
            if best is not None:
                whose = {"classifier_name": name, "classifier_version": version}
                rows += [whose | row for row in self._ranked(classes, best, stream)]
        return rows

    def _light_curve_class(self) -> str | None:
        if self.n_detections < _LEAST_CLASSIFIED:
            return None
        if self.one.kind in ("supernova", "orphan"):
            return _SUPERNOVA_CLASS.get(str(self.one.spectral_type), "SNIa")
        if self.one.kind == "agn":
            return "AGN"
        return "RRL" if (self.one.period or 0.0) < 1 else "LPV"

    def detections(self) -> list[Row]:
        """Return the detections, without the keys that are null."""
        points = self._detections()
        ids = measurement_ids(points, "ztf", self.one.number)
        magnitudes = self._magnitudes(points)
        measured = zip(*self._measured_positions(points), strict=True)
        scores = self._random(_SCORES).random((len(points), 4))
        rows = []
        for k, (ra, dec) in enumerate(measured):
            rb, drb, offset, aperture = scores[k].tolist()
            row = {
                "tid": "ztf", "mjd": float(points.mjd[k]), "candid": str(ids[k]),
                "fid": _FIDS[str(points.band[k])], "pid": int(points.exposure[k]),
                "diffmaglim": float(points.limiting_mag[k]),
                "isdiffpos": 1 if points.flux[k] > 0 else -1,
                "nid": int(points.mjd[k]) - _FIRST_NIGHT,
                "distnr": offset if self.corrected else 5 + 10 * offset, "ra": ra, "dec": dec,
                "rb": 0.5 + rb / 2, "rbversion": "t17_f5_c3", "drb": 0.8 + drb / 5,
                "rfid": int(points.field[k]) * 1_000_000 + 120_117, "has_stamp": k % 5 != 4,
                "corrected": self.corrected, "dubious": False, "step_id_corr": CORRECTION,
                "phase": 0.0, **{name: float(values[k]) for name, values in magnitudes.items()},
            }  # fmt: skip
            row["magap"] = row["magpsf"] + 0.04 * aperture
            row["magapbig"], row["sigmagap"] = row["magpsf"] + 0.02, 1.3 * row["sigmapsf"]
            row["sigmagapbig"] = 1.6 * row["sigmapsf"]
            if k:
                # It came in the packet of the first alert, or of one of its followers.
                row["parent_candid"] = int(ids[0])
            rows.append(row)
        return rows

    def _magnitudes(self, points: Measurements) -> dict[str, np.ndarray]:
        """Return the magnitudes of detections and their errors, without signs."""
        found = {
            "magpsf": magnitude_of(points.flux),
            "sigmapsf": _MAG_ERROR * points.flux_error / np.abs(points.flux),
        }
        if self.corrected:
            total = points.flux + points.reference_flux
            error = _MAG_ERROR * points.flux_error / total
            found["magpsf_corr"], found["sigmapsf_corr"] = magnitude_of(total), error
            found["sigmapsf_corr_ext"] = np.hypot(error, 0.02)
        return found

    def non_detections(self) -> list[Row]:
        """Return the exposures that do not show the object."""
        points = self._history()
        points = points.rows(~points.detected)
        columns = (points.mjd.tolist(), points.band.tolist(), points.limiting_mag.tolist())
        return [
            {"tid": "ztf", "mjd": mjd, "fid": _FIDS[band], "diffmaglim": limit}
            for mjd, band, limit in zip(*columns, strict=True)
        ]

    def forced(self) -> list[Row]:
        """Return the forced photometry of all exposures, with or without a detection."""
        points = self._history()
        flux, error = points.forced_flux, points.flux_error
        values = {"mag": magnitude_of(flux), "e_mag": _MAG_ERROR * error / np.abs(flux)}
        unmeasured = np.arange(len(points)) % _UNMEASURED_EVERY == _UNMEASURED_EVERY - 1
        values = {name: np.where(unmeasured, _NO_MEASUREMENT, v) for name, v in values.items()}
        columns = {name: column.tolist() for name, column in values.items()}
        columns |= self._forced_totals(points, ~unmeasured)
        columns |= {name: column.tolist() for name, column in vars(points).items()}
        rows = zip(*columns.values(), strict=True)
        return [self._forced_row(dict(zip(columns, row, strict=True))) for row in rows]

    def _forced_totals(self, points: Measurements, measured: np.ndarray) -> dict[str, list]:
        """Return the total magnitudes and their errors, None where there is none."""
        total = points.forced_flux + points.reference_flux
        known = (measured & (total > 0) & self.corrected).tolist()
        total = np.where(total > 0, total, 1.0)
        e_mag = _MAG_ERROR * points.flux_error / total
        found = {
            "mag_corr": magnitude_of(total), "e_mag_corr": e_mag,
            "e_mag_corr_ext": np.hypot(e_mag, 0.02),
        }  # fmt: skip
        return {
            name: [
                value if one else None for value, one in zip(values.tolist(), known, strict=True)
            ]
            for name, values in found.items()
        }

    def _forced_row(self, point: Row) -> Row:
        values = {name: point[name] for name in _FORCED_MAGNITUDES}
        pid, ra, dec, field = (point[name] for name in ("exposure", "ra", "dec", "field"))
        extra = {
            "sciinpseeing": 2.1, "clrcounc": 1e-05, "decnr": dec, "scibckgnd": 300.0,
            "exptime": point["exposure_time"], "magnr": self.one.reference_mag, "pid": pid,
            "scisigpix": 12.0, "adpctdif1": 0.2, "sigmagnr": 0.04, "magzpsci": 26.2,
            "adpctdif2": 0.3, "chinr": 0.8, "diffmaglim": point["limiting_mag"],
            "programid": 1, "sharpnr": 0.01, "field": field, "magzpsciunc": 1e-05,
            "procstatus": "0", "rcid": point["detector"], "magzpscirms": 0.03,
            "distnr": 0.5, "rfid": field * 1_000_000 + 120_117, "clrcoeff": -0.05, "ranr": ra,
            **values,
        }  # fmt: skip
        return {
            "candid": f"{self.oid}{pid}", "tid": "ztf", "sid": None, "aid": None, "pid": pid,
            "oid": self.oid, "mjd": point["mjd"], "fid": _FIDS[point["band"]], "ra": ra,
            "e_ra": 0.07, "dec": dec, "e_dec": 0.07, **values,
            "isdiffpos": 1 if point["forced_flux"] > 0 else -1, "corrected": self.corrected,
            "dubious": False, "parent_candid": None, "has_stamp": False, "extra_fields": extra,
        }  # fmt: skip

    def features(self) -> list[Row]:
        """Return the features of the light curve, null where there are too few detections."""
        points = self._detections()
        found: list[tuple[str, float | None, int]] = []
        for band, fid in (("g", 1), ("r", 2)):
            flux = points.flux[points.band == band]
            known = len(flux) > 1
            mag = magnitude_of(flux)
            values: Row = {
                "Amplitude": float(np.ptp(mag) / 2) if known else None,
                "Mean": float(mag.mean()) if known else None,
                "Std": float(mag.std(ddof=1)) if known else None,
                "delta_mag_fid": float(np.ptp(mag)) if known else None,
                "n_det": float(len(flux)), "n_pos": float((flux > 0).sum()),
                "n_neg": float((flux < 0).sum()),
                "positive_fraction": float((flux > 0).mean()) if known else None,
            }  # fmt: skip
            found += [(name, value, fid) for name, value in values.items()]
        colours = self._colours(points)
        found += [("g-r_max", colours["g_r_max"], 12), ("g-r_mean", colours["g_r_mean"], 12)]
        found.append(("Multiband_period", self.one.period, 12))
        return [
            {"name": name, "value": value, "fid": fid, "version": FEATURES_VERSION}
            for name, value, fid in found
        ]

    def magstats(self) -> list[Row]:
        """Return the statistics of the magnitudes in each band."""
        points = self._detections()
        return [
            self._statistics(points.rows(points.band == band), fid)
            for band, fid in _FIDS.items()
            if (points.band == band).any()
        ]

    def _statistics(self, points: Measurements, fid: int) -> Row:
        mag = magnitude_of(points.flux)
        return {
            "fid": fid, "stellar": self.one.kind == "variable", "corrected": self.corrected,
            "ndet": len(points), "ndubious": 0, "magmean": float(mag.mean()),
            "magmedian": float(np.median(mag)), "magmax": float(mag.max()),
            "magmin": float(mag.min()),
            "magsigma": float(mag.std(ddof=1)) if len(mag) > 1 else None,
            "maglast": float(mag[-1]), "magfirst": float(mag[0]),
            "firstmjd": float(points.mjd[0]), "lastmjd": float(points.mjd[-1]),
            "step_id_corr": CORRECTION,
        }  # fmt: skip


class SkyLSST(_Seen):
    """An object of the sky in LSST's database; see `atlasquery.sandbox.alerce.contents.LSSTObject`.

    Parameters
    ----------
    one : SkyObject
        The object.
    """

    survey = "lsst"
    scatter = _LSST_SCATTER

    @property
    def oid(self) -> int:
        """The number that the survey gives it."""
        if self.one.lsst_id is None:
            raise ValueError(f"LSST does not see the object {self.one.number}")
        return self.one.lsst_id

    def entry(self) -> Row:
        """Return the entry in the catalogue."""
        points = self._detections()
        ra, dec = self.position
        first, last = float(points.mjd[0]), float(points.mjd[-1])
        return {
            "oid": self.oid, "tid": 1, "sid": 1, "meanra": ra, "meandec": dec, "sigmara": None,
            "sigmadec": None, "firstmjd": first, "lastmjd": last, "deltamjd": last - first,
            "n_det": len(points), "n_forced": len(self._history()), "n_non_det": 0,
        }  # fmt: skip

    def statistics(self) -> Row:
        """Return the row of the survey's table DiaObject."""
        points = self._detections()
        ra, dec = self.position
        found: Row = {
            "validityStartMjdTai": float(points.mjd[-1]) + 0.1, "ra": ra,
            "raErr": self.scatter / len(points) ** 0.5, "dec": dec,
            "decErr": self.scatter / len(points) ** 0.5, "ra_dec_Cov": None,
            "firstDiaSourceMjdTai": float(points.mjd[0]),
            "lastDiaSourceMjdTai": float(points.mjd[-1]), "nDiaSources": len(points),
            "created_date": "2026-11-20T00:00:00",
        }  # fmt: skip
        for band in LSST_BANDS.values():
            found |= _band_statistics(points.rows(points.band == band), band)
        return found

    def probabilities(self) -> list[Row]:
        """Return a row for each class."""
        whose = {"classifier_name": "stamp_classifier_rubin", "classifier_version": 201}
        rows = self._ranked(LSST_CLASSES, _STAMP_CLASS[self.one.kind], len(CLASSIFIERS))
        return [whose | row for row in rows]

    def measurements(self, *, forced: bool) -> list[Row]:
        """Return the detections, some of them withdrawn, or the forced photometry."""
        points = self._history() if forced else self._detections()
        ids = measurement_ids(points, "lsst", self.one.number)
        if forced:
            ids, flux = ids + _FORCED_NUMBERS, points.forced_flux
            ra, dec = points.ra.tolist(), points.dec.tolist()
        else:
            flux = points.flux
            ra, dec = self._measured_positions(points)
        rows = [
            {
                "band_map": LSST_BANDS, "band": _LSST_NUMBERS[str(points.band[k])],
                "mjd": float(points.mjd[k]), "survey_id": "lsst", "ra": ra[k], "dec": dec[k],
                "oid": self.oid, "measurement_id": int(ids[k]), "psfFlux": float(flux[k] * _NANO),
                "psfFluxErr": float(points.flux_error[k] * _NANO),
                "scienceFlux": float((flux[k] + points.reference_flux[k]) * _NANO),
                "scienceFluxErr": float(points.flux_error[k] * _NANO),
                "visit": int(points.exposure[k]), "detector": int(points.detector[k]),
            }
            for k in range(len(points))
        ]  # fmt: skip
        return rows if forced else self._as_sources(rows, points)

    def _as_sources(self, rows: list[Row], points: Measurements) -> list[Row]:
        """Add what the survey's table DiaSource has besides forced photometry."""
        scores = self._random(_SCORES).random((len(rows), 3)).tolist()
        null: dict[str, Any] = dict.fromkeys(LSST_NULL.split())
        solar = self.one.number + 21_163_611_980_000_000 if self.one.kind == "mover" else None
        for k, row in enumerate(rows):
            reliability, x, y = scores[k]
            withdrawn = k % _WITHDRAWN_EVERY == _FIRST_WITHDRAWN
            reference = float(points.reference_flux[k] * _NANO)
            rows[k] = row | null | {
                "parentDiaSourceId": -1, "diaObjectId": self.oid, "ssObjectId": solar,
                "raErr": self.scatter, "decErr": self.scatter, "x": 4000 * x, "y": 4000 * y,
                "psfFlux_flag": 0, "has_stamp": True, "isNegative": int(row["psfFlux"] < 0),
                "snr": abs(row["psfFlux"]) / row["psfFluxErr"],
                "reliability": 0.7 + 0.3 * reliability, "templateFlux": reference,
                "timeProcessedMjdTai": row["mjd"] + 0.01,
                "timeWithdrawnMjdTai": row["mjd"] + 3.5 if withdrawn else None,
            }  # fmt: skip
        return rows


@lru_cache(maxsize=16)
def _measured(seen: _Seen) -> Measurements:
    """Return the measurements of an object, which several parts of a response need."""
    return measurements(seen.one, seen.survey)


def _band_statistics(points: Measurements, band: str) -> Row:
    """Return the columns of DiaObject that a band has, null where it has no detection."""
    flux, total = points.flux * _NANO, (points.flux + points.reference_flux) * _NANO
    n = len(points)
    known = {
        "psfFluxMean": flux.mean(), "psfFluxMin": flux.min(), "psfFluxMax": flux.max(),
        "psfFluxErrMean": (points.flux_error * _NANO).mean(), "scienceFluxMean": total.mean(),
        "psfFluxMeanErr": flux.std() / n**0.5, "psfFluxSigma": flux.std(),
    } if n else {}  # fmt: skip
    names = (
        *("psfFluxMean", "psfFluxMin", "psfFluxMax", "psfFluxErrMean", "scienceFluxMean"),
        *("psfFluxMeanErr", "psfFluxSigma"),
    )
    found: Row = {f"{band}_{name}": float(known[name]) if n else None for name in names}
    return found | {f"{band}_psfFluxNdata": n}


def _unwrapped(ra: np.ndarray) -> np.ndarray:
    """Return right ascensions without a step at 360 degrees."""
    return (ra - ra[0] + 180) % 360 - 180 + ra[0]


def _mean_angle(ra: np.ndarray) -> float:
    return float(np.mean(_unwrapped(ra)) % 360)


def _spread(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
