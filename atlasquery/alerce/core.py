"""The class that users import: all queries to the ALeRCE broker."""

from atlasquery.alerce import archive, bulk, classes, curves, objects, stamps
from atlasquery.alerce.base import AlerceQuery

__all__ = ["Alerce", "AlerceClass"]


class AlerceClass(AlerceQuery):
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

    # archive
    query_catshtm_region = archive.query_catshtm_region
    crossmatch_catshtm = archive.crossmatch_catshtm
    get_catshtm_redshift = archive.get_catshtm_redshift
    query_tap = archive.query_tap

    # stamps
    get_stamps = stamps.get_stamps
    plot_stamps = stamps.plot_stamps
    get_avro = stamps.get_avro

    # bulk
    get_light_curves = bulk.get_light_curves

    # curves
    get_detections = curves.get_detections
    get_non_detections = curves.get_non_detections
    get_forced_photometry = curves.get_forced_photometry
    get_light_curve = curves.get_light_curve

    # objects
    query_region = objects.query_region
    query_criteria = objects.query_criteria
    query_objects = objects.query_objects
    query_object = objects.query_object

    # classes
    get_probabilities = classes.get_probabilities
    get_features = classes.get_features
    get_feature = classes.get_feature
    get_magstats = classes.get_magstats
    list_classifiers = classes.list_classifiers
    list_classes = classes.list_classes


Alerce = AlerceClass()
