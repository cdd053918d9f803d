"""What SkyPortal sends, declared once: wire name, type, public name, unit, meaning."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Timestamp

__all__ = [
    "ALLOCATION",
    "ANALYSIS",
    "ANNOTATION",
    "ASSIGNMENT",
    "CANDIDATE",
    "CATALOG",
    "CLASSIFICATION",
    "COMMENT",
    "EVENT",
    "FACILITY",
    "FILTER",
    "FOLLOWUP",
    "GALAXY",
    "GROUP",
    "GROUPS",
    "INSTRUMENT",
    "JSON_TEXT",
    "LISTING",
    "LISTS",
    "MOVED",
    "OBSERVING_RUN",
    "OFFSET_STAR",
    "PHOTOMETRY",
    "PIECES",
    "POSITION",
    "SAVED_AT",
    "SERVICE",
    "SOURCE",
    "SPECTRUM",
    "STATISTICS",
    "STREAM",
    "TAXONOMY",
    "TELESCOPE",
    "UNSHOWN",
]


def _deg(wire: str, about: str) -> Column:
    """Return a column of angles in degrees."""
    return Column(wire, unit=u.deg, about=about)


def _mag(wire: str, about: str) -> Column:
    """Return a column of magnitudes."""
    return Column(wire, unit=u.mag, about=about)


def _when(wire: str, about: str) -> Column:
    """Return a column of times, which the server sends in UTC without saying so."""
    return Column(wire, Timestamp, about=about)


def _dated() -> tuple[Column, Column]:
    """Return the two times that each row of the server has."""
    return (
        Column("created_at", Timestamp, about="When it was made."),
        Column("modified", Timestamp, about="When it was last changed."),
    )


def _id(what: str) -> Column:
    return Column("id", int, about=f"Number of the {what}.", required=True)


def _unshown(*wires: str) -> tuple[Column, ...]:
    """Return keys that other methods show, or that may hold the credentials of a facility."""
    return tuple(Column(wire, Nested) for wire in wires)


_STAMPS = (
    Column("created_at", Timestamp, about="When it came to this instance."),
    Column("modified", Timestamp, about="When it was last changed."),
)


#: What all objects have, in the order in which it is shown.
_OBJECT = (
    Column("id", str, about="Name of the object on this instance.", required=True),
    _deg("ra", "Right ascension, ICRS."),
    _deg("dec", "Declination, ICRS."),
    Column("tns_name", str, about="Name of the Transient Name Server."),
    Column("alias", Nested, about="Other names."),
    Column("origin", str, about="Where the object came from."),
    Column("classifications", Nested, about="Classes that people and bots gave it."),
    Column("redshift", about="Redshift."),
    Column("redshift_error", about="Error of redshift."),
    Column("redshift_origin", str, about="Where redshift came from."),
    Column("luminosity_distance", unit=u.Mpc, about="Luminosity distance, of the redshift."),
    Column("angular_diameter_distance", unit=u.Mpc, about="Angular diameter distance."),
    _mag("dm", "Distance modulus."),
    Column("transient", bool, about="Whether it is marked as a transient."),
    Column("varstar", bool, about="Whether it is marked as a variable star."),
    Column("is_roid", bool, about="Whether it is marked as a minor planet."),
    Column("mpc_name", str, about="Name of the Minor Planet Center."),
    Column("score", about="Score of a machine, as its origin defines it."),
    Column("t0", about="Time of the event, as its origin defines it."),
    _deg("gal_lon", "Galactic longitude, from 0 to 360."),
    _deg("gal_lat", "Galactic latitude."),
    _mag("ebv", "Reddening E(B-V) of the Galaxy."),
    _deg("ra_dis", "Right ascension at discovery."),
    _deg("dec_dis", "Declination at discovery."),
    _deg("ra_err", "Error of ra."),
    _deg("dec_err", "Error of dec."),
    Column("offset", unit=u.arcsec, about="Offset from the nearest static object."),
    Column("dist_nearest_source", unit=u.arcsec, about="Distance to the nearest static object."),
    _mag("mag_nearest_source", "Magnitude of that object."),
    _mag("e_mag_nearest_source", "Error of mag_nearest_source."),
    Column("detect_photometry_count", int, about="How many detections its origin counted."),
    Column("host_id", int, about="Number of its host galaxy on this instance."),
    Column("healpix", int, about="Index of the position in a HEALPix map of 2^29 sides, nested."),
    Column("summary", str, about="Summary of the object."),
    Column("tags", Nested, about="Tags."),
    Column("altdata", Nested, about="What its origin sent besides, as JSON."),
    Column("annotations", Nested, about="Annotations, as JSON; see get_annotations."),
    Column("tns_info", Nested, about="What the Transient Name Server says of it, as JSON."),
    Column("duplicates", Nested, about="Other objects within 4 arcsec, as JSON."),
    _when("created_at", "When it came to this instance."),
    _when("modified", "When it was last changed."),
    # Keys of other routes, or of no use outside the server: see UNSHOWN.
    *(
        Column(wire, Nested)
        for wire in (
            "redshift_history",
            "summary_history",
            "gcn_crossmatch",
            "thumbnails",
            "comments",
            "photstats",
            "photometry",
            "spectra",
            "followup_requests",
            "assignments",
            "galaxies",
            "associated_objs",
            "internal_key",
        )
    ),
)


#: Keys that are not shown: each has a separate method, or `SkyPortalClass.request` shows it.
UNSHOWN = (
    *(column.wire for column in _OBJECT if column.kind is Nested and not column.about),
    "passing_group_ids",
)


#: Keys whose JSON is shown as it is.
JSON_TEXT = ("altdata", "annotations", "tns_info", "duplicates")


#: A saved object.
SOURCE = Columns(
    "a source", *_OBJECT, Column("groups", Nested, about="Groups that it is saved to.")
)


#: An object that passed a filter.
CANDIDATE = Columns(
    "a candidate",
    *_OBJECT,
    Column("groups", Nested, about="Groups that it is saved to."),
    Column("is_source", bool, about="Whether it is saved as a source."),
    _when("last_detected_at", "Time of the last detection."),
    Column("passing_group_ids", Nested),
)


#: Columns made of lists: what is shown of each item.
LISTS = {"alias": "", "classifications": "classification", "tags": "name", "groups": "name"}


GROUPS = Column("group_ids", str, about="Numbers of those groups.")


SAVED_AT = Column("saved_at", Timestamp, about="When it was last saved to one of them.")


#: A row of photometry, in both forms.
PHOTOMETRY = Columns(
    "a row of photometry",
    Column("mjd", unit=u.day, about="Time of the row, MJD; taken as UTC."),
    Column("filter", str, about="Name of the filter on this instance."),
    Column("flux", unit=u.uJy, about="Flux."),
    Column("fluxerr", unit=u.uJy, about="Error of flux."),
    Column("zp", unit=u.mag, about="Zero point of flux in magsys."),
    _mag("mag", "Magnitude."),
    _mag("magerr", "Error of mag."),
    _mag("limiting_mag", "Limit, of as many sigma as its uploader said; 5 for fluxes."),
    Column("magsys", str, about="System of the magnitudes."),
    Column("snr", about="Signal to noise, as the server has it."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("instrument_name", str, to="instrument", about="Name of the instrument."),
    Column("origin", str, about="What the uploader says of where it came from."),
    Column("id", int, to="photometry_id", about="Number of the row."),
    _deg("ra", "Right ascension, ICRS."),
    _deg("dec", "Declination, ICRS."),
    Column("ra_unc", unit=u.arcsec, to="ra_err", about="Error of ra."),
    Column("dec_unc", unit=u.arcsec, to="dec_err", about="Error of dec."),
    _mag("magref", "Magnitude of the reference image there."),
    _mag("e_magref", "Error of magref."),
    _mag("magtot", "Magnitude of difference and reference together."),
    _mag("e_magtot", "Error of magtot."),
    Column("ref_flux", unit=u.uJy, about="Flux of the reference image there."),
    Column("ref_fluxerr", unit=u.uJy, about="Error of ref_flux."),
    Column("tot_flux", unit=u.uJy, about="Flux of difference and reference together."),
    Column("tot_fluxerr", unit=u.uJy, about="Error of tot_flux."),
    Column("altdata", Nested, about="What the uploader sent besides, as JSON."),
    _when("created_at", "When the row was uploaded."),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("groups", Nested, about="Groups that may see the row."),
    *(Column(wire, Nested) for wire in ("annotations", "owner", "streams")),
)


#: What is known of each filter, by the server's name.
STATISTICS = {
    "num_obs": Column("n_observations", int, about="How many rows of photometry there are."),
    "num_det": Column("n_detections", int, about="How many of them are detections."),
    "peak_mag": Column("peak_mag", unit=u.mag, about="Brightest magnitude."),
    "peak_mjd": Column("peak_mjd", unit=u.day, about="Its time, MJD; taken as UTC."),
    "mean_mag": Column("mean_mag", unit=u.mag, about="Mean magnitude of the detections."),
    "faintest_mag": Column("faintest_mag", unit=u.mag, about="Faintest magnitude."),
    "mag_rms": Column("mag_rms", unit=u.mag, about="Scatter of the magnitudes."),
    "deepest_limit": Column("deepest_limit", unit=u.mag, about="Deepest limit."),
}


#: A spectrum, without its values.
SPECTRUM = Columns(
    "a spectrum",
    Column("id", int, to="spectrum_id", about="Number of the spectrum.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the source."),
    Column("observed_at", Timestamp, about="When it was observed."),
    Column("instrument_name", str, to="instrument", about="Name of the instrument."),
    Column("telescope_name", str, to="telescope", about="Name of the telescope."),
    Column("type", str, about="What it is of: source, host or host_center."),
    Column("label", str, about="Its name on the source's page."),
    Column("origin", str, about="Where it came from."),
    Column("units", str, about="Unit of the fluxes, by the server's name."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("telescope_id", int, about="Number of the telescope."),
    Column("pis", Nested, about="Principal investigators."),
    Column("observers", Nested, about="Who observed."),
    Column("reducers", Nested, about="Who reduced it."),
    Column("external_pi", str, about="Principal investigators without an account."),
    Column("external_observer", str, about="Observers without an account."),
    Column("external_reducer", str, about="Reducers without an account."),
    Column("original_file_filename", str, about="Name of the file that was uploaded."),
    Column("followup_request_id", int, about="Number of the request that it answers."),
    Column("assignment_id", int, about="Number of the assignment that it answers."),
    Column("owner_id", int, about="Number of who uploaded it."),
    Column("altdata", Nested, about="What the uploader sent besides, as JSON."),
    Column("annotations", Nested, about="Annotations, as JSON."),
    Column("comments", Nested, about="Comments, as JSON."),
    Column("groups", Nested, about="Groups that may see it."),
    Column("created_at", Timestamp, about="When it was uploaded."),
    Column("modified", Timestamp, about="When it was last changed."),
    # What is in the tables, or said by another column; the name is taken.
    *(
        Column(wire, Nested, to=f"whole_{wire}")
        for wire in (
            *("wavelengths", "fluxes", "errors", "instrument", "owner", "original_file_string"),
            *("observed_at_mjd", "obj"),
        )
    ),
)


POSITION = Columns(
    "a position",
    Column("ra", unit=u.deg, about="Right ascension, ICRS, the mean of the detections."),
    Column("dec", unit=u.deg, about="Declination, ICRS, the mean of the detections."),
    Column("discovery_ra", unit=u.deg, about="Right ascension at discovery."),
    Column("discovery_dec", unit=u.deg, about="Declination at discovery."),
    Column("gal_lon", unit=u.deg, about="Galactic longitude, from 0 to 360."),
    Column("gal_lat", unit=u.deg, about="Galactic latitude."),
    Column("ebv", unit=u.mag, about="Reddening E(B-V) of the Galaxy."),
    *_unshown("separation"),
)


MOVED = Column(
    "separation", unit=u.arcsec, about="Distance of the position from that at discovery."
)


#: A classification of an object.
CLASSIFICATION = Columns(
    "a classification",
    Column("id", int, to="classification_id", about="Its number.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("classification", str, about="Class."),
    Column("probability", about="Probability, from 0 to 1."),
    Column("taxonomy_id", int, about="Number of the taxonomy that has the class."),
    Column("ml", bool, about="Whether a machine made the classification."),
    Column("origin", str, about="Program or survey that classified."),
    Column("author_name", str, about="Who made the classification."),
    Column("author_id", int, about="Number of the author."),
    _when("created_at", "When it was written."),
    _when("modified", "When it was last changed."),
    Column("votes", Nested, about="Sum of the votes of others, 1 for and -1 against."),
    Column("groups", Nested, about="Groups that may see it."),
    Column("taxonomy", Nested),
)


#: A comment on an object.
COMMENT = Columns(
    "a comment",
    Column("id", int, to="comment_id", about="Its number.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("text", str, about="What it says."),
    Column("origin", str, about="Program or survey that commented."),
    Column("bot", bool, about="Whether a machine wrote the comment."),
    Column("author_id", int, about="Number of the author."),
    Column("attachment_name", str, about="Name of an attached file."),
    _when("created_at", "When it was written."),
    _when("modified", "When it was last changed."),
    Column("groups", Nested, about="Groups that may see it."),
    *(Column(wire, Nested) for wire in ("author", "resourceType")),
)


LISTING = Columns(
    "an entry of a list",
    Column("id", int, about="Number of the entry.", required=True),
    Column("list_name", str, about="Name of the list."),
    Column("obj_id", str, to="source_id", about="Id of the source."),
    Column("user_id", int, about="Number of the account whose list it is."),
    Column("created_at", Timestamp, about="When it was added."),
    Column("modified", Timestamp, about="When it was last changed."),
)


FOLLOWUP = Columns(
    "a follow-up request",
    Column("id", int, about="Number of the request.", required=True),
    Column("obj_id", str, to="source_id", about="Id of the source."),
    Column("status", str, about="State of the request, as the server has it."),
    Column("allocation_id", int, about="Number of the allocation."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("instrument", str, about="Name of the instrument."),
    Column("requester", str, about="Who made the request."),
    Column("requester_id", int, about="Number of who made the request."),
    Column("last_modified_by_id", int, about="Number of who last changed it."),
    Column("comment", str, about="A comment on the request."),
    Column("payload", str, about="What was asked for, as JSON."),
    Column("created_at", Timestamp, about="When the request was made."),
    Column("modified", Timestamp, about="When the request was last changed."),
)


ASSIGNMENT = Columns(
    "an assignment",
    Column("id", int, about="Number of the assignment.", required=True),
    Column("obj_id", str, to="source_id", about="Id of the source."),
    Column("run_id", int, about="Number of the observing run."),
    Column("priority", str, about="From 1, the lowest, to 5."),
    Column("status", str, about="State of the assignment."),
    Column("comment", str, about="A comment on it."),
    Column("requester", str, about="Who asked for it."),
    Column("requester_id", int, about="Number of who asked for it."),
    Column("last_modified_by_id", int, about="Number of who last changed it."),
    Column("rise_time_utc", Timestamp, to="rise_time", about="When the source rises."),
    Column("set_time_utc", Timestamp, to="set_time", about="When the source sets."),
    Column("created_at", Timestamp, about="When the assignment was made."),
    Column("modified", Timestamp, about="When the assignment was last changed."),
)


FACILITY = Columns(
    "a facility",
    Column("name", str, about="Its name, for get_finding_chart.", required=True),
    Column("radius_degrees", unit=u.deg, to="radius", about="How far away offset stars may be."),
    Column("mag_limit", unit=u.mag, about="Faintest offset star."),
    Column("mag_min", unit=u.mag, about="Brightest offset star."),
    Column("min_sep_arcsec", unit=u.arcsec, to="min_separation", about="Least distance of stars."),
)


OFFSET_STAR = Columns(
    "an offset star",
    Column("name", str, about="Name of the star, or of the source.", required=True),
    Column("ra", unit=u.deg, about="Right ascension."),
    Column("dec", unit=u.deg, about="Declination."),
    Column("mag", unit=u.mag, about="Magnitude, in Gaia's RP band."),
    Column("dras", unit=u.arcsec, to="offset_east", about="From the star east to the source."),
    Column("ddecs", unit=u.arcsec, to="offset_north", about="From the star north to the source."),
    Column("pa", unit=u.deg, to="position_angle", about="Position angle of that offset."),
    Column("str", str, to="starlist", about="Its line in the list of the telescope."),
)


#: An annotation of an object: any keys, by origin.
ANNOTATION = Columns(
    "an annotation",
    Column("id", int, to="annotation_id", about="Its number.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("origin", str, about="What it comes from."),
    Column("data", Nested),
    Column("author_id", int, about="Number of the author."),
    _when("created_at", "When it was made."),
    _when("modified", "When it was last changed."),
    Column("groups", Nested, about="Groups that may see it."),
    *(Column(wire, Nested) for wire in ("author", "type")),
)


GROUP = Columns(
    "a group",
    _id("group"),
    Column("name", str, about="Name of the group."),
    Column("nickname", str, about="Short name."),
    Column("description", str, about="What it is for."),
    Column("private", bool, about="Whether only its members see it."),
    Column("single_user_group", bool, about="Whether it is of one user alone."),
    Column("auto_accept_requests", bool, about="Whether requests to join are accepted at once."),
    Column("streams", Nested, about="Streams of alerts that it may see."),
    *_dated(),
    *_unshown("users", "group_users", "filters"),
)


FILTER = Columns(
    "a filter",
    _id("filter"),
    Column("name", str, about="Name of the filter."),
    Column("group_id", int, about="Number of the group whose filter it is."),
    Column("stream_id", int, about="Number of the stream that it filters."),
    Column("stream", Nested, about="Name of the stream that it filters."),
    Column("broker_id", int, about="Number of the broker that runs it."),
    Column("autosave", bool, about="Whether what passes is saved at once."),
    Column("altdata", Nested, about="Other properties of it, as JSON."),
    *_dated(),
    *_unshown("group"),
)


STREAM = Columns(
    "a stream",
    _id("stream"),
    Column("name", str, about="Name of the stream of alerts."),
    Column("auto_join", bool, about="Whether new groups get it."),
    Column("altdata", Nested, about="Other properties of it, as JSON."),
    *_dated(),
    *_unshown("groups", "users", "filters"),
)


INSTRUMENT = Columns(
    "an instrument",
    _id("instrument"),
    Column("name", str, about="Name of the instrument."),
    Column("type", str, about="Imager, spectrograph, or both."),
    Column("band", str, about="Optical, infrared, radio, and so on."),
    Column("telescope", Nested, about="Name of its telescope."),
    Column("telescope_id", int, about="Number of its telescope."),
    Column("filters", Nested, about="Its filters, by their names on this instance."),
    Column("api_classname", str, about="How requests for observations are sent to it."),
    Column("api_classname_obsplan", str, about="How plans of observations are sent to it."),
    Column("listener_classname", str, about="How it reports on requests."),
    Column("number_of_fields", int, about="How many fields its survey has."),
    Column("has_fields", bool, about="Whether it has fields."),
    Column("has_region", bool, about="Whether its field of view is known."),
    Column("region_summary", str, about="Its field of view in words."),
    Column("log_exists", bool, about="Whether there is a log of its observations."),
    Column("status", Nested, about="What it said of itself last, as JSON."),
    Column("last_status_update", Timestamp, about="When it sent the status."),
    Column("sensitivity_data", Nested, about="Limits by filter, as JSON."),
    Column("configuration_data", Nested, about="Its settings, as JSON."),
    Column("tns_id", int, about="Number at the Transient Name Server."),
    Column("treasuremap_id", int, about="Number at the Treasure Map of gravitational waves."),
    *_dated(),
    *_unshown("region", "fields", "allocations"),
)


TELESCOPE = Columns(
    "a telescope",
    _id("telescope"),
    Column("name", str, about="Name of the telescope."),
    Column("nickname", str, about="Short name."),
    Column("lat", unit=u.deg, about="Latitude, positive to the north."),
    Column("lon", unit=u.deg, about="Longitude, positive to the east."),
    Column("elevation", unit=u.m, about="Height above sea level."),
    Column("diameter", unit=u.m, about="Diameter of the mirror."),
    Column("robotic", bool, about="Whether nobody is there."),
    Column("fixed_location", bool, about="Whether it stays in its place."),
    Column("instruments", Nested, about="Its instruments."),
    Column("is_night_astronomical", bool, about="Whether it is dark there, as the server answers."),
    Column("evening", Nested, about="Next end of evening twilight, astronomical."),
    Column("morning", Nested, about="Next begin of morning twilight, astronomical."),
    Column("skycam_link", str, about="Page of its camera of the sky."),
    Column("weather_link", str, about="Page of its weather."),
    *_dated(),
    *_unshown("allocations"),
)


TAXONOMY = Columns(
    "a taxonomy",
    _id("taxonomy"),
    Column("name", str, about="Name of the taxonomy."),
    Column("version", str, about="Its version."),
    Column("isLatest", bool, to="is_latest", about="Whether there is none newer."),
    Column("provenance", str, about="Where it came from."),
    Column("hierarchy", Nested, about="The classes and what they are parts of, as JSON."),
    Column("groups", Nested, about="Groups that may use it."),
    *_dated(),
)


ALLOCATION = Columns(
    "an allocation",
    _id("allocation"),
    Column("proposal_id", str, about="Name of the proposal."),
    Column("pi", str, about="Principal investigator."),
    Column("group_id", int, about="Number of the group that has it."),
    Column("group", Nested, about="Name of the group that has it."),
    Column("instrument", Nested, about="Name of the instrument."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("hours_allocated", unit=u.hour, about="Time allocated."),
    Column("types", Nested, about="What it may be used for."),
    Column("start_date", Nested),
    Column("end_date", Nested),
    Column("validity_ranges", Nested, about="When it holds, as JSON."),
    Column("default_share_group_ids", Nested, about="Numbers of groups that see its data."),
    *_dated(),
    *_unshown("allocation_users", "requests", "ephemeris", "telescope", "altdata", "_altdata"),
)


OBSERVING_RUN = Columns(
    "an observing run",
    _id("observing run"),
    Column("calendar_date", str, about="Date of the first night, at the telescope."),
    Column("duration", int, about="How many nights it has."),
    Column("run_end_utc", Timestamp, to="end", about="When it ends."),
    Column("instrument", Nested, about="Name of the instrument."),
    Column("instrument_id", int, about="Number of the instrument."),
    Column("pi", str, about="Principal investigator."),
    Column("observers", str, about="Who observes."),
    Column("group_id", int, about="Number of the group whose run it is."),
    Column("group", Nested, about="Name of the group whose run it is."),
    Column("owner_id", int, about="Number of who made the entry."),
    *_dated(),
    *_unshown("owner", "assignments"),
)


#: A galaxy of a catalogue that the instance has taken in.
GALAXY = Columns(
    "a galaxy",
    Column("id", int, to="galaxy_id", about="Its number on this instance.", required=True),
    Column("name", str, about="Its name."),
    Column("alt_name", str, about="Another name."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS.", required=True),
    Column("dec", unit=u.deg, about="Declination, ICRS.", required=True),
    Column("distmpc", unit=u.Mpc, to="distance", about="Distance."),
    Column("distmpc_unc", unit=u.Mpc, to="distance_err", about="Error of distance."),
    Column("redshift", about="Redshift."),
    Column("redshift_error", about="Error of redshift."),
    Column("mstar", unit=u.Msun, to="stellar_mass", about="Mass of its stars."),
    Column("sfr_fuv", unit=u.Msun / u.yr, about="Star formation rate, from the far ultraviolet."),
    Column("sfr_w4", unit=u.Msun / u.yr, about="Star formation rate, from WISE W4."),
    _mag("magb", "Magnitude in B."),
    _mag("magk", "Magnitude in K."),
    _mag("mag_fuv", "Magnitude in the far ultraviolet of GALEX."),
    _mag("mag_nuv", "Magnitude in the near ultraviolet of GALEX."),
    _mag("mag_w1", "Magnitude in WISE W1."),
    _mag("mag_w2", "Magnitude in WISE W2."),
    _mag("mag_w3", "Magnitude in WISE W3."),
    _mag("mag_w4", "Magnitude in WISE W4."),
    Column("a", about="Major axis, as its catalogue defines it."),
    Column("b2a", about="Minor axis over major axis."),
    Column("pa", unit=u.deg, about="Position angle, as its catalogue defines it."),
    Column("btc", about="Coefficient of the bulge, as its catalogue defines it."),
    Column("catalog_id", int, about="Number of its catalogue on this instance."),
    Column("healpix", int, about="Index of the position in a HEALPix map of 2^29 sides, nested."),
    *_STAMPS,
)


CATALOG = Columns(
    "a catalogue of galaxies",
    Column("catalog_name", str, to="name", about="Its name.", required=True),
    Column("catalog_count", int, to="n_galaxies", about="How many galaxies it has."),
)


#: An event of the General Coordinates Network.
EVENT = Columns(
    "an event",
    Column("id", int, to="event_id", about="Its number on this instance.", required=True),
    Column("dateobs", Timestamp, about="When it happened, to the second: its name here."),
    Column("trigger_id", str, about="Number that its observatory gave it."),
    Column("aliases", Nested, about="Other names."),
    Column("tags", Nested, about="Tags, such as GRB or GW."),
    Column("localizations", Nested, about="Names of its sky maps, for get_localization."),
    Column("gcn_notices", Nested, to="notices", about="Types of the notices of it."),
    Column("tach_id", str, about="Number of its page of circulars."),
    *_STAMPS,
    *(
        Column(wire, Nested)
        for wire in (
            "gcn_triggers",
            "observationplan_requests",
            "event_users_ids",
            "properties",
            "lightcurve",
            "comments",
            "reminders",
            "circulars",
            "summaries",
            "detectors",
            "gracedb_log",
            "gracedb_labels",
            "survey_efficiency_analyses",
        )
    ),
)


#: A service that runs analyses, on the instance or outside it.
SERVICE = Columns(
    "an analysis service",
    Column("id", int, to="service_id", about="Its number.", required=True),
    Column("name", str, about="Its name, without spaces."),
    Column("display_name", str, about="Its name, for people."),
    Column("description", str, about="What it does."),
    Column("version", str, about="Its version."),
    Column("analysis_type", str, about="What kind of analysis it makes."),
    Column("input_data_types", Nested, about="What it takes of a source."),
    Column(
        "optional_analysis_parameters", Nested, to="parameters", about="Which parameters it has."
    ),
    Column("upload_only", bool, about="Whether its results are uploaded, and never begun here."),
    Column("enabled", bool, about="Whether it may be used."),
    Column("authentication_type", str, about="How the server logs in to it."),
    Column("is_summary", bool, about="Whether it writes the summary of a source."),
    Column("timeout", unit=u.s, about="How long it may take."),
    Column("url", str, about="Where it runs."),
    Column("contact_name", str, about="Whom to ask."),
    Column("contact_email", str, about="Where to ask."),
    Column("groups", Nested, about="Groups that may use it."),
    *_STAMPS,
    # Credentials for the service itself, where a server sends them.
    *(
        Column(wire, Nested)
        for wire in ("authinfo", "_authinfo", "obj_analyses", "default_analyses")
    ),
)


#: An analysis of an object.
ANALYSIS = Columns(
    "an analysis",
    Column("id", int, to="analysis_id", about="Its number.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("analysis_service_id", int, to="service_id", about="Number of its service."),
    Column("analysis_service_name", str, to="service", about="Name of its service."),
    Column("status", str, about="How far it is."),
    Column("status_message", str, about="What its service says of that."),
    Column("num_plots", int, to="n_plots", about="How many plots it has."),
    Column("duration", unit=u.s, about="How long it took."),
    Column("last_activity", Timestamp, about="When its service was last heard of."),
    Column("invalid_after", Timestamp, about="Until when its service may send results."),
    Column("analysis_parameters", Nested, to="parameters", about="What its service was given."),
    Column("input_filters", Nested, about="Which data went into it."),
    Column("show_parameters", bool, about="Whether the page of the source shows parameters."),
    Column("show_plots", bool, about="Whether the page of the source shows the plots."),
    Column("show_corner", bool, about="Whether the page of the source shows the corner plot."),
    Column("author_id", int, about="Number of who began it."),
    Column("hash", str, about="Check sum of its data."),
    Column("groups", Nested, about="Groups that may see it."),
    *_STAMPS,
    *(
        Column(wire, Nested)
        # "token" lets a service send results in the name of who began the analysis.
        for wire in (
            *("token", "handled_by_url", "data", "author", "obj"),
            *("analysis_service", "analysis_service_description"),
        )
    ),
)


#: What is shown of each item of a column of lists, by its wire name.
PIECES = {
    "aliases": "",
    "groups": "name",
    "tags": "text",
    "localizations": "localization_name",
    "gcn_notices": "notice_type",
}
