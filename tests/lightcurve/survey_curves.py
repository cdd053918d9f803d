"""Light curves of one supernova as each service sends them, for tests of combine."""

import numpy as np
from astropy.coordinates import SkyCoord
from example_curves import light_curve

POSITION = SkyCoord(150.0, 2.2, unit="deg")
TOPOCENTER = {"time_reference_position": "topocenter", "flux_kind": "difference"}
ATLAS = {"service": "ATLAS Transient Server", "survey": "atlas", "object": "ATLAS26abc",
         "time_reference": "start", "coordinates": POSITION, **TOPOCENTER}  # fmt: skip
FORCED = {"service": "ATLAS Forced Photometry Server", "survey": "atlas", "object": "x",
          "time_reference": "start", "coordinates": POSITION, **TOPOCENTER}  # fmt: skip
ZTF = {"service": "ALeRCE broker", "survey": "ztf", "object": "ZTF26abcdefg",
       "time_reference": "start", **TOPOCENTER}  # fmt: skip
LSST = {"service": "ALeRCE broker", "survey": "lsst", "object": "170028",
        "time_reference": "middle", **TOPOCENTER}  # fmt: skip
SKYPORTAL = {"service": "SkyPortal", "survey": "ztf", "object": "2026abc",
             "time_reference": "unknown", "time_reference_position": "unknown",
             "flux_kind": "unknown"}  # fmt: skip
LCC = {"service": "LCC-Server", "survey": "hatnet", "object": "HAT-1", "magsys": "unknown",
       "time_reference": "unknown", "time_reference_position": "barycenter",
       "flux_kind": "total"}  # fmt: skip
PEAK = 60050.0


def truth(mjd):
    """Return the flux of the supernova in uJy."""
    phase = np.asarray(mjd) - PEAK
    return 400.0 * np.where(phase < 0, np.exp(-((phase / 9.0) ** 2)), np.exp(-phase / 25.0))


def atlas(n=40, seed=1, **meta):
    """Return detections and limits of the Transient Server, of four units."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(PEAK - 60, PEAK + 90, n)).round(6)
    flux, err = truth(time) + rng.normal(0, 25, n), rng.uniform(20, 30, n)
    seen = flux > 3 * err
    unit = np.array(["01a", "02a", "03a", "04a"])[np.arange(n) % 4]
    names = [f"{u}{int(t)}o{k:04}" for k, (u, t) in enumerate(zip(unit, time, strict=True))]
    nan = np.where(seen, 1.0, np.nan)
    return light_curve(
        time, flux * nan, err * nan, band=np.where(np.arange(n) % 3, "o", "c"),
        detection=seen, exposure=np.array(names), meta=ATLAS | meta,
        mag=np.where(seen, 23.9 - 2.5 * np.log10(np.abs(flux)), np.nan),
        limiting_mag=23.9 - 2.5 * np.log10(5 * err),
        survey_columns={"atlas_id": np.full(n, 1100003181021216990), "zero_point": nan * 22.1,
                        "reduced_chi2": nan, "x": 500.0 * nan, "y": 500.0 * nan,
                        "psf_major": 2.0 * nan, "psf_minor": 2.0 * nan,
                        "duplicate": np.zeros(n, int)},
    )  # fmt: skip


def forced(of=None, seed=2, **meta):
    """Return forced photometry of the exposures of a light curve of ATLAS."""
    of = atlas() if of is None else of
    rng = np.random.default_rng(seed)
    n, time = len(of), of.time.mjd
    return light_curve(
        time, truth(time) + rng.normal(0, 20, n), 20.0, band=np.asarray(of["band"]),
        exposure=np.asarray(of["exposure"]), meta=FORCED | meta,
        survey_columns={"error_code": np.zeros(n, int), "reduced_chi2": np.ones(n),
                        "x": np.full(n, 500.0)},
    )  # fmt: skip


def ztf(n=30, seed=3, **meta):
    """Return detections, limits and forced photometry of ALeRCE: of each exposure one or two."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(PEAK - 50, PEAK + 80, n))
    flux, err = truth(time) * 1.1 + rng.normal(0, 10, n), np.full(n, 9.0)
    seen = flux > 5 * err
    pid = 2000000000000 + 10 * np.arange(n)
    nan = np.where(seen, 1.0, np.nan)
    both = np.concatenate([np.arange(n), np.flatnonzero(seen)])
    was_forced = np.arange(len(both)) >= n
    extra = np.where(was_forced, 1.03, 1.0)
    return light_curve(
        time[both], (flux * nan)[both] * extra, (err * nan)[both],
        band=np.where(np.arange(n) % 2, "g", "r")[both], survey="ztf", detection=seen[both],
        exposure=np.where(seen, pid.astype(str), "")[both],
        limiting_mag=np.full(len(both), 20.5), meta=ZTF | meta,
        survey_columns={"candid": (pid * 1000 + 5)[both], "fid": np.ones(len(both), int),
                        "forced": was_forced, "ra": np.full(len(both), 150.0),
                        "dec": np.full(len(both), 2.2)},
    )  # fmt: skip


def lsst(n=24, seed=4, withdrawn=(), **meta):
    """Return detections and forced photometry of LSST, some of which it has withdrawn."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(PEAK - 40, PEAK + 100, n))
    gone = np.full(n, np.nan)
    gone[list(withdrawn)] = 60200.0
    return light_curve(
        time, truth(time) * 0.9 + rng.normal(0, 1, n), 1.0,
        band=np.array(list("gri"))[np.arange(n) % 3], survey="lsst",
        exposure=(2025000 + np.arange(n)).astype(str), scale="tai", meta=LSST | meta,
        survey_columns={"visit": 2025000 + np.arange(n), "forced": np.arange(n) % 4 == 3,
                        "diaObjectId": np.full(n, 170028526764621828),
                        "timeWithdrawnMjdTai": gone},
    )  # fmt: skip


def skyportal(of=None, **meta):
    """Return the detections of a light curve of ZTF as uploaded to a SkyPortal."""
    of = ztf() if of is None else of
    of = of[of["detection"] & ~of["forced"]]
    n = len(of)
    return light_curve(
        of.time.mjd, of["flux"].unmasked.value * (1 + 1e-5), of["flux_err"].unmasked.value,
        band=np.asarray(of["band"]), survey="ztf", exposure=np.full(n, ""),
        meta=SKYPORTAL | meta,
        survey_columns={"photometry_id": np.arange(n), "origin": np.full(n, ""),
                        "instrument": np.full(n, "ZTF")},
    )  # fmt: skip


def lcc(n=50, seed=5, **meta):
    """Return magnitudes of a server of light curve collections, of the barycentre."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(PEAK - 70, PEAK + 60, n))
    mag = 15.0 + rng.normal(0, 0.02, n)
    nan = np.full(n, np.nan)
    return light_curve(
        time, nan, nan, band="r", survey="hatnet", detection=np.ones(n, bool), mag=mag,
        mag_err=np.full(n, 0.02), limiting_mag=nan, exposure_time=np.full(n, 300.0),
        exposure=np.full(n, ""), scale="tdb", meta=LCC | meta,
        survey_columns={"stf": np.arange(n)},
    )  # fmt: skip
