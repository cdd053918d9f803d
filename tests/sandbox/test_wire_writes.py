"""What the ATLAS API writes: the same for the sandbox and for the real server.

Everything is written to one object and may be written again.
"""

import pytest

REQUIRED = "This field is required."
WHOLE = "A valid integer is required."
MOVE = "objectdetectionlist"
EMPTY_GROUP = 74
GROUP = 2
NO_GROUP = 999


ROW_CREATED, DUPLICATE = "Row created.", "Duplicate row. Cannot add row."


@pytest.fixture
def target(wire):
    """An object to write to: a pole, which no other test looks at closely."""
    return wire.server.ids("south_pole")[0]


@pytest.mark.parametrize("endpoint", ["vrascores", "vratodo", "vrarank", "objectgroups", MOVE])
@pytest.mark.parametrize("identifier", ["1999999999999999900", "1" * 30, "-1"])
def test_write_to_an_unknown_object(wire, endpoint, identifier):
    data = {"objectid": identifier, "rank": 1, "objectgroupid": GROUP, "objectlist": 3}
    status = 200 if endpoint == MOVE else 201
    reply = wire.json(f"{endpoint}/", data, user="writer", status=status)
    assert reply == {"objectid": int(identifier), "info": "Object does not exist."}


@pytest.mark.parametrize(
    ("endpoint", "needed"),
    [
        ("vrascores", ["objectid"]),
        ("vratodo", ["objectid"]),
        ("vrarank", ["objectid", "rank"]),
        ("objectgroups", ["objectid", "objectgroupid"]),
        (MOVE, ["objectid", "objectlist"]),
    ],
)
def test_write_without_parameters(wire, endpoint, needed):
    reply = wire.json(f"{endpoint}/", user="writer", status=400)
    assert reply == {name: [REQUIRED] for name in needed}


@pytest.mark.parametrize("identifier", ["abc", "1,2", ""])
def test_write_takes_one_id(wire, identifier):
    for endpoint in ("vrascores", "vratodo"):
        reply = wire.json(f"{endpoint}/", {"objectid": identifier}, user="writer", status=400)
        assert reply == {"objectid": [WHOLE]}


@pytest.mark.parametrize("user", ["writer", "staff"])
def test_vrascores_always_append(wire, target, user):
    before = wire.json("vrascoreslist/", {"objects": target, "debug": True})
    data = {"objectid": target, "preal": 0.123456789, "debug": "true",
            "insertdate": "2026-05-01T10:00:00.7Z"}  # fmt: skip
    reply = wire.json("vrascores/", data, user=user, status=201)
    assert reply == {"objectid": target, "info": ROW_CREATED}
    *old, new = wire.json("vrascoreslist/", {"objects": target, "debug": True})
    assert old == before
    assert new["preal"] == 0.123457
    assert (new["pgal"], new["is_gal_cand"], new["username"]) == (None, None, None)
    assert (new["apiusername"], new["debug"]) == (user, True)
    assert new["timestamp"][:16] == "2026-05-01T10:00"


def test_vratodo_is_unique(wire, target):
    wire.json("vratodo/", {"objectid": target}, user="writer", status=201)
    reply = wire.json("vratodo/", {"objectid": target}, user="writer", status=201)
    assert reply == {"objectid": target, "info": DUPLICATE}
    assert len(wire.json("vratodolist/", {"objects": target})) == 1


@pytest.mark.parametrize("rank", [3.25, 7.5])
def test_vrarank_is_set_and_becomes_the_vra_of_the_object(wire, target, rank):
    data = {"objectid": target, "rank": rank, "rank_alt1": 1, "is_gal_cand": 0,
            "insertdate": "2026-05-01"}  # fmt: skip
    reply = wire.json("vrarank/", data, user="writer", status=201)
    assert reply == {"objectid": target, "info": ROW_CREATED}
    assert wire.json("vraranklist/", {"objects": target}) == [
        {"transient_object_id": target, "rank": rank, "rank_alt1": 1.0, "is_gal_cand": 0,
         "timestamp": "2026-05-01T00:00:00Z"}
    ]  # fmt: skip
    assert wire.item(target, mjd=99999)["object"]["vra"] == rank


@pytest.mark.parametrize("missing", ["rank_alt1", "is_gal_cand"])
def test_vrarank_without_all_values_stores_nothing(wire, target, missing):
    before = wire.json("vraranklist/", {"objects": target})
    data = {"objectid": target, "rank": 9.9, "rank_alt1": 1, "is_gal_cand": 0}
    del data[missing]
    reply = wire.json("vrarank/", data, user="writer", status=201)
    assert reply == {"objectid": target, "info": DUPLICATE}
    assert wire.json("vraranklist/", {"objects": target}) == before


@pytest.mark.parametrize(
    ("name", "value"), [("preal", 1e300), ("is_gal_cand", 1000), ("insertdate", "1960-01-01")]
)
def test_value_out_of_range_of_its_column_fails(wire, target, name, value):
    wire.page("vrascores/", {"objectid": target, name: value}, status=500, user="writer")


def test_objectgroups_add_and_delete(wire, target):
    pair = {"objectid": target, "objectgroupid": 72}
    wire.post("objectgroupsdelete/", pair, user="writer")
    # The id of the OBJECT comes under the name of the group.
    added = wire.json("objectgroups/", pair, user="writer", status=201)
    assert added == {"objectgroupid": target, "info": ROW_CREATED}
    again = wire.json("objectgroups/", pair, user="writer", status=201)
    assert again == {"objectgroupid": target, "info": DUPLICATE}
    members = wire.json("objectgroupslist/", {"objectgroupid": 72})
    assert target in {row["transient_object_id"] for row in members}
    removed = wire.post("objectgroupsdelete/", pair, user="writer")
    assert (removed.status_code, removed.content) == (204, b"")
    members = wire.json("objectgroupslist/", {"objectgroupid": 72})
    assert target not in {row["transient_object_id"] for row in members}


@pytest.mark.parametrize("group", [NO_GROUP, 0, int("1" * 30)])
def test_objectgroups_unknown_group(wire, target, group):
    pair, reply = {"objectid": target, "objectgroupid": group}, "Object group ID does not exist."
    for endpoint, status in (("objectgroups/", 201), ("objectgroupsdelete/", 400)):
        found = wire.json(endpoint, pair, user="writer", status=status)
        assert found == {"objectgroupid": group, "info": reply}


def test_objectgroupsdelete_of_a_non_member(wire, target):
    pair = {"objectid": target, "objectgroupid": EMPTY_GROUP}
    assert wire.json("objectgroupsdelete/", pair, user="writer", status=400) == {
        "objectgroupid": EMPTY_GROUP,
        "objectid": target,
        "info": "Object group ID does not exist or object ID does not exist.",
    }


def test_objectgroupsdelete_of_an_unknown_object(wire):
    missing = int(wire.server.manifest["missing_id"])
    pair = {"objectid": missing, "objectgroupid": GROUP}
    reply = wire.json("objectgroupsdelete/", pair, user="writer", status=400)
    assert reply == {"objectid": missing, "info": "Object does not exist."}


@pytest.mark.parametrize("data", [{}, {"objectid": "abc", "objectgroupid": 2}, {"objectid": "1,2"}])
def test_objectgroupsdelete_trips_over_wrong_parameters(wire, data):
    wire.page("objectgroupsdelete/", data, status=500, user="writer")


@pytest.fixture
def listed(wire, target):
    """Put the object back where it was, as far as the server lets one."""
    before = wire.item(target, mjd=99999)["object"]["detection_list_id"]
    yield target
    if before in (3, 4, 12):
        wire.json(f"{MOVE}/", {"objectid": target, "objectlist": before}, user="writer")


@pytest.mark.parametrize("number", [12, 4, 3])
@pytest.mark.parametrize("how", ["POST as writer", "GET as reader"])
def test_move_between_open_lists(wire, listed, number, how):
    method, _, user = how.split()
    data = {"objectid": listed, "objectlist": number, "insertdate": "2026-05-01T01:02:03"}
    options = {"params": data} if method == "GET" else {"data": data}
    response = wire(method, f"{MOVE}/", user=user, **options)
    assert (response.status_code, response.json()) == (
        200, {"objectid": listed, "info": ROW_CREATED},
    )  # fmt: skip
    found = wire.item(listed, mjd=99999)["object"]
    assert found["detection_list_id"] == number
    assert found["date_modified"] == "2026-05-01T01:02:03Z"
    assert listed in {row["id"] for row in wire.json("objectlist/", {"objectlistid": number})}


@pytest.mark.parametrize("number", [0, 1, 2, 5, 13, 99, -1])
def test_move_to_another_list_is_refused_in_words(wire, listed, number):
    before = wire.item(listed, mjd=99999)["object"]
    reply = wire.json(f"{MOVE}/", {"objectid": listed, "objectlist": number}, user="writer")
    assert reply == {"objectid": listed, "info": "Error updating row."}
    assert wire.item(listed, mjd=99999)["object"] == before
