"""The class that users import: all queries to the ALeRCE broker."""

from atlasquery.alerce import catshtm, classes, light_curves, objects, stamps, tap
from atlasquery.alerce.base import AlerceQuery

__all__ = ["Alerce", "AlerceClass"]


class AlerceClass(AlerceQuery):
    """Queries to the ALeRCE broker of ZTF and LSST alerts.

    Use the instance ``Alerce``, or create an `AlerceClass` for another server. No
    login is needed. ALeRCE has several servers, whose addresses are in
    ``atlasquery.alerce.conf``; only that of the ZTF API is an argument.

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

    # Objects: find them by position, by criteria, by name
    query_region = objects.query_region
    query_criteria = objects.query_criteria
    query_objects = objects.query_objects
    query_object = objects.query_object

    # Light curves of one object or many
    get_light_curve = light_curves.get_light_curve
    get_light_curves = light_curves.get_light_curves

    # Measurements of an object as the survey sends them, and statistics for each band
    get_detections = light_curves.get_detections
    get_non_detections = light_curves.get_non_detections
    get_forced_photometry = light_curves.get_forced_photometry
    get_magstats = classes.get_magstats

    # Classifications of an object, and the features behind them
    get_probabilities = classes.get_probabilities
    get_features = classes.get_features
    get_feature = classes.get_feature
    list_classifiers = classes.list_classifiers
    list_classes = classes.list_classes

    # Images and alert packets
    get_stamps = stamps.get_stamps
    plot_stamps = stamps.plot_stamps
    get_avro = stamps.get_avro

    # Other catalogues at a position (catsHTM)
    query_catshtm_region = catshtm.query_catshtm_region
    crossmatch_catshtm = catshtm.crossmatch_catshtm
    get_catshtm_redshift = catshtm.get_catshtm_redshift

    # The database, in SQL
    query_tap = tap.query_tap


Alerce = AlerceClass()
