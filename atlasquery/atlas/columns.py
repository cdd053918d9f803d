"""Columns of the ATLAS Transient Server: wire name, type, name, unit, meaning.

The descriptions follow the server's models and docs/servers/atlas.rst; columns
whose meaning the survey does not document have their wire name.
"""

import astropy.units as u

from atlasquery.tables import Column, Columns, Timestamp

__all__ = [
    "CONE",
    "CROSSMATCH",
    "CUSTOM_LISTED",
    "DETECTION",
    "FORCED",
    "LISTED",
    "MEMBERSHIP",
    "NON_DETECTION",
    "OBJECT",
    "SHERLOCK_CLASSIFICATION",
    "SHERLOCK_CROSSMATCH",
    "VRA_RANK",
    "VRA_SCORE",
    "VRA_TODO",
]

CONE = Columns(
    "an object of a cone search",
    Column("object", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("objectname", str, to="name", about="ATLAS designation."),
    Column(
        "separation",
        unit=u.arcsec,
        about="Distance as the server gives it, good to 0.001 arcsec.",
    ),
)

OBJECT = Columns(
    "an object",
    Column("id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("atlas_designation", str, to="name", about="ATLAS designation."),
    Column("other_designation", str, to="tns_name", about="TNS name without AT or SN."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("detection_list_id", int, to="list_id", about="Number of the list it is on, 0 to 13."),
    Column("sherlockClassification", str, to="sherlock_class", about="Sherlock's class."),
    Column("observation_status", str, to="spec_type", about="Spectral type or status."),
    Column("object_classification", int, about="Bit mask of classes."),
    Column("vra", to="vra_rank", about="Rank given by the Virtual Research Assistant."),
    Column("rb_pix", to="real_bogus", about="Real-bogus score of the pixels, 0 to 1."),
    Column("realbogus_factor", to="real_bogus_factor", about="Real-bogus factor of older servers."),
    Column("current_trend", str, to="trend", about="Whether it is rising or fading."),
    Column("local_comments", str, to="comments", about="Comments of the survey's eyeballers."),
    Column("ndetections", int, to="n_detections", about="Number of detections."),
    Column("followup_flag_date", Timestamp, about="When it was put on its list."),
    Column("date_inserted", Timestamp, about="When it entered the database."),
    Column("date_modified", Timestamp, about="When it was last changed."),
    Column("updated_by", str, about="Who changed it last."),
    Column("followup_id", int, about="Number within its list."),
    Column("followup_priority", int, about="Priority for follow-up."),
    Column("followup_counter", int, about="Counter from which the designation is made."),
    Column("detection_id", int, about="First detection of the object."),
    Column("images_id", int, about="Postage stamps of the object."),
    Column("processing_flags", int, about="Bit mask of processing steps."),
    Column("external_reference_id", str, about="Identifier elsewhere."),
    Column("survey_field", str, about="Survey that the designation belongs to."),
    Column("htm16id", int, to="htm16_id", about="HTM triangle of level 16."),
    Column("jtindex", int, about="Index of the survey's own bookkeeping."),
)

DETECTION = Columns(
    "a detection",
    Column("mjd", to="time", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True),
    Column("filter", str, to="band", about="Filter of the exposure."),
    Column(
        "mag",
        to="signed_mag",
        unit=u.mag,
        about="AB difference magnitude as sent: below 0 for a negative flux of magnitude |mag|.",
    ),
    Column("magerr", to="signed_mag_err", unit=u.mag, about="Error of the magnitude as sent."),
    Column("mag5sig", to="limiting_mag", unit=u.mag, about="5-sigma limit of the exposure, AB."),
    Column("exptime", to="exposure_time", unit=u.s, about="Exposure time."),
    Column("expname", str, to="exposure", about="Unit, night, number and filter."),
    Column("id", int, to="atlas_id", about="ATLAS object id."),
    Column("atlas_metadata_id", int, to="exposure_id", about="Number of the exposure."),
    Column("ra", unit=u.deg, about="Right ascension of the detection, ICRS."),
    Column("dec", unit=u.deg, about="Declination of the detection, ICRS."),
    Column("zp", to="zero_point", unit=u.mag, about="Zero point of the exposure, AB."),
    Column("x", unit=u.pix, about="Detector position."),
    Column("y", unit=u.pix, about="Detector position."),
    Column("major", to="psf_major", unit=u.pix, about="Major axis of the fitted profile."),
    Column("minor", to="psf_minor", unit=u.pix, about="Minor axis of the fitted profile."),
    Column("phi", to="psf_angle", unit=u.deg, about="Orientation of the fitted profile."),
    Column("chin", to="reduced_chi2", about="Chi squared per degree of freedom of the fit."),
    Column("dup", int, to="duplicate", about="Below 0: a duplicate the web pages leave out."),
    Column("det", int, to="det", about="Type of the detection, as the survey counts them."),
    Column("pvr", int, to="score_variable", about="Score as a variable star, per mille."),
    Column("ptr", int, to="score_transient", about="Score as a transient, per mille."),
    Column("pmv", int, to="score_moving", about="Score as a moving object, per mille."),
    Column("pkn", int, to="score_known", about="Score as a known object, per mille."),
    Column("pno", int, to="score_noise", about="Score as noise, per mille."),
    Column("pbn", int, to="score_burn", about="Score as a burn, per mille."),
    Column("pcr", int, to="score_cosmic_ray", about="Score as a cosmic ray, per mille."),
    Column("pxt", int, to="score_crosstalk", about="Score as crosstalk, per mille."),
    Column("psc", int, to="score_scar", about="Score as a scar of subtraction, per mille."),
    Column("wpflx", to="wallpaper_flux", about="Flux in the reference image (wallpaper), counts."),
    Column("dflx", to="wallpaper_flux_err", about="Error of wallpaper_flux, counts."),
    Column("pointing", str, about="Field of the exposure."),
    Column("date_inserted", Timestamp, about="When the row entered the database."),
)

NON_DETECTION = Columns(
    "a non-detection",
    Column("mjd", to="time", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True),
    Column("filter", str, to="band", about="Filter of the exposure."),
    Column("mag5sig", to="limiting_mag", unit=u.mag, about="5-sigma limit of the exposure, AB."),
    Column("exptime", to="exposure_time", unit=u.s, about="Exposure time."),
    Column("expname", str, to="exposure", about="Unit, night, number and filter."),
    Column("id", int, to="exposure_id", about="Number of the exposure."),
    Column("zp", to="zero_point", unit=u.mag, about="Zero point of the exposure, AB."),
    Column("pointing", str, about="Field of the exposure."),
    Column("filename", str, about="File of the difference detections."),
    Column("input", str, to="input_file", about="Difference image."),
    Column("reference", str, to="reference_file", about="Reference image (wallpaper)."),
    Column("date_inserted", Timestamp, about="When the row entered the database."),
)

FORCED = Columns(
    "a forced measurement",
    Column(
        "mjd_obs", to="time", unit=u.day, about="Start of the exposure, MJD in UTC.", required=True
    ),
    Column("filter", str, to="band", about="Filter of the exposure."),
    Column("uJy", to="flux", unit=u.uJy, about="Difference flux."),
    Column("duJy", to="flux_err", unit=u.uJy, about="Error of the difference flux."),
    Column(
        "mag",
        to="reported_mag",
        unit=u.mag,
        about="AB magnitude of |flux|, or the limit at snr_limit sigma where is_limit is true.",
    ),
    Column("dm", to="reported_mag_err", unit=u.mag, about="Error of reported_mag as sent."),
    Column("limiting_mag", bool, to="is_limit", about="Whether reported_mag is a limit."),
    Column("texp", to="exposure_time", unit=u.s, about="Exposure time."),
    Column("expname", str, to="exposure", about="Unit, night, number and filter."),
    Column("id", int, to="forced_id", about="Number of the measurement."),
    Column("atlas_object_id", int, to="atlas_id", about="ATLAS object id."),
    Column("ra", unit=u.deg, about="Right ascension of the measurement, ICRS."),
    Column("dec", unit=u.deg, about="Declination of the measurement, ICRS."),
    Column("snr", about="Signal to noise as sent."),
    Column("snrdet", to="snr_detection", about="Signal to noise above which it is a detection."),
    Column("snrlimit", to="snr_limit", about="Signal to noise of a limit."),
    Column("zp", to="zero_point", unit=u.mag, about="Zero point of the exposure, AB."),
    Column("apfit", to="aperture_correction", unit=u.mag, about="Aperture correction."),
    Column("x", unit=u.pix, about="Detector position."),
    Column("y", unit=u.pix, about="Detector position."),
    Column("peakval", to="peak_value", about="Brightest pixel, counts."),
    Column("skyval", to="sky_value", about="Sky at the position, counts."),
    Column("peakfit", to="peak_fit", about="Peak of the fitted profile, counts."),
    Column("dpeak", to="peak_fit_err", about="Error of peak_fit, counts."),
    Column("skyfit", to="sky_fit", about="Fitted sky, counts."),
    Column("flux", to="flux_counts", about="Aperture flux, counts."),
    Column("dflux", to="flux_counts_err", about="Error of flux_counts, counts."),
    Column("chin", to="reduced_chi2", about="Chi squared per degree of freedom of the fit."),
    Column("major", to="psf_major", unit=u.pix, about="Major axis of the profile."),
    Column("minor", to="psf_minor", unit=u.pix, about="Minor axis of the profile."),
    Column("redo_photometry", bool, about="Whether the measurement is to be repeated."),
    Column("date_inserted", Timestamp, about="When the row entered the database."),
)

SHERLOCK_CLASSIFICATION = Columns(
    "a Sherlock classification",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("classification", str, about="SN, NT, VS, CV, BS, AGN, ORPHAN, UNCLEAR or HPM."),
    Column("summary", str, about="The match in a few words."),
    Column("annotation", str, about="The match in a sentence, as HTML."),
    Column("matchverified", int, to="match_verified", about="Whether a person verified it."),
    Column("developmentcomment", str, to="development_comment", about="Comment of developers."),
    Column("updated", str, about="Mark of the last update."),
    Column("datecreated", Timestamp, to="date_created", about="When it was made."),
    Column("datelastmodified", Timestamp, to="date_modified", about="When it was changed."),
)


def _magnitude(wire: str, to: str, about: str) -> tuple[Column, Column]:
    return (
        Column(wire, to=to, unit=u.mag, about=f"{about}."),
        Column(f"{wire}err", to=f"{to}_err", unit=u.mag, about=f"Error of {to}."),
    )


_BANDS = (
    # The server lower-cases Sherlock's names, so that Johnson R and Sloan r differ only by
    # the prefix, and Gaia's G is sent as g.
    *(_magnitude(b, f"johnson_{b}", f"Johnson {b.upper()} magnitude") for b in "ubvri"),
    *(_magnitude(b, f"mag_{b}", f"{b.upper()} magnitude") for b in "jhk"),
    _magnitude("g", "gaia_g", "Gaia G magnitude"),
    *(_magnitude(f"field_{b}", f"sloan_{b}", f"Sloan {b} magnitude") for b in "ugrizy"),
    *(_magnitude(f"w{n}", f"wise_w{n}", f"WISE W{n} magnitude") for n in "1234"),
    _magnitude("unkmag", "unknown_mag", "Magnitude in an unknown band"),
)

_DISTANCES = tuple(
    column
    for prefix, about in (
        ("direct", "of a direct measurement"),
        ("z", "from the spectroscopic redshift"),
        ("pz", "from the photometric redshift"),
    )
    for column in (
        Column(f"{prefix}_distance", unit=u.Mpc, about=f"Distance {about}."),
        Column(f"{prefix}_distance_modulus", unit=u.mag, about=f"Distance modulus {about}."),
        Column(f"{prefix}_distance_scale", unit=u.kpc / u.arcsec, about=f"Scale {about}."),
        Column(f"{prefix}_distance_cat", str, about=f"Catalogue of the distance {about}."),
    )
)

SHERLOCK_CROSSMATCH = Columns(
    "a Sherlock cross-match",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("rank", int, about="Rank of the match; the first is the merged one."),
    Column("association_type", str, about="Class that the match suggests."),
    Column("catalogue_object_id", str, to="catalogue_id", about="Name in the catalogue."),
    Column("catalogue_table_name", str, to="catalogue", about="Catalogues of the match."),
    Column("separationarcsec", to="separation", unit=u.arcsec, about="Distance from the object."),
    Column(
        "northseparationarcsec", to="separation_north", unit=u.arcsec, about="Offset to the north."
    ),
    Column(
        "eastseparationarcsec", to="separation_east", unit=u.arcsec, about="Offset to the east."
    ),
    Column("radeg", to="ra", unit=u.deg, about="Right ascension of the match, ICRS."),
    Column("decdeg", to="dec", unit=u.deg, about="Declination of the match, ICRS."),
    Column("z", to="redshift", about="Spectroscopic redshift."),
    Column("photoz", to="photometric_redshift", about="Photometric redshift."),
    Column("photozerr", to="photometric_redshift_err", about="Error of photometric_redshift."),
    Column("distance", unit=u.Mpc, about="Distance of the match."),
    Column("distance_modulus", unit=u.mag, about="Distance modulus of the match."),
    Column("scale", unit=u.kpc / u.arcsec, about="Scale at the match."),
    Column(
        "physical_separation_kpc",
        to="physical_separation",
        unit=u.kpc,
        about="Projected distance from the match.",
    ),
    Column("transientabsmag", to="absolute_mag", unit=u.mag, about="Absolute magnitude of peak."),
    Column("best_distance", unit=u.Mpc, about="The distance that Sherlock prefers."),
    Column("best_distance_flag", str, about="Kind of best_distance."),
    Column("best_distance_source", str, about="Source of best_distance."),
    *_DISTANCES,
    Column("catalogue_object_type", str, to="object_type", about="Kind of the match."),
    Column("catalogue_object_subtype", str, to="object_subtype", about="Finer kind of the match."),
    Column("classificationreliability", int, to="reliability", about="1 (best) to 3."),
    Column("association_rank", int, about="Rank among matches of its kind."),
    Column("merged_rank", int, about="Rank of the merged match it belongs to."),
    Column("rankscore", to="rank_score", about="Score that ranks it; lower is better."),
    Column("major_axis_arcsec", to="major_axis", unit=u.arcsec, about="Major axis of a galaxy."),
    Column(
        "sm_axis_arcsec", to="semi_major_axis", unit=u.arcsec, about="Semi-major axis of a galaxy."
    ),
    Column(
        "original_search_radius_arcsec",
        to="search_radius",
        unit=u.arcsec,
        about="Radius within which the match was sought.",
    ),
    *(column for pair in _BANDS for column in pair),
    Column("search_name", str, about="Name of Sherlock's search."),
    Column("catalogue_view_name", str, about="View of the catalogue that was searched."),
    Column("catalogue_view_id", int, about="Number of the view."),
    Column("catalogue_table_id", int, about="Number of the catalogue."),
    Column("id", int, to="match_id", about="Number of the match."),
    Column("updated", int, about="Mark of the last update."),
    Column("datecreated", Timestamp, to="date_created", about="When it was made."),
    Column("datelastmodified", Timestamp, to="date_modified", about="When it was changed."),
)

CROSSMATCH = Columns(
    "a cross-match",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("external_designation", str, to="name", about="Name elsewhere; TNS without AT or SN."),
    Column("type", str, about="Type, where it is classified."),
    Column("separation", unit=u.arcsec, about="Distance from the object."),
    Column("mag", unit=u.mag, about="Magnitude at discovery."),
    Column("disc_filter", str, to="discovery_filter", about="Filter of the discovery."),
    Column("disc_date", Timestamp, to="discovery_date", about="Date of the discovery."),
    Column("discoverer", str, about="Who discovered it."),
    Column("matched_list", str, about="Catalogue of the name."),
    Column("other_info", str, about="More; the ATLAS name for entries of the TNS."),
    Column("host_galaxy", str, to="host", about="Host galaxy."),
    Column("host_z", to="host_redshift", about="Redshift of the host."),
    Column("object_z", to="redshift", about="Redshift of the object."),
    Column("comments", str, about="Comments."),
    Column("url", str, about="Page of the object."),
    Column("id", int, to="match_id", about="Number of the match."),
)

_LISTED = (
    Column("id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("atlas_designation", str, to="name", about="ATLAS designation."),
    Column("other_designation", str, to="tns_name", about="TNS name without AT or SN."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("detection_list_id", int, to="list_id", about="Number of its detection list, 0 to 13."),
    Column("followup_flag_date", Timestamp, about="When it was put on its detection list."),
    Column("sherlockClassification", str, to="sherlock_class", about="Sherlock's class."),
    Column("observation_status", str, to="spec_type", about="Spectral type or status."),
    Column("object_classification", int, about="Bit mask of classes."),
    Column("vra", to="vra_rank", about="Rank given by the Virtual Research Assistant."),
    Column("rb_pix", to="real_bogus", about="Real-bogus score of the pixels, 0 to 1."),
    Column("current_trend", str, to="trend", about="Whether it is rising or fading."),
    Column("earliest_mjd", unit=u.day, about="MJD of the first detection, UTC."),
    Column("earliest_mag", unit=u.mag, about="AB magnitude of the first detection."),
    Column("earliest_filter", str, to="earliest_band", about="Filter of the first detection."),
    Column("latest_mjd", unit=u.day, about="MJD of the last detection, UTC."),
    Column("latest_mag", unit=u.mag, about="AB magnitude of the last detection."),
    Column("latest_filter", str, to="latest_band", about="Filter of the last detection."),
    Column("ra_avg", to="ra_mean", unit=u.deg, about="Mean right ascension of the detections."),
    Column("dec_avg", to="dec_mean", unit=u.deg, about="Mean declination of the detections."),
    Column("rms", unit=u.arcsec, about="Scatter of the detections about their mean position."),
    Column("external_crossmatches", str, to="external_names", about="Names in other surveys."),
    Column("discovery_target", str, about="Target of the discovery."),
    Column("catalogue", str, about="Catalogue of an associated object."),
    Column("catalogue_object_id", str, to="catalogue_id", about="Its name in the catalogue."),
    Column("separation", unit=u.arcsec, about="Its distance from the object."),
    Column("rank", int, to="followup_id", about="Number within the survey's lists."),
    Column("date_modified", Timestamp, about="When it was last changed."),
)

LISTED = Columns(
    "an object of a detection list",
    *_LISTED,
    Column("images_id", int, about="Postage stamps of the object."),
)

CUSTOM_LISTED = Columns(
    "an object of a custom list",
    *_LISTED,
    Column("local_comments", str, to="comments", about="Comments of the survey's eyeballers."),
    Column("object_group_id", int, to="custom_list_id", about="Number of the custom list."),
)

MEMBERSHIP = Columns(
    "a membership",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("object_group_id", int, to="list_id", about="Number of the custom list.", required=True),
    Column("id", int, to="membership_id", about="Number of the membership; grows with time."),
)

_RANKS = (
    Column("rank", about="Rank."),
    Column("rank_alt1", about="Alternative rank."),
    Column("is_gal_cand", int, about="1 for a candidate in the Galaxy, else 0."),
)

VRA_SCORE = Columns(
    "a VRA score",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("timestamp", Timestamp, to="time", about="When it was scored."),
    Column("preal", about="Probability of being real."),
    Column("pgal", about="Probability of being in the Galaxy."),
    Column("pfast", about="Probability of being fast."),
    *_RANKS,
    Column("debug", bool, about="Whether the row is a test of the VRA's makers."),
    Column("apiusername", str, to="api_user", about="Account that wrote the row by the API."),
    Column("username", str, to="user", about="Account that wrote the row on the web pages."),
    Column("id", int, to="score_id", about="Number of the row; grows with time.", required=True),
)

VRA_TODO = Columns(
    "an entry of the VRA's to-do list",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("timestamp", Timestamp, to="time", about="When it was put on the list."),
)

VRA_RANK = Columns(
    "a VRA rank",
    Column("transient_object_id", int, to="atlas_id", about="ATLAS object id.", required=True),
    Column("timestamp", Timestamp, to="time", about="When it was ranked."),
    *_RANKS,
)
