"""The class that users import: all queries to the ATLAS Transient Server."""

from atlasquery.atlas import bulk, cones, download, lists, names, objects, vra, writes
from atlasquery.atlas.base import AtlasQuery

__all__ = ["Atlas", "AtlasClass"]


class AtlasClass(AtlasQuery):
    """Queries to the ATLAS Transient Server.

    Use the instance ``Atlas``, or create another for a separate login or
    another server. Access is granted case by case by the ATLAS team; to
    try things out without it, use `atlasquery.sandbox`.

    Parameters
    ----------
    server : str, optional
        The address of the API; by default what the environment variable
        ``ATLASQUERY_ATLAS_SERVER`` or ``atlasquery.atlas.conf.server`` says.

    References
    ----------
    Smith et al. 2020, PASP 132, 085002: Design and Operation of the ATLAS
    Transient Science Server.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> source = Atlas.get_source(found["atlas_id"][0])
    >>> len(source.light_curve) > 0
    True
    """

    # Objects: find them by position, by name, or by list
    query_region = cones.query_region
    count_region = cones.count_region
    query_object = objects.query_object
    query_external_names = names.query_external_names
    query_list = lists.query_list

    # One object: its light curve, and everything else in one request
    get_source = objects.get_source
    get_light_curve = objects.get_light_curve
    get_forced_photometry = objects.get_forced_photometry

    # Catalogue entries and cross-matches, of one or many objects
    get_objects = objects.get_objects
    get_sherlock_classifications = objects.get_sherlock_classifications
    get_sherlock_crossmatches = objects.get_sherlock_crossmatches
    get_tns_crossmatches = objects.get_tns_crossmatches
    get_external_crossmatches = objects.get_external_crossmatches

    # Many objects with their light curves: in memory, one by one, or in files
    get_sources = bulk.get_sources
    get_light_curves = bulk.get_light_curves
    iter_sources = bulk.iter_sources
    download_sources = download.download_sources
    read_sources = download.read_sources

    # Lists: which there are, who is on them, and changes
    list_lists = lists.list_lists
    get_list_members = lists.get_list_members
    get_list_memberships = lists.get_list_memberships
    add_to_list = writes.add_to_list
    remove_from_list = writes.remove_from_list
    move_to_list = writes.move_to_list

    # Virtual Research Assistant (VRA): read and write its scores, ranks and to-do list
    query_vra_scores = vra.query_vra_scores
    query_vra_ranks = vra.query_vra_ranks
    query_vra_todo = vra.query_vra_todo
    add_vra_scores = writes.add_vra_scores
    set_vra_rank = writes.set_vra_rank
    add_vra_todo = writes.add_vra_todo


Atlas = AtlasClass()
