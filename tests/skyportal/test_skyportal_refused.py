"""What would be another on its way to the server, or stop it, is refused before it is sent."""

import numpy as np
import pytest

from atlasquery.exceptions import InvalidQueryError

A, B = "S1", "S2"


def test_a_value_that_would_be_changed_is_refused_before_anything_is_sent(skyportal, double):
    """JSON has no NaN: the server would keep null, and nobody would know."""
    bad = {"fit": {"z": [0.1, np.nan]}}
    for send, place in (
        (lambda: skyportal.add_annotation([A, B], "x", bad), "data"),
        (lambda: skyportal.start_analysis(A, 1, parameters=bad), "parameters"),
        (lambda: skyportal.start_analysis(A, 1, input_filters=bad), "input_filters"),
        (lambda: skyportal.upload_analysis(A, 1, bad), "analysis"),
        (lambda: skyportal.submit_followup(A, 1, bad), "payload"),
        (lambda: skyportal.submit_followup(A, 1, {}, constraints={"radius": bad}), "constraints.*"),
        (lambda: skyportal.update_followup(1, payload=bad), "payload"),
        (lambda: skyportal.request("POST", "things", json=bad), "json"),
    ):
        with pytest.raises(InvalidQueryError, match=rf"{place}\['fit'\]\['z'\]\[1\]=nan is no"):
            send()
    assert double.received == []


def test_a_text_of_numpy_is_a_text(skyportal, double):
    plan = skyportal.add_comment(A, np.str_("Rising."), dry_run=True)
    assert plan["payload"][0] == '{"text":"Rising."}'
