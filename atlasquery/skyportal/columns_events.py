"""What SkyPortal sends of galaxies, of events of the GCN and of analyses, said once."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Timestamp

__all__ = ["ANALYSIS", "EVENT", "GALAXY", "PIECES", "SERVICE"]

_STAMPS = (
    Column("created_at", Timestamp, about="When it came to this instance."),
    Column("modified", Timestamp, about="When it was last changed."),
)


def _mag(wire: str, about: str) -> Column:
    return Column(wire, unit=u.mag, about=about)


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
    Column("optional_analysis_parameters", Nested, to="parameters", about="What it may be told."),
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
    Column("analysis_parameters", Nested, to="parameters", about="What its service was told."),
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
