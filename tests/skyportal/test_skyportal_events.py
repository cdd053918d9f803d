"""Galaxies, events, sky maps and finding charts."""

import gzip

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from skyportal_events import PDF, PNG, add_event, add_galaxy, sky_map
from skyportal_server import Answer, RefusalError

from atlasquery.exceptions import (
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.skyportal import Picture

PLACE = SkyCoord(0.3805, -5.9846, unit="deg")
EVENT = "2018-01-16T00:36:53"


def answer_of(data):
    return Answer(200, {"status": "success", "data": data, "version": "1.4.0"})


def test_recorded_galaxies(skyportal, double, samples):
    body = samples("galaxy_cone")["body"]
    double.faults = {"galaxy_catalog": Answer(200, body)}
    table = skyportal.query_galaxies(PLACE, radius=0.01 * u.deg)
    sent = body["data"]["galaxies"][0]
    assert table["id"].tolist() == [1]
    assert table["id"].dtype == table["healpix"].dtype == np.int64
    assert table["healpix"][0] == sent["healpix"] == 1221432781206486130
    assert table["distance"][0] == 336.6
    assert table["distance"].unit == u.Mpc
    assert table["stellar_mass"].quantity[0] == 1e10 * u.solMass
    assert table["mag_k"].mask.all()
    assert np.isnan(table["mag_k"].data.data[0])
    assert table["created_at"].isot[0] == "2026-11-20T17:54:44.370"
    place = SkyCoord(sent["ra"], sent["dec"], unit="deg")
    assert table["separation"].unit == u.arcsec
    assert table["separation"][0] == pytest.approx(place.separation(PLACE).arcsec, rel=1e-9)
    request = double.asked("galaxy_catalog")[0]
    for part in ("radius=0.01", "ra=0.3805", "dec=-5.9846", "sortBy=name"):
        assert part in request
    whole = samples("galaxy_get_all")["body"]
    double.faults = {"galaxy_catalog": Answer(200, whole)}
    table = skyportal.query_galaxies(catalog="CLU_test")
    assert table["id"].tolist() == [1, 2]
    assert "separation" not in table.colnames
    double.faults = {"galaxy_catalog": Answer(200, samples("get_galaxy")["body"])}
    with pytest.warns(NoResultsWarning, match="no such galaxies"):
        empty = skyportal.query_galaxies(cache=False)
    assert set(empty.colnames) == set(table.colnames)
    for name in empty.colnames:
        assert type(empty[name]) is type(table[name]), name


def test_recorded_catalogues(skyportal, double, samples):
    double.faults = {"galaxy_catalog": Answer(200, samples("galaxy_names")["body"])}
    table = skyportal.list_galaxy_catalogs()
    assert table["name"].tolist() == ["CLU_test"]
    assert table["n_galaxies"].tolist() == [2]
    double.faults = {"galaxy_catalog": answer_of(["CLU", "GLADE"])}
    assert skyportal.list_galaxy_catalogs(cache=False)["name"].tolist() == ["CLU", "GLADE"]
    double.faults = {}
    with pytest.warns(NoResultsWarning, match="no catalogues"):
        skyportal.list_galaxy_catalogs(cache=False)


def test_the_double_has_the_keys_of_recorded_galaxies_and_events(double, samples):
    from skyportal_events import GALAXY

    ours = add_galaxy(double.sky, "a", 1, 2)
    assert set(ours) == set(samples("galaxy_cone")["body"]["data"]["galaxies"][0])
    assert set(GALAXY) < set(ours)
    ours, theirs = add_event(double.sky), samples("gcn_list")["body"]["data"]["events"][0]
    assert set(ours) == set(theirs)
    for key in ("gcn_notices", "localizations"):
        assert set(ours[key][0]) == set(theirs[key][0])


@pytest.mark.parametrize("name", ["page", "pageNumber"])
def test_pages_of_galaxies_whatever_their_number_is_called(skyportal, double, name):
    double.sky.tables["galaxy_page"] = name
    for n in range(1300):
        add_galaxy(double.sky, f"NGC {n:04d}", 0.1 * n, -5.0, distmpc=float(n))
    table = skyportal.query_galaxies(max_rows=-1)
    assert table["id"].tolist() == list(range(1, 1301))
    with pytest.warns(MaxResultsWarning, match="more galaxies, 1300, than the 700"):
        table = skyportal.query_galaxies(max_rows=700, sort_by="distance", descending=True)
    assert table["distance"].tolist() == [1299.0 - n for n in range(700)]


def test_galaxies_by_name_redshift_and_distance(skyportal, double):
    for n in range(5):
        add_galaxy(double.sky, f"NGC {n}", 10.0 + n, -5.0, redshift=0.01 * n, distmpc=40.0 * n)
    add_galaxy(double.sky, "UGC 1", 30.0, -5.0)
    assert skyportal.query_galaxies(name="ngc")["id"].tolist() == [1, 2, 3, 4, 5]
    assert skyportal.query_galaxies(redshift=(0.02, 0.03))["id"].tolist() == [3, 4]
    found = skyportal.query_galaxies(distance=(0.1 * u.Gpc, None))
    assert found["id"].tolist() == [4, 5]
    assert "minDistance=100.0" in double.asked("galaxy")[-1]
    near = skyportal.query_galaxies(SkyCoord(11.9, -5, unit="deg"), radius="1.2 deg")
    assert near["id"].tolist() == [3, 2, 4]
    sent = skyportal.query_galaxies(
        localization=(EVENT, "a map"), probability=0.9, get_query_payload=True
    )
    assert sent["localizationDateobs"] == EVENT
    assert (sent["localizationName"], sent["localizationCumprob"]) == ("a map", "0.9")
    assert "startDate" not in sent


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"radius": "1 deg"}, "go together"),
        ({"coordinates": PLACE}, "go together"),
        ({"coordinates": PLACE, "radius": "0 deg"}, "radius"),
        ({"coordinates": SkyCoord([1, 2], [1, 2], unit="deg"), "radius": "1 deg"}, "one position"),
        ({"distance": (10, 20)}, "with a unit"),
        ({"distance": (20 * u.Mpc, 10 * u.Mpc)}, "end beyond"),
        ({"distance": 10 * u.Mpc}, "pair"),
        ({"redshift": 0.1}, "pair"),
        ({"sort_by": "brightness"}, "sort_by"),
        ({"probability": 0.9}, "localization"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_galaxies_refused_before_anything_is_sent(skyportal, double, arguments, words):
    with pytest.raises(InvalidQueryError, match=words):
        skyportal.query_galaxies(**arguments)
    assert double.received == []


def test_galaxies_of_elsewhere_are_refused(skyportal, double):
    add_galaxy(double.sky, "far away", 90.0, 0.0)
    rows = double.sky.tables["galaxies"]
    double.faults = {"galaxy": answer_of({"galaxies": rows, "totalMatches": 1, "page": 1})}
    with pytest.raises(TableParseError, match="ignored the position"):
        skyportal.query_galaxies(PLACE, radius="1 deg")


def test_recorded_events(skyportal, double, samples):
    body = samples("gcn_list")["body"]
    double.faults = {"gcn_event": Answer(200, body)}
    table = skyportal.query_gcn_events()
    assert isinstance(table["dateobs"], Time)
    assert table["dateobs"].scale == "utc"
    assert table["dateobs"].isot.tolist() == ["2018-01-16T00:36:53.000"]
    assert table["aliases"].tolist() == ["FERMI#bn180116026"]
    assert table["tags"].tolist() == ["Fermi, GRB"]
    assert table["localizations"].tolist() == ["214.74000_28.14000_11.19000"]
    assert table["notices"].tolist() == ["FERMI_GBM_GND_POS"]
    assert table["trigger_id"].tolist() == ["537755817"]
    double.faults = {"gcn_event": Answer(200, samples("get_gcn")["body"])}
    with pytest.warns(NoResultsWarning, match="no such events"):
        empty = skyportal.query_gcn_events(cache=False)
    assert empty.colnames == table.colnames


def test_events_by_time_and_tags_of_servers_old_and_new(skyportal, double):
    add_event(double.sky, "2018-01-16T00:36:53")
    add_event(double.sky, "2019-01-16T00:36:53", tags=["GW", "BNS"], aliases=["LVC#S190116"])
    add_event(double.sky, "2020-01-16T00:36:53", tags=["GW", "BBH"], a_new_key=1)
    assert skyportal.query_gcn_events()["id"].tolist() == [3, 2, 1]
    assert skyportal.query_gcn_events(start="2018-06-01", end=58600.0)["id"].tolist() == [2]
    assert skyportal.query_gcn_events(name="S190116")["id"].tolist() == [2]
    for old in (False, True):
        # A server that calls its filters otherwise ignores ours.
        double.sky.tables["old_filters"] = old
        found = skyportal.query_gcn_events(tags=["GW", "GRB"], without_tags="BBH", cache=False)
        assert found["id"].tolist() == [2, 1]
    assert "gcnTagKeep=GW%2CGRB" in double.asked("gcn_event")[-1]
    with pytest.raises(InvalidQueryError, match="comma"):
        skyportal.query_gcn_events(tags=["a,b"])
    with pytest.raises(InvalidQueryError, match="empty"):
        skyportal.query_gcn_events(tags=[])
    with pytest.raises(InvalidQueryError, match="before it begins"):
        skyportal.query_gcn_events(start="2020-01-01", end="2019-01-01")


def test_events_come_in_pages(skyportal, double):
    for n in range(230):
        add_event(double.sky, f"2020-01-16T{n // 60:02d}:{n % 60:02d}:00")
    table = skyportal.query_gcn_events(max_rows=-1)
    assert table["id"].tolist() == list(range(230, 0, -1))


def test_a_sky_map_of_many_resolutions(skyportal, double):
    add_event(double.sky, maps=("first", "second map/2"))
    double.sky.tables["sky_map"] = sky_map(distances=True)
    table = skyportal.get_localization(Time(EVENT))
    assert isinstance(table, Table)
    assert table["UNIQ"].dtype.kind == "i"
    assert table["PROBDENSITY"].unit == u.sr**-1
    assert table["DISTMU"].unit == u.Mpc
    assert table["DISTNORM"].unit == u.Mpc**-2
    area = 4 * np.pi / 48 * u.sr
    total = (table["PROBDENSITY"].quantity * area).sum()
    assert total.to_value(u.dimensionless_unscaled) == pytest.approx(1)
    assert table.meta["multi_order"] is True
    assert table.meta["name"] == "second map/2"
    assert table.meta["dateobs"] == EVENT
    assert table.meta["DISTMEAN"] == 40.2
    assert double.asked("localization") == [
        f"GET /api/localization/{EVENT.replace(':', '%3A')}/name/second%20map%2F2/download"
    ]
    named = skyportal.get_localization(EVENT, "first")
    assert named.meta["name"] == "first"
    asked = len(double.received)
    skyportal.get_localization(EVENT, "first")
    assert len(double.received) == asked


def test_sky_maps_of_other_forms(skyportal, double):
    add_event(double.sky)
    double.sky.tables["sky_map"] = gzip.compress(sky_map(units=False, distances=True))
    table = skyportal.get_localization(EVENT)
    assert table["PROBDENSITY"].unit == u.sr**-1
    assert table["DISTSIGMA"].unit == u.Mpc
    double.sky.tables["sky_map"] = sky_map(flat=True)
    table = skyportal.get_localization(EVENT, cache=False)
    assert table.meta["multi_order"] is False
    assert table.meta["ORDERING"] == "NESTED"
    assert table["PROB"].unit == u.dimensionless_unscaled
    assert table["PROB"].sum() == pytest.approx(1)


def test_sky_maps_that_are_none(skyportal, double, samples):
    with pytest.raises(NotFoundError, match=f"event {EVENT}"):
        skyportal.get_localization(EVENT)
    add_event(double.sky, maps=())
    with pytest.raises(NotFoundError, match="no sky map of the event"):
        skyportal.get_localization(EVENT, cache=False)
    with pytest.raises(NotFoundError, match="sky map other of"):
        skyportal.get_localization(EVENT, "other")
    for name in ("", 5):
        with pytest.raises(InvalidQueryError, match="name of a sky map"):
            skyportal.get_localization(EVENT, name)
    with pytest.raises(InvalidQueryError, match="event="):
        skyportal.get_localization("yesterday")
    for body in (b"<html>", sky_map()[:3000], sky_map()[:-2880], gzip.compress(b"no")):
        double.faults = {"download": Answer(200, body, "application/fits")}
        with pytest.raises(TableParseError, match="sky map"):
            skyportal.get_localization(EVENT, "a", cache=False)
    double.faults = {"download": Answer(200, {"status": "error", "message": "no map"})}
    with pytest.raises(RemoteServiceError, match="no map"):
        skyportal.get_localization(EVENT, "a")
    exchange = samples("gcn_404")
    double.faults = {"gcn_event": Answer(404, exchange["body"])}
    with pytest.raises(NotFoundError, match="GCN event not found"):
        skyportal.get_localization("2001-01-16T00:36:53")


def test_a_finding_chart(skyportal, double, tmp_path):
    chart = skyportal.get_finding_chart(PLACE, size="3 arcmin", time="2026-12-01")
    assert isinstance(chart, Picture)
    assert bytes(chart) == chart.data == PNG
    assert chart.kind == "png"
    assert "0.38050 -5.98460" in repr(chart)
    shown = chart._repr_mimebundle_()
    assert shown["image/png"] == PNG
    request = double.received[0]
    for part in ("location_type=pos", "ra=0.3805", "dec=-5.9846", "imsize=3.0", "type=png"):
        assert part in request
    assert "obstime=2026-12-01T00%3A00%3A00.000" in request
    assert chart.save(tmp_path / "chart") == tmp_path / "chart.png"
    assert (tmp_path / "chart.png").read_bytes() == PNG
    with pytest.raises(InvalidQueryError, match=r"end in \.png"):
        chart.save(tmp_path / "chart.pdf")
    paper = skyportal.get_finding_chart(PLACE, kind="pdf")
    assert paper.data == PDF
    assert paper._repr_mimebundle_()["application/pdf"] == PDF
    assert paper != chart


def test_a_finding_chart_of_a_source_and_of_gaia(skyportal, double):
    double.sky.add_source("ATLAS24abc", 150.25, 2.5)
    chart = skyportal.get_finding_chart("ATLAS24abc")
    assert "ATLAS24abc" in repr(chart)
    assert "ra=150.25" in double.asked("finder")[0]
    skyportal.get_finding_chart(gaia_id=3131481007457301760)
    assert "catalog_id=3131481007457301760" in double.asked("finder")[1]
    with pytest.raises(NotFoundError, match="source NOPE"):
        skyportal.get_finding_chart("NOPE")
    with pytest.raises(RemoteServiceError, match="not found in the catalog"):
        skyportal.get_finding_chart(gaia_id=404)


def test_errors_of_charts_are_those_of_the_server(skyportal, double):
    double.faults = {"finder": RefusalError(500, "no image from PS1")}
    with pytest.raises(RemoteServiceError, match="no image from PS1"):
        skyportal.get_finding_chart(PLACE)
    double.faults = {"finder": Answer(200, {"status": "error", "message": "no stars"})}
    with pytest.raises(RemoteServiceError, match="no stars"):
        skyportal.get_finding_chart(PLACE)
    double.faults = {"finder": Answer(200, b"<html>", "text/html")}
    with pytest.raises((TableParseError, RemoteServiceError)):
        skyportal.get_finding_chart(PLACE)
    double.faults = {"finder": Answer(200, PDF, "application/pdf")}
    with pytest.raises(TableParseError, match="pdf where a png"):
        skyportal.get_finding_chart(PLACE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "target or a gaia_id"),
        ({"target": PLACE, "gaia_id": 1}, "not both"),
        ({"target": SkyCoord([1, 2], [1, 2], unit="deg")}, "one position"),
        ({"target": PLACE, "size": "1 arcmin"}, "2 to 15"),
        ({"target": PLACE, "size": 4}, "unit"),
        ({"target": PLACE, "kind": "gif"}, "kind"),
        ({"target": PLACE, "image": "hubble"}, "image"),
        ({"target": PLACE, "facility": ""}, "facility"),
        ({"target": PLACE, "offset_stars": 5}, "0 to 4"),
        ({"gaia_id": "x"}, "gaia_id"),
        ({"gaia_id": 1, "gaia_release": "dr9"}, "gaia_release"),
        ({"target": True}, "coordinates"),
    ],
)
def test_charts_refused_before_anything_is_sent(skyportal, double, arguments, words):
    with pytest.raises(InvalidQueryError, match=words):
        skyportal.get_finding_chart(**arguments)
    assert double.received == []


def test_pictures_of_other_kinds():
    from atlasquery.skyportal.pictures import decode_picture

    picture = decode_picture(b'<?xml version="1.0"?><svg onload="x()"/>')
    assert picture.kind == "svg"
    assert list(picture._repr_mimebundle_()) == ["text/plain"]
    assert decode_picture(b"\xff\xd8\xff\xe0").kind == "jpeg"
    with pytest.raises(TableParseError, match="no picture"):
        decode_picture(b"hello")
