"""The forms in which ALeRCE's services send one and the same measurement."""

from collections.abc import Sequence
from typing import Any

__all__ = ["Row", "v2_detections", "v2_non_detections", "with_nulls", "ztf_magstats"]

#: An item of a JSON response.
Row = dict[str, Any]

#: The version of the pipelines.
CORRECTION = "correction_1.0.0"
FEATURES_VERSION = "lc_classifier_1.2.1-P"
LSST_BANDS = {"6": "u", "1": "g", "2": "r", "3": "i", "4": "z", "5": "y"}
# Keys of a detection of LSST that a survey so young sends as null.
LSST_NULL = """
ssObjectId raErr decErr ra_dec_Cov xErr yErr centroid_flag apFlux apFluxErr apFlux_flag
apFlux_flag_apertureTruncated isNegative psfLnL psfChi2 psfNdata trailFlux trailFluxErr
trailRa trailRaErr trailDec trailDecErr trailLength trailLengthErr trailAngle
trailAngleErr trailChi2 trailNdata trail_flag_edge dipoleMeanFlux dipoleMeanFluxErr
dipoleFluxDiff dipoleFluxDiffErr dipoleLength dipoleAngle dipoleChi2 dipoleNdata
forced_PsfFlux_flag forced_PsfFlux_flag_edge forced_PsfFlux_flag_noGoodPixels templateFlux
templateFluxErr ixx iyy ixy ixxPSF iyyPSF ixyPSF shape_flag shape_flag_no_pixels
shape_flag_not_contained shape_flag_parent_source extendedness isDipole dipoleFitAttempted
timeWithdrawnMjdTai bboxSize pixelFlags pixelFlags_bad pixelFlags_cr pixelFlags_crCenter
pixelFlags_edge pixelFlags_nodata pixelFlags_nodataCenter pixelFlags_interpolated
pixelFlags_interpolatedCenter pixelFlags_offimage pixelFlags_saturated
pixelFlags_saturatedCenter pixelFlags_suspect pixelFlags_suspectCenter pixelFlags_streak
pixelFlags_streakCenter pixelFlags_injected pixelFlags_injectedCenter
pixelFlags_injected_template pixelFlags_injected_templateCenter glint_trail
"""
# Keys that `/lightcurve` sends as null where `/detections` leaves them out.
NULLABLE = (
    "magpsf_corr", "magpsf_corr_ext", "magap", "magap_corr", "sigmapsf_corr", "sigmapsf_corr_ext",
    "sigmagap", "sigmagap_corr", "rb", "drb", "candid_alert", "parent_candid",
)  # fmt: skip
# How the second version of the API calls what the first one sends of a detection.
V2_NAMES = {
    "magpsf": "mag", "sigmapsf": "e_mag", "magpsf_corr": "mag_corr",
    "sigmapsf_corr": "e_mag_corr", "sigmapsf_corr_ext": "e_mag_corr_ext",
}  # fmt: skip
V2_COMMON = ("candid", "tid", "pid", "mjd", "fid", "ra", "dec", "isdiffpos", "corrected", "dubious",
             "has_stamp", "parent_candid")  # fmt: skip
V2_EXTRA = ("magapbig", "diffmaglim", "magap", "sigmagapbig", "sigmagap", "rfid", "nid", "distnr",
            "step_id_corr", "rb", "rbversion", "drb")  # fmt: skip


def with_nulls(rows: Sequence[Row]) -> list[Row]:
    """Return detections as ``/lightcurve`` sends them: with the keys that are null.

    Parameters
    ----------
    rows : sequence of dict
        Detections as ``/detections`` sends them.

    Returns
    -------
    list of dict
        New rows.
    """
    return [dict.fromkeys(NULLABLE) | row for row in rows]


def v2_detections(oid: str, rows: Sequence[Row]) -> list[Row]:
    """Return detections as the second version of the API sends them, with drbversion.

    Parameters
    ----------
    oid : str
        The object.
    rows : sequence of dict
        Detections as the first version sends them.

    Returns
    -------
    list of dict
        New rows.
    """
    found = []
    for row in rows:
        extra = {key: row.get(key) for key in V2_EXTRA} | {"drbversion": "d6_m7"}
        common = {key: row.get(key) for key in V2_COMMON}
        renamed = {wire: row.get(key) for key, wire in V2_NAMES.items()}
        constant = {"sid": "ztf", "aid": None, "oid": oid, "e_ra": None, "e_dec": None}
        found.append(common | renamed | constant | {"extra_fields": extra})
    return found


def v2_non_detections(oid: str, rows: Sequence[Row]) -> list[Row]:
    """Return non-detections as the second version of the API sends them.

    Parameters
    ----------
    oid : str
        The object.
    rows : sequence of dict
        Non-detections as the first version sends them.

    Returns
    -------
    list of dict
        New rows.
    """
    return [{"aid": None, "sid": None, "oid": oid, **row} for row in rows]


def ztf_magstats(
    rows: Sequence[Row], fid: int, first: float, last: float, *, stellar: bool
) -> Row | None:
    """Return the statistics of the detections in one band.

    Parameters
    ----------
    rows : sequence of dict
        Detections in all bands.
    fid : int
        The number of the band.
    first, last : float
        The MJD of the first and the last detection that is sent.
    stellar : bool
        Whether the object looks like a star.

    Returns
    -------
    dict or None
        None where there is no detection in the band.
    """
    mags = [row["magpsf"] for row in rows if row["fid"] == fid]
    if not mags:
        return None
    return {
        "fid": fid, "stellar": stellar, "corrected": False, "ndet": len(mags), "ndubious": 0,
        "magmean": sum(mags) / len(mags), "magmedian": sorted(mags)[len(mags) // 2],
        "magmax": max(mags), "magmin": min(mags), "magsigma": 0.4, "maglast": mags[-1],
        "magfirst": mags[0], "firstmjd": first, "lastmjd": last, "step_id_corr": CORRECTION,
    }  # fmt: skip
