"""The class that users import: all queries to the ALeRCE broker."""

from atlasquery.alerce.archive import ArchiveQueries

__all__ = ["Alerce", "AlerceClass"]


class AlerceClass(ArchiveQueries):
    """Queries to the ALeRCE broker of ZTF and LSST alerts.

    Use the instance ``Alerce``, or make one of your own for another server. No
    login is needed. ALeRCE's services stand at several addresses, which
    ``atlasquery.alerce.conf`` names; only that of ZTF's API is an argument.

    Parameters
    ----------
    server : str, optional
        The address of the ZTF API; by default what the environment variable
        ``ATLASQUERY_ALERCE_SERVER`` or ``atlasquery.alerce.conf.server`` says.

    References
    ----------
    Förster et al. 2021, AJ 161, 242: The Automatic Learning for the Rapid
    Classification of Events (ALeRCE) Alert Broker.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> found = Alerce.query_criteria(class_name="SN", n_det=(10, 20), max_rows=-1)
    >>> len(found) > 0
    True
    """


Alerce = AlerceClass()
