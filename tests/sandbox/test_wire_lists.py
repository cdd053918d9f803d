"""The lists of the ATLAS API: the same for the sandbox and for the real server."""

import re

import pytest

words = str.split

EMPTY_GROUP = 74
GROUP = 2
NO_GROUP = 999


EXTERNAL = words(
    """id transient_object_id external_designation type host_galaxy mag discoverer matched_list
    other_info separation comments url host_z object_z disc_date disc_filter"""
)
LIST_ROW = words(
    """rank id atlas_designation other_designation ra dec ra_avg dec_avg object_classification
    sherlockClassification followup_flag_date observation_status current_trend
    earliest_mjd earliest_mag earliest_filter latest_mjd latest_mag latest_filter
    catalogue catalogue_object_id separation vra rb_pix date_modified
    external_crossmatches discovery_target rms detection_list_id images_id"""
)
CUSTOM_ROW = words(
    """rank id atlas_designation other_designation local_comments ra dec ra_avg dec_avg
    object_classification sherlockClassification followup_flag_date observation_status
    current_trend earliest_mjd earliest_mag earliest_filter latest_mjd latest_mag
    latest_filter catalogue catalogue_object_id separation object_group_id
    detection_list_id vra rb_pix date_modified external_crossmatches discovery_target rms"""
)


@pytest.mark.parametrize("number", range(14))
def test_detection_list(wire, number):
    rows = wire.json("objectlist/", {"objectlistid": number})
    assert {tuple(row) for row in rows} <= {tuple(LIST_ROW)}
    assert {row["detection_list_id"] for row in rows} <= {number}


def test_dates_of_list_rows(wire):
    row = wire.json("objectlist/", {"objectlistid": 2})[0]
    assert row["followup_flag_date"].endswith("Z")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["date_modified"])


def test_negative_lists_count_from_the_end(wire):
    for number in (-1, -14):
        rows = wire.json("objectlist/", {"objectlistid": number})
        assert rows == wire.json("objectlist/", {"objectlistid": number + 14})


@pytest.mark.parametrize("number", [14, -15, 99])
def test_other_lists_fail(wire, number):
    wire.page("objectlist/", {"objectlistid": number}, status=500)


def test_custom_list(wire):
    rows = wire.json("objectlist/", {"objectlistid": GROUP, "getcustomlist": "true"})
    assert {tuple(row) for row in rows} == {tuple(CUSTOM_ROW)}
    assert rows[0]["date_modified"].endswith("Z")


@pytest.mark.parametrize("number", [EMPTY_GROUP, NO_GROUP, -1])
def test_empty_custom_list(wire, number):
    assert wire.json("objectlist/", {"objectlistid": number, "getcustomlist": "true"}) == []


@pytest.mark.parametrize(
    ("name", "value", "column", "holds"),
    [
        ("vra_gte", 6, "vra", lambda x: x >= 6),
        ("vra_lte", 3, "vra", lambda x: x <= 3),
        ("rb_pix_gte", 0.5, "rb_pix", lambda x: x >= 0.5),
        ("rb_pix_lte", 0.5, "rb_pix", lambda x: x <= 0.5),
        ("ra_gte", 180, "ra", lambda x: x >= 180),
        ("ra_lte", 180, "ra", lambda x: x <= 180),
        ("dec_gte", 0, "dec", lambda x: x >= 0),
        ("dec_lte", 0, "dec", lambda x: x <= 0),
        ("sherlock_class", "SN", "sherlockClassification", lambda x: x == "SN"),
        ("sherlock_class", "sn", "sherlockClassification", lambda x: x == "SN"),
        ("spec_type", "SN Ia", "observation_status", lambda x: x == "SN Ia"),
        ("datethreshold", "2026-07-01", "followup_flag_date", lambda x: x > "2026-07-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("custom", [False, True])
def test_filters_of_lists(wire, name, value, column, holds, custom):
    ask = {"objectlistid": 2, "getcustomlist": custom}
    everything = {row["id"]: row[column] for row in wire.json("objectlist/", ask)}
    filtered = {row["id"] for row in wire.json("objectlist/", {**ask, name: value})}
    assert filtered == {i for i, x in everything.items() if x is not None and holds(x)}
    assert filtered < set(everything)


@pytest.mark.parametrize(
    "date",
    ["2026-07-01", "20260701", "2026-07-01T00:00", "2026-07-01 00:00:00", "2026-07-01T00:00:00Z",
     "2026-7-1 0:00", "2026-07-01T05:00:00+05:00", "2026-W27-3"],
)  # fmt: skip
def test_forms_of_dates(wire, date):
    ask = {"objectlistid": 2, "datethreshold": date}
    dates = [row["followup_flag_date"] for row in wire.json("objectlist/", ask)]
    assert dates
    assert min(dates) > "2026-07-01T00:00:00Z"
    assert len(dates) == len(
        wire.json("objectlist/", {"objectlistid": 2, "datethreshold": "2026-07-01"})
    )


def test_objectgroupslist_of_a_group(wire):
    rows = wire.json("objectgroupslist/", {"objectgroupid": GROUP})
    assert {tuple(row) for row in rows} == {("id", "transient_object_id", "object_group_id")}
    assert {row["object_group_id"] for row in rows} == {GROUP}
    custom = wire.json("objectlist/", {"objectlistid": GROUP, "getcustomlist": 1})
    assert {row["transient_object_id"] for row in rows} == {row["id"] for row in custom}


def test_objectgroupslist_of_an_object(wire):
    identifier = wire.main()[0]
    rows = wire.json("objectgroupslist/", {"objectid": identifier})
    assert {row["transient_object_id"] for row in rows} == {identifier}
    assert 40 in {row["object_group_id"] for row in rows}


def test_objectgroupslist_of_both(wire):
    both = {"objectid": wire.main()[0], "objectgroupid": 40}
    wire.page("objectgroupslist/", both, status=500)
    rows = wire.json("objectgroupslist/", {**both, "dec_gte": -90})
    assert [row["transient_object_id"] for row in rows] == wire.main()[:1]


def test_objectgroupslist_with_a_filter(wire):
    rows = wire.json("objectgroupslist/", {"objectgroupid": GROUP, "vra_gte": 5})
    custom = wire.json("objectlist/", {"objectlistid": GROUP, "getcustomlist": 1, "vra_gte": 5})
    assert {row["transient_object_id"] for row in rows} == {row["id"] for row in custom}


@pytest.mark.parametrize(
    "ask",
    [{"objectgroupid": EMPTY_GROUP}, {"objectgroupid": NO_GROUP}, {"objectid": 1},
     {"objectgroupid": "74.0"}, {"objectgroupid": "1" * 30}],
)  # fmt: skip
def test_objectgroupslist_of_nothing(wire, ask):
    assert wire.json("objectgroupslist/", ask) == []


def test_externalxmlist_is_a_list_of_lists(wire):
    name = wire.server.manifest["tns_names"][0]
    rows = wire.json("externalxmlist/", {"externalObjects": f"{name}, nonsense ,{name.upper()}"})
    assert [len(found) for found in rows] == [1, 0, 1]
    assert list(rows[0][0]) == EXTERNAL
    assert rows[0][0]["external_designation"] == name


@pytest.mark.parametrize(("names", "reply"), [("", []), (None, []), ("SN 2026abc", [[]])])
def test_externalxmlist_of_nothing(wire, names, reply):
    ask = {} if names is None else {"externalObjects": names}
    assert wire.json("externalxmlist/", ask) == reply


VRA = {
    "vrascoreslist": "id transient_object_id preal pgal pfast rank rank_alt1 is_gal_cand timestamp "
    "apiusername username debug",
    "vratodolist": "transient_object_id timestamp",
    "vraranklist": "transient_object_id rank rank_alt1 is_gal_cand timestamp",
}


@pytest.mark.parametrize("name", VRA)
def test_vra_list_has_the_whole_table(wire, name):
    rows = wire.json(f"{name}/")
    assert len(rows) > 50
    assert {tuple(row) for row in rows} == {tuple(words(VRA[name]))}
    assert rows == wire("GET", f"{name}/").json()


@pytest.mark.parametrize("name", VRA)
def test_vra_list_of_objects(wire, name):
    rows = wire.json(f"{name}/")
    known = list(dict.fromkeys(row["transient_object_id"] for row in rows))[3:5]
    # Thresholds do not count here; what is unknown or no number is skipped.
    ask = {"objects": f"{known[1]}, x, 1,{known[0]}", "datethreshold": "2030-01-01"}
    found = [row["transient_object_id"] for row in wire.json(f"{name}/", ask)]
    assert list(dict.fromkeys(found)) == known[::-1]


@pytest.mark.parametrize("name", VRA)
def test_vra_list_after_a_date(wire, name):
    rows = wire.json(f"{name}/")
    date = sorted(row["timestamp"] for row in rows)[len(rows) // 2]
    found = wire.json(f"{name}/", {"datethreshold": date})
    assert len(found) == sum(row["timestamp"] >= date for row in rows)
    assert wire.json(f"{name}/", {"datethreshold": "2030-01-01"}) == []


@pytest.mark.parametrize("name", ["vrascoreslist", "vratodolist"])
def test_vra_list_after_an_id(wire, name):
    key = {"vrascoreslist": "id", "vratodolist": "transient_object_id"}[name]
    ids = sorted(row[key] for row in wire.json(f"{name}/"))
    found = wire.json(f"{name}/", {"idthreshold": ids[-5]})
    assert sorted(row[key] for row in found) == ids[-5:]


def test_vraranklist_ignores_idthreshold(wire):
    rows = wire.json("vraranklist/")
    assert wire.json("vraranklist/", {"idthreshold": "nonsense"}) == rows


def test_debug_acts_with_objects_only(wire):
    rows = wire.json("vrascoreslist/")
    debug = next(row for row in rows if row["debug"])
    ask = {"objects": debug["transient_object_id"]}
    assert all(row["debug"] for row in wire.json("vrascoreslist/", {**ask, "debug": 1}))
    assert not any(row["debug"] for row in wire.json("vrascoreslist/", ask))
    assert wire.json("vrascoreslist/", {"debug": 1}) == rows
