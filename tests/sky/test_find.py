"""One question to all services: positions, names, what changed, light curves, and failures."""

import pickle
import socket
import subprocess
import sys
import threading
import time
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from faults import FaultyServer, Reply
from supernova import ATLAS, DEC, LCC, LSST, OBJECT, RA, TNS, ZTF

from atlasquery import Findings, find
from atlasquery.alerce import Alerce
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TimeoutError,
)
from atlasquery.lccserver import LCCServerClass
from atlasquery.skyportal import SkyPortalClass
from atlasquery.tables import read_table

ALL = {"atlas", "alerce", "lccserver", "skyportal"}
COLUMNS = [
    "query_index", "service", "survey", "object_id", "name", "ra", "dec", "separation", "class",
    "n_detections", "first_time", "last_time",
]  # fmt: skip


@pytest.fixture
def faulty():
    server = FaultyServer()
    yield server
    server.stop()


@pytest.fixture
def stalling():
    server = FaultyServer()
    server.default = Reply(hold=60.0)
    yield server
    server.stop()


@pytest.fixture
def refusing():
    """The address of a port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/"


def logged_in(kind, server):
    client = kind(server)
    client.login(token="0123456789abcdef0123456789abcdef01234567")
    return client


def test_all_services_are_asked_at_once(servers, position):
    found = find(position, timeout=60)
    assert isinstance(found, Findings)
    assert set(found.services) == ALL and not found.failures and not found.skipped
    table = found.objects
    assert table.colnames == COLUMNS
    rows = {(e["service"], e["survey"]): e for e in table}
    ids = {key: row["object_id"] for key, row in rows.items()}
    assert ids == {
        ("atlas", "atlas"): str(OBJECT.atlas_id), ("alerce", "ztf"): ZTF, ("alerce", "lsst"): LSST,
        ("lccserver", "one_sky"): LCC, ("skyportal", "ztf"): ZTF,
    }  # fmt: skip
    assert rows["atlas", "atlas"]["name"] == ATLAS
    assert rows["skyportal", "ztf"]["name"] == f"SN {TNS}"
    assert (np.diff(table["separation"]) >= 0).all() and table["separation"].max() < 0.5
    units = [table[name].unit for name in ("ra", "dec", "separation")]
    assert units == [u.deg, u.deg, u.arcsec]
    alerce_table = found["alerce"]
    (ztf,) = alerce_table[alerce_table["survey"] == "ztf"]
    assert rows["alerce", "ztf"]["class"] == ztf["class_name"]
    assert rows["alerce", "ztf"]["n_detections"] == ztf["n_det"]
    assert rows["alerce", "ztf"]["last_time"].mjd == ztf["last_mjd"]
    assert rows["atlas", "atlas"]["class"] == "SN"
    assert rows["lccserver", "one_sky"]["n_detections"] is np.ma.masked
    assert isinstance(table["last_time"], Time) and table["last_time"].scale == "utc"
    assert rows["skyportal", "ztf"]["last_time"].mask
    # Times of LSST are in TAI.
    (lsst,) = alerce_table[alerce_table["survey"] == "lsst"]
    ahead = (lsst["last_mjd"] - rows["alerce", "lsst"]["last_time"].mjd) * 86400
    assert float(ahead) == pytest.approx(37, abs=1e-3)
    assert set(found.names) == {ATLAS, ZTF, f"SN {TNS}", LSST, LCC}
    assert found["atlas"]["atlas_id"].dtype == np.int64
    assert "lccserver" in found and len(found["lcc"]) == 1 and len(found) == 5


@pytest.mark.parametrize("name", [ATLAS, f"AT {TNS}", TNS, ZTF, LSST, LCC])
def test_a_name_of_one_service_leads_to_the_others(servers, name):
    found = find(name, timeout=60)
    assert set(found.objects["service"]) == ALL and len(found) == 5
    assert found.names[0] == (name if name != TNS else f"SN {TNS}")
    assert {ATLAS, ZTF, LSST, LCC} <= set(found.names) and len(found.names) == 5


def test_an_id_is_a_name_too(servers, position):
    for given in (OBJECT.atlas_id, str(OBJECT.atlas_id), np.int64(OBJECT.atlas_id)):
        found = find(given, services="atlas", timeout=60)
        assert found.objects["object_id"].tolist() == [str(OBJECT.atlas_id)]
        assert found.coordinates.separation(position) < 0.01 * u.arcsec


def test_many_targets_keep_their_numbers(servers, position):
    empty = SkyCoord(10.0, -60.0, unit="deg")
    found = find(SkyCoord([empty, position, empty, position]).reshape(2, 2), timeout=60)
    assert found.objects["query_index"].tolist() == [1] * 5 + [3] * 5
    assert found.coordinates.shape == (2, 2)
    assert [len(each) > 1 for each in found.names] == [False, True, False, True]
    by_name = find([f"{RA} {DEC}", ZTF], services="alerce", timeout=60)
    assert by_name.objects["query_index"].tolist() == [0, 0, 1, 1]
    table = Table({"RA": [10.0, RA], "Dec": [-60.0, DEC]}, units=["deg", "deg"])
    assert find(table, services="lcc", timeout=60).objects["query_index"].tolist() == [1]
    names = Table({"name": [ZTF]})
    assert ZTF in find(names, services="alerce", timeout=60).objects["object_id"]


def test_unknown_names_of_many_are_named_and_the_rest_is_searched(servers):
    with pytest.warns(InputWarning, match="ZTF18zzzzzzz"):
        found = find(["ZTF18zzzzzzz", ZTF], services="alerce", timeout=60)
    assert found.objects["query_index"].tolist() == [1, 1]
    assert np.isnan(found.coordinates[0].ra.deg)
    with pytest.raises(NotFoundError, match="ZTF18zzzzzzz"):
        find("ZTF18zzzzzzz", services="alerce", timeout=60)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": 3.5}, "target=3.5 should be a SkyCoord"),
        ({"target": []}, "target is empty"),
        ({"target": 12}, "target=12 is not an id"),
        ({"target": Table({"flux": [1.0]})}, "target is a table without"),
        ({"target": ZTF, "radius": 5}, "radius=5"),
        ({"target": ZTF, "services": "gaia"}, "services='gaia'"),
        ({"target": ZTF, "services": []}, "services is empty"),
        ({"target": ZTF, "timeout": "3 km"}, "timeout="),
        ({"target": ZTF, "since": 2460000.5}, "since=2460000.5"),
        ({"target": ZTF, "since": "2028-01-01"}, "since=.2028-01-01. is in the future"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(servers, given, message):
    with pytest.raises(InvalidQueryError, match=message.replace("[", r"\[")):
        find(**given)
    assert not servers.alerce.received and not servers.requests


def test_services_without_credentials_are_skipped_with_the_reason(servers, position, monkeypatch):
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    monkeypatch.delenv("ATLASQUERY_SKYPORTAL_TOKEN")
    found = find(position, timeout=60)
    assert set(found.skipped) == {"atlas", "skyportal"} and not found.failures
    assert "ATLASQUERY_ATLAS_TOKEN" in found.skipped["atlas"]
    with pytest.raises(KeyError, match="ATLASQUERY_ATLAS_TOKEN"):
        found["atlas"]
    with pytest.raises(LoginError, match="ATLASQUERY_ATLAS_TOKEN"):
        find(position, services="atlas", timeout=60)


def test_four_bad_services_do_not_affect_the_rest(
    servers, position, stalling, faulty, refusing, monkeypatch
):
    """One refuses connections, one stalls, one answers HTML, one is without a login."""
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    monkeypatch.setenv("ATLASQUERY_ALERCE_LSST_SERVER", stalling.url)
    faulty.default = Reply(body=b"<html><body>Maintenance</body></html>", kind="text/html")
    with (
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        found = find(
            position,
            services=[
                "atlas", LCCServerClass(refusing), Alerce, SkyPortalClass(faulty.url),
            ],
        )  # fmt: skip
    assert found.objects["object_id"].tolist() == [ZTF]
    assert set(found.failures) == {"lccserver", "alerce", "skyportal"}
    assert set(found.skipped) == {"atlas"}
    assert "refused" in str(found.failures["lccserver"])
    assert "LSST" in str(found.failures["alerce"]) and "sent nothing" in str(
        found.failures["alerce"]
    )
    assert "text/html" in str(found.failures["skyportal"])
    messages = [str(each.message) for each in caught]
    assert any(all(name in text for name in found.failures) for text in messages)
    for text in (repr(found), found._repr_html_()):
        assert all(name in text for name in ("lccserver", "alerce", "skyportal", "atlas"))
    # Neither the time limit of a minute nor the repetitions of a failed read are awaited.
    assert len(faulty.received) <= 3


@pytest.mark.usefixtures("quiet")
def test_a_time_limit_holds_for_each_service_and_its_thread_ends(servers, position, faulty):
    before = threading.active_count()
    # A byte now and then: it is alive, so that only the time limit ends it.
    faulty.default = Reply(body=b"[" + b" " * 4000, drip=0.05)
    client = logged_in(AtlasClass, faulty.url)
    found = find(position, services=[client, "alerce"], timeout=1.0)
    assert isinstance(found.failures["atlas"], TimeoutError)
    assert found.objects["object_id"].tolist() == [LSST, ZTF]
    end = time.monotonic() + 20
    while threading.active_count() > before + 2 and time.monotonic() < end:
        time.sleep(0.05)
    names = [thread.name for thread in threading.enumerate() if not thread.daemon]
    assert names == ["MainThread"] or all("find" not in name for name in names)
    assert not any("_Running" in str(t) for t in threading.enumerate())


def test_all_down_is_an_error_that_names_them_all(servers, position, refusing, faulty, monkeypatch):
    monkeypatch.delenv("ATLASQUERY_SKYPORTAL_TOKEN")
    faulty.default = Reply(status=404, body=b"<html>nothing here</html>", kind="text/html")
    with pytest.raises(IncompleteResultError) as caught:
        find(
            position,
            services=[
                logged_in(AtlasClass, refusing), LCCServerClass(faulty.url),
                SkyPortalClass(refusing),
            ],
            timeout=20,
        )  # fmt: skip
    assert {name for name, _ in caught.value.failures} == {"atlas", "lccserver", "skyportal"}
    for word in ("atlas: ", "lccserver: ", "skyportal: ", "refused", "404"):
        assert word in str(caught.value)
    assert isinstance(caught.value, RemoteServiceError)
    assert set(caught.value.result.failures) == {"atlas", "lccserver", "skyportal"}


def test_one_survey_of_alerce_may_fail_alone(servers, position):
    from atlasquery.sandbox.http import Response

    servers.alerce.faults = {"lsst": Response(404, {"detail": "gone"})}
    with pytest.warns(InputWarning, match="1 service failed"):
        found = find(position, services="alerce", timeout=60)
    assert found.objects["object_id"].tolist() == [ZTF]
    assert isinstance(found.failures["alerce"], IncompleteResultError)
    assert "LSST" in found.failures["alerce"].failures[0][0]


def test_a_stalled_service_does_not_keep_the_process(servers, stalling):
    """The thread that waits for it is a daemon, and its request has the time limit."""
    script = f"""
import warnings
warnings.simplefilter("ignore")
from astropy.coordinates import SkyCoord
from atlasquery import find
from atlasquery.alerce import Alerce
from atlasquery.atlas import AtlasClass
client = AtlasClass({stalling.url!r})
client.login(token="x" * 40)
found = find(SkyCoord({RA}, {DEC}, unit="deg"), services=[client, Alerce])
print(len(found), sorted(found.failures))
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.strip() == "2 ['atlas']"
    assert time.monotonic() - started < 45


def test_nothing_anywhere_is_an_empty_table_and_a_warning(servers):
    with pytest.warns(NoResultsWarning, match="No service that answered has an object"):
        found = find(SkyCoord(10.0, -60.0, unit="deg"), timeout=60)
    assert len(found.objects) == 0 and found.objects.colnames == COLUMNS
    assert found.objects["separation"].unit == u.arcsec
    with pytest.raises(NotFoundError, match="No service"):
        found.light_curve()


@pytest.mark.usefixtures("quiet")
def test_light_curves_are_combined(servers, position):
    found = find(position, light_curves=True, timeout=60)
    curves = found.light_curves()
    assert {lc.meta["service"] for lc in curves} == {
        "ATLAS Transient Server", "ALeRCE broker", "SkyPortal", "LCC-Server",
    }  # fmt: skip
    together = found.light_curve()
    assert len(together) == sum(len(lc) for lc in curves)
    # The LCC-Server has times at the barycentre: with it, all are.
    assert together.time.scale == "tdb"
    assert (np.diff(together.time.mjd) >= 0).all()
    assert together.meta["object"] == found.names[0]
    assert {"atlas", "alerce", "lccserver", "skyportal"} == set(together["service"])
    # The same points of ZTF come from ALeRCE and from SkyPortal.
    copies = together[~together["duplicate_of"].mask]
    assert len(copies) > 10 and set(copies["survey"]) <= {"ztf", "atlas", "lsst"}
    topocentric = find(position, services=["atlas", "alerce"], light_curves=True, timeout=60)
    assert topocentric.light_curve().time.scale == "tai"
    assert topocentric.light_curve(scale="utc").time.scale == "utc"
    with pytest.raises(InvalidQueryError, match="barycentric"):
        found.light_curve(barycentric=False)
    ends = {e["service"]: e["last_time"].mjd for e in found.objects if not e["last_time"].mask}
    assert set(ends) == {"atlas", "alerce", "skyportal"}
    # Without them they are fetched when they are needed.
    later = find(position, timeout=60)
    assert len(later.light_curve()) == len(together)
    both = find(SkyCoord([position, position]), light_curves=True, timeout=60)
    many = both.light_curve()
    assert list(many) == [0, 1] and len(many[1]) == len(together)
    with pytest.raises(InvalidQueryError, match="index is needed, from 0 to 1"):
        both.light_curves()
    # An object farther away is another one.
    beside = position.directional_offset_by(0 * u.deg, 5 * u.arcsec)
    far = find(beside, radius="10 arcsec", services="skyportal", timeout=60)
    with pytest.raises(NotFoundError):
        far.light_curve()
    near = find(position, services="skyportal", timeout=60)
    assert len(far.light_curve(within="6 arcsec")) == len(near.light_curve())
    with pytest.raises(InvalidQueryError, match="within=6 should be one angle"):
        far.light_curve(within=6)
    with pytest.raises(InvalidQueryError, match="index='ztf' should be from 0 to 0"):
        far.light_curve("ztf")


@pytest.mark.usefixtures("quiet")
def test_light_curves_that_fail_leave_the_objects(servers, position):
    from atlasquery.sandbox.skyportal.routes import PortalError

    servers.skyportal.faults = {"photometry": PortalError(403, "Not yours")}
    found = find(position, light_curves=True, timeout=60)
    assert "skyportal" in found.objects["service"] and "Not yours" in str(found.failures)
    assert {"atlas", "alerce", "lccserver"} == set(found.light_curve()["service"])
    # Those that are fetched later, too.
    later = find(position, timeout=60)
    assert {"atlas", "alerce", "lccserver"} == set(later.light_curve()["service"])
    assert "Not yours" in str(later.failures["skyportal"])
    stored = pickle.loads(pickle.dumps(later))
    # They are requested again with the next question, by those that can.
    servers.skyportal.faults = {}
    for each in (found, later):
        assert {*each.services} == set(each.light_curve()["service"])
        assert each.failures == {}
        assert not each.objects.meta["failures"]
    assert {"atlas", "alerce", "lccserver"} == set(stored.light_curve()["service"])
    assert set(stored.failures) == {"skyportal"}


@pytest.mark.usefixtures("quiet")
def test_a_key_that_is_no_service_is_an_error_that_names_the_services(servers, position):
    found = find(position, services=["alerce", "atlas"], timeout=60)
    with pytest.raises(KeyError, match=r"not a service.*'alerce'.*survey ztf are in.*'alerce'"):
        found["ztf"]
    with pytest.raises(KeyError, match=r"'skyportal' was not asked; .* are 'alerce', 'atlas'"):
        found["skyportal"]


def test_what_is_new_since_a_time(servers, position):
    last = Alerce.query_object(ZTF)["last_mjd"][0]
    found = find(position, since=last - 1, timeout=60)
    assert "lccserver" in found.skipped and "what is new" in found.skipped["lccserver"]
    assert set(found.objects["service"]) == {"atlas", "alerce", "skyportal"}
    assert found.since.mjd == last - 1
    newer = find(position, since=last + 0.5, services="alerce", timeout=60)
    # What LSST has seen since then.
    assert newer.objects["survey"].tolist() == ["lsst"]
    with pytest.warns(NoResultsWarning, match="new since"):
        assert not len(find(position, since=61366, timeout=60))


@pytest.mark.usefixtures("quiet")
def test_new_rows_of_skyportal_are_those_uploaded_since(servers, position):
    """Photometry is often uploaded long after it was measured."""
    cut = Time.now()
    for row in servers.skyportal.state.objects.values():
        row["created_at"] = row["modified"] = "2026-01-01T00:00:00"
    for groups in servers.skyportal.state.saved.values():
        for saved in groups.values():
            saved["saved_at"] = "2026-01-01T00:00:00"
    servers.skyportal.state.load_photometry(ZTF)
    for point in servers.skyportal.state.points.values():
        point["created_at"] = "2026-01-01T00:00:00"
    found = find(position, services="skyportal", since=cut, light_curves=True, timeout=60)
    assert not len(found)
    late = cut.mjd + 1
    stamp = Time(late, format="mjd").isot
    servers.skyportal.state.add_point(ZTF, 59000.5, "ztfg", 100.0, 5.0, created_at=stamp)
    found = find(
        position, services="skyportal", since=cut, light_curves=True, cache=False, timeout=60
    )
    assert found.objects["object_id"].tolist() == [ZTF]
    (curve,) = found.light_curves()
    assert curve.time.mjd.tolist() == [59000.5]
    # Those that are fetched later, too.
    found = find(position, services="skyportal", since=cut, cache=False, timeout=60)
    (curve,) = found.light_curves()
    assert curve.time.mjd.tolist() == [59000.5]


@pytest.mark.usefixtures("quiet")
def test_light_curves_since_a_time_begin_then(servers, position):
    full = find(position, services="atlas", light_curves=True, timeout=60).light_curves()
    since = full[0].time[len(full[0]) // 2]
    part = find(position, services="atlas", light_curves=True, since=since, timeout=60)
    assert 0 < len(part.light_curves()[0]) < len(full[0])
    assert all((lc.time >= since).all() for lc in part.light_curves())


def test_forced_photometry_is_asked_only_by_name(servers, forced, position):
    assert "forcedphot" not in find(position, timeout=60).services
    assert not forced.asked("POST")
    found = find(position, services="forced", since=59000)
    (entry,) = found.objects
    assert (entry["service"], entry["survey"]) == ("forcedphot", "atlas")
    (curve,) = found.light_curves()
    assert found["forcedphot"]["n_rows"].tolist() == [len(curve)]
    assert curve.time.utc.mjd.min() >= 59000
    assert len(forced.asked("POST", "queue")) == 1


@pytest.mark.usefixtures("quiet")
def test_lcc_objects_are_found_by_name_and_position(servers):
    found = find(LCC, services="lcc", light_curves=True, timeout=60)
    (entry,) = found.objects
    assert (entry["object_id"], entry["survey"]) == (LCC, "one_sky")
    assert len(found.light_curves()) == 1
    wide = find(LCC, services="lcc", radius="5 arcmin", timeout=60)
    assert len(wide) > 1


def test_many_positions_share_searches(servers):
    rng = np.random.default_rng(3)
    here = SkyCoord([one.ra for one in servers.sky][:40], [one.dec for one in servers.sky][:40],
                    unit="deg")  # fmt: skip
    near = here.directional_offset_by(rng.uniform(0, 360, 40) * u.deg, 3 * u.arcsec)
    find(near[0], services="alerce", radius="5 arcsec", timeout=60)
    servers.alerce.received.clear()
    servers.atlas.clear_requests()
    found = find(near, radius="5 arcsec", timeout=60)
    together = {
        "alerce": len(servers.alerce.asked("objects/.*ra=")),
        "atlas": len(servers.requests),
    }
    assert max(together.values()) <= 40 < 3 * len(near)
    each = [find(one, radius="5 arcsec", timeout=60, services=list(ALL)) for one in _quietly(near)]
    expected = sorted(
        (n, *row) for n, one in enumerate(each)
        for row in zip(*(one.objects[c] for c in ("service", "object_id")), strict=True)
    )  # fmt: skip
    columns = (found.objects[c].tolist() for c in ("query_index", "service", "object_id"))
    assert sorted(zip(*columns, strict=True)) == expected
    assert len(expected) > 10
    separation = [e["separation"] for e in found.objects]
    assert max(separation) <= 5


def _quietly(positions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        yield from positions


@pytest.mark.usefixtures("quiet")
def test_a_result_is_written_and_pickled_without_credentials(servers, position, tmp_path):
    found = find(position, light_curves=True, timeout=60)
    body = pickle.dumps(found)
    assert servers.token.encode() not in body
    again = pickle.loads(body)
    for name in COLUMNS[:9]:
        assert again.objects[name].tolist() == found.objects[name].tolist()
    assert again.objects["last_time"].mask.tolist() == found.objects["last_time"].mask.tolist()
    assert len(again.light_curve()) == len(found.light_curve())
    assert again.names == found.names and again["skyportal"].colnames == found["skyportal"].colnames
    bare = pickle.loads(pickle.dumps(find(position, timeout=60)))
    with pytest.raises(InvalidQueryError, match="light_curves=True"):
        bare.light_curve()
    for ending in ("ecsv", "fits", "vot"):
        path = found.write(tmp_path / f"found.{ending}")
        table = read_table(path)
        assert table["object_id"].tolist() == found.objects["object_id"].tolist()


def test_html_escapes_what_servers_send(servers, position):
    servers.skyportal.state.objects[ZTF]["tns_name"] = "<script>alert(1)</script>"
    found = find(position, services="skyportal", cache=False, timeout=60)
    html = found._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "skyportal" in html and "0.00" in html


def test_a_plot_has_the_name_of_the_target(servers, quiet):
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    ax = find(ZTF, timeout=60).plot()
    assert ax.get_title() == ZTF
    plt.close(ax.figure)
