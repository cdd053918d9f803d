"""The class that users import: all queries to a SkyPortal instance."""

from atlasquery.skyportal import (
    analyses,
    analyses_begun,
    annotating,
    assignments,
    candidates,
    charts,
    curves,
    events,
    followup,
    followup_reads,
    galaxies,
    generic,
    listings,
    notes,
    reference_tables,
    saving,
    source_facts,
    sources,
    spectra,
    spectrum_upload,
    upload,
)
from atlasquery.skyportal.base import SkyPortalQuery

__all__ = ["SkyPortal", "SkyPortalClass"]


class SkyPortalClass(SkyPortalQuery):
    """Queries to a SkyPortal instance, such as Fritz or Icare, or one of your own.

    Use the instance ``SkyPortal``, or make one of your own for another instance or
    another login. Some instances show what they have without a token.

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

    # sources
    query_region = sources.query_region
    query_criteria = sources.query_criteria
    get_source = sources.get_source

    # candidates
    query_candidates = candidates.query_candidates
    get_candidate = candidates.get_candidate

    # curves
    get_photometry = curves.get_photometry
    get_light_curves = curves.get_light_curves

    # notes
    get_classifications = notes.get_classifications
    get_comments = notes.get_comments
    get_attachment = notes.get_attachment
    get_annotations = notes.get_annotations

    # galaxies
    query_galaxies = galaxies.query_galaxies
    list_galaxy_catalogs = galaxies.list_galaxy_catalogs

    # events
    query_gcn_events = events.query_gcn_events
    get_localization = events.get_localization

    # charts
    get_finding_chart = charts.get_finding_chart
    list_facilities = charts.list_facilities
    get_offset_stars = charts.get_offset_stars

    # analyses
    list_analysis_services = analyses.list_analysis_services
    list_analyses = analyses.list_analyses
    get_analysis = analyses.get_analysis
    get_analysis_results = analyses.get_analysis_results
    get_analysis_plot = analyses.get_analysis_plot
    get_analysis_corner = analyses.get_analysis_corner

    # spectra
    get_spectra = spectra.get_spectra

    # source_facts
    source_exists = source_facts.source_exists
    get_position = source_facts.get_position
    get_source_groups = source_facts.get_source_groups
    get_photometry_statistics = source_facts.get_photometry_statistics
    get_system_info = source_facts.get_system_info

    # reference_tables
    list_groups = reference_tables.list_groups
    list_filters = reference_tables.list_filters
    list_streams = reference_tables.list_streams
    list_instruments = reference_tables.list_instruments
    list_telescopes = reference_tables.list_telescopes
    list_taxonomies = reference_tables.list_taxonomies
    list_allocations = reference_tables.list_allocations
    list_observing_runs = reference_tables.list_observing_runs

    # saving
    save_source = saving.save_source
    save_candidate = saving.save_candidate
    unsave_source = saving.unsave_source

    # upload
    upload_photometry = upload.upload_photometry
    undo_upload = upload.undo_upload

    # spectrum_upload
    upload_spectrum = spectrum_upload.upload_spectrum

    # annotating
    add_classification = annotating.add_classification
    vote_classification = annotating.vote_classification
    add_comment = annotating.add_comment
    add_annotation = annotating.add_annotation
    annotate_from_catalog = annotating.annotate_from_catalog

    # listings
    list_listings = listings.list_listings
    add_to_list = listings.add_to_list
    remove_from_list = listings.remove_from_list

    # followup
    submit_followup = followup.submit_followup
    update_followup = followup.update_followup
    delete_followup = followup.delete_followup

    # assignments
    add_assignment = assignments.add_assignment
    update_assignment = assignments.update_assignment
    delete_assignment = assignments.delete_assignment
    get_assignments = assignments.get_assignments

    # analyses_begun
    start_analysis = analyses_begun.start_analysis
    upload_analysis = analyses_begun.upload_analysis
    delete_analysis = analyses_begun.delete_analysis

    # followup_reads
    query_followups = followup_reads.query_followups
    get_followup_schedule = followup_reads.get_followup_schedule

    # generic
    request = generic.request


SkyPortal = SkyPortalClass()
