"""One object: what is known of it, its periods and its pictures, and what is refused."""

import base64
import json
import struct
import zlib

import astropy.units as u
import numpy as np
import pytest

from atlasquery.exceptions import InvalidQueryError, NotFoundError, TableParseError
from atlasquery.lccserver.objects import decode_object
from atlasquery.lccserver.pictures import decode_picture
from atlasquery.sandbox.lccserver.messages import failed, json_reply


def png(width=3, height=2, *, reply=None, extra=b""):
    """Return a small image, made by hand, which may say that it is larger."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", *(reply or (width, height)), 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes(height * (width + 1)))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts + extra


def text(data):
    return base64.b64encode(data).decode()


HUGE = png(reply=(1 << 20, 1 << 20))
PAGE = {
    "objectid": "SYA-0000002", "pfmethods": ["0-gls", "1-<b>bls</b>"],
    "objectinfo": {"ra": 10.5, "decl": -20.0, "ndet": 50, "jmag": 9.5, "sdssr": None,
                   "objecttags": "<script>alert(1)</script>eclipsing & \x1b[31mred"},
    "varinfo": {"objectisvar": 1, "vartags": "EB", "features": {"median": 10.5, "mad": 0.125}},
    "finderchart": text(png(5, 4)), "magseries": None,
    "objectcomments": "<img src=x onerror=alert(1)>",
    "0-gls": {"bestperiod": 1.5, "nbestperiods": [1.5, 3.0], "periodogram": text(png(7, 7)),
              "phasedlc0": {"plot": text(png()), "period": 1.5, "epoch": 2457000.5},
              "phasedlc1": {"plot": None, "period": 3.0, "epoch": None}},
    "1-<b>bls</b>": {"bestperiod": 2.0, "nbestperiods": [], "periodogram": ""},
}  # fmt: skip


def decoded(**changes):
    return decode_object(json.dumps(PAGE | changes).encode(), "SYA-0000002", "synth_alpha")


@pytest.fixture
def page(double):
    double.faults["GET /api/object"] = json_reply(
        {"status": "ok", "result": PAGE, "message": "found"}
    )
    return double


def test_the_recorded_object(samples):
    reply = json.loads(samples("object_ok.json"))["result"]
    found = decode_object(json.dumps(reply).encode(), "SYA-0000001", "synth_alpha")
    assert found.info["jmag"] == 14.516 and found.info["gaiaid"] is None
    assert found.variability["features"]["stetsonj"] == reply["varinfo"]["features"]["stetsonj"]
    assert found.periods["period"].tolist() == reply["0-gls"]["nbestperiods"]
    assert found.periods["period"].unit == u.day
    assert found.periods["epoch"].mask.tolist() == [False, False, False, True, True]
    assert found.periods["epoch"][0] == 2457081.9515241
    assert found.finding_chart is None and list(found.periodograms) == ["0-gls"]
    assert [curve.period.value for curve in found.folded] == reply["0-gls"]["nbestperiods"][:3]
    assert found.magnitude_series.data == base64.b64decode(reply["magseries"])
    # Of a PNG, the size stands after its signature and the name of its first part.
    size = struct.unpack(">II", base64.b64decode(reply["magseries"])[16:24])
    assert (found.magnitude_series.width, found.magnitude_series.height) == size
    assert found.coordinates.ra.deg == 290.621375
    assert len(found.pictures) == 5 and found._repr_html_().count("<img ") == 5


def test_what_comes_of_an_answer(lcc, page):
    found = lcc.get_object("SYA-0000002", "synth-alpha")
    assert page.asked("/api/object")[0].query == {
        "objectid": ["SYA-0000002"], "collection": ["synth_alpha"],
    }  # fmt: skip
    assert found.periods["method"].tolist() == ["0-gls", "0-gls", "1-<b>bls</b>"]
    assert found.periods["period"].tolist() == [1.5, 3.0, 2.0]
    assert found.periods["rank"].tolist() == [0, 1, 0]
    assert found.folded[1].picture is None and found.folded[1].epoch is None
    assert found.folded[0]._repr_png_() == png()
    assert found.finding_chart._repr_png_() == png(5, 4)
    assert found.meta["server"] == page.url and "key" not in str(found.meta).lower()
    assert lcc.get_object("SYA-0000002", "synth_alpha").info == found.info
    assert len(page.asked("/api/object")) == 1


def test_nothing_of_a_server_is_taken_for_markup(lcc, page):
    found = lcc.get_object("SYA-0000002", "synth_alpha")
    shown = found._repr_html_()
    assert "<script" not in shown and "onerror" not in shown and "<b>" not in shown
    assert "&lt;b&gt;bls" in shown and "eclipsing &amp; " in shown
    assert shown.count("data:image/png;base64,") == len(found.pictures) == 3
    assert "\x1b" not in str(found) and "variable, EB" in str(found)
    assert "10h" not in str(found) and "0h42m00.00s" in str(found)


@pytest.mark.parametrize(
    "data",
    [
        "<svg onload=alert(1)>", text(b"<svg onload=alert(1)>"), text(b"GIF89a"), 7,
        text(png()[:-3]), text(png(extra=b"<script>")), text(png().replace(b"IHDR", b"IDAT", 1)),
        text(png()[:40] + b"x" + png()[41:]), text(HUGE), text(png(0, 5)),
        'x" onerror="alert(1)',
    ],
)  # fmt: skip
def test_a_picture_that_is_none_is_refused(data):
    with pytest.raises(TableParseError, match="picture of finding chart is not a PNG image"):
        decoded(finderchart=data)


def test_pictures_are_written_whole(tmp_path):
    picture = decode_picture(text(png(6, 5)), "it")
    assert repr(picture) == "<LCCPicture of it: PNG, 6 x 5 pixels>"
    picture.save(tmp_path / "it.png")
    assert (tmp_path / "it.png").read_bytes() == png(6, 5)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        picture.save(tmp_path / "it.png")
    picture.save(tmp_path / "it.png", overwrite=True)
    with pytest.raises(InvalidQueryError, match=r"should end in \.png"):
        picture.save(tmp_path / "it.html")


def test_odd_answers():
    bare = decoded(pfmethods=None, objectinfo=None, varinfo=[1], finderchart=None)
    assert len(bare.periods) == 0 and bare.periods["period"].unit == u.day
    assert bare.info == bare.variability == {} and bare.coordinates is None
    assert bare.pictures == [] and "<img" not in bare._repr_html_()
    odd = decoded(objectinfo={"ra": float("nan"), "decl": 2.0}, pfmethods=["0-gls", "missing", 7])
    assert odd.info["ra"] is None and odd.coordinates is None and len(odd.periods) == 2
    one = decoded(pfmethods=["0-gls"], **{"0-gls": {"bestperiod": "soon", "phasedlc0": 5}})
    assert len(one.periods) == 0 and one.folded == []
    with pytest.raises(TableParseError, match="'NGC 1' came in place of SYA-0000002"):
        decoded(objectid="NGC 1")
    with pytest.raises(TableParseError, match="are not a JSON object"):
        decode_object(b"[]", "SYA-0000002", "synth_alpha")


def test_what_is_not_there(lcc, double):
    words = "could not find information for object SYA-9 in collection synth_alpha"
    double.faults["GET /api/object"] = json_reply(failed(words), 404)
    with pytest.raises(NotFoundError, match="or the server has never looked") as error:
        lcc.get_object("SYA-9", "synth_alpha")
    assert words in str(error.value) and error.value.status == 404


@pytest.mark.parametrize(
    ("objectid", "collection", "words"),
    [
        ("SYA-1", "synth_alhpa", "did you mean 'synth_alpha'"),
        ("SYA-1", None, "should be the name of one collection"),
        ("", "synth_alpha", "is not the name of an object"),
        ("../../etc", "synth_alpha", "is not the name of an object"),
        (7, "synth_alpha", "is not the name of an object"),
    ],
)
def test_wrong_names_send_nothing(lcc, double, objectid, collection, words):
    with pytest.raises(InvalidQueryError, match=words):
        lcc.get_object(objectid, collection)
    assert not double.asked("/api/object")


def test_the_real_server(real_url, tmp_path):
    from atlasquery.lccserver import LCCServerClass

    client = LCCServerClass(real_url)
    client.cache_location = tmp_path
    found = client.get_object("SYA-0000001", "synth-alpha")
    assert np.isclose(found.periods["period"][0], 0.35, atol=0.01)
    assert all(picture.data.startswith(b"\x89PNG") for picture in found.pictures)
    assert len(found.pictures) == 5
    for unknown in ("SYA-0000100", "NOPE"):
        with pytest.raises(NotFoundError, match="never looked for its periods"):
            client.get_object(unknown, "synth_alpha")


def test_a_verdict_of_another_type_is_shown_as_none():
    from atlasquery.lccserver.objects import _variability

    assert _variability({"objectisvar": [1], "vartags": "EB"}) == "EB"
    assert _variability({"objectisvar": 1, "vartags": None}) == "variable"
