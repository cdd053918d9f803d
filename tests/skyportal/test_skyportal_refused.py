"""What would be another on its way to the server, or stop it, is refused before it is sent."""

import re

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from light_curves import random_curve

from atlasquery.exceptions import InvalidQueryError

A, B = "S1", "S2"


def test_a_value_that_would_be_changed_is_refused_before_anything_is_sent(skyportal, double):
    """JSON has no NaN: the server would keep null, and nobody would know."""
    bad = {"fit": {"z": [0.1, np.nan]}}
    for send, label in (
        (lambda: skyportal.add_annotation([A, B], "x", bad), "data"),
        (lambda: skyportal.start_analysis(A, 1, parameters=bad), "parameters"),
        (lambda: skyportal.start_analysis(A, 1, input_filters=bad), "input_filters"),
        (lambda: skyportal.upload_analysis(A, 1, bad), "analysis"),
        (lambda: skyportal.submit_followup(A, 1, bad), "payload"),
        (lambda: skyportal.submit_followup(A, 1, {}, constraints={"radius": bad}), "constraints.*"),
        (lambda: skyportal.update_followup(1, payload=bad), "payload"),
        (lambda: skyportal.request("POST", "things", json=bad), "json"),
    ):
        with pytest.raises(InvalidQueryError, match=rf"{label}\['fit'\]\['z'\]\[1\]=nan is no"):
            send()
    assert double.received == []


def test_a_text_of_numpy_is_a_text(skyportal, double):
    plan = skyportal.add_comment(A, np.str_("Rising."), dry_run=True)
    assert plan["payload"][0] == '{"text":"Rising."}'


HERE = SkyCoord(10.0, 20.0, unit="deg")
HALF = "half \ud800 a character"


@pytest.mark.parametrize(
    ("send", "label"),
    [
        (lambda s: s.add_comment([A, B], HALF), "text"),
        (lambda s: s.add_comment(A, HALF, dry_run=True), "text"),
        (lambda s: s.add_annotation(A, HALF, {"z": 1}), "origin"),
        (lambda s: s.add_annotation(A, "x", {"a": [HALF]}), "data['a'][0]"),
        (lambda s: s.add_annotation(A, "x", {"a": {HALF: 1}}), "a key of data['a']"),
        (lambda s: s.annotate_from_catalog(A, "vizier", table=HALF), "table"),
        (lambda s: s.upload_analysis(A, 1, {}, message=HALF), "message"),
        (lambda s: s.start_analysis(A, 1, parameters={"a": HALF}), "parameters['a']"),
        (lambda s: s.submit_followup(A, 1, {"a": HALF}), "payload['a']"),
        (lambda s: s.update_followup(1, status=HALF), "status"),
        (lambda s: s.add_assignment(A, 1, comment=HALF), "comment"),
        (lambda s: s.save_source(A, groups=3, origin=HALF), "origin"),
        (lambda s: s.save_source(A, groups=3, coordinates=HERE, origin=HALF), "origin"),
        (lambda s: s.request("POST", "things", json=[HALF]), "json[0]"),
        (lambda s: s.request("GET", "things", a=HALF), "a"),
        (lambda s: s.query_criteria(origin=HALF), "origin"),
        (lambda s: s.query_criteria(source_id=HALF), "source_id"),
        (lambda s: s.query_candidates(list_name=HALF), "list_name"),
        (lambda s: s.query_candidates(sort_by_annotation=("x", HALF)), "sort_by_annotation"),
        (lambda s: s.query_galaxies(name=HALF), "name"),
        (lambda s: s.query_gcn_events(tags=["GW", HALF]), "tags"),
        (lambda s: s.get_localization("2018-01-16T00:36:53", HALF), "name"),
        (lambda s: s.list_groups(name=HALF), "name"),
        (lambda s: s.get_finding_chart(gaia=1, facility=HALF), "facility"),
    ],
)
def test_half_a_character_is_refused_before_anything_is_sent(skyportal, double, send, label):
    with pytest.raises(InvalidQueryError, match=re.escape(label) + "='half .*at index 5"):
        send(skyportal)
    assert double.received == []


def test_half_a_character_in_a_light_curve_is_refused_before_a_row_is_sent(skyportal, double):
    double.state.add_source(A, 10.0, 20.0)
    lc = random_curve(3)
    lc["note"] = ["fine", HALF, "fine"]
    with pytest.raises(InvalidQueryError, match=r"altdata\['note'\]\[1\]='half"):
        skyportal.upload_photometry(lc, A, "ATLAS", altdata=["note"])
    with pytest.raises(InvalidQueryError, match="origin='half"):
        skyportal.upload_photometry(lc, A, "ATLAS", origin=HALF)
    assert double.asked("photometry") == []


def test_a_character_beyond_16_bits_is_whole(skyportal):
    plan = skyportal.add_comment(A, "\U0001f52d", dry_run=True)
    assert plan["payload"][0] == '{"text":"\U0001f52d"}'
