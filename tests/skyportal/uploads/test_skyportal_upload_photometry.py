"""Upload a light curve: no row lost, none twice, each with the outcome of it."""

import json
import warnings

import numpy as np
import pytest
from light_curves import NAN, light_curve, random_curve
from lost_answers import Losing

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    LoginError,
    WriteError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.routes import PortalError, html
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.skyportal.uploads import sender
from atlasquery.tables import write_table

SOURCE = "ATLAS24abc"


@pytest.fixture(autouse=True)
def _source(double):
    double.state.add_source(SOURCE, 150.1163, 2.2058)


def stored(double):
    return sorted(double.state.points.values(), key=lambda point: point["id"])


def writes(double):
    return double.asked(r"^(POST|PUT|DELETE) ")


def upload(skyportal, lc, **options):
    return skyportal.upload_photometry(lc, SOURCE, "ATLAS", "ATLAS transients", **options)


def test_what_is_uploaded_is_what_is_there(skyportal, double):
    lc = random_curve(200)
    table = upload(skyportal, lc, origin="fp")
    points = stored(double)
    assert [p["mjd"] for p in points] == lc["time"].mjd.tolist()
    assert [p["flux"] for p in points] == lc["flux"].unmasked.value.tolist()
    assert [p["fluxerr"] for p in points] == lc["flux_err"].unmasked.value.tolist()
    assert [p["filter"] for p in points] == [f"atlas{band}" for band in lc["band"]]
    assert {(p["origin"], tuple(p["group_ids"])) for p in points} == {("fp", (3, 2))}
    assert table["ok"].all()
    assert table["new"].all()
    assert table["id"].tolist() == [p["id"] for p in points]
    assert table.meta["upload_ids"] == [points[0]["upload_id"]]
    assert writes(double) == ["POST /api/photometry"]


def test_twice_changes_nothing(skyportal, double):
    lc = light_curve(
        [60000.1, 60001.1, 60002.1, 60003.1], ["o", "o", "c", "c"],
        [10.5, -3.0, NAN, NAN], [1.0, 2.0, 3.0, NAN], limit=[NAN, NAN, NAN, 19.5],
    )  # fmt: skip
    first = upload(skyportal, lc)
    before = stored(double)
    again = upload(skyportal, lc)
    assert stored(double) == before
    assert again["id"].tolist() == first["id"].tolist()
    assert again["ok"].all()
    assert not again["new"].any()
    assert set(again["message"]) == {"Was there already."}
    assert again.meta["upload_ids"] == []


def test_a_longer_light_curve_adds_what_is_new(skyportal, double):
    lc = random_curve(30)
    upload(skyportal, lc[:20])
    table = upload(skyportal, lc)
    assert len(stored(double)) == 30
    assert table["new"].tolist() == [False] * 20 + [True] * 10
    # What is missing is posted, so that it has an upload id.
    assert table["upload_id"].mask.tolist() == [True] * 20 + [False] * 10
    assert table.meta["upload_points"] == [10]


def test_limits_keep_their_meaning(skyportal, double):
    lc = light_curve([60000.0, 60001.0], "o", [NAN, NAN], [7.0, NAN], limit=[18.0, 19.5])
    upload(skyportal, lc)
    flux, limit = stored(double)
    assert (flux["flux"], flux["fluxerr"], flux["limiting_mag"]) == (None, 7.0, None)
    # 5 errors, and not the server's 3.
    assert limit["limiting_mag"] == 19.5
    assert limit["fluxerr"] == pytest.approx(10 ** (0.4 * (23.9 - 19.5)) / 5, rel=1e-12)


def test_nan_never_reaches_the_wire(skyportal, double):
    upload(skyportal, light_curve([60000.0], "o", [NAN], [7.0]), altdata=["limiting_mag"])
    (body,) = [body for body in double.bodies if body]
    assert b"NaN" not in body
    assert json.loads(body)["altdata"] == {"limiting_mag": [None]}


def test_chunks_of_ten_thousand(skyportal, double):
    lc = random_curve(12_345)
    table = upload(skyportal, lc)
    sizes = [len(json.loads(body)["mjd"]) for body in double.bodies if body]
    # For two groups, of which one is the account's own.
    assert sizes == [8191, 4154]
    assert table["ok"].all()
    assert len(table.meta["upload_ids"]) == 2
    assert [p["mjd"] for p in stored(double)] == lc["time"].mjd.tolist()


def test_requests_stay_below_the_largest_body(skyportal, double, monkeypatch):
    monkeypatch.setattr(sender, "MOST_BYTES", 3000)
    table = upload(skyportal, random_curve(100))
    bodies = [body for body in double.bodies if body]
    assert len(bodies) > 2
    assert max(map(len, bodies)) <= 3000
    assert table["ok"].all()
    assert len(stored(double)) == 100


def test_a_server_with_a_lower_limit(skyportal, double):
    double.faults["POST /api/photometry$"] = [html(413, "Request Entity Too Large")]
    table = upload(skyportal, random_curve(10))
    assert table["ok"].all()
    assert len(stored(double)) == 10
    assert writes(double) == ["POST /api/photometry"] * 3


def test_half_failing_loses_nothing_and_says_which_rows(skyportal, double, monkeypatch):
    monkeypatch.setattr(sender, "MOST_ROWS", 10)
    refusal = PortalError(400, "Invalid group IDs: {3}. Available group IDs: set()")
    double.faults["(POST|PUT) /api/photometry$"] = [None, refusal, refusal, None]
    lc = random_curve(30)
    with pytest.raises(WriteError) as caught:
        upload(skyportal, lc)
    table = caught.value.result
    assert table["ok"].tolist() == [True] * 10 + [False] * 10 + [True] * 10
    assert [name for name, _ in caught.value.failures] == [f"row {n}" for n in range(10, 20)]
    assert "10 of 30 rows failed; the first, for row 10" in str(caught.value)
    assert "Invalid group IDs" in table["message"][10]
    assert len(stored(double)) == 20
    # And once more: the rest arrives, nothing is there twice.
    again = upload(skyportal, lc)
    assert again["ok"].all()
    assert [p["mjd"] for p in sorted(stored(double), key=lambda p: p["mjd"])] == sorted(
        lc["time"].mjd.tolist()
    )


@pytest.fixture
def losing(double):
    original = double._routed
    yield lambda pattern, times=1: Losing(double, pattern, times)
    double._routed = original


def test_a_lost_answer_is_asked_for_again_without_harm(skyportal, double, losing):
    losing("POST /api/photometry")
    lc = random_curve(10)
    table = upload(skyportal, lc)
    assert len(stored(double)) == 10
    assert table["ok"].all()
    assert table["id"].tolist() == [p["id"] for p in stored(double)]
    # It cannot be told whether they were new: an undo leaves them.
    assert table["new"].mask.all()
    assert "At first: response lost (" in table["message"][0]
    assert writes(double) == ["POST /api/photometry", "PUT /api/photometry"]


def test_two_lost_answers_are_read_back(skyportal, double, losing):
    losing("(POST|PUT) /api/photometry$", 2)
    lc = light_curve(
        [60000.0, 60001.0, 60002.0], "o", [1.5, NAN, NAN], [1.0, 2.0, NAN], limit=[NAN, NAN, 19.0]
    )
    table = upload(skyportal, lc, origin="fp")
    assert table["ok"].all()
    assert table["id"].tolist() == [1, 2, 3]
    assert "it is there" in table["message"][0]


def test_what_was_never_stored_stays_unknown_while_the_server_may_be_at_it(skyportal, double):
    double.faults["(POST|PUT) /api/photometry$"] = [html(504, "Gateway Time-out")] * 2
    with pytest.raises(WriteError, match=r"3 of 3 rows failed \(3 of them may be done\)") as caught:
        upload(skyportal, random_curve(3))
    table = caught.value.result
    assert table["ok"].mask.all()
    assert "may still be working on it" in table["message"][0]
    assert stored(double) == []


def test_a_failure_in_the_servers_own_words_is_final(skyportal, double):
    failure = PortalError(500, "Traceback (most recent call last):\n  x\nValueError: no disk")
    double.faults["(POST|PUT) /api/photometry$"] = [failure] * 2
    with pytest.raises(WriteError) as caught:
        upload(skyportal, random_curve(2))
    assert caught.value.result["ok"].tolist() == [False, False]
    assert "ValueError: no disk" in caught.value.result["message"][0]


def test_what_cannot_be_sent_is_refused_before_anything_is(skyportal, double):
    lc = light_curve([1.0, 2.0, 3.0], ["o", "w", "o"], [1.0, 2.0, 3.0], [1.0, 1.0, 0.0])
    with pytest.raises(InvalidQueryError, match="2 of the 3 rows of lc cannot be sent: row 1: "):
        upload(skyportal, lc)
    assert writes(double) == []
    with pytest.warns(InputWarning, match="2 of 3 rows failed; the first, for row 1"):
        table = upload(skyportal, lc, on_error="warn")
    assert table["ok"].tolist() == [True, False, False]
    assert table["message"][2] == "Not sent: flux_err=0 should be above 0."
    assert [p["flux"] for p in stored(double)] == [1.0]


def test_rows_left_out_by_choice_are_no_failure(skyportal, double):
    lc = light_curve([1.0, 2.0], "o", [1.0, 2.0], [1.0, 1.0], flag=[0, 512])
    with pytest.raises(InvalidQueryError, match="flagged='skip'"):
        upload(skyportal, lc)
    table = upload(skyportal, lc, flagged="skip")
    assert table["ok"].tolist() == [True, False]
    assert table["message"][1] == "Not sent: flagged OUTLIER."
    assert len(stored(double)) == 1


def test_same_rows_have_one_point(skyportal, double):
    lc = light_curve([1.0, 1.0], "o", [2.0, 2.0], [1.0, 1.0])
    table = upload(skyportal, lc)
    assert table["ok"].tolist() == [True, True]
    assert table["id"].tolist() == [1, 1]
    assert table["message"][1].startswith("Same as row 0.")
    assert len(stored(double)) == 1


def test_dry_run_sends_nothing_and_shows_all(skyportal, double):
    lc = light_curve([60000.5, 2.0], "o", [NAN, NAN], [3.5, 0.0], limit=[19.0, NAN])
    table = upload(skyportal, lc, dry_run=True, origin="fp")
    assert writes(double) == []
    assert table["ok"].mask[0]
    assert json.loads(table["payload"][0]) == {
        "mjd": 60000.5, "filter": "atlaso", "flux": None, "fluxerr": 3.5,
    }  # fmt: skip
    assert table["message"].tolist() == [
        "Dry run: not sent.",
        "Not sent: neither a flux with its error nor a limit is known.",
    ]
    assert table.meta["shared"]["flux"] == {
        "obj_id": SOURCE, "instrument_id": 1, "group_ids": [3], "origin": "fp", "magsys": "ab",
        "zp": 23.9,
    }  # fmt: skip


def test_names_and_numbers_of_instruments_and_groups(skyportal, double):
    lc = light_curve([1.0], "o", [1.0], [1.0])
    skyportal.upload_photometry(lc, SOURCE, 1, [3, 4])
    assert stored(double)[0]["group_ids"] == [3, 4, 2]
    with pytest.raises(InvalidQueryError, match="instrument='ATLSA' is not known; did you mean"):
        skyportal.upload_photometry(lc, SOURCE, "ATLSA")
    with pytest.raises(InvalidQueryError, match="groups='Second' is not known"):
        skyportal.upload_photometry(lc, SOURCE, 1, "Second")
    with pytest.raises(InvalidQueryError, match="source_ids='a b'"):
        skyportal.upload_photometry(lc, "a b", 1)
    assert len(writes(double)) == 1


def test_without_groups_and_for_all(skyportal, double):
    skyportal.upload_photometry(light_curve([1.0], "o", [1.0], [1.0]), SOURCE, 1)
    skyportal.upload_photometry(light_curve([2.0], "o", [1.0], [1.0]), SOURCE, 1, "all")
    assert [p["group_ids"] for p in stored(double)] == [[2], [3, 2]]


def test_a_read_only_token_says_so_once(reader, double):
    with pytest.raises(WriteError, match="does not have the permission") as caught:
        reader.upload_photometry(random_curve(2), SOURCE, 1, 3)
    assert isinstance(caught.value.__cause__, LoginError)
    assert caught.value.result["ok"].tolist() == [False, False]
    assert writes(double) == ["POST /api/photometry"]


def test_no_token_no_upload(anonymous, double):
    double.anonymous = True
    with pytest.raises(LoginError):
        anonymous.upload_photometry(random_curve(2), SOURCE, 1, 3)
    assert writes(double) == []


def test_an_unknown_source_is_named(skyportal, double):
    with pytest.raises(WriteError, match="Invalid object ID: NOPE"):
        skyportal.upload_photometry(random_curve(2), "NOPE", 1, 3)


def test_another_group_is_added_to_what_is_there(skyportal, double):
    lc = random_curve(3)
    upload(skyportal, lc)
    table = skyportal.upload_photometry(lc, SOURCE, "ATLAS", "Second group")
    assert not table["new"].any()
    assert [p["group_ids"] for p in stored(double)] == [[3, 2, 4]] * 3


def test_a_source_whose_photometry_cannot_be_read(skyportal, double):
    """What was refused is put anyway; whether it was new is not known."""
    lc = random_curve(3)
    upload(skyportal, lc)
    double.faults["GET .*photometry"] = PortalError(403, "Insufficient permissions")
    table = upload(skyportal, lc)
    assert table["ok"].all()
    assert table["new"].mask.all()
    assert set(table["message"]) == {"Stored, now or before."}


def test_ctrl_c_keeps_the_ledger(skyportal, double, monkeypatch):
    monkeypatch.setattr(sender, "MOST_ROWS", 5)
    calls = []

    def change(method, path, payload):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(method, path, payload)

    original = skyportal._change
    monkeypatch.setattr(skyportal, "_change", change)
    with pytest.raises(KeyboardInterrupt) as caught:
        upload(skyportal, random_curve(15))
    table = caught.value.result
    assert table["ok"].mask.tolist() == [False] * 5 + [True] * 5 + [False] * 5
    assert table["ok"].filled(False).tolist() == [True] * 5 + [False] * 10
    assert table["message"][12] == "Not tried."


def test_an_old_server_with_another_message_for_duplicates(skyportal, double):
    """Whatever it calls a duplicate, the update decides."""
    lc = random_curve(4)
    upload(skyportal, lc)
    double.faults["POST /api/photometry$"] = [PortalError(400, "schon vorhanden")]
    table = upload(skyportal, lc)
    assert table["ok"].all()
    assert not table["new"].any()


def test_an_answer_without_numbers_is_read_back(skyportal, double):
    double.faults["POST /api/photometry$"] = [
        Response(200, {"status": "success", "data": {"ids": [1]}, "version": "9"})
    ]
    with pytest.raises(WriteError, match="1 numbers for 3 rows"):
        upload(skyportal, random_curve(3))


def test_what_a_table_says_is_quiet(skyportal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = upload(skyportal, random_curve(3))
    assert table.colnames == ["row", "mjd", "filter", "ok", "id", "new", "upload_id", "message"]
    assert table["id"].dtype == np.int64
    assert all(table[name].description for name in table.colnames)


@pytest.mark.parametrize(
    ("survey", "bands", "instrument"),
    [("atlas", "oc", 1), ("ztf", "gri", 2), ("lsst", "ugrizy", 3), ("somewhere", ["sdssg"], 4)],
)
def test_read_back_to_the_last_digit(skyportal, double, survey, bands, instrument):
    double.state.instruments[3] = {
        "id": 3, "name": "LSSTCam", "telescope_id": 1, "filters": [f"lsst{b}" for b in "ugrizy"],
    }  # fmt: skip
    double.state.instruments[4] = {
        "id": 4, "name": "Somewhere", "telescope_id": 1, "filters": ["sdssg"],
    }  # fmt: skip
    rng = np.random.default_rng(3)
    n = 300
    mjd = np.sort(60000 + 100 * rng.random(n))
    band = rng.choice(list(bands), n)
    lc = light_curve(mjd, band, rng.normal(0, 200, n), 1 + rng.random(n), survey=survey)
    skyportal.upload_photometry(lc, SOURCE, instrument, "ATLAS transients", origin="fp")
    back = skyportal.get_photometry(SOURCE)
    assert back["time"].scale == "utc"
    assert np.array_equal(back["time"].mjd, lc["time"].mjd)
    assert np.array_equal(back["flux"].unmasked, lc["flux"].unmasked)
    assert np.array_equal(back["flux_err"].unmasked, lc["flux_err"].unmasked)
    assert not back["flux"].mask.any()
    assert back["band"].tolist() == lc["band"].tolist()
    assert set(back["survey"]) == {survey}
    assert set(back["origin"]) == {"fp"}


def test_read_back_of_limits_and_of_other_time_scales(skyportal):
    utc = np.array([60000.25, 60001.5, 60002.75])
    lc = light_curve(utc, "o", [NAN, NAN, 5.5], [NAN, 4.0, 1.0], limit=[19.5, 18.0, 19.0])
    tdb = lc.copy()
    tdb["time"] = lc["time"].tdb
    upload(skyportal, tdb)
    back = skyportal.get_photometry(SOURCE)
    assert np.abs(back["time"].mjd - utc).max() < 1e-9
    assert back["flux"].mask.tolist() == [True, True, False]
    assert back["limiting_mag"].unmasked.value[0] == pytest.approx(19.5, abs=1e-12)
    assert back["limiting_mag_uploaded"].unmasked.value[0] == 19.5
    five = 23.9 - 2.5 * np.log10(5 * 4.0)
    assert back["limiting_mag"].unmasked.value[1] == pytest.approx(five, abs=1e-12)


def test_what_was_read_can_be_uploaded_again(skyportal, double):
    lc = light_curve([60000.1, 60001.1], ["o", "c"], [3.25, -1.75], [1.0, 2.0])
    upload(skyportal, lc)
    table = upload(skyportal, skyportal.get_photometry(SOURCE))
    assert not table["new"].any()
    assert len(stored(double)) == 2


def test_a_cleaned_light_curve_of_atlas(skyportal, double):
    """As it comes from the ATLAS server, through `clean`, to SkyPortal and back."""
    lc = light_curve(
        [60000.1, 60000.2, 60000.3], "o", [50.0, 60.0, 70.0], [5.0, 5.0, 50.0], flag=[0, 0, 1],
        time_reference="start",
    )  # fmt: skip
    table = upload(skyportal, lc, flagged="skip", altdata=["exposure"])
    assert table.meta["time_reference"] == "start"
    back = skyportal.get_photometry(SOURCE)
    assert back["flux"].unmasked.value.tolist() == [50.0, 60.0]
    assert [json.loads(text) for text in back["altdata"]] == [
        {"exposure": "e0"},
        {"exposure": "e1"},
    ]


def test_the_token_of_a_write_is_nowhere(skyportal, double, tmp_path, caplog):
    with caplog.at_level("DEBUG"):
        table = upload(skyportal, random_curve(3))
        write_table(table, tmp_path / "upload.ecsv")
        double.faults["(POST|PUT)"] = PortalError(400, "no")
        with pytest.raises(WriteError) as caught:
            upload(skyportal, random_curve(2, seed=9))
        skyportal.get_photometry(SOURCE)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert not any(ADMIN.encode() in text for text in files)
    assert ADMIN not in f"{caplog.text} {caught.value} {caught.value.result.meta} {table.meta}"
