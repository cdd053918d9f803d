"""The class that users import: forced photometry at any position of the ATLAS survey."""

from atlasquery.forcedphot import images, positions, results, tasks, waiting
from atlasquery.forcedphot.base import ForcedQuery

__all__ = ["AtlasForced", "AtlasForcedClass"]


class AtlasForcedClass(ForcedQuery):
    """Queries to the ATLAS forced photometry server.

    Use the instance ``AtlasForced``, or create another for a separate login or
    another server. An account is free: https://fallingstar-data.com/forcedphot/register/.
    Log in with ``AtlasForced.login``, or set ``ATLASQUERY_FORCED_TOKEN``, or
    ``ATLASQUERY_FORCED_USERNAME`` and ``ATLASQUERY_FORCED_PASSWORD``.

    Parameters
    ----------
    server : str, optional
        The address of the server; by default what the environment variable
        ``ATLASQUERY_FORCED_SERVER`` or ``atlasquery.forcedphot.conf.server`` says.

    References
    ----------
    Tonry et al. 2018, PASP 130, 064505: ATLAS: A High-cadence All-sky Survey System.
    Smith et al. 2020, PASP 132, 085002: Design and Operation of the ATLAS Transient
    Science Server. Shingles et al. 2021, TNS AstroNote 7: Release of the ATLAS Forced
    Photometry server for public use.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> lc = AtlasForced.query_position(SkyCoord(161.2, 53.7, unit="deg"), start=59000)
    >>> lc["flux"].unit
    Unit("uJy")
    """

    # Light curves: submit positions, wait and fetch in one call
    query_position = positions.query_position
    get_control_curves = positions.get_control_curves

    # The same step by step, across processes and days
    submit = positions.submit
    update = waiting.update
    wait = waiting.wait
    fetch = results.fetch

    # Result files on disk
    read = results.read

    # Images of the exposures, and stacks along the path of a minor planet
    request_images = images.request_images
    get_images = images.get_images
    get_stack = images.get_stack

    # Tasks of the account: list and delete
    list_jobs = tasks.list_jobs
    delete = tasks.delete


AtlasForced = AtlasForcedClass()
