"""Lists of an account, unsaving, attachments and offset stars."""

import astropy.units as u
import pytest
from lost_answers import Losing

from atlasquery.exceptions import (
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    WriteError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, envelope

A, B = "ATLAS24abc", "ATLAS24abd"


@pytest.fixture(autouse=True)
def _sources(double):
    double.state.add_source(A, 150.1163, 2.2058, group_ids=(3, 4))
    double.state.add_source(B, 10.0, -20.0)


def test_a_list_is_added_to_and_taken_from(skyportal, double):
    table = skyportal.add_to_list([A, B], "favorites")
    assert table["ok"].all() and table["id"].tolist() == [1, 2]
    assert skyportal.add_to_list(A, "favorites")["message"].tolist() == ["Was on the list already."]
    found = skyportal.list_listings("favorites")
    assert found["source_id"].tolist() == [A, B]
    assert found["created_at"].scale == "utc"
    plan = skyportal.remove_from_list([A, "C"], "favorites", dry_run=True)
    assert plan["endpoint"].tolist() == ["", "listing/1"]
    table = skyportal.remove_from_list([A, "C"], "favorites")
    assert table["source_id"].tolist() == ["C", A] and table["ok"].all()
    assert skyportal.list_listings(cache=False)["source_id"].tolist() == [B]
    with pytest.warns(NoResultsWarning):
        skyportal.list_listings("rejected_candidates")
    with pytest.raises(WriteError, match="Cannot find Obj"):
        skyportal.add_to_list("NOPE", "favorites")


def test_lost_answers_of_lists_are_read_back(skyportal, double):
    Losing(double, "POST")
    assert skyportal.add_to_list(A, "favorites")["id"].tolist() == [1]
    Losing(double, "DELETE")
    assert skyportal.remove_from_list(A, "favorites")["ok"].tolist() == [True]
    assert len(double.asked("^(POST|DELETE)")) == 2


def test_lists_that_cannot_be(skyportal, double):
    for name in ("", " x", "-x", 5, None):
        with pytest.raises(InvalidQueryError, match="list_name="):
            skyportal.add_to_list(A, name)
    with pytest.raises(InvalidQueryError, match="arcsec and cadence"):
        skyportal.add_to_list(A, "watchlist")
    assert double.received == []
    params = {"arcsec": 2, "cadence": 1}
    assert skyportal.add_to_list(A, "watchlist", params=params)["ok"].all()
    assert skyportal.list_listings()["params"].tolist() == ['{"arcsec":2,"cadence":1}']


def test_a_source_is_taken_out_of_a_group(skyportal, double):
    table = skyportal.unsave_source(A, "Second group")
    assert table["ok"].tolist() == [True]
    assert set(double.state.saved[A]) == {3}
    again = skyportal.unsave_source(A, 4)
    assert again["message"].tolist() == ["Was in none of the groups [4]."]
    with pytest.raises(WriteError, match=r"still saved to the groups \[3\]") as caught:
        skyportal.unsave_source([A, B], [3, 4])
    assert caught.value.result["ok"].tolist() == [False, False]
    assert set(double.state.saved[A]) == {3}
    Losing(double, "POST")
    assert "it is in none of them" in skyportal.unsave_source(A, 3)["message"][0]
    with pytest.raises(InvalidQueryError, match="groups=None"):
        skyportal.unsave_source(A, None)
    with pytest.raises(WriteError, match="NOPE not found"):
        skyportal.unsave_source("NOPE", 3)


def test_attachments(skyportal, double, tmp_path):
    path = tmp_path / "plot.json"
    # It looks like a response of the server.
    path.write_bytes(b'{"status": "error", "message": "no"}')
    table = skyportal.add_comment([A, B], "See the file.", attachment=path)
    assert table["ok"].all()
    assert double.state.comments[1]["attachment_name"] == "plot.json"
    assert skyportal.get_attachment(A, 1) == path.read_bytes()
    skyportal.add_comment(A, "Bytes.", attachment=("a.txt", b"\xff\x00hello"))
    assert skyportal.get_attachment(A, 3) == b"\xff\x00hello"
    comments = skyportal.get_comments(A)
    assert comments["attachment_name"].tolist() == ["plot.json", "a.txt"]
    Losing(double, "POST")
    lost = skyportal.add_comment(A, "Lost.", attachment=("b.txt", b"x"))
    assert lost["ok"].tolist() == [True] and lost["id"].tolist() == [4]
    skyportal.add_comment(A, "None.")
    for number in (5, 99):
        with pytest.raises(NotFoundError, match=f"no attachment of comment {number} of {A}"):
            skyportal.get_attachment(A, number)


def test_attachments_that_are_wrong(skyportal, double, tmp_path):
    (tmp_path / "empty").touch()
    for wrong in (tmp_path / "none", tmp_path / "empty", 5, ("a.txt",), ("", b"x"), ("a", "text")):
        with pytest.raises(InvalidQueryError, match="attachment="):
            skyportal.add_comment(A, "x", attachment=wrong)
    assert double.received == []


def test_offset_stars(skyportal, double):
    stars = skyportal.get_offset_stars(A)
    assert stars["name"].tolist() == [A, f"{A}_k1"]
    assert stars["ra"].unit == u.deg and stars["mag"].mask.tolist() == [True, False]
    assert stars["offset_east"].quantity[1] == 3.872 * u.arcsec
    # From the star to the source: it lies north of it.
    assert stars["offset_north"].quantity[1] == -9.923 * u.arcsec
    assert stars["starlist"][1].startswith(f"{A}_k1   10 00 27.65")
    assert "&nbsp;" not in stars.meta["starlist"] and A in stars.meta["starlist"]
    assert len(skyportal.get_offset_stars(A, offset_stars=0)) == 1
    with pytest.raises(InvalidQueryError, match="offset_stars=9"):
        skyportal.get_offset_stars(A, offset_stars=9)
    with pytest.raises(RemoteServiceError, match="Invalid facility"):
        skyportal.get_offset_stars(A, facility="VLT")
    double.faults["offsets"] = PortalError(404, "Source not found")
    with pytest.raises(NotFoundError):
        skyportal.get_offset_stars(B)


def test_a_starlist_with_a_line_of_names(skyportal, double):
    """As that of NGPS at the P200: its first line is no star."""
    head, line = (
        "NAME,RA,DECL,OFFSET_RA,OFFSET_DEC,COMMENT",
        "S1_o1,10:00:27.65,2:12:30.8,3.8,-9.9,",
    )
    double.faults["offsets"] = Response(200, envelope({
        "facility": "P200-NGPS", "starlist_str": f"{head}\n{line}",
        "starlist_info": [
            {"str": head},
            {"str": line, "ra": 150.1, "dec": 2.2, "name": "S1_o1", "dras": '3.800" E',
             "ddecs": '9.900" S', "mag": 15.5, "pa": 158.7},
        ],
    }))  # fmt: skip
    stars = skyportal.get_offset_stars(A, facility="P200-NGPS")
    assert stars["name"].tolist() == ["S1_o1"] and stars["offset_north"][0] == -9.9
    assert stars.meta["starlist"].splitlines() == [head, line]
