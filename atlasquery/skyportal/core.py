"""The class that users import: all queries to a SkyPortal instance."""

from atlasquery.skyportal.analyses import AnalysisQueries
from atlasquery.skyportal.analyses_begun import AnalysisWrites
from atlasquery.skyportal.annotating import NoteWrites
from atlasquery.skyportal.assignments import AssignmentQueries
from atlasquery.skyportal.candidates import CandidateQueries
from atlasquery.skyportal.charts import ChartQueries
from atlasquery.skyportal.curves import PhotometryQueries
from atlasquery.skyportal.events import EventQueries
from atlasquery.skyportal.followup import FollowupQueries
from atlasquery.skyportal.galaxies import GalaxyQueries
from atlasquery.skyportal.generic import GenericQueries
from atlasquery.skyportal.listings import ListingQueries
from atlasquery.skyportal.notes import NoteQueries
from atlasquery.skyportal.reference_tables import ReferenceTableQueries
from atlasquery.skyportal.saving import SavingQueries
from atlasquery.skyportal.source_facts import SourceFactQueries
from atlasquery.skyportal.sources import SourceQueries
from atlasquery.skyportal.spectra import SpectrumQueries
from atlasquery.skyportal.spectrum_upload import SpectrumWrites
from atlasquery.skyportal.upload import UploadQueries

__all__ = ["SkyPortal", "SkyPortalClass"]


class SkyPortalClass(
    SourceQueries,
    CandidateQueries,
    PhotometryQueries,
    NoteQueries,
    GalaxyQueries,
    EventQueries,
    ChartQueries,
    AnalysisQueries,
    SpectrumQueries,
    SourceFactQueries,
    ReferenceTableQueries,
    SavingQueries,
    UploadQueries,
    SpectrumWrites,
    NoteWrites,
    ListingQueries,
    FollowupQueries,
    AssignmentQueries,
    AnalysisWrites,
    GenericQueries,
):
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


SkyPortal = SkyPortalClass()
