"""Classifications, features, statistics and classifiers."""

import alerce_sky as sky
import astropy.units as u
import numpy as np
import pytest
from alerce_server import Answer

from atlasquery.alerce import conf
from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
)

LSST = sky.FIRST_LSST + 5


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


def test_lsst_takes_no_notice_of_the_classifier_and_we_do(alerce):
    assert len(alerce.get_probabilities(LSST, survey="lsst")) == 5
    with pytest.warns(NoResultsWarning):
        none = alerce.get_probabilities(LSST, survey="lsst", classifier="another")
    assert len(none) == 0
    with pytest.raises(NotFoundError, match="Probability not found"):
        alerce.get_probabilities(999, survey="lsst")


def test_pitfall_15_a_classifier_outside_the_taxonomy_is_an_error_with_words(alerce):
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_probabilities(sky.name(sky.OUTSIDE))
    assert caught.value.status == 500
    assert "internal error" in caught.value.reason


def test_pitfall_14_a_bare_nan_is_masked(alerce, double):
    import requests

    raw = requests.get(f"{double.url}/ztf/v1/objects/ZTF18aaaaaaa/features", timeout=60).text
    assert ": NaN" in raw and ": null" in raw
    found = alerce.get_features("ZTF18aaaaaaa")
    assert found["value"].mask.sum() == 3
    assert found["value"].dtype == np.float64 and found["value"].unit is None


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


def test_the_name_of_a_feature_stays_in_its_place(alerce, double):
    with pytest.warns(NoResultsWarning):
        alerce.get_feature("ZTF18aaaaaaa", "a/../b?c")
    assert double.asked("features/a%2F..%2Fb%3Fc")


def test_statistics(alerce):
    found = alerce.get_magstats(sky.name(12))
    assert found["band"].tolist() == ["g", "r"]
    assert found["magmean"].unit == u.mag and found["first_mjd"].unit == u.day
    lsst = alerce.get_magstats(LSST, survey="lsst")
    assert lsst["g_psfFluxMean"].unit == u.nJy
    assert lsst["oid"].tolist() == [LSST]
    # Its server fails over an object that it does not know, as over anything else.
    with pytest.raises(NotFoundError, match="does not know 999 of LSST") as caught:
        alerce.get_magstats(999, survey="lsst")
    assert caught.value.__cause__.status == 500


@pytest.mark.parametrize("list_fails", [False, True])
def test_a_failure_over_a_known_object_stays_one(alerce, double, list_fails):
    double.faults["magstats"] = Answer(500, {"detail": "An error occurred"})
    if list_fails:
        double.faults["list_objects"] = Answer(500, {"detail": "out of order"})
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_magstats(LSST, survey="lsst")
    assert not isinstance(caught.value, NotFoundError)
    assert "magstats" in caught.value.url and "gave no reason" in str(caught.value)


def test_an_object_that_is_not_known(alerce):
    for ask in (alerce.get_probabilities, alerce.get_features, alerce.get_magstats):
        with pytest.raises(NotFoundError, match="does not know ZTF99nothere"):
            ask("ZTF99nothere")


def test_classifiers_and_their_classes(alerce):
    found = alerce.list_classifiers()
    assert found["classifier_name"].tolist() == [name for name, _, _ in sky.CLASSIFIERS]
    assert found["classes"].dtype.kind == "U"
    assert alerce.list_classes("lc_classifier") == list(sky.LIGHT_CURVE_CLASSES)
    assert alerce.list_classes("stamp_classifier_rubin", survey="lsst") == sky.LSST_CLASSES
    with pytest.raises(InvalidQueryError, match="classifier_version='1'"):
        alerce.list_classes("lc_classifier", "1")
    with pytest.raises(InvalidQueryError, match="did you mean 'lc_classifier'"):
        alerce.list_classes("lc_clasifier")
