"""Undo an upload: what it created is deleted, and nothing else."""

import json

import pytest
from astroquery import log
from light_curves import light_curve, random_curve
from lost_answers import Losing

from atlasquery.exceptions import InputWarning, InvalidQueryError, WriteError
from atlasquery.sandbox.skyportal.routes import PortalError
from atlasquery.tables import read_table, write_table

SOURCE = "ATLAS24abc"


@pytest.fixture(autouse=True)
def _source(double):
    double.state.add_source(SOURCE, 150.1163, 2.2058)


@pytest.fixture
def losing(double):
    return lambda pattern, times=1: Losing(double, pattern, times)


def stored(double):
    return sorted(double.state.points.values(), key=lambda point: point["id"])


def deletions(double):
    return double.asked("^DELETE")


def upload(client, lc, groups="ATLAS transients", **options):
    return client.upload_photometry(lc, SOURCE, "ATLAS", groups, **options)


def add_points(double, lc, owner, groups):
    """Add the points of a light curve as another account, or another day, would have."""
    return [
        double.state.add_point(
            SOURCE, mjd, f"atlas{band}", flux, err, owner_id=owner, group_ids=list(groups)
        )
        for mjd, band, flux, err in zip(
            lc["time"].mjd.tolist(),
            lc["band"].tolist(),
            lc["flux"].unmasked.value.tolist(),
            lc["flux_err"].unmasked.value.tolist(),
            strict=True,
        )
    ]


def test_points_that_the_uploader_could_not_see_are_not_new(ordinary, double):
    """They are another account's, and the server answers for them anyway."""
    lc = random_curve(30)
    hidden = add_points(double, lc[:10], owner=1, groups=[4])
    table = upload(ordinary, lc)
    assert table["ok"].all()
    assert table["new"].tolist() == [False] * 10 + [True] * 20
    undone = ordinary.undo_upload(table)
    assert undone["ok"].all()
    assert [p["id"] for p in stored(double)] == hidden


def test_an_administrator_never_deletes_the_points_of_others(skyportal, double):
    """Whose token may delete anything."""
    lc = random_curve(12)
    others = add_points(double, lc[:4], owner=3, groups=[5])
    table = upload(skyportal, lc)
    assert table["new"].tolist() == [False] * 4 + [True] * 8
    table["new"] = True
    table["new"].mask = False
    with pytest.raises(WriteError, match="Stays: it belongs to other") as caught:
        skyportal.undo_upload(table)
    assert caught.value.result["ok"].tolist() == [False] * 4 + [True]
    assert [p["id"] for p in stored(double)] == others


def test_points_that_were_there_before_stay(ordinary, double):
    lc = random_curve(30)
    upload(ordinary, lc[:10])
    table = upload(ordinary, lc)
    kept = [p["id"] for p in stored(double)][:10]
    assert ordinary.undo_upload(table)["ok"].all()
    assert [p["id"] for p in stored(double)] == kept
    with pytest.raises(InvalidQueryError, match="nothing to undo"):
        ordinary.undo_upload(upload(ordinary, lc[:10]))


def test_without_the_permission_they_go_one_by_one(ordinary, double):
    table = upload(ordinary, random_curve(25))
    plan = ordinary.undo_upload(table, dry_run=True)
    assert plan["endpoint"].tolist() == [f"photometry/{n}" for n in table["id"]]
    assert deletions(double) == []
    with log.log_to_list() as messages:
        undone = ordinary.undo_upload(table)
    assert undone["ok"].all() and stored(double) == []
    assert len(deletions(double)) == 25
    assert any("25 points are deleted one at a time" in m.getMessage() for m in messages)


def test_a_token_without_the_permission_of_its_account(skyportal, double):
    """The profile has the permissions of the account: the token may have fewer."""
    table = upload(skyportal, random_curve(5))
    double.faults["DELETE .*bulk_delete"] = PortalError(401, "HTTP 401: Unauthorized")
    undone = skyportal.undo_upload(table)
    assert undone["source_id"].tolist() == [f"point {n}" for n in table["id"]]
    assert undone["ok"].all() and stored(double) == []
    assert len(deletions(double)) == 6


def test_with_the_permission_one_request_is_enough(skyportal, double):
    lc = random_curve(40)
    upload(skyportal, lc[:15])
    table = upload(skyportal, lc)
    undone = skyportal.undo_upload(table)
    assert undone["message"].tolist() == ["Deleted 25 photometry point(s)."]
    assert len(deletions(double)) == 1
    assert len(stored(double)) == 15


def test_some_rows_of_a_table_are_those_rows(skyportal, double):
    """The upload id has more points than were given."""
    table = upload(skyportal, random_curve(6))
    skyportal.undo_upload(table[2:4])
    assert [p["id"] for p in stored(double)] == table["id"][[0, 1, 4, 5]].tolist()
    # What was undone before is no other's point.
    again = skyportal.undo_upload(table)
    assert again["source_id"].tolist()[:2] == [f"point {n}" for n in table["id"][2:4]]
    assert again["ok"].all() and stored(double) == []
    assert len(deletions(double)) == 3


def test_a_number_that_is_another_point_by_now_stays(skyportal, double):
    """As on another instance, or after the database was restored."""
    table = upload(skyportal, random_curve(3))
    double.state.points[int(table["id"][1])]["mjd"] += 1.0
    with pytest.raises(WriteError, match="another measurement"):
        skyportal.undo_upload(table)
    assert [p["id"] for p in stored(double)] == [table["id"][1]]


def test_an_upload_id_of_somebody_else_is_refused(skyportal, ordinary, double):
    theirs = upload(ordinary, random_curve(5))
    with pytest.raises(InvalidQueryError, match="does not say whose points"):
        skyportal.undo_upload(theirs.meta["upload_ids"][0])
    with pytest.raises(InvalidQueryError, match="not the id of an upload"):
        skyportal.undo_upload("../1")
    assert len(stored(double)) == 5
    # The one who uploaded it knows it.
    assert ordinary.undo_upload(theirs.meta["upload_ids"][0])["ok"].all()
    assert stored(double) == []


def test_a_server_that_does_not_say_whose_points_are(skyportal, double):
    """One of 2023: what was posted is new beyond doubt, what was put is not."""
    double.state.shows_owners = False
    lc = random_curve(9)
    table = upload(skyportal, lc[:3])
    assert table["new"].all()
    assert skyportal.undo_upload(table)["ok"].all() and stored(double) == []
    hidden = add_points(double, lc[:3], owner=3, groups=[5])
    double.state.users = {
        token: {**one, "acls": one["acls"] - {"System admin"}}
        for token, one in double.state.users.items()
    }
    table = upload(skyportal, lc)
    assert table["ok"].all() and table["new"].mask.all()
    with (
        pytest.warns(InputWarning, match="9 rows stay"),
        pytest.raises(InvalidQueryError, match="nothing to undo"),
    ):
        skyportal.undo_upload(table)
    assert [p["id"] for p in stored(double)][:3] == hidden


def test_what_is_undone_twice_says_so(skyportal, double):
    table = upload(skyportal, random_curve(5))
    other = upload(skyportal, random_curve(2, seed=7))
    assert skyportal.undo_upload(table)["message"][0].startswith("Deleted 5")
    again = skyportal.undo_upload(table)
    assert again["ok"].tolist() == [True] * 5
    assert set(again["message"]) == {"Was undone before: it is not there."}
    # Without its upload id, a point is undone by its number.
    other["upload_id"] = ""
    assert skyportal.undo_upload(other)["message"].tolist() == ["Undone."] * 2
    assert stored(double) == []


def test_a_point_that_goes_meanwhile(ordinary, double):
    table = upload(ordinary, random_curve(3))
    double.hooks.append((f"DELETE .*/{table['id'][0]}$", double.state.points.clear))
    undone = ordinary.undo_upload(table)
    assert undone["ok"].all()
    assert "Was undone before: nothing of it is there" in undone["message"][0]


def test_an_undo_that_is_refused_keeps_the_words(skyportal, double):
    table = upload(skyportal, random_curve(5))
    double.faults["^DELETE"] = PortalError(400, "Not today.")
    for one in (table, table.meta["upload_ids"][0]):
        with pytest.raises(WriteError, match=r"Not today\."):
            skyportal.undo_upload(one)
    assert len(stored(double)) == 5


def test_a_warning_points_to_the_line_of_the_user(ordinary, double):
    table = upload(ordinary, random_curve(2))
    double.faults["^DELETE"] = PortalError(400, "Not today.")
    with pytest.warns(InputWarning, match=r"Not today\.") as caught:
        assert not ordinary.undo_upload(table, on_error="warn")["ok"].any()
    assert [one.filename for one in caught] == [__file__]


def test_undo_leaves_what_may_have_been_there(skyportal, double, losing):
    losing("POST /api/photometry")
    table = upload(skyportal, random_curve(3))
    with (
        pytest.warns(InputWarning, match="3 rows stay") as caught,
        pytest.raises(InvalidQueryError, match="not known which of the 3 rows of upload were new"),
    ):
        skyportal.undo_upload(table)
    assert [one.filename for one in caught] == [__file__]
    assert len(stored(double)) == 3


@pytest.mark.parametrize("account", ["skyportal", "ordinary"])
def test_a_lost_undo_is_read_back_and_not_repeated(request, account, double, losing):
    client = request.getfixturevalue(account)
    table = upload(client, random_curve(3))
    losing("DELETE")
    undone = client.undo_upload(table)
    assert undone["ok"].all()
    assert "points are still there" in undone["message"][0]
    assert len(deletions(double)) == (1 if account == "skyportal" else 3)


@pytest.mark.parametrize("ending", [".ecsv", ".parquet", ".fits"])
def test_an_upload_is_undone_from_a_file(skyportal, double, tmp_path, ending):
    """On another day, by another process."""
    lc = random_curve(6)
    upload(skyportal, lc[:2])
    write_table(upload(skyportal, lc), tmp_path / f"upload{ending}")
    skyportal.undo_upload(read_table(tmp_path / f"upload{ending}"))
    assert len(stored(double)) == 2
    assert len(deletions(double)) == 1


def test_a_table_without_its_source(skyportal, double):
    table = upload(skyportal, random_curve(2))
    del table.meta["source_id"]
    with pytest.raises(InvalidQueryError, match="has no 'source_id'"):
        skyportal.undo_upload(table)
    assert deletions(double) == []


@pytest.mark.parametrize("point", [1, 2])
def test_ctrl_c_keeps_what_became_of_all(request, point, double, monkeypatch):
    client = request.getfixturevalue("skyportal" if point == 1 else "ordinary")
    table = upload(client, random_curve(3))
    deleted = []

    def change(method, path, payload=None):
        deleted.append(path)
        if len(deleted) == point:
            raise KeyboardInterrupt
        return original(method, path, payload)

    original = client._change
    monkeypatch.setattr(client, "_change", change)
    with pytest.raises(KeyboardInterrupt) as caught:
        client.undo_upload(table)
    mask = caught.value.result["ok"].mask.tolist()
    assert mask == ([True] if point == 1 else [False, True, False])


def test_the_tokens_of_the_profile_are_nowhere(skyportal, double):
    """It is asked whose points are whose, and lists all tokens."""
    table = upload(skyportal, random_curve(2))
    double.faults["GET /api/internal/profile"] = PortalError(500, "11111111-aaaa in words")
    with pytest.raises(Exception, match="profile") as caught:
        skyportal.undo_upload(table)
    assert "11111111-aaaa" not in f"{caught.value!r} {caught.value}"
    assert len(stored(double)) == 2


def test_rows_for_three_groups(skyportal, double):
    """12,000 rows: as many as the server's database takes at once, and no more."""
    lc = random_curve(12_000)
    groups = ["ATLAS transients", "Second group", 5]
    table = upload(skyportal, lc, groups)
    assert table["ok"].all() and len(stored(double)) == 12_000
    sizes = [len(json.loads(body)["mjd"]) for body in double.bodies if body]
    assert sizes == [4095, 4095, 3810]
    assert all(size * 4 * 4 <= 65_535 for size in sizes)


def test_a_server_that_adds_groups_by_itself(skyportal, double):
    """What its database refuses is halved until it takes it."""
    groups = double.state.groups
    for number in range(10, 30):
        groups[number] = {**groups[3], "id": number, "single_user_group": True}
        next(iter(double.state.users.values()))["groups"].add(number)
    table = skyportal.upload_photometry(random_curve(1500), SOURCE, 1, 3)
    assert table["ok"].all() and len(stored(double)) == 1500
    assert len(double.asked("POST /api/photometry")) == 7


def test_two_points_of_one_time(ordinary, double):
    lc = light_curve([60000.1, 60000.1], "o", [1.0, 2.0], [1.0, 1.0])
    table = upload(ordinary, lc)
    ordinary.undo_upload(table[:1])
    assert [p["flux"] for p in stored(double)] == [2.0]
