"""Classifications, features, statistics and classifiers."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from atlasquery.alerce import conf
from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.alerce.taxonomy import CLASSIFIERS, LIGHT_CURVE_CLASSES, LSST_CLASSES
from atlasquery.sandbox.http import Response

LSST = edge_cases.FIRST_LSST + 5
HERE = SkyCoord(150.1, 2.2, unit="deg")


def test_probabilities_are_in_order_of_rank(alerce):
    found = alerce.get_probabilities("ZTF18aaaaaaa")
    assert len(found) == 35
    one = found[found["classifier_version"] == "stamp_classifier_1.0.4"]
    assert one["ranking"].tolist() == [1, 2, 3, 4, 5]
    assert (np.diff(one["probability"]) <= 0).all()
    assert found["ranking"].dtype == np.int64
    assert found.meta["object"] == "ZTF18aaaaaaa"


def test_probabilities_of_one_classifier(alerce):
    version = "hierarchical_random_forest_1.0.0"
    found = alerce.get_probabilities(
        "ZTF18aaaaaaa", classifier="lc_classifier", classifier_version=version
    )
    assert set(found["classifier_version"]) == {version}
    with pytest.raises(InvalidQueryError, match="needs a classifier"):
        alerce.get_probabilities("ZTF18aaaaaaa", classifier_version=version)


def test_a_classifier_that_is_none_is_refused_and_blames_no_object(alerce, double):
    for survey, oid in (("ztf", "ZTF18aaaaaaa"), ("lsst", LSST)):
        with pytest.raises(InvalidQueryError, match=r"classifier='stamp_clasifier.*did you mean"):
            alerce.get_probabilities(oid, survey=survey, classifier="stamp_clasifier_rub")
    assert not double.asked("probabilit")
    with pytest.raises(InvalidQueryError, match="classifier_version='0'"):
        alerce.get_probabilities("ZTF18aaaaaaa", classifier="lc_classifier", classifier_version="0")


def test_an_object_of_lsst_without_classification_is_no_unknown_one(alerce):
    assert len(alerce.get_probabilities(LSST, survey="lsst")) == 5
    with pytest.warns(NoResultsWarning, match="no such data"):
        none = alerce.get_probabilities(edge_cases.FIRST_LSST + 8, survey="lsst")
    assert len(none) == 0
    assert none.colnames == alerce.get_probabilities(LSST, survey="lsst").colnames
    with pytest.raises(NotFoundError, match="Probability not found") as caught:
        alerce.get_probabilities(999, survey="lsst")
    assert caught.value.status == 404


def test_both_versions_of_a_classifier_of_lsst_come_and_in_either_spelling(alerce):
    oid = edge_cases.FIRST_LSST + edge_cases.TWO_VERSIONS[0]
    name = "stamp_classifier_rubin"
    both = alerce.get_probabilities(oid, survey="lsst", classifier=name)
    assert both["classifier_version"].tolist() == ["201"] * 5 + ["202"] * 5
    for version in ("2.0.2", "202", 202):
        one = alerce.get_probabilities(
            oid, survey="lsst", classifier=name, classifier_version=version
        )
        assert set(one["classifier_version"]) == {"202"} and len(one) == 5


def test_an_object_with_a_classifier_of_another_telescope_is_a_failure(alerce):
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_probabilities(edge_cases.FIRST_LSST + edge_cases.FOREIGN, survey="lsst")
    assert caught.value.status == 500 and not isinstance(caught.value, NotFoundError)


def test_pitfall_15_a_classifier_outside_the_taxonomy_is_an_error_with_words(alerce):
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_probabilities(edge_cases.name(edge_cases.OUTSIDE))
    assert caught.value.status == 500
    assert "internal error" in caught.value.reason


def test_pitfall_14_a_bare_nan_is_masked(alerce, double):
    import requests

    raw = requests.get(f"{double.url}/ztf/v1/objects/ZTF18aaaaaaa/features", timeout=60).text
    assert ": NaN" in raw and ": null" in raw
    found = alerce.get_features("ZTF18aaaaaaa")
    assert found["value"].mask.sum() == 3
    assert found["value"].dtype == np.float64 and found["value"].unit is None


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/features", lambda client: client.get_features("ZTF18aaaaaaa")),
        ("/catshtm/", lambda client: client.crossmatch_catshtm(HERE, "2 arcsec")),
        ("/catshtm/", lambda client: client.query_catshtm_region(HERE, "2 arcsec")),
        ("/ztf/v1/objects/", lambda client: client.query_object("ZTF18aaaaaaa")),
        ("/lsst/object_api/", lambda client: client.query_object(LSST, survey="lsst")),
        ("/lightcurve$", lambda client: client.get_light_curve("ZTF18aaaaaaa")),
        ("/v2/lightcurve/forced", lambda client: client.get_forced_photometry("ZTF18aaaaaaa")),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b'[{"ra": NaN, "dec":',
        b'[{"ra": -Infinity, "dec": 1]',
        b'{"\xff": NaN}',
        b"[" * 9999 + b"NaN",
        b" ",
    ],
    ids=["cut off", "wrong bracket", "not UTF-8", "nested", "nothing"],
)
def test_a_damaged_body_is_requested_again(alerce, double, path, read, body):
    double.faults = {path: [Response(200, body)]}
    assert len(read(alerce)) > 0
    asked = double.asked(path)
    assert asked.count(asked[0]) == 2
    alerce.clear_cache()
    double.faults = {path: Response(200, body)}
    with pytest.raises(TableParseError, match="incomplete or damaged"), conf.set_temp("retries", 1):
        read(alerce)


def test_features_by_band_and_name(alerce):
    assert set(alerce.get_features("ZTF18aaaaaaa", band="gr")["fid"]) == {12}
    assert set(alerce.get_features("ZTF18aaaaaaa", band="")["name"]) == {"r-W3"}
    one = alerce.get_feature("ZTF18aaaaaaa", "Amplitude", band="r")
    assert one["value"].tolist() == [8.74]
    with pytest.warns(NoResultsWarning):
        alerce.get_feature("ZTF18aaaaaaa", "nosuch")
    with pytest.raises(InvalidQueryError, match="band='z'"):
        alerce.get_features("ZTF18aaaaaaa", band="z")
    with pytest.raises(InvalidQueryError, match="name of a feature"):
        alerce.get_feature("ZTF18aaaaaaa", "")


def test_a_feature_whose_name_has_a_slash(alerce, double):
    found = alerce.get_feature("ZTF18aaaaaaa", "Power_rate_1/2")
    assert found["value"].tolist() == [0.5, 0.7] and set(found["name"]) == {"Power_rate_1/2"}
    assert not double.asked("features/Power")


def test_the_name_of_a_feature_stays_in_its_place(alerce, double):
    with pytest.warns(NoResultsWarning):
        alerce.get_feature("ZTF18aaaaaaa", "a..b?c")
    assert double.asked("features/a..b%3Fc")


def test_statistics(alerce):
    found = alerce.get_magstats(edge_cases.name(12))
    assert found["band"].tolist() == ["g", "r"]
    assert found["magmean"].unit == u.mag and found["first_mjd"].unit == u.day
    lsst = alerce.get_magstats(LSST, survey="lsst")
    assert lsst["g_psfFluxMean"].unit == u.nJy
    assert lsst["oid"].tolist() == [LSST]
    # Exact, and not after three decimals as from the route of this name.
    truth = edge_cases.lsst_statistics(5)
    assert lsst["g_psfFluxMean"].tolist() == [truth["g_psfFluxMean"]]
    assert lsst["ra"].tolist() == [truth["ra"]] and lsst["raErr"].tolist() == [1.2e-05]
    assert lsst["firstDiaSourceMjdTai"].tolist() == [60950.0123456]
    assert "n_det" not in lsst.colnames
    # Its server fails for an object that it does not know, as for all others.
    with pytest.raises(NotFoundError, match="does not know 999 of LSST") as caught:
        alerce.get_magstats(999, survey="lsst")
    assert caught.value.__cause__.status == 500


@pytest.mark.parametrize("other_fails", [False, True])
def test_a_failure_over_a_known_object_stays_one(alerce, double, other_fails):
    double.faults["object_api/object"] = Response(500, {"detail": "An error occurred"})
    if other_fails:
        double.faults["objects_by_oid"] = Response(500, {"detail": "out of order"})
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_magstats(LSST, survey="lsst")
    assert not isinstance(caught.value, NotFoundError)
    assert "object_api/object" in caught.value.url and "gave no reason" in str(caught.value)


def test_an_object_that_is_not_known(alerce):
    for ask in (alerce.get_probabilities, alerce.get_features, alerce.get_magstats):
        with pytest.raises(NotFoundError, match="does not know ZTF99nothere") as caught:
            ask("ZTF99nothere")
        # What the server says of addresses typed by hand is of no use.
        assert "URL" not in str(caught.value) and "spelling" not in str(caught.value)
        assert "/objects/ZTF99nothere/" in caught.value.url


@pytest.mark.parametrize("method", ["get_features", "get_feature", "get_avro"])
def test_no_argument_is_suggested_that_a_method_has_not(alerce, double, method):
    extra = ("Amplitude",) if method == "get_feature" else ()
    with pytest.raises(InvalidQueryError, match="not a name of ZTF") as caught:
        getattr(alerce, method)("45121627560013205", *extra)
    assert "survey=" not in str(caught.value)
    with pytest.raises(InvalidQueryError, match="give survey='lsst'"):
        alerce.get_magstats("45121627560013205")
    assert double.received == []


def test_paths_of_another_deployment(alerce, double):
    double.faults["/ztf/v1/list/of/ZTF18aaaaaaa"] = Response(200, edge_cases.magstats(0))
    with conf.set_temp("routes", ["magstats=/list/of/{oid}"]):
        assert len(alerce.get_magstats("ZTF18aaaaaaa")) == 2
    with (
        conf.set_temp("routes", ["magstat=x"]),
        pytest.raises(InvalidQueryError, match="did you mean 'magstats'"),
    ):
        alerce.get_magstats("ZTF18aaaaaaa", cache=False)
    assert double.received == ["/ztf/v1/list/of/ZTF18aaaaaaa"]


@pytest.mark.parametrize(
    "path", ["list/of/{id}", "list/of/{}", "list", "list/{oid}/{name}", "list/{oid", "{oid.real}"]
)
def test_a_path_with_other_placeholders_is_refused(alerce, double, path):
    with (
        conf.set_temp("routes", [f"magstats={path}"]),
        pytest.raises(InvalidQueryError, match=r"magstats should have \{oid\}, as in 'magstats="),
    ):
        alerce.get_magstats("ZTF18aaaaaaa")
    with (
        conf.set_temp("routes", ["classifiers=all/{oid}"]),
        pytest.raises(InvalidQueryError, match=r"classifiers should have no placeholder"),
    ):
        alerce.list_classifiers()
    assert double.received == []


def test_an_error_names_the_address_that_was_asked(alerce, double):
    page = Response(404, "<html><title>404 Not Found</title></html>", "text/html")
    double.faults = {"object_api": page, "v2": page, "features": page}
    asks = {
        "lsst_server": lambda: alerce.query_object(LSST, survey="lsst"),
        "light_curve_server": lambda: alerce.get_forced_photometry("ZTF18aaaaaaa"),
        "server": lambda: alerce.get_features("ZTF18aaaaaaa"),
    }
    for item, ask in asks.items():
        with pytest.raises(RemoteServiceError, match=rf"conf\.{item}\b") as caught:
            ask()
        assert caught.value.url.startswith(double.settings()[item])
    double.faults = {"/lsst/": Response(200, "no JSON", "text/plain")}
    with pytest.raises(RemoteServiceError, match=r"conf\.lsst_server"):
        alerce.list_classifiers(survey="lsst")
    assert alerce.get_magstats("ZTF18aaaaaaa").meta["server"] == double.settings()["server"]


def test_classifiers_and_their_classes(alerce):
    found = alerce.list_classifiers()
    assert found["classifier_name"].tolist() == [name for name, _, _ in CLASSIFIERS]
    assert found["classes"].dtype.kind == "U"
    assert alerce.list_classes("lc_classifier") == list(LIGHT_CURVE_CLASSES)
    assert alerce.list_classes("stamp_classifier_rubin", survey="lsst") == LSST_CLASSES
    with pytest.raises(InvalidQueryError, match="classifier_version='1'"):
        alerce.list_classes("lc_classifier", "1")
    with pytest.raises(InvalidQueryError, match="did you mean 'lc_classifier'"):
        alerce.list_classes("lc_clasifier")


def test_classifiers_whose_names_have_brackets(alerce, double):
    """As today's classifiers of the broker are called."""
    name, version = "LC_classifier_BHRF_forced_phot(beta)", "2.1.0"
    double.faults["/classifiers/"] = Response(
        200,
        [{"classifier_name": name, "classifier_version": version, "classes": ["EB/EW", "SNIa"]}],
    )
    sent = alerce.query_criteria(classifier=name, class_name="EB/EW", get_query_payload=True)
    assert sent["classifier"] == name and sent["class"] == "EB/EW"
    assert alerce.list_classes(name) == ["EB/EW", "SNIa"]
    with pytest.raises(InvalidQueryError, match=r"did you mean 'LC_classifier_BHRF_forced_phot"):
        alerce.query_criteria(classifier="LC_classifier_BHRF_forced_phot", class_name="SNIa")
    with pytest.warns(NoResultsWarning):
        alerce.query_criteria(classifier=name, class_name="EB/EW")
    assert double.asked(r"classifier=LC_classifier_BHRF_forced_phot%28beta%29&class=EB%2FEW")
