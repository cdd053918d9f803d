"""Writes whose responses cannot be read: unknown, read back, and never sent blindly again."""

import pytest
from light_curves import random_curve

from atlasquery.exceptions import InputWarning, WriteError
from atlasquery.sandbox.http import Response

A = "ATLAS24abc"
# 96 bits.
LARGE = 79228162514264337593543950335


@pytest.fixture(autouse=True)
def _source(double):
    double.state.add_source(A, 150.1163, 2.2058)


class Instead:
    """Let the double do what it is sent, and answer with something else."""

    def __init__(self, double, pattern, answer):
        self.pattern, self.answer = pattern, answer
        self.routed, double._routed = double._routed, self

    def __call__(self, method, target, key, body):
        data = self.routed(method, target, key, body)
        return self.answer if f"{method} {target}".startswith(self.pattern) else data


UNREADABLE = {
    "html": Response(200, "<html><title>Welcome</title></html>", "text/html"),
    "moved": Response(302, b"", "text/html", {"Location": "https://elsewhere.example.org/"}),
    "see other": Response(303, b"", "text/html", {"Location": "/profile"}),
    "cut": Response(200, b'{"status": "succ', "application/json"),
    "empty": Response(200, b"", "application/json"),
    "no envelope": Response(200, b"[1, 2]", "application/json"),
}
WRITES = {
    "save_source": ("POST /api/sources", lambda s: s.save_source("NEW1", groups=3)),
    "add_classification": ("POST /api/classification", lambda s: s.add_classification(A, "Ia")),
    "add_comment": (f"POST /api/sources/{A}/comments", lambda s: s.add_comment(A, "Rising.")),
    "add_annotation": (
        f"POST /api/sources/{A}/annotations",
        lambda s: s.add_annotation(A, "sherlock", {"class": "SN"}),
    ),
    "submit_followup": (
        "POST /api/followup_request",
        lambda s: s.submit_followup(A, 1, {"priority": 1}),
    ),
    "add_assignment": ("POST /api/assignment", lambda s: s.add_assignment(A, 1)),
    "upload_photometry": (
        "POST /api/photometry",
        lambda s: s.upload_photometry(random_curve(3), A, "ATLAS", 3),
    ),
}


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize("write", WRITES)
def test_what_was_stored_is_read_back(skyportal, double, write, answer):
    pattern, call = WRITES[write]
    if write == "save_source":
        double.state.add_object("NEW1", 10.0, 10.0)
    Instead(double, pattern, UNREADABLE[answer])
    table = call(skyportal)
    assert table["ok"].all(), table["message"][0]
    assert len(double.asked(f"^{pattern}$")) == 1


@pytest.mark.parametrize("answer", UNREADABLE)
def test_what_was_not_stored_is_not_taken_for_done(skyportal, double, answer):
    double.faults["POST /api/sources/.*/comments"] = UNREADABLE[answer]
    with pytest.warns(InputWarning, match="writes failed"):
        table = skyportal.add_comment(A, "Rising.", on_error="warn")
    assert not table["ok"].filled(False).any()
    assert len(double.asked("^POST")) == 1


def test_what_cannot_be_read_back_is_unknown(skyportal, double):
    double.faults["POST /api/candidates"] = UNREADABLE["html"]
    with pytest.raises(WriteError, match="Unknown: response lost") as caught:
        skyportal.save_candidate(A, filters=1, passed_at=60000.0)
    assert caught.value.result["ok"].mask.all()


@pytest.mark.parametrize(
    ("write", "data"),
    [
        ("add_comment", {"comment_id": LARGE}),
        ("add_classification", {"classification_id": LARGE}),
        ("add_annotation", {"annotation_id": -LARGE}),
        ("add_assignment", {"id": LARGE}),
        ("submit_followup", {"id": LARGE, "request_status": "submitted"}),
        ("upload_photometry", {"ids": [1, LARGE, 3], "upload_id": "a-b"}),
    ],
)
def test_a_number_of_more_than_64_bits_loses_no_outcome(skyportal, double, write, data):
    pattern, call = WRITES[write]
    Instead(double, pattern, Response(200, {"status": "success", "data": data, "version": "9"}))
    table = call(skyportal)
    assert table["ok"].all()
    large = 1 if write == "upload_photometry" else 0
    assert table["id"].mask.tolist()[large] is True
    assert str(LARGE) in table["message"][large]


@pytest.mark.parametrize("data", [[], "done", 7, {"comment_id": "x"}, {"id": [1]}, None, True])
@pytest.mark.parametrize("write", WRITES)
def test_an_odd_answer_loses_no_outcome(skyportal, double, write, data):
    pattern, call = WRITES[write]
    if write == "save_source":
        double.state.add_object("NEW1", 10.0, 10.0)
    Instead(double, pattern, Response(200, {"status": "success", "data": data, "version": "9"}))
    assert call(skyportal)["ok"].all()
