"""What SkyPortal's tables have, said once: groups, instruments, allocations, runs."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Nested, Timestamp

__all__ = [
    "ALLOCATION",
    "FILTER",
    "GROUP",
    "INSTRUMENT",
    "OBSERVING_RUN",
    "POSITION",
    "STREAM",
    "TAXONOMY",
    "TELESCOPE",
]


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


GROUP = Columns(
    "a group",
    _id("group"),
    Column("name", str, about="Name of the group."),
    Column("nickname", str, about="Short name."),
    Column("description", str, about="What it is for."),
    Column("private", bool, about="Whether only its members see it."),
    Column("single_user_group", bool, about="Whether it is of one user alone."),
    Column("auto_accept_requests", bool, about="Whether who asks is let in."),
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
    Column("altdata", Nested, about="What else is said of it, as JSON."),
    *_dated(),
    *_unshown("group"),
)

STREAM = Columns(
    "a stream",
    _id("stream"),
    Column("name", str, about="Name of the stream of alerts."),
    Column("auto_join", bool, about="Whether new groups get it."),
    Column("altdata", Nested, about="What else is said of it, as JSON."),
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
    Column("listener_classname", str, about="How it reports what became of requests."),
    Column("number_of_fields", int, about="How many fields its survey has."),
    Column("has_fields", bool, about="Whether it has fields."),
    Column("has_region", bool, about="Whether its field of view is known."),
    Column("region_summary", str, about="Its field of view in words."),
    Column("log_exists", bool, about="Whether there is a log of its observations."),
    Column("status", Nested, about="What it said of itself last, as JSON."),
    Column("last_status_update", Timestamp, about="When it said so."),
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
