"""The class that users import: all queries to a SkyPortal instance, and where each is."""

from atlasquery.skyportal import any_route, events, reads, uploads, writes
from atlasquery.skyportal.base import SkyPortalQuery

__all__ = ["SkyPortal", "SkyPortalClass"]


class SkyPortalClass(SkyPortalQuery):
    """Queries to a SkyPortal server, such as Fritz or Icare.

    Use `SkyPortal`, or create a `SkyPortalClass` for another server or another
    login. Some servers can be read without a token. ``login``, ``logout``, ``quota``
    and ``clear_cache`` are inherited.

    Parameters
    ----------
    server : str, optional
        The address of the instance, such as ``"https://fritz.science"``; by default
        what the environment variable ``ATLASQUERY_SKYPORTAL_SERVER`` or
        ``atlasquery.skyportal.conf.server`` says.
    token : str, optional
        A token, from the page of your profile there. By default it comes from the
        environment variable ``ATLASQUERY_SKYPORTAL_TOKEN``, the configuration file
        or the keyring.

    References
    ----------
    van der Walt et al. 2019, JOSS 4, 1247: SkyPortal: An Astronomical Data Platform.
    Coughlin et al. 2023, ApJS 267, 31: A Data Science Platform to Enable Time-domain
    Astronomy.

    Examples
    --------
    >>> from atlasquery.skyportal import SkyPortalClass
    >>> SkyPortalClass("https://skyportal.example.org").server
    'https://skyportal.example.org/api/'
    """

    # Sources: find, read, save
    query_region = reads.sources.query_region
    query_criteria = reads.sources.query_criteria
    get_source = reads.sources.get_source
    source_exists = reads.sources.source_exists
    get_position = reads.sources.get_position
    get_source_groups = reads.sources.get_source_groups
    save_source = writes.sources.save_source
    unsave_source = writes.sources.unsave_source

    # Candidates: objects that passed a filter; find, read, save as sources
    query_candidates = reads.candidates.query_candidates
    get_candidate = reads.candidates.get_candidate
    save_candidate = writes.sources.save_candidate

    # Photometry: read, upload, and undo an upload
    get_photometry = reads.photometry.get_photometry
    get_light_curves = reads.photometry.get_light_curves
    get_photometry_statistics = reads.photometry.get_photometry_statistics
    upload_photometry = uploads.photometry.upload_photometry
    undo_upload = uploads.photometry.undo_upload

    # Spectra
    get_spectra = reads.spectra.get_spectra
    upload_spectrum = uploads.spectra.upload_spectrum

    # Classifications, comments, annotations: what people and programs write about a source
    get_classifications = reads.notes.get_classifications
    add_classification = writes.notes.add_classification
    vote_classification = writes.notes.vote_classification
    get_comments = reads.notes.get_comments
    get_attachment = reads.notes.get_attachment
    add_comment = writes.notes.add_comment
    get_annotations = reads.notes.get_annotations
    add_annotation = writes.notes.add_annotation
    annotate_from_catalog = writes.notes.annotate_from_catalog

    # Lists of an account, such as its favorites
    list_listings = reads.lists.list_listings
    add_to_list = writes.lists.add_to_list
    remove_from_list = writes.lists.remove_from_list

    # Follow-up: requests to telescopes, targets of observing runs
    query_followups = reads.followups.query_followups
    get_followup_schedule = reads.followups.get_followup_schedule
    submit_followup = writes.followups.submit_followup
    update_followup = writes.followups.update_followup
    delete_followup = writes.followups.delete_followup
    get_assignments = reads.followups.get_assignments
    add_assignment = writes.assignments.add_assignment
    update_assignment = writes.assignments.update_assignment
    delete_assignment = writes.assignments.delete_assignment

    # Charts for an observer
    get_finding_chart = reads.charts.get_finding_chart
    list_facilities = reads.charts.list_facilities
    get_offset_stars = reads.charts.get_offset_stars

    # Analyses of sources: services, results, start and upload
    list_analysis_services = reads.analyses.list_analysis_services
    list_analyses = reads.analyses.list_analyses
    get_analysis = reads.analyses.get_analysis
    get_analysis_results = reads.analyses.get_analysis_results
    get_analysis_plot = reads.analyses.get_analysis_plot
    get_analysis_corner = reads.analyses.get_analysis_corner
    start_analysis = writes.analyses.start_analysis
    upload_analysis = writes.analyses.upload_analysis
    delete_analysis = writes.analyses.delete_analysis

    # GCN events and galaxies
    query_gcn_events = events.gcn_events.query_gcn_events
    get_localization = events.gcn_events.get_localization
    query_galaxies = events.galaxies.query_galaxies
    list_galaxy_catalogs = events.galaxies.list_galaxy_catalogs

    # The instance: its groups, instruments and other tables
    list_groups = reads.instance.list_groups
    list_filters = reads.instance.list_filters
    list_streams = reads.instance.list_streams
    list_instruments = reads.instance.list_instruments
    list_telescopes = reads.instance.list_telescopes
    list_taxonomies = reads.instance.list_taxonomies
    list_allocations = reads.instance.list_allocations
    list_observing_runs = reads.instance.list_observing_runs
    get_system_info = reads.instance.get_system_info

    # Any other route of the server
    request = any_route.request


SkyPortal = SkyPortalClass()
