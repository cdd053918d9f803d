"""Candidates: their filters, their order, and the two forms of one key."""

import warnings

import numpy as np
import pytest

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError
from atlasquery.skyportal import conf


@pytest.fixture
def passed(double):
    for n in range(60):
        day = f"2025-{n // 28 + 1:02d}-{n % 28 + 1:02d}T12:00:00"
        double.state.add_candidate(f"C{n:02d}", n, 1.0, passed_at=day, redshift=0.001 * n)
        double.state.annotate(f"C{n:02d}", "sherlock", {"sep": (n * 7) % 60, "class": "SN"})
    double.state.save("C07")
    return double


def test_all_pages(skyportal, passed):
    with conf.set_temp("page_size", 25):
        found = skyportal.query_candidates()
    assert sorted(found["id"]) == [f"C{n:02d}" for n in range(60)]
    assert found["id"][0] == "C59"
    assert len(passed.received) == 3
    assert all("queryID" in target for target in passed.received[1:])
    saved = dict(zip(found["id"].tolist(), found["is_source"].tolist(), strict=True))
    assert [name for name, is_source in saved.items() if is_source] == ["C07"]


def test_one_candidate_has_a_number_where_the_list_has_a_truth(skyportal, passed):
    assert skyportal.request("GET", "candidates/C07")["is_source"] == 1
    table = skyportal.get_candidate("C07")
    assert table["is_source"].dtype == bool and table["is_source"][0]
    assert not skyportal.get_candidate("C08")["is_source"][0]


def test_no_such_candidate(skyportal, passed):
    with pytest.raises(NotFoundError, match="no candidate NOPE") as caught:
        skyportal.get_candidate("NOPE")
    assert caught.value.status == 400


def test_sorted_by_an_annotation(skyportal, passed):
    found = skyportal.query_candidates(sort_by_annotation=("sherlock", "sep"), descending=True)
    by_sep = sorted(range(60), key=lambda n: -((n * 7) % 60))
    assert found["id"].tolist() == [f"C{n:02d}" for n in by_sep]


def test_criteria_find_what_they_say(skyportal, passed):
    def names(**criteria):
        return sorted(skyportal.query_candidates(cache=False, **criteria)["id"])

    assert names(start="2025-03-01T00:00:00") == ["C56", "C57", "C58", "C59"]
    assert names(redshift=(0.0575, None)) == ["C58", "C59"]
    assert names(saved_status="savedToAnySelected", group_ids=3) == ["C07"]
    assert len(names(saved_status="notSavedToAnySelected", filter_ids=[1, 2])) == 59
    with pytest.warns(NoResultsWarning):
        assert len(skyportal.query_candidates(group_ids=4)) == 0


def test_criteria_in_the_servers_words(skyportal, double):
    sent = skyportal.query_candidates(
        group_ids=[3, 4],
        filter_ids=1,
        saved_status="all",
        start="2025-01-01",
        end=61041.0,
        classifications=["Ia", "IIP"],
        redshift=(0, 0.1),
        list_name="rejected_candidates",
        annotation_filters=[
            {"origin": "sherlock", "key": "class", "value": "SN"},
            {"origin": "sherlock", "key": "sep", "min": 0, "max": 2},
        ],
        localization="2025-01-16T00:36:53",
        probability=0.9,
        sort_by_annotation=("sherlock", "sep"),
        get_query_payload=True,
    )
    assert sent == {
        "groupIDs": "3,4",
        "filterIDs": "1",
        "savedStatus": "all",
        "startDate": "2025-01-01T00:00:00.000",
        "endDate": "2026-01-01T00:00:00.000",
        "classifications": "Ia,IIP",
        "minRedshift": "0.0",
        "maxRedshift": "0.1",
        "listName": "rejected_candidates",
        "annotationFilterList": '{"origin":"sherlock","key":"class","value":"SN"},'
        '{"origin":"sherlock","key":"sep","min":0,"max":2}',
        "localizationDateobs": "2025-01-16T00:36:53",
        "localizationCumprob": "0.9",
        "requireDetections": "false",
        "sortByAnnotationOrigin": "sherlock",
        "sortByAnnotationKey": "sep",
        "sortByAnnotationOrder": "asc",
    }
    assert double.received == []


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"saved_status": "savedToAny"}, "did you mean"),
        ({"sort_by_annotation": "sep"}, "pair of origin and key"),
        ({"sort_by_annotation": ("a", None)}, "pair of origin and key"),
        ({"descending": True}, "sort_by_annotation"),
        ({"annotation_filters": [{"key": "a", "value": 1}]}, "annotation_filters="),
        ({"annotation_filters": {"origin": "a", "key": "a", "min": 1}}, "annotation_filters="),
        ({"annotation_filters": "a"}, "annotation_filters="),
        ({"annotation_filters": {"origin": "a", "key": "a", "value": None}}, "None as value"),
        ({"classifications": "Sitewide Taxonomy: Ia"}, "such as 'Ia'"),
        ({"min_detections": 0}, "min_detections=0"),
        ({"localization": "2025-01-16", "min_detections": 2}, "detected=None should have both"),
        ({"localization": "2025-01-16", "detected": ("2025-01-16", None)}, "have both times"),
    ],
)
def test_criteria_that_cannot_be(skyportal, double, given, match):
    with pytest.raises(InvalidQueryError, match=match):
        skyportal.query_candidates(**given)
    with pytest.raises(TypeError, match="did you mean 'group_ids'"):
        skyportal.query_candidates(groups_ids=3)
    assert double.received == []


def test_classes_of_candidates_are_plain_names(skyportal, double):
    for n in range(3):
        double.state.add_candidate(f"C{n}", 10.0, 20.0)
    double.state.classify("C1", "Ia")
    assert skyportal.query_candidates(classifications="Ia")["id"].tolist() == ["C1"]


def test_a_sky_map_needs_detections_or_none(skyportal, double):
    double.state.add_candidate("C1", 10.0, 20.0)
    when = "2025-01-16T00:36:53"
    assert len(skyportal.query_candidates(localization=when)) == 1
    assert "requireDetections=false" in double.asked()[-1]
    found = skyportal.query_candidates(
        localization=when, detected=("2025-01-16", "2025-01-23"), cache=False
    )
    assert len(found) == 1
    assert "numberDetections=1" in double.asked()[-1]
    assert "firstDetectionAfter=2025-01-16" in double.asked()[-1]
    assert "requireDetections" not in double.asked()[-1]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0.5, ["half"]),
        (2, ["two"]),
        ("SN", ["text"]),
        (True, ["flag"]),
        ({"a": 1}, ["object"]),
        (np.float64(0.5), ["half"]),
        (7, []),
    ],
)
def test_values_of_annotations(skyportal, double, value, found):
    stored = {"half": 0.5, "two": 2, "text": "SN", "flag": True, "object": {"a": 1}}
    for name, one in stored.items():
        double.state.add_candidate(name, 10.0, 20.0)
        double.state.annotate(name, "score", {"rb": one})
    condition = {"origin": "score", "key": "rb", "value": value}
    with warnings.catch_warnings():
        warnings.simplefilter("error" if found else "ignore")
        assert skyportal.query_candidates(annotation_filters=condition)["id"].tolist() == found


@pytest.mark.parametrize("groups", [(), (3,), (2, 3, 4)])
def test_a_candidate_that_several_groups_have_saved(skyportal, double, groups):
    """The server counts them where it shows one candidate."""
    double.state.add_candidate("C1", 10.0, 20.0)
    double.state.save("C1", groups)
    table = skyportal.get_candidate("C1")
    assert table["is_source"].dtype == bool
    assert table["is_source"].tolist() == [bool(groups)]


@pytest.mark.parametrize("shows_alerts", [True, False])
def test_what_is_no_candidate_is_not_found(skyportal, double, shows_alerts):
    """The server shows any object under the address of a candidate."""
    double.state.shows_alerts = shows_alerts
    double.state.add_source("S1", 10.0, 20.0)
    double.state.add_candidate("C1", 10.0, 20.0)
    with pytest.raises(NotFoundError, match=r"no candidate S1 .* get_source"):
        skyportal.get_candidate("S1")
    table = skyportal.get_candidate("C1")
    assert table["id"][0] == "C1"
    assert "filter_ids" not in table.colnames
    assert len(double.asked("^GET")) == 2
    assert len(double.asked("^HEAD")) == (0 if shows_alerts else 2)
    with pytest.raises(NotFoundError, match="no candidate NOPE"):
        skyportal.get_candidate("NOPE")
