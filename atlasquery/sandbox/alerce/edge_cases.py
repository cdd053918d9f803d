"""Objects with which the real servers fail or surprise, and plain ones, by their number.

They are the same in every run, so that tests can say what they are. Those of ZTF are numbered from
0 to `COUNT`, those of LSST from 0 to `LSST_COUNT`.
"""

import math
import random
from dataclasses import dataclass

from .rows import CORRECTION, FEATURES_VERSION, LSST_BANDS, LSST_NULL, Row, ztf_magstats
from .rows import v2_detections as v2_form
from .rows import v2_non_detections as v2_limits
from .taxonomy import CLASSIFIERS, LSST_CLASSES

FIRST_LSST = 45121627560013200
LSST_COUNT = 40
# Objects of LSST that nobody has classified; with classifications by two versions; with a
# detection whose keys are fillers; with a null flux among its forced photometry, over which the
# server fails; without any forced photometry; with a classifier of another telescope.
UNCLASSIFIED, TWO_VERSIONS = (0, 1, 8, 21), (12, 24)
FILLED, NULL_FLUX, UNFORCED, FOREIGN = 6, 30, 31, 33
COUNT = 1200
# An object of ZTF among those of LSST.
STRAY, STRAY_POSITION = "ZTF20aaaaaak", (53.1, -27.8)


def _seeded(seed: int) -> random.Random:
    """Return a source of the same numbers in every run."""
    return random.Random(seed)  # noqa: S311


def name(n: int) -> str:
    """Return the name of object `n`."""
    letters, rest = "", n
    for _ in range(7):
        letters = chr(97 + rest % 26) + letters
        rest //= 26
    return f"ZTF{18 + n % 5}{letters}"


# Objects at the places where a cone goes wrong, and those of other faults.
AT_RA_ZERO, AT_DEC_ZERO, WEST, EAST, EMPTY, OUTSIDE, FADED = 60, 61, 62, 63, 64, 65, 66
# Objects with a NaN in the database, over which the second version of the API fails.
NAN = (1, 3)
V2_ROUTES = ("v2/detections", "v2/lightcurve", "v2/non_detections", "v2/forced-photometry")
PLACES = {
    AT_RA_ZERO: (0.0, 10.0), AT_DEC_ZERO: (180.0, 0.0), WEST: (359.9999, -5.0),
    EAST: (0.0008, -5.0),
}  # fmt: skip


def position(n: int) -> tuple[float, float]:
    """Return right ascension and declination in degrees."""
    if n in PLACES:
        return PLACES[n]
    rng = _seeded(n)
    if n < 40:
        return 150.1 + rng.uniform(-25, 25) / 3600, 2.2 + rng.uniform(-15, 15) / 3600
    return rng.uniform(1, 359), math.degrees(math.asin(rng.uniform(-0.4, 0.9)))


def probabilities(n: int) -> list[Row]:
    """Return a row per classifier, version and class; every tenth object has none."""
    if n % 10 == 9 or n == EMPTY:
        return []
    rows = []
    for c, (classifier, version, classes) in enumerate(CLASSIFIERS):
        rng = _seeded(n * 10 + (c if c else 0))
        weights = [rng.random() ** 3 for _ in classes]
        total = sum(weights)
        order = sorted(range(len(classes)), key=lambda i: -weights[i])
        for i, label in enumerate(classes):
            rows.append({
                "classifier_name": classifier, "classifier_version": version,
                "class_name": label, "probability": weights[i] / total,
                "ranking": order.index(i) + 1,
            })  # fmt: skip
    return rows


def entry(n: int) -> Row:
    """Return the catalogue entry of object `n`, as of the route of a single object."""
    ra, dec = position(n)
    rng = _seeded(n + 5000)
    first = 58300 + rng.uniform(0, 1500)
    found = 0 if n == EMPTY else detection_count(n)
    colour = rng.uniform(-0.3, 1.2) if n % 3 == 0 else None
    return {
        "oid": name(n), "ndethist": str(found + 13), "ncovhist": 792, "mjdstarthist": first - 2,
        "mjdendhist": first + 120, "corrected": n % 2 == 1, "stellar": n % 4 == 0, "ndet": found,
        "g_r_max": colour, "g_r_max_corr": None, "g_r_mean": colour, "g_r_mean_corr": None,
        "firstmjd": first, "lastmjd": first + found, "deltajd": float(found), "meanra": ra,
        "meandec": dec, "sigmara": 2.2e-05, "sigmadec": 1.6e-05,
        "step_id_corr": CORRECTION,
    }  # fmt: skip


def detection_count(n: int) -> int:
    """Return the number of detections of an object that has some."""
    return 3 + (n * 37) % 60


def supernova(phase: float) -> float:
    """Return the magnitude of a supernova `phase` days after its peak."""
    return 18.2 + (phase / 11) ** 2 * 0.6 if phase < 0 else 18.2 + phase * 0.035


def detections(n: int) -> list[Row]:
    """Return rows without the keys that are null."""
    if n == EMPTY:
        return []
    ra, dec = position(n)
    rng = _seeded(n + 9000)
    first = entry(n)["firstmjd"]
    rows = []
    for k in range(detection_count(n)):
        fid = 1 + k % 2 if k % 9 else 3
        mag = supernova(k - 12) + 0.3 * (fid == 2) + rng.gauss(0, 0.05)
        row = {
            "tid": "ztf", "mjd": first + k,
            "candid": str(1234567890000000015 + n * 10**6 + k * 10**4),
            "fid": fid, "pid": 1000000000000 + n * 1000 + k, "diffmaglim": 20.5 + rng.gauss(0, 0.2),
            # The reference has some light of the supernova: late differences fall below it.
            "isdiffpos": -1 if k > 45 else 1, "nid": 800 + k, "distnr": rng.uniform(0, 5),
            "magpsf": mag, "sigmapsf": 0.03 + 0.02 * (mag - 18), "magap": mag + 0.02,
            "sigmagap": 0.09, "ra": ra + rng.gauss(0, 2e-5), "dec": dec + rng.gauss(0, 2e-5),
            "rb": rng.uniform(0.5, 1), "rbversion": "t17_f5_c3", "drb": rng.uniform(0.5, 1),
            "magapbig": mag + 0.01, "sigmagapbig": 0.1, "rfid": 455120117, "has_stamp": k % 2 == 0,
            "corrected": n % 2 == 1, "dubious": False, "step_id_corr": CORRECTION,
            "phase": 0.0,
        }  # fmt: skip
        if n % 2 == 1:
            row |= {"magpsf_corr": mag - 0.3, "sigmapsf_corr": 0.05, "sigmapsf_corr_ext": 0.07}
        if k % 3 == 0:
            row["parent_candid"] = 1000000000000000007 + n * 1000 + k
        if k % 4 == 1:
            for key in ("rb", "drb", "magap", "sigmagap"):
                del row[key]
        rows.append(row)
    return rows


def non_detections(n: int) -> list[Row]:
    """Return the exposures before the first detection."""
    if n == EMPTY:
        return []
    rng = _seeded(n + 12000)
    first = entry(n)["firstmjd"]
    return [
        {"tid": "ztf", "mjd": first - 30 + k, "fid": 1 + k % 2, "diffmaglim": 20.2 + rng.random()}
        for k in range(18)
    ]


def forced(n: int) -> list[Row]:
    """Return forced photometry; every fourth row has no measurement, which is 100.0."""
    ra, dec = position(n)
    first = entry(n)["firstmjd"]
    rows = []
    for k in range(13):
        mag = 100.0 if k % 4 == 3 else supernova(k * 3 - 12)
        pid = 2000000000000 + n * 1000 + k
        values = {"mag": mag, "e_mag": 100.0 if mag == 100.0 else 0.1}
        values |= {"mag_corr": 18.5, "e_mag_corr": 0.05, "e_mag_corr_ext": 0.06}
        extra = {
            "sciinpseeing": 2.1, "clrcounc": 1e-05, "decnr": dec, "scibckgnd": 300.0,
            "exptime": 30.0, "magnr": 20.1, "pid": pid, "scisigpix": 12.0, "adpctdif1": 0.2,
            "sigmagnr": 0.04, "magzpsci": 26.2, "adpctdif2": 0.3, "chinr": 0.8,
            "diffmaglim": 20.4, "programid": 1, "sharpnr": 0.01, "field": 455,
            "magzpsciunc": 1e-05, "procstatus": "0", "rcid": 20, "magzpscirms": 0.03,
            "distnr": 0.5, "rfid": 455120120, "clrcoeff": -0.05, "ranr": ra, **values,
        }  # fmt: skip
        rows.append({
            "candid": f"{name(n)}{pid}", "tid": "ztf", "sid": None, "aid": None, "pid": pid,
            "oid": name(n), "mjd": first + 3 * k + 0.5, "fid": 1 + k % 2, "ra": ra, "e_ra": 0.07,
            "dec": dec, "e_dec": 0.07, **values, "isdiffpos": 1 if k < 9 else -1, "corrected": True,
            "dubious": False, "parent_candid": None, "has_stamp": False, "extra_fields": extra,
        })  # fmt: skip
    return rows


def v2_detections(n: int) -> list[Row]:
    """Return detections as the second version of the API sends them."""
    return v2_form(name(n), detections(n))


def v2_non_detections(n: int) -> list[Row]:
    """Return non-detections as the second version of the API sends them."""
    return v2_limits(name(n), non_detections(n))


def features(n: int) -> list[Row]:
    """Return features; some values are null or NaN."""
    values = [
        ("Amplitude", 1.83, 1), ("Amplitude", 8.74, 2), ("Multiband_period", None, 12),
        ("PPE", 8.55, 12), ("Eta_e", None, 1), ("Eta_e", float("nan"), 2), ("r-W3", 9.02, 0),
        ("Power_rate_1/2", 0.5, 1), ("Power_rate_1/2", 0.7, 2),
    ]  # fmt: skip
    return [
        {"name": a, "value": v, "fid": fid, "version": FEATURES_VERSION} for a, v, fid in values
    ]


def magstats(n: int) -> list[Row]:
    """Return the statistics of the detections in each band."""
    rows, first = detections(n), entry(n)["firstmjd"]
    found = (ztf_magstats(rows, fid, first, first + 60, stellar=True) for fid in (1, 2))
    return [row for row in found if row is not None]


def lsst_entry(n: int) -> Row:
    """Return an object as the route for one of them sends it."""
    rng = _seeded(n + 20000)
    places = {0: (0.0, -30.0), 1: (180.0, 0.0)}
    ra, dec = places.get(
        n, (53.1 + rng.uniform(-30, 30) / 3600, -27.8 + rng.uniform(-25, 25) / 3600)
    )
    return {
        "oid": FIRST_LSST + n, "tid": 1, "sid": 1, "meanra": ra, "meandec": dec, "sigmara": None,
        "sigmadec": None, "firstmjd": 60950.0, "lastmjd": 60960.0, "deltamjd": 10.0,
        "n_det": 5 + n % 7, "n_forced": 25, "n_non_det": 0,
    }  # fmt: skip


def lsst_statistics(n: int) -> Row:
    """Return an object's row of the survey's table DiaObject, exact."""
    one = lsst_entry(n)
    return {
        "validityStartMjdTai": 60950.123456, "ra": one["meanra"], "raErr": 1.2e-05,
        "dec": one["meandec"], "decErr": None, "g_psfFluxMean": 1234.5678901 + n,
        "g_psfFluxMeanErr": 0.00012345, "r_psfFluxMean": None, "g_psfFluxMaxSlope": 0.25,
        "g_psfFluxNdata": 4, "firstDiaSourceMjdTai": 60950.0123456,
        "lastDiaSourceMjdTai": 60960.0, "nDiaSources": 9, "created_date": "2026-11-20T00:00:00",
    }  # fmt: skip


def lsst_probabilities(n: int) -> list[Row]:
    """Return a row for each class of each version of the classifier."""
    if n in UNCLASSIFIED:
        return []
    versions = (201, 202) if n in TWO_VERSIONS else (201,)
    rows = []
    for version in versions:
        rng = _seeded(n + 30000 + (version - 201) * 1000)
        weights = [rng.random() for _ in LSST_CLASSES]
        order = sorted(range(5), key=lambda i: -weights[i])
        rows += [
            {"classifier_name": "stamp_classifier_rubin", "classifier_version": version,
             "class_name": label, "probability": weights[i] / sum(weights),
             "ranking": order.index(i) + 1}
            for i, label in enumerate(LSST_CLASSES)
        ]  # fmt: skip
    return rows


def lsst_rows(n: int, *, forced: bool) -> list[Row]:
    """Return detections or forced photometry of LSST; the third has no flux, sent as 0.0."""
    one = lsst_entry(n)
    rows: list[Row] = []
    if forced and n == UNFORCED:
        return rows
    for k in range(25 if forced else one["n_det"]):
        known = k != 2
        row = {
            "band_map": LSST_BANDS, "band": 1 + k % 6, "mjd": 60950.0 + k, "survey_id": "lsst",
            "ra": one["meanra"], "dec": one["meandec"], "oid": FIRST_LSST + n,
            "measurement_id": (270046560000000000 if forced else 170046560000000000) + n * 1000 + k,
            "psfFlux": (-1) ** k * 2312.37 if known else 0.0, "psfFluxErr": 80.0 if known else 0.0,
            "scienceFlux": 5666.8 if known else 0.0, "scienceFluxErr": 90.0 if known else 0.0,
            "visit": 2025000 + k, "detector": 5,
        }  # fmt: skip
        if not forced:
            none = n == FILLED and k == 3
            if none:
                row["band"] = 0
            row |= dict.fromkeys(LSST_NULL.split()) | {
                "parentDiaSourceId": -1 if k != 1 else 170046560000000000 + n * 1000,
                "diaObjectId": -1 if none else FIRST_LSST + n, "psfFlux_flag": 0,
                "has_stamp": True, "ssObjectId": None, "raErr": None, "x": 1.0, "y": 2.0,
                "snr": 20.0, "apFlux": None, "trailLength": None, "reliability": 0.9,
                "timeProcessedMjdTai": 60950.01 + k, "pixelFlags": None,
            }  # fmt: skip
        rows.append(row)
    return rows


@dataclass(frozen=True)
class EdgeZTF:
    """An object of ZTF, by its number; see `atlasquery.sandbox.alerce.contents.ZTFObject`."""

    n: int

    @property
    def oid(self) -> str:
        """The name."""
        return name(self.n)

    @property
    def position(self) -> tuple[float, float]:
        """The mean position in degrees."""
        return position(self.n)

    @property
    def failing(self) -> frozenset[str]:
        """The routes with which the server fails."""
        if self.n == OUTSIDE:
            return frozenset(["probabilities"])
        if self.n == FADED:
            return frozenset(V2_ROUTES)
        return frozenset(["v2/detections", "v2/lightcurve"] if self.n in NAN else [])

    def entry(self) -> Row:
        """Return the entry in the catalogue."""
        return entry(self.n)

    def probabilities(self) -> list[Row]:
        """Return the classifications."""
        return probabilities(self.n)

    def detections(self) -> list[Row]:
        """Return the detections."""
        return detections(self.n)

    def non_detections(self) -> list[Row]:
        """Return the exposures that do not show the object."""
        return non_detections(self.n)

    def forced(self) -> list[Row]:
        """Return the forced photometry."""
        return forced(self.n)

    def features(self) -> list[Row]:
        """Return the features of the light curve."""
        return features(self.n)

    def magstats(self) -> list[Row]:
        """Return the statistics in each band."""
        return magstats(self.n)


@dataclass(frozen=True)
class EdgeLSST:
    """An object of LSST, by its number; see `atlasquery.sandbox.alerce.contents.LSSTObject`."""

    n: int

    @property
    def oid(self) -> int:
        """The number that the survey gives it."""
        return FIRST_LSST + self.n

    @property
    def position(self) -> tuple[float, float]:
        """The mean position in degrees."""
        one = lsst_entry(self.n)
        return one["meanra"], one["meandec"]

    @property
    def failing(self) -> frozenset[str]:
        """The routes with which the server fails."""
        failing = {FOREIGN: "probabilities", NULL_FLUX: "forced"}
        return frozenset([failing[self.n]] if self.n in failing else [])

    def entry(self) -> Row:
        """Return the entry in the catalogue."""
        return lsst_entry(self.n)

    def statistics(self) -> Row:
        """Return the row of the survey's table DiaObject."""
        return lsst_statistics(self.n)

    def probabilities(self) -> list[Row]:
        """Return the classifications."""
        return lsst_probabilities(self.n)

    def measurements(self, *, forced: bool) -> list[Row]:
        """Return the detections or the forced photometry."""
        return lsst_rows(self.n, forced=forced)
