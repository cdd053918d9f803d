"""The class that users import: all queries to Tiny."""

from atlasquery.service import ServiceQuery
from atlasquery.tinysurvey import conf, queries

__all__ = ["TinySurvey", "TinySurveyClass"]


class TinySurveyClass(ServiceQuery):
    """Queries to the survey Tiny."""

    service = "Tiny"
    title = "Survey Tiny"
    environment = "ATLASQUERY_TINY"
    conf = conf
    login_required = False

    query_region = queries.query_region
    get_light_curve = queries.get_light_curve


TinySurvey = TinySurveyClass()
