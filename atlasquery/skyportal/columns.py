"""What SkyPortal sends, said once: wire name, type, public name, unit, meaning."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Timestamp

__all__ = [
    "ANNOTATION",
    "CANDIDATE",
    "CLASSIFICATION",
    "COMMENT",
    "GROUPS",
    "JSON_TEXT",
    "LISTS",
    "PHOTOMETRY",
    "SAVED_AT",
    "SEPARATION",
    "SOURCE",
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

#: Keys that are not shown: each has a method of its own, or `SkyPortalClass.request` shows it.
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
SEPARATION = Column("separation", unit=u.arcsec, about="Distance to the position asked for.")

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

#: A classification of an object.
CLASSIFICATION = Columns(
    "a classification",
    Column("id", int, to="classification_id", about="Its number.", required=True),
    Column("obj_id", str, to="source_id", about="Name of the object."),
    Column("classification", str, about="Class."),
    Column("probability", about="Probability, from 0 to 1."),
    Column("taxonomy_id", int, about="Number of the taxonomy that has the class."),
    Column("ml", bool, about="Whether a machine said so."),
    Column("origin", str, about="What said so."),
    Column("author_name", str, about="Who said so."),
    Column("author_id", int, about="Number of the author."),
    _when("created_at", "When it was said."),
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
    Column("origin", str, about="What said so."),
    Column("bot", bool, about="Whether a machine said so."),
    Column("author_id", int, about="Number of the author."),
    Column("attachment_name", str, about="Name of an attached file."),
    _when("created_at", "When it was said."),
    _when("modified", "When it was last changed."),
    Column("groups", Nested, about="Groups that may see it."),
    *(Column(wire, Nested) for wire in ("author", "resourceType")),
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
