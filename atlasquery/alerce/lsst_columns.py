"""Columns of LSST, as ALeRCE sends them: wire name, type, public name, unit, meaning."""

import dataclasses

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Timestamp

__all__ = [
    "ALWAYS_SENT",
    "BANDS",
    "DETECTION",
    "DIA_OBJECT",
    "ENTRY",
    "FORCED",
    "NEAR",
    "OBJECT",
    "REFERENCES",
]

#: Numbers of LSST's filters.
BANDS = {0: "", 6: "u", 1: "g", 2: "r", 3: "i", 4: "z", 5: "y"}
#: Numbers of other rows, where -1 stands for none.
REFERENCES = ("parentDiaSourceId", "diaObjectId", "ssObjectId")
#: Fluxes that the server sends as 0.0 where it knows none.
ALWAYS_SENT = ("psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr")

FLUXES = "ap trail template dipoleMean"
FLAGS = (
    "psfFlux_flag psfFlux_flag_edge psfFlux_flag_noGoodPixels centroid_flag apFlux_flag "
    "apFlux_flag_apertureTruncated trail_flag_edge forced_PsfFlux_flag forced_PsfFlux_flag_edge "
    "forced_PsfFlux_flag_noGoodPixels shape_flag shape_flag_no_pixels shape_flag_not_contained "
    "shape_flag_parent_source isNegative isDipole dipoleFitAttempted glint_trail "
    "pixelFlags pixelFlags_bad pixelFlags_cr pixelFlags_crCenter pixelFlags_edge "
    "pixelFlags_nodata pixelFlags_nodataCenter pixelFlags_interpolated "
    "pixelFlags_interpolatedCenter pixelFlags_offimage pixelFlags_saturated "
    "pixelFlags_saturatedCenter pixelFlags_suspect pixelFlags_suspectCenter pixelFlags_streak "
    "pixelFlags_streakCenter pixelFlags_injected pixelFlags_injectedCenter "
    "pixelFlags_injected_template pixelFlags_injected_templateCenter"
)
WITHOUT_UNIT = (
    "ra_dec_Cov psfLnL psfChi2 trailChi2 dipoleChi2 ixx iyy ixy ixxPSF iyyPSF ixyPSF extendedness"
)
COUNTS = "psfNdata trailNdata dipoleNdata bboxSize"


def _several(
    names: str, kind: type = float, unit: u.UnitBase | None = None, about: str = ""
) -> list[Column]:
    """Return columns that have the same type and unit."""
    about = about or "As the survey's table DiaSource has it."
    return [Column(name, kind, unit=unit, about=about) for name in names.split()]


def _fluxes(names: str) -> list[Column]:
    """Return columns of fluxes with their errors."""
    both = " ".join(f"{name}Flux {name}FluxErr" for name in names.split())
    return _several(both, unit=u.nJy)


ROW = (
    Column("mjd", unit=u.day, about="Middle of the exposure, MJD in TAI.", required=True),
    Column("band", int, to="fid", about="Number of the filter.", required=True),
    Column("psfFlux", unit=u.nJy, about="Signed flux of the difference."),
    Column("psfFluxErr", unit=u.nJy, about="Error of psfFlux."),
    Column("scienceFlux", unit=u.nJy, about="Flux in the science image."),
    Column("scienceFluxErr", unit=u.nJy, about="Error of scienceFlux."),
    Column("oid", int, about="Number of the object.", required=True),
    Column("measurement_id", int, about="Number of the measurement."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("visit", int, about="Number of the visit."),
    Column("detector", int, about="Number of the detector."),
    Column("survey_id", str, to="survey_name", about="Survey, as the server names it."),
    Column("band_map", Nested),
)

#: A detection of LSST: a row of the survey's table DiaSource.
DETECTION = Columns(
    "an LSST detection",
    *ROW,
    Column("snr", about="Signal to noise."),
    Column("reliability", about="Score from bogus 0 to real 1."),
    *_several("diaObjectId parentDiaSourceId ssObjectId", int),
    *_several("raErr decErr", unit=u.deg),
    *_several("x y xErr yErr", unit=u.pix),
    *_fluxes(FLUXES),
    *_several("dipoleFluxDiff dipoleFluxDiffErr", unit=u.nJy),
    *_several("trailLength trailLengthErr dipoleLength", unit=u.arcsec),
    *_several("trailRa trailRaErr trailDec trailDecErr", unit=u.deg),
    *_several("trailAngle trailAngleErr dipoleAngle", unit=u.deg),
    *_several("timeProcessedMjdTai timeWithdrawnMjdTai", unit=u.day, about="MJD in TAI."),
    *_several(WITHOUT_UNIT),
    *_several(COUNTS, int),
    Column("has_stamp", bool, about="Whether there are image stamps of it."),
    *_several(FLAGS, int, about="Flag of the survey's pipeline: 0 or 1."),
)

#: A row of LSST's forced photometry.
FORCED = Columns("a row of LSST forced photometry", *ROW)

#: An object of LSST.
OBJECT = Columns(
    "an LSST object",
    Column("oid", int, about="Number of the object.", required=True),
    Column("meanra", to="ra", unit=u.deg, about="Mean right ascension, ICRS."),
    Column("meandec", to="dec", unit=u.deg, about="Mean declination, ICRS."),
    Column("sigmara", to="ra_err", about="Scatter of ra; the server does not say its unit."),
    Column("sigmadec", to="dec_err", about="Scatter of dec; the server does not say its unit."),
    Column("n_det", int, about="Number of detections."),
    Column("n_forced", int, about="Number of forced measurements."),
    Column("n_non_det", int, about="Number of non-detections."),
    Column("firstmjd", to="first_mjd", unit=u.day, about="First detection, MJD in TAI."),
    Column("lastmjd", to="last_mjd", unit=u.day, about="Last detection, MJD in TAI."),
    Column("deltamjd", to="duration", unit=u.day, about="From the first detection to the last."),
    Column("class_name", str, about="Class of the best ranked classification."),
    Column("classifier_name", str, about="Classifier of class_name."),
    Column("classifier_version", str, about="Its version."),
    Column("probability", about="Probability of class_name, as the classifier has it."),
    Column("ranking", int, about="Rank of class_name: 1 for the likeliest."),
    Column("stellar", bool, about="Whether it looks like a star."),
    Column("tid", int, about="Telescope: 0 is ZTF, 1 is LSST."),
    Column("sid", int, about="Survey: 1 is that of LSST's DiaObjects."),
)

PER_BAND = [
    "psfFluxMean",
    "psfFluxMeanErr",
    "psfFluxSigma",
    "fpFluxMean",
    "fpFluxMeanErr",
    "scienceFluxMean",
    "scienceFluxMeanErr",
    "psfFluxMin",
    "psfFluxMax",
    "psfFluxErrMean",
]

#: The survey's own statistics of an object: a row of its table DiaObject.
DIA_OBJECT = Columns(
    "an LSST object's statistics",
    Column("oid", int, about="Number of the object.", required=True),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("raErr", unit=u.deg, about="Error of ra."),
    Column("decErr", unit=u.deg, about="Error of dec."),
    Column("ra_dec_Cov", unit=u.deg**2, about="Covariance of ra and dec."),
    Column("nDiaSources", int, about="Number of detections."),
    *_several(
        "validityStartMjdTai firstDiaSourceMjdTai lastDiaSourceMjdTai",
        unit=u.day,
        about="MJD in TAI.",
    ),
    *(
        Column(f"{band}_{name}", unit=u.nJy, about=f"Of the detections in {band}.")
        for band in "ugrizy"
        for name in PER_BAND
    ),
    *(
        Column(f"{band}_psfFluxMaxSlope", unit=u.nJy / u.day, about=f"Steepest change in {band}.")
        for band in "ugrizy"
    ),
    *(Column(f"{band}_psfFluxNdata", int, about=f"Detections in {band}.") for band in "ugrizy"),
)

#: An object as the route for one of them sends it: with its row of the table DiaObject.
ENTRY = Columns(
    "an LSST object",
    *OBJECT,
    *(
        dataclasses.replace(c, to=f"dia_{c.wire}", about=f"{c.about} In the table DiaObject.")
        if c.wire in ("ra", "dec")
        else c
        for c in DIA_OBJECT
        if c.wire != "oid"
    ),
    Column("created_date", Timestamp, about="When ALeRCE's database first had it."),
    Column("updated_date", Timestamp, about="When ALeRCE's database last changed it."),
)

#: An object of any survey near a position.
NEAR = Columns(
    "an object near a position",
    Column("objectId", str, required=True),
    Column("survey_id", str, required=True),
    Column("ra", required=True),
    Column("dec", required=True),
)
