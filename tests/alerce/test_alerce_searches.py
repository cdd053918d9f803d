"""Searches for objects: pages, order, names, positions, and each pitfall of the lists."""

import re
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from atlasquery.alerce import conf
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.alerce.contents import Contents
from atlasquery.sandbox.alerce.searches import ListedZTF
from atlasquery.sandbox.http import Response

AS_SENT = {"classifier": "stamp_classifier", "ranking": 1}


@pytest.mark.parametrize("n", [edge_cases.AT_RA_ZERO, edge_cases.AT_DEC_ZERO])
def test_pitfall_1_a_cone_at_zero_finds_what_is_there(alerce, n):
    ra, dec = edge_cases.position(n)
    found = alerce.query_region(SkyCoord(ra, dec, unit="deg"), radius="5 arcsec")
    assert found["oid"].tolist() == [edge_cases.name(n)]
    assert found["separation"].unit == u.arcsec
    assert found["separation"][0] < 1e-6


@pytest.mark.parametrize("radius", [0 * u.arcsec, -5 * u.arcsec, 5])
def test_pitfall_1_a_radius_of_nothing_is_refused(alerce, double, radius):
    with pytest.raises(InvalidQueryError, match="radius"):
        alerce.query_region(SkyCoord(150.1, 2.2, unit="deg"), radius=radius)
    assert double.received == []


def test_pitfall_1_half_a_cone_is_refused(alerce, double):
    with pytest.raises(InvalidQueryError, match="radius is missing"):
        alerce.query_criteria(coordinates=SkyCoord(150.1, 2.2, unit="deg"))
    with pytest.raises(InvalidQueryError, match="coordinates is missing"):
        alerce.query_criteria(radius="5 arcsec")
    assert double.received == []


def test_pitfall_1_a_server_that_ignores_the_cone_is_found_out(alerce, double):
    entry = {**edge_cases.entry(700), "class": None, "classifier": None, "probability": None}
    double.faults["ra="] = Response(200, {"items": [entry], "has_next": False})
    with pytest.raises(TableParseError, match="ignored the position"):
        alerce.query_region(SkyCoord(150.1, 2.2, unit="deg"), radius="5 arcsec")
    with pytest.raises(TableParseError, match="ignored the position"):
        alerce.query_criteria(coordinates=SkyCoord(150.1, 2.2, unit="deg"), radius="10 arcsec")


def test_pages_of_nothing_are_refused(alerce, double):
    with conf.set_temp("page_size", 0), pytest.raises(InvalidQueryError, match="page_size=0"):
        alerce.query_criteria(class_name="SN")
    assert double.received == []


def test_a_cone_over_the_end_of_right_ascension(alerce):
    found = alerce.query_region(SkyCoord(0, -5, unit="deg"), radius=10 * u.arcsec)
    assert set(found["oid"]) == {edge_cases.name(edge_cases.WEST), edge_cases.name(edge_cases.EAST)}


def test_pitfalls_2_3_4_all_rows_come_once_over_many_pages(alerce, double):
    with conf.set_temp("page_size", 100):
        found = alerce.query_criteria(cache=False)
    assert found["oid"].tolist() == sorted(edge_cases.name(n) for n in range(edge_cases.COUNT))
    pages = double.asked("/objects/")
    assert len(pages) == 13
    assert all("order_by=oid&order_mode=ASC" in page for page in pages)


@pytest.mark.parametrize("cap", [10, 100, 500])
def test_a_server_with_shorter_pages_than_asked_for_loses_nothing(alerce, double, cap):
    double.cap = cap
    names = sorted(edge_cases.name(n) for n in range(edge_cases.COUNT))
    assert alerce.query_criteria()["oid"].tolist() == names
    assert len(double.asked("/objects/")) == edge_cases.COUNT // cap + 1
    double.received.clear()
    with pytest.warns(MaxResultsWarning):
        assert alerce.query_criteria(max_rows=250)["oid"].tolist() == names[:250]
    assert alerce.query_objects(names[:450])["oid"].tolist() == names[:450]
    where = SkyCoord(150.1, 2.2, unit="deg")
    found = alerce.query_region(where, radius="1 arcmin")
    assert len(found) == 40


def test_objects_on_two_short_pages_are_not_lost(alerce, double):
    """All their classifications are asked for at once, and cut as each page is."""
    criteria = {"probability": 0.05, "n_det": 54, "max_rows": -1, "cache": False}
    with pytest.warns(InputWarning, match="further classifications"):
        whole = alerce.query_criteria(**criteria)
    double.cap = 20
    with pytest.warns(InputWarning, match="further classifications"):
        found = alerce.query_criteria(**criteria)
    for name in ("oid", "probability", "class_name"):
        assert found[name].tolist() == whole[name].tolist()


def test_what_is_surely_all_costs_no_further_page(alerce, double):
    alerce.query_region(SkyCoord(0, -5, unit="deg"), radius="10 arcsec")
    # That ten are a page of this server's is asked once.
    assert len(double.asked("/objects/")) == 2
    assert "objects/?page=1&page_size=10&" in double.received[-1]
    alerce.query_region(SkyCoord(0, -5, unit="deg"), radius="11 arcsec")
    alerce.query_objects([edge_cases.name(n) for n in range(150)])
    assert len(double.asked("/objects/")) == 4
    # Of ten and more the next page is asked for.
    assert len(alerce.query_region(SkyCoord(150.1, 2.2, unit="deg"), radius="1 arcmin")) == 40
    assert len(double.asked("/objects/")) == 6


def test_many_threads_ask_for_the_size_of_a_page_once(alerce, double):
    places = SkyCoord(np.zeros(6), np.full(6, -5.0), unit="deg")
    assert len(alerce.query_region(places, radius="10 arcsec", cache=False)) == 12
    assert len(double.asked("objects/.page=1&page_size=10&")) == 1


@pytest.mark.parametrize("cap", [1, 2, 9])
def test_a_server_with_pages_below_its_own_default_loses_nothing(alerce, double, cap):
    double.cap = cap
    where = SkyCoord(150.1, 2.2, unit="deg")
    assert len(alerce.query_region(where, radius="1 arcmin")) == 40
    names = [edge_cases.name(n) for n in range(30)]
    assert alerce.query_objects(names)["oid"].tolist() == names
    assert len(alerce.query_region(SkyCoord(0, -5, unit="deg"), radius="10 arcsec")) == 2


def test_a_server_that_cannot_list_all_is_asked_for_a_page_more(alerce, double):
    double.faults["objects/.page=1&page_size=10&"] = Response(500, {"message": "too much"})
    with conf.set_temp("retries", 0):
        found = alerce.query_region(SkyCoord(0, -5, unit="deg"), radius="10 arcsec")
    assert len(found) == 2
    assert len(double.asked("ra=360.*page=2")) == 1


def test_a_server_that_knows_no_pages_is_not_asked_for_ever(alerce, double):
    items = [edge_cases.entry(n) for n in range(12)]
    double.faults["/objects/"] = Response(200, {"items": items, "has_next": False})
    assert len(alerce.query_criteria(max_rows=-1)) == 12
    assert len(double.asked("/objects/")) == 2


def test_pitfall_4_fifteen_names_are_not_ten(alerce):
    names = [edge_cases.name(n) for n in range(15)]
    assert alerce.query_objects(names)["oid"].tolist() == names


def test_pitfall_5_an_object_comes_once_and_the_choice_is_told(alerce):
    with pytest.warns(InputWarning, match=r"\d+ further classifications"):
        found = alerce.query_criteria(ranking=1)
    assert len(set(found["oid"])) == len(found)
    one = edge_cases.name(12)
    best = max(p["probability"] for p in edge_cases.probabilities(12) if p["ranking"] == 1)
    assert found["probability"][found["oid"] == one][0] == best


def test_pitfall_5_named_versions_need_no_choice(alerce):
    version = "hierarchical_random_forest_1.1.0"
    found = alerce.query_criteria(classifier="lc_classifier", classifier_version=version, ranking=1)
    assert len(found) == sum(bool(edge_cases.probabilities(n)) for n in range(edge_cases.COUNT))


def test_pitfall_6_without_class_filters_unclassified_objects_stay(alerce):
    found = alerce.query_criteria()
    unclassified = found[found["oid"] == edge_cases.name(9)]
    assert unclassified["class_name"].mask.all()
    assert len(alerce.query_criteria(**AS_SENT)) < len(found)


def test_pitfall_7_the_likeliest_come_first(alerce):
    found = alerce.query_criteria(**AS_SENT, order_by="probability", descending=True)
    values = np.ma.getdata(found["probability"])
    assert not np.ma.getmaskarray(found["probability"]).any()
    assert (np.diff(values) <= 0).all()


# Of these 300 are fewer than there are, fewer than all, and more than are known.
NULLABLE = ("probability", "g_r_max", "g_r_max_corr", "ranking")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", NULLABLE)
@pytest.mark.parametrize("most", [-1, 300])
def test_masked_values_come_last_in_both_directions(alerce, order, descending, most):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaxResultsWarning)
        found = alerce.query_criteria(order_by=order, descending=descending, max_rows=most)
    assert len(found) == len(set(found["oid"])) == (most if most > 0 else edge_cases.COUNT)
    column = "class_name" if order == "ranking" else order
    mask = np.ma.getmaskarray(found[column])
    assert not np.any(np.diff(mask.astype(int)) < 0)
    known = [one.get({"class_name": "class"}.get(column, column)) for one in _listed()]
    known = sorted((v for v in known if v is not None), reverse=descending)[: len(found)]
    assert (~mask).sum() == len(known)
    if order != "ranking":
        assert np.asarray(found[column])[~mask].tolist() == known


def _listed():
    """Return the objects as the server lists them without criteria."""
    contents = Contents()
    entries = [edge_cases.entry(n) for n in range(edge_cases.COUNT)]
    return ListedZTF(contents).classified(entries, {})


@pytest.mark.parametrize("order", ["n_det", "g_r_max", "dec"])
@pytest.mark.parametrize("descending", [False, True])
def test_no_row_is_lost_or_doubled_in_an_order_with_ties(alerce, double, order, descending):
    with conf.set_temp("page_size", 100), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = alerce.query_criteria(order_by=order, descending=descending, max_rows=-1)
    assert sorted(found["oid"]) == sorted(edge_cases.name(n) for n in range(edge_cases.COUNT))
    assert all("order_by=oid" in page for page in double.asked("/objects/"))
    known = found[order][~np.ma.getmaskarray(found[order])]
    assert (np.diff(known) * (-1 if descending else 1) >= 0).all()


@pytest.mark.parametrize("descending", [False, True])
def test_a_cut_in_an_order_has_the_first_ones(alerce, descending):
    every = sorted(
        (edge_cases.detection_count(n) for n in range(edge_cases.COUNT)), reverse=descending
    )
    every.remove(edge_cases.detection_count(edge_cases.EMPTY))
    every = sorted([*every, 0], reverse=descending)
    words = "first by n_det, " + ("descending" if descending else "ascending")
    with conf.set_temp("page_size", 40), pytest.warns(MaxResultsWarning, match=words):
        found = alerce.query_criteria(order_by="n_det", descending=descending, max_rows=150)
    assert found["n_det"].tolist() == every[:150]
    assert len(set(found["oid"])) == 150


@pytest.mark.parametrize("most", [-1, 200])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["probability", "class_name", "n_det"])
def test_the_order_holds_where_objects_have_several_classifications(
    alerce, order, descending, most
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = alerce.query_criteria(
            ranking=1, order_by=order, descending=descending, max_rows=most
        )
    values = found[order].tolist()
    assert values == sorted(values, reverse=descending)
    assert len(set(found["oid"])) == len(found) > 150
    numbers = {edge_cases.name(n): n for n in range(edge_cases.COUNT)}
    best = (max if descending else min) if order != "n_det" else max
    key = order if order != "n_det" else "probability"
    for row in found:
        first = [p[key] for p in edge_cases.probabilities(numbers[row["oid"]]) if p["ranking"] == 1]
        assert row[key] == best(first)


def test_pages_that_part_the_classifications_of_an_object_lose_none(alerce, double):
    with pytest.warns(InputWarning, match="further classifications"):
        whole = alerce.query_criteria(ranking=1, cache=False)
    with conf.set_temp("page_size", 100), pytest.warns(InputWarning):
        found = alerce.query_criteria(ranking=1, cache=False)
    for name in ("oid", "probability", "classifier_name"):
        assert found[name].tolist() == whole[name].tolist()


def test_a_server_of_short_pages_is_told_of_in_another_order(alerce, double):
    double.cap = 100
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alerce.query_criteria(order_by="n_det", max_rows=1100)
    reply = [str(one.message) for one in caught if issubclass(one.category, InputWarning)]
    assert len(reply) == 1 and re.search(r"overlapped by \d+ rows.*same n_det", reply[0])
    # One page cannot overlap with itself.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = alerce.query_criteria(n_det=60, order_by="dec", max_rows=500)
    assert len(found) == sum(edge_cases.detection_count(n) >= 60 for n in range(edge_cases.COUNT))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["ranking", "classifier_version"])
@pytest.mark.parametrize("most", [-1, 100])
def test_objects_are_ordered_by_what_is_not_sent_of_them(alerce, order, descending, most):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = alerce.query_criteria(
            probability=0.3, order_by=order, descending=descending, max_rows=most
        )
    numbers = {edge_cases.name(n): n for n in range(edge_cases.COUNT)}
    best = max if descending else min
    first = [
        best(p[order] for p in edge_cases.probabilities(numbers[oid]) if p["probability"] >= 0.3)
        for oid in found["oid"].tolist()
    ]
    assert first == sorted(first, reverse=descending)
    every = [
        p for n in numbers.values() for p in edge_cases.probabilities(n) if p["probability"] >= 0.3
    ]
    assert len({*first}) > 1 or len(found) < sum(p[order] == first[0] for p in every)


def test_a_probability_of_0_is_no_bound(alerce, double):
    assert "probability" not in alerce.query_criteria(probability=0, get_query_payload=True)
    plain = alerce.query_criteria(max_rows=-1)
    double.received.clear()
    found = alerce.query_criteria(probability=0, max_rows=-1, cache=False)
    assert found["oid"].tolist() == plain["oid"].tolist()
    # Rows of all classes of all classifiers would fill eighteen pages.
    assert len(double.asked("/objects/")) <= 2


def test_a_class_of_any_rank_is_found_rank_by_rank(alerce, double):
    asked = {"classifier": "stamp_classifier", "class_name": "SN", "probability": 0.2}
    first = alerce.query_criteria(**asked)
    every = alerce.query_criteria(**asked, ranking="all")
    truth = {
        edge_cases.name(n): p
        for n in range(edge_cases.COUNT) for p in edge_cases.probabilities(n)
        if p["classifier_name"] == "stamp_classifier" and p["class_name"] == "SN"
        and p["probability"] >= 0.2
    }  # fmt: skip
    assert every["oid"].tolist() == sorted(truth)
    assert every["ranking"].tolist() == [truth[oid]["ranking"] for oid in every["oid"]]
    assert len(first) == sum(p["ranking"] == 1 for p in truth.values()) < len(every)
    # No class of a fifth is of rank 6.
    assert not double.asked("ranking=6")
    with pytest.warns(MaxResultsWarning):
        few = alerce.query_criteria(
            **asked, ranking="all", order_by="probability", descending=True, max_rows=20
        )
    best = sorted((p["probability"] for p in truth.values()), reverse=True)[:20]
    assert few["probability"].tolist() == best
    with pytest.raises(InvalidQueryError, match="needs a class_name"):
        alerce.query_criteria(ranking="all")
    with pytest.raises(InvalidQueryError, match="ranking='al'"):
        alerce.query_criteria(ranking="al", class_name="SN")


def test_pitfall_8_a_thousand_names_go_in_chunks_with_an_order(alerce, double):
    names = [edge_cases.name(n) for n in range(1000)][::-1]
    found = alerce.query_objects(names)
    assert found["oid"].tolist() == names
    asked = double.asked("/objects/")
    assert len(asked) == 5
    assert all(target.count("oid=ZTF") == 200 and "order_by=oid" in target for target in asked)


BAD = ["ZTF18aaaaa*", "ZTF18aaaaa_a", "ZTF18'aaaaaa", "ZTF%", "", "2020tjh", None, 1.5, b"ZTF"]


@pytest.mark.parametrize("oid", BAD)
def test_pitfall_9_names_that_the_server_would_misread_are_refused(alerce, double, oid):
    for ask in (alerce.query_object, alerce.query_objects, alerce.get_probabilities):
        with pytest.raises(InvalidQueryError, match="not a name of ZTF"):
            ask(oid)
    assert double.received == []


def test_pitfall_9_the_double_does_misread_them(double):
    import requests

    where = f"{double.url}/ztf/v1/objects/"
    wild = requests.get(where, params={"oid": "ZTF18aaaaa*", "page_size": 50}, timeout=60).json()
    assert len(wild["items"]) > 1
    quoted = requests.get(where, params={"oid": ["ZTF18aaaaaaa", "a'b"]}, timeout=60)
    assert quoted.status_code == 500


def test_pitfall_10_a_word_that_the_server_would_ignore_is_refused(alerce, double):
    with pytest.raises(TypeError, match="did you mean 'class_name'"):
        alerce.query_criteria(classname="SN")
    assert double.received == []
    assert alerce.query_criteria(class_name="SN", get_query_payload=True)["class"] == "SN"


def test_pitfall_11_no_order_is_never_the_word_none(alerce, double):
    alerce.query_criteria(order_by=None, max_rows=-1)
    assert not double.asked("None")
    with pytest.raises(InvalidQueryError, match="order_by='ndethist' is not known"):
        alerce.query_criteria(order_by="ndethist")


def test_pitfall_19_pages_of_lsst_go_on_to_the_end(alerce, double):
    with conf.set_temp("page_size", 7), pytest.warns(InputWarning, match="further class"):
        found = alerce.query_criteria(survey="lsst", cache=False)
    known = [n for n in range(40) if n not in edge_cases.UNCLASSIFIED]
    assert found["oid"].tolist() == [edge_cases.FIRST_LSST + n for n in known]
    assert found["oid"].dtype == np.int64
    assert len(double.asked("list_objects")) >= 6


def test_what_is_cut_is_warned_of(alerce):
    with pytest.warns(MaxResultsWarning, match="more objects than the 20"):
        found = alerce.query_criteria(max_rows=20)
    assert len(found) == 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(alerce.query_criteria(max_rows=edge_cases.COUNT)) == edge_cases.COUNT
    with pytest.raises(InvalidQueryError, match="max_rows=0"):
        alerce.query_criteria(max_rows=0)


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
@pytest.mark.parametrize("limit", [1, 2, 5, 11])
def test_where_there_are_too_many_the_nearest_are_left(alerce, survey, limit):
    centre = edge_cases.entry(7) if survey == "ztf" else edge_cases.lsst_entry(3)
    where = SkyCoord(centre["meanra"], centre["meandec"], unit="deg").directional_offset_by(
        40 * u.deg, 3 * u.arcsec
    )
    radius = "1 arcmin" if survey == "ztf" else "2 deg"
    every = alerce.query_region(where, radius=radius, survey=survey)
    assert len(every) > 11 and (np.diff(every["separation"]) >= 0).all()
    with pytest.warns(MaxResultsWarning, match=f"more objects than the {limit} that"):
        found = alerce.query_region(where, radius=radius, survey=survey, max_rows=limit)
    assert found["oid"].tolist() == every["oid"][:limit].tolist()
    # By name, others would be left.
    assert set(found["oid"]) != set(sorted(every["oid"])[:limit])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alerce.query_region(where, radius=radius, survey=survey, max_rows=len(every))


def test_objects_at_one_place_do_not_halve_the_radius_without_end(alerce, double):
    row = {**edge_cases.entry(0), "class": None, "classifier": None, "probability": None}
    rows = [{**row, "oid": f"ZTF18aaaaaa{c}"} for c in "abcdef"]
    double.faults["/objects/"] = Response(200, {"items": rows, "has_next": False})
    where = SkyCoord(row["meanra"], row["meandec"], unit="deg")
    with pytest.warns(MaxResultsWarning):
        found = alerce.query_region(where, radius="1 arcmin", max_rows=2, cache=False)
    assert len(found) == 2 and len(double.asked("/objects/")) < 14


def test_missing_names_are_masked_in_their_place(alerce):
    names = ["ZTF19aaaaaab", "ZTF18zzzzzzz", "ZTF18aaaaaaa", "ZTF19aaaaaab"]
    with pytest.warns(InputWarning, match="does not know ZTF18zzzzzzz"):
        found = alerce.query_objects(names)
    assert found["oid"].tolist() == names
    assert found["ra"].mask.tolist() == [False, True, False, False]
    assert np.isnan(found["ra"].data.data[1])


def test_criteria_on_the_wire(alerce, double):
    sent = alerce.query_criteria(
        classifier="lc_classifier",
        classifier_version="v",
        class_name="SNIa",
        ranking=2,
        probability=0.5,
        n_det=(3, 9),
        first_detection=(Time("2020-01-01"), None),
        last_detection=(None, 59000),
        coordinates=SkyCoord(0, 0, unit="deg"),
        radius=1 * u.arcmin,
        order_by="n_det",
        descending=True,
        get_query_payload=True,
    )
    assert sent == {
        "url": f"{double.url}/ztf/v1/objects/",
        "classifier": "lc_classifier", "classifier_version": "v", "class": "SNIa", "ranking": 2,
        "probability": 0.5, "ndet": [3, 9], "firstmjd": [58849.0], "lastmjd": [0.0, 59000.0],
        "ra": 360.0, "dec": 1e-12, "radius": 60.0, "order_by": "ndet", "order_mode": "DESC",
    }  # fmt: skip


def test_ranges_bound_what_is_found(alerce):
    found = alerce.query_criteria(n_det=(5, 9), first_detection=(58400, 58900))
    assert len(found)
    assert found["n_det"].min() >= 5 and found["n_det"].max() <= 9
    assert found["first_mjd"].min() >= 58400 and found["first_mjd"].max() <= 58900


def test_times_of_lsst_are_in_tai(alerce):
    window = (Time(60950.0, format="mjd", scale="utc"), None)
    sent = alerce.query_criteria(survey="lsst", first_detection=window, get_query_payload=True)
    assert sent["firstmjd"] == [pytest.approx(60950.0 + 37 / 86400, abs=1e-9)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ranking": 0}, {"probability": 1.5}, {"n_det": (9, 3)}, {"n_det": 1.5},
        {"first_detection": 58000}, {"first_detection": (59000, 58000)},
        {"first_detection": (None, None)}, {"classifier_version": "v"}, {"class_name": ""},
        {"survey": "des"}, {"survey": "lsst", "class_name": "SN"},
        {"survey": "lsst", "classifier": "c", "classifier_version": "v"}, {"ranking": "all"},
        {"radius": "5 arcsec", "coordinates": SkyCoord([1, 2], [1, 2], unit="deg")},
    ],
)  # fmt: skip
def test_criteria_that_cannot_be_are_refused(alerce, double, wrong):
    with pytest.raises(InvalidQueryError):
        alerce.query_criteria(**wrong)
    assert double.received == []


def test_an_unknown_class_is_refused_before_a_search_is_sent(alerce, double):
    """The server would drop the class and send objects of all classes."""
    known = {"survey": "lsst", "classifier": "stamp_classifier_rubin"}
    with pytest.raises(InvalidQueryError, match=r"class_name='SNN' is not one.*did you mean 'SN'"):
        alerce.query_criteria(**known, class_name="SNN")
    with pytest.raises(InvalidQueryError, match=r"class_name='SNIax'.*did you mean 'SNIa'"):
        alerce.query_criteria(class_name="SNIax")
    assert not double.asked("objects")
    found = alerce.query_criteria(**known, class_name="SN")
    assert set(found["class_name"]) == {"SN"}
    # The list of classifiers is stored.
    assert len(double.asked("classifier_api")) == 1


def test_objects_that_nobody_has_classified_are_found(alerce, double):
    oid = edge_cases.FIRST_LSST + 8
    one = alerce.query_object(oid, survey="lsst")
    assert one["oid"].tolist() == [oid] and one["class_name"].mask.all()
    assert one["n_det"].tolist() == [edge_cases.lsst_entry(8)["n_det"]]
    numbers = [edge_cases.FIRST_LSST + n for n in (21, 5, 0)]
    with pytest.warns(InputWarning, match="does not know 999: masked"):
        found = alerce.query_objects([*numbers, 999], survey="lsst")
    assert found["oid"].tolist() == [*numbers, 999]
    assert found["ra"].mask.tolist() == [False, False, False, True]
    assert found["class_name"].mask.tolist() == [True, False, True, True]
    where = SkyCoord([53.1, 0.0], [-27.8, -30.0], unit="deg")
    near = alerce.query_region(where, radius="2 arcmin", survey="lsst")
    assert len(near) == 39 and (near["query_index"] == 1).sum() == 1
    assert {edge_cases.FIRST_LSST + n for n in (8, 21)} <= set(near["oid"])
    # Those of other surveys are at that place too.
    assert near["oid"].dtype == np.int64
    # The server's circle is in degrees.
    assert all(float(t.split("radius=")[1].split("&")[0]) < 0.1 for t in double.asked("by_coord"))


def test_a_server_whose_circles_are_in_arcseconds_is_found_out(alerce, double):
    near = [
        {"objectId": str(one["oid"]), "survey_id": "lsst", "ra": one["meanra"],
         "dec": one["meandec"]}
        for one in map(edge_cases.lsst_entry, range(2, 40))
    ]  # fmt: skip
    double.faults = {r"by_coordinates.*radius=0\.0": Response(200, []),
                     "by_coordinates": Response(200, near)}  # fmt: skip
    where = SkyCoord(53.1, -27.8, unit="deg")
    found = alerce.query_region(where, radius="2 arcmin", survey="lsst")
    assert len(found) == 38


def many_places():
    """Positions all over the sky, of which one has objects."""
    ra, dec = np.linspace(3, 350, 30), np.linspace(-80, 80, 30)
    ra[4], dec[4] = 53.1, -27.8
    return SkyCoord(ra, dec, unit="deg")


@pytest.mark.filterwarnings("ignore::atlasquery.exceptions.MaxResultsWarning")
@pytest.mark.parametrize("limit", [-1, 5])
def test_around_many_positions_the_list_is_asked_where_there_is_something(alerce, double, limit):
    where = many_places()
    double.received.clear()
    found = alerce.query_region(
        where, radius="2 arcmin", survey="lsst", max_rows=limit, cache=False
    )
    near, lists = double.asked("by_coord"), double.asked("list_objects")
    # One more of each has shown the unit of the radius; five of all surveys may have too few.
    assert len(near) == len(where) + 1 + (limit > 0)
    assert len(lists) == 2 if limit < 0 else len(lists) < 12
    one = alerce.query_region(where[4], radius="2 arcmin", survey="lsst", max_rows=limit)
    assert len(one) > 30 if limit < 0 else len(one) == 5
    assert found["oid"].tolist() == one["oid"].tolist()
    assert found["separation"].tolist() == one["separation"].tolist()
    assert set(found["query_index"].tolist()) == {4}
    assert found["class_name"].tolist() == one["class_name"].tolist()


def test_around_many_positions_a_circle_in_arcseconds_hides_nothing(alerce, double):
    near = [
        {"objectId": str(one["oid"]), "survey_id": "lsst", "ra": one["meanra"],
         "dec": one["meandec"]}
        for one in map(edge_cases.lsst_entry, range(2, 40))
    ]  # fmt: skip
    double.faults = {r"by_coordinates.*radius=(0\.|\d\.?\d*e-)": Response(200, []),
                     "by_coordinates.*ra=53.1.*radius=": Response(200, near),
                     "by_coordinates": Response(200, [])}  # fmt: skip
    found = alerce.query_region(many_places(), radius="2 arcmin", survey="lsst", cache=False)
    assert len(found) == 38 and set(found["query_index"].tolist()) == {4}


def test_around_many_positions_a_route_that_fails_is_an_error_of_each(alerce, double):
    double.faults = {"by_coordinates": Response(400, {"detail": "out of order"})}
    with pytest.raises(IncompleteResultError) as caught:
        alerce.query_region(many_places(), radius="2 arcmin", survey="lsst", cache=False)
    assert len(caught.value.failures) == 30


def test_the_entry_of_an_object_of_lsst_has_the_survey_s_statistics(alerce):
    one = alerce.query_object(edge_cases.FIRST_LSST + 5, survey="lsst")
    truth = edge_cases.lsst_statistics(5)
    assert one["g_psfFluxMean"].tolist() == [truth["g_psfFluxMean"]]
    assert one["dia_ra"].tolist() == [truth["ra"]] and one["dia_ra"].unit == u.deg
    assert one["g_psfFluxMean"].unit == u.nJy and one["class_name"].tolist() != [None]
    assert one["created_date"][0].isot == "2026-11-20T00:00:00.000"
    assert one.meta["server"].endswith("/lsst/")


def test_a_class_that_is_none_is_named_with_what_is(alerce):
    with pytest.raises(InvalidQueryError, match="did you mean 'SNIa'"):
        alerce.query_criteria(classifier="lc_classifier", class_name="SN1a")
    with pytest.raises(InvalidQueryError, match="did you mean 'stamp_classifier_rubin'"):
        alerce.query_criteria(survey="lsst", classifier="stamp_classifier")


def test_nothing_found_is_an_empty_table_of_the_same_columns(alerce):
    with pytest.warns(NoResultsWarning):
        empty = alerce.query_criteria(n_det=10000)
    full = alerce.query_criteria()
    assert empty.colnames == full.colnames
    assert [empty[c].unit for c in empty.colnames] == [full[c].unit for c in full.colnames]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (SkyCoord(10, -60, unit="deg"), "no object within 5 arcsec of the position"),
        (SkyCoord([10, 11], [-60, -60], unit="deg"), "no object within 5 arcsec of any of the"),
    ],
    ids=["one", "several"],
)
def test_a_cone_without_objects_is_told_from_criteria(alerce, where, words):
    with pytest.warns(NoResultsWarning, match=words):
        assert len(alerce.query_region(where, radius="5 arcsec")) == 0


def test_many_positions_keep_their_index_and_name_their_failures(alerce, double):
    where = SkyCoord([150.1, 0, 180], [2.2, 10, 0], unit="deg")
    found = alerce.query_region(where, radius="5 arcsec", cache=False)
    assert set(found["query_index"]) == {0, 1, 2}
    double.faults["ra=180"] = Response(500, {"message": "broken"})
    with pytest.raises(IncompleteResultError, match="broken") as caught:
        alerce.query_region(where, radius="5 arcsec", cache=False)
    assert set(caught.value.result["query_index"]) == {0, 1}
    assert caught.value.failures[0][0] == "180.000000 +0.000000"
    with pytest.warns(InputWarning, match="1 of 3 positions failed"):
        alerce.query_region(where, radius="5 arcsec", cache=False, on_error="warn")


def test_one_object(alerce):
    found = alerce.query_object("ZTF18aaaaaaa")
    assert found["oid"].tolist() == ["ZTF18aaaaaaa"]
    assert found.meta["service"] == "ALeRCE broker"
    lsst = alerce.query_object(str(edge_cases.FIRST_LSST + 5), survey="lsst")
    assert lsst["oid"].tolist() == [edge_cases.FIRST_LSST + 5]


WRONG = ["45121627560013205x", 1.5e16, -3, True, 2**63, 10**5000, "ZTF18aaaaaaa"]


@pytest.mark.parametrize("oid", WRONG, ids=range(len(WRONG)))
def test_numbers_of_lsst_are_whole(alerce, double, oid):
    with pytest.raises(InvalidQueryError):
        alerce.query_object(oid, survey="lsst")
    assert double.received == []


def test_an_unknown_object_is_not_found_in_the_servers_words(alerce):
    with pytest.raises(NotFoundError, match="ZTF99nothere") as caught:
        alerce.query_object("ZTF99nothere")
    assert caught.value.status == 404
    assert caught.value.reason == "Object not found."
    assert "did you mean /objects" not in str(caught.value)
    with pytest.raises(NotFoundError, match="999"):
        alerce.query_object(999, survey="lsst")


def test_errors_speak_in_the_servers_words(alerce, double):
    cases = {
        400: ({"errors": {"ndet": "Range of detections."}, "message": "Invalid"}, "ndet: Range"),
        422: ({"detail": [{"loc": ["query", "ra"], "msg": "Input should be"}]}, "query ra"),
        500: ({"message": "The database is away."}, "The database is away"),
    }
    with conf.set_temp("retries", 0):
        for status, (body, words) in cases.items():
            double.faults["/objects/"] = Response(status, body)
            with pytest.raises(RemoteServiceError, match=words) as caught:
                alerce.query_criteria(cache=False)
            assert caught.value.status == status
        double.faults["/objects/"] = Response(500, "Internal Server Error", "text/plain")
        with pytest.raises(RemoteServiceError, match="Internal Server Error"):
            alerce.query_criteria(cache=False)


def test_html_says_that_the_address_is_wrong(alerce, double):
    page = Response(404, "<html><title>404 Not Found</title></html>", "text/html")
    double.faults["/objects/"] = page
    with pytest.raises(RemoteServiceError, match=r"HTML page.*conf\.server") as caught:
        alerce.query_object("ZTF18aaaaaaa")
    assert not isinstance(caught.value, NotFoundError)


def test_a_server_without_words_is_not_quoted_as_having_some(alerce, double):
    double.faults["list_objects"] = Response(500, {"detail": "An error occurred"})
    with pytest.raises(RemoteServiceError, match="gave no reason") as caught:
        alerce.query_criteria(survey="lsst", cache=False)
    assert "rror occurred" not in str(caught.value)
    # Asked again, it would say the same.
    assert len(double.asked("list_objects")) == 1


def test_no_login_is_taken_or_sent(alerce, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_ALERCE_TOKEN", "secret")
    assert len(alerce.query_criteria(n_det=60, cache=False))
    with pytest.raises(LoginError, match="public"):
        alerce.login(token="secret")


def test_answers_are_used_again(alerce, double):
    for _ in range(2):
        alerce.query_criteria(n_det=50, cache=True)
    # A page, and one that would be there if the server's pages were shorter.
    assert len(double.asked("/objects/")) == 2


def test_what_was_found_is_asked_for(alerce):
    asked = ["ZTF19aaaaaab", "ZTF18aaaaaaa"]
    found = alerce.query_objects(asked)
    assert list(alerce.get_light_curves(found)) == asked
    assert alerce.query_objects(set(asked))["oid"].tolist() == sorted(asked)
    assert alerce.get_light_curve(found[0]).meta["object"] == asked[0]
    with pytest.raises(InvalidQueryError, match=r"^oids\[1\]='x' is not a name of ZTF"):
        alerce.get_light_curves([asked[0], "x"])
