"""What ALeRCE sends of ZTF, said once: wire name, type, public name, unit, meaning."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Quoted

__all__ = [
    "BANDS",
    "CLASSIFIER",
    "DETECTION",
    "FEATURE",
    "FORCED",
    "FORCED_EXTRA",
    "MAGSTATS",
    "NON_DETECTION",
    "OBJECT",
    "PROBABILITY",
    "RANKING",
    "V2_DETECTION",
    "V2_EXTRA",
    "V2_NON_DETECTION",
]

#: Numbers of ZTF's filters; features may be of none, or of two.
BANDS = {0: "", 1: "g", 2: "r", 3: "i", 12: "gr"}


def _mag(wire: str, about: str) -> Column:
    """Return a column of magnitudes."""
    return Column(wire, unit=u.mag, about=about)


def _day(wire: str, to: str, about: str) -> Column:
    """Return a column of modified Julian dates."""
    return Column(wire, to=to, unit=u.day, about=about)


#: An object of ZTF; the last three in answers to searches only.
OBJECT = Columns(
    "an object",
    Column("oid", str, about="ZTF's name of the object.", required=True),
    Column("meanra", to="ra", unit=u.deg, about="Mean right ascension, ICRS."),
    Column("meandec", to="dec", unit=u.deg, about="Mean declination, ICRS."),
    Column("sigmara", to="ra_err", unit=u.deg, about="Scatter of ra; unit as the survey's is."),
    Column("sigmadec", to="dec_err", unit=u.deg, about="Scatter of dec; unit as the survey's is."),
    Column("ndet", int, to="n_det", about="Number of detections."),
    _day("firstmjd", "first_mjd", "First detection, MJD in UTC."),
    _day("lastmjd", "last_mjd", "Last detection, MJD in UTC."),
    _day("deltajd", "duration", "From the first detection to the last."),
    Column("class", str, to="class_name", about="Class of the best ranked classification."),
    Column("classifier", str, to="classifier_name", about="Classifier of class_name."),
    Column("probability", about="Probability of class_name, as the classifier has it."),
    _mag("g_r_max", "Colour g - r at maximum, from difference magnitudes."),
    _mag("g_r_max_corr", "Colour g - r at maximum, corrected."),
    _mag("g_r_mean", "Mean colour g - r, from difference magnitudes."),
    _mag("g_r_mean_corr", "Mean colour g - r, corrected."),
    Column("corrected", bool, about="Whether the corrected light curve can be used."),
    Column("stellar", bool, about="Whether it looks like a star."),
    Column("ndethist", Quoted, about="Detections of ZTF within 1.5 arcsec, with weaker ones."),
    Column("ncovhist", int, about="How often the position fell on a field and detector."),
    _day("mjdstarthist", "mjdstarthist", "First epoch of ndethist, MJD in UTC."),
    _day("mjdendhist", "mjdendhist", "Last epoch of ndethist, MJD in UTC."),
    Column("step_id_corr", str, about="Version of the pipeline of corrections."),
)

#: A detection of ZTF.
DETECTION = Columns(
    "a detection",
    Column("candid", Quoted, about="Number of the alert."),
    Column("mjd", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True),
    Column("fid", int, about="Number of the filter: 1 is g, 2 is r, 3 is i.", required=True),
    Column("isdiffpos", int, about="Sign of the difference flux, 1 or -1."),
    _mag("magpsf", "Magnitude of the difference, without its sign."),
    _mag("sigmapsf", "Error of magpsf."),
    _mag("magpsf_corr", "Apparent magnitude: difference and reference together."),
    _mag("sigmapsf_corr", "Error of magpsf_corr for a point source."),
    _mag("sigmapsf_corr_ext", "Error of magpsf_corr for an extended source."),
    _mag("magap", "Aperture magnitude of the difference."),
    _mag("sigmagap", "Error of magap."),
    _mag("magapbig", "Magnitude of the difference in a large aperture."),
    _mag("sigmagapbig", "Error of magapbig."),
    _mag("diffmaglim", "5-sigma limit of the difference image."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("distnr", unit=u.pix, about="Distance to the nearest source of the reference image."),
    Column("rb", about="Score from bogus 0 to real 1."),
    Column("rbversion", str, about="Version of rb."),
    Column("drb", about="Score from bogus 0 to real 1, by deep learning."),
    Column("drbversion", str, about="Version of drb; masked where only the first API answered."),
    Column("corrected", bool, about="Whether magpsf_corr could be made."),
    Column("dubious", bool, about="Whether magpsf_corr is doubtful."),
    Column("has_stamp", bool, about="Whether there are image stamps of it."),
    Column("parent_candid", int, about="Alert whose packet it came in; masked for its own."),
    Column("pid", int, about="Number of the exposure, as it was processed."),
    Column("nid", int, about="Number of the night."),
    Column("rfid", int, about="Number of the reference image."),
    Column("tid", str, about="Telescope."),
    Column("step_id_corr", str, about="Version of the pipeline of corrections."),
    Column("phase", about="Always 0 in this version of the API."),
    # Sent by the route of light curves only.
    _mag("magpsf_corr_ext", "magpsf_corr for an extended source, where it differs."),
    _mag("magap_corr", "Aperture magnitude, difference and reference together."),
    _mag("sigmagap_corr", "Error of magap_corr."),
    Column("candid_alert", Quoted, about="Alert whose packet it came in, where not its own."),
)

#: A detection as the second version of the API sends it, by the names of the first.
V2_DETECTION = Columns(
    "a detection of the second version of the API",
    Column("candid", Quoted),
    Column("mjd", unit=u.day, required=True),
    Column("fid", int, required=True),
    Column("isdiffpos", int),
    Column("mag", to="magpsf"),
    Column("e_mag", to="sigmapsf"),
    Column("mag_corr", to="magpsf_corr"),
    Column("e_mag_corr", to="sigmapsf_corr"),
    Column("e_mag_corr_ext", to="sigmapsf_corr_ext"),
    *(Column(name) for name in ("ra", "dec")),
    *(Column(name, bool) for name in ("corrected", "dubious", "has_stamp")),
    Column("parent_candid", int),
    Column("pid", int),
    Column("tid", str),
    Column("oid", str),
    *(Column(name, Nested) for name in ("sid", "aid", "e_ra", "e_dec")),
    Column("extra_fields", Nested),
)

#: What stands in the ``extra_fields`` of such a detection.
V2_EXTRA = Columns(
    "the extra fields of a detection",
    *(Column(name) for name in ("magap", "sigmagap", "magapbig", "sigmagapbig", "diffmaglim")),
    *(Column(name) for name in ("distnr", "rb", "drb")),
    *(Column(name, str) for name in ("rbversion", "drbversion", "step_id_corr")),
    *(Column(name, int) for name in ("nid", "rfid")),
)

#: A non-detection as the second version of the API sends it.
V2_NON_DETECTION = Columns(
    "a non-detection of the second version of the API",
    Column("mjd", unit=u.day, required=True),
    Column("fid", int, required=True),
    Column("diffmaglim", unit=u.mag),
    Column("tid", str),
    Column("oid", str),
    *(Column(name, Nested) for name in ("sid", "aid")),
)

#: An exposure of ZTF that did not show the object.
NON_DETECTION = Columns(
    "a non-detection",
    Column("mjd", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True),
    Column("fid", int, about="Number of the filter: 1 is g, 2 is r, 3 is i.", required=True),
    _mag("diffmaglim", "5-sigma limit of the difference image."),
    Column("tid", str, about="Telescope."),
)

#: A row of ZTF's forced photometry, without its ``extra_fields``.
FORCED = Columns(
    "a row of forced photometry",
    Column("candid", str, to="forced_id", about="Name of the measurement: oid and pid."),
    Column("oid", str, about="ZTF's name of the object."),
    Column("mjd", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True),
    Column("fid", int, about="Number of the filter: 1 is g, 2 is r, 3 is i.", required=True),
    Column("isdiffpos", int, about="Sign of the difference flux, 1 or -1."),
    Column("mag", to="mag_psf", unit=u.mag, about="Magnitude of the difference, unsigned."),
    Column("e_mag", to="mag_psf_err", unit=u.mag, about="Error of mag_psf."),
    _mag("mag_corr", "Apparent magnitude: difference and reference together."),
    _mag("e_mag_corr", "Error of mag_corr for a point source."),
    _mag("e_mag_corr_ext", "Error of mag_corr for an extended source."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("e_ra", unit=u.arcsec, about="Error of ra."),
    Column("e_dec", unit=u.arcsec, about="Error of dec."),
    Column("corrected", bool, about="Whether mag_corr could be made."),
    Column("dubious", bool, about="Whether mag_corr is doubtful."),
    Column("has_stamp", bool, about="Whether there are image stamps of it."),
    Column("parent_candid", int, about="Alert whose packet it came in."),
    Column("pid", int, about="Number of the exposure, as it was processed."),
    Column("tid", str, about="Telescope."),
    Column("sid", str, about="Survey."),
    Column("aid", str, about="ALeRCE's number of the object."),
    Column("extra_fields", Nested),
)

#: The ``extra_fields`` of forced photometry, which repeat some keys of the row.
FORCED_EXTRA = Columns(
    "the extra fields of forced photometry",
    _mag("diffmaglim", "5-sigma limit of the difference image."),
    Column("exptime", unit=u.s, about="Exposure time."),
    Column("field", int, about="Field of the survey."),
    Column("rcid", int, about="Readout channel."),
    Column("rfid", int, about="Number of the reference image."),
    Column("sciinpseeing", unit=u.pix, about="Seeing of the science image."),
    Column("scibckgnd", unit=u.DN, about="Background of the science image."),
    Column("scisigpix", unit=u.DN, about="Noise of a pixel of the science image."),
    _mag("magzpsci", "Zero point of the science image."),
    _mag("magzpsciunc", "Error of magzpsci."),
    _mag("magzpscirms", "Scatter of stars about magzpsci."),
    Column("clrcoeff", about="Colour coefficient of the calibration."),
    Column("clrcounc", about="Error of clrcoeff."),
    Column("adpctdif1", unit=u.arcsec, about="Astrometric difference, as the survey names it."),
    Column("adpctdif2", unit=u.arcsec, about="Astrometric difference, as the survey names it."),
    Column("programid", int, about="Programme: 1 is public."),
    Column("procstatus", str, about="Codes of the survey's photometry; 0 is a good one."),
    Column(
        "distnr",
        to="distnr_forced",
        unit=u.arcsec,
        about="Distance to the nearest source of the reference; distnr of detections is in pixels.",
    ),
    Column("ranr", unit=u.deg, about="Right ascension of that source."),
    Column("decnr", unit=u.deg, about="Declination of that source."),
    _mag("magnr", "Magnitude of that source."),
    _mag("sigmagnr", "Error of magnr."),
    Column("chinr", about="Chi of that source."),
    Column("sharpnr", about="Sharpness of that source."),
    # Sent twice: here, and in the row.
    *(Column(name, Nested) for name in ("pid", "mag", "e_mag")),
    *(Column(name, Nested) for name in ("mag_corr", "e_mag_corr", "e_mag_corr_ext")),
)

#: Statistics of the magnitudes of an object in a band.
MAGSTATS = Columns(
    "a row of statistics",
    Column("fid", int, about="Number of the filter: 1 is g, 2 is r, 3 is i.", required=True),
    Column("ndet", int, to="n_det", about="Number of detections."),
    Column(
        "ndubious", int, to="n_dubious", about="Number of detections with doubtful magpsf_corr."
    ),
    _mag("magmean", "Mean of magpsf."),
    _mag("magmedian", "Median of magpsf."),
    _mag("magmax", "Greatest, and so faintest, magpsf."),
    _mag("magmin", "Smallest, and so brightest, magpsf."),
    _mag("magsigma", "Scatter of magpsf."),
    _mag("maglast", "Last magpsf."),
    _mag("magfirst", "First magpsf."),
    _day("firstmjd", "first_mjd", "First detection in the band, MJD in UTC."),
    _day("lastmjd", "last_mjd", "Last detection in the band, MJD in UTC."),
    Column("corrected", bool, about="Whether the corrected light curve can be used."),
    Column("stellar", bool, about="Whether it looks like a star."),
    Column("step_id_corr", str, about="Version of the pipeline of corrections."),
)

#: The probability that an object is of a class.
PROBABILITY = Columns(
    "a probability",
    Column("classifier_name", str, about="Classifier.", required=True),
    Column("classifier_version", str, about="Its version."),
    Column("class_name", str, about="Class.", required=True),
    Column("probability", about="Probability of the class."),
    Column("ranking", int, about="1 for the likeliest class of the classifier."),
)

#: The rank of the class of an object, where objects of all ranks were asked for.
RANKING = Column("ranking", int, about="Rank of class_name: 1 for the likeliest.")

#: A feature of a light curve.
FEATURE = Columns(
    "a feature",
    Column("name", str, about="Name of the feature.", required=True),
    Column("fid", int, about="Number of the filter: 1 g, 2 r, 12 both, 0 none."),
    Column("value", about="Value, in a unit that depends on the feature."),
    Column("version", str, about="Version of the pipeline of features."),
)

#: A classifier.
CLASSIFIER = Columns(
    "a classifier",
    Column("classifier_name", str, about="Classifier.", required=True),
    Column("classifier_version", str, about="Its version.", required=True),
    Column("classes", Nested, about="Its classes, as a list of names with commas."),
    Column("classifier_id", int, about="Its number."),
)
