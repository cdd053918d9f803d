"""Lists, their members and memberships, against both servers."""

import json

import astropy.units as u
import numpy as np
import pytest
import requests
from astropy.coordinates import Angle
from astropy.time import Time
from numpy.testing import assert_array_equal

from atlasquery.atlas import conf
from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, NotFoundError

MISSING = 1999999999999999900
EMPTY = 74


@pytest.fixture(scope="module")
def raw(server):
    """Ask the server without this package."""

    def ask(path, **data):
        headers = {
            "Authorization": f"Token {server.token('reader')}",
            "Accept": "application/json",
        }
        answer = requests.post(server.url + path, data=data, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    return ask


@pytest.fixture
def own_lists():
    """Name the list that is empty on both servers."""
    with conf.set_temp("custom_lists", f"empty={EMPTY}, none=999"):
        yield


def test_lists_of_both_numberings(box_atlas, sandbox):
    sandbox.clear_requests()
    lists = box_atlas.list_lists()
    assert lists.colnames == ["number", "name", "custom", "about"]
    detection = lists[~lists["custom"]]
    assert detection["number"].tolist() == list(range(14))
    custom = lists[lists["custom"]]
    assert dict(zip(custom["name"].tolist(), custom["number"].tolist(), strict=True)) == {
        "mookodi": 2, "salt": 14, "mookodi_live": 16, "mookodi_peak": 17, "cv": 40, "mdwarf": 56,
        "heloise": 72, "vra": 73,
    }  # fmt: skip
    assert all(lists["about"])
    assert sandbox.requests == []


@pytest.mark.parametrize("own", ["mylist=74, Other One = 80", ["mylist=74", "other-one=80"]])
def test_own_lists_are_named_in_the_configuration(box_atlas, own):
    with conf.set_temp("custom_lists", own):
        lists = box_atlas.list_lists()
        sent = box_atlas.query_list("Other one", get_query_payload=True)
    assert lists["name"][-2:].tolist() == ["mylist", "other_one"]
    assert lists["number"][-2:].tolist() == [74, 80]
    assert sent == {"objectlistid": 80, "getcustomlist": "true"}
    assert len(box_atlas.list_lists()) == len(lists) - 2


def test_own_name_replaces_ours(box_atlas):
    with conf.set_temp("custom_lists", "vra=99"):
        assert box_atlas.query_list("vra", get_query_payload=True)["objectlistid"] == 99
        assert box_atlas.list_lists()["name"].tolist().count("vra") == 1


@pytest.mark.parametrize(("own", "name"), [("vra=99", "vra"), ("m-dwarf=99", "M dwarf")])
def test_own_name_goes_before_ours_in_reads_and_writes(box_atlas, own, name):
    one = 1161600211221604900
    with conf.set_temp("custom_lists", own):
        sent = [
            box_atlas.query_list(name, get_query_payload=True)["objectlistid"],
            box_atlas.query_list(name, custom=True, get_query_payload=True)["objectlistid"],
            *(
                json.loads(write(one, name, dry_run=True)["payload"][0])["objectgroupid"]
                for write in (box_atlas.add_to_list, box_atlas.remove_from_list)
            ),
        ]
        with pytest.warns(NoResultsWarning):
            assert len(box_atlas.get_list_members(name)) == 0
    assert sent == [99] * 4


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("a=74, b=75, A=76", "'a' two numbers, 74 and 76"),
        ("good=74", "'good=74', but 'good' is the detection list 2"),
        ("Pending = 74", "'pending' is the detection list 4"),
        (["fast-track=74"], "'fast_track' is the detection list 8"),
    ],
)
def test_own_names_that_are_ambiguous_are_refused(box_atlas, sandbox, own, words):
    sandbox.clear_requests()
    one = 1161600211221604900
    with conf.set_temp("custom_lists", own):
        for work in (
            box_atlas.list_lists,
            lambda: box_atlas.query_list("good"),
            lambda: box_atlas.get_list_members("good"),
            lambda: box_atlas.add_to_list(one, "a"),
            lambda: box_atlas.remove_from_list(one, "a"),
            lambda: box_atlas.move_to_list(one, "eyeball"),
        ):
            with pytest.raises(InvalidQueryError, match=f"conf.custom_lists.*{words}"):
                work()
    assert sandbox.requests == []


def test_an_own_name_given_twice_is_one(box_atlas):
    with conf.set_temp("custom_lists", "mine=74, mine=74"):
        assert box_atlas.list_lists()["name"].tolist().count("mine") == 1


@pytest.mark.parametrize("own", ["mylist", "mylist=a", "=74", "7=74", "a=1;b=2"])
def test_own_lists_that_cannot_be_read_are_named(box_atlas, own):
    with (
        conf.set_temp("custom_lists", own),
        pytest.raises(InvalidQueryError, match=r"conf\.custom"),
    ):
        box_atlas.list_lists()


@pytest.mark.parametrize(
    ("name", "custom", "number", "is_custom"),
    [
        ("good", None, 2, False),
        (" Good ", None, 2, False),
        ("confirmed", None, 1, False),
        ("follow-up", None, 1, False),
        ("pending", None, 4, False),
        ("pm stars", None, 11, False),
        (2, None, 2, False),
        ("2", None, 2, False),
        (np.int64(13), None, 13, False),
        (0, None, 0, False),
        (2, True, 2, True),
        ("mookodi", None, 2, True),
        ("CV", None, 40, True),
        (73, None, 73, True),
        (14, None, 14, True),
    ],
)
def test_names_and_numbers(box_atlas, name, custom, number, is_custom):
    sent = box_atlas.query_list(name, custom=custom, get_query_payload=True)
    assert sent.pop("objectlistid") == number
    assert sent == ({"getcustomlist": "true"} if is_custom else {})


@pytest.mark.parametrize(
    ("name", "custom", "words"),
    [
        ("goood", None, "did you mean 'good'"),
        ("mokodi", None, "did you mean 'mookodi'"),
        ("eyball", None, "did you mean 'eyeball'"),
        ("xyzzy", None, "it is one of 'garbage'"),
        (99, None, "detection lists are 0 to 13, custom lists 2 .mookodi."),
        (-1, None, "detection lists are 0 to 13"),
        (13, True, "is a detection list, where a custom list is needed"),
        (40, False, "is a custom list, where a detection list is needed"),
        ("cv", False, "is a custom list"),
        (EMPTY, True, "conf.custom_lists"),
        (2.0, None, "name or the number"),
        (True, None, "name or the number"),
        (None, None, "name or the number"),
        ("good", "yes", "custom='yes'"),
        ("", None, "is not a list"),
    ],
)
@pytest.mark.parametrize("method", ["query_list", "get_list_members"])
def test_a_list_that_does_not_exist_is_refused(box_atlas, sandbox, method, name, custom, words):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        getattr(box_atlas, method)(name, custom=custom)
    assert sandbox.requests == []


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 13])
def test_detection_list(atlas, raw, number):
    expected = raw("objectlist/", objectlistid=number)
    table = atlas.query_list(number)
    assert table["atlas_id"].tolist() == [row["id"] for row in expected]
    assert table["atlas_id"].dtype == np.int64
    assert set(table["list_id"]) == {number}
    assert table["ra"].tolist() == [row["ra"] for row in expected]
    assert table["ra"].unit == table["dec_mean"].unit == u.deg
    assert table["latest_mag"].unit == u.mag
    assert table["latest_mjd"].unit == u.day
    assert table["rms"].unit == u.arcsec
    assert isinstance(table["followup_flag_date"], Time)
    assert isinstance(table["date_modified"], Time)
    assert table["date_modified"].scale == "utc"
    assert table["vra_rank"].mask.tolist() == [row["vra"] is None for row in expected]
    assert len(table.colnames) == len(expected[0]) == 30
    assert table.meta["list"] == atlas.list_lists()["name"][number]


@pytest.mark.parametrize("name", ["cv", "mookodi"])
def test_custom_list(atlas, raw, name):
    number = {"cv": 40, "mookodi": 2}[name]
    expected = raw("objectlist/", objectlistid=number, getcustomlist="true")
    table = atlas.query_list(name)
    assert table["atlas_id"].tolist() == [row["id"] for row in expected]
    assert set(table["custom_list_id"]) == {number}
    assert table["comments"].dtype.kind == "U"
    assert isinstance(table["date_modified"], Time)
    assert len(table.colnames) == len(expected[0]) == 31


@pytest.mark.parametrize(("name", "column"), [
    ("vra", "vra_rank"), ("real_bogus", "real_bogus"), ("ra", "ra"), ("dec", "dec"),
])  # fmt: skip
@pytest.mark.parametrize("custom", [False, True])
def test_ranges_include_their_ends(atlas, name, column, custom):
    full = atlas.query_list(2, custom=custom)
    values = np.sort(full[column].data.compressed() if column in ("vra_rank", "real_bogus")
                     else np.asarray(full[column]))  # fmt: skip
    low, high = (float(v) for v in (values[len(values) // 4], values[len(values) // 2]))
    for pair in ((low, high), (low, None), (None, high), (low, low)):
        bottom = -np.inf if pair[0] is None else pair[0]
        top = np.inf if pair[1] is None else pair[1]
        inside = np.ma.filled((full[column] >= bottom) & (full[column] <= top), False)
        found = atlas.query_list(2, custom=custom, **{name: pair})
        assert sorted(found["atlas_id"]) == sorted(full["atlas_id"][inside])
        assert 0 < len(found) < len(full)


def test_every_end_of_a_range_is_included(atlas):
    """The database compares its rounded values with exact bounds: half of them would be lost."""
    full = atlas.query_list("good")
    for number, rank in zip(full["atlas_id"][:20], full["vra_rank"][:20], strict=True):
        if rank is not np.ma.masked:
            assert number in atlas.query_list("good", vra=(float(rank), float(rank)))["atlas_id"]


def test_ranges_of_angles(box_atlas):
    plain = box_atlas.query_list("good", ra=(30, 150), dec=(-10, None), get_query_payload=True)
    assert plain == {"objectlistid": 2, "ra_gte": 30.0, "ra_lte": 150.0, "dec_gte": -10.0}
    for ra in ((30 * u.deg, 150 * u.deg), [30, 150] * u.deg, ("2h", "10h"), Angle([2, 10], "h")):
        sent = box_atlas.query_list(
            "good", ra=ra, dec=(Angle("-10d"), None), get_query_payload=True
        )
        assert sent == pytest.approx(plain)


def test_words_and_all_filters_together(atlas):
    full = atlas.query_list("good")
    for given in ("SN", "sn"):
        found = atlas.query_list("good", sherlock_class=given)
        assert set(found["sherlock_class"]) == {"SN"}
        assert len(found) == np.count_nonzero(full["sherlock_class"] == "SN")
    one = full[full["spec_type"] == "SN Ia"][0]
    found = atlas.query_list(
        "good", vra=(0, 10), real_bogus=(0, 1), ra=(one["ra"], one["ra"]), dec=(-90, 90),
        spec_type="sn ia", start=one["followup_flag_date"],
    )  # fmt: skip
    assert found["atlas_id"].tolist() == [one["atlas_id"]]


@pytest.mark.parametrize("custom", [False, True])
def test_start_is_included(atlas, custom):
    full = atlas.query_list(2, custom=custom)
    start = np.sort(full["followup_flag_date"])[len(full) // 2]
    inside = full["followup_flag_date"] >= start
    for given in (start, start.isot, start.mjd, start.tt):
        found = atlas.query_list(2, custom=custom, start=given)
        assert sorted(found["atlas_id"]) == sorted(full["atlas_id"][inside])
    later = atlas.query_list(2, custom=custom, start=start + 0.5 * u.s)
    assert len(later) == np.count_nonzero(inside) - np.count_nonzero(
        full["followup_flag_date"] == start
    )
    assert len(atlas.query_list(2, custom=custom, start="1960-01-01")) == len(full)


def test_a_list_without_objects_is_an_empty_table(atlas, own_lists):
    full = atlas.query_list("vra")
    with pytest.warns(NoResultsWarning, match="no object on the custom list 'empty'"):
        empty = atlas.query_list("empty")
    assert len(empty) == 0
    assert empty.colnames == full.colnames
    assert empty["atlas_id"].dtype == np.int64
    assert empty["ra"].unit == u.deg
    assert isinstance(empty["followup_flag_date"], Time)
    with pytest.warns(NoResultsWarning, match="with these properties"):
        assert len(atlas.query_list("good", start=70000.0)) == 0
    with pytest.warns(NoResultsWarning, match="'empty'"):
        assert atlas.get_list_members("empty").colnames == ["atlas_id", "list_id", "membership_id"]
    with pytest.warns(NoResultsWarning, match="'none'"):
        assert len(atlas.get_list_members("none")) == 0


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"vra": 5}, "should be a pair"),
        ({"vra": (1, 2, 3)}, "should be a pair"),
        ({"vra": "12"}, "should be a pair"),
        ({"vra": (6, 5)}, "low=6 above high=5"),
        ({"vra": (np.nan, 5)}, "finite"),
        ({"vra": (None, np.inf)}, "finite"),
        ({"vra": ("a", None)}, "number"),
        ({"vra": (True, None)}, "number"),
        ({"vra": (1 * u.deg, None)}, "number"),
        ({"ra": (350, 10)}, "across RA 0 takes two"),
        ({"ra": (-10, 10)}, "from 0 to 360"),
        ({"dec": (None, 91)}, "from -90 to 90"),
        ({"dec": (1 * u.m, None)}, "degrees"),
        ({"dec": ("x", None)}, "degrees"),
        ({"dec": (True, None)}, "number"),
        ({"sherlock_class": "SNe"}, "did you mean 'SN'"),
        ({"sherlock_class": ["SN"]}, "sherlock_class"),
        ({"spec_type": " "}, "spec_type"),
        ({"spec_type": "SN\0"}, "spec_type"),
        ({"spec_type": 3}, "spec_type"),
        ({"start": "yesterday"}, "start='yesterday'"),
    ],
)
def test_bad_filters_are_refused_before_anything_is_sent(box_atlas, sandbox, filters, words):
    sandbox.clear_requests()
    with pytest.raises(InvalidQueryError, match=words):
        box_atlas.query_list("good", **filters)
    assert sandbox.requests == []


def test_a_misspelled_filter_is_answered_with_the_right_one(box_atlas):
    with pytest.raises(TypeError, match="did you mean 'sherlock_class'"):
        box_atlas.query_list("good", sherlok_class="SN")


def test_members_of_a_custom_list(atlas, raw):
    members = atlas.get_list_members("vra")
    expected = raw("objectgroupslist/", objectgroupid=73)
    assert members["atlas_id"].tolist() == [row["transient_object_id"] for row in expected]
    assert members["membership_id"].tolist() == [row["id"] for row in expected]
    assert set(members["list_id"]) == {73}
    assert sorted(members["atlas_id"]) == sorted(atlas.query_list("vra")["atlas_id"])


def test_members_of_a_detection_list(atlas, raw):
    members = atlas.get_list_members("eyeball")
    expected = raw("objectlist/", objectlistid=4)
    assert members.colnames == ["atlas_id", "list_id", "followup_flag_date"]
    assert sorted(members["atlas_id"]) == sorted(row["id"] for row in expected)


def test_memberships(atlas, raw):
    member = atlas.get_list_members("mookodi")["atlas_id"][0]
    lists = atlas.get_list_memberships(str(member))
    assert lists.colnames == ["atlas_id", "number", "name", "custom"]
    groups = [row["object_group_id"] for row in raw("objectgroupslist/", objectid=int(member))]
    assert lists["number"][lists["custom"]].tolist() == groups
    assert lists["name"][lists["custom"] & (lists["number"] == 2)].tolist() == ["mookodi"]
    detection = lists[~lists["custom"]]
    assert detection["number"].tolist() == atlas.get_objects(member)["list_id"].tolist()
    # Both servers have a list that we do not know.
    unknown = raw("objectgroupslist/", objectgroupid=6)[0]["transient_object_id"]
    lists = atlas.get_list_memberships(unknown)
    assert lists["name"][lists["number"] == 6].mask.all()
    assert not lists["name"][lists["number"] != 6].mask.any()


def test_an_object_on_no_list(atlas, server, raw):
    entries = atlas.get_objects(server.manifest["all_ids"])
    free = entries["atlas_id"][entries["list_id"].mask]
    one = next(i for i in free.tolist() if not raw("objectgroupslist/", objectid=i))
    with pytest.warns(NoResultsWarning, match=f"{one} on no list"):
        lists = atlas.get_list_memberships(one)
    assert len(lists) == 0
    assert lists["number"].dtype == np.int64
    assert lists["name"].dtype.kind == "U"
    assert lists["custom"].dtype == bool


def test_memberships_of_an_unknown_object(atlas):
    with pytest.raises(NotFoundError, match=str(MISSING)):
        atlas.get_list_memberships(MISSING)
    with pytest.raises(InvalidQueryError, match="2 ids"):
        atlas.get_list_memberships([MISSING, MISSING])


def test_stored_lists_are_used_again(box_atlas, sandbox):
    first = box_atlas.query_list("agn")
    sandbox.clear_requests()
    again = box_atlas.query_list("agn")
    assert sandbox.requests == []
    assert_array_equal(first["atlas_id"], again["atlas_id"])
    box_atlas.query_list("agn", cache=False)
    assert len(sandbox.requests) == 1


def test_a_newer_servers_list_of_more_columns_is_read(box_atlas, sandbox, monkeypatch):
    """What a list row has that we do not know is kept."""
    from atlasquery.atlas import lists

    columns = [c for c in lists.LISTED if c.wire != "rms"]
    monkeypatch.setattr(lists, "LISTED", type(lists.LISTED)("an object", *columns))
    table = box_atlas.query_list("good", cache=False)
    assert "rms" in table.colnames
    assert "not known" in table["rms"].description


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("south_transients_100mpc", 2),
        ("bright_south_transients_100mpc", 16),
        ("South-Transients Peak", 17),
        ("mookodi_peak", 17),
    ],
)
def test_lists_go_by_the_names_that_bots_use(box_atlas, name, number):
    payload = box_atlas.query_list(name, get_query_payload=True)
    assert payload == {"objectlistid": number, "getcustomlist": "true"}
    plan = box_atlas.add_to_list("1161600211221604900", name, dry_run=True)
    assert f'"objectgroupid":{number}}}' in plan["payload"][0]


def test_an_unknown_list_says_how_to_name_one(box_atlas):
    with pytest.raises(InvalidQueryError) as caught:
        box_atlas.query_list("my bots' list")
    assert "list_lists() shows those that are known" in str(caught.value)
    assert "from atlasquery.atlas import conf; conf.custom_lists = [" in str(caught.value)
    with pytest.raises(InvalidQueryError, match=r"did you mean 'mookodi'\? Otherwise, list_lists"):
        box_atlas.query_list("mokodi")
    with conf.set_temp("custom_lists", ["mine=501"]):
        payload = box_atlas.query_list("mine", get_query_payload=True)
    assert payload["objectlistid"] == 501
