"""How the ATLAS API reads parameters, and the words with which it refuses them."""

import re

import pytest

MAIN = {"ra": 150.0, "dec": 2.2, "radius": 300, "requestType": "count"}
CHOICE = '"{}" is not a valid choice.'
BOOLEAN = "Must be a valid boolean."
NUMBER = "A valid number is required."
REQUIRED = "This field is required."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
WHOLE = "A valid integer is required."
EITHER = "Either objectid or objectgroupid must be provided."
LONG = "String value too large."
DATE = (
    "Datetime has wrong format. Use one of these formats instead: "
    "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)
GROUP = 2


@pytest.mark.parametrize(
    "options",
    [
        {"method": "GET", "params": MAIN},
        {"method": "POST", "data": MAIN},
        {"method": "POST", "json": MAIN},
        {"method": "POST", "json": {k: str(v) for k, v in MAIN.items()}},
        {"method": "POST", "files": {k: (None, str(v)) for k, v in MAIN.items()}},
        {"method": "POST", "data": {**MAIN, "ra": " 150 ", "nonsense": 1}},
        {"method": "POST", "data": [("ra", 10), *MAIN.items()]},
        {"method": "POST", "params": {"ra": 10}, "data": MAIN},
    ],
    ids=["query", "form", "json", "words", "multipart", "unknown", "repeated", "both"],
)
def test_ways_to_send_parameters(wire, options):
    assert wire(path="cone/", **options).json() == {"count": 12}


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("{bad", {"detail": re.compile("^JSON parse error - ")}),
        (
            '{"ra":NaN}',
            {"detail": "JSON parse error - Out of range float values are not JSON compliant: "
             "'NaN'"},
        ),
        (
            "[1]",
            {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]},
        ),
    ],
)  # fmt: skip
def test_wrong_json(wire, body, reply):
    response = wire.post("cone/", body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    found = response.json()
    assert list(found) == list(reply)
    for name, words in reply.items():
        assert words.match(found[name]) if isinstance(words, re.Pattern) else words == found[name]


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        (
            "multipart/form-data",
            {"detail": "Multipart form parse error - Invalid boundary in multipart: None"},
        ),
        ("multipart/form-data; boundary=x", {name: [REQUIRED] for name in MAIN}),
    ],
)
def test_wrong_multipart(wire, kind, reply):
    response = wire.post("cone/", b"nonsense", headers={"Content-Type": kind})
    assert (response.status_code, response.json()) == (400, reply)


def test_file_is_not_a_value(wire):
    parts = {name: (None, str(value)) for name, value in MAIN.items()}
    response = wire.post("cone/", files={**parts, "ra": ("ra.txt", b"150")})
    assert (response.status_code, response.json()) == (400, {"ra": [NUMBER]})


def test_empty_body_has_no_media_type(wire):
    response = wire.post("cone/", b"", headers={"Content-Type": "text/plain"})
    assert (response.status_code, len(response.json())) == (400, 4)


REFUSED = [
    ("cone/", {}, dict.fromkeys(MAIN, REQUIRED)),
    ("cone/", {**MAIN, "ra": "abc"}, {"ra": NUMBER}),
    ("cone/", {**MAIN, "ra": ""}, {"ra": NUMBER}),
    ("cone/", {**MAIN, "ra": "10:00:00"}, {"ra": NUMBER}),
    ("cone/", {**MAIN, "ra": "nan"}, {"ra": NUMBER}),
    ("cone/", {**MAIN, "radius": "inf"}, {"radius": NUMBER}),
    ("cone/", {**MAIN, "ra": "1" * 1001}, {"ra": LONG}),
    ("cone/", {**MAIN, "requestType": "NEAREST"}, {"requestType": CHOICE.format("NEAREST")}),
    ("cone/", {**MAIN, "requestType": ""}, {"requestType": CHOICE.format("")}),
    ("objects/", {}, {"objects": REQUIRED}),
    ("objects/", {"objects": ""}, {"objects": BLANK}),
    ("objects/", {"objects": "  "}, {"objects": BLANK}),
    ("objects/", {"objects": "1\0"}, {"objects": "Null characters are not allowed."}),
    ("objects/", {"objects": "1", "mjd": "abc"}, {"mjd": NUMBER}),
    ("objects/", {"objects": "1", "mjd": "nan"}, {"mjd": NUMBER}),
    ("objectlist/", {}, {"objectlistid": REQUIRED}),
    ("objectlist/", {"objectlistid": "good"}, {"objectlistid": WHOLE}),
    ("objectlist/", {"objectlistid": 2, "getcustomlist": "maybe"}, {"getcustomlist": BOOLEAN}),
    ("objectlist/", {"objectlistid": 2, "getcustomlist": "null"}, {"getcustomlist": BOOLEAN}),
    ("objectlist/", {"objectlistid": 2, "vra_gte": "x"}, {"vra_gte": NUMBER}),
    ("objectlist/", {"objectlistid": 2, "datethreshold": "61284"}, {"datethreshold": DATE}),
    ("objectlist/", {"objectlistid": 2, "datethreshold": "61284.5"}, {"datethreshold": DATE}),
    ("objectlist/", {"objectlistid": 2, "datethreshold": "2026-02-30"}, {"datethreshold": DATE}),
    ("vrascoreslist/", {"datethreshold": "yesterday"}, {"datethreshold": DATE}),
    ("vrascoreslist/", {"idthreshold": "x"}, {"idthreshold": WHOLE}),
    ("vratodolist/", {"idthreshold": "1.5"}, {"idthreshold": WHOLE}),
    ("objectgroupslist/", {"objectid": "1,2"}, {"objectid": WHOLE}),
    ("objectgroupslist/", {"objectid": "1" * 1001}, {"objectid": LONG}),
    ("objectgroupslist/", {}, {"non_field_errors": EITHER}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "data", "words"), REFUSED)
def test_400_names_the_fields(wire, path, data, words):
    expected = {name: [word] for name, word in words.items()}
    assert wire.json(path, data, status=400) == expected


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("objects/", {"objects": [1, 2]}, {"objects": ["Not a valid string."]}),
        ("objects/", {"objects": True}, {"objects": ["Not a valid string."]}),
        ("objects/", {"objects": None}, {"objects": [NULL]}),
        ("objects/", {"objects": "1", "mjd": None}, {"mjd": [NULL]}),
        ("objectgroupslist/", {"objectgroupid": True}, {"objectgroupid": [WHOLE]}),
        ("vratodolist/", {"datethreshold": 61284}, {"datethreshold": [DATE]}),
    ],
)
def test_400_of_json(wire, path, data, words):
    response = wire("POST", path, json=data)
    assert (response.status_code, response.json()) == (400, words)


@pytest.mark.parametrize("word", ["True", "true", "1", "yes", "on", "t", "YeS"])
def test_words_for_true(wire, word):
    rows = wire.json("objectlist/", {"objectlistid": GROUP, "getcustomlist": word})
    assert {row["object_group_id"] for row in rows} == {GROUP}


@pytest.mark.parametrize("word", ["False", "0", "no", "off", ""])
def test_words_for_false(wire, word):
    rows = wire.json("objectlist/", {"objectlistid": 2, "getcustomlist": word})
    assert {row["detection_list_id"] for row in rows} == {2}
